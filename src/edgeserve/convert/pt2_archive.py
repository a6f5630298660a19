"""What a PyTorch ``.pt2`` archive may hold before PyTorch is let at it.

``torch.export.load`` is no safe reader: it unpickles custom objects and pickled weights, loads
compiled libraries, evaluates symbolic expressions as Python, looks operators up by name in any
module that torch has imported, and writes names into Python source. Plain exported models need none
of that: names, operators of aten, arithmetic of extents, weights as raw bytes. What is more than
that is refused unless the source is trusted. It is a filter and no sandbox.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeserve.errors import ConversionError

TRUST_HINT = "--trust-source runs the code in it: only for a file whose origin you know"

_MAX_JSON_BYTES = 256 << 20
# Of modules in containers too: "0.weight".
_DOTTED = re.compile(r"\w+(\.\w+)*", re.ASCII)
_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|higher_order|quantized_decomposed|torchvision)"
    r"\.(?!from_file\b|_?save|_?load)(__(and|or|xor|lshift|rshift)__|[a-z_][A-Za-z0-9]\w*|[a-z])"
    r"(\.[A-Za-z]\w*)?"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)"
    r"|math\.[a-z]+\d*"
    r"|torch\._?sym_[a-z_]+",
    re.ASCII,
)
_HIGHER_ORDER = frozenset({"cond", "while_loop", "scan", "map", "wrap_with_set_grad_enabled"})
_WORDS_OF_EXPRESSIONS = frozenset(
    {
        "FloorDiv",
        "ModularIndexing",
        "Where",
        "PythonMod",
        "Mod",
        "CleanDiv",
        "CeilToInt",
        "FloorToInt",
        "CeilDiv",
        "LShift",
        "RShift",
        "PowByNatural",
        "FloatPow",
        "FloatTrueDiv",
        "IntTrueDiv",
        "TruncToFloat",
        "TruncToInt",
        "RoundToInt",
        "RoundDecimal",
        "ToFloat",
        "Identity",
        "Max",
        "Min",
        "Eq",
        "Ne",
        "Lt",
        "Le",
        "Gt",
        "Ge",
        "And",
        "Or",
        "Not",
        "True",
        "False",
        "Integer",
        "Symbol",
        "Rational",
        "Add",
        "Mul",
        "Pow",
        "positive",
        "integer",
        "nonnegative",
    }
)
_EXPRESSION = re.compile(r"[\w\s+*/%()<>=!&|~.,-]*", re.ASCII)
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SYMBOL = re.compile(r"[su]\d+|zuf\d+", re.ASCII)
_QUOTED_SYMBOL = re.compile(r"'([su]\d+|zuf\d+)'", re.ASCII)
_NAME_KEYS = frozenset(
    {"name", "parameter_name", "buffer_name", "tensor_constant_name", "graph_name", "as_name"}
)
# Told to people alone: stack traces and the names of modules.
_PROSE_KEYS = frozenset({"metadata", "torch_version"})


def require_safe(path: Path) -> None:
    """Raises ConversionError where the archive asks for more than a plain exported model."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [_inner(name) for name in archive.namelist()]
            _require_members(path, names)
            for name in archive.namelist():
                if name.endswith(".json"):
                    _require_document(path, _inner(name), _json(archive, name))
    except (zipfile.BadZipFile, OSError, ValueError, RecursionError) as error:
        raise ConversionError(
            f"{path} is damaged: {error}", hint="export the model again with torch.export.save"
        ) from error


def _inner(name: str) -> str:
    """The name without the archive's own folder in front."""
    return name.partition("/")[2] or name


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > _MAX_JSON_BYTES:
        raise ValueError(f"{name} is larger than {_MAX_JSON_BYTES:,} bytes")
    return json.loads(archive.read(name))


def _require_members(path: Path, names: list[str]) -> None:
    if not any(name.startswith("models/") and name.endswith(".json") for name in names):
        raise ConversionError(
            f"{path} holds no exported program in today's form",
            hint="save it with torch.export.save of PyTorch 2.9 or newer",
        )
    for name in names:
        if name.startswith("data/aotinductor/"):
            raise _unsafe(path, "a compiled library")
        if name.startswith(("data/constants/custom_obj", "data/constants/opaque_obj")):
            raise _unsafe(path, "a pickled Python object")
        if name.startswith(("data/weights/", "data/constants/")) and name.endswith(".pt"):
            raise _unsafe(path, "pickled weights")


def _require_document(path: Path, member: str, document: Any) -> None:
    for key, value in _strings(document):
        if key == "target" and not _is_operator(value):
            raise _unsafe(path, f"a call of {value[:60]!r}")
        if key == "expr_str" and not _is_arithmetic(value):
            raise _unsafe(path, f"the expression {value[:60]!r}")
        if key in _NAME_KEYS and value and not _DOTTED.fullmatch(value):
            raise _unsafe(path, f"the name {value[:60]!r}")
        if key == "path_name" and not re.fullmatch(r"[\w.-]+", value, re.ASCII):
            raise _unsafe(path, f"the path {value[:60]!r}")
        if key in ("in_spec", "out_spec") and "default_factory" in value:
            raise _unsafe(path, "a tree of inputs that imports modules")
        if "__" in value and key != "target" and not _DOTTED.fullmatch(value):
            raise _unsafe(path, f"{value[:60]!r} in {member}")
    if any(_pickled(document)):
        raise _unsafe(path, "pickled weights")


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string with the key under which it stands, and every key that is no field."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
    elif isinstance(value, dict):
        for inner, item in value.items():
            if key.endswith("_values"):
                yield "name", inner
            if inner not in _PROSE_KEYS:
                yield from _strings(item, inner)


def _pickled(value: Any) -> Iterator[bool]:
    if isinstance(value, dict):
        yield value.get("use_pickle") is True
        for item in value.values():
            yield from _pickled(item)
    elif isinstance(value, list):
        for item in value:
            yield from _pickled(item)


def _is_operator(target: str) -> bool:
    if not _OPERATOR.fullmatch(target):
        return False
    parts = target.split(".")
    return parts[2:3] != ["higher_order"] or parts[3] in _HIGHER_ORDER


def _is_arithmetic(expression: str) -> bool:
    bare = _QUOTED_SYMBOL.sub(r"\1", expression)
    words = _WORD.findall(bare)
    return bool(_EXPRESSION.fullmatch(bare)) and all(
        word in _WORDS_OF_EXPRESSIONS or _SYMBOL.fullmatch(word) for word in words
    )


def _unsafe(path: Path, what: str) -> ConversionError:
    return ConversionError(
        f"{path} holds {what}, which PyTorch would run or unpickle", hint=TRUST_HINT
    )

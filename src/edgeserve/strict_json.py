"""Frozen dataclasses to JSON and back, where anything unexpected is an error.

The supported field types are ``str``, ``int``, ``float``, ``bool``, enums by value, nested
dataclasses, ``tuple[X, ...]`` as a list, and ``X | None``. Key order in the text is field order, so
that equal values give equal bytes.
"""

from __future__ import annotations

import dataclasses
import json
import types
from enum import Enum
from sys import float_info
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from edgeserve.errors import ConfigError

Record = TypeVar("Record")

_HINT = "edgeserve wrote this file: let it write it again, or undo the change"


def dump_json(value: Any) -> str:
    """The JSON text of a dataclass, indented by two, ended by a newline."""
    return json.dumps(to_json(value), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def to_json(value: Any) -> Any:
    """The plain lists, dicts and scalars that stand for ``value``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value


def load_json(cls: type[Record], text: str, *, where: str, schema: int | None = None) -> Record:
    """Parse ``text`` as a ``cls``; ``where`` names the file in messages.

    Raises ConfigError when the text is not JSON, its key ``schema`` is a number other than
    ``schema``, a key is missing, unknown or doubled, or a value has another type than the field.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not valid JSON: {error}", hint=_HINT) from error
    if schema is not None:
        _require_schema(value, schema, where)
    return from_json(cls, value, where=where)


def from_json(cls: type[Record], value: Any, *, where: str) -> Record:
    """Turn plain JSON values into a ``cls``; raises ConfigError that names the place."""
    result: Record = _parse(cls, value, where)
    return result


def _require_schema(value: Any, schema: int, where: str) -> None:
    # Before the keys: those of another version differ, and that is why.
    found = value.get("schema") if isinstance(value, dict) else None
    if type(found) is int and found != schema:
        raise ConfigError(
            f"{where} has schema {found}, and this edgeserve reads {schema}",
            hint="make it again with this version",
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _parse(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _parse_optional(kind, value, where)
    if origin is tuple:
        return _parse_tuple(kind, value, where)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _parse_record(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _parse_enum(kind, value, where)
    return _parse_scalar(kind, value, where)


def _parse_optional(kind: Any, value: Any, where: str) -> Any:
    if value is None:
        return None
    (inner,) = (item for item in get_args(kind) if item is not type(None))
    return _parse(inner, value, where)


def _parse_tuple(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{where} must be a list, not {_spell(value)}", hint=_HINT)
    item_kind = get_args(kind)[0]
    return tuple(_parse(item_kind, item, f"{where}[{i}]") for i, item in enumerate(value))


def _parse_record(kind: type[Any], value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be an object, not {_spell(value)}", hint=_HINT)
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    unknown = sorted(set(value) - set(names))
    missing = [name for name in names if name not in value]
    if unknown:
        raise ConfigError(f"{where} has an unknown key {unknown[0]!r}", hint=_HINT)
    if missing:
        raise ConfigError(f"{where} lacks the key {missing[0]!r}", hint=_HINT)
    return kind(**{name: _parse(hints[name], value[name], f"{where}: {name}") for name in names})


def _parse_enum(kind: type[Enum], value: Any, where: str) -> Enum:
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(str(member.value) for member in kind)
        raise ConfigError(
            f"{where} must be one of {choices}, not {_spell(value)}", hint=_HINT
        ) from None


def _parse_scalar(kind: Any, value: Any, where: str) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number and abs(value) <= float_info.max:
        return float(value)
    if kind is int and is_number and isinstance(value, int):
        return value
    if kind is str and isinstance(value, str) and not _has_surrogate(value):
        return value
    if kind is bool and isinstance(value, bool):
        return value
    raise ConfigError(f"{where} must be of type {kind.__name__}, not {_spell(value)}", hint=_HINT)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _spell(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."

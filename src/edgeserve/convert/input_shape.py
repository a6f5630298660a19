"""Shapes that a user gives to inputs whose extents the source model leaves open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeserve.errors import ConfigError

_FORM = re.compile(r"(?P<name>.+)=(?P<extents>\d{1,6}(?:,\d{1,6})*)")
_HINT = "write --input-shape NAME=1,3,224,224"


@dataclass(frozen=True, slots=True)
class InputShape:
    """The extents of input ``name``, the batch, which is 1, in front, in the source's layout."""

    name: str
    extents: tuple[int, ...]


def parse_input_shapes(texts: Iterable[str]) -> tuple[InputShape, ...]:
    """``NAME=1,3,224,224`` each. Raises ConfigError for another form, a batch other than 1, an
    extent of 0, or a name given twice.
    """
    shapes = tuple(_parsed(text) for text in texts)
    names = [shape.name for shape in shapes]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--input-shape {name} is given twice", hint=_HINT)
    return shapes


def _parsed(text: str) -> InputShape:
    found = _FORM.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} is no shape of an input", hint=_HINT)
    extents = tuple(int(extent) for extent in found["extents"].split(","))
    if extents[0] != 1 or 0 in extents:
        raise ConfigError(
            f"--input-shape {text}: the batch, in front, is 1, and no extent is 0", hint=_HINT
        )
    return InputShape(found["name"], extents)


def settled(
    name: str, extents: Sequence[int | None], given: Sequence[InputShape]
) -> tuple[int, ...]:
    """The shape of input ``name``, of which None are open: any batch becomes 1, the other open
    extents are those ``given``.

    Raises ConfigError where an open extent is not given, or a given one contradicts the model.
    """
    told = next((shape.extents for shape in given if shape.name == name), None)
    spelled = "(" + ", ".join("?" if e is None else str(e) for e in extents) + ")"
    if told is None:
        rest = extents[1:]
        if None in rest:
            example = ",".join(["1", *("?" if e is None else str(e) for e in rest)])
            raise ConfigError(
                f"input {name!r} has shape {spelled}, and its open extents are not given",
                hint=f"give them: --input-shape {name}={example}, with a number for each ?",
            )
        return (1, *(e for e in rest if e is not None))
    pairs = zip(extents[1:], told[1:], strict=False)
    if len(told) != len(extents) or any(e not in (None, t) for e, t in pairs):
        raise ConfigError(
            f"--input-shape {name}={','.join(map(str, told))} is not a case of the model's "
            f"{spelled}",
            hint="only extents that the model leaves open, and the batch, can be chosen",
        )
    return told


def require_known(given: Sequence[InputShape], names: Sequence[str]) -> None:
    """Raises ConfigError where a shape is given to an input that the model does not have."""
    for shape in given:
        if shape.name not in names:
            raise ConfigError(
                f"the model has no input {shape.name!r}", hint=f"its inputs: {', '.join(names)}"
            )

"""Whether a declaration suits a model's input."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from edgeserve.errors import ConfigError
from edgeserve.preprocess.declaration import Front, ImageInput

Shapes = Sequence[tuple[str, tuple[int, ...]]]
"""Name and shape of the model's inputs, the batch in front."""


def require_input(front: Front, inputs: Shapes) -> None:
    """Raises ConfigError where the model has several inputs, or one of another shape.

    Extents of 1 do not count; sound and sensors also go to an input that is flat.
    """
    if len(inputs) != 1:
        raise ConfigError(
            f"the model has {len(inputs)} inputs, and a declaration is for one",
            hint="leave out --preprocess",
        )
    ((name, shape),) = inputs
    wanted, given = _without_ones(front.shape), _without_ones(shape)
    is_flat = given == (prod(front.shape),) and not isinstance(front, ImageInput)
    if wanted != given and not is_flat:
        raise ConfigError(
            f"the declaration gives {_spell(front.shape)}, and input {name!r} takes "
            f"{_spell(shape[1:])} (both without the batch)",
            hint="mend the sizes in the declaration: they are height, width and colours of an "
            "image, frames and features of a sound, samples and axes of a sensor",
        )


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(extent for extent in shape if extent != 1)


def _spell(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"

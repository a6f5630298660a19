"""What passes between ``convert`` and a converter in an environment of its own.

Nothing here imports more than the standard library: the other environment has its own packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeserve.convert.input_shape import InputShape
from edgeserve.errors import ConversionError

FLOAT_FILE = "float.tflite"
LARGEST_DIFFERENCE = 1e-3
"""Of a float model from its source, as a share of the source's largest output."""


@dataclass(frozen=True, slots=True)
class ForeignJob:
    """What to convert into ``float.tflite`` in ``work_dir``."""

    work_dir: str
    source: str
    input_shapes: tuple[InputShape, ...]
    trust_source: bool


@dataclass(frozen=True, slots=True)
class ForeignInput:
    """An input: its shape in the source, and in the float model, where channels are last."""

    name: str
    source_shape: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ForeignTool:
    """A package that took part."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ForeignResult:
    """Inputs in the float model's order; ``largest_difference`` is how far its outputs are from the
    source's own on random inputs, as a share of the largest.
    """

    inputs: tuple[ForeignInput, ...]
    largest_difference: float
    tools: tuple[ForeignTool, ...]
    notes: tuple[str, ...]


def require_float32(name: str, dtype: str) -> None:
    """Raises ConversionError for an input of another type."""
    if dtype != "float32":
        raise ConversionError(
            f"input {name!r} is {dtype}, and only float32 inputs are converted",
            hint="let the model take float32 and do the look-up or cast outside it",
        )


def require_equal(difference: float, converter: str) -> None:
    """Raises ConversionError where a converter has changed what the model computes."""
    if not difference <= LARGEST_DIFFERENCE:
        raise ConversionError(
            f"{converter} made another model of it: outputs differ by {difference:.2g} of the "
            "largest",
            hint="this is a fault of the converter: convert the model elsewhere and give the "
            ".tflite",
        )


def told_layout(inputs: Sequence[ForeignInput]) -> tuple[str, ...]:
    """A line for each input whose channels have moved."""
    return tuple(
        f"input {each.name!r} is {list(each.shape)}, channels last; in the source it is "
        f"{list(each.source_shape)}"
        for each in inputs
        if each.shape != each.source_shape
    )

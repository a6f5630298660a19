"""The nouns of a Core ML package: what is in it, and how far it is from the float model.

They are stored in ``bundle.json`` under ``coreml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WeightsForm(StrEnum):
    """How a package holds its weights. Activations are float16 in all but FLOAT32."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"
    INT8 = "int8"
    PALETTIZED6 = "palettized6"
    PALETTIZED4 = "palettized4"


class PortKind(StrEnum):
    """What an app hands in or takes out."""

    ARRAY = "array"
    IMAGE_RGB = "image-rgb"
    IMAGE_BGR = "image-bgr"
    IMAGE_GRAY = "image-gray"
    LABEL = "label"
    PROBABILITIES = "probabilities"


class SamplesFrom(StrEnum):
    """Where the inputs came from on which a package was checked."""

    CALIBRATION = "calibration"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the package. An image's shape is ``(1, channels, height, width)``; a
    label has none; probabilities have the number of classes.
    """

    name: str
    kind: PortKind
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OperatorCount:
    """How often an operator of the ML Program occurs; constants and their decoding are left out."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class OutputError:
    """How far an output is from the float model's, over all samples and elements.

    ``largest`` is the greatest absolute value that the float model gave.
    """

    name: str
    max_abs_error: float
    largest: float

    @property
    def relative(self) -> float:
        """The largest error as a share of the largest value; absolute where that value is 0."""
        return self.max_abs_error / self.largest if self.largest else self.max_abs_error


@dataclass(frozen=True, slots=True)
class CoremlCheck:
    """The saved package, evaluated in numpy, beside the float model in LiteRT.

    ``uncompressed`` is of the package before its weights became int8 or a palette, whose ``bound``
    is that of float16; None where they did not. ``predicted`` is what Core ML itself answered, on
    macOS alone. ``top1_equal`` is None where the model is no classifier. ``bound`` is of
    :attr:`OutputError.relative`.
    """

    samples: int
    samples_from: SamplesFrom
    bound: float
    outputs: tuple[OutputError, ...]
    uncompressed: tuple[OutputError, ...] | None
    predicted: tuple[OutputError, ...] | None
    top1_equal: int | None


@dataclass(frozen=True, slots=True)
class CoremlFacts:
    """``model.mlpackage``. ``sha256`` covers its sorted names and their bytes."""

    sha256: str
    form: WeightsForm
    minimum_os: str
    specification: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: tuple[OperatorCount, ...]
    parameters: int
    weights_bytes: int
    package_bytes: int
    check: CoremlCheck

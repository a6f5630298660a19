"""What ``convert --quantization`` makes of a model's numbers."""

from __future__ import annotations

from enum import StrEnum

from edgeserve.errors import ConfigError
from edgeserve.graph import DType


class Precision(StrEnum):
    """The forms that can be asked for."""

    AUTO = "auto"
    INT8 = "int8"
    INT16X8 = "int16x8"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    PALETTIZED6 = "palettized6"
    PALETTIZED4 = "palettized4"


ACTIVATIONS = {Precision.INT8: DType.INT8, Precision.INT16X8: DType.INT16}
"""Types of the activations of what is quantized for microcontrollers; weights are int8."""


def chosen(wanted: Precision) -> Precision:
    """What is made where ``wanted`` is asked for: AUTO is INT8, whatever that costs in accuracy:
    what a budget makes of it is found by ``budget_search``.

    Raises ConfigError for forms that no microcontroller runs here.
    """
    made = Precision.INT8 if wanted is Precision.AUTO else wanted
    if made not in (*ACTIVATIONS, Precision.FLOAT32):
        raise ConfigError(
            f"the runtime has no {made} kernels for microcontrollers",
            hint="--quantization float32 leaves a model as it is, int16x8 is smaller and near it",
        )
    return made

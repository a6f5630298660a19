"""Scales as fixed-point multipliers, exactly as TensorFlow Lite prepares them.

Formulas: tensorflow/lite/kernels/internal/quantization_util.cc and kernels/kernel_util.cc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeserve.graph import Activation, DType, Quant

RANGE = {DType.INT8: (-128, 127), DType.INT16: (-32768, 32767)}
"""Of the types of quantized activations."""


@dataclass(frozen=True, slots=True)
class Requant:
    """A real factor as ``multiplier / 2**31 * 2**shift``; multiplier 0 or in [2^30, 2^31)."""

    multiplier: int
    shift: int


def requant(factor: float) -> Requant:
    """QuantizeMultiplier: the factor's mantissa in Q31, rounded half away from zero.

    Factors below 2^-31 flush to zero, as in TensorFlow Lite.
    """
    if factor == 0.0:
        return Requant(0, 0)
    mantissa, shift = math.frexp(factor)
    multiplier = round_half_away(mantissa * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return Requant(0, 0)
    if shift > 30:
        return Requant((1 << 31) - 1, 30)
    return Requant(multiplier, shift)


def round_half_away(value: float) -> int:
    """std::round: to nearest, ties away from zero."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def float32(value: float) -> float:
    """The nearest float32, widened; infinite beyond their range."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def quantized(value: float, quant: Quant) -> int:
    """``zero_point + round(value / scale)`` in float32, without a clamp."""
    scaled = np.float32(value) / np.float32(quant.scale)
    return quant.zero_point + round_half_away(float(scaled))


def activation_range(
    activation: Activation, quant: Quant, dtype: DType = DType.INT8
) -> tuple[int, int]:
    """CalculateActivationRangeQuantized: the clamp of a fused activation.

    Raises ValueError for activations that integer kernels do not fuse (TANH, SIGN_BIT).
    """
    low, high = RANGE[dtype]
    if activation in (Activation.RELU, Activation.RELU6):
        low = max(low, quantized(0.0, quant))
    if activation is Activation.RELU6:
        high = min(high, quantized(6.0, quant))
    if activation is Activation.RELU_N1_TO_1:
        low = max(low, quantized(-1.0, quant))
        high = min(high, quantized(1.0, quant))
    if activation in (Activation.TANH, Activation.SIGN_BIT):
        raise ValueError(f"fused {activation.name} has no integer form")
    return low, high

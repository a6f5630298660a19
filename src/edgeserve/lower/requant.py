"""Scales as fixed-point multipliers, exactly as TensorFlow Lite prepares them.

Formulas: tensorflow/lite/kernels/internal/quantization_util.cc and kernels/kernel_util.cc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeserve.graph import Activation, Quant

INT8_MIN, INT8_MAX = -128, 127


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


def quantize_to_int8(value: float, quant: Quant) -> int:
    """``zero_point + round(value / scale)`` in float32, without a clamp."""
    scaled = np.float32(value) / np.float32(quant.scale)
    return quant.zero_point + round_half_away(float(scaled))


def activation_range(activation: Activation, quant: Quant) -> tuple[int, int]:
    """CalculateActivationRangeQuantized for int8: the clamp of a fused activation.

    Raises ValueError for activations that integer kernels do not fuse (TANH, SIGN_BIT).
    """
    low, high = INT8_MIN, INT8_MAX
    if activation in (Activation.RELU, Activation.RELU6):
        low = max(low, quantize_to_int8(0.0, quant))
    if activation is Activation.RELU6:
        high = min(high, quantize_to_int8(6.0, quant))
    if activation is Activation.RELU_N1_TO_1:
        low = max(low, quantize_to_int8(-1.0, quant))
        high = min(high, quantize_to_int8(1.0, quant))
    if activation in (Activation.TANH, Activation.SIGN_BIT):
        raise ValueError(f"fused {activation.name} has no integer form")
    return low, high

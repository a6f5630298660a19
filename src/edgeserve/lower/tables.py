"""Functions of one 8-bit element as tables of 256, by the exact arithmetic of LiteRT's reference.

Formulas: tensorflow/lite/kernels/activations.cc, quantize.cc, kernels/internal/common.h and
reference/hard_swish.h, over gemmlowp's fixed point. A table is indexed by the bits of the input
element and holds the bits of the output element. Nothing here needs LiteRT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from edgeserve.graph import DType, Quant
from edgeserve.lower.requant import Requant, float32, requant, round_half_away

_RANGE = {DType.INT8: (-128, 127), DType.UINT8: (0, 255)}


def table_of(
    function: Callable[[int], int], in_dtype: DType = DType.INT8, out_dtype: DType = DType.INT8
) -> bytes:
    """The table of a function from element to element; its results are clamped to the type."""
    in_low, in_high = _RANGE[in_dtype]
    low, high = _RANGE[out_dtype]
    table = bytearray(256)
    for element in range(in_low, in_high + 1):
        table[element & 0xFF] = min(max(function(element), low), high) & 0xFF
    return bytes(table)


def logistic(in_quant: Quant, out_quant: Quant) -> bytes:
    """LOGISTIC: ``1 / (1 + exp(-x))`` in float32 (LUTPopulate)."""
    return _by_float32(in_quant, out_quant, _logistic32)


def tanh(in_quant: Quant, out_quant: Quant) -> bytes:
    """TANH in float32 (LUTPopulate)."""
    return _by_float32(in_quant, out_quant, lambda x: np.float32(math.tanh(float(x))))


def rescaled(
    in_quant: Quant, out_quant: Quant, in_dtype: DType = DType.INT8, out_dtype: DType = DType.INT8
) -> bytes:
    """QUANTIZE between 8-bit types (Requantize): the factor is a double."""
    factor = requant(in_quant.scale / out_quant.scale)
    return table_of(
        lambda q: apply(q - in_quant.zero_point, factor) + out_quant.zero_point, in_dtype, out_dtype
    )


def relu(in_quant: Quant, out_quant: Quant, low: float, high: float) -> bytes:
    """RELU, RELU6, RELU_N1_TO_1 (QuantizedReluX): a float32 factor; ``high`` may be infinite.

    The bounds must be within int32 when divided by the output's scale.
    """
    factor = requant(float32(in_quant.scale / out_quant.scale))
    least = _bound(low, out_quant)
    most = 127 if math.isinf(high) else _bound(high, out_quant)

    def function(q: int) -> int:
        value = apply(q - in_quant.zero_point, factor) + out_quant.zero_point
        return max(min(value, min(most, 127)), max(least, -128))

    return table_of(function)


def leaky_relu(in_quant: Quant, out_quant: Quant, alpha: float) -> bytes:
    """LEAKY_RELU (QuantizeLeakyRelu): both factors are float32 products."""
    in_scale, out_scale = np.float32(in_quant.scale), np.float32(out_quant.scale)
    positive = requant(float(in_scale / out_scale))
    negative = requant(float(in_scale * np.float32(alpha) / out_scale))

    def function(q: int) -> int:
        value = q - in_quant.zero_point
        return apply(value, positive if value >= 0 else negative) + out_quant.zero_point

    return table_of(function)


def hard_swish(in_quant: Quant, out_quant: Quant) -> bytes:
    """HARD_SWISH: ``x * relu6(x + 3) / 6`` in int16 fixed point.

    Raises ValueError where LiteRT refuses: the output's scale is below 1/128 of the input's.
    """
    hires = np.float32(1 / 128) * np.float32(in_quant.scale)
    out_factor = requant(float(hires / np.float32(out_quant.scale)))
    reluish = requant(float(hires / (np.float32(3.0) / np.float32(32768.0))))
    if out_factor.shift > 0:
        raise ValueError("the output's scale is too small for that of the input")
    out_multiplier = _to_int16(out_factor.multiplier)
    reluish_multiplier = _to_int16(reluish.multiplier)

    def function(q: int) -> int:
        hires_value = _wrap16((q - in_quant.zero_point) * 128)
        preshift = _doubling_high_mul16(hires_value, out_multiplier)
        gate = hires_value
        if reluish.shift > 0:
            gate = _saturating_shift_left16(gate, reluish.shift - 1)
        gate = _doubling_high_mul16(gate, reluish_multiplier)
        if reluish.shift > 0:
            gate = _saturating_shift_left16(gate, 1)
        if reluish.shift < 0:
            gate = _rounding_shift_right16(gate, -reluish.shift)
        gate = (gate + (1 << 15)) >> 1
        product = _truncated(gate * preshift, 1 << 15)
        return _wrap16(_rounding_shift_right16(product, -out_factor.shift) + out_quant.zero_point)

    return table_of(function)


def apply(value: int, factor: Requant) -> int:
    """MultiplyByQuantizedMultiplier, rounding twice, on wrapping int32."""
    left, right = max(factor.shift, 0), max(-factor.shift, 0)
    shifted = _wrap32(value << left)
    if shifted == factor.multiplier == -(1 << 31):
        high = (1 << 31) - 1
    else:
        high = (shifted * factor.multiplier + (1 << 30)) >> 31
    return _rounding_shift_right(high, right)


def _by_float32(
    in_quant: Quant, out_quant: Quant, function: Callable[[np.float32], np.float32]
) -> bytes:
    scale = np.float32(in_quant.scale)
    inverse = np.float32(1) / np.float32(out_quant.scale)

    def quantized(q: int) -> int:
        value = function(scale * np.float32(q - in_quant.zero_point)) * inverse
        bounded = min(max(float(value), -1e6), 1e6)
        return round_half_away(bounded) + out_quant.zero_point

    with np.errstate(over="ignore"):
        return table_of(quantized)


def _logistic32(x: np.float32) -> np.float32:
    try:
        power = np.float32(math.exp(-float(x)))
    except OverflowError:
        power = np.float32(math.inf)
    return np.float32(1) / (np.float32(1) + power)


def _bound(value: float, quant: Quant) -> int:
    return quant.zero_point + round_half_away(float(np.float32(value) / np.float32(quant.scale)))


def _to_int16(multiplier: int) -> int:
    """DownScaleInt32ToInt16Multiplier: rounded, saturating."""
    return 0x7FFF if multiplier >= 0x7FFF_8000 else (multiplier + (1 << 15)) >> 16


def _doubling_high_mul16(a: int, b: int) -> int:
    """SaturatingRoundingDoublingHighMul of int16: the nudge has the product's sign."""
    if a == b == -(1 << 15):
        return (1 << 15) - 1
    product = a * b
    nudge = (1 << 14) if product >= 0 else 1 - (1 << 14)
    return _truncated(product + nudge, 1 << 15)


def _saturating_shift_left16(value: int, amount: int) -> int:
    return min(max(value << amount, -(1 << 15)), (1 << 15) - 1)


def _rounding_shift_right(value: int, exponent: int) -> int:
    """RoundingDivideByPOT: to nearest, ties away from zero."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if value & mask > threshold else 0)


def _rounding_shift_right16(value: int, exponent: int) -> int:
    """RoundingDivideByPOT of int16, whose mask wraps when the exponent is beyond 15."""
    mask = _wrap16((1 << exponent) - 1)
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if value & mask > threshold else 0)


def _truncated(value: int, divisor: int) -> int:
    return abs(value) // divisor * (1 if value >= 0 else -1)


def _wrap16(value: int) -> int:
    return (value + (1 << 15)) % (1 << 16) - (1 << 15)


def _wrap32(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def is_identity(table: Iterable[int]) -> bool:
    """Whether every element stays as it is."""
    return all(index == element for index, element in enumerate(table))

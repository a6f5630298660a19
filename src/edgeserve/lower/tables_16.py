"""Functions of an int16 as tables of their course, by the exact arithmetic of LiteRT's reference.

Formulas: LUTPopulate of tensorflow/lite/kernels/internal/common.h, SigmoidPrepare and TanhPrepare
of tensorflow/lite/kernels/activations.cc.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from edgeserve.graph import Activation, OpKind
from edgeserve.lower.requant import round_half_away

STEPS = 512
_LOW, _HIGH = -(1 << 15), (1 << 15) - 1
_RANGE = 65535.0
_SIGMOID_STEPS, _STEPS_OF_ONE = 255, 24
"""Of the logistic's table: all, and those from 0 to 1."""

ACTIVATION_OF = {
    OpKind.RELU: Activation.RELU,
    OpKind.RELU6: Activation.RELU6,
    OpKind.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
}


def exponentials() -> bytes:
    """``exp(x)`` of x from -10 to 0 over an int16, in 1/32768."""
    return _course(math.exp, -10.0, 0.0)


def reciprocals() -> bytes:
    """``1 / (1 + x)`` of x from 0 to 1 over an int16, in 1/32768."""
    return _course(lambda x: 1.0 / (1.0 + x), 0.0, 1.0)


def _course(function: Callable[[float], float], low: float, high: float) -> bytes:
    """The function at 512 steps and at its end. Each is moved by half of what the straight line to
    the next is wrong by in its middle.
    """
    step = (high - low) / STEPS
    inverse = (_HIGH - _LOW + 1) / (2.0 / _RANGE * (_HIGH - _LOW))
    table = []
    for i in range(STEPS):
        here = function(low + i * step) * inverse
        middle = function(low + i * step + step / 2) * inverse
        beyond = function(low + (i + 1) * step) * inverse
        between = round_half_away((beyond + round_half_away(here)) / 2)
        error = between - round_half_away(middle)
        table.append(_clamped(round_half_away(here) - round_half_away(error / 2)))
    table.append(_clamped(round_half_away(function(high) * inverse)))
    return struct.pack(f"<{STEPS + 1}h", *table)


def _clamped(value: int) -> int:
    return min(max(value, _LOW), _HIGH)


def sigmoid() -> bytes:
    """65536 times the logistic of i / 24 for i from 0 to 254, and the most that a uint16 holds.

    As above each is moved by half of what the straight line to the next is wrong by.
    """
    table = [round_half_away(_logistic(i) - _bend(i) / 2) for i in range(_SIGMOID_STEPS)]
    return struct.pack(f"<{_SIGMOID_STEPS + 1}H", *table, 65535)


def _logistic(step: float) -> float:
    return 65536.0 / (1.0 + math.exp(-step / _STEPS_OF_ONE))


def _bend(step: int) -> float:
    return (_logistic(step) + _logistic(step + 1)) / 2 - _logistic(step + 0.5)


def sigmoid_input(scale: float, *, is_tanh: bool) -> tuple[int, int]:
    """(multiplier, shift to the right) that bring an input of this scale to 1/12288."""
    mantissa, exponent = math.frexp(scale)
    shift = 12 + exponent - 1
    if mantissa == 0.5 and shift in ((0, 1) if is_tanh else (0,)):
        return 3 << shift, 0
    multiplier, shift = scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2.0, shift + 1
    return int(multiplier), shift

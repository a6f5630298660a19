"""The device's fixed point (``es_fixed.h``) on bounds: exact where it is monotonic.

Scaling by a multiplier that is not negative never turns two values around, as each of its steps is
a product or a shift, rounded. What could is a sum or shift that wraps around: where a bound leaves
int32 on the way, the result is all that can be.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeserve.narrow.bounds import Bounds, Flags, Ints

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1

Factor = npt.ArrayLike


def requantized(acc: Bounds, multiplier: Factor, shift: Factor) -> Bounds:
    """Bounds of ``es_requantize`` of int32 sums; factors broadcast over the channels."""
    factor, exponent = _int64(multiplier), _int64(shift)
    left = np.maximum(exponent, 0)
    sound = (factor >= 0) & _fits(acc)
    shifted = [np.clip(end, INT32_MIN, INT32_MAX) << left for end in (acc.low, acc.high)]
    sound &= _fits(Bounds(*shifted))
    low, high = (
        _rounded_right((np.clip(end, INT32_MIN, INT32_MAX) * factor + (1 << 30)) >> 31, exponent)
        for end in shifted
    )
    return _where(sound, low, high)


def requantized_once(acc: Bounds, multiplier: Factor, shift: Factor) -> Bounds:
    """Bounds of ``es_requantize_once`` of int32 sums."""
    factor, total = _int64(multiplier), 31 - _int64(shift)
    sound = (factor >= 0) & _fits(acc) & (total >= 1) & (total <= 62)
    total = np.clip(total, 1, 62)
    low, high = (
        _rounded_once(np.clip(end, INT32_MIN, INT32_MAX) * factor, total)
        for end in (acc.low, acc.high)
    )
    return _where(sound, low, high)


def _rounded_once(product: Ints, total: Ints) -> Ints:
    """To nearest, ties away from zero, saturated."""
    half = np.int64(1) << (total - 1)
    rounded: Ints = (product + half - (product < 0)) >> total
    return np.clip(rounded, INT32_MIN, INT32_MAX)


def written(scaled: Bounds, zero_point: int, low: int, high: int) -> Bounds:
    """Bounds of ``clamp(scaled + zero_point, low, high)``, a sum that wraps."""
    moved = Bounds(scaled.low + zero_point, scaled.high + zero_point)
    clamped = moved.clamped(low, high)
    return _where(_fits(moved), clamped.low, clamped.high, low, high)


def _int64(numbers: npt.ArrayLike) -> Ints:
    return np.asarray(numbers, np.int64)


def _fits(bounds: Bounds) -> Flags:
    return (bounds.low >= INT32_MIN) & (bounds.high <= INT32_MAX)


def _where(
    sound: Flags, low: Ints, high: Ints, least: int = INT32_MIN, most: int = INT32_MAX
) -> Bounds:
    return Bounds(np.where(sound, low, least), np.where(sound, high, most))


def _rounded_right(value: Ints, shift: Ints) -> Ints:
    """``es_rounding_shift_right`` by what a negative shift says."""
    right = np.maximum(-shift, 0) & 31
    mask = (np.int64(1) << right) - 1
    threshold = (mask >> 1) + (value < 0)
    rounded: Ints = (value >> right) + ((value & mask) > threshold)
    return rounded

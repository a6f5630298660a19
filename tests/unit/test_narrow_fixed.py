"""Bounds of the device's fixed point against its arithmetic by plain integers, value by value."""

from __future__ import annotations

import numpy as np
import pytest

from edgeserve.lower.requant import Requant
from edgeserve.lower.tables import apply
from edgeserve.narrow.bounds import Bounds, between, exactly, extremes
from edgeserve.narrow.fixed import (
    INT32_MAX,
    INT32_MIN,
    requantized,
    requantized_once,
    written,
)

LENGTH = 300


def once(value: int, multiplier: int, shift: int) -> int:
    """``es_requantize_once``: the 64-bit product, halves away from zero, saturated."""
    total, product = 31 - shift, value * multiplier
    rounded = abs(product) + (1 << (total - 1)) >> total
    rounded = -rounded if product < 0 else rounded
    return min(max(rounded, INT32_MIN), INT32_MAX)


def ranges(rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A run of int32 values, and a factor for it."""
    reach = 1 << int(rng.integers(4, 31))
    low = int(rng.integers(-reach, reach - LENGTH if reach > LENGTH else 1))
    multiplier = int(rng.integers(1 << 30, 1 << 31)) if rng.random() < 0.95 else 0
    return low, low + int(rng.integers(0, LENGTH)), multiplier, int(rng.integers(-31, 6))


@pytest.mark.parametrize("once_rounded", [False, True])
def test_bounds_are_those_of_all_values_between(once_rounded: bool) -> None:
    rng = np.random.default_rng(1)
    exact = 0
    for _ in range(3_000):
        low, high, multiplier, shift = ranges(rng)
        if once_rounded:
            made = requantized_once(between(low, high), multiplier, shift)
            values = [once(v, multiplier, shift) for v in range(low, high + 1)]
        else:
            made = requantized(between(low, high), multiplier, shift)
            values = [apply(v, Requant(multiplier, shift)) for v in range(low, high + 1)]
        assert made.hull()[0] <= min(values) <= max(values) <= made.hull()[1]
        exact += made.hull() == (min(values), max(values))
        if made.hull() != (min(values), max(values)):
            assert made.hull() == (INT32_MIN, INT32_MAX)
            assert shift > 0, "only a shift to the left can wrap"
    assert exact > 2_500


@pytest.mark.parametrize("bounds", [(INT32_MIN - 1, 0), (0, INT32_MAX + 1), (-(1 << 50), 1 << 50)])
def test_sums_that_may_wrap_say_nothing(bounds: tuple[int, int]) -> None:
    for scaled in (requantized, requantized_once):
        assert scaled(between(*bounds), 1 << 30, -9).hull() == (INT32_MIN, INT32_MAX)


def test_a_shift_that_wraps_says_nothing_of_its_channel_alone() -> None:
    acc = Bounds(np.array([-(1 << 29), -5]), np.array([1 << 29, 5]))
    made = requantized(acc, [1 << 30, 1 << 30], [3, 3])
    assert (made.low[0], made.high[0]) == (INT32_MIN, INT32_MAX)
    assert (made.low[1], made.high[1]) == (-20, 20)


def test_negative_factors_say_nothing() -> None:
    for scaled in (requantized, requantized_once):
        assert scaled(between(0, 5), -5, -3).hull() == (INT32_MIN, INT32_MAX)


def test_zero_point_and_clamp() -> None:
    assert written(between(-300, 40), 7, -128, 127).hull() == (-128, 47)
    assert written(between(INT32_MIN, INT32_MAX), 0, -5, 6).hull() == (-5, 6)
    assert written(between(INT32_MAX - 1, INT32_MAX), 1, -5, 6).hull() == (-5, 6), "it wraps"


def test_other_views_of_the_same_elements() -> None:
    two = Bounds(np.array([1, -5]), np.array([2, 9]))
    assert two.seen(6).low.tolist() == [1, -5, 1, -5, 1, -5]
    assert two.seen(1).hull() == (-5, 9)
    three = exactly([3, 7, 5])
    assert three.seen(2).low.tolist() == [3, 3]
    assert three.seen(2).high.tolist() == [7, 7]
    assert three.constant.all()
    assert not three.seen(2).constant.any()
    elements = np.tile([4, 5, 6, 7], 3)
    for channels in (1, 2, 3, 4, 6, 12):
        seen = exactly([4, 5, 6, 7]).seen(channels)
        for i, element in enumerate(elements):
            assert seen.low[i % channels] <= element <= seen.high[i % channels]


def test_extremes_of_candidates() -> None:
    found = extremes([np.array([1, 5]), np.array([3]), np.array([-2, 9])])
    assert found.low.tolist() == [-2, 3]
    assert found.high.tolist() == [3, 9]

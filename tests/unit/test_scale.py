"""The short form of a requantization is what TensorFlow Lite's two roundings make of every sum."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from edgeserve.tune.scale import SUM_LIMIT, Scale, scale_of

INT32 = range(-(1 << 31), 1 << 31)
LARGEST = (1 << 31) - 1


def nearest(value: Fraction) -> int:
    """Ties away from zero."""
    rounded = int(abs(value) + Fraction(1, 2))
    return rounded if value >= 0 else -rounded


def two_roundings(total: int, multiplier: int, shift: int, zero_point: int) -> int:
    """SaturatingRoundingDoublingHighMul, whose ties go up, then RoundingDivideByPOT."""
    high = (2 * total * multiplier + (1 << 31)) >> 32
    return nearest(Fraction(high, 1 << -shift)) + zero_point


def in_short(total: int, scale: Scale) -> int:
    """As the kernels have it: every intermediate result must be an int32."""
    doubled = 2 * total
    addend = scale.addend - (total < 0)
    high = ((doubled * scale.multiplier + (1 << 31)) >> 32) + addend
    assert doubled in INT32
    assert addend in INT32
    assert high in INT32
    return high >> scale.exponent


def sums_of(random: Random, least: int, most: int, multiplier: int, exponent: int) -> list[int]:
    """Edges, small ones, and those around a tie of either rounding."""
    sums = [least, most, *range(max(least, -3), min(most, 3) + 1)]
    for _ in range(40):
        sums.append(random.randint(least, most))
        half = (2 * random.randint(-300, 300) + 1) << (exponent - 1)
        tie = half * (1 << 31) // max(multiplier, 1)
        sums += [tie + near for near in range(-2, 3)]
    return [total for total in sums if least <= total <= most]


def test_every_scale_that_is_given_is_exact() -> None:
    random = Random(4)
    given = 0
    for _ in range(3_000):
        multiplier = random.choice((1 << 30, LARGEST, random.randint(1 << 30, LARGEST)))
        exponent, zero_point = random.randint(1, 31), random.randint(-128, 127)
        most = random.choice((100, 1 << 17, 1 << 29, SUM_LIMIT - 1))
        least = -random.randint(0, most)
        scale = scale_of(least, most, multiplier, -exponent, zero_point)
        if scale is None:
            continue
        given += 1
        for total in sums_of(random, least, most, multiplier, exponent):
            want = two_roundings(total, multiplier, -exponent, zero_point)
            assert in_short(total, scale) == want, (total, multiplier, exponent, zero_point)
    assert given > 2_000


def test_a_factor_of_zero_gives_the_zero_point() -> None:
    scale = scale_of(-SUM_LIMIT, SUM_LIMIT - 1, 0, 0, -77)
    assert scale is not None
    assert {in_short(total, scale) for total in (-SUM_LIMIT, -1, 0, 1, SUM_LIMIT - 1)} == {-77}


def test_limits() -> None:
    ends = -SUM_LIMIT, SUM_LIMIT - 1
    assert scale_of(*ends, LARGEST, -1, 0) is not None
    assert scale_of(ends[0] - 1, 0, LARGEST, -1, 0) is None
    assert scale_of(0, ends[1] + 1, LARGEST, -1, 0) is None
    assert scale_of(-9, 9, LARGEST, 0, 0) is None, "no shift to the right"
    assert scale_of(-9, 9, LARGEST, 3, 0) is None
    assert scale_of(*ends, LARGEST, -23, -128) is not None
    assert scale_of(*ends, LARGEST, -24, -128) is None, "the addend has no room beside the sum"
    assert scale_of(-9, 9, LARGEST, -24, -128) is not None

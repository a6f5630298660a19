"""Requantization in the form that a rounding multiplication, an addition and a shift apply.

``y = (sum * multiplier + 2**30) >> 31`` is halved ``exponent`` times, to nearest and ties away from
zero: ``(y + 2**(exponent - 1) - [1 if y < 0]) >> exponent``. Half and zero point are one addend,
and ``(2 * sum * multiplier + 2**31) >> 32`` is y as SMMLAR has it, as long as twice the sum is an
int32. The sign of the sum does for that of y: where y is 0, the one makes no difference.
"""

from __future__ import annotations

from dataclasses import dataclass

SUM_LIMIT = 1 << 30
"""``-SUM_LIMIT <= sum < SUM_LIMIT``."""
_INT32_MIN, _INT32_MAX = -(1 << 31), (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Scale:
    """``(addend - [1 if negative] + ((2 * sum * multiplier + 2**31) >> 32)) >> exponent``."""

    multiplier: int
    addend: int
    exponent: int


def scale_of(least: int, most: int, multiplier: int, shift: int, zero_point: int) -> Scale | None:
    """What ``es_requantize`` and the zero point make of all sums in ``[least, most]``.

    None where the short form is not exact for all of them.
    """
    if not -SUM_LIMIT <= least <= most < SUM_LIMIT:
        return None
    if multiplier == 0:
        return Scale(0, 2 * zero_point + 1, 1)
    exponent = -shift
    if exponent < 1 or multiplier < 0:
        return None
    addend = (2 * zero_point + 1) << (exponent - 1)
    lowest, highest = ((value * multiplier + (1 << 30)) >> 31 for value in (least, most))
    if addend + lowest - 1 < _INT32_MIN or addend + highest > _INT32_MAX:
        return None
    return Scale(multiplier, addend, exponent)

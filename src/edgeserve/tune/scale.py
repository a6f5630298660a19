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


@dataclass(frozen=True, slots=True)
class FloorScale:
    """``(addend + [-2 if negative] + (sum * multiplier >> 30)) >> exponent``.

    All of ``Scale`` doubled: the half that its product rounds by is one in the addend, so that a
    product of which the lower half is dropped will do.
    """

    multiplier: int
    addend: int
    exponent: int


FLOOR_SUM_LIMIT = 1 << 29
"""``-FLOOR_SUM_LIMIT <= sum < FLOOR_SUM_LIMIT``."""
_MOST_EXPONENT = 31


def floor_scale_of(
    least: int, most: int, multiplier: int, shift: int, zero_point: int
) -> FloorScale | None:
    """What ``es_requantize`` and the zero point make of all sums in ``[least, most]``.

    None where the short form is not exact for all of them.
    """
    scale = scale_of(least, most, multiplier, shift, zero_point)
    if scale is None:
        return None
    return _in_range(
        FloorScale(scale.multiplier, 2 * scale.addend + 1, scale.exponent + 1), least, most
    )


def floor_scale_once(
    least: int, most: int, multiplier: int, shift: int, zero_point: int
) -> FloorScale | None:
    """What ``es_requantize_once`` and the zero point make of all sums in ``[least, most]``.

    None where the short form is not exact for all of them, as where a negative sum may lie on a
    tie: the reference rounds it away from zero.
    """
    if multiplier < 0 or shift > 0 or max(-least, most) >= least_tie(multiplier, shift):
        return None
    exponent = 1 - shift
    return _in_range(
        FloorScale(multiplier, (2 * zero_point + 1) << (exponent - 1), exponent), least, most
    )


def least_tie(multiplier: int, shift: int) -> int:
    """The least magnitude, but 0, that ``multiplier * 2**(shift - 31)`` may scale to a half."""
    return (1 << 30 - shift) // (multiplier & -multiplier) if multiplier else 1 << 31


def _in_range(scale: FloorScale, least: int, most: int) -> FloorScale | None:
    if not -FLOOR_SUM_LIMIT <= least <= most < FLOOR_SUM_LIMIT or scale.exponent > _MOST_EXPONENT:
        return None
    lowest, highest = ((value * scale.multiplier) >> 30 for value in (least, most))
    if scale.addend + lowest - 2 < _INT32_MIN or scale.addend + highest > _INT32_MAX:
        return None
    return scale

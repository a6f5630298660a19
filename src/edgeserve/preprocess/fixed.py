"""The last step of every front, in fixed point: ``firmware/preprocess`` computes the same.

Right shifts here and there round to nearest, halves up: ``(x + 2^(n-1)) >> n``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import ConfigError

Ints = NDArray[np.int64]

MULTIPLIER_BITS = 31
MAX_SHIFT = 46
"""With levels below 2^28 and offsets below 2^15 a product and its bias stay below 2^63."""
MAX_OFFSET = 1 << 15


@dataclass(frozen=True, slots=True)
class Affine:
    """``(level * multiplier + bias) >> shift``, saturated to int8; the bias holds the rounding."""

    multiplier: int
    bias: int
    shift: int


def affine(mean: float, scale: float, *, unit: float, step: float, zero_point: int) -> Affine:
    """What makes a level of ``unit`` the int8 of ``(level * unit - mean) * scale``.

    ``step`` and ``zero_point`` are the model's. Raises ConfigError where every value would be cut
    off.
    """
    slope = Fraction(unit) * Fraction(scale) / Fraction(step)
    offset = zero_point - Fraction(mean) * Fraction(scale) / Fraction(step)
    if slope == 0 or abs(slope) >= 1 << MULTIPLIER_BITS - 1 or abs(offset) >= MAX_OFFSET:
        raise ConfigError(
            f"mean {mean:g} and scale {scale:g} put values far outside of the model's input, whose "
            f"step is {step:g}",
            hint="they are in units of the raw data: (raw - mean) * scale is what training fed",
        )
    exponent = slope.numerator.bit_length() - slope.denominator.bit_length()
    shift = min(MAX_SHIFT, max(1, MULTIPLIER_BITS - 2 - exponent))
    return Affine(
        multiplier=round(slope * (1 << shift)),
        bias=round(offset * (1 << shift)) + (1 << shift - 1),
        shift=shift,
    )


def apply(affines: Sequence[Affine], levels: Ints) -> NDArray[np.int8]:
    """``levels`` of any shape with the affine's index last, as int8."""
    multiplier, bias, shift = (
        np.array([getattr(one, name) for one in affines], np.int64)
        for name in ("multiplier", "bias", "shift")
    )
    return np.asarray(np.clip((levels * multiplier + bias) >> shift, -128, 127), np.int8)


def shifted(values: Ints, bits: int) -> Ints:
    """``values / 2^bits``, rounded."""
    return values if bits == 0 else (values + (1 << bits - 1)) >> bits

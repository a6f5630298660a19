"""Resizing along one axis as a table: which source pixels an output pixel sums, by what weights.

Every named method is such a table for the rows and one for the columns, so the device has one
kernel for all of them. Formulas: TensorFlow's ``tf.image.resize`` (nearest, bilinear, antialias,
area), its version-1 forms (align-corners, asymmetric), and Pillow's ``Image.resize``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, floor

import numpy as np

from edgeserve.preprocess.declaration import Resize
from edgeserve.preprocess.fixed import Ints

Taps = tuple[tuple[int, tuple[float, ...]], ...]
"""Of each output pixel: the first source pixel, and the weights from there on, whose sum is 1."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Weights have ``weight_bits`` fractional bits, pixels between and after the passes
    ``level_bits``.
    """

    weight_bits: int
    level_bits: int


WHOLE = Precision(22, 0)
"""Pillow's: it rounds to whole levels after each pass."""
FINE = Precision(16, 7)
"""The most for which a sum of 8-bit pixels stays within 32 bits."""


def precision(method: Resize) -> Precision:
    """What a method computes in: whole levels where its namesake rounds to them."""
    whole = method in (Resize.NONE, Resize.NEAREST, Resize.PILLOW)
    return WHOLE if whole else FINE


@dataclass(frozen=True, slots=True)
class AxisTable:
    """The taps of one axis with integer weights."""

    first: tuple[int, ...]
    weights: tuple[tuple[int, ...], ...]

    @property
    def most_taps(self) -> int:
        return max(map(len, self.weights))

    def gathered(self, pixels: Ints, axis: int) -> Ints:
        """The weighted sums along ``axis`` of ``pixels``."""
        total: Ints | int = 0
        shape = [1] * pixels.ndim
        shape[axis] = len(self.first)
        for tap in range(self.most_taps):
            index = [
                start + min(tap, len(w) - 1)
                for start, w in zip(self.first, self.weights, strict=True)
            ]
            weight = [w[tap] if tap < len(w) else 0 for w in self.weights]
            total = total + pixels.take(index, axis) * np.array(weight).reshape(shape)
        return np.asarray(total)


@cache
def axis_table(method: Resize, source: int, size: int) -> AxisTable:
    """The integer table that makes ``size`` pixels of ``source``."""
    bits = precision(method).weight_bits
    exact = method is not Resize.PILLOW
    taps = real_taps(method, source, size)
    return AxisTable(
        first=tuple(first for first, _ in taps),
        weights=tuple(_integers(weights, bits, to_one=exact) for _, weights in taps),
    )


def _integers(weights: tuple[float, ...], bits: int, *, to_one: bool) -> tuple[int, ...]:
    """Rounded weights; ``to_one`` mends the largest, so that a flat picture stays flat."""
    whole = [floor(weight * (1 << bits) + 0.5) for weight in weights]
    if to_one:
        whole[whole.index(max(whole))] += (1 << bits) - sum(whole)
    return tuple(whole)


def real_taps(method: Resize, source: int, size: int) -> Taps:
    """The definition of each method, in real numbers."""
    scale = source / size
    match method:
        case Resize.NONE:
            return tuple((i, (1.0,)) for i in range(size))
        case Resize.NEAREST:
            return tuple((_nearest(i, source, size), (1.0,)) for i in range(size))
        case Resize.BILINEAR:
            return tuple(_between((i + 0.5) * scale - 0.5, source) for i in range(size))
        case Resize.ASYMMETRIC:
            return tuple(_between(i * scale, source) for i in range(size))
        case Resize.ALIGN_CORNERS:
            step = (source - 1) / (size - 1) if size > 1 else 0.0
            return tuple(_between(i * step, source) for i in range(size))
        case Resize.ANTIALIAS | Resize.PILLOW:
            return tuple(_triangle(i, scale, source) for i in range(size))
        case Resize.AREA:
            return tuple(_box(i * scale, (i + 1) * scale, source) for i in range(size))


def _nearest(index: int, source: int, size: int) -> int:
    """The pixel under the middle. Where that is a border, 32 bits decide as TensorFlow's do."""
    middle = np.float32(index + 0.5) * (np.float32(source) / np.float32(size))
    return min(floor(middle), source - 1)


def _between(at: float, source: int) -> tuple[int, tuple[float, ...]]:
    """Linear interpolation at ``at``, the edge pixels going on beyond the edges."""
    at = min(max(at, 0.0), source - 1.0)
    first = min(floor(at), source - 1)
    share = at - first
    return (first, (1.0,)) if share == 0.0 else (first, (1.0 - share, share))


def _triangle(index: int, scale: float, source: int) -> tuple[int, tuple[float, ...]]:
    """A triangle as wide as an output pixel where the picture shrinks."""
    width = max(scale, 1.0)
    centre = (index + 0.5) * scale
    low = max(int(centre - width + 0.5), 0)
    high = min(int(centre + width + 0.5), source)
    heights = [max(0.0, 1.0 - abs((x - centre + 0.5) / width)) for x in range(low, high)]
    return _normalised(low, heights)


def _box(begin: float, end: float, source: int) -> tuple[int, tuple[float, ...]]:
    """Each source pixel by the share of it that lies under the output pixel."""
    low, high = floor(begin), min(ceil(end), source)
    return _normalised(low, [min(x + 1.0, end) - max(float(x), begin) for x in range(low, high)])


def _normalised(first: int, heights: list[float]) -> tuple[int, tuple[float, ...]]:
    total = sum(heights)
    return first, tuple(height / total for height in heights)

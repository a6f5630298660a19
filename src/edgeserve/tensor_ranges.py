"""What calibration samples make of a float model's tensors: ranges, and how they are filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 64
"""Equal bins of a tensor's quantized range; one more on either side counts what lies outside."""
SETTLED_WITHIN = 0.01
"""Ranges that are short of the final ones by at most this share of them count as settled."""


@dataclass(frozen=True, slots=True)
class TensorRange:
    """One activation tensor of the float model over the calibration samples, in real values.

    ``low`` and ``high`` are the least and greatest value of the quantized tensor. ``settled_after``
    is the number of samples after which minimum and maximum stay within ``SETTLED_WITHIN`` of
    what all samples give: the median over orders of the samples; ``half_shortfall`` is the share
    of the range that half of the samples miss, likewise. ``clipped_share`` is that of the
    values more than a step outside the quantized range. ``halves_distance`` is the greatest
    difference of the distribution functions of every other sample and the rest: what chance
    does. ``counts`` are the values in ``BINS + 2`` bins, in decimal with blanks between.
    """

    name: str
    minimum: float
    maximum: float
    low: float
    high: float
    settled_after: int
    half_shortfall: float
    clipped_share: float
    halves_distance: float
    counts: str

    @property
    def histogram(self) -> NDArray[np.int64]:
        """``counts`` as int64 ``[BINS + 2]``: below the quantized range, its bins, above it."""
        return np.array(self.counts.split(), np.int64)


@dataclass(frozen=True, slots=True)
class PlainRange:
    """The range of a float tensor that no quantized tensor stands for."""

    name: str
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class RangeRecord:
    """The tensors in the order in which they are computed. ``unmatched`` ones are the float
    model's that no quantized tensor stands for, so that nothing is known of how they are held.
    """

    samples: int
    tensors: tuple[TensorRange, ...]
    unmatched: tuple[PlainRange, ...]

    @property
    def settled_after(self) -> int:
        """The number of samples after which all ranges have settled."""
        return max((tensor.settled_after for tensor in self.tensors), default=0)

    @property
    def last_settled(self) -> TensorRange | None:
        """The tensor that needs most samples."""
        return max(self.tensors, key=lambda one: one.settled_after, default=None)

    @property
    def half_shortfall(self) -> float:
        """The share of its range that half of the samples would have missed, of the worst."""
        return max((tensor.half_shortfall for tensor in self.tensors), default=0.0)

    @property
    def enough(self) -> bool:
        """Whether half of the samples would have given the same ranges."""
        return self.half_shortfall <= SETTLED_WITHIN

    @property
    def clipping(self) -> tuple[TensorRange, ...]:
        """The tensors with values outside their quantized range, the most clipped first."""
        clipped = [tensor for tensor in self.tensors if tensor.clipped_share > 0]
        return tuple(sorted(clipped, key=lambda one: -one.clipped_share))

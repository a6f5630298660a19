"""What the elements of a value can be: least and greatest, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeserve.graph import DType

Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

RANGE = {DType.INT8: (-128, 127), DType.UINT8: (0, 255)}
"""Types whose elements have bounds; of the others nothing is said."""

MOST_CHANNELS = 1 << 22
"""Of views that are followed: a file can claim far more elements than a host has memory for."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Element i of a value lies in ``[low[i % n], high[i % n]]``, where n is their length."""

    low: Ints
    high: Ints

    @property
    def count(self) -> int:
        return len(self.low)

    @property
    def constant(self) -> Flags:
        """Which channels are the same element everywhere and for every input."""
        same: Flags = self.low == self.high
        return same

    def seen(self, channels: int) -> Bounds:
        """The same of a view with so many channels."""
        common = gcd(self.count, channels)
        low = self.low.reshape(-1, common).min(axis=0)
        high = self.high.reshape(-1, common).max(axis=0)
        return Bounds(np.tile(low, channels // common), np.tile(high, channels // common))

    def hull(self) -> tuple[int, int]:
        """The least and the greatest of all channels."""
        return int(self.low.min()), int(self.high.max())

    def with_also(self, element: int) -> Bounds:
        """Bounds of what may be ``element`` instead."""
        return Bounds(np.minimum(self.low, element), np.maximum(self.high, element))

    def clamped(self, low: int, high: int) -> Bounds:
        return Bounds(np.clip(self.low, low, high), np.clip(self.high, low, high))


def exactly(elements: npt.ArrayLike) -> Bounds:
    """Bounds of known elements."""
    known = np.asarray(elements, np.int64).reshape(-1)
    return Bounds(known, known)


def between(low: int, high: int, channels: int = 1) -> Bounds:
    """The same bounds for every channel."""
    return Bounds(np.full(channels, low, np.int64), np.full(channels, high, np.int64))


def whole(dtype: DType) -> Bounds | None:
    """All that a type can hold; None for types that have no bounds."""
    return between(*RANGE[dtype]) if dtype in RANGE else None


def extremes(candidates: Sequence[npt.ArrayLike]) -> Bounds:
    """The least and greatest of candidates that broadcast to one shape, flattened."""
    arrays = np.broadcast_arrays(*(np.asarray(one, np.int64) for one in candidates))
    return Bounds(np.min(arrays, axis=0).reshape(-1), np.max(arrays, axis=0).reshape(-1))

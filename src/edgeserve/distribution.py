"""What samples are worth: percentiles with their confidence, outliers, and a median over repeats.

The mathematics is scipy's. Nothing is ever dropped from the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]

CONFIDENCE = 0.95
LEAST_SAMPLES = {50.0: 1, 90.0: 64, 99.0: 662, 99.9: 6636}
"""Fewer samples do not tell a percentile: it is "n/a" then."""

_FAR = 5.0
_RESAMPLES = 2000
_SEED = 0x12345678


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of samples. ``low`` and ``high`` bound it with 95 % confidence.

    The bounds are None when there are too few samples for such an interval.
    """

    value: int
    low: int | None
    high: int | None


def percentile(samples: Sequence[int], percent: float) -> Percentile:
    """The least sample that at least ``percent`` of the samples do not exceed.

    That is numpy's method ``inverted_cdf``: always a value that was measured. The interval is
    distribution-free, from order statistics: samples ``l`` and ``u`` (counted from 1) with
    P(l <= B < u) >= 0.95 for B binomial (n, percent), at most 2.5 % in either tail.
    Raises ValueError without samples or when ``percent`` is not between 0 and 100.
    """
    import numpy as np

    if not samples or not 0 < percent < 100:
        raise ValueError(f"no percentile {percent} of {len(samples)} samples")
    value = int(np.percentile(samples, percent, method="inverted_cdf"))
    low, high = _interval_ranks(len(samples), percent / 100)
    if low < 1 or high > len(samples):
        return Percentile(value, None, None)
    ordered = np.partition(samples, [low - 1, high - 1])
    return Percentile(value, int(ordered[low - 1]), int(ordered[high - 1]))


def told_percentile(samples: Sequence[int], percent: float) -> Percentile | None:
    """As ``percentile``; None where there are fewer than ``LEAST_SAMPLES``."""
    enough = len(samples) >= LEAST_SAMPLES[percent]
    return percentile(samples, percent) if enough else None


def outliers(samples: Sequence[int]) -> tuple[int, ...]:
    """Indices of samples further than five scaled median absolute deviations from the median.

    They are flagged, and stay in every figure.
    """
    import numpy as np
    from scipy.stats import median_abs_deviation

    deviation = float(median_abs_deviation(samples, scale="normal"))
    far = np.abs(np.asarray(samples) - np.median(samples)) > _FAR * deviation
    return tuple(int(index) for index in np.flatnonzero(far)) if deviation else ()


@dataclass(frozen=True, slots=True)
class Change:
    """How much larger a second set's median is, as a share of the first; bounded with 95 %."""

    share: float
    low: float
    high: float


def change(before: Sequence[int], after: Sequence[int]) -> Change:
    """The change of the median between two sets of samples, by a percentile bootstrap.

    The seed is fixed: the same samples give the same bounds. Raises ValueError with fewer than two
    samples in either, or with a median of 0 in the first.
    """
    import numpy as np
    from scipy.stats import bootstrap

    if min(len(before), len(after)) < 2 or np.median(before) == 0:
        raise ValueError("a change needs two samples on either side, and a median above 0")

    def share(first: Floats, second: Floats, axis: int = -1) -> Floats:
        ratio: Floats = np.median(second, axis=axis) / np.median(first, axis=axis) - 1
        return ratio

    result = bootstrap(
        (np.asarray(before, float), np.asarray(after, float)),
        share,
        n_resamples=_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(_SEED),
        batch=100,
    )
    bounds = result.confidence_interval
    middle = float(np.median(after) / np.median(before) - 1)
    return Change(middle, float(bounds.low), float(bounds.high))


@cache
def _interval_ranks(count: int, share: float) -> tuple[int, int]:
    """Ranks (from 1) of the order statistics that bound the quantile; they may not exist."""
    from scipy.stats import binom

    tail = (1 - CONFIDENCE) / 2
    return int(binom.ppf(tail, count, share)), int(binom.ppf(1 - tail, count, share)) + 1

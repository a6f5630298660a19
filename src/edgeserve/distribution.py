"""What samples are worth: percentiles with their confidence, outliers, changes between two sets.

The mathematics is scipy's. Nothing is ever dropped from the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

CONFIDENCE = 0.95
LEAST_SAMPLES = {50.0: 1, 90.0: 64, 99.0: 662, 99.9: 6636}
"""Fewer samples do not tell a percentile: it is "n/a" then."""

_FAR = 5.0


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of samples. ``low`` and ``high`` bound it, with 95 % confidence unless said.

    The bounds are None when there are too few samples for such an interval.
    """

    value: int
    low: int | None
    high: int | None


def percentile(
    samples: Sequence[int], percent: float, confidence: float = CONFIDENCE
) -> Percentile:
    """The least sample that at least ``percent`` of the samples do not exceed.

    That is numpy's method ``inverted_cdf``: always a value that was measured. The interval is
    distribution-free, from order statistics: samples ``l`` and ``u`` (counted from 1) with
    P(l <= B < u) >= ``confidence`` for B binomial (n, percent), and half of what is left, at most,
    in either tail.
    Raises ValueError without samples or when ``percent`` is not between 0 and 100.
    """
    import numpy as np

    if not samples or not 0 < percent < 100:
        raise ValueError(f"no percentile {percent} of {len(samples)} samples")
    value = int(np.percentile(samples, percent, method="inverted_cdf"))
    low, high = _interval_ranks(len(samples), percent / 100, confidence)
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
    """How much larger the second of two quantities is, as a share of the first.

    ``low`` and ``high`` bound it with at least 95 % confidence; None where nothing bounds it.
    """

    share: float
    low: float | None
    high: float | None


def percentile_change(before: Sequence[int], after: Sequence[int], percent: float) -> Change:
    """The change of a percentile between two sets of samples.

    Each percentile has a distribution-free interval of 97.5 % (as ``percentile``); both hold at
    once with at least 95 % (Bonferroni), and so does the quotient of their ends. No assumption is
    made about either distribution. Raises ValueError where the first has a bound of 0 or below.
    """
    each = 1 - (1 - CONFIDENCE) / 2
    first, second = (percentile(samples, percent, each) for samples in (before, after))
    if min(first.value, first.value if first.low is None else first.low) <= 0:
        raise ValueError("a change is a share of something above 0")
    share = second.value / first.value - 1
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Change(share, None, None)
    return Change(share, second.low / first.high - 1, second.high / first.low - 1)


@cache
def _interval_ranks(count: int, share: float, confidence: float) -> tuple[int, int]:
    """Ranks (from 1) of the order statistics that bound the quantile; they may not exist."""
    from scipy.stats import binom

    tail = (1 - confidence) / 2
    return int(binom.ppf(tail, count, share)), int(binom.ppf(1 - tail, count, share)) + 1

"""How sure a change of a percentile is: coverage on samples of known change, and its edges."""

from __future__ import annotations

import numpy as np
import pytest

from edgeserve.distribution import percentile, percentile_change


def draws(rng: np.random.Generator, factor: float, count: int = 300) -> tuple[int, ...]:
    return tuple(int(value) for value in 1e6 * factor * rng.lognormal(0, 0.1, count))


@pytest.mark.parametrize("percent", [50.0, 90.0])
@pytest.mark.parametrize("factor", [0.9, 1.0, 1.2])
def test_the_interval_holds_the_true_change_as_often_as_it_says(
    percent: float, factor: float
) -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        change = percentile_change(draws(rng, 1.0), draws(rng, factor), percent)
        assert change.low is not None
        assert change.high is not None
        held += change.low <= factor - 1 <= change.high
    assert held >= 185  # 95 % of 200 is 190; fewer than 185 has a chance below 4 % at 95 %


def test_its_ends_are_quotients_of_two_stricter_intervals() -> None:
    before, after = tuple(range(100, 200)), tuple(range(200, 300))
    first, second = (percentile(samples, 50, 0.975) for samples in (before, after))
    change = percentile_change(before, after, 50)
    assert first.low is not None
    assert second.high is not None
    assert change.share == second.value / first.value - 1
    assert change.high == second.high / first.low - 1
    narrower = percentile(before, 50)
    assert narrower.low is not None
    assert first.low < narrower.low, "97.5 % is wider than 95 %"


def test_too_few_samples_bound_nothing() -> None:
    change = percentile_change((100,) * 6, (110,) * 100, 50)
    assert change.share == pytest.approx(0.1)
    assert (change.low, change.high) == (None, None)


@pytest.mark.parametrize(("percent", "least"), [(50, 7), (90, 42), (99, 437)])
def test_so_many_samples_are_enough(percent: float, least: int) -> None:
    """The counts that docs/REPORT.md names."""
    enough, few = (100,) * least, (100,) * (least - 1)
    assert percentile_change(enough, enough, percent).low == 0
    assert percentile_change(enough, few, percent).low is None


def test_nothing_has_no_shares() -> None:
    with pytest.raises(ValueError, match="above 0"):
        percentile_change((0,) * 20, (1,) * 20, 50)
    with pytest.raises(ValueError, match="above 0"):
        percentile_change((0,) * 7 + (5,) * 13, (5,) * 20, 50)

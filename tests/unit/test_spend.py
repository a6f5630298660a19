"""What extra flash buys: the selection against all selections, and what it makes of a program."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeserve.tune.spend import Offer, best_offers


def all_selections(offers: list[Offer], budget: int) -> tuple[int, int]:
    """The most that can be saved, and the fewest bytes that do."""
    best = (0, 0)
    for count in range(len(offers) + 1):
        for chosen in combinations(offers, count):
            size = sum(offer.extra_bytes for offer in chosen)
            if size <= budget:
                best = max(best, (sum(offer.saved_instructions for offer in chosen), -size))
    return best[0], -best[1]


def outcome(chosen: tuple[Offer, ...]) -> tuple[int, int]:
    return sum(o.saved_instructions for o in chosen), sum(o.extra_bytes for o in chosen)


@st.composite
def markets(draw: st.DrawFn) -> tuple[list[Offer], int]:
    most = draw(st.sampled_from((5, 30, 1000)))
    amounts = st.integers(1, most)
    offers = [Offer(step, draw(amounts), draw(amounts)) for step in range(draw(st.integers(0, 10)))]
    return offers, draw(st.integers(0, 4 * most))


@given(markets())
def test_no_selection_saves_more(market: tuple[list[Offer], int]) -> None:
    offers, budget = market
    chosen = best_offers(offers, budget)
    assert set(chosen) <= set(offers)
    assert outcome(chosen) == all_selections(offers, budget)
    assert [o.step for o in chosen] == sorted(o.step for o in chosen)


def test_the_best_rate_first_is_not_always_best() -> None:
    offers = [Offer(0, 60, 70), Offer(1, 50, 52), Offer(2, 50, 52)]
    assert [o.step for o in best_offers(offers, 100)] == [1, 2]
    assert [o.step for o in best_offers(offers, 99)] == [0]


def test_what_saves_nothing_or_takes_nothing_is_no_offer() -> None:
    assert best_offers([Offer(0, 4, 0), Offer(1, 4, -5), Offer(2, 0, 9)], 100) == ()


def test_no_budget_buys_nothing() -> None:
    assert best_offers([Offer(0, 1, 1)], 0) == ()


def test_many_steps_of_uneven_sizes_are_soon_decided() -> None:
    """Sixty steps of up to a megabyte: what a large model has."""
    rng = np.random.default_rng(3)
    offers = [
        Offer(step, int(size), int(size * rate))
        for step, (size, rate) in enumerate(
            zip(rng.integers(1_000, 1_000_000, 60), rng.uniform(0.2, 40, 60), strict=True)
        )
    ]
    everything = sum(offer.extra_bytes for offer in offers)
    assert len(best_offers(offers, everything)) == 60
    for budget in (1_000_000, everything // 2):
        chosen = best_offers(offers, budget)
        saved, size = outcome(chosen)
        assert size <= budget
        # The best rate as long as it fits is a selection too.
        greedy, left = 0, budget
        for offer in sorted(offers, key=lambda offer: -offer.rate):
            if offer.extra_bytes <= left:
                greedy, left = greedy + offer.saved_instructions, left - offer.extra_bytes
        assert saved >= greedy

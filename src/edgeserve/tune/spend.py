"""Where extra flash buys most: which steps get a faster form, within a budget of bytes.

This is the knapsack problem, and it is solved exactly. Offers are looked at by falling rate of
instructions a byte. After each only those selections are kept that no other beats with as few
bytes, and of these only such as could still become the best if the rest could be bought in part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from edgeserve.kernels.record import Params, blobs
from edgeserve.program import Program, Step


@dataclass(frozen=True, slots=True)
class Offer:
    """A faster form of a step: what it takes beyond the normal one, and what it saves."""

    step: int
    extra_bytes: int
    saved_instructions: int

    @property
    def rate(self) -> Fraction:
        """Instructions a byte."""
        return Fraction(self.saved_instructions, self.extra_bytes)


@dataclass(frozen=True, slots=True)
class _Selection:
    """Offers taken so far: the last, and those before it."""

    extra_bytes: int = 0
    saved_instructions: int = 0
    last: Offer | None = None
    before: _Selection | None = None

    def with_offer(self, offer: Offer) -> _Selection:
        return _Selection(
            self.extra_bytes + offer.extra_bytes,
            self.saved_instructions + offer.saved_instructions,
            offer,
            self,
        )

    def offers(self) -> tuple[Offer, ...]:
        before = self.before.offers() if self.before else ()
        return (*before, self.last) if self.last else before


def best_offers(offers: Iterable[Offer], budget_bytes: int) -> tuple[Offer, ...]:
    """The offers, of at most ``budget_bytes`` together, that save the most; by rising step.

    Of equal savings those of the fewest bytes. An offer that saves nothing or takes no byte more is
    none: the former is never taken, the latter is the normal form's business.
    """
    worth = [
        offer
        for offer in offers
        if offer.saved_instructions > 0 and 0 < offer.extra_bytes <= budget_bytes
    ]
    worth.sort(key=lambda offer: (-offer.rate, offer.step))
    front = [_Selection()]
    for position, offer in enumerate(worth):
        grown = [
            taken.with_offer(offer)
            for taken in front
            if taken.extra_bytes + offer.extra_bytes <= budget_bytes
        ]
        front = _undominated([*front, *grown])
        known, rest = front[-1].saved_instructions, worth[position + 1 :]
        front = [
            taken
            for taken in front
            if taken.saved_instructions + _at_most(rest, budget_bytes - taken.extra_bytes) >= known
        ]
    return tuple(sorted(front[-1].offers(), key=lambda offer: offer.step))


def _undominated(selections: Iterable[_Selection]) -> list[_Selection]:
    """By rising bytes; each saves more than all with no more bytes."""
    front: list[_Selection] = []
    for one in sorted(selections, key=lambda s: (s.extra_bytes, -s.saved_instructions)):
        if not front or one.saved_instructions > front[-1].saved_instructions:
            front.append(one)
    return front


def _at_most(by_rate: Sequence[Offer], left_bytes: int) -> int:
    """What could be saved if the offers could be taken in part: no less than any selection saves.

    ``by_rate``: the best rate first.
    """
    total = 0
    for offer in by_rate:
        if offer.extra_bytes > left_bytes:
            return total + -(-offer.saved_instructions * left_bytes // offer.extra_bytes)
        total += offer.saved_instructions
        left_bytes -= offer.extra_bytes
    return total


@dataclass(frozen=True, slots=True)
class Spent:
    """A program with faster forms of some steps, and the offers that were taken."""

    program: Program
    offers: tuple[Offer, ...]

    @property
    def extra_bytes(self) -> int:
        return sum(offer.extra_bytes for offer in self.offers)

    @property
    def saved_instructions(self) -> int:
        return sum(offer.saved_instructions for offer in self.offers)


def spend(
    program: Program,
    faster: Mapping[int, Step],
    budget_bytes: int,
    instructions: Callable[[Step], int],
) -> Spent:
    """The program with those faster steps, by index, that a budget of bytes buys."""
    offers = (
        Offer(
            index,
            blob_bytes(step.params) - blob_bytes(program.steps[index].params),
            instructions(program.steps[index]) - instructions(step),
        )
        for index, step in faster.items()
    )
    taken = best_offers(offers, budget_bytes)
    chosen = {offer.step for offer in taken}
    steps = (faster[s.index] if s.index in chosen else s for s in program.steps)
    return Spent(replace(program, steps=tuple(steps)), taken)


def blob_bytes(params: Params) -> int:
    """Of the weights and tables of a step, as they lie in the model table."""
    return sum(
        -(-len(blob.data) // blob.alignment_bytes) * blob.alignment_bytes for blob in blobs(params)
    )

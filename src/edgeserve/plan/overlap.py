"""Arena offsets where some pairs of buffers may overlap at a distance.

A *slide* says that a target may be written over a source whose bytes die from the front on, as long
as the source begins far enough above it. As in ``offsets.py`` budgets are counted,
ties are broken by position, and the same problem gives the same plan on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeserve.arena import ArenaPlan, Problem, align_up
from edgeserve.plan.greedy import ORDERS, Conflict, conflicts_of, ordered
from edgeserve.plan.offsets import plan_arena

DEFAULT_NODES = 60_000
"""Placements of one buffer."""

_ROUND_SHARE = 4
_SPREADS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Slide:
    """Buffers (indices) may overlap when ``offset(source) - offset(target) >= distance_bytes``.

    A negative distance lets the target begin inside the source, where its first bytes are dead.
    """

    source: int
    target: int
    distance_bytes: int


@dataclass(frozen=True, slots=True)
class SlidingProblem:
    """Buffers, and the pairs of them that may overlap; at most one slide a pair."""

    problem: Problem
    slides: tuple[Slide, ...]


def sliding_conflicts(sliding: SlidingProblem) -> tuple[tuple[Conflict, ...], ...]:
    """What each buffer must keep clear of; a slide's two sides forbid different distances."""
    buffers = sliding.problem.buffers
    alignment = sliding.problem.alignment_bytes
    found = [list(conflicts) for conflicts in conflicts_of(sliding.problem)]
    for slide in sliding.slides:
        distance = align_up(slide.distance_bytes, alignment)
        size = align_up(buffers[slide.source].size_bytes, alignment)
        _replace(found[slide.target], Conflict(slide.source, distance, size))
        _replace(found[slide.source], Conflict(slide.target, size, distance))
    return tuple(map(tuple, found))


def _replace(conflicts: list[Conflict], new: Conflict) -> None:
    for position, old in enumerate(conflicts):
        if old.other == new.other:
            conflicts[position] = new


def sliding_bound_bytes(sliding: SlidingProblem) -> int:
    """The most that is alive at once, less all that pairs may share: no placement is smaller.

    What lies over a source from the front on ends by a deadline, ``size(target) - distance`` behind
    the source's start; as jobs on one machine they cover at most what a schedule by deadlines does.
    """
    problem = sliding.problem
    sizes = [align_up(buffer.size_bytes, problem.alignment_bytes) for buffer in problem.buffers]
    over: dict[int, list[tuple[int, int]]] = {}
    for slide in sliding.slides:
        distance = align_up(slide.distance_bytes, problem.alignment_bytes)
        deadline = sizes[slide.target] - distance
        if deadline > 0:
            over.setdefault(slide.source, []).append((deadline, slide.target))
    bound = 0
    for time in sorted({buffer.first for buffer in problem.buffers}):
        alive = {i for i, b in enumerate(problem.buffers) if b.first <= time < b.end}
        total = sum(sizes[i] for i in alive)
        for source in alive & over.keys():
            total -= _covered(source, [job for job in over[source] if job[1] in alive], sizes)
        bound = max(bound, total, *(sizes[i] for i in alive), 0)
    return bound


def _covered(source: int, jobs: list[tuple[int, int]], sizes: Sequence[int]) -> int:
    """The most bytes of a source that targets may cover, each by its deadline."""
    covered = 0
    for deadline, target in sorted(jobs):
        covered = max(covered, min(covered + sizes[target], deadline))
    return min(covered, sizes[source])


def plan_sliding(sliding: SlidingProblem, *, node_budget: int = DEFAULT_NODES) -> ArenaPlan:
    """Place every buffer so that the arena is as small as the budget can find.

    Without slides this is :func:`plan_arena`. With them: greedy orders, then rounds that move the
    buffers that stick out at the top to the front of the order, until they fit the problem's
    capacity where it has one. ``nodes`` counts placements. Raises PlanError on a malformed problem.
    """
    if not sliding.slides:
        return plan_arena(sliding.problem, node_budget=node_budget)
    bound = sliding_bound_bytes(sliding)
    search = _Search(sliding)
    for order in ORDERS:
        search.try_order(ordered(sliding.problem, order))
    search.try_order(_by_peak(sliding.problem))
    search.improve(max(bound, sliding.problem.capacity_bytes or 0), node_budget)
    return ArenaPlan(
        offsets_bytes=tuple(search.offsets),
        arena_bytes=search.height,
        lower_bound_bytes=min(bound, search.height),
        exhausted=False,
        nodes=search.nodes,
    )


def _by_peak(problem: Problem) -> list[int]:
    """Buffers by the load of the fullest moment that they live through, then by size."""
    buffers = problem.buffers
    loads = {
        time: sum(b.size_bytes for b in buffers if b.first <= time < b.end)
        for time in {buffer.first for buffer in buffers}
    }
    times = sorted(loads)

    def key(index: int) -> tuple[int, int]:
        buffer = buffers[index]
        peak = max(loads[t] for t in times if buffer.first <= t < buffer.end)
        return -peak, -buffer.size_bytes

    return sorted(range(len(buffers)), key=key)


class _Search:
    """First fit in changing orders, and the lowest packing so far."""

    def __init__(self, sliding: SlidingProblem) -> None:
        problem = sliding.problem
        self._sizes = [align_up(b.size_bytes, problem.alignment_bytes) for b in problem.buffers]
        self._conflicts = sliding_conflicts(sliding)
        self.offsets: list[int] = [0] * len(self._sizes)
        self.order: list[int] = []
        self.height = 1 << 62
        self.nodes = 0
        self._state = 0x9E3779B9

    def try_order(self, order: list[int]) -> list[int]:
        """Pack in this order, keep the packing when it is not higher; all offsets."""
        offsets = [-1] * len(self._sizes)
        height = 0
        for index in order:
            offsets[index] = self._lowest(index, offsets)
            height = max(height, offsets[index] + self._sizes[index])
        self.nodes += len(order)
        if height <= self.height:
            self.height, self.offsets, self.order = height, offsets, order
        return offsets

    def _lowest(self, index: int, offsets: list[int]) -> int:
        forbidden = []
        for other, below, above in self._conflicts[index]:
            at = offsets[other]
            if at >= 0:
                forbidden.append((at - below, at + above))
        forbidden.sort()
        offset = 0
        for low, high in forbidden:
            if offset <= low:
                break
            if high > offset:
                offset = high
        return offset

    def improve(self, goal: int, node_budget: int) -> None:
        """Move what sticks out forward, a little disturbed, until the goal or the budget."""
        order = self.order
        since = 0
        while self.height > goal and self.nodes < node_budget and len(order) > 1:
            before = self.height
            offsets = self.try_order(order)
            since = 0 if self.height < before else since + 1
            if since > len(order) * _ROUND_SHARE:
                order = list(self.order)
                since = 0
                self._swap(order)
            order = self._moved(order, offsets)

    def _moved(self, order: list[int], offsets: list[int]) -> list[int]:
        """The buffers that end above the lowest packing less one, some places further ahead."""
        moved = list(order)
        limit = self.height
        late = [i for i in order if offsets[i] + self._sizes[i] >= limit] or [
            max(order, key=lambda i: offsets[i] + self._sizes[i])
        ]
        for index in late:
            at = moved.index(index)
            spread = _SPREADS[self._below(len(_SPREADS))] * (1 + self._below(3))
            del moved[at]
            moved.insert(max(0, at - spread), index)
        if self._below(3) == 0:
            self._swap(moved)
        return moved

    def _swap(self, order: list[int]) -> None:
        a, b = self._below(len(order)), self._below(len(order))
        order[a], order[b] = order[b], order[a]

    def _below(self, limit: int) -> int:
        """A number in ``[0, limit)`` from Marsaglia's 32-bit xorshift (13, 17, 5)."""
        state = self._state
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        self._state = state
        return state * limit >> 32

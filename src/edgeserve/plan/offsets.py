"""Arena offsets: greedy first, an exact search after it, within a budget of nodes.

The same problem and budget give the same plan on every machine: there is no clock, no float and no
library random generator in here, and every tie is broken by position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import gcd

from edgeserve.arena import ArenaPlan, Problem, align_up, check_problem, live_bound_bytes
from edgeserve.plan.greedy import ORDERS, conflicts_of, first_fit, ordered
from edgeserve.plan.skyline import Outcome, Strip, search, strip_of

DEFAULT_NODES = 400_000
"""Moves of the search: a few seconds of Python at most, and nearly always far fewer are needed."""

_FIRST_QUOTA = 4_000
_RESTART_NODES = 100
_BISECT_SHARE = 16
_BISECT_RUNS = 3
_RESOLUTION = 128
_MIX = 64
_NOISES = (0, 2, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the search stands; ``nodes`` out of its budget are spent."""

    nodes: int
    node_budget: int
    arena_bytes: int
    lower_bound_bytes: int


def plan_arena(
    problem: Problem,
    *,
    node_budget: int = DEFAULT_NODES,
    on_progress: Callable[[Progress], None] | None = None,
) -> ArenaPlan:
    """Place every buffer of ``problem`` so that the arena is as small as the budget can find.

    The search ends when the live bound is reached, when it is proven that nothing smaller exists
    (``exhausted``), when the plan fits ``problem.capacity_bytes``, or after ``node_budget`` nodes.
    Buffers are split at steps that nothing crosses, and the parts are searched one by one. Raises
    PlanError on a malformed problem.
    """
    check_problem(problem)
    sizes = [align_up(buffer.size_bytes, problem.alignment_bytes) for buffer in problem.buffers]
    unit = gcd(*sizes) or problem.alignment_bytes
    live = live_bound_bytes(problem) // unit
    goal = max(live, (problem.capacity_bytes or 0) // unit)
    offsets = [0] * len(sizes)
    reached = _Reached(0, live, 0)
    parts = _parts(problem, [size // unit for size in sizes], unit)
    for index, part in enumerate(parts):
        budget = (node_budget - reached.nodes) // (len(parts) - index)
        improver = _Improver(part, max(goal, reached.height))
        while improver.step(budget):
            if on_progress is not None:
                on_progress(_progress(reached.also(improver.reached), node_budget, unit))
        reached = reached.also(improver.reached)
        for buffer, offset in zip(part.buffers, improver.offsets, strict=True):
            offsets[buffer] = offset * unit
    return ArenaPlan(
        offsets_bytes=tuple(offsets),
        arena_bytes=reached.height * unit,
        lower_bound_bytes=reached.lower * unit,
        exhausted=reached.height == reached.lower > live,
        nodes=reached.nodes,
    )


@dataclass(frozen=True, slots=True)
class _Reached:
    """Height of the best packing and its proven bound (units), after so many nodes."""

    height: int
    lower: int
    nodes: int

    def also(self, other: _Reached) -> _Reached:
        """Both beside each other in time."""
        return _Reached(
            max(self.height, other.height), max(self.lower, other.lower), self.nodes + other.nodes
        )


def _progress(reached: _Reached, node_budget: int, unit: int) -> Progress:
    return Progress(reached.nodes, node_budget, reached.height * unit, reached.lower * unit)


@dataclass(frozen=True, slots=True)
class _Part:
    """Buffers (indices into the problem) that no other part meets in time, and their packing."""

    buffers: tuple[int, ...]
    strip: Strip
    offsets: tuple[int, ...]

    @property
    def height(self) -> int:
        return _height(self.strip, self.offsets)


def _height(strip: Strip, offsets: tuple[int, ...]) -> int:
    return max((o + size for o, size in zip(offsets, strip.sizes, strict=True)), default=0)


def _parts(problem: Problem, sizes: list[int], unit: int) -> list[_Part]:
    """The independent parts, each with its best greedy packing, the highest first."""
    conflicts = conflicts_of(problem)
    packings = [first_fit(conflicts, ordered(problem, order)) for order in ORDERS]
    parts = []
    for group in _groups(problem, sizes):
        lifetimes = [(problem.buffers[i].first, problem.buffers[i].end) for i in group]
        strip = strip_of(lifetimes, [sizes[i] for i in group])
        choices = [tuple(packing[i] // unit for i in group) for packing in packings]
        best = min(choices, key=lambda offsets: _height(strip, offsets))
        parts.append(_Part(tuple(group), strip, best))
    return sorted(parts, key=lambda part: -part.height)


def _groups(problem: Problem, sizes: list[int]) -> list[list[int]]:
    """Buffers that have a size, split at every step that nothing crosses."""
    groups: list[list[int]] = []
    end = 0
    for index in sorted(range(len(sizes)), key=lambda i: problem.buffers[i].first):
        buffer = problem.buffers[index]
        if not sizes[index]:
            continue
        if not groups or buffer.first >= end:
            groups.append([])
            end = buffer.end
        groups[-1].append(index)
        end = max(end, buffer.end)
    return groups


class _Improver:
    """Lowers one part's packing and raises its bound, until they meet or the goal is reached.

    Each round tries the goal itself and then halves what is between goal and packing; the quota of
    nodes doubles from round to round.
    """

    def __init__(self, part: _Part, goal: int) -> None:
        self.offsets = part.offsets
        self.reached = _Reached(part.height, part.strip.load, 0)
        self._strip = part.strip
        self._goal = goal
        self._quota = _FIRST_QUOTA
        self._priorities = _Priorities(part.strip)
        self._tried: set[int] = set()

    def step(self, budget: int) -> bool:
        """One round within a total of ``budget`` nodes; False when there was nothing left to do."""
        if self._done(budget):
            return False
        self._try(self._floor, self._quota, budget)
        least = _BISECT_RUNS * len(self._strip.sizes)
        self._bisect(max(self._quota // _BISECT_SHARE, least), budget)
        self._quota *= 2
        return True

    @property
    def _floor(self) -> int:
        """The lowest target worth trying."""
        return max(self._goal, self.reached.lower)

    def _done(self, budget: int) -> bool:
        return self.reached.height <= self._floor or self.reached.nodes >= budget

    def _bisect(self, quota: int, budget: int) -> None:
        """Halve the targets between goal and packing; an undecided one counts as too low."""
        low = self._floor + 1
        while low < self.reached.height and not self._done(budget):
            middle = (low + self.reached.height - 1) // 2
            if self._try(middle, quota, budget):
                low = max(low, self.reached.lower)
            elif self.reached.height - middle > self.reached.height // _RESOLUTION:
                low = middle + 1
            else:
                return

    def _try(self, target: int, quota: int, budget: int) -> bool:
        """Restart the search for ``target`` with changing priorities; whether it was decided.

        Every second restart may take one share more, every fourth two, every eighth four: mostly
        short runs, because a good start succeeds soon, and now and then one that may be a proof.
        """
        end = min(self.reached.nodes + quota, budget)
        if target not in self._tried:
            self._tried.add(target)
            self._priorities.rewind()
        for turn in count(1):
            left = end - self.reached.nodes
            limit = len(self._strip.sizes) + _RESTART_NODES * (turn & -turn)
            outcome = search(self._strip, target, self._priorities.next(), min(limit, left))
            self._take(outcome)
            if outcome.exhausted or outcome.offsets is not None:
                return True
            if self.reached.nodes >= end:
                break
        return False

    def _take(self, outcome: Outcome) -> None:
        height, lower = self.reached.height, self.reached.lower
        if outcome.offsets is not None:
            self.offsets = outcome.offsets
            height = _height(self._strip, outcome.offsets)
        elif outcome.exhausted:
            lower = outcome.next_target
        self.reached = _Reached(height, lower, self.reached.nodes + outcome.nodes)


class _Priorities:
    """Orders in which the search tries buffers: mixes of size and lifetime, newly disturbed."""

    def __init__(self, strip: Strip) -> None:
        self._sizes = [_log(size) for size in strip.sizes]
        self._widths = [_log(width) for width in strip.widths]
        self._state = 0x9E3779B9
        self._fixed: list[int] = []

    def rewind(self) -> None:
        """Let the undisturbed orders come first again, for a target that has not seen them."""
        self._fixed = [0, _MIX // 2, _MIX]

    def next(self) -> list[int]:
        """Largest size, area and lifetime first, then a random mix with a random disturbance."""
        if self._fixed:
            mix, noise = self._fixed.pop(0), 0
        else:
            mix, noise = self._below(_MIX + 1), _NOISES[self._below(len(_NOISES))]
        priorities = []
        for size, width in zip(self._sizes, self._widths, strict=True):
            disturbance = noise * (self._below(2 * _MIX + 1) - _MIX) if noise else 0
            priorities.append(mix * width + (_MIX - mix) * size + disturbance)
        return priorities

    def _below(self, limit: int) -> int:
        """A number in ``[0, limit)`` from Marsaglia's 32-bit xorshift (13, 17, 5)."""
        state = self._state
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        self._state = state
        return state * limit >> 32


def _log(number: int) -> int:
    """The logarithm to base 2 in sixteenths, in integers: the same on every machine."""
    return (number**16).bit_length()

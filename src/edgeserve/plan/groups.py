"""Which runs of tasks become groups: the cost of each run, and the cuts with the smallest peak.

The cost of a group is what is alive while it runs: its rings, sums and scratch, what passes by, and
its whole inputs and outputs as far as they cannot overlap. It is exact for groups with one sink and
one output, and never too low for the others, whose overlaps are not all looked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeserve.arena import align_up
from edgeserve.plan.effort import KernelModel
from edgeserve.plan.stream import GroupRun, Read, Task, ring_depths, run_group, schedule
from edgeserve.program import Program, Role

ROWS_PER_TURN = (1, 2, 3, 4, 6)

DEFAULT_STINTS = 400_000
"""Turns that the simulations of one order may take together: a second or two of Python."""

Units: TypeAlias = npt.NDArray[np.int64]

_TRAFFIC_BITS = 48
_NEAR = 12
_ANYWHERE = -(1 << 40)


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to run tasks ``[first, end)`` as a group; ``rows`` None: a single task at once.

    ``effort`` is the extra instructions over whole steps, shifted left, with the weight bytes read
    again in its low bits: a tie-break that adds up as it stands.
    """

    first: int
    end: int
    rows: int | None
    cost_bytes: int
    effort: int


Cut: TypeAlias = tuple[Choice, ...]
Weigher: TypeAlias = Callable[[Choice], int]


def effort_of(instructions: int, traffic_bytes: int) -> int:
    """Extra instructions and weight bytes read again as one number."""
    return (instructions << _TRAFFIC_BITS) + traffic_bytes


def instructions_of(effort: int) -> int:
    """The extra instructions of a sum of efforts."""
    return effort >> _TRAFFIC_BITS


class Lives:
    """Which values are alive between the tasks of an order.

    ``made[v]`` is the position of the task that makes v, -1 where it exists from the start;
    ``last[v]`` that of its last reader, the number of tasks where it must last to the end.
    """

    def __init__(self, program: Program, tasks: Sequence[Task]) -> None:
        self.count = len(tasks)
        self.made: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.readers: dict[int, list[int]] = {}
        self.size_bytes: dict[int, int] = {}
        fed = {task.value for task in tasks if task.port is not None}
        for port in program.inputs:
            if program.values[port.value].role is Role.ACTIVATION and port.value not in fed:
                self.made[port.value], self.last[port.value] = -1, 0
        for position, task in enumerate(tasks):
            self.made[task.value] = self.last[task.value] = position
            for read in task.reads:
                self.last[read.value] = position
                self.readers.setdefault(read.value, []).append(position)
        for port in program.outputs:
            if port.value in self.made:
                self.last[port.value] = self.count
        for value in self.made:
            self.size_bytes[value] = align_up(program.values[value].size_bytes)
        self.state_bytes = sum(
            align_up(value.size_bytes) for value in program.values if value.role is Role.STATE
        )

    def kept(self, first: int, end: int) -> set[int]:
        """Values made in ``[first, end)`` and needed at ``end`` or later."""
        return {v for v, at in self.made.items() if first <= at < end <= self.last[v]}

    def alive(self, end: int) -> set[int]:
        """Values that exist before ``end`` and are needed there or later."""
        return {v for v, at in self.made.items() if at < end <= self.last[v]}

    def passing_bytes(self, first: int, end: int) -> int:
        """Bytes of all values that exist before ``first`` and are needed at ``end`` or later."""
        return self.state_bytes + sum(
            self.size_bytes[v] for v, at in self.made.items() if at < first and self.last[v] >= end
        )


def choices_of(
    program: Program,
    tasks: Sequence[Task],
    kernels: KernelModel,
    *,
    rows_per_turn: Sequence[int] = ROWS_PER_TURN,
    stint_budget: int = DEFAULT_STINTS,
) -> list[list[Choice]]:
    """For each end all groups worth having, cheapest effort first; index 0 is empty.

    A group whose rings alone exceed the peak of whole steps is not among them. Groups with several
    sinks are simulated, until ``stint_budget`` turns are spent.
    """
    costs = _Costs(program, tasks, kernels, stint_budget)
    whole = [costs.whole(end) for end in range(1, len(tasks) + 1)]
    limit = max((choice.cost_bytes for choice in whole), default=0)
    found: list[list[Choice]] = [[]]
    for end, single in zip(range(1, len(tasks) + 1), whole, strict=True):
        streamed = [c for rows in rows_per_turn for c in costs.streamed(end, rows, limit)]
        found.append(_undominated([single, *streamed]))
    return found


def _undominated(choices: list[Choice]) -> list[Choice]:
    """Without those that cost more bytes and more effort than another of the same tasks."""
    kept: list[Choice] = []
    best: dict[int, int] = {}
    for choice in sorted(choices, key=lambda c: (c.effort, c.cost_bytes, c.rows or 0)):
        if choice.cost_bytes < best.get(choice.first, 1 << 62):
            best[choice.first] = choice.cost_bytes
            kept.append(choice)
    return kept


class _Costs:
    """Costs of groups, with all that can be computed once."""

    def __init__(
        self, program: Program, tasks: Sequence[Task], kernels: KernelModel, stint_budget: int
    ) -> None:
        self.tasks = tasks
        self.lives = Lives(program, tasks)
        self.kernels = kernels
        self.stints_left = stint_budget
        self._needed = [[np.array(r.needed, np.int64) for r in task.reads] for task in tasks]
        self._freed = [[np.array(r.freed, np.int64) for r in task.reads] for task in tasks]
        self._depths: dict[tuple[int, tuple[int, ...], int], int] = {}
        self._efforts: dict[tuple[int, int], int] = {}
        self._slides: dict[tuple[int, int, int], dict[int, _Steps]] = {}

    def whole(self, end: int) -> Choice:
        """The task before ``end`` alone, all rows in one turn."""
        first = end - 1
        task = self.tasks[first]
        run = run_group(self.tasks, first, end, None, self.lives.alive(end))
        cost = self.lives.passing_bytes(first, end) + align_up(task.scratch_bytes)
        cost += self._space(first, end, run)
        return Choice(first, end, None, cost, 0)

    def _space(self, first: int, end: int, run: GroupRun) -> int:
        """Bytes of rings and whole values of a simulated group, overlapping as far as they may."""
        space = _Space(self.lives, first, end)
        row_bytes = {self.tasks[p].value: self.tasks[p].row_bytes for p in range(first, end)}
        for value, depth in run.depths.items():
            size = align_up(depth * row_bytes[value])
            space.add_ring(
                size,
                run.distances.get((space.source, value), size),
                run.distances.get((value, space.target), space.target_bytes),
            )
        for value in space.kept:
            space.add_kept(value, run.distances.get((space.source, value)))
        return space.least_bytes(run.distances.get((space.source, space.target)))

    def streamed(self, end: int, rows: int, limit: int) -> Iterator[Choice]:
        """Groups of two tasks and more before ``end``, until what is in them exceeds ``limit``."""
        kept = self.lives.alive(end)
        front: _Front | None = _Front(self.tasks, end, rows)
        rings: list[_Ring] = []
        sums = scratch = effort = 0
        for first in range(end - 1, -1, -1):
            task = self.tasks[first]
            readers = [p for p in self.lives.readers.get(task.value, ()) if p < end]
            sums += align_up(task.accumulator_bytes)
            scratch = max(scratch, align_up(task.scratch_bytes))
            effort += self._effort(first, rows)
            if first < end - 1 and not readers:
                front = None
            if front is not None:
                if first < end - 1:
                    front.extend(first, self._needs(readers, task.value, front))
                if task.value not in kept:
                    depth = self._depth(first, readers, end, rows)
                    size = align_up(depth * task.row_bytes)
                    written = self._written_while_alive(task.value, readers, end, front)
                    rings.append(_Ring(first, depth, size, written))
                self._slide(first, end, rows, front)
                inner = sum(ring.size_bytes for ring in rings)
                space = self._one_sink_space(first, end, rows, rings)
            elif self.stints_left > 0:
                run = run_group(self.tasks, first, end, rows, kept)
                self.stints_left -= len(run.stints)
                inner, space = 0, self._space(first, end, run)
            else:
                return
            if max(inner, space - self._whole_bytes(first, end)) + sums + scratch > limit:
                return
            cost = space + sums + scratch + self.lives.passing_bytes(first, end)
            if cost <= limit and first < end - 1:
                yield Choice(first, end, rows, cost, effort)

    def _whole_bytes(self, first: int, end: int) -> int:
        space = _Space(self.lives, first, end)
        return sum(self.lives.size_bytes[v] for v in space.kept | space.freed)

    def _written_while_alive(
        self, value: int, readers: Sequence[int], end: int, front: _Front
    ) -> int:
        """Bytes that the sink has written when a ring is dead."""
        alive = np.zeros(len(front.begin), bool)
        for reader in readers:
            for k, read in enumerate(self.tasks[reader].reads):
                if read.value == value:
                    done = front.begin if reader == end - 1 else front.done[reader]
                    alive |= self._freed[reader][k][done] < read.h
        rows = int(front.made_after[alive].max(initial=0))
        return rows * self.tasks[end - 1].row_bytes

    def _one_sink_space(self, first: int, end: int, rows: int, rings: Sequence[_Ring]) -> int:
        """Bytes of the rings and whole values of a group with one sink."""
        space = _Space(self.lives, first, end)
        source, made = space.source, self.lives.made
        for ring in rings:
            steps = self._steps(first, ring.position, rows, source)
            below = ring.size_bytes if steps is None else steps.within(-(-ring.depth // rows))
            sink = self.tasks[end - 1].value
            above = ring.written_bytes if space.target == sink else space.target_bytes
            space.add_ring(ring.size_bytes, below, above)
        for value in space.kept:
            steps = self._steps(first, made[value], rows, source)
            space.add_kept(value, None if steps is None else steps.total)
        steps = None
        if space.target >= 0:
            steps = self._steps(first, made[space.target], rows, source)
        return space.least_bytes(None if steps is None else steps.total)

    def _steps(self, first: int, position: int, rows: int, source: int) -> _Steps | None:
        return self._slides.get((first, position + 1, rows), {}).get(source)

    def _needs(self, readers: Sequence[int], value: int, front: _Front) -> Units:
        needs = [
            self._needed[reader][k][front.done[reader]]
            for reader in readers
            for k, read in enumerate(self.tasks[reader].reads)
            if read.value == value
        ]
        most = needs[0]
        for need in needs[1:]:
            most = np.maximum(most, need)
        return most

    def _depth(self, position: int, readers: Sequence[int], end: int, rows: int) -> int:
        """Rows of the ring of what the task at ``position`` makes, in a group that ends at ``end``.

        It depends on the tasks between the value and the one that all its rows flow into, alone.
        """
        task = self.tasks[position]
        if not readers:
            return min(rows, task.h)
        region = self._region(readers, end)
        key = (position, region, rows)
        if key not in self._depths:
            members = (position, *region)
            stints = schedule(self.tasks, members, rows)
            self.stints_left -= len(stints)
            self._depths[key] = ring_depths(self.tasks, stints)[task.value]
        return self._depths[key]

    def _region(self, readers: Sequence[int], end: int) -> tuple[int, ...]:
        waiting = set(readers)
        region: list[int] = []
        while waiting:
            nearest = min(waiting)
            waiting.remove(nearest)
            region.append(nearest)
            if not waiting:
                break
            beyond = self.lives.readers.get(self.tasks[nearest].value, ())
            waiting.update(reader for reader in beyond if reader < end)
        return tuple(region)

    def _effort(self, position: int, rows: int) -> int:
        key = (position, rows)
        if key not in self._efforts:
            self._efforts[key] = extra_effort(self.tasks[position], rows, self.kernels)
        return self._efforts[key]

    def _slide(self, first: int, end: int, rows: int, front: _Front) -> None:
        """Records how far each value freed by ``[first, end)`` must lie above the sink's output."""
        found: dict[int, _Steps] = {}
        for value, readers in self._freed_by(first, end):
            need: Units | None = None
            for reader in readers:
                for k, read in enumerate(self.tasks[reader].reads):
                    if read.value == value:
                        ends = self._reader_need(reader, k, read, end, front)
                        need = ends if need is None else np.maximum(need, ends)
            assert need is not None
            most = np.maximum.accumulate(need)
            found[value] = _Steps(tuple(most[:_NEAR].tolist()), int(most[-1]))
        self._slides[first, end, rows] = found

    def _freed_by(self, first: int, end: int) -> Iterator[tuple[int, list[int]]]:
        seen: set[int] = set()
        for position in range(first, end):
            for read in self.tasks[position].reads:
                value = read.value
                if value in seen or self.lives.made[value] >= first:
                    continue
                seen.add(value)
                if self.lives.last[value] < end:
                    yield value, [p for p in self.lives.readers[value] if p >= first]

    def _reader_need(self, reader: int, k: int, read: Read, end: int, front: _Front) -> Units:
        """For each turn of the sink the distance that this reader asks for."""
        sink = self.tasks[end - 1]
        freed = self._freed[reader][k][front.done[reader] if reader != end - 1 else front.begin]
        if reader == end - 1 and read.lag_bytes is not None:
            difference = sink.row_bytes - read.row_bytes
            ends = read.lag_bytes + np.maximum(
                front.made_before * difference, (front.made_after - 1) * difference
            )
        else:
            ends = front.made_after * sink.row_bytes - freed * read.row_bytes
        writes = (front.made_after > front.made_before) & (freed < read.h)
        return np.where(writes, ends, _ANYWHERE)


@dataclass(frozen=True, slots=True)
class _Ring:
    """``written_bytes``: what the sink has written when the ring is dead."""

    position: int
    depth: int
    size_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True)
class _Steps:
    """The distance that a source must keep after the first turn, the first two, ... and all."""

    first: tuple[int, ...]
    total: int

    def within(self, turns: int) -> int:
        return self.first[turns - 1] if turns <= len(self.first) else self.total


class _Space:
    """What the rings and whole values of a group need together.

    ``source`` is the largest value that the group frees, ``target`` the largest that it keeps (-1:
    none). Two layouts are tried. In one all that is born here is stacked, and the source lies over
    it as low as the distances allow; in the other all that dies here lies over the target.
    """

    def __init__(self, lives: Lives, first: int, end: int) -> None:
        sizes = self._sizes = lives.size_bytes
        self.kept = lives.kept(first, end)
        self.freed = {v for v, at in lives.made.items() if at < first <= lives.last[v] < end}
        self.source = max(self.freed, key=lambda v: (sizes[v], -v), default=-1)
        self.target = max(self.kept, key=lambda v: (sizes[v], -v), default=-1)
        self.source_bytes = sizes.get(self.source, 0)
        self.target_bytes = sizes.get(self.target, 0)
        self._others = sum(sizes[v] for v in self.freed) - self.source_bytes
        self._born: list[tuple[int, int]] = []
        self._dying: list[tuple[int, int]] = []

    def add_ring(self, size_bytes: int, below_source: int, above_target: int) -> None:
        """The distances of the source to the ring, and of the ring to the target."""
        self._born.append((min(size_bytes, align_up(below_source)), size_bytes))
        self._dying.append((min(self.target_bytes, align_up(above_target)), size_bytes))

    def add_kept(self, value: int, below_source: int | None) -> None:
        """A value that the group keeps, and the distance of the source to it."""
        size = self._sizes[value]
        below = size if below_source is None else min(size, align_up(below_source))
        self._born.append((below, size))
        if value != self.target:
            self._dying.append((self.target_bytes, size))

    def least_bytes(self, source_above_target: int | None) -> int:
        """The better of both layouts."""
        place = top = 0
        for distance, size in sorted(self._born, reverse=True):
            place = max(place, top + distance)
            top += size
        below = max(top, place + self.source_bytes if self.source >= 0 else 0)
        above = self.target_bytes
        if source_above_target is not None:
            above = min(above, align_up(source_above_target))
        top = 0
        dying = [*self._dying, (above, self.source_bytes)]
        for distance, size in sorted(dying):
            top = max(top, distance) + size
        return min(below, max(top, self.target_bytes)) + self._others


class _Front:
    """How far each task of a group is when its sink is about to take each of its turns.

    ``begin``: the sink's own units before the turn; ``made_before`` and ``made_after``: its rows.
    """

    def __init__(self, tasks: Sequence[Task], end: int, rows: int) -> None:
        self._tasks = tasks
        self._rows = rows
        sink = tasks[end - 1]
        starts = np.arange(0, sink.units, rows, dtype=np.int64)
        stops = np.minimum(starts + rows, sink.units)
        self.begin = starts
        self.done: dict[int, Units] = {end - 1: stops}
        self.made_before, self.made_after = starts, stops
        if sink.accumulator_bytes:
            self.made_before = np.zeros_like(starts)
            self.made_after = np.where(stops == sink.units, sink.h, 0)

    def extend(self, position: int, needed: Units) -> None:
        """Adds a task whose readers need so many rows of it at each turn of the sink."""
        task = self._tasks[position]
        if task.accumulator_bytes:
            self.done[position] = np.where(needed > 0, task.units, 0)
        else:
            turns = -(-needed // self._rows)
            self.done[position] = np.minimum(turns * self._rows, task.units)


def extra_effort(task: Task, rows: int, kernels: KernelModel) -> int:
    """What taking turns of ``rows`` costs a task over computing all at once."""
    if task.step is None:
        return 0
    turns, rest = divmod(task.units, rows)
    units = task.units
    total = turns * kernels.instructions(task.step, min(rows, units), units)
    if rest:
        total += kernels.instructions(task.step, rest, units)
    extra = max(0, total - kernels.instructions(task.step, units, units))
    return effort_of(extra, (turns + bool(rest) - 1) * task.weight_bytes)


def least_peak(choices: Sequence[Sequence[Choice]]) -> int:
    """The smallest cap under which cuts exist: min over all cuts of the costliest group."""
    best = [0] + [1 << 62] * (len(choices) - 1)
    for end in range(1, len(choices)):
        best[end] = min(max(best[c.first], c.cost_bytes) for c in choices[end])
    return best[-1]


def caps_of(choices: Sequence[Sequence[Choice]]) -> list[int]:
    """All caps that make a difference, from the smallest under which cuts exist."""
    costs = sorted({c.cost_bytes for at in choices for c in at})
    return costs[bisect_left(costs, least_peak(choices)) :]


def cut(
    choices: Sequence[Sequence[Choice]], cap_bytes: int, weigh: Weigher
) -> tuple[int, Cut] | None:
    """The groups within ``cap_bytes`` with the least sum of ``weigh``; None where none exist."""
    best: list[int | None] = [0] + [None] * (len(choices) - 1)
    way: list[Choice | None] = [None] * len(choices)
    for end in range(1, len(choices)):
        for choice in choices[end]:
            before = best[choice.first]
            if choice.cost_bytes > cap_bytes or before is None:
                continue
            total = before + weigh(choice)
            at = best[end]
            if at is None or total < at:
                best[end], way[end] = total, choice
    total_weight = best[-1]
    if total_weight is None:
        return None
    groups: list[Choice] = []
    end = len(choices) - 1
    while end > 0:
        last = way[end]
        assert last is not None
        groups.append(last)
        end = last.first
    return total_weight, tuple(reversed(groups))

"""What a group costs: the bytes that are alive while some tasks run row by row.

These are its rings, sums and scratch, what passes by, and its whole inputs and outputs as far as
they cannot overlap. Where a group has one sink all of that follows from how far each task is when
the sink takes its turns, which is a composition of row maps; other groups are simulated. A cost is
an estimate, exact for most groups: offsets are found later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeserve.arena import align_up
from edgeserve.plan.effort import KernelModel
from edgeserve.plan.groups import Choice, Lives, extra_effort
from edgeserve.plan.stream import GroupRun, Read, Task, ring_depths, run_group, schedule

DEFAULT_STINTS = 400_000
"""Turns that the simulations of one order may take together: a second or two of Python."""

Bytes: TypeAlias = npt.NDArray[np.int64]
Units: TypeAlias = npt.NDArray[np.int64]

_ANYWHERE = -(1 << 40)
_APART = 1 << 40
_NOTHING = np.zeros(0, np.int64)


class Costs:
    """Costs of the groups of one order of tasks, with all that is computed once.

    ``stint_budget`` limits the simulations; when it is spent groups with several sinks are not
    looked at any more.
    """

    def __init__(
        self,
        lives: Lives,
        tasks: Sequence[Task],
        kernels: KernelModel,
        stint_budget: int = DEFAULT_STINTS,
    ) -> None:
        self._tasks = tasks
        self._lives = lives
        self._kernels = kernels
        self._stints_left = stint_budget
        self._needed = [[np.array(r.needed, np.int64) for r in task.reads] for task in tasks]
        self._freed = [[np.array(r.freed, np.int64) for r in task.reads] for task in tasks]
        self._ring_rows: dict[tuple[int, tuple[int, ...], int], int] = {}
        self._efforts: dict[tuple[int, int], int] = {}
        self._above: dict[tuple[int, int, int], _Above] = {}

    def whole(self, end: int) -> Choice:
        """The task before ``end`` alone, all rows in one turn."""
        sweep = _Sweep(self._lives, end)
        sweep.include(end - 1, self._tasks[end - 1])
        run = run_group(self._tasks, end - 1, end, None, self._lives.alive(end))
        scratch = align_up(self._tasks[end - 1].scratch_bytes)
        cost = self._simulated(sweep, end - 1, end, run) + sweep.passing_bytes + scratch
        return Choice(end - 1, end, None, cost, 0)

    def streamed(self, end: int, rows: int, limit: int) -> Iterator[Choice]:
        """Groups of two tasks and more before ``end``, until what is in them exceeds ``limit``."""
        lives, tasks = self._lives, self._tasks
        sweep = _Sweep(lives, end)
        front: _Front | None = _Front(tasks, end, rows)
        rings = _Rings()
        sums = scratch = effort = 0
        for first in range(end - 1, -1, -1):
            task = tasks[first]
            readers = [p for p in lives.readers.get(task.value, ()) if p < end]
            sweep.include(first, task)
            sums += align_up(task.accumulator_bytes)
            scratch = max(scratch, align_up(task.scratch_bytes))
            effort += self._effort(first, rows)
            if first < end - 1 and not readers:
                front = None
            if front is not None:
                if first < end - 1:
                    front.extend(first, self._needs(readers, task.value, front))
                if lives.last[task.value] < end:
                    size = align_up(self._ring_depth(first, readers, end, rows) * task.row_bytes)
                    rings.add(first, size, self._written(task.value, readers, end, front))
                self._look_above(first, end, rows, front)
                inside = rings.total_bytes
                if inside + sums + scratch > limit:
                    return
                space = self._composed(sweep, first, end, rows, rings)
            elif self._stints_left > 0:
                run = run_group(tasks, first, end, rows, lives.alive(end))
                self._stints_left -= len(run.stints)
                inside = sum(size for _, size in _ring_sizes(tasks, first, end, run))
                space = self._simulated(sweep, first, end, run)
            else:
                return
            if inside + sums + scratch > limit:
                return
            cost = space + sums + scratch + sweep.passing_bytes
            if cost <= limit and first < end - 1:
                yield Choice(first, end, rows, cost, effort)

    def _effort(self, position: int, rows: int) -> int:
        key = (position, rows)
        if key not in self._efforts:
            self._efforts[key] = extra_effort(self._tasks[position], rows, self._kernels)
        return self._efforts[key]

    # One sink.

    def _needs(self, readers: Sequence[int], value: int, front: _Front) -> Units:
        """Rows of a value that must exist at each turn of the sink."""
        most: Units | None = None
        for reader in dict.fromkeys(readers):
            for needed, read in zip(self._needed[reader], self._tasks[reader].reads, strict=True):
                if read.value == value:
                    need = needed[front.done[reader]]
                    most = need if most is None else np.maximum(most, need)
        assert most is not None
        return most

    def _ring_depth(self, position: int, readers: Sequence[int], end: int, rows: int) -> int:
        """Rows of the ring of what a task makes, in a group with one sink.

        It depends on the tasks between the value and the one that all its rows flow into, alone.
        """
        task = self._tasks[position]
        if not readers:
            return min(rows, task.h)
        key = (position, self._region(readers, end), rows)
        if key not in self._ring_rows:
            stints = schedule(self._tasks, (position, *key[1]), rows)
            self._stints_left -= len(stints)
            self._ring_rows[key] = ring_depths(self._tasks, stints)[task.value]
        return self._ring_rows[key]

    def _region(self, readers: Sequence[int], end: int) -> tuple[int, ...]:
        """The readers of a value and what reads theirs, up to where all ways meet."""
        waiting = set(readers)
        region: list[int] = []
        while waiting:
            nearest = min(waiting)
            waiting.remove(nearest)
            region.append(nearest)
            if not waiting:
                break
            beyond = self._lives.readers.get(self._tasks[nearest].value, ())
            waiting.update(reader for reader in beyond if reader < end)
        return tuple(region)

    def _written(self, value: int, readers: Sequence[int], end: int, front: _Front) -> int:
        """Bytes that the sink has written when a ring is dead."""
        rows = 0
        for reader in dict.fromkeys(readers):
            for k, read in enumerate(self._tasks[reader].reads):
                if read.value == value:
                    done = front.begin if reader == end - 1 else front.done[reader]
                    alive = self._freed[reader][k][done] < read.h
                    rows = max(rows, int(front.made_after[alive].max(initial=0)))
        return rows * self._tasks[end - 1].row_bytes

    def _look_above(self, first: int, end: int, rows: int, front: _Front) -> None:
        """Records how far the values that the task at ``first`` reads must lie above the sink's.

        What was found for these tasks holds whatever else is in the group.
        """
        for value in {read.value for read in self._tasks[first].reads}:
            if self._lives.last[value] >= end:
                continue
            readers = [p for p in dict.fromkeys(self._lives.readers[value]) if p >= first]
            needs = [
                self._reader_need(reader, k, read, end, front)
                for reader in readers
                for k, read in enumerate(self._tasks[reader].reads)
                if read.value == value
            ]
            most = np.maximum.accumulate(np.maximum.reduce(needs))
            key = (value, len(readers), rows)
            if key not in self._above:
                self._above[key] = _Above(len(self._tasks))
            above = self._above[key]
            above.whole[end - 1] = above.ring[end - 1] = align_up(int(most[-1]))
            beyond = self._lives.readers.get(self._tasks[end - 1].value, ())
            if len(beyond) == 1:
                turns = -(-self._ring_depth(end - 1, beyond, beyond[0] + 1, rows) // rows)
                above.ring[end - 1] = align_up(int(most[min(turns, len(most)) - 1]))

    def _reader_need(self, reader: int, k: int, read: Read, end: int, front: _Front) -> Units:
        """For each turn of the sink the distance that this reader asks for."""
        sink = self._tasks[end - 1]
        freed = self._freed[reader][k][front.begin if reader == end - 1 else front.done[reader]]
        if reader == end - 1 and read.lag_bytes is not None:
            difference = sink.row_bytes - read.row_bytes
            ends = read.lag_bytes + np.maximum(
                front.made_before * difference, (front.made_after - 1) * difference
            )
        else:
            ends = front.made_after * sink.row_bytes - freed * read.row_bytes
        writes = (front.made_after > front.made_before) & (freed < read.h)
        return np.where(writes, ends, _ANYWHERE)

    def _composed(self, sweep: _Sweep, first: int, end: int, rows: int, rings: _Rings) -> int:
        """Bytes of the rings and whole values of a group with one sink."""
        lives = self._lives
        source, target = sweep.source, sweep.target
        positions, sizes, written = rings.arrays()
        above = None
        if source >= 0:
            count = len({p for p in lives.readers.get(source, ()) if p >= first})
            above = self._above.get((source, count, rows))
        layout = _Layout(sweep)
        below = sizes if above is None else np.minimum(sizes, above.ring[positions])
        if target < 0 or lives.made[target] != end - 1:
            written = np.full_like(sizes, layout.target_bytes)
        layout.add_rings(sizes, below, np.minimum(written, layout.target_bytes))
        for value in sweep.kept:
            layout.add_kept(value, None if above is None else int(above.whole[lives.made[value]]))
        distance = None
        if above is not None and target >= 0:
            distance = int(above.whole[lives.made[target]])
        return layout.least_bytes(distance)

    # Several sinks, or all at once.

    def _simulated(self, sweep: _Sweep, first: int, end: int, run: GroupRun) -> int:
        """Bytes of the rings and whole values of a simulated group."""
        layout = _Layout(sweep)
        source, target = sweep.source, sweep.target
        found = _ring_sizes(self._tasks, first, end, run)
        sizes = np.array([size for _, size in found], np.int64)
        below = [run.distances.get((source, value), size) for value, size in found]
        above = [run.distances.get((value, target), layout.target_bytes) for value, _ in found]
        layout.add_rings(
            sizes,
            np.minimum(sizes, _aligned(below)),
            np.minimum(layout.target_bytes, _aligned(above)),
        )
        for value in sweep.kept:
            layout.add_kept(value, run.distances.get((source, value)))
        return layout.least_bytes(run.distances.get((source, target)))


def _aligned(sizes: Sequence[int]) -> Bytes:
    return np.array([align_up(size) for size in sizes], np.int64)


def _ring_sizes(
    tasks: Sequence[Task], first: int, end: int, run: GroupRun
) -> list[tuple[int, int]]:
    return [
        (task.value, align_up(run.depths[task.value] * task.row_bytes))
        for task in tasks[first:end]
        if task.value in run.depths
    ]


class _Above:
    """For each position how far a source must lie above what is made there, whole or as a ring."""

    def __init__(self, count: int) -> None:
        self.whole = np.full(count, _APART, np.int64)
        self.ring = np.full(count, _APART, np.int64)


class _Rings:
    """The rings of a group, growing upwards; ``written``: by the sink when a ring is dead."""

    def __init__(self) -> None:
        self.total_bytes = 0
        self._count = 0
        self._columns = np.zeros((3, 16), np.int64)

    def add(self, position: int, size_bytes: int, written_bytes: int) -> None:
        if self._count == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        self._columns[:, self._count] = position, size_bytes, align_up(written_bytes)
        self._count += 1
        self.total_bytes += size_bytes

    def arrays(self) -> tuple[Units, Bytes, Bytes]:
        """Positions, sizes, and bytes written."""
        position, size, written = self._columns[:, : self._count]
        return position, size, written


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


class _Sweep:
    """The values around the groups that end at one place, while their first task moves up.

    ``freed`` come from before and are read here for the last time, ``kept`` are made here and
    needed later; ``source`` and ``target`` are the largest of them, -1 where there are none.
    """

    def __init__(self, lives: Lives, end: int) -> None:
        self.sizes = lives.size_bytes
        self.freed: set[int] = set()
        self.kept: set[int] = set()
        self.source = self.target = -1
        self._lives = lives
        self._end = end
        alive = sum(self.sizes[value] for value in lives.alive(end))
        self.passing_bytes = lives.state_bytes + alive

    def include(self, position: int, task: Task) -> None:
        """The group now begins with this task."""
        lives, end = self._lives, self._end
        if lives.last[task.value] >= end:
            self.kept.add(task.value)
            self.passing_bytes -= self.sizes[task.value]
        self.freed.discard(task.value)
        self.freed.update(r.value for r in task.reads if lives.last[r.value] < end)
        if position == 0:
            self.freed.update(lives.unread)
        self.source = self._largest(self.freed)
        self.target = self._largest(self.kept)

    def _largest(self, values: Collection[int]) -> int:
        return max(values, key=lambda v: (self.sizes[v], -v), default=-1)


class _Layout:
    """What the rings and whole values of a group need together.

    Two layouts are tried. In one all that is born here is stacked, the source over it as low as the
    distances allow; in the other all that dies here lies over the target.
    """

    def __init__(self, sweep: _Sweep) -> None:
        self._sizes = sweep.sizes
        self._target = sweep.target
        self.source_bytes = sweep.sizes.get(sweep.source, 0)
        self.target_bytes = sweep.sizes.get(sweep.target, 0)
        self._others = sum(sweep.sizes[v] for v in sweep.freed) - self.source_bytes
        self._ring_sizes = self._below = self._above = _NOTHING
        self._kept: list[tuple[int, int]] = []
        self._beside = 0

    def add_rings(self, sizes: Bytes, below_source: Bytes, above_target: Bytes) -> None:
        """The distances of the source to the rings, and of the rings to the target."""
        self._ring_sizes, self._below, self._above = sizes, below_source, above_target

    def add_kept(self, value: int, below_source: int | None) -> None:
        """A value that the group keeps, and the distance of the source to it."""
        size = self._sizes[value]
        below = size if below_source is None else min(size, align_up(below_source))
        self._kept.append((below, size))
        if value != self._target:
            self._beside += size

    def least_bytes(self, source_above_target: int | None) -> int:
        """The better of both layouts."""
        distances = np.append(self._below, [distance for distance, _ in self._kept])
        sizes = np.append(self._ring_sizes, [size for _, size in self._kept])
        below = self._stacked(distances.astype(np.int64), sizes.astype(np.int64))
        above = self.target_bytes
        if source_above_target is not None:
            above = max(0, min(above, align_up(source_above_target)))
        distances = np.append(self._above, above)
        sizes = np.append(self._ring_sizes, self.source_bytes)
        over = max(self.target_bytes, _piled(distances, sizes)) + self._beside
        return min(below, over) + self._others

    def _stacked(self, distances: Bytes, sizes: Bytes) -> int:
        if not len(sizes):
            return self.source_bytes
        order = np.argsort(-distances, kind="stable")
        sizes = sizes[order]
        tops = np.cumsum(sizes)
        place = max(0, int((tops - sizes + distances[order]).max()))
        return max(int(tops[-1]), place + self.source_bytes)


def _piled(distances: Bytes, sizes: Bytes) -> int:
    """The top of a pile in which each lies at its distance or higher."""
    order = np.argsort(distances, kind="stable")
    rest = np.cumsum(sizes[order][::-1])[::-1]
    return int((distances[order] + rest).max())

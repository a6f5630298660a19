"""Simulation of steps that run row by row, each pulled by those that read it.

A *task* is a step, or an input of the model that is fed by rows. Its *units* are the rows that it
computes one after the other; a task that accumulates takes one row of its input a unit instead, and
has its one output row after the last. Nothing is computed twice, and nothing before it is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from edgeserve.kernels.record import blobs
from edgeserve.plan.effort import KernelModel
from edgeserve.program import Operand, Program, Role, Step
from edgeserve.rewrite import one_row
from edgeserve.rows import Accumulate, Reach, SameRow, Whole, freed_rows, needed_rows, reaches

Stint: TypeAlias = tuple[int, int, int]
"""(task, first unit, end unit)."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a task needs of a value of ``h`` rows: after n of its units are computed,
    ``needed[n]`` rows must have been made and the first ``freed[n]`` are needed no more.

    ``lag_bytes`` as in :class:`edgeserve.rows.SameRow`.
    """

    value: int
    h: int
    row_bytes: int
    needed: tuple[int, ...]
    freed: tuple[int, ...]
    lag_bytes: int | None


@dataclass(frozen=True, slots=True)
class Task:
    """``step`` or ``port`` is set. ``reads`` hold in a group, ``whole_reads`` when run at once.

    In ``reads`` rows are those of the value's maker; in ``whole_reads`` those of the step's view,
    which then has ``whole_h`` rows: a single one where that is faster (``rewrite.one_row``).
    """

    step: Step | None
    port: int | None
    value: int
    units: int
    h: int
    row_bytes: int
    accumulator_bytes: int
    scratch_bytes: int
    rows_at_once: int
    weight_bytes: int
    reads: tuple[Read, ...]
    whole_reads: tuple[Read, ...]
    whole_h: int

    def produced(self, units: int) -> int:
        """Output rows that exist after so many units."""
        if self.accumulator_bytes:
            return self.h if units == self.units else 0
        return units


@dataclass(frozen=True, slots=True)
class GroupRun:
    """What a simulation saw.

    ``depths``: rows of each ring. ``distances``: for a value that dies in the group (source) and
    one born in it (target) the least ``offset(source) - offset(target)`` in bytes, maybe negative,
    at which both may overlap; a pair without an entry may not. ``born`` and ``dead`` count stints:
    a value made here exists from ``born`` on, one freed here until before ``dead``.
    """

    stints: tuple[Stint, ...]
    depths: dict[int, int]
    distances: dict[tuple[int, int], int]
    born: dict[int, int]
    dead: dict[int, int]


def tasks_of(
    program: Program, order: Sequence[int], feeds: Collection[int], kernels: KernelModel
) -> tuple[Task, ...]:
    """The steps in ``order``, each fed input (index of a port) right before its first reader."""
    views = _views(program, order)
    waiting = {program.inputs[port].value: port for port in feeds}
    tasks: list[Task] = []
    for index in order:
        step = program.steps[index]
        for operand in step.inputs:
            if operand.value in waiting:
                port = waiting.pop(operand.value)
                tasks.append(_feed(port, operand.value, views[operand.value]))
        tasks.append(_task(program, step, views, kernels))
    return tuple(tasks)


@dataclass(frozen=True, slots=True)
class _View:
    h: int
    row_bytes: int


def _view_of(program: Program, operand: Operand) -> _View:
    return _View(operand.h, operand.w * operand.c * program.values[operand.value].dtype.size_bytes)


def _views(program: Program, order: Sequence[int]) -> dict[int, _View]:
    """The rows in which each value is made; an input of the model has those of a reader."""
    views: dict[int, _View] = {}
    for index in order:
        step = program.steps[index]
        views[step.output.value] = _view_of(program, step.output)
    made = set(views)
    for index in order:
        for operand in program.steps[index].inputs:
            view = _view_of(program, operand)
            if operand.value not in made:
                views[operand.value] = max(
                    views.get(operand.value, view), view, key=lambda seen: seen.h
                )
    return views


def _feed(port: int, value: int, view: _View) -> Task:
    return Task(
        step=None,
        port=port,
        value=value,
        units=view.h,
        h=view.h,
        row_bytes=view.row_bytes,
        accumulator_bytes=0,
        scratch_bytes=0,
        rows_at_once=1,
        weight_bytes=0,
        reads=(),
        whole_reads=(),
        whole_h=view.h,
    )


def _task(program: Program, step: Step, views: dict[int, _View], kernels: KernelModel) -> Task:
    output = _view_of(program, step.output)
    moving = _moving(program, step)
    at_once = one_row(step) or step
    accumulator_bytes = 0
    units = output.h
    for operand, reach in moving:
        view = views[operand.value]
        if isinstance(reach, Accumulate) and reach.takes(view.h, view.row_bytes):
            accumulator_bytes = reach.accumulator_bytes
            units = view.h
    return Task(
        step=step,
        port=None,
        value=step.output.value,
        units=units,
        h=output.h,
        row_bytes=output.row_bytes,
        accumulator_bytes=accumulator_bytes,
        scratch_bytes=kernels.scratch_bytes(step),
        rows_at_once=kernels.rows_at_once(step),
        weight_bytes=sum(len(blob.data) for blob in blobs(step.params)),
        reads=tuple(
            _streamed_read(program, operand, reach, views[operand.value], units)
            for operand, reach in moving
        ),
        whole_reads=tuple(
            _read(operand.value, reach, _view_of(program, operand), at_once.output.h)
            for operand, reach in _moving(program, at_once)
        ),
        whole_h=at_once.output.h,
    )


def _moving(program: Program, step: Step) -> list[tuple[Operand, Reach]]:
    """The inputs of a step that are activations, and how it reads them."""
    return [
        (operand, reach)
        for operand, reach in zip(step.inputs, reaches(program, step), strict=True)
        if program.values[operand.value].role is Role.ACTIVATION
    ]


def _streamed_read(
    program: Program, operand: Operand, reach: Reach, view: _View, units: int
) -> Read:
    """A reader that sees other rows than the maker's needs all of them."""
    if isinstance(reach, Accumulate) and reach.takes(view.h, view.row_bytes):
        return _read(operand.value, SameRow(None), view, units)
    if view != _view_of(program, operand):
        return _read(operand.value, Whole(), view, units)
    return _read(operand.value, reach, view, units)


def _read(value: int, reach: Reach, view: _View, units: int) -> Read:
    return Read(
        value=value,
        h=view.h,
        row_bytes=view.row_bytes,
        needed=_needed(reach, units, view.h),
        freed=_freed(reach, units, view.h),
        lag_bytes=reach.lag_bytes if isinstance(reach, SameRow) else None,
    )


_needed = cache(needed_rows)
_freed = cache(freed_rows)


def schedule(tasks: Sequence[Task], members: Sequence[int], rows: int) -> list[Stint]:
    """The turns of some tasks (ascending positions), each of ``rows`` units as far as there are.

    What the members read from elsewhere is there. The sinks take turns: one that needs nothing new
    goes first, then the one that is furthest behind.
    """
    maker = {tasks[member].value: member for member in members}
    read = {r.value for member in members for r in tasks[member].reads}
    sinks = [member for member in members if tasks[member].value not in read]
    pull = _Pull(tasks, maker, rows)
    while len(sinks) > 1:
        sink = next((s for s in sinks if pull.missing(s) is None), None)
        if sink is None:
            sink = min(sinks, key=lambda s: ((pull.done[s] << 16) // tasks[s].units, s))
        pull.advance(sink)
        if pull.done[sink] == tasks[sink].units:
            sinks.remove(sink)
    for sink in sinks:
        while pull.done[sink] < tasks[sink].units:
            pull.advance(sink)
    return pull.stints


class _Pull:
    """Who has computed how much, and all stints so far."""

    def __init__(self, tasks: Sequence[Task], maker: dict[int, int], rows: int) -> None:
        self.tasks = tasks
        self.rows = rows
        self.done = dict.fromkeys(maker.values(), 0)
        self.stints: list[Stint] = []
        self._sources: dict[int, list[tuple[tuple[int, ...], int]]] = {}
        levels: dict[int, int] = {}
        for member in sorted(self.done):
            found = [(r.needed, maker[r.value]) for r in tasks[member].reads if r.value in maker]
            found.sort(key=lambda source: (levels[source[1]], source[1]))
            levels[member] = 1 + max((levels[source] for _, source in found), default=0)
            self._sources[member] = found
        self._readers: dict[int, list[int]] = {}
        for member, found in self._sources.items():
            for _, source in found:
                self._readers.setdefault(source, []).append(member)

    def missing(self, member: int) -> int | None:
        """A task that must go on before the next turn of ``member``; None when it can run.

        The shorter way goes first: a skip takes its row before the block beside it moves on.
        """
        units = min(self.done[member] + self.rows, self.tasks[member].units)
        for needed, source in self._sources[member]:
            if self.tasks[source].produced(self.done[source]) < needed[units]:
                return source
        return None

    def advance(self, member: int) -> None:
        """The next turn of ``member``, after all turns that it needs."""
        stack = [member]
        while stack:
            source = self.missing(stack[-1])
            if source is not None:
                stack.append(source)
                continue
            task = stack.pop()
            first = self.done[task]
            self.done[task] = min(first + self.rows, self.tasks[task].units)
            self.stints.append((task, first, self.done[task]))
            if self._is_done(task):
                self._finish_sources(task)

    def _is_done(self, member: int) -> bool:
        return self.done[member] == self.tasks[member].units

    def _finish_sources(self, member: int) -> None:
        """Rows that nothing reads are computed all the same, as soon as no reader is left."""
        for _, source in self._sources[member]:
            if all(map(self._is_done, self._readers[source])):
                while not self._is_done(source):
                    self.advance(source)


def ring_depths(tasks: Sequence[Task], stints: Sequence[Stint]) -> dict[int, int]:
    """The most rows that each value made in these stints must hold at once."""
    readers = _readers(tasks, {task for task, _, _ in stints})
    done: dict[int, int] = {}
    depths: dict[int, int] = {}
    for index, first, end in stints:
        task = tasks[index]
        made = task.produced(end)
        if made:
            oldest = task.produced(first)
            for reader, read in readers.get(task.value, ()):
                oldest = min(oldest, read.freed[done.get(reader, 0)])
            depths[task.value] = max(depths.get(task.value, 1), made - oldest)
        done[index] = end
    return depths


def _readers(tasks: Sequence[Task], members: Collection[int]) -> dict[int, list[tuple[int, Read]]]:
    readers: dict[int, list[tuple[int, Read]]] = {}
    for member in sorted(members):
        for read in tasks[member].reads:
            readers.setdefault(read.value, []).append((member, read))
    return readers


def run_group(
    tasks: Sequence[Task], first: int, end: int, rows: int | None, kept: Collection[int]
) -> GroupRun:
    """Simulate tasks ``[first, end)``; ``kept`` are the values that are needed after them.

    ``rows`` is None for a single task that computes everything in one turn.
    """
    if rows is None:
        return _run_whole(tasks[first], first, kept)
    stints = schedule(tasks, range(first, end), rows)
    depths = {v: d for v, d in ring_depths(tasks, stints).items() if v not in kept}
    observer = _Observer(tasks, range(first, end), depths, kept)
    for time, stint in enumerate(stints):
        observer.see(time, stint)
    gone = {value: time for value, time in observer.dead.items() if value not in kept}
    distances = {**observer.distances, **_over_rings(observer, depths, stints)}
    return GroupRun(tuple(stints), depths, distances, observer.born, gone)


class _Observer:
    """Watches stints one by one: lifetimes, and distances to the values that come from before."""

    def __init__(
        self,
        tasks: Sequence[Task],
        members: Sequence[int],
        depths: dict[int, int],
        kept: Collection[int],
    ) -> None:
        made = {tasks[member].value for member in members}
        self.tasks = tasks
        self.kept = kept
        self.born: dict[int, int] = {}
        self.dead: dict[int, int] = {}
        self.distances: dict[tuple[int, int], int] = {}
        self._depths = depths
        self._done = dict.fromkeys(members, 0)
        readers = _readers(tasks, members)
        self._freed = {v: r for v, r in readers.items() if v not in made and v not in kept}

    def see(self, time: int, stint: Stint) -> None:
        index, begin, stop = stint
        task = self.tasks[index]
        lines = (task.produced(begin), task.produced(stop))
        for read in task.reads:
            self.dead[read.value] = time + 1
        if lines[0] < lines[1]:
            self.born.setdefault(task.value, time)
            self.dead[task.value] = time + 1
            self._measure(task, index, lines)
        self._done[index] = stop

    def _measure(self, task: Task, index: int, lines: tuple[int, int]) -> None:
        depth = self._depths.get(task.value, task.h)
        if lines[0] >= depth:
            return
        for value, readers in self._freed.items():
            within = (lines[0], min(lines[1], depth))
            distance = _distance(task.row_bytes, index, within, readers, self._done)
            if distance is not None:
                pair = (value, task.value)
                self.distances[pair] = max(self.distances.get(pair, distance), distance)


def _over_rings(
    observer: _Observer, depths: dict[int, int], stints: Sequence[Stint]
) -> dict[tuple[int, int], int]:
    """What a whole output has written when a ring dies: the rest may lie over the ring."""
    found: dict[tuple[int, int], int] = {}
    for index in {index for index, _, _ in stints}:
        task = observer.tasks[index]
        if task.value not in observer.kept:
            continue
        times = [
            (time, task.produced(end)) for time, (i, _, end) in enumerate(stints) if i == index
        ]
        for ring in depths:
            written = [rows for time, rows in times if time < observer.dead[ring]]
            if ring != task.value and written and written[-1] > 0:
                found[ring, task.value] = written[-1] * task.row_bytes
    return found


def _distance(
    row_bytes: int,
    index: int,
    lines: tuple[int, int],
    readers: Sequence[tuple[int, Read]],
    done: dict[int, int],
) -> int | None:
    """How far a source must lie above an output while the task ``index`` writes rows ``lines``."""
    needs = []
    for reader, read in readers:
        freed = read.freed[done[reader]]
        if freed >= read.h:
            continue
        if reader == index and read.lag_bytes is not None:
            needs.append(_in_place(row_bytes, read, lines))
        else:
            needs.append(lines[1] * row_bytes - freed * read.row_bytes)
    return max(needs, default=None)


def _in_place(row_bytes: int, read: Read, lines: tuple[int, int]) -> int:
    assert read.lag_bytes is not None
    difference = row_bytes - read.row_bytes
    return read.lag_bytes + max(lines[0] * difference, (lines[1] - 1) * difference)


def _run_whole(task: Task, index: int, kept: Collection[int]) -> GroupRun:
    """One task at once: its kernel goes through the rows, ``rows_at_once`` at a time."""
    distances: dict[tuple[int, int], int] = {}
    readers: dict[int, list[tuple[int, Read]]] = {}
    for read in task.whole_reads:
        readers.setdefault(read.value, []).append((index, read))
    freed = [value for value in readers if value not in kept]
    row_bytes = task.h * task.row_bytes // task.whole_h
    for begin in range(0, task.whole_h, task.rows_at_once):
        lines = (begin, min(begin + task.rows_at_once, task.whole_h))
        for value in freed:
            distance = _distance(row_bytes, index, lines, readers[value], {index: begin})
            if distance is not None:
                pair = (value, task.value)
                distances[pair] = max(distances.get(pair, distance), distance)
    units = task.units if task.step is None else task.h
    dead = dict.fromkeys(freed, 1)
    if task.value not in kept:
        dead[task.value] = 1
    depths = {} if task.value in kept else {task.value: task.h}
    return GroupRun(((index, 0, units),), depths, distances, {task.value: 0}, dead)

"""The interval sweep of a plan: which bytes are alive when, and that no two lives share a byte.

Time is counted in moments: one for each output row (or for each run of rows that a kernel computes
together), one for each turn that takes sums. A byte lives from the moment that writes it to the
last one that reads it. An output may share bytes with an input row that dies in the very moment
only where the kernel is known to read each byte before it writes over it. Nothing here is shared
with a planner, nor with the check that runs a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import gcd

import numpy as np

from edgeserve.arena import ArenaPlan, Buffer, Problem, check
from edgeserve.errors import PlanError
from edgeserve.program import Operand, Program, Role, Step
from edgeserve.rows import SameRow, reaches, rows_read
from edgeserve.stream_plan import Feed, Place, Span, StreamPlan, Turn

_HINT = "plan again; a stored plan must belong to this very model and must not be edited"
_NEVER = -1


def sweep(
    program: Program, plan: StreamPlan, rows_at_once: Callable[[Step], int] | None = None
) -> None:
    """Raise PlanError when two things that are alive at the same moment share a byte.

    ``rows_at_once`` as in :func:`edgeserve.plan_check.check_stream_plan`.
    """
    lives = _Lives(program, plan)
    _run(lives, rows_at_once or (lambda _step: 1))
    buffers, offsets = zip(*lives.intervals(), strict=True) if plan.arena_bytes else ((), ())
    used = max((o + b.size_bytes for b, o in zip(buffers, offsets, strict=True)), default=0)
    if used > plan.arena_bytes:
        raise _wrong(f"it uses {used} bytes of an arena of {plan.arena_bytes}")
    check(Problem(buffers, alignment_bytes=1), ArenaPlan(offsets, used, 0, False, 0))


def _wrong(what: str) -> PlanError:
    return PlanError(f"the memory plan is wrong: {what}", hint=_HINT)


def _row_bytes(program: Program, operand: Operand) -> int:
    return operand.w * operand.c * program.values[operand.value].dtype.size_bytes


class _Life:
    """The moments of one value, by pieces of ``unit_bytes``: fine enough for every view of it."""

    def __init__(self, name: str, place: Place, unit_bytes: int) -> None:
        self.name, self.place, self.unit_bytes = name, place, unit_bytes
        pieces = place.h * place.row_bytes // unit_bytes
        self.birth = np.full(pieces, _NEVER)
        self.death = np.zeros(pieces, self.birth.dtype)

    def pieces(self, first: int, end: int, row_bytes: int) -> slice:
        """Of rows ``[first, end)`` of a view with rows of so many bytes."""
        if self.place.depth < self.place.h and row_bytes != self.place.row_bytes:
            raise _wrong(f"{self.name!r} is a ring of other rows than a step sees")
        per_row = row_bytes // self.unit_bytes
        return slice(first * per_row, end * per_row)

    def address(self, row: int, row_bytes: int) -> int:
        depth = self.place.depth if self.place.depth < self.place.h else row + 1
        return self.place.offset_bytes + row % depth * row_bytes

    def write(self, at: slice, moment: int) -> None:
        self.birth[at] = moment

    def read(self, at: slice, until: int) -> None:
        if (self.birth[at] == _NEVER).any():
            raise _wrong(f"{self.name!r} is read before it is written")
        np.maximum(self.death[at], until, out=self.death[at])

    def intervals(self) -> Iterator[tuple[Buffer, int]]:
        """Runs of pieces with one life, each with its offset in the arena."""
        birth, death = self.birth, np.maximum(self.death, self.birth + 1)
        changes = (np.diff(birth) != 0) | (np.diff(death) != 0)
        if self.place.depth < self.place.h:
            changes[:] = True
        cuts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(birth)]
        memory = self.place.depth * self.place.row_bytes
        for first, end in pairwise(cuts):
            if birth[first] != _NEVER:
                size = (end - first) * self.unit_bytes
                buffer = Buffer(self.name, int(birth[first]), int(death[first]), size)
                yield buffer, self.place.offset_bytes + first * self.unit_bytes % memory


class _Lives:
    """All that the arena holds."""

    def __init__(self, program: Program, plan: StreamPlan) -> None:
        self.program, self.plan = program, plan
        self.moment = 1
        self.values: dict[int, _Life] = {}
        self.reaches = [reaches(program, step) for step in program.steps]
        self._sums: dict[int, tuple[Span, int, int]] = {}
        self._scratch: list[tuple[str, Span, int, int]] = []
        units = self._units()
        for value, place in zip(program.values, plan.places, strict=True):
            if place is not None:
                self.values[value.index] = _Life(value.name, place, units[value.index])
        fed = {program.inputs[port].value for group in plan.groups for port in group.feeds}
        for value in program.values:
            given = any(port.value == value.index for port in program.inputs)
            if value.role is Role.STATE or (given and value.index not in fed):
                life = self.values.get(value.index)
                if life is not None:
                    life.write(slice(None), 0)

    def _units(self) -> dict[int, int]:
        """Bytes that every view of a value has whole rows of."""
        units = {v: p.row_bytes for v, p in enumerate(self.plan.places) if p is not None}
        for step in self.program.steps:
            for operand in (*step.inputs, step.output):
                place = self.plan.places[operand.value]
                if place is not None and place.depth == place.h:
                    row_bytes = _row_bytes(self.program, operand)
                    units[operand.value] = gcd(units[operand.value], row_bytes)
        return units

    def keep_sums(self, step: Step, span: Span) -> None:
        """Sums last from the first to the last turn of their step."""
        _, first, _ = self._sums.get(step.index, (span, self.moment, 0))
        self._sums[step.index] = span, first, self.moment + 1

    def use_scratch(self, step: Step, first: int) -> None:
        """Scratch lasts for a turn: from moment ``first`` to this one."""
        span = self.plan.scratch[step.index]
        if span is not None:
            self._scratch.append((step.label, span, first, self.moment))

    def intervals(self) -> Iterator[tuple[Buffer, int]]:
        """Everything that lives, with its offset."""
        end = self.moment
        for value in self.program.values:
            if value.role is Role.STATE:
                self.values[value.index].read(slice(None), end)
        for port in self.program.outputs:
            self.values[port.value].read(slice(None), end)
        for life in self.values.values():
            yield from life.intervals()
        for step, (span, first, last) in self._sums.items():
            yield Buffer(f"sums of step {step}", first, last, span.size_bytes), span.offset_bytes
        for label, span, first, last in self._scratch:
            yield Buffer(f"scratch of {label}", first, last, span.size_bytes), span.offset_bytes
        counters = self.plan.counters_span
        yield Buffer("row counters", 0, end, counters.size_bytes), counters.offset_bytes


def _run(lives: _Lives, rows_at_once: Callable[[Step], int]) -> None:
    program, plan = lives.program, lives.plan
    done: dict[tuple[str, int], int] = {}
    for action in plan.turns:
        match action:
            case Feed(port, rows):
                first = done.get(("feed", port), 0)
                _feed(lives, port, range(first, first + rows))
                done["feed", port] = first + rows
            case Turn(index, rows):
                step = program.steps[index]
                first = done.get(("step", index), 0)
                if plan.counters[index] is None:
                    rows = _all_rows(lives, step)
                began, sums = lives.moment, plan.accumulators[index]
                if sums is not None:
                    lives.keep_sums(step, sums)
                    _take_sums(lives, step, first, first + rows)
                else:
                    at_once = max(1, rows_at_once(step))
                    for begin in range(first, first + rows, at_once):
                        _compute(lives, step, range(begin, min(begin + at_once, first + rows)))
                lives.use_scratch(step, began)
                done["step", index] = first + rows


def _all_rows(lives: _Lives, step: Step) -> int:
    if lives.plan.accumulators[step.index] is not None:
        return lives.values[step.inputs[0].value].place.h
    return step.output.h


def _feed(lives: _Lives, port: int, rows: Sequence[int]) -> None:
    life = lives.values[lives.program.inputs[port].value]
    for row in rows:
        life.write(life.pieces(row, row + 1, life.place.row_bytes), lives.moment)
        lives.moment += 1


def _take_sums(lives: _Lives, step: Step, first: int, end: int) -> None:
    source = lives.values[step.inputs[0].value]
    source.read(source.pieces(first, end, source.place.row_bytes), lives.moment + 1)
    if end == _all_rows(lives, step):
        lives.values[step.output.value].write(slice(None), lives.moment)
    lives.moment += 1


def _compute(lives: _Lives, step: Step, rows: range) -> None:
    """One moment: output rows that a kernel computes together."""
    program = lives.program
    target = lives.values[step.output.value]
    row_bytes = _row_bytes(program, step.output)
    for operand, reach in zip(step.inputs, lives.reaches[step.index], strict=True):
        life = lives.values.get(operand.value)
        if life is None:
            continue
        in_bytes = _row_bytes(program, operand)
        for row in rows:
            first, end = rows_read(reach, row, operand.h)
            until = lives.moment + 1
            if isinstance(reach, SameRow) and reach.lag_bytes is not None and len(rows) == 1:
                ahead = life.address(row, in_bytes) - target.address(row, row_bytes)
                _check_scratch(lives, step, life.address(row, in_bytes), in_bytes)
                until -= ahead >= reach.lag_bytes
            life.read(life.pieces(first, end, in_bytes), until)
    target.write(target.pieces(rows.start, rows.stop, row_bytes), lives.moment)
    lives.moment += 1


def _check_scratch(lives: _Lives, step: Step, address: int, size_bytes: int) -> None:
    """What is read while the output is written over it must still be clear of the scratch."""
    span = lives.plan.scratch[step.index]
    if span is None:
        return
    if span.offset_bytes < address + size_bytes and address < span.offset_bytes + span.size_bytes:
        raise _wrong(f"the scratch of step {step.index} ({step.label!r}) lies over its input")

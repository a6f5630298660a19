"""The check of streamed plans that trusts nobody: it runs a plan and watches every byte.

Each step is replaced by a kernel that hashes what it reads. All run in one array of the plan's
size, in the plan's turns, with the plan's counters, sums and scratch in that array too, and every
row that is written must equal that of an execution with whole tensors. Beside it a sweep looks at
the intervals that a kernel reads and writes at the same moment. Nothing here is shared with a
planner.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import shake_128
from itertools import accumulate
from typing import TypeAlias

from edgeserve.arena import ALIGNMENT_BYTES, align_up
from edgeserve.errors import PlanError
from edgeserve.program import Operand, Program, Role, Step
from edgeserve.rows import Accumulate, Reach, SameRow, reaches, rows_read
from edgeserve.stream_plan import BankUse, Feed, Place, Span, StreamPlan, Turn

_HINT = "plan again; a stored plan must belong to this very model and must not be edited"
_COUNTER_BYTES = 2

RowsAtOnce: TypeAlias = Callable[[Step], int]
"""How many output rows the kernel of a step computes together."""


def check_stream_plan(
    program: Program, plan: StreamPlan, rows_at_once: RowsAtOnce | None = None
) -> None:
    """Raise PlanError unless the plan computes what whole tensors in fresh memory would.

    ``rows_at_once``: a kernel may read what its last so many rows need until it has written them;
    without it that is one row, as the portable kernels do it.
    """
    _check_shape(program, plan)
    whole = _WholeRun(program, plan)
    _ArenaRun(program, plan, whole, rows_at_once or (lambda _step: 1)).run()


def _wrong(what: str) -> PlanError:
    return PlanError(f"the memory plan is wrong: {what}", hint=_HINT)


def _check_shape(program: Program, plan: StreamPlan) -> None:
    """Every place, span and turn names something that exists and lies in the arena, aligned."""
    steps = range(len(program.steps))
    if sorted(plan.order) != list(steps):
        raise _wrong("the order is not one of its steps")
    if [step for group in plan.groups for step in group.steps] != list(plan.order):
        raise _wrong("the groups are not the order")
    if len(plan.places) != len(program.values):
        raise _wrong(f"{len(program.values)} values have {len(plan.places)} places")
    if any(len(c) != len(steps) for c in (plan.scratch, plan.accumulators, plan.counters)):
        raise _wrong("a step has no entry for its scratch, sums or counter")
    spans = [(place.offset_bytes, place.size_bytes) for place in plan.places if place]
    spans += [
        (span.offset_bytes, span.size_bytes)
        for span in (*plan.scratch, *plan.accumulators, plan.counters_span)
        if span
    ]
    _check_banks(plan, spans)
    counters = range(plan.counters_span.size_bytes // _COUNTER_BYTES)
    if any(counter is not None and counter not in counters for counter in plan.counters):
        raise _wrong("a step has a counter that does not exist")
    if plan.lower_bound_bytes > plan.arena_bytes:
        raise _wrong(f"its lower bound {plan.lower_bound_bytes} exceeds its {plan.arena_bytes}")
    for value, place in zip(program.values, plan.places, strict=True):
        if (place is None) != (value.role is Role.CONSTANT):
            raise _wrong(f"value {value.name!r} has no place, or is constant and has one")
        if place and (
            place.h * place.row_bytes != value.size_bytes or not 1 <= place.depth <= place.h
        ):
            raise _wrong(f"value {value.name!r} of {value.size_bytes} bytes lies in {place}")
    _check_feeds(program, plan)


def _check_banks(plan: StreamPlan, spans: Sequence[tuple[int, int]]) -> None:
    """Every byte lies in one bank of the arena; one in a single piece is a bank like others."""
    banks = plan.banks or (plan.one_bank,)
    starts = [0, *accumulate(bank.size_bytes for bank in banks)]
    if starts.pop() != plan.arena_bytes:
        raise _wrong(f"the arena is {plan.arena_bytes} bytes, which its banks are not")
    if len({bank.name for bank in banks}) != len(banks):
        raise _wrong("two banks have one name")
    held: list[list[tuple[int, int]]] = [[] for _ in banks]
    for offset, size in spans:
        if offset < 0 or size < 0:
            raise _wrong(f"there are no bytes [{offset}, {offset + size})")
        bank = bisect_right(starts, offset) - 1
        held[bank].append((offset - starts[bank], size))
    for its, spans_in_it in zip(banks, held, strict=True):
        _check_bank(its, spans_in_it)
    if plan.least_traffic_cost > plan.traffic_cost:
        raise _wrong("the traffic costs less than the least that it can")


def _check_bank(bank: BankUse, spans: Sequence[tuple[int, int]]) -> None:
    """All in a bank is aligned and ends in it, and the bank is no larger than that asks for."""
    alignment = bank.alignment_bytes
    if alignment < ALIGNMENT_BYTES or alignment % ALIGNMENT_BYTES:
        raise _wrong(f"bank {bank.name!r} cannot be aligned to {alignment} bytes")
    for offset, size in spans:
        if offset % alignment or offset + size > bank.size_bytes:
            raise _wrong(f"bytes [{offset}, {offset + size}) are not aligned in bank {bank.name!r}")
    used_bytes = align_up(max((offset + size for offset, size in spans), default=0), alignment)
    if bank.size_bytes != used_bytes:
        raise _wrong(f"bank {bank.name!r} has {bank.size_bytes} bytes, {used_bytes} are in use")
    if bank.size_bytes > sum(align_up(size, alignment) for _, size in spans):
        raise _wrong(f"bank {bank.name!r} has {bank.size_bytes} bytes, more than all that is there")
    if bank.lower_bound_bytes > bank.size_bytes:
        raise _wrong(f"the lower bound of bank {bank.name!r} exceeds its {bank.size_bytes} bytes")


def _check_feeds(program: Program, plan: StreamPlan) -> None:
    """Every fed input is fed all its rows."""
    rows = {port: 0 for group in plan.groups for port in group.feeds}
    for turn in plan.turns:
        if isinstance(turn, Feed):
            rows[turn.port] = rows.get(turn.port, 0) + turn.rows
    for port, fed in rows.items():
        place = plan.places[program.inputs[port].value]
        if place is None or fed != place.h:
            raise _wrong(f"input {port} is fed {fed} rows")


# What stands for a kernel.


def _digest(size_bytes: int, *parts: bytes) -> bytes:
    sponge = shake_128()
    for part in parts:
        sponge.update(len(part).to_bytes(4, "little") + part)
    return sponge.digest(size_bytes)


@dataclass(frozen=True, slots=True)
class _Input:
    """One operand of a step, as rows of the step's view."""

    operand: Operand
    reach: Reach
    row_bytes: int
    role: Role

    @property
    def lag_bytes(self) -> int | None:
        return self.reach.lag_bytes if isinstance(self.reach, SameRow) else None


def _inputs(program: Program, step: Step) -> list[_Input]:
    found = []
    for operand, reach in zip(step.inputs, reaches(program, step), strict=True):
        value = program.values[operand.value]
        row = operand.w * operand.c * value.dtype.size_bytes
        found.append(_Input(operand, reach, row, value.role))
    return found


def _out_row_bytes(program: Program, step: Step) -> int:
    output = step.output
    return output.w * output.c * program.values[output.value].dtype.size_bytes


def _mixed(salt: int, position: int, elements: Sequence[int]) -> int:
    total = salt + 7 * position
    for weight, element in enumerate(elements, 3):
        total += weight * element
    return total & 0xFF


def _units(plan: StreamPlan) -> dict[int, int]:
    """The rows that all turns of each step make together."""
    units: dict[int, int] = {}
    for turn in plan.turns:
        if isinstance(turn, Turn):
            units[turn.step] = units.get(turn.step, 0) + turn.rows
    return units


def _summed_rows(plan: StreamPlan, step: Step) -> int:
    """The rows of its input that a step takes into its sums."""
    place = plan.places[step.inputs[0].value]
    if place is None:
        raise _wrong(f"step {step.index} sums a constant")
    return place.h


def _check_sums(program: Program, plan: StreamPlan, step: Step) -> None:
    """Whoever takes sums can do so, with rows of the length that its input has."""
    for operand, reach in zip(step.inputs, reaches(program, step), strict=True):
        place = plan.places[operand.value]
        if not (isinstance(reach, Accumulate) and place and reach.takes(place.h, place.row_bytes)):
            raise _wrong(f"step {step.index} ({step.label!r}) cannot take its input into sums")


# Whole tensors, each in memory of its own.


class _WholeRun:
    """All values of an execution with whole tensors; ``written[step]`` are its output's bytes."""

    def __init__(self, program: Program, plan: StreamPlan) -> None:
        self.given: dict[int, bytes] = {}
        self.written: dict[int, bytes] = {}
        self.inputs = [_inputs(program, step) for step in program.steps]
        self._memory: dict[int, bytearray] = {}
        for value in program.values:
            data = value.data
            if data is None:
                data = _digest(value.size_bytes, b"given", value.index.to_bytes(4, "little"))
            self.given[value.index] = data
            self._memory[value.index] = bytearray(data)
        for index in plan.order:
            step = program.steps[index]
            sums = plan.accumulators[index]
            if sums is None:
                data = self._rows(program, step)
            else:
                _check_sums(program, plan, step)
                data = self._summed(program, step, sums, _summed_rows(plan, step))
            self._memory[step.output.value] = bytearray(data)
            self.written[index] = data

    def kept(self, state: int) -> bytes:
        """What a state holds when all is done."""
        return bytes(self._memory[state])

    def _rows(self, program: Program, step: Step) -> bytes:
        inputs = self.inputs[step.index]
        row_bytes = _out_row_bytes(program, step)
        rows = b""
        for y in range(step.output.h):
            held = [self._held(i, y) for i in inputs]
            salt = _salt(
                step, y, [h for i, h in zip(inputs, held, strict=True) if i.lag_bytes is None]
            )
            lagged = [(i.lag_bytes, h) for i, h in zip(inputs, held, strict=True)]
            rows += _row(step, y, salt, row_bytes, [(a, h) for a, h in lagged if a is not None])
            for i in inputs:
                if i.role is Role.STATE:
                    memory = self._memory[i.operand.value]
                    memory[:] = _digest(len(memory), b"state", salt)
        return rows

    def _held(self, source: _Input, y: int) -> bytes:
        first, end = rows_read(source.reach, y, source.operand.h)
        memory = self._memory[source.operand.value]
        return bytes(memory[first * source.row_bytes : end * source.row_bytes])

    def _summed(self, program: Program, step: Step, sums: Span, units: int) -> bytes:
        memory = bytes(self._memory[step.inputs[0].value])
        row = len(memory) // units
        total = bytes(sums.size_bytes)
        for unit in range(units):
            total = _digest(sums.size_bytes, total, memory[unit * row : (unit + 1) * row])
        return _digest(_out_row_bytes(program, step) * step.output.h, b"sum", total)


def _salt(step: Step, y: int, held: Sequence[bytes]) -> bytes:
    return _digest(1, step.index.to_bytes(4, "little"), y.to_bytes(4, "little"), *held)


def _row(
    step: Step, y: int, salt: bytes, row_bytes: int, lagged: Sequence[tuple[int, bytes]]
) -> bytes:
    if not lagged:
        return _digest(row_bytes, step.index.to_bytes(4, "little"), y.to_bytes(4, "little"), salt)
    return bytes(
        _mixed(salt[0], e, [row[e - lag] for lag, row in lagged if 0 <= e - lag < len(row)])
        for e in range(row_bytes)
    )


# The arena.


class _ArenaRun:
    """The plan's turns in one array of the plan's size."""

    def __init__(
        self,
        program: Program,
        plan: StreamPlan,
        whole: _WholeRun,
        rows_at_once: RowsAtOnce,
    ) -> None:
        self.program, self.plan, self.whole = program, plan, whole
        self.rows_at_once = rows_at_once
        self.memory = bytearray(b"\xa5" * plan.arena_bytes)
        self.units = _units(plan)
        self.fed = {port for group in plan.groups for port in group.feeds}
        self.done = dict.fromkeys(range(len(program.steps)), 0)
        self.fed_rows = dict.fromkeys(self.fed, 0)

    def run(self) -> None:
        program, plan = self.program, self.plan
        span = plan.counters_span
        self.memory[span.offset_bytes : span.offset_bytes + span.size_bytes] = bytes(
            span.size_bytes
        )
        for value in program.values:
            if value.role is Role.STATE:
                self._store_whole(value.index)
        for port, entry in enumerate(program.inputs):
            if port not in self.fed and program.values[entry.value].role is Role.ACTIVATION:
                self._store_whole(entry.value)
        for turn in plan.turns:
            match turn:
                case Turn(step, rows):
                    self._turn(program.steps[step], rows)
                case Feed(port, rows):
                    self._feed(port, rows)
        self._check_end()

    def _place(self, value: int) -> Place:
        place = self.plan.places[value]
        assert place is not None, "checked before"
        return place

    def _store_whole(self, value: int) -> None:
        place = self._place(value)
        if place.depth != place.h:
            raise _wrong(f"value {value} is given whole but lies in {place.depth} rows")
        data = self.whole.given[value]
        self.memory[place.offset_bytes : place.offset_bytes + len(data)] = data

    def _address(self, value: int, row: int, row_bytes: int, h: int) -> int:
        """Where a row lies; a ring has rows of one size only."""
        place = self._place(value)
        if place.depth == place.h:
            return place.offset_bytes + row * row_bytes
        if (place.row_bytes, place.h) != (row_bytes, h):
            raise _wrong(f"value {value} lies in rows of {place.row_bytes}, not {row_bytes} bytes")
        return place.offset_bytes + row % place.depth * row_bytes

    def _feed(self, port: int, rows: int) -> None:
        value = self.program.inputs[port].value
        place = self._place(value)
        data = self.whole.given[value]
        for row in range(self.fed_rows[port], self.fed_rows[port] + rows):
            at = self._address(value, row, place.row_bytes, place.h)
            line = data[row * place.row_bytes : (row + 1) * place.row_bytes]
            self.memory[at : at + len(line)] = line
        self.fed_rows[port] += rows

    def _turn(self, step: Step, rows: int) -> None:
        first = self._first(step, rows)
        if self.plan.counters[step.index] is None:
            rows = self._all_rows(step)
        if self.plan.accumulators[step.index] is not None:
            self._sum(step, first, rows)
        else:
            at_once = max(1, self.rows_at_once(step))
            for begin in range(first, first + rows, at_once):
                self._slice(step, begin, min(begin + at_once, first + rows))
        self.done[step.index] = first + rows

    def _first(self, step: Step, rows: int) -> int:
        """The first row of this turn, by the counter in the arena where the step has one."""
        counter = self.plan.counters[step.index]
        if counter is None:
            if self.done[step.index]:
                raise _wrong(f"step {step.index} takes several turns and has no counter")
            return 0
        units, expected = self.units[step.index], self._all_rows(step)
        if units != expected:
            raise _wrong(f"the turns of step {step.index} make {units} of {expected} rows")
        at = self.plan.counters_span.offset_bytes + _COUNTER_BYTES * counter
        first = int.from_bytes(self.memory[at : at + _COUNTER_BYTES], "little")
        if first != self.done[step.index]:
            raise _wrong(f"the counter of step {step.index} was overwritten")
        self.memory[at : at + _COUNTER_BYTES] = (first + rows).to_bytes(_COUNTER_BYTES, "little")
        return first

    def _all_rows(self, step: Step) -> int:
        """The rows of a step's output, or of its input where it takes sums."""
        if self.plan.accumulators[step.index] is not None:
            return _summed_rows(self.plan, step)
        return step.output.h

    def _slice(self, step: Step, begin: int, end: int) -> None:
        """Output rows that the kernel may compute together."""
        program = self.program
        inputs = self.whole.inputs[step.index]
        row_bytes = _out_row_bytes(program, step)
        output = step.output
        targets = [self._address(output.value, y, row_bytes, output.h) for y in range(begin, end)]
        self._sweep(step, inputs, range(begin, end), [(t, t + row_bytes) for t in targets])
        self._use_scratch(step)
        for y, target in zip(range(begin, end), targets, strict=True):
            self._row(step, inputs, y, target, row_bytes)

    def _row(
        self, step: Step, inputs: Sequence[_Input], y: int, target: int, row_bytes: int
    ) -> None:
        held = [self._held(i, y) for i in inputs if i.lag_bytes is None]
        salt = _salt(step, y, held)
        lagged = [
            (i.lag_bytes, self._address(i.operand.value, y, i.row_bytes, i.operand.h), i.row_bytes)
            for i in inputs
            if i.lag_bytes is not None
        ]
        if lagged:
            for e in range(row_bytes):
                parts = [
                    self.memory[at + e - lag] for lag, at, size in lagged if 0 <= e - lag < size
                ]
                self.memory[target + e] = _mixed(salt[0], e, parts)
        else:
            self.memory[target : target + row_bytes] = _row(step, y, salt, row_bytes, ())
        wanted = self.whole.written[step.index][y * row_bytes : (y + 1) * row_bytes]
        if self.memory[target : target + row_bytes] != wanted:
            raise _wrong(f"row {y} of step {step.index} ({step.label!r}) was made from other bytes")
        for i in inputs:
            if i.role is Role.STATE:
                place = self._place(i.operand.value)
                span = slice(place.offset_bytes, place.offset_bytes + place.size_bytes)
                self.memory[span] = _digest(place.size_bytes, b"state", salt)

    def _held(self, source: _Input, y: int) -> bytes:
        first, end = rows_read(source.reach, y, source.operand.h)
        if source.role is Role.CONSTANT:
            data = self.whole.given[source.operand.value]
            return data[first * source.row_bytes : end * source.row_bytes]
        return b"".join(
            bytes(self.memory[at : at + source.row_bytes])
            for at in (
                self._address(source.operand.value, row, source.row_bytes, source.operand.h)
                for row in range(first, end)
            )
        )

    def _sum(self, step: Step, first: int, rows: int) -> None:
        """Takes input rows into the sums, and writes the output behind the last."""
        span = self.plan.accumulators[step.index]
        assert span is not None
        value, units = step.inputs[0].value, self._all_rows(step)
        row_bytes = self.program.values[value].size_bytes // units
        sums = slice(span.offset_bytes, span.offset_bytes + span.size_bytes)
        sources = [self._address(value, r, row_bytes, units) for r in range(first, first + rows)]
        reads = [(at, at + row_bytes) for at in sources]
        out_bytes = _out_row_bytes(self.program, step)
        target = self._address(step.output.value, 0, out_bytes, step.output.h)
        writes = [(sums.start, sums.stop), *self._scratch(step)]
        if first + rows == units:
            writes.append((target, target + out_bytes))
        _check_disjoint(step, writes, reads)
        self._use_scratch(step)
        if first == 0:
            self.memory[sums] = bytes(span.size_bytes)
        for at, end in reads:
            self.memory[sums] = _digest(
                span.size_bytes, bytes(self.memory[sums]), bytes(self.memory[at:end])
            )
        if first + rows == units:
            made = _digest(out_bytes, b"sum", bytes(self.memory[sums]))
            if made != self.whole.written[step.index]:
                raise _wrong(f"step {step.index} ({step.label!r}) summed other bytes")
            self.memory[target : target + out_bytes] = made

    def _sweep(
        self,
        step: Step,
        inputs: Sequence[_Input],
        rows: range,
        targets: Sequence[tuple[int, int]],
    ) -> None:
        """What is written at one moment overlaps nothing else that is written or read then."""
        reads = []
        for source in inputs:
            if source.role is Role.CONSTANT or source.lag_bytes is not None:
                continue
            value, h = source.operand.value, source.operand.h
            needed = {r for y in rows for r in range(*rows_read(source.reach, y, h))}
            places = [self._address(value, r, source.row_bytes, h) for r in sorted(needed)]
            reads += [(at, at + source.row_bytes) for at in places]
        _check_disjoint(step, [*targets, *self._scratch(step)], reads)

    def _scratch(self, step: Step) -> list[tuple[int, int]]:
        span = self.plan.scratch[step.index]
        return [(span.offset_bytes, span.offset_bytes + span.size_bytes)] if span else []

    def _use_scratch(self, step: Step) -> None:
        for begin, end in self._scratch(step):
            self.memory[begin:end] = b"\x5a" * (end - begin)

    def _check_end(self) -> None:
        for index, step in enumerate(self.program.steps):
            if self.done[index] == 0:
                raise _wrong(f"step {index} ({step.label!r}) has no turn")
        for state in self.program.values:
            if state.role is Role.STATE:
                place = self._place(state.index)
                kept = self.memory[place.offset_bytes : place.offset_bytes + place.size_bytes]
                if kept != self.whole.kept(state.index):
                    raise _wrong(f"state {state.name!r} does not last to the next inference")
        last = {step.output.value: step.index for step in self.program.steps}
        for port in self.program.outputs:
            value = port.value
            data = self.whole.written[last[value]] if value in last else self.whole.given[value]
            place = self._place(value)
            at = place.offset_bytes
            if place.depth != place.h or self.memory[at : at + len(data)] != data:
                raise _wrong(f"output {port.name!r} is not whole at the end")


def _check_disjoint(
    step: Step, writes: Sequence[tuple[int, int]], reads: Sequence[tuple[int, int]]
) -> None:
    marked = [(begin, end, True) for begin, end in writes if end > begin]
    marked += [(begin, end, False) for begin, end in reads if end > begin]
    written = read = 0
    for begin, end, is_write in sorted(marked):
        if begin < written or (is_write and begin < read):
            raise _wrong(
                f"step {step.index} ({step.label!r}) writes bytes near {begin} while it needs them"
            )
        if is_write:
            written = max(written, end)
        else:
            read = max(read, end)

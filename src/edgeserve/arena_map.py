"""Who lies where in the arena, and from which turn to which: a plan as it looks in memory.

Nothing here decides anything. Lives are read off the turns: what is written is alive from its first
row to the last turn that reads it, scratch and sums from the first to the last turn of their steps.
Buffers may share bytes where a plan lets an output follow its input's dead rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from edgeserve.program import Program, Role
from edgeserve.stream_plan import Action, Feed, Span, StreamPlan, Turn


class Kind(StrEnum):
    """What a resident of the arena is."""

    TENSOR = "tensor"
    RING = "ring"
    STATE = "state"
    SCRATCH = "scratch"
    SUMS = "sums"
    COUNTERS = "counters"


@dataclass(frozen=True, slots=True)
class Resident:
    """``size_bytes`` at ``offset_bytes``, alive in turns ``[first, end)``.

    ``name`` is a tensor's, or that of the step which uses the bytes.
    """

    name: str
    kind: Kind
    offset_bytes: int
    size_bytes: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Peak:
    """The first turn with the most bytes in use: of ``step`` (its label), and who is there.

    ``used_bytes`` counts a byte once that two residents share; ``residents`` are the largest first.
    """

    turn: int
    step: str
    used_bytes: int
    residents: tuple[Resident, ...]


class _Times:
    """For each key the turns that touch it."""

    def __init__(self) -> None:
        self._span: dict[object, tuple[int, int]] = {}

    def touch(self, key: object, turn: int) -> None:
        first, _ = self._span.get(key, (turn, turn))
        self._span[key] = first, turn + 1

    def of(self, key: object, default: tuple[int, int] = (0, 1)) -> tuple[int, int]:
        return self._span.get(key, default)


def residents(program: Program, plan: StreamPlan) -> tuple[Resident, ...]:
    """All of a plan, by offset. Empty spans are left out."""
    total = max(1, len(plan.turns))
    times = _times(program, plan.turns)
    found = [*_values(program, plan, times, total), *_inner(program, plan, times)]
    if plan.counters_span.size_bytes:
        span = plan.counters_span
        counters = Resident(
            "row counters", Kind.COUNTERS, span.offset_bytes, span.size_bytes, 0, total
        )
        found.append(counters)
    return tuple(sorted(found, key=lambda r: (r.offset_bytes, r.first, r.name)))


def peak(program: Program, plan: StreamPlan) -> Peak:
    """Where the arena is fullest; an empty arena peaks at turn 0 with nobody."""
    everybody = residents(program, plan)
    best, turn = 0, 0
    for start in sorted({resident.first for resident in everybody}):
        used = _used_bytes(r for r in everybody if r.first <= start < r.end)
        if used > best:
            best, turn = used, start
    alive = [r for r in everybody if r.first <= turn < r.end]
    alive.sort(key=lambda r: (-r.size_bytes, r.offset_bytes))
    return Peak(turn, _label(program, plan, turn), best, tuple(alive))


def _times(program: Program, turns: Iterable[Action]) -> _Times:
    times = _Times()
    for at, action in enumerate(turns):
        match action:
            case Feed(port, _):
                times.touch(("value", program.inputs[port].value), at)
            case Turn(index, _):
                step = program.steps[index]
                times.touch(("step", index), at)
                for operand in (*step.inputs, step.output):
                    times.touch(("value", operand.value), at)
    return times


def _values(program: Program, plan: StreamPlan, times: _Times, total: int) -> Iterable[Resident]:
    fed = {program.inputs[port].value for group in plan.groups for port in group.feeds}
    given = {port.value for port in program.inputs} - fed
    kept = {port.value for port in program.outputs}
    for value, place in zip(program.values, plan.places, strict=True):
        if place is None:
            continue
        first, end = times.of(("value", value.index))
        kind = Kind.TENSOR if place.depth == place.h else Kind.RING
        if value.role is Role.STATE:
            kind, first, end = Kind.STATE, 0, total
        first = 0 if value.index in given else first
        end = total if value.index in kept else end
        size_bytes = place.size_bytes
        yield Resident(value.name, kind, place.offset_bytes, size_bytes, first, end)


def _inner(program: Program, plan: StreamPlan, times: _Times) -> Iterable[Resident]:
    """Scratch and sums. Steps of a group that use the same scratch are one resident."""
    for group in plan.groups:
        users: dict[int, list[int]] = {}
        for step in group.steps:
            span = plan.scratch[step]
            if span is not None:
                users.setdefault(span.offset_bytes, []).append(step)
        for steps in users.values():
            spans = [span for step in steps if (span := plan.scratch[step]) is not None]
            largest = max(spans, key=lambda span: span.size_bytes)
            yield _used_by(program, times, steps, Kind.SCRATCH, largest)
        for step in group.steps:
            span = plan.accumulators[step]
            if span is not None:
                yield _used_by(program, times, [step], Kind.SUMS, span)


def _used_by(program: Program, times: _Times, steps: list[int], kind: Kind, span: Span) -> Resident:
    lives = [times.of(("step", step)) for step in steps]
    name = program.steps[steps[0]].label
    first, end = min(first for first, _ in lives), max(end for _, end in lives)
    return Resident(f"{kind} of {name}", kind, span.offset_bytes, span.size_bytes, first, end)


def _used_bytes(alive: Iterable[Resident]) -> int:
    used = covered = 0
    for resident in sorted(alive, key=lambda r: r.offset_bytes):
        end = resident.offset_bytes + resident.size_bytes
        used += max(0, end - max(covered, resident.offset_bytes))
        covered = max(covered, end)
    return used


def _label(program: Program, plan: StreamPlan, turn: int) -> str:
    if not plan.turns:
        return program.name
    match plan.turns[turn]:
        case Turn(step, _):
            return program.steps[step].label
        case Feed(port, _):
            return program.inputs[port].name

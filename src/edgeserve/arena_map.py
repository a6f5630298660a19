"""Who lies where in the arena, and from which turn to which: a plan as it looks in memory.

Nothing here decides anything. Lives are read off the turns: what is written is alive from its first
row to the last turn that reads it, scratch and sums from the first to the last turn of their steps.
Buffers may share bytes where a plan lets an output follow its input's dead rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgeserve.program import Program, Role
from edgeserve.stream_plan import Action, Feed, Group, Span, StreamPlan, Turn


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

    ``name`` is a tensor's, or that of the step which uses the bytes. ``rows``: how many of a
    tensor's rows there is room for, and how many it has; None for what has no rows.
    """

    name: str
    kind: Kind
    offset_bytes: int
    size_bytes: int
    first: int
    end: int
    rows: tuple[int, int] | None = None

    @property
    def end_bytes(self) -> int:
        return self.offset_bytes + self.size_bytes


@dataclass(frozen=True, slots=True)
class Shared:
    """Bytes ``[begin_bytes, end_bytes)`` that two residents share during turns ``[first, end)``:
    ``new`` is written from the lowest row upwards, where rows of ``old`` are dead already.
    """

    old: Resident
    new: Resident
    begin_bytes: int
    end_bytes: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A group's turns ``[first, end)``."""

    group: Group
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


@dataclass(frozen=True, slots=True)
class ArenaMap:
    """A whole plan: addresses ``[0, arena_bytes)`` over ``turns`` turns, at least one."""

    arena_bytes: int
    turns: int
    residents: tuple[Resident, ...]
    shared: tuple[Shared, ...]
    stretches: tuple[Stretch, ...]
    peak: Peak

    @property
    def by_birth(self) -> list[Resident]:
        """The residents, the first to live before those that come later."""
        return sorted(self.residents, key=lambda r: (r.first, r.offset_bytes, r.name))


def arena_map(program: Program, plan: StreamPlan) -> ArenaMap:
    """Everything about a plan that a picture shows."""
    everybody = residents(program, plan)
    return ArenaMap(
        arena_bytes=plan.arena_bytes,
        turns=max(1, len(plan.turns)),
        residents=everybody,
        shared=tuple(shared_bytes(everybody)),
        stretches=tuple(stretches(plan)),
        peak=peak(program, plan),
    )


class _Times:
    """For each key the turns that touch it."""

    def __init__(self) -> None:
        self._span: dict[object, tuple[int, int]] = {}

    def touch(self, key: object, turn: int) -> None:
        first, end = self._span.get(key, (turn, turn + 1))
        self._span[key] = min(first, turn), max(end, turn + 1)

    def of(self, key: object, default: tuple[int, int] = (0, 1)) -> tuple[int, int]:
        return self._span.get(key, default)


def residents(program: Program, plan: StreamPlan) -> tuple[Resident, ...]:
    """All of a plan, by offset. Empty spans are left out."""
    total = max(1, len(plan.turns))
    times = _times(program, plan)
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


def shared_bytes(everybody: Sequence[Resident]) -> Iterable[Shared]:
    """All pairs that share bytes while both are alive."""
    by_offset = sorted(everybody, key=lambda r: r.offset_bytes)
    for index, lower in enumerate(by_offset):
        for upper in by_offset[index + 1 :]:
            if upper.offset_bytes >= lower.end_bytes:
                break
            first, end = max(lower.first, upper.first), min(lower.end, upper.end)
            end_bytes = min(lower.end_bytes, upper.end_bytes)
            if first < end and upper.offset_bytes < end_bytes:
                old, new = sorted((lower, upper), key=lambda r: (r.end, r.first))
                yield Shared(old, new, upper.offset_bytes, end_bytes, first, end)


def stretches(plan: StreamPlan) -> Iterable[Stretch]:
    """The turns of each group, one group after the other."""
    at = 0
    for group in plan.groups:
        first = at
        while at < len(plan.turns) and _is_of(plan.turns[at], group):
            at += 1
        yield Stretch(group, first, at)


def _is_of(action: Action, group: Group) -> bool:
    match action:
        case Feed(port, _):
            return port in group.feeds
        case Turn(step, _):
            return step in group.steps


def _times(program: Program, plan: StreamPlan) -> _Times:
    """What each turn touches. A step that sums up touches its output in its last turn alone."""
    times = _Times()
    written: dict[int, int] = {}
    for at, action in enumerate(plan.turns):
        match action:
            case Feed(port, _):
                times.touch(("value", program.inputs[port].value), at)
            case Turn(index, _):
                step = program.steps[index]
                times.touch(("step", index), at)
                for operand in step.inputs:
                    times.touch(("value", operand.value), at)
                if plan.accumulators[index] is None:
                    times.touch(("value", step.output.value), at)
                else:
                    written[index] = at
    for index, at in written.items():
        times.touch(("value", program.steps[index].output.value), at)
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
        rows = None if kind is Kind.STATE else (place.depth, place.h)
        yield Resident(value.name, kind, place.offset_bytes, place.size_bytes, first, end, rows)


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

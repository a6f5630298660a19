"""``plan.json``: what was asked of a board's plan, and what came out.

A stored plan is used again only by the planner that made it, for the same program; then it is
proven by running it, since a file can be edited.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeserve.arena import live_bound_bytes
from edgeserve.arena_map import Kind, peak, residents, stretches
from edgeserve.banks import Bank, Pin
from edgeserve.errors import ConfigError, PlanError
from edgeserve.fit import PeakTensor
from edgeserve.memory import memory_problem
from edgeserve.plan.streaming import Objective
from edgeserve.plan_check import RowsAtOnce, check_stream_plan
from edgeserve.plan_sweep import sweep
from edgeserve.program import Program
from edgeserve.stream_plan import (
    MOST_FED,
    Action,
    BankUse,
    Feed,
    Group,
    Place,
    Span,
    StreamPlan,
    Turn,
)
from edgeserve.strict_json import load_json

SCHEMA_VERSION = 4
PLAN_FILE = "plan.json"
_HINT = "make it again: remove the file, and build or plan with this bundle"
_ACTION = re.compile(r"(in)?(\d{1,9})x(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user asks of a plan. ``by_rows``: the caller hands in the inputs row by row.

    ``pins`` are tensors that must lie in a certain bank. ``flash_for_speed_bytes``: what the model
    may take beyond its normal size, where that saves instructions.
    """

    objective: Objective = Objective.BALANCED
    by_rows: bool = False
    pins: tuple[Pin, ...] = ()
    flash_for_speed_bytes: int = 0


def options(wish: Wish) -> str:
    """The wish as it is typed."""
    words = [f"--objective {wish.objective.value}"]
    words += ["--by-rows"] if wish.by_rows else []
    if wish.flash_for_speed_bytes:
        words += [f"--flash-for-speed {wish.flash_for_speed_bytes}"]
    return " ".join([*words, *(f"--pin {pin}" for pin in wish.pins)])


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """Steps that take turns. ``turns`` in order: ``3x2`` is two rows of step 3, ``in0x1`` a row of
    input 0 from the caller.
    """

    steps: tuple[int, ...]
    fed_inputs: tuple[int, ...]
    rows_per_turn: int | None
    turns: str


@dataclass(frozen=True, slots=True)
class ValueRecord:
    """Where a tensor lies: ``depth`` of its ``h`` rows at a time."""

    value: int
    name: str
    offset_bytes: int
    row_bytes: int
    depth: int
    h: int


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step and the bytes that it has for itself. ``counter``: the index of its row counter."""

    step: int
    name: str
    scratch: Span | None
    sums: Span | None
    counter: int | None


@dataclass(frozen=True, slots=True)
class ResidentRecord:
    """What lies in the arena, alive in turns ``[first, end)``: for readers, derived from above."""

    name: str
    kind: Kind
    offset_bytes: int
    size_bytes: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """The whole file. ``planner`` is the edgeserve version that planned, ``offered`` what the board
    had for the arena.
    """

    schema: int
    planner: str
    model_sha256: str
    program_sha256: str
    board: str
    wish: Wish
    offered: tuple[Bank, ...]
    arena_bytes: int
    banks: tuple[BankUse, ...]
    traffic_cost: int
    least_traffic_cost: int
    live_bound_bytes: int
    lower_bound_bytes: int
    exhausted: bool
    optimal: bool
    nodes: int
    instructions: int
    extra_instructions: int
    peak_turn: int
    peak_step: str
    peak_tensors: tuple[PeakTensor, ...]
    groups: tuple[GroupRecord, ...]
    values: tuple[ValueRecord, ...]
    steps: tuple[StepRecord, ...]
    counters: Span
    residents: tuple[ResidentRecord, ...]


def plan_record(
    program: Program,
    plan: StreamPlan,
    *,
    wish: Wish,
    offered: tuple[Bank, ...],
    model_sha256: str,
    board: str,
    planner: str,
) -> PlanRecord:
    """The record of a finished plan."""
    fullest = peak(program, plan)
    return PlanRecord(
        schema=SCHEMA_VERSION,
        planner=planner,
        model_sha256=model_sha256,
        program_sha256=program_sha256(program),
        board=board,
        wish=wish,
        offered=offered,
        arena_bytes=plan.arena_bytes,
        banks=plan.banks,
        traffic_cost=plan.traffic_cost,
        least_traffic_cost=plan.least_traffic_cost,
        live_bound_bytes=live_bound_bytes(memory_problem(program).problem),
        lower_bound_bytes=plan.lower_bound_bytes,
        exhausted=plan.exhausted,
        optimal=plan.optimal,
        nodes=plan.nodes,
        instructions=plan.instructions,
        extra_instructions=plan.extra_instructions,
        peak_turn=fullest.turn,
        peak_step=fullest.step,
        peak_tensors=tuple(PeakTensor(r.name, r.size_bytes) for r in fullest.residents),
        groups=tuple(_groups(plan)),
        values=tuple(
            ValueRecord(v.index, v.name, p.offset_bytes, p.row_bytes, p.depth, p.h)
            for v, p in zip(program.values, plan.places, strict=True)
            if p is not None
        ),
        steps=tuple(
            StepRecord(
                s.index,
                f"{s.kernel.name} {s.label}",
                plan.scratch[s.index],
                plan.accumulators[s.index],
                plan.counters[s.index],
            )
            for s in program.steps
        ),
        counters=plan.counters_span,
        residents=tuple(
            ResidentRecord(r.name, r.kind, r.offset_bytes, r.size_bytes, r.first, r.end)
            for r in residents(program, plan)
        ),
    )


def program_sha256(program: Program) -> str:
    """Of everything that a plan depends on: steps, their kernels and operands, and the values."""
    digest = hashlib.sha256()
    for value in program.values:
        digest.update(repr((value.name, value.dtype, value.elements, value.role)).encode())
    for step in program.steps:
        facts = (step.params, step.inputs, step.output, step.scratch_bytes)
        digest.update(repr(facts).encode())
    digest.update(repr((program.inputs, program.outputs)).encode())
    return digest.hexdigest()


def _groups(plan: StreamPlan) -> Iterator[GroupRecord]:
    """Each group with its turns."""
    for stretch in stretches(plan):
        group = stretch.group
        words = map(_word, plan.turns[stretch.first : stretch.end])
        yield GroupRecord(group.steps, group.feeds, group.rows_per_turn, " ".join(words))


def _word(action: Action) -> str:
    match action:
        case Turn(step, rows):
            return f"{step}x{rows}"
        case Feed(port, rows):
            return f"in{port}x{rows}"


def read_record(path: Path) -> PlanRecord | None:
    """A stored record as it stands; None for one of another schema.

    Raises ConfigError when the file cannot be read or is no record.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint=_HINT) from None
    if _schema_of(text) not in (None, SCHEMA_VERSION):
        return None
    try:
        record = load_json(PlanRecord, text, where=str(path))
    except ConfigError as error:
        raise ConfigError(error.what, hint=_HINT) from None
    if record.wish.flash_for_speed_bytes < 0:
        raise ConfigError(f"{path}: wish.flash_for_speed_bytes is negative", hint=_HINT)
    return record


def _schema_of(text: str) -> int | None:
    found = re.search(r'"schema":\s*(\d{1,4})\b', text[:200])
    return int(found[1]) if found else None


def belongs(record: PlanRecord, program: Program, *, planner: str) -> bool:
    """Whether this planner made the record for this very program."""
    return record.planner == planner and record.program_sha256 == program_sha256(program)


def stored_plan(
    path: Path, record: PlanRecord, program: Program, rows_at_once: RowsAtOnce
) -> StreamPlan:
    """The plan of a record that belongs to the program, proven by running it.

    Raises ConfigError when it was edited so that it is wrong, or tells other than it is.
    """
    try:
        plan = _plan_of(record, program)
        check_stream_plan(program, plan, rows_at_once)
        _check_offer(record, program, plan)
        sweep(program, plan, rows_at_once)
    except (PlanError, _Wrong) as error:
        raise ConfigError(f"{path}: {error}", hint=_HINT) from None
    told = plan_record(
        program,
        plan,
        wish=record.wish,
        offered=record.offered,
        model_sha256=record.model_sha256,
        board=record.board,
        planner=record.planner,
    )
    if told != record:
        raise ConfigError(f"{path} tells other than its plan is", hint=_HINT)
    return plan


def _check_offer(record: PlanRecord, program: Program, plan: StreamPlan) -> None:
    """The banks are among those offered and no larger, and pinned tensors lie where they must."""
    offered = {bank.name: bank for bank in record.offered}
    for use in plan.banks:
        bank = offered.get(use.name)
        if bank is None or use.size_bytes > bank.capacity_bytes:
            raise _Wrong(f"the board has no bank {use.name!r} of {use.size_bytes} bytes")
        if use.alignment_bytes != bank.alignment_bytes:
            raise _Wrong(f"bank {use.name!r} is not aligned as the board asks")
    for pin in record.wish.pins:
        for value, place in zip(program.values, plan.places, strict=True):
            if place is None or not pin.means(value):
                continue
            if not plan.banks or plan.banks[plan.bank_at(place.offset_bytes)].name != pin.bank:
                raise _Wrong(f"{pin.tensor!r} does not lie in {pin.bank!r}")


class _Wrong(Exception):
    """A record that describes no plan of the program."""


def _plan_of(record: PlanRecord, program: Program) -> StreamPlan:
    places: list[Place | None] = [None] * len(program.values)
    for value in record.values:
        if value.value not in range(len(places)):
            raise _Wrong(f"there is no value {value.value}")
        places[value.value] = Place(value.offset_bytes, value.row_bytes, value.depth, value.h)
    if [s.step for s in record.steps] != [s.index for s in program.steps]:
        raise _Wrong("its steps are not those of the model")
    ports = range(len(program.inputs))
    if any(port not in ports for group in record.groups for port in group.fed_inputs):
        raise _Wrong("it feeds an input that the model does not have")
    if any(port >= MOST_FED for group in record.groups for port in group.fed_inputs):
        raise _Wrong(f"only the first {MOST_FED} inputs can be handed in row by row")
    turns = tuple(action for group in record.groups for action in _actions(group))
    return StreamPlan(
        order=tuple(step for group in record.groups for step in group.steps),
        groups=tuple(Group(g.steps, g.fed_inputs, g.rows_per_turn) for g in record.groups),
        turns=turns,
        places=tuple(places),
        scratch=tuple(step.scratch for step in record.steps),
        accumulators=tuple(step.sums for step in record.steps),
        counters=tuple(step.counter for step in record.steps),
        counters_span=record.counters,
        arena_bytes=record.arena_bytes,
        lower_bound_bytes=record.lower_bound_bytes,
        exhausted=record.exhausted,
        instructions=record.instructions,
        extra_instructions=record.extra_instructions,
        nodes=record.nodes,
        banks=record.banks,
        traffic_cost=record.traffic_cost,
        least_traffic_cost=record.least_traffic_cost,
    )


def _actions(group: GroupRecord) -> Iterator[Action]:
    for word in group.turns.split():
        found = _ACTION.fullmatch(word)
        if found is None:
            raise _Wrong(f"{word!r} is no turn")
        index, rows = int(found[2]), int(found[3])
        members: Sequence[int] = group.fed_inputs if found[1] else group.steps
        if index not in members or rows == 0:
            raise _Wrong(f"{word!r} is no turn of its group")
        yield Feed(index, rows) if found[1] else Turn(index, rows)

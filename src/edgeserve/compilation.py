"""From a bundle's model to the table that a board runs: everything that the host decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgeserve import __version__
from edgeserve.arena import live_bound_bytes
from edgeserve.banks import Bank
from edgeserve.board import Board
from edgeserve.bundle_store import Bundle
from edgeserve.cost.table import Estimate, costs_of
from edgeserve.errors import ConfigError, DoesNotFit, ModelError
from edgeserve.file_swap import write_whole
from edgeserve.firmware.sizes import code_size
from edgeserve.fit import Footprint, Reserve, arena_banks
from edgeserve.lower import lower
from edgeserve.memory import memory_problem
from edgeserve.narrow import narrowed
from edgeserve.plan.effort import kernels_on
from edgeserve.plan.savings import Planner
from edgeserve.plan.streaming import Method, Objective, feedable, plan_stream
from edgeserve.planfile import (
    PLAN_FILE,
    PlanRecord,
    Wish,
    belongs,
    plan_record,
    read_record,
    stored_plan,
)
from edgeserve.program import Program
from edgeserve.rewrite import along_rows, as_planned
from edgeserve.rows import rows_at_once
from edgeserve.stream_plan import StreamPlan, Turn
from edgeserve.strict_json import dump_json
from edgeserve.table import ModelTable, write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tune import faster_steps, tuned, worth_linking, worth_their_code
from edgeserve.tune.spend import Offer, Spent, spend

SPARED_BYTES = 3_000
"""For the least arena kernels with more scratch give way to slower ones that need less."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A model with everything that the host decides about it for a board.

    ``banks`` are what the board has for its arena, beside all else that lies there. ``portable`` is
    the program before kernels were chosen for a core, ``planned`` as the planner saw it, and
    ``program`` as the device runs it. ``bought`` are the steps on which extra flash was spent.
    """

    bundle: Bundle
    board: Board
    banks: tuple[Bank, ...]
    program: Program
    planned: Program
    portable: Program
    wish: Wish
    plan: StreamPlan
    table: ModelTable
    bought: tuple[Offer, ...]

    @property
    def live_bound_bytes(self) -> int:
        """The most bytes alive in one step: no plan that keeps tensors whole is smaller."""
        return live_bound_bytes(memory_problem(self.program).problem)

    def estimates(self) -> tuple[Estimate, ...]:
        """What each step is estimated to take on the board's core, in all its turns."""
        costs = costs_of(self.board.cpu.core)
        rows: dict[int, list[int]] = {step.index: [] for step in self.program.steps}
        for turn in self.plan.turns:
            if isinstance(turn, Turn):
                rows[turn.step].append(turn.rows)
        return tuple(
            costs.whole(step)
            if self.plan.counters[step.index] is None
            else costs.turns(step, tuple(rows[step.index]))
            for step in self.program.steps
        )

    def record(self) -> PlanRecord:
        """What ``plan.json`` says of it."""
        return plan_record(
            self.planned,
            self.plan,
            wish=self.wish,
            offered=self.banks,
            model_sha256=self.bundle.facts.model_sha256,
            board=self.board.id,
            planner=__version__,
        )


@contextmanager
def naming(what: object) -> Iterator[None]:
    """Tells which file an error about a model is from."""
    try:
        yield
    except ModelError as error:
        if str(what) not in error.what:
            error.what = f"{what}: {error.what}"
        raise


def program_for(bundle: Bundle, board: Board) -> Program:
    """The steps of a bundle's model with kernels that suit the board's core and whole tensors."""
    portable = along_rows(_portable(bundle))
    costs = costs_of(board.cpu.core)
    return worth_their_code(portable, tuned(portable, board.cpu.isa, costs=costs), costs)


def for_wish(program: Program, board: Board, wish: Wish) -> Program:
    """A portable program with the kernels that suit a board's core and what a plan is for."""
    return spent_for(program, board, wish).program


def spent_for(program: Program, board: Board, wish: Wish) -> Spent:
    """Likewise, and what of the flash that the wish allows was spent on which step."""
    spared = SPARED_BYTES if wish.objective is Objective.SIZE else None
    costs = costs_of(board.cpu.core)
    chosen = tuned(program, board.cpu.isa, spared, costs)
    normal = worth_their_code(program, chosen, costs)
    budget = wish.flash_for_speed_bytes
    known = faster_steps(program, board.cpu.isa) if budget else {}
    faster = worth_linking(normal, known, costs)
    return spend(normal, faster, budget, lambda step: costs.whole(step).instructions)


def _along_rows(portable: Program, chosen: Program, board: Board, wish: Wish) -> Program:
    """The chosen program with those steps along a row that may be, in their normal forms."""
    along = along_rows(portable)
    if along is portable:
        return chosen
    forms = for_wish(along, board, replace(wish, flash_for_speed_bytes=0))
    steps = tuple(
        step if view == before else twin
        for step, twin, view, before in zip(
            chosen.steps, forms.steps, along.steps, portable.steps, strict=True
        )
    )
    return replace(chosen, steps=steps)


def _portable(bundle: Bundle) -> Program:
    with naming(bundle.name):
        return narrowed(lower(read_model(bundle.model_bytes(), name=bundle.name)))


def compile_bundle(
    bundle: Bundle, board: Board, wish: Wish | None = None, reserve: Reserve | None = None
) -> Compiled:
    """Reads, lowers and plans a bundle's model for a board.

    Without a ``wish`` it is planned as its stored plan was, or balanced. A stored plan is used as
    it stands where this planner made it for the same program, the same memory and the same wish.
    ``reserve`` is kept free. Raises ModelError for a model that cannot be read or run, ConfigError
    for a stored plan that is not right and for a wish that the model cannot serve, DoesNotFit for
    pinned tensors that do not fit.
    """
    path = plan_path(bundle.path, board)
    record = read_record(path) if path.exists() else None
    wanted = wish or (record.wish if record else Wish())
    portable = _portable(bundle)
    spent = spent_for(portable, board, wanted)
    program = spent.program
    banks = banks_for(program, board, reserve or Reserve())
    if (
        record is not None
        and record.wish == wanted
        and record.offered == banks
        and belongs(record, program, planner=__version__)
    ):
        plan = stored_plan(path, record, program, rows_at_once)
    else:
        plan = plan_for(program, board, banks, wanted)
    noted = replace(program, notes=(*program.notes, *told_spent(wanted, spent), told(wanted, plan)))
    run = as_planned(noted, plan, _along_rows(portable, noted, board, wanted))
    return Compiled(
        bundle,
        board,
        banks,
        run,
        noted,
        portable,
        wanted,
        plan,
        write_table(run, plan),
        spent.offers,
    )


def plan_for(
    program: Program,
    board: Board,
    banks: tuple[Bank, ...],
    wish: Wish,
    planner: Planner = plan_stream,
) -> StreamPlan:
    """The plan of a program that serves a wish in the memory that a board has for its arena.

    It is split among banks where no plan fits the cheapest, and is in one piece, in none of them,
    where it does not fit so either.
    """
    method = method_for(program, board, banks, wish)
    if wish.objective is Objective.SPEED and len(method.banks) > 1:
        every = sum(bank.capacity_bytes for bank in method.banks)
        plan = planner(program, replace(method, capacity_bytes=every))
        if plan.banks:
            return plan
    return planner(program, method)


def other_plan(compiled: Compiled, wish: Wish, planner: Planner = plan_stream) -> StreamPlan | None:
    """The plan of another wish; None where what is pinned does not fit."""
    if wish == compiled.wish:
        return compiled.plan
    program = for_wish(compiled.portable, compiled.board, wish)
    try:
        return plan_for(program, compiled.board, compiled.banks, wish, planner)
    except DoesNotFit:
        return None


def method_for(program: Program, board: Board, banks: tuple[Bank, ...], wish: Wish) -> Method:
    """How the planner serves a wish. Raises ConfigError for one that the model cannot serve."""
    feeds: tuple[int, ...] = ()
    if wish.by_rows:
        feeds = feedable(program)
        if not feeds:
            raise ConfigError(
                f"{program.name}: none of its inputs can be handed in row by row",
                hint="leave out --by-rows",
            )
    return Method(
        wish.objective,
        kernels_on(board.cpu.core),
        feeds=feeds,
        banks=banks if len(banks) > 1 or wish.pins else (),
        pins=wish.pins,
        capacity_bytes=max(bank.capacity_bytes for bank in banks)
        if wish.objective is Objective.SPEED
        else None,
    )


def banks_for(program: Program, board: Board, reserve: Reserve) -> tuple[Bank, ...]:
    """What a board has for a program's arena, beside all else that lies in its RAM."""
    beside = footprint_of(program, board, arena_bytes=0, table_bytes=0, live_bytes=0)
    return arena_banks(beside, board, reserve)


def footprint_of(
    program: Program, board: Board, *, arena_bytes: int, table_bytes: int, live_bytes: int
) -> Footprint:
    """What a program asks of a board, by the table of measured sizes."""
    code = code_size(board.cpu.core, (step.kernel for step in program.steps))
    return Footprint(
        arena_bytes=arena_bytes,
        live_bound_bytes=live_bytes,
        model_bytes=table_bytes + code.kernel_list_bytes,
        code_bytes=code.code_bytes,
        ram_other_bytes=code.ram_other_bytes,
        stack_bytes=code.stack_bytes,
        source=code.source,
    )


def told(wish: Wish, plan: StreamPlan) -> str:
    """How a plan came to its size, in a line."""
    parts = " and ".join(f"{bank.size_bytes:,} bytes in {bank.name}" for bank in plan.banks)
    split = f"; the arena is split: {parts}" if len(plan.banks) > 1 else ""
    fed = ", the inputs come row by row" if wish.by_rows else ""
    return (
        f"planned for {wish.objective.value}: {plan.streamed_steps} of {len(plan.order)} steps "
        f"take turns of rows{fed}; {plan.extra_instructions:,} instructions more than whole layers "
        f"({plan.extra_share:.1%}, estimate){split}"
    )


def told_spent(wish: Wish, spent: Spent) -> tuple[str, ...]:
    """What extra flash bought, in a line; none where none is allowed."""
    if not wish.flash_for_speed_bytes:
        return ()
    return (
        f"extra flash: {spent.extra_bytes:,} of at most {wish.flash_for_speed_bytes:,} bytes, for "
        f"{len(spent.offers)} steps, save {spent.saved_instructions:,} instructions (estimate)",
    )


def plan_path(bundle_path: Path, board: Board) -> Path:
    """Where a bundle keeps its plan for a board."""
    return bundle_path / "boards" / board.id / PLAN_FILE


def write_plan(compiled: Compiled, bundle_path: Path) -> None:
    """Writes ``boards/<id>/plan.json`` below ``bundle_path``."""
    path = plan_path(bundle_path, compiled.board)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, dump_json(compiled.record()).encode())

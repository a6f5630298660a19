"""Whether a compiled model fits its board; where it does not, which plan would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edgeserve.arena_map import peak
from edgeserve.board import Kind, board_ids, load_board
from edgeserve.compilation import Compiled, footprint_of, other_plan, told
from edgeserve.fit import Budget, Fit, Footprint, OtherPlan, PeakTensor, Reserve, check_fit
from edgeserve.plan.streaming import Objective, feedable
from edgeserve.planfile import options
from edgeserve.stream_plan import StreamPlan


def footprint(compiled: Compiled, plan: StreamPlan | None = None) -> Footprint:
    """What a model asks of its board, by its own or by another plan."""
    chosen = plan or compiled.plan
    whole = footprint_of(
        compiled.program,
        compiled.board,
        arena_bytes=chosen.arena_bytes,
        table_bytes=len(compiled.table.data),
        live_bytes=compiled.live_bound_bytes,
    )
    return replace(whole, arena_banks=tuple((b.name, b.size_bytes) for b in chosen.banks))


def fit(
    compiled: Compiled,
    *,
    reserve: Reserve | None = None,
    budget: Budget | None = None,
    model: str | None = None,
) -> Fit:
    """Whether a compiled model fits its board; where the arena does not, which plan would."""
    fullest = peak(compiled.program, compiled.plan)
    others = [load_board(other) for other in board_ids() if other != compiled.board.id]
    return check_fit(
        model=model or compiled.bundle.name,
        footprint=footprint(compiled),
        board=compiled.board,
        peak_step=fullest.step,
        peak_tensors=tuple(PeakTensor(r.name, r.size_bytes) for r in fullest.residents),
        reserve=reserve or Reserve(),
        budget=budget or Budget(),
        other_boards=[other for other in others if other.kind is Kind.PHYSICAL],
        other_plans=lambda: _smaller_plans(compiled),
        banks=compiled.banks,
        plan=told(compiled.wish, compiled.plan),
    )


def _smaller_plans(compiled: Compiled) -> Iterator[OtherPlan]:
    """What would make the arena smaller, the least effort first."""
    by_rows = {compiled.wish.by_rows, bool(feedable(compiled.program))}
    best = compiled.plan.arena_bytes
    for rows in sorted(by_rows):
        for objective in (Objective.BALANCED, Objective.SIZE):
            wish = replace(compiled.wish, objective=objective, by_rows=rows)
            plan = other_plan(compiled, wish)
            if plan is not None and plan.arena_bytes < best:
                best = plan.arena_bytes
                yield OtherPlan(options(wish), told(wish, plan), footprint(compiled, plan))

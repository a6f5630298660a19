"""What each idea of the planner takes off the arena, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edgeserve.arena import live_bound_bytes
from edgeserve.memory import MemoryProblem, memory_problem
from edgeserve.plan.effort import KernelModel
from edgeserve.plan.greedy import plan_greedily
from edgeserve.plan.offsets import plan_arena
from edgeserve.plan.order import Order, orders_of
from edgeserve.plan.streaming import Method, Objective, feedable, plan_stream
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan

Planner = Callable[[Program, Method], StreamPlan]


@dataclass(frozen=True, slots=True)
class Saving:
    """The arena that a method needs; ``plan`` where the method lets outputs overlap or stream."""

    method: str
    arena_bytes: int
    plan: StreamPlan | None = None

    @property
    def extra_share(self) -> float:
        """Instructions beyond whole layers, over those of whole layers (estimate)."""
        return 0.0 if self.plan is None else self.plan.extra_share


def savings(
    program: Program, kernels: KernelModel, planner: Planner = plan_stream
) -> Iterator[Saving]:
    """From TensorFlow Lite Micro's method to ours; each has all that those before it have.

    All are of this program, so what lowering has folded away is saved by all, and all have the
    scratch of ``kernels``. ``planner`` is asked for each plan.
    """
    whole = _whole_problem(program, kernels)
    greedy = plan_greedily(whole.problem)
    yield Saving("whole tensors, greedy by size (as TensorFlow Lite Micro)", greedy.arena_bytes)
    yield Saving("packed exactly", plan_arena(whole.problem).arena_bytes)
    yield Saving("in the best order of steps", _best_order(program, kernels))
    overlapped = Method(Objective.SIZE, kernels, rows_per_turn=())
    yield _planned("outputs over dead input rows", planner(program, overlapped))
    for objective in (Objective.BALANCED, Objective.SIZE):
        plan = planner(program, Method(objective, kernels))
        yield _planned(f"turns of rows, --objective {objective.value}", plan)
    feeds = feedable(program)
    if feeds:
        fed = planner(program, Method(Objective.SIZE, kernels, feeds=feeds))
        yield _planned("inputs row by row, --objective size --by-rows", fed)


def _planned(method: str, plan: StreamPlan) -> Saving:
    return Saving(method, plan.arena_bytes, plan)


def _whole_problem(program: Program, kernels: KernelModel) -> MemoryProblem:
    steps = (replace(s, scratch_bytes=kernels.scratch_bytes(s)) for s in program.steps)
    return memory_problem(replace(program, steps=tuple(steps)))


def _best_order(program: Program, kernels: KernelModel) -> int:
    """The least arena of whole tensors over the orders worth planning, exactly packed."""
    problems = [
        _whole_problem(_reordered(program, order), kernels).problem for order in orders_of(program)
    ]
    best: int | None = None
    for problem in sorted(problems, key=live_bound_bytes):
        if best is None or live_bound_bytes(problem) < best:
            arena_bytes = plan_arena(problem).arena_bytes
            best = arena_bytes if best is None else min(best, arena_bytes)
    assert best is not None, "a program has at least its own order"
    return best


def _reordered(program: Program, order: Order) -> Program:
    """The steps in another order, numbered anew."""
    steps = (replace(program.steps[old], index=new) for new, old in enumerate(order))
    return replace(program, steps=tuple(steps))

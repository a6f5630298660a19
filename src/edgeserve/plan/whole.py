"""Plans of whole tensors: every step computes all its rows in one turn."""

from __future__ import annotations

from edgeserve.memory import memory_problem
from edgeserve.plan.offsets import DEFAULT_NODES, plan_arena
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan


def whole_plan(program: Program, *, node_budget: int = DEFAULT_NODES) -> StreamPlan:
    """Whole tensors, each alive from its first to its last step, packed exactly."""
    problem = memory_problem(program)
    plan = plan_arena(problem.problem, node_budget=node_budget)
    return problem.placed(plan)

"""Static memory planning: from lifetimes to offsets in one arena."""

from edgeserve.plan.greedy import plan_greedily
from edgeserve.plan.offsets import DEFAULT_NODES, Progress, plan_arena

__all__ = ["DEFAULT_NODES", "Progress", "plan_arena", "plan_greedily"]

"""Static memory planning: from lifetimes to offsets in one arena."""

from edgeserve.plan.greedy import plan_greedily
from edgeserve.plan.offsets import DEFAULT_NODES, Progress, plan_arena
from edgeserve.plan.whole import whole_plan

__all__ = ["DEFAULT_NODES", "Progress", "plan_arena", "plan_greedily", "whole_plan"]

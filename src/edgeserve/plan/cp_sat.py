"""Packing into a given capacity by OR-tools' CP-SAT, where our own search gives up.

Needs the ``solver`` extra. It works against a clock, so the same problem may or may not be solved
twice: no bundle is planned by it.
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd
from types import ModuleType

from edgeserve.arena import ArenaPlan, Problem, align_up
from edgeserve.errors import MissingTool
from edgeserve.plan.skyline import Strip, strip_of

INSTALL = "pip install 'edgeserve[solver]'"


def fit_capacity(problem: Problem, plan: ArenaPlan, *, seconds: float) -> ArenaPlan:
    """``plan`` itself, or one that fits ``problem.capacity_bytes`` where it does not.

    Without a capacity the goal is the lower bound of ``plan``. When the goal is not reached within
    ``seconds`` the offsets stay; when no plan reaches it, ``lower_bound_bytes`` says so. One
    thread. Raises MissingTool without OR-tools.
    """
    sizes = [align_up(buffer.size_bytes, problem.alignment_bytes) for buffer in problem.buffers]
    unit = gcd(*sizes) or problem.alignment_bytes
    goal = max(plan.lower_bound_bytes, problem.capacity_bytes or 0) // unit
    if plan.arena_bytes <= goal * unit:
        return plan
    filled = [index for index, size in enumerate(sizes) if size]
    lifetimes = [(problem.buffers[i].first, problem.buffers[i].end) for i in filled]
    strip = strip_of(lifetimes, [sizes[i] // unit for i in filled])
    found = _pack(strip, goal, seconds)
    if found is None:
        return plan
    if not found:
        return replace(plan, lower_bound_bytes=(goal + 1) * unit)
    offsets = [0] * len(sizes)
    for index, offset in zip(filled, found, strict=True):
        offsets[index] = offset * unit
    return ArenaPlan(
        offsets_bytes=tuple(offsets),
        arena_bytes=max(offset + size for offset, size in zip(offsets, sizes, strict=True)),
        lower_bound_bytes=plan.lower_bound_bytes,
        exhausted=False,
        nodes=plan.nodes,
    )


def _pack(strip: Strip, target: int, seconds: float) -> tuple[int, ...] | None:
    """Offsets not above ``target``; empty when there are none; None when time ran out.

    Rectangles with one free side that do not overlap, and the same seen as tasks that share a
    resource of ``target`` units: what the one misses the other propagates.
    """
    cp = _cp_model()
    model = cp.CpModel()
    offsets, times, places = [], [], []
    for first, width, size in zip(strip.firsts, strip.widths, strip.sizes, strict=True):
        offset = model.new_int_var(0, target - size, "")
        offsets.append(offset)
        times.append(model.new_fixed_size_interval_var(first, width, ""))
        places.append(model.new_fixed_size_interval_var(offset, size, ""))
    model.add_no_overlap_2d(times, places)
    model.add_cumulative(times, strip.sizes, target)
    solver = cp.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    if status == cp.INFEASIBLE:
        return ()
    if status not in (cp.OPTIMAL, cp.FEASIBLE):
        return None
    return tuple(solver.value(offset) for offset in offsets)


def _cp_model() -> ModuleType:
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise MissingTool("the Python package ortools", install=INSTALL) from error
    return cp_model

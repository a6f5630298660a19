"""Packing by CP-SAT: what it finds passes ``check``, what it refutes does not exist."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from benchmarks.packing import read_instance
from edgeserve.arena import ArenaPlan, Buffer, Problem, check, live_bound_bytes
from edgeserve.errors import MissingTool
from edgeserve.plan import plan_arena, plan_greedily
from edgeserve.plan.cp_sat import fit_capacity

ROWS = (
    (5, 9, 2), (3, 6, 2), (5, 6, 2), (0, 2, 3), (0, 2, 1), (1, 5, 3), (3, 4, 2), (6, 10, 3),
    (4, 7, 1),
)  # fmt: skip
GAPPED = Problem(tuple(Buffer(f"b{i}", *row) for i, row in enumerate(ROWS)), alignment_bytes=1)
"""The live bound is 7 bytes, and trying every offset shows that the best arena has 8."""


def fit_apart(problem: Problem, start: ArenaPlan, *, seconds: float) -> ArenaPlan:
    """``fit_capacity`` in a process of its own: OR-tools may crash where other tests have loaded
    frameworks' native libraries before, which edgeserve itself never does.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(fit_capacity, problem, start, seconds=seconds).result()


def stacked(problem: Problem) -> ArenaPlan:
    """Every buffer on top of the one before it, as if all lived together."""
    sizes = [buffer.size_bytes for buffer in problem.buffers]
    offsets = tuple(sum(sizes[:index]) for index in range(len(sizes)))
    return ArenaPlan(offsets, sum(sizes), live_bound_bytes(problem), exhausted=False, nodes=0)


def test_a_plan_within_the_capacity_is_found() -> None:
    problem = replace(GAPPED, capacity_bytes=8)
    plan = fit_apart(problem, stacked(problem), seconds=30)
    check(problem, plan)
    assert plan.arena_bytes == 8


def test_without_a_capacity_the_lower_bound_is_the_goal_and_may_be_refuted() -> None:
    start = stacked(GAPPED)
    plan = fit_apart(GAPPED, start, seconds=30)
    assert plan == replace(start, lower_bound_bytes=8)


def test_sizes_are_rounded_to_the_alignment_and_empty_buffers_stay() -> None:
    rows = [Buffer(b.name, b.first, b.end, 16 * b.size_bytes - 3) for b in GAPPED.buffers]
    problem = Problem((Buffer("empty", 0, 10, 0), *rows), capacity_bytes=128)
    start = stacked(Problem(tuple(replace(b, size_bytes=b.size_bytes + 3) for b in rows)))
    start = replace(start, offsets_bytes=(0, *start.offsets_bytes))
    plan = fit_apart(problem, start, seconds=30)
    check(problem, plan)
    assert plan.arena_bytes == 128


def test_a_plan_that_fits_is_returned_as_it_is() -> None:
    problem = replace(GAPPED, capacity_bytes=100)
    start = stacked(problem)
    assert fit_capacity(problem, start, seconds=30) is start


def test_the_instance_that_our_search_leaves_open(shared_data: Path) -> None:
    path = shared_data / "minimalloc" / "K.1048576.csv"
    if not path.is_file():
        pytest.skip(f"no MiniMalloc instance at {path}")
    problem = read_instance(path)
    start = plan_arena(problem, node_budget=8_000)
    assert start.arena_bytes > 1_048_576
    plan = fit_apart(problem, start, seconds=60)
    check(problem, plan)
    assert plan.arena_bytes == 1_048_576


def test_out_of_time_keeps_the_plan(shared_data: Path) -> None:
    path = shared_data / "minimalloc" / "I.1048576.csv"
    if not path.is_file():
        pytest.skip(f"no MiniMalloc instance at {path}")
    problem = read_instance(path)
    start = plan_greedily(problem)
    assert fit_apart(problem, start, seconds=0.1) == start


def test_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    monkeypatch.setitem(sys.modules, "ortools.sat.python.cp_model", None)
    with pytest.raises(MissingTool, match="ortools") as caught:
        fit_capacity(replace(GAPPED, capacity_bytes=8), stacked(GAPPED), seconds=1)
    assert caught.value.hint == "install it: pip install 'edgeserve[solver]'"

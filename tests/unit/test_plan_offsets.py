"""The planner against ``check``, against brute force, and on the MiniMalloc instances."""

from __future__ import annotations

import csv
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeserve.arena import Buffer, Problem, check, live_bound_bytes
from edgeserve.errors import PlanError
from edgeserve.plan import Progress, plan_arena, plan_greedily
from edgeserve.plan.greedy import ORDERS, by_size, conflicts_of, first_fit
from edgeserve.plan.skyline import search, strip_of


@st.composite
def problems(draw: st.DrawFn, most: int, steps: int = 12, sizes: int = 9) -> Problem:
    count = draw(st.integers(0, most))
    buffers = []
    for index in range(count):
        first = draw(st.integers(0, steps - 1))
        end = draw(st.integers(first + 1, steps))
        buffers.append(Buffer(f"b{index}", first, end, draw(st.integers(0, sizes))))
    return Problem(tuple(buffers), alignment_bytes=draw(st.sampled_from([1, 4, 16])))


def least_arena(problem: Problem) -> int:
    """The smallest arena by trying every order of first fit, which always contains an optimum."""
    conflicts = conflicts_of(problem)
    best = None
    for order in permutations(range(len(problem.buffers))):
        offsets = first_fit(conflicts, order)
        top = max((o + b.size_bytes for o, b in zip(offsets, problem.buffers, strict=True)))
        best = top if best is None else min(best, top)
    return -(-(best or 0) // problem.alignment_bytes) * problem.alignment_bytes


def least_by_offsets(problem: Problem) -> int:
    """The smallest arena by trying every offset of every buffer; alignment 1, tiny sizes only."""
    arena = live_bound_bytes(problem)
    while not _places(problem, arena, []):
        arena += 1
    return arena


def _places(problem: Problem, arena: int, offsets: list[int]) -> bool:
    index = len(offsets)
    if index == len(problem.buffers):
        return True
    buffer = problem.buffers[index]
    for offset in range(arena - buffer.size_bytes + 1):
        if all(
            buffer.first >= other.end
            or other.first >= buffer.end
            or offset >= at + other.size_bytes
            or at >= offset + buffer.size_bytes
            for other, at in zip(problem.buffers, offsets, strict=False)
        ) and _places(problem, arena, [*offsets, offset]):
            return True
    return False


@given(problems(most=40))
@settings(max_examples=150, deadline=None)
def test_every_plan_is_sound(problem: Problem) -> None:
    plan = plan_arena(problem, node_budget=2_000)
    check(problem, plan)
    assert plan.lower_bound_bytes >= live_bound_bytes(problem)
    assert plan.arena_bytes <= plan_greedily(problem).arena_bytes
    for order in ORDERS:
        check(problem, plan_greedily(problem, order))


@given(problems(most=6))
@settings(max_examples=150, deadline=None)
def test_small_problems_are_solved_to_the_optimum(problem: Problem) -> None:
    plan = plan_arena(problem)
    check(problem, plan)
    assert plan.optimal
    assert plan.lower_bound_bytes == plan.arena_bytes
    if problem.buffers:
        assert plan.arena_bytes == least_arena(problem)


@given(problems(most=5, steps=5, sizes=4))
@settings(max_examples=100, deadline=None)
def test_optimum_agrees_with_trying_every_offset(problem: Problem) -> None:
    fine = Problem(problem.buffers, alignment_bytes=1)
    assert plan_arena(fine).arena_bytes == least_by_offsets(fine)


@given(problems(most=7), st.permutations(range(7)))
@settings(max_examples=150, deadline=None)
def test_a_refuted_target_is_never_reached(problem: Problem, priorities: list[int]) -> None:
    some = [buffer for buffer in problem.buffers if buffer.size_bytes]
    if not some:
        return
    sizes = [buffer.size_bytes for buffer in some]
    strip = strip_of([(buffer.first, buffer.end) for buffer in some], sizes)
    least = least_arena(Problem(tuple(some), alignment_bytes=1))
    for target in range(max(sizes), least + 2):
        outcome = search(strip, target, priorities[: len(some)], 1_000_000)
        if target >= least:
            assert outcome.offsets is not None
            assert max(o + s for o, s in zip(outcome.offsets, sizes, strict=True)) <= target
        else:
            assert outcome.offsets is None
            assert outcome.exhausted
            assert target < outcome.next_target <= least


def out_of_reach() -> Problem:
    """A problem whose live bound is 7 bytes and whose best arena has 8."""
    rows = (
        (5, 9, 2), (3, 6, 2), (5, 6, 2), (0, 2, 3), (0, 2, 1), (1, 5, 3), (3, 4, 2), (6, 10, 3),
        (4, 7, 1),
    )  # fmt: skip
    return Problem(tuple(Buffer(f"b{i}", *row) for i, row in enumerate(rows)), alignment_bytes=1)


def test_live_bound_that_is_out_of_reach_is_proven_so() -> None:
    problem = out_of_reach()
    plan = plan_arena(problem)
    check(problem, plan)
    assert plan.exhausted
    assert plan.optimal
    assert live_bound_bytes(problem) == 7
    assert plan.arena_bytes == plan.lower_bound_bytes == least_by_offsets(problem) == 8


def test_same_input_same_plan() -> None:
    problem = Problem(
        tuple(
            Buffer(f"b{i}", i * 7 % 31, i * 7 % 31 + 3 + i * 5 % 11, 16 * (1 + i * i % 37))
            for i in range(60)
        )
    )
    assert plan_arena(problem, node_budget=5_000) == plan_arena(problem, node_budget=5_000)


def test_budget_is_kept() -> None:
    problem = out_of_reach()
    for budget in (0, 1, 7):
        plan = plan_arena(problem, node_budget=budget)
        check(problem, plan)
        assert plan.nodes <= budget
        assert not plan.optimal


def test_progress_is_told_and_never_gets_worse() -> None:
    heard: list[Progress] = []
    plan = plan_arena(out_of_reach(), on_progress=heard.append)
    assert heard
    assert heard[-1].nodes == plan.nodes
    assert heard[-1].arena_bytes == plan.arena_bytes
    assert heard[-1].lower_bound_bytes == plan.lower_bound_bytes
    for before, after in pairwise(heard):
        assert before.nodes <= after.nodes <= after.node_budget
        assert before.arena_bytes >= after.arena_bytes >= after.lower_bound_bytes
        assert before.lower_bound_bytes <= after.lower_bound_bytes


def test_parts_that_nothing_crosses_share_their_bytes() -> None:
    one = out_of_reach().buffers
    later = tuple(Buffer(f"{b.name}'", b.first + 100, b.end + 100, b.size_bytes) for b in one)
    both = Problem(one + later, alignment_bytes=1)
    plan = plan_arena(both)
    check(both, plan)
    assert plan.exhausted
    assert plan.arena_bytes == plan_arena(out_of_reach()).arena_bytes


def test_search_stops_at_the_capacity() -> None:
    problem = out_of_reach()
    greedy = plan_greedily(problem).arena_bytes
    plan = plan_arena(Problem(problem.buffers, alignment_bytes=1, capacity_bytes=greedy))
    assert plan.nodes == 0
    assert plan.arena_bytes <= greedy
    assert not plan.exhausted


def test_greedy_by_size_puts_ties_in_order_and_fills_the_lowest_gap() -> None:
    problem = Problem(
        (
            Buffer("a", 0, 2, 32),
            Buffer("b", 1, 3, 64),
            Buffer("c", 2, 5, 64),
            Buffer("d", 4, 6, 48),
            Buffer("e", 2, 3, 16),
        )
    )
    plan = plan_greedily(problem, by_size)
    assert plan.offsets_bytes == (64, 0, 64, 0, 128)
    assert plan.arena_bytes == 144


@pytest.mark.parametrize(
    "buffer", [Buffer("never", 2, 2, 16), Buffer("negative", 0, 1, -1)], ids=lambda b: b.name
)
def test_malformed_problems_are_refused(buffer: Buffer) -> None:
    with pytest.raises(PlanError, match=buffer.name):
        plan_arena(Problem((buffer,)))
    with pytest.raises(PlanError, match=buffer.name):
        plan_greedily(Problem((buffer,)))


def test_buffers_without_bytes_take_no_room() -> None:
    problem = Problem((Buffer("empty", 0, 3, 0), Buffer("full", 0, 3, 16)))
    plan = plan_arena(problem)
    check(problem, plan)
    assert plan.arena_bytes == 16
    nothing = plan_arena(Problem((Buffer("empty", 0, 3, 0),)))
    assert (nothing.arena_bytes, nothing.optimal) == (0, True)
    assert plan_arena(Problem(())).arena_bytes == 0


def instance(shared_data: Path, name: str) -> Problem:
    path = shared_data / "minimalloc" / name
    if not path.is_file():
        pytest.skip(f"no MiniMalloc instance at {path}")
    with path.open(newline="") as file:
        buffers = tuple(
            Buffer(row["id"], int(row["lower"]), int(row["upper"]), int(row["size"]))
            for row in csv.DictReader(file)
        )
    return Problem(buffers, alignment_bytes=1, capacity_bytes=int(name.split(".")[1]))


@pytest.mark.parametrize("letter", "ABCDEFGHIJK")
def test_minimalloc_instances_get_a_sound_plan(shared_data: Path, letter: str) -> None:
    problem = instance(shared_data, f"{letter}.1048576.csv")
    plan = plan_arena(problem, node_budget=16_000)
    check(problem, plan)
    assert plan.arena_bytes < 1.15 * 1_048_576
    assert plan.nodes <= 16_000


def test_minimalloc_example_fits(shared_data: Path) -> None:
    problem = instance(shared_data, "input.12.csv")
    plan = plan_arena(problem)
    check(problem, plan)
    assert plan.arena_bytes == 12
    assert plan.optimal


def test_hard_instance_reaches_its_capacity(shared_data: Path) -> None:
    problem = instance(shared_data, "G.1048576.csv")
    plan = plan_arena(problem)
    check(problem, plan)
    assert plan.arena_bytes == live_bound_bytes(problem) == problem.capacity_bytes

"""Costs of groups against their simulation, cuts against all cuts, orders against the graph."""

from __future__ import annotations

from itertools import combinations

from edgeserve.arena import Buffer, Problem, align_up
from edgeserve.plan.costs import Costs
from edgeserve.plan.effort import REFERENCE, KernelModel
from edgeserve.plan.groups import Choice, Lives, caps_of, cut, least_peak
from edgeserve.plan.order import orders_of
from edgeserve.plan.overlap import Slide, SlidingProblem, plan_sliding, sliding_bound_bytes
from edgeserve.plan.stream import ring_depths, run_group, schedule, tasks_of
from edgeserve.plan.streaming import Method, plan_groups
from tests.random_programs import random_program


def make(first: int, end: int, cost: int, effort: int = 0) -> Choice:
    return Choice(first, end, None if end - first == 1 else 1, cost, effort)


CHOICES = [
    [],
    [make(0, 1, 50)],
    [make(1, 2, 90), make(0, 2, 60, 7)],
    [make(2, 3, 40), make(1, 3, 70, 1), make(0, 3, 65, 9)],
    [make(3, 4, 60), make(2, 4, 55, 2), make(0, 4, 200)],
]


def all_cuts(end: int) -> list[tuple[Choice, ...]]:
    if end == 0:
        return [()]
    return [(*rest, choice) for choice in CHOICES[end] for rest in all_cuts(choice.first)]


def test_the_least_peak_is_that_of_all_cuts() -> None:
    peaks = [max(c.cost_bytes for c in found) for found in all_cuts(4)]
    assert least_peak(CHOICES) == min(peaks)
    assert caps_of(CHOICES)[0] == min(peaks)


def test_a_cut_under_a_cap_is_the_lightest_of_all() -> None:
    for cap in caps_of(CHOICES):
        allowed = [f for f in all_cuts(4) if max(c.cost_bytes for c in f) <= cap]
        found = cut(CHOICES, cap, lambda c: c.effort)
        assert found is not None
        assert found[0] == min(sum(c.effort for c in f) for f in allowed)
        assert found[1] in allowed
    assert cut(CHOICES, 59, lambda c: c.effort) is None


def test_a_group_fits_into_its_cost() -> None:
    """Its layout exists: a plan of one group is no larger than its cost and the row counters."""
    looked_at = 0
    for seed in range(150):
        program = random_program(seed, most_steps=7)
        count = len(program.steps)
        tasks = tasks_of(program, range(count), (), REFERENCE)
        costs = Costs(Lives(program, tasks), tasks, REFERENCE)
        for choice in costs.streamed(count, 1, 1 << 40):
            if choice.first == 0:
                plan = plan_groups(program, tuple(range(count)), [(count, 1)], Method())
                assert plan.arena_bytes <= choice.cost_bytes + align_up(2 * count)
                looked_at += 1
    assert looked_at > 60


def test_rings_of_composed_groups_are_those_of_the_simulation() -> None:
    """A ring is as deep as the tasks that it flows through make it, whatever else is in a group."""
    compared = 0
    for seed in range(60):
        program = random_program(seed)
        tasks = tasks_of(program, range(len(program.steps)), (), REFERENCE)
        lives = Lives(program, tasks)
        for end in range(2, len(tasks) + 1):
            for first in range(end - 2, -1, -1):
                members = list(range(first, end))
                readers = lives.readers.get(tasks[first].value, [])
                if not readers or max(readers) >= end or has_side_sinks(lives, members):
                    break
                whole = ring_depths(tasks, schedule(tasks, members, 2))
                costs = Costs(lives, tasks, REFERENCE)
                depth = costs._ring_depth(first, readers, end, 2)
                assert depth == whole[tasks[first].value]
                compared += 1
    assert compared > 100


def has_side_sinks(lives: Lives, members: list[int]) -> bool:
    """Whether what a member before the last makes is read by none of them."""
    made = {v: at for v, at in lives.made.items() if at in members[:-1]}
    return any(not any(p in members for p in lives.readers.get(value, ())) for value in made)


def test_orders_follow_the_graph() -> None:
    several = 0
    for seed in range(120):
        program = random_program(seed)
        orders = orders_of(program)
        several += len(orders) > 1
        for order in orders:
            written = {port.value for port in program.inputs}
            made = {step.output.value for step in program.steps}
            for index in order:
                step = program.steps[index]
                assert all(o.value in written or o.value not in made for o in step.inputs)
                written.add(step.output.value)
            assert sorted(order) == list(range(len(program.steps)))
    assert several > 20


def test_slides_let_buffers_overlap_as_far_as_allowed() -> None:
    source, target = Buffer("in", 0, 2, 160), Buffer("out", 1, 3, 96)
    problem = Problem((source, target))
    for distance, least in ((96, 256), (32, 192), (0, 160), (-64, 160)):
        sliding = SlidingProblem(problem, (Slide(0, 1, distance),))
        plan = plan_sliding(sliding)
        assert plan.arena_bytes == least == sliding_bound_bytes(sliding)
        a, b = plan.offsets_bytes
        assert a - b >= distance or b >= a + 160


def test_three_targets_share_the_dead_front_of_a_source() -> None:
    source = Buffer("in", 0, 2, 160)
    targets = [Buffer(f"ring {i}", 1, 3, 48) for i in range(3)]
    problem = Problem((source, *targets))
    sliding = SlidingProblem(problem, tuple(Slide(0, i, 48 - 96) for i in (1, 2, 3)))
    plan = plan_sliding(sliding)
    assert plan.arena_bytes == 160 + 3 * 48 - 96
    for i, j in combinations(range(1, 4), 2):
        assert abs(plan.offsets_bytes[i] - plan.offsets_bytes[j]) >= 48


def test_a_task_at_once_is_one_turn() -> None:
    for seed in range(40):
        program = random_program(seed)
        tasks = tasks_of(program, range(len(program.steps)), (), REFERENCE)
        for position, task in enumerate(tasks):
            run = run_group(tasks, position, position + 1, None, {task.value})
            assert run.stints == ((position, 0, task.h),)
            assert all(distance <= task.h * task.row_bytes for distance in run.distances.values())


def test_kernels_that_look_back_keep_their_input_further_away() -> None:
    """Two rows at once: the first of them must not be written over what the second needs."""
    late = KernelModel(lambda _: 0, lambda _: 2, REFERENCE.instructions)
    further = 0
    for seed in range(60):
        program = random_program(seed)
        for one, two in zip(
            tasks_of(program, range(len(program.steps)), (), REFERENCE),
            tasks_of(program, range(len(program.steps)), (), late),
            strict=True,
        ):
            near = run_group([one], 0, 1, None, {one.value}).distances
            far = run_group([two], 0, 1, None, {two.value}).distances
            assert near.keys() == far.keys()
            assert all(far[pair] >= near[pair] for pair in near)
            further += far != near
    assert further > 20

"""Streamed plans of random programs, held against the checker; and what the checker refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from edgeserve.errors import PlanError
from edgeserve.plan.effort import REFERENCE
from edgeserve.plan.order import orders_of
from edgeserve.plan.stream import tasks_of
from edgeserve.plan.streaming import Method, Objective, plan_groups, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.program import Program
from edgeserve.stream_plan import Place, StreamPlan
from tests.random_programs import random_program

TESTED = 1_000
SOAKED = 100_000
SHARDS = 10
CHOSEN = 4
"""Every so many programs are planned by the whole search as well."""

_METHOD = Method(node_budget=400)


def feeds_of(program: Program) -> tuple[int, ...]:
    outputs = {port.value for port in program.outputs}
    return tuple(i for i, port in enumerate(program.inputs) if port.value not in outputs)


def methods_of(seed: int, program: Program) -> Method:
    """A different way to plan for each seed; the budgets are small, which must not matter."""
    return Method(
        objective=list(Objective)[seed % 3],
        kernels=REFERENCE,
        feeds=feeds_of(program) if seed % 2 else (),
        capacity_bytes=600 if seed % 12 == 2 else None,
        extra_percent=1_000 if seed % 5 < 3 else None,
        node_budget=400,
        search_orders=seed % 7 == 0,
    )


def random_groups(random: Random, tasks: int) -> list[tuple[int, int | None]]:
    groups: list[tuple[int, int | None]] = []
    while tasks:
        count = random.randint(1, min(tasks, 8))
        whole = count == 1 and random.random() < 0.7
        groups.append((count, None if whole else random.choice((1, 1, 2, 3, 4, 6))))
        tasks -= count
    return groups


def plan_seed(seed: int) -> tuple[Program, StreamPlan]:
    """Random groups, which stream where it is of no use too."""
    program = random_program(seed)
    random = Random(seed)
    method = replace(_METHOD, feeds=feeds_of(program) if seed % 2 else ())
    order = random.choice(orders_of(program))
    tasks = tasks_of(program, order, method.feeds, method.kernels)
    return program, plan_groups(program, order, random_groups(random, len(tasks)), method)


def check_seed(seed: int) -> int:
    """The steps streamed."""
    program, plan = plan_seed(seed)
    check_stream_plan(program, plan)
    if seed % CHOSEN == 0:
        check_stream_plan(program, plan_stream(program, methods_of(seed // CHOSEN, program)))
    return plan.streamed_steps


@pytest.mark.parametrize("shard", range(SHARDS))
def test_plans_of_random_programs_compute_what_whole_tensors_do(shard: int) -> None:
    streamed = sum(check_seed(seed) for seed in range(shard, TESTED, SHARDS))
    assert streamed > TESTED // SHARDS, "hardly anything was streamed"


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_soak(shard: int) -> None:
    first = int(os.environ.get("EDGESERVE_SOAK_SEED", "1000000"))
    for seed in range(first + shard, first + SOAKED, SHARDS):
        check_seed(seed)


def damaged(plan: StreamPlan) -> Iterator[StreamPlan]:
    """Plans that are wrong in one place."""
    yield replace(plan, turns=plan.turns[:-1])
    yield replace(plan, turns=(*plan.turns, plan.turns[-1]))
    yield replace(plan, order=plan.order[:-1])
    yield replace(plan, places=plan.places[:-1])
    yield replace(plan, arena_bytes=plan.arena_bytes - 16)
    yield replace(plan, lower_bound_bytes=plan.arena_bytes + 16)
    if plan.streamed_steps:
        yield replace(plan, counters=(None,) * len(plan.counters))


def with_place(plan: StreamPlan, index: int, place: Place) -> StreamPlan:
    places = list(plan.places)
    places[index] = place
    return replace(plan, places=tuple(places))


def is_refused(program: Program, plan: StreamPlan) -> bool:
    try:
        check_stream_plan(program, plan)
    except PlanError:
        return True
    return False


def test_a_damaged_plan_is_refused() -> None:
    for seed in range(100):
        program, plan = plan_seed(seed)
        for wrong in damaged(plan):
            assert is_refused(program, wrong), f"seed {seed}"


def test_rings_have_no_row_too_many() -> None:
    """One row less is refused, but for rows that are written and never read."""
    refused = tried = 0
    for seed in range(100):
        program, plan = plan_seed(seed)
        for index, place in enumerate(plan.places):
            if place is not None and 1 < place.depth < place.h:
                shorter = with_place(plan, index, replace(place, depth=place.depth - 1))
                refused += is_refused(program, shorter)
                tried += 1
    assert tried > 50
    assert refused > tried * 0.8, f"{refused} of {tried}"


def test_a_value_that_is_moved_hits_another() -> None:
    """Moving a value by one unit must be refused in all tight plans, and in many others."""
    refused = tried = 0
    for seed in range(60):
        program, plan = plan_seed(seed)
        for index, place in enumerate(plan.places):
            if place is not None:
                up = replace(place, offset_bytes=place.offset_bytes + 16)
                refused += is_refused(program, with_place(plan, index, up))
                tried += 1
    assert refused > tried // 3, f"{refused} of {tried}"

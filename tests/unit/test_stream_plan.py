"""Plans of random programs, held against the checks that trust nobody; and what those refuse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from edgeserve.errors import PlanError
from edgeserve.plan import whole_plan
from edgeserve.plan.order import orders_of
from edgeserve.plan.stream import tasks_of
from edgeserve.plan.streaming import Method, Objective, feedable, plan_groups, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.plan_sweep import sweep
from edgeserve.program import Program
from edgeserve.rewrite import as_planned, in_rows
from edgeserve.stream_plan import Place, StreamPlan
from tests.random_programs import random_program

TESTED = 1_000
SOAKED = 100_000
SHARDS = 20
FIRST_SOAKED = int(os.environ.get("EDGESERVE_SOAK_SEED", "1000000"))

_METHOD = Method(node_budget=400)
_TURNS = ((1,), (2,), (1, 3), (6,), (), (1, 2, 3, 4, 6))
"""Rows per turn that a search looks at; budgets are small, which must not matter."""


def random_groups(random: Random, tasks: int) -> list[tuple[int, int | None]]:
    groups: list[tuple[int, int | None]] = []
    while tasks:
        count = random.randint(1, min(tasks, 8))
        whole = count == 1 and random.random() < 0.7
        groups.append((count, None if whole else random.choice((1, 1, 2, 3, 4, 6))))
        tasks -= count
    return groups


def plan_seed(seed: int) -> tuple[Program, StreamPlan]:
    """Random groups, which stream where it is of no use too; odd seeds are fed by rows."""
    program = in_rows(random_program(seed))
    random = Random(seed)
    method = replace(_METHOD, feeds=feedable(program) if seed % 2 else ())
    order = random.choice(orders_of(program))
    tasks = tasks_of(program, order, method.feeds, method.kernels)
    return program, plan_groups(program, order, random_groups(random, len(tasks)), method)


def searched_plan(seed: int, program: Program) -> StreamPlan:
    """By each objective, with the inputs whole and by rows, in turns."""
    method = Method(
        objective=list(Objective)[seed % 3],
        feeds=feedable(program) if seed // 3 % 2 else (),
        rows_per_turn=_TURNS[seed // 6 % len(_TURNS)],
        capacity_bytes=600 if seed % 12 == 2 else None,
        extra_percent=1_000 if seed % 5 < 3 else None,
        node_budget=400,
        search_orders=seed % 7 == 0,
    )
    return plan_stream(program, method)


def check_plan(program: Program, plan: StreamPlan) -> None:
    """Runs and sweeps the plan, and once more as the device sees the program."""
    check_stream_plan(program, plan)
    sweep(program, plan)
    seen = as_planned(program, plan)
    if seen is not program:
        check_stream_plan(seen, plan)
        sweep(seen, plan)


def check_seed(seed: int) -> int:
    """The steps streamed by random groups."""
    program, plan = plan_seed(seed)
    try:
        check_plan(program, plan)
        check_plan(program, whole_plan(program))
        check_plan(program, searched_plan(seed, program))
    except PlanError as error:
        raise AssertionError(f"seed {seed}: {error}") from None
    return plan.streamed_steps


@pytest.mark.parametrize("shard", range(SHARDS))
def test_plans_of_random_programs_compute_what_whole_tensors_do(shard: int) -> None:
    streamed = sum(check_seed(seed) for seed in range(shard, TESTED, SHARDS))
    assert streamed > TESTED // SHARDS, "hardly anything was streamed"


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_soak(shard: int) -> None:
    seeds = range(FIRST_SOAKED + shard, FIRST_SOAKED + SOAKED, SHARDS)
    streamed = sum(map(check_seed, seeds))
    print(
        f"{len(seeds):,} programs, seeds {seeds[0]}, {seeds[1]}, ...: {streamed:,} steps streamed"
    )


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
    """By both checks: either alone must be enough to find what breaks a row that is read."""
    try:
        check_stream_plan(program, plan)
        sweep(program, plan)
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

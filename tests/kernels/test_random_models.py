"""Random small models, planned in random groups and by the search, against LiteRT's reference."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from edgeserve.banks import Bank
from edgeserve.plan.order import orders_of
from edgeserve.plan.stream import tasks_of
from edgeserve.plan.streaming import Method, Objective, feedable, plan_groups, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.plan_sweep import sweep
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan
from tests.kernels.conformance import CORES, assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.kernels.random_models import random_model

TESTED = 60
SOAKED = 2_000


def random_plan(program: Program, seed: int) -> StreamPlan:
    """Two thirds in random groups, which stream where it is of no use too; the others searched. A
    third in banks, where its own arena in one piece would not fit the first.
    """
    random = Random(seed)
    feeds = feedable(program) if random.random() < 0.6 else ()
    method = Method(objective=random.choice(list(Objective)), feeds=feeds, node_budget=400)
    if seed % 3 == 0:
        alone = plan_stream(program, replace(method, rows_per_turn=()))
        first = random.randrange(0, alone.arena_bytes, 16) if alone.arena_bytes else 0
        method = replace(method, banks=(Bank("a", first), Bank("b", 1 << 20, 5, 32)))
    if not program.steps or random.random() < 1 / 3:
        return plan_stream(program, method)
    order = random.choice(orders_of(program))
    left = len(tasks_of(program, order, feeds, method.kernels))
    groups: list[tuple[int, int | None]] = []
    while left:
        count = random.randint(1, left)
        whole = count == 1 and random.random() < 0.5
        groups.append((count, None if whole else random.choice((1, 1, 2, 3, 6))))
        left -= count
    return plan_groups(program, order, groups, method)


def run_seeds(runner: HostRunner, seeds: range) -> list[StreamPlan]:
    """The plans, each checked, run, and found to write the reference's bytes in every step."""
    plans: list[StreamPlan] = []

    def plan(program: Program) -> StreamPlan:
        plans.append(random_plan(program, seed))
        check_stream_plan(program, plans[-1])
        sweep(program, plans[-1])
        return plans[-1]

    for seed in seeds:
        try:
            isa = (("ref",), *CORES)[seed % (1 + len(CORES))]
            assert_conforms(runner, random_model(seed), runs=2, seed=seed, plan=plan, isa=isa)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
    return plans


def test_random_models_equal_the_reference(runner: HostRunner) -> None:
    plans = run_seeds(runner, range(TESTED))
    assert sum(plan.streamed_steps for plan in plans) > TESTED
    assert sum(len(plan.banks) > 1 for plan in plans) > TESTED // 10
    assert sum(any(plan.accumulators) for plan in plans) > 3


@pytest.mark.soak
def test_many_random_models_equal_the_reference(runner: HostRunner) -> None:
    plans = run_seeds(runner, range(TESTED, TESTED + SOAKED))
    streamed = sum(plan.streamed_steps for plan in plans)
    print(f"{len(plans):,} models, seeds from {TESTED} on: {streamed:,} steps streamed")

"""The ladder of savings, against other ways to find each rung."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations
from pathlib import Path

import pytest

from edgeserve.arena import align_up, live_bound_bytes
from edgeserve.lower import lower
from edgeserve.memory import memory_problem
from edgeserve.plan import plan_arena, plan_greedily
from edgeserve.plan.effort import REFERENCE
from edgeserve.plan.savings import savings
from edgeserve.plan.streaming import Method, plan_stream
from edgeserve.program import Program, Role
from edgeserve.stream_plan import StreamPlan
from edgeserve.tflite.reader import read_file
from tests.random_programs import random_program

FEW = 6
"""Steps whose orders can all be tried."""


def stateless(seed: int) -> bool:
    """Steps that keep state run in one order only."""
    values = random_program(seed, most_steps=FEW).values
    return all(value.role is not Role.STATE for value in values)


def least_over_all_orders(program: Program) -> int:
    """Every order in which each step comes after those that it reads, packed exactly."""
    made = {step.output.value: step.index for step in program.steps}
    needs = [
        {made[operand.value] for operand in step.inputs if operand.value in made}
        for step in program.steps
    ]
    arenas = []
    for order in permutations(range(len(program.steps))):
        if all(needs[step] <= set(order[:at]) for at, step in enumerate(order)):
            steps = tuple(replace(program.steps[s], index=at) for at, s in enumerate(order))
            arenas.append(plan_arena(memory_problem(replace(program, steps=steps)).problem))
    return min(plan.arena_bytes for plan in arenas)


@pytest.mark.parametrize("seed", [*filter(stateless, range(40))])
def test_whole_tensors_are_packed_and_ordered_as_well_as_can_be(seed: int) -> None:
    program = random_program(seed, most_steps=FEW)
    greedy, packed, ordered, *_ = savings(program, REFERENCE)
    problem = memory_problem(program).problem
    assert greedy.arena_bytes == plan_greedily(problem).arena_bytes
    assert live_bound_bytes(problem) <= packed.arena_bytes <= greedy.arena_bytes
    assert ordered.arena_bytes == least_over_all_orders(program)


def test_scratch_is_that_of_the_kernels() -> None:
    program = random_program(2)
    greedy = replace(REFERENCE, scratch_bytes=lambda step: 16 * (1 + step.index % 5))
    given = replace(
        program,
        steps=tuple(replace(s, scratch_bytes=greedy.scratch_bytes(s)) for s in program.steps),
    )
    first = next(savings(program, greedy))
    assert first.arena_bytes == plan_greedily(memory_problem(given).problem).arena_bytes


def test_the_planner_is_asked_for_all_that_streams_or_overlaps() -> None:
    asked: list[Method] = []

    def planner(program: Program, method: Method) -> StreamPlan:
        asked.append(method)
        return plan_stream(program, method)

    rungs = list(savings(random_program(5), REFERENCE, planner))
    assert len(asked) == 4
    assert [rung.plan is None for rung in rungs] == [True] * 3 + [False] * 4
    for rung in rungs[3:]:
        assert rung.plan is not None
        assert rung.arena_bytes == rung.plan.arena_bytes == align_up(rung.plan.arena_bytes)


@pytest.mark.parametrize("name", ["vww_96_int8", "kws_ref_model", "pretrainedResnet_quant"])
def test_no_idea_costs_bytes_on_public_models(shared_data: Path, name: str) -> None:
    path = shared_data / "models" / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    arenas = [rung.arena_bytes for rung in savings(lower(read_file(path)), REFERENCE)]
    assert all(after <= before for before, after in pairwise(arenas))
    assert arenas[-1] < arenas[0] / 2

"""Arenas split among banks: held against the checker and against trying everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
import pytest

from edgeserve.arena import ALIGNMENT_BYTES, Buffer, Problem, check
from edgeserve.banks import Bank, Pin, parse_pins, preferred
from edgeserve.errors import ConfigError, DoesNotFit, PlanError
from edgeserve.lower import lower
from edgeserve.plan import plan_arena
from edgeserve.plan.overlap import SlidingProblem
from edgeserve.plan.split import SplitProblem, bank_problem, plan_split
from edgeserve.plan.streaming import Method, feedable, plan_stream
from edgeserve.plan.traffic import value_traffic
from edgeserve.plan_check import check_stream_plan
from edgeserve.program import Program, Role
from edgeserve.stream_plan import Place, StreamPlan
from edgeserve.tflite.reader import read_model
from tests.random_programs import random_program
from tests.tflite_builder import ModelBuilder
from tests.tiny_program import tiny_program

TESTED = 400
SHARDS = 4
_BUDGET = 3_000


def banks_of(random: Random, whole_bytes: int) -> tuple[Bank, ...]:
    """Two to four banks, of which none may hold the whole arena, with costs in any order."""
    return tuple(
        Bank(
            name,
            random.randrange(0, whole_bytes + 64, 16),
            access_cost=random.choice((0, 1, 1, 3, 20)),
            alignment_bytes=random.choice((16, 16, 32, 64)),
        )
        for name in "abcd"[: random.randint(2, 4)]
    )


def planned(seed: int, *, pins: bool = True) -> tuple[Program, Method, StreamPlan | None]:
    """A random program in random banks, by every kind of plan; None where it does not fit."""
    program, random = random_program(seed), Random(seed)
    method = Method(
        feeds=feedable(program) if seed % 2 else (),
        rows_per_turn=(1, 2, 3, 4, 6) if seed % 3 else (),
        node_budget=_BUDGET,
        search_orders=False,
        extra_percent=1_000 if seed % 4 else 0,
    )
    whole = plan_stream(program, method)
    banks = banks_of(random, whole.arena_bytes)
    values = [value for value in program.values if value.role is not Role.CONSTANT]
    if pins and seed % 5 == 0 and values:
        method = replace(method, pins=(Pin(random.choice(values).name, random.choice(banks).name),))
    method = replace(method, banks=banks)
    try:
        plan = plan_stream(program, method)
    except DoesNotFit:
        return program, method, None
    return program, method, plan if plan.banks or not whole.arena_bytes else None


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_programs_in_random_banks(shard: int) -> None:
    """What is planned computes what whole tensors do, and fits; pins are kept."""
    split = 0
    for seed in range(shard, TESTED, SHARDS):
        program, method, plan = planned(seed)
        if plan is None:
            continue
        check_stream_plan(program, plan)
        capacity = {bank.name: bank.capacity_bytes for bank in method.banks}
        assert all(use.size_bytes <= capacity[use.name] for use in plan.banks), seed
        for pin in method.pins:
            places = [
                place
                for value, place in zip(program.values, plan.places, strict=True)
                if pin.means(value) and place is not None
            ]
            assert [plan.banks[plan.bank_at(p.offset_bytes)].name for p in places] == [
                pin.bank for _ in places
            ], seed
        split += len(plan.banks) > 1
    assert split > TESTED // SHARDS // 4, "hardly anything was split"


def random_split(seed: int) -> SplitProblem:
    random = Random(seed)
    buffers = []
    for index in range(random.randint(1, 7)):
        first = random.randrange(6)
        size_bytes = 16 * random.randint(0, 9)
        buffers.append(Buffer(f"b{index}", first, first + random.randint(1, 4), size_bytes))
    costs = sorted(random.choices(range(5), k=random.randint(1, 3)))
    banks = tuple(Bank(f"k{i}", 16 * random.randint(0, 18), cost) for i, cost in enumerate(costs))
    names = tuple(range(len(banks)))
    return SplitProblem(
        SlidingProblem(Problem(tuple(buffers)), ()),
        banks,
        tuple(random.randrange(1_000) for _ in buffers),
        tuple(names if random.random() < 0.8 else (random.choice(names),) for _ in buffers),
    )


def packs(problem: SplitProblem, bank_of: tuple[int, ...], bank: int) -> bool:
    sliding = bank_problem(problem, bank_of, bank)
    plan = plan_arena(replace(sliding.problem, capacity_bytes=None), node_budget=100_000)
    assert plan.optimal
    return plan.arena_bytes <= problem.banks[bank].capacity_bytes


def cost_of(problem: SplitProblem, bank_of: tuple[int, ...]) -> int:
    return sum(
        traffic * problem.banks[bank].access_cost
        for traffic, bank in zip(problem.traffic_bytes, bank_of, strict=True)
    )


def least_cost(problem: SplitProblem) -> int | None:
    """By trying every way to put the buffers into banks."""
    costs = [
        cost_of(problem, bank_of)
        for bank_of in product(*problem.allowed)
        if all(packs(problem, bank_of, bank) for bank in range(len(problem.banks)))
    ]
    return min(costs, default=None)


def test_small_splits_are_as_cheap_as_they_can_be() -> None:
    """And what is said of the least cost, and of impossible ones, is true."""
    found = impossible = proven = 0
    for seed in range(300):
        problem = random_split(seed)
        least = least_cost(problem)
        split = plan_split(problem)
        if least is None:
            assert split is None, seed
            impossible += 1
            continue
        assert split is not None, seed
        assert split.cost == least == cost_of(problem, split.bank_of), seed
        assert split.least_cost <= least, seed
        proven += split.least_cost == split.cost
        found += 1
    assert found > 100
    assert impossible > 30
    assert proven > found * 0.8


def test_the_same_problem_gives_the_same_plan() -> None:
    for seed in range(0, 40, 3):
        assert planned(seed)[2] == planned(seed)[2]


def test_what_fits_the_cheapest_bank_is_planned_as_in_one_piece() -> None:
    for seed in range(20):
        program = random_program(seed)
        method = Method(node_budget=_BUDGET, search_orders=False)
        whole = plan_stream(program, method)
        banks = (Bank("slow", 1 << 20, 9), Bank("fast", whole.arena_bytes, 1))
        plan = plan_stream(program, replace(method, banks=banks))
        assert [use.name for use in plan.banks] == ["fast"]
        assert replace(plan, banks=(), traffic_cost=0, least_traffic_cost=0) == whole


def test_a_split_tells_its_cost_though_it_is_improved_move_by_move() -> None:
    """Many buffers, so that the search does not see everything."""
    for seed in range(6):
        random = Random(seed)
        firsts = [random.randrange(20) for _ in range(40)]
        buffers = tuple(
            Buffer(f"b{i}", first, first + random.randint(1, 8), 16 * random.randint(1, 30))
            for i, first in enumerate(firsts)
        )
        whole = plan_arena(Problem(buffers), node_budget=2_000).arena_bytes
        fast = whole * random.randint(2, 8) // 160 * 16
        banks = (Bank("fast", fast, 1), Bank("middle", fast, 2), Bank("slow", whole, 7))
        problem = SplitProblem(
            SlidingProblem(Problem(buffers), ()),
            banks,
            tuple(random.randrange(5_000) for _ in buffers),
            ((0, 1, 2),) * len(buffers),
        )
        split = plan_split(problem, node_budget=6_000)
        assert split is not None
        assert split.cost == cost_of(problem, split.bank_of)
        assert split.least_cost <= split.cost
        for bank, packing in enumerate(split.packings):
            check(bank_problem(problem, split.bank_of, bank).problem, packing)
            assert packing.arena_bytes <= banks[bank].capacity_bytes


def test_slow_memory_gets_what_is_used_least() -> None:
    """Four buffers of one size, alive together, of which two fit: the busiest two."""
    buffers = tuple(Buffer(name, 0, 4, 64) for name in "abcd")
    banks = (Bank("fast", 128, 1), Bank("slow", 1024, 10))
    problem = SplitProblem(
        SlidingProblem(Problem(buffers), ()), banks, (5, 70, 6, 80), ((0, 1),) * 4
    )
    split = plan_split(problem)
    assert split is not None
    assert split.bank_of == (1, 0, 1, 0)
    assert split.cost == split.least_cost == 70 + 80 + 10 * (5 + 6)


def two_banks(plan: StreamPlan) -> tuple[Bank, Bank]:
    half = plan.lower_bound_bytes // 32 * 16
    return Bank("fast", half, 1), Bank("slow", 1 << 20, 10)


def ends_at(place: Place, end_bytes: int) -> bool:
    """Whether a place that is larger than one step of alignment ends there."""
    return place.size_bytes > ALIGNMENT_BYTES and place.offset_bytes + place.size_bytes == end_bytes


def damaged(plan: StreamPlan) -> Iterator[tuple[str, StreamPlan]]:
    """Plans in two banks that are wrong about them in one place."""
    first, second = plan.banks
    crossing = next(
        index
        for index, place in enumerate(plan.places)
        if place is not None and ends_at(place, first.size_bytes)
    )
    place = plan.places[crossing]
    assert place is not None
    places = list(plan.places)
    places[crossing] = replace(place, offset_bytes=place.offset_bytes + ALIGNMENT_BYTES)
    yield "in two banks", replace(plan, places=tuple(places))
    smaller = replace(first, size_bytes=first.size_bytes - 16)
    yield "too small", replace(plan, banks=(smaller, second))
    yield (
        "moved border",
        replace(plan, banks=(smaller, replace(second, size_bytes=second.size_bytes + 16))),
    )
    yield "twice", replace(plan, banks=(first, replace(second, name=first.name)))
    yield "left out", replace(plan, banks=(first,))
    yield "no alignment", replace(plan, banks=(replace(first, alignment_bytes=8), second))
    yield (
        "bound",
        replace(plan, banks=(replace(first, lower_bound_bytes=first.size_bytes + 16), second)),
    )
    yield "cost", replace(plan, least_traffic_cost=plan.traffic_cost + 1)


def is_refused(program: Program, plan: StreamPlan) -> bool:
    try:
        check_stream_plan(program, plan)
    except PlanError:
        return True
    return False


def test_the_checker_refuses_what_is_wrong_about_banks() -> None:
    seen = 0
    for seed in range(160):
        program = random_program(seed)
        method = Method(node_budget=_BUDGET, search_orders=False)
        banks = two_banks(plan_stream(program, method))
        plan = plan_stream(program, replace(method, banks=banks))
        if len(plan.banks) != 2 or not any(
            place is not None and ends_at(place, plan.banks[0].size_bytes) for place in plan.places
        ):
            continue
        seen += 1
        check_stream_plan(program, plan)
        for what, wrong in damaged(plan):
            assert is_refused(program, wrong), f"seed {seed}: {what}"
    assert seen > 10


def test_a_slide_holds_in_a_bank_alone() -> None:
    """Buffers in different banks share nothing, so that each bank is packed on its own."""
    for seed in range(1, 120, 3):
        _, method, plan = planned(seed, pins=False)
        if plan is None or len(plan.banks) < 2:
            continue
        assert sum(use.size_bytes for use in plan.banks) == plan.arena_bytes
        by_name = {bank.name: bank for bank in preferred(method.banks)}
        costs = [by_name[use.name].access_cost for use in plan.banks]
        assert costs == sorted(costs)


def test_pins_are_read() -> None:
    assert parse_pins(["a=b", "x=y=psram"]) == (Pin("a", "b"), Pin("x=y", "psram"))
    for wrong in ("a", "=b", "a=", ""):
        with pytest.raises(ConfigError, match="TENSOR=BANK"):
            parse_pins([wrong])


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        (("nowhere", "fast"), "cannot pin 'nowhere': the arena has no tensor of that name"),
        (("INPUT", "tape"), "there is no bank 'tape'"),
    ],
)
def test_a_pin_of_what_does_not_exist_is_one_clear_line(pin: tuple[str, str], message: str) -> None:
    program = tiny_program()
    name = program.values[program.inputs[0].value].name
    pins = (Pin(name if pin[0] == "INPUT" else pin[0], pin[1]),)
    with pytest.raises(ConfigError, match=message) as caught:
        plan_stream(program, Method(banks=(Bank("fast", 1 << 16),), pins=pins))
    assert caught.value.hint


def test_a_pin_that_does_not_fit_is_refused() -> None:
    program = tiny_program()
    name = program.values[program.inputs[0].value].name
    banks = (Bank("fast", 0, 1), Bank("slow", 1 << 16, 2))
    with pytest.raises(DoesNotFit, match="what is pinned does not fit bank 'fast': needs"):
        plan_stream(program, Method(banks=banks, pins=(Pin(name, "fast"),)))


def test_a_pinned_tensor_leaves_the_cheapest_bank() -> None:
    program = tiny_program()
    value = program.values[program.inputs[0].value]
    banks = (Bank("fast", 1 << 16, 1), Bank("slow", 1 << 16, 2))
    plan = plan_stream(program, Method(banks=banks, pins=(Pin(value.name, "slow"),)))
    check_stream_plan(program, plan)
    place = plan.places[value.index]
    assert place is not None
    assert plan.banks[plan.bank_at(place.offset_bytes)].name == "slow"
    assert [use.name for use in plan.banks] == ["fast", "slow"]


def test_traffic_counts_rows_as_often_as_they_are_read() -> None:
    """Six rows of eight bytes. A window of three reads 2 + 3 + 3 + 3 + 3 + 2 of them; the caller
    writes the input and reads the output. A copy reads as much as it writes.
    """
    b = ModelBuilder()
    shape = (1, 6, 4, 2)
    x = b.tensor("x", shape, "int8", scale=0.05, zero_point=0)
    v = b.tensor("v", shape, "int8", scale=0.05, zero_point=0)
    y = b.tensor("y", (1, 4, 6, 2), "int8", scale=0.05, zero_point=0)
    window = {"strideH": 1, "strideW": 1, "filterHeight": 3, "filterWidth": 3}
    b.op("MAX_POOL_2D", [x], [v], {**window, "padding": "SAME"})
    b.op("TRANSPOSE", [v, b.tensor("o", (4,), "int32", data=np.array([0, 2, 1, 3]))], [y])
    program = lower(read_model(b.finish([x], [y]), name="traffic"))
    traffic = value_traffic(program)
    sizes = {value.name: traffic[value.index] for value in program.values}
    assert sizes == {"x": 48 + 16 * 8, "v": 48 + 48, "y": 48 + 48}


def test_an_unsplittable_buffer_finds_no_bank() -> None:
    buffers = (Buffer("large", 0, 1, 96),)
    banks = (Bank("a", 64), Bank("b", 64))
    assert (
        plan_split(SplitProblem(SlidingProblem(Problem(buffers), ()), banks, (1,), ((0, 1),)))
        is None
    )


@pytest.mark.parametrize("name", ["kws_ref_model", "person_detect", "pretrainedResnet_quant"])
def test_reference_models_in_two_banks(name: str, shared_data: Path) -> None:
    """Six fast banks, too small for the arena: most splits are proven to be the cheapest."""
    model = (shared_data / "models" / f"{name}.tflite").read_bytes()
    program = lower(read_model(model, name=name))
    proven = 0
    for rows in ((), (1, 2)):
        method = Method(rows_per_turn=rows, search_orders=False)
        whole = plan_stream(program, method)
        for share in (4, 8, 12):
            fast = Bank("fast", whole.arena_bytes * share // 256 * 16, 1)
            banks = (fast, Bank("slow", 1 << 20, 4))
            plan = plan_stream(program, replace(method, banks=banks))
            check_stream_plan(program, plan)
            assert [use.name for use in plan.banks] == ["fast", "slow"]
            assert plan.traffic_cost < 2 * plan.least_traffic_cost
            proven += plan.traffic_cost == plan.least_traffic_cost
    assert proven >= 3

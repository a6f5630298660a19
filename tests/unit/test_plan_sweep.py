"""The interval sweep finds each kind of fault by itself, without running the plan."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from edgeserve.errors import PlanError
from edgeserve.kernels.portable import AddParams, Conv2dParams
from edgeserve.plan import whole_plan
from edgeserve.plan_check import check_stream_plan
from edgeserve.plan_sweep import sweep
from edgeserve.program import Program
from edgeserve.stream_plan import Place, StreamPlan, Turn
from tests.random_programs import Growing, make_params
from tests.unit.test_stream_plan import plan_seed, with_place

VIEW = (4, 3, 4)


def moved(plan: StreamPlan, value: int, offset_bytes: int) -> StreamPlan:
    place = plan.places[value]
    assert place is not None
    return with_place(plan, value, replace(place, offset_bytes=offset_bytes))


def refused(program: Program, plan: StreamPlan, what: str) -> None:
    with pytest.raises(PlanError, match=what):
        sweep(program, plan)


def one_step(params: AddParams | Conv2dParams) -> tuple[Program, StreamPlan]:
    """A step on values of 48 bytes each, the first input at 0 and the output at 96."""
    growing = Growing(Random(3))
    source, other = growing.input(VIEW), growing.input(VIEW)
    operands = (
        [(source, VIEW), (other, VIEW)] if isinstance(params, AddParams) else [(source, VIEW)]
    )
    growing.step(params, operands, VIEW)
    program = growing.finished()
    program = replace(program, steps=(replace(program.steps[0], scratch_bytes=0),))
    plan = whole_plan(program)
    for value, offset in enumerate((0, 48, 96)):
        plan = with_place(plan, value, Place(offset, 12, 4, 4))
    return program, replace(plan, arena_bytes=256, scratch=(None,))


def three_by_three() -> Conv2dParams:
    given = {"kernel_h": 3, "kernel_w": 1, "stride_h": 1, "stride_w": 1}
    return make_params(Conv2dParams, **given, dilation_h=1, dilation_w=1, pad_top=1)


def test_an_elementwise_output_may_lie_over_its_input() -> None:
    program, plan = one_step(make_params(AddParams))
    sweep(program, plan)
    sweep(program, moved(plan, 2, 0))
    sweep(program, moved(moved(plan, 1, 64), 2, 60))
    refused(program, moved(plan, 2, 4), "overlaps")


def test_a_window_holds_its_output_back_by_its_rows() -> None:
    """Row q may be written over row q - 2, which the window of three rows has left behind."""
    program, plan = one_step(three_by_three())
    plan = moved(plan, 1, 200)
    sweep(program, moved(moved(plan, 0, 24), 2, 0))
    refused(program, moved(moved(plan, 0, 20), 2, 0), "overlaps")


def test_rows_computed_together_hold_the_output_back_further() -> None:
    program, plan = one_step(three_by_three())
    plan = moved(moved(moved(plan, 1, 200), 0, 24), 2, 0)
    with pytest.raises(PlanError, match="overlaps"):
        sweep(program, plan, lambda _step: 2)


def test_a_given_input_lives_from_the_start() -> None:
    """The caller writes all inputs before the first turn."""
    program, plan = one_step(three_by_three())
    refused(program, moved(plan, 1, 8), "overlaps")


def test_a_turn_too_early_is_refused() -> None:
    for seed in range(40):
        program, plan = plan_seed(seed)
        steps = [a for a in plan.turns if isinstance(a, Turn)]
        if len(steps) > 1 and steps[-1].step != steps[0].step:
            turns = (plan.turns[-1], *plan.turns[:-1])
            assert sweep_error(program, replace(plan, turns=turns)) is not None, f"seed {seed}"


def sweep_error(program: Program, plan: StreamPlan) -> PlanError | None:
    try:
        sweep(program, plan)
    except PlanError as error:
        return error
    return None


def test_rings_have_no_row_too_many() -> None:
    refused_ones = tried = 0
    for seed in range(100):
        program, plan = plan_seed(seed)
        for index, place in enumerate(plan.places):
            if place is not None and 1 < place.depth < place.h:
                shorter = with_place(plan, index, replace(place, depth=place.depth - 1))
                refused_ones += sweep_error(program, shorter) is not None
                tried += 1
    assert tried > 50
    assert refused_ones > tried * 0.8, f"{refused_ones} of {tried}"


def test_what_lies_over_state_is_refused_by_both_checks() -> None:
    """State is read only in the next inference: running a plan once must not miss it."""
    growing = Growing(Random(0))
    source = growing.input((4, 3, 2))
    growing.look_up(growing.svdf(source))
    program = growing.finished()
    steps = tuple(replace(step, scratch_bytes=0) for step in program.steps)
    program = replace(program, steps=steps)
    plan = whole_plan(program)
    sweep(program, plan)
    check_stream_plan(program, plan)
    state = program.steps[0].inputs[1].value
    place = plan.places[state]
    assert place is not None
    over = moved(plan, program.steps[1].output.value, place.offset_bytes)
    refused(program, over, "overlaps")
    with pytest.raises(PlanError, match="does not last"):
        check_stream_plan(program, over)

"""Every kernel on rings of the least depth, and steps that take up their input row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from edgeserve.errors import PlanError
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.plan_check import check_stream_plan
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import forms_of, random_inputs
from tests.kernels.host_runner import ES_OK, HostRunner
from tests.kernels.small_models import small_models
from tests.kernels.streamed import SUMMING, in_one_group, summing, with_copies
from tests.kernels.test_convolution import Case, conv2d, depthwise, depthwise_cases, walked
from tests.kernels.test_pooling import POOLS, pool
from tests.tflite_builder import ModelBuilder

ROWS = (1, 2, 3, 6)


def programs() -> Iterator[tuple[str, Program]]:
    for name, model in small_models().items():
        program = lower(read_model(model, name=name))
        if program.steps:
            for form in forms_of(program):
                yield form.name, form


def assert_same_as_whole(
    runner: HostRunner, program: Program, plan: StreamPlan, *, runs: int = 2, seed: int = 3
) -> None:
    """Every step writes what it writes with whole tensors."""
    check_stream_plan(program, plan)
    rng = np.random.default_rng(seed)
    inputs = [random_inputs(program, rng) for _ in range(runs)]
    whole = runner.run(program, inputs)
    rows = runner.run(program, inputs, plan)
    for step, wanted, got in zip(program.steps, whole[-1], rows[-1], strict=True):
        assert wanted == got, f"{program.name}, step {step.index}: {step.kernel.name}"
    assert whole == rows


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("fed", [True, False], ids=["fed", "given"])
def test_every_kernel_computes_the_same_on_rings(runner: HostRunner, rows: int, fed: bool) -> None:
    rings = set()
    for name, program in programs():
        longer = with_copies(program)
        plan = in_one_group(longer, rows, fed=fed)
        assert_same_as_whole(runner, longer, plan)
        depths = [place.depth < place.h for place in plan.places if place is not None]
        if any(depths):
            rings.add(name)
    if rows < 3:
        spatial = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "MAX_POOL_2D", "PAD", "ADD"}
        assert spatial | {"RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "CONCATENATION"} <= rings


WINDOWS = [
    *(conv2d(Case(h, 5, 4, 2, padding=p)) for h in (3, 4, 7, 8) for p in ("SAME", "VALID")),
    *(conv2d(case) for case in walked()),
    *(depthwise(case) for case in depthwise_cases()),
    *(
        pool(kind, (h, 5, 3), (kernel, 2), (stride, 1), padding)
        for kind in POOLS
        for h in (4, 7, 8)
        for kernel in (1, 2, 3, 4)
        for stride in (1, 2, 3)
        for padding in ("SAME", "VALID")
    ),
]


@pytest.mark.parametrize("rows", ROWS)
def test_every_window_sees_what_it_needs(runner: HostRunner, rows: int) -> None:
    """All shapes, strides, dilations and paddings of the windowed kernels, with the least rings."""
    for model in WINDOWS:
        for form in forms_of(lower(read_model(model, name="window"))):
            program = with_copies(form)
            assert_same_as_whole(runner, program, in_one_group(program, rows), runs=1)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("kind", SUMMING)
def test_sums_over_rows_equal_the_whole(runner: HostRunner, kind: str, rows: int) -> None:
    for shape in ((1, 5, 4, 6), (1, 2, 1, 3), (1, 13, 3, 1), (1, 6, 1, 8)):
        for form in forms_of(lower(read_model(summing(kind, shape), name=kind))):
            program = with_copies(form)
            plan = in_one_group(program, rows)
            assert_same_as_whole(runner, program, plan)
            assert any(plan.accumulators), "nothing was summed"
            assert plan.accumulators[1] is not None
            assert program.steps[1].kernel in (
                KernelId.FULLY_CONNECTED,
                KernelId.FULLY_CONNECTED_PAIRS,
                KernelId.FULLY_CONNECTED_BLOCKS,
                KernelId.FULLY_CONNECTED_WIDE,
                KernelId.AVERAGE_POOL_2D,
                KernelId.REDUCE_PIXELS,
            )


def test_rows_that_are_no_whole_pixels_are_not_summed(runner: HostRunner) -> None:
    """A mean over 5 pixels of 6 channels, of rows of 5 elements: what is behind a reshape."""
    b = ModelBuilder()
    x = b.tensor("x", (1, 6, 5), "int8", scale=0.05, zero_point=-2)
    v = b.tensor("v", (1, 6, 5), "int8", scale=1 / 128, zero_point=0)
    r = b.tensor("r", (1, 5, 6), "int8", scale=1 / 128, zero_point=0)
    y = b.tensor("y", (1, 6), "int8", scale=0.004, zero_point=3)
    shape = b.tensor("shape", (3,), "int32", data=[1, 5, 6])
    axes = b.tensor("axes", (1,), "int32", data=[1])
    b.op("TANH", [x], [v])
    b.op("RESHAPE", [v, shape], [r], {"newShape": [1, 5, 6]})
    b.op("MEAN", [r, axes], [y], {"keepDims": False})
    program = lower(read_model(b.finish([x], [y]), name="reshaped"))
    assert [step.kernel for step in program.steps] == [KernelId.LOOK_UP, KernelId.REDUCE_PIXELS]
    plan = in_one_group(with_copies(program), 1)
    assert not any(plan.accumulators)
    assert_same_as_whole(runner, with_copies(program), plan)


def test_sums_that_a_kernel_cannot_take_are_refused() -> None:
    """A stored plan that was made for other rows."""
    program = with_copies(lower(read_model(summing("MEAN", (1, 5, 4, 6)), name="mean")))
    plan = in_one_group(program, 1)
    check_stream_plan(program, plan)
    source = program.steps[1].inputs[0].value
    place = plan.places[source]
    assert place is not None
    assert plan.accumulators[1] is not None
    places = list(plan.places)
    places[source] = replace(place, h=place.h * 8, row_bytes=place.row_bytes // 8)
    with pytest.raises(PlanError, match="cannot take its input into sums"):
        check_stream_plan(program, replace(plan, places=tuple(places)))
    swapped = (None, None, plan.accumulators[1])
    with pytest.raises(PlanError, match="cannot take its input into sums"):
        check_stream_plan(program, replace(plan, accumulators=swapped))


def test_a_ring_that_is_one_row_short_is_noticed(runner: HostRunner) -> None:
    """The tests above would see a plan whose rings are too small."""
    noticed = tried = 0
    for model in WINDOWS[::5]:
        program = with_copies(lower(read_model(model, name="window")))
        plan = in_one_group(program, 1)
        fed = plan.places[program.inputs[0].value]
        if fed is None or fed.depth == 1:
            continue
        places = list(plan.places)
        places[program.inputs[0].value] = replace(fed, depth=fed.depth - 1)
        rng = np.random.default_rng(4)
        inputs = [random_inputs(program, rng)]
        table = write_table(program, replace(plan, places=tuple(places)))
        data = [b"".join(array.tobytes() for array in inputs[0])]
        ran = runner.run_table(table.data, data, len(program.steps))
        tried += 1
        noticed += ran.status != ES_OK or ran.steps != runner.run(program, inputs)
    assert tried > 20
    assert noticed >= tried * 0.9, f"{noticed} of {tried}"

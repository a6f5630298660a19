"""The dense kernels for cores without SIMD against LiteRT's reference, and both sides of their
proofs.

The portable twins run here; ``test_isa_kernels.py`` runs the assembly on its boards.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeserve.kernels.record import KernelId
from edgeserve.kernels.tuned import ConvLanesParams
from edgeserve.lower import lower
from edgeserve.program import Program, Step
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from edgeserve.tune.scalar import LANE_LIMIT, longest_run
from tests.kernels import test_fully_connected as dense
from tests.kernels.conformance import assert_conforms, random_inputs
from tests.kernels.host_runner import ES_OK, HostRunner
from tests.kernels.test_conv_pairs import extremes, layer, with_exact_scratch
from tests.kernels.test_convolution import QUANTISATIONS, WALKS, Case, conv2d, depthwise

ISA = ("scalar", "ref")
ES_OUT_OF_BOUNDS = 6

SHAPES = [
    Case(1, 1, 1, 1, kernel=(1, 1)),
    Case(4, 5, 8, 16, kernel=(1, 1)),
    Case(3, 2, 17, 3, kernel=(1, 1)),
    Case(1, 7, 2, 17, kernel=(1, 1)),
    Case(5, 7, 3, 6),
    Case(4, 9, 17, 5),
    Case(8, 5, 1, 7),
    Case(11, 6, 1, 12, kernel=(10, 4)),
    Case(6, 5, 6, 7, kernel=(5, 3)),
    Case(1, 13, 2, 4, kernel=(1, 5)),
    Case(12, 1, 2, 9, kernel=(4, 1)),
    Case(3, 3, 9, 4, kernel=(7, 7)),
]
COLUMNS = [
    Case(1, 1, 1, 1),
    Case(2, 3, 5, 5),
    Case(5, 1, 6, 6),
    Case(1, 9, 7, 7),
    Case(7, 6, 17, 17),
]


def walked(shapes: list[Case]) -> list[Case]:
    cases = [replace(shape, **walk) for shape in shapes for walk in WALKS]
    return [case for case in cases if min(case.output) >= 1]


def chosen(model: bytes) -> Program:
    return tuned(lower(read_model(model, name="case")), ISA)


def step_of(model: bytes) -> Step:
    (step,) = chosen(model).steps
    return step


@pytest.mark.parametrize("case", walked(SHAPES), ids=repr)
def test_convolutions(runner: HostRunner, case: Case) -> None:
    program = assert_conforms(runner, conv2d(case), runs=1, isa=ISA)
    assert program.steps[0].kernel is KernelId.CONV_LANES


@pytest.mark.parametrize("quantisation", QUANTISATIONS, ids=repr)
@pytest.mark.parametrize("shape", [SHAPES[3], SHAPES[5], SHAPES[7]], ids=["1x1", "3x3", "10x4"])
def test_quantisations(runner: HostRunner, shape: Case, quantisation: dict[str, Any]) -> None:
    assert_conforms(runner, conv2d(replace(shape, **quantisation)), isa=ISA)


@pytest.mark.parametrize("out_c", range(1, 18))
def test_any_number_of_channels(runner: HostRunner, out_c: int) -> None:
    assert_conforms(runner, conv2d(Case(2, 4, 3, out_c)), runs=1, isa=ISA)
    data = dense.model(2, out_c + 1, out_c, per_channel=True, zero_points=(-128, 127), act="NONE")
    program = assert_conforms(runner, data, runs=1, isa=ISA)
    assert program.steps[0].kernel is KernelId.FULLY_CONNECTED_BLOCKS


@pytest.mark.parametrize("multiplier", [1, 3, 8])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_depthwise_of_one_channel_is_a_convolution(
    runner: HostRunner, multiplier: int, stride: tuple[int, int]
) -> None:
    model = depthwise(Case(9, 8, 1, multiplier, kernel=(5, 4), stride=stride))
    program = assert_conforms(runner, model, isa=ISA)
    assert program.steps[0].kernel is KernelId.CONV_LANES


@pytest.mark.parametrize("case", walked(COLUMNS), ids=repr)
def test_depthwise(runner: HostRunner, case: Case) -> None:
    program = assert_conforms(runner, depthwise(case), runs=1, isa=ISA)
    kernel = program.steps[0].kernel
    if case.c > 1 and case.dilation == (1, 1) and case.stride[1] <= 2:
        assert kernel is KernelId.DEPTHWISE_COLUMNS
    elif case.c > 1:
        assert kernel is KernelId.DEPTHWISE_CONV_2D


@pytest.mark.parametrize("quantisation", QUANTISATIONS, ids=repr)
def test_depthwise_quantisations(runner: HostRunner, quantisation: dict[str, Any]) -> None:
    assert_conforms(runner, depthwise(replace(COLUMNS[4], **quantisation)), isa=ISA)


def test_groups_stay_with_the_generic_kernel(runner: HostRunner) -> None:
    model = conv2d(Case(5, 6, 6, 12, groups=2))
    assert step_of(model).kernel is KernelId.CONV_2D
    assert_conforms(runner, model, isa=ISA)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("last", "is_whole"), [(63, True), (64, True), (65, False)])
def test_both_sides_of_an_int21(runner: HostRunner, last: int, is_whole: bool, sign: int) -> None:
    """64 weights of 127 and one more: with the least input they reach minus 2^20, just within, and
    with their signs turned 2^20, just beyond.
    """
    weights = [[127 * sign] * 64 + [last * sign], [sign] * 65, [-sign] * 65]
    model = layer(weights, [0, 5, -5], 2.0**-13)
    params = step_of(model).params
    assert isinstance(params, ConvLanesParams)
    inside = is_whole and (sign > 0 or last < 64)
    assert (params.run == 65) == inside
    assert_conforms(runner, model, inputs=extremes(65), isa=ISA)


def test_a_longer_run_than_is_proven_would_show(runner: HostRunner) -> None:
    """The bound is not idle: the same layer in one run gives other bytes."""
    model = layer([[127] * 80], [0], 2.0**-14)
    program = chosen(model)
    (step,) = program.steps
    assert isinstance(step.params, ConvLanesParams)
    assert step.params.run < 80
    (inputs, *_) = extremes(80)
    bold = replace(program, steps=(replace(step, params=replace(step.params, run=80)),))
    cautious, wrong = (runner.run(p, [inputs]) for p in (program, bold))
    assert cautious != wrong


@pytest.mark.parametrize("taps", [1, 3, 9, 17, 64, 200])
def test_runs_are_as_long_as_they_may_be(taps: int) -> None:
    rng = np.random.default_rng(taps)
    weights = rng.integers(-128, 128, (5, taps))
    run = longest_run(weights)
    assert 1 <= run <= taps
    for first in range(0, taps, run):
        assert 128 * np.abs(weights[:, first : first + run]).sum(axis=1).max() <= LANE_LIMIT + 1
    if run < taps:
        assert 128 * np.abs(weights).sum(axis=1).max() > LANE_LIMIT * 3 // 4


MOST = (1 << 29) - 1 - 127 * 127
LEAST = 127 * 128 - (1 << 29)
SCALE = 0.77 * 2.0**-21
LIMITS = {
    "greatest sum": (([[127]], [MOST], SCALE), ([[127]], [MOST + 1], SCALE)),
    "least sum": (([[127]], [LEAST], SCALE), ([[127]], [LEAST - 1], SCALE)),
    "factor": (([[3], [-2]], [1, 2], 0.49), ([[3], [-2]], [1, 2], 0.51)),
}
"""Layers that the kernel by lanes takes just yet, and those that it does not."""


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("zero_point", [0, -128, 127])
def test_both_sides_of_what_a_scale_asks_for(
    runner: HostRunner, name: str, zero_point: int
) -> None:
    inside, outside = (layer(*case, zero_point=zero_point) for case in LIMITS[name])
    assert step_of(inside).kernel is KernelId.CONV_LANES
    assert step_of(outside).kernel is KernelId.CONV_2D
    for model in (inside, outside):
        assert_conforms(runner, model, inputs=extremes(1), isa=ISA)


def test_negative_ties_go_away_from_zero(runner: HostRunner) -> None:
    """Every sum on a half or beside it, of both signs, as the reference rounds them twice."""
    model = layer([[1], [-1], [3]], [0, 1, -2], 2.0**-3, zero_point=-5)
    assert step_of(model).kernel is KernelId.CONV_LANES
    values = [np.arange(at, at + 3, dtype=np.int8).reshape(1, 1, 3, 1) for at in range(-128, 125)]
    assert_conforms(runner, model, inputs=[[value] for value in values], isa=ISA)


@pytest.mark.parametrize("shift", [-10, -11, -13])
def test_dense_layers_with_sums_on_a_tie_stay_portable(runner: HostRunner, shift: int) -> None:
    half = 1 << (-shift - 8)
    data = dense.layer([[1], [-1]], [half, -half], weight_scale=2.0**shift)
    inside = dense.layer([[1], [-1]], [half, -half], weight_scale=0.77 * 2.0**shift)
    assert step_of(data).kernel is KernelId.FULLY_CONNECTED
    assert step_of(inside).kernel is KernelId.FULLY_CONNECTED_BLOCKS
    inputs = [[np.full((1, 1), x, np.int8)] for x in range(-128, 128)]
    for model in (data, inside):
        assert_conforms(runner, model, inputs=inputs, isa=ISA)


@pytest.mark.parametrize("case", walked(SHAPES)[::2], ids=repr)
def test_scratch_suffices_to_the_byte(runner: HostRunner, case: Case) -> None:
    """AddressSanitizer guards the end of the arena."""
    program = chosen(conv2d(case))
    inputs = random_inputs(program, np.random.default_rng(2))
    ran = runner.run_table(with_exact_scratch(program), [inputs[0].tobytes()], 1)
    assert ran.status == ES_OK
    assert ran.steps == runner.run(program, [inputs])
    (step,) = program.steps
    short = replace(program, steps=(replace(step, scratch_bytes=step.scratch_bytes - 1),))
    assert runner.run_table(with_exact_scratch(short), [], 1).status == ES_OUT_OF_BOUNDS

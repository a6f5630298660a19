"""Convolutions by vectors against LiteRT's reference, and both sides of their proofs.

The portable twins run here; ``tests/kernels/test_vectors_qemu.py`` runs the kernels for MVE.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeserve.kernels.record import KernelId
from edgeserve.kernels.tuned import ConvVectorsParams, DepthwiseVectorsParams
from edgeserve.lower import lower
from edgeserve.program import Program
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels import test_conv_pairs as pairs
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import ES_OK, HostRunner
from tests.kernels.test_convolution import QUANTISATIONS, WALKS, Case, conv2d, depthwise
from tests.kernels.test_depthwise_pairs import one_scale

ISA = ("mve", "ref")
ES_OUT_OF_BOUNDS = 6

CONVOLUTIONS = [
    Case(1, 1, 1, 2, kernel=(1, 1)),
    Case(4, 5, 8, 16, kernel=(1, 1)),
    Case(3, 8, 16, 17, kernel=(1, 1)),
    Case(3, 2, 17, 3, kernel=(1, 1)),
    Case(2, 9, 33, 6, kernel=(1, 1)),
    Case(1, 7, 2, 17, kernel=(1, 1)),
    Case(5, 7, 3, 6),
    Case(4, 9, 17, 5),
    Case(9, 6, 16, 4),
    Case(8, 5, 1, 7),
    Case(11, 6, 1, 12, kernel=(10, 4)),
    Case(6, 5, 6, 7, kernel=(5, 3)),
    Case(1, 13, 2, 4, kernel=(1, 5)),
    Case(12, 1, 2, 9, kernel=(4, 1)),
    Case(3, 3, 9, 4, kernel=(7, 7)),
]

DEPTHWISE = [
    Case(1, 1, 1, 1),
    Case(2, 3, 5, 5),
    Case(5, 1, 6, 6),
    Case(1, 9, 7, 7),
    Case(7, 6, 8, 8),
    Case(6, 7, 17, 17),
    Case(5, 30, 16, 16),
    Case(9, 4, 33, 33, kernel=(2, 2)),
    Case(5, 7, 4, 4, kernel=(1, 3)),
    Case(7, 5, 15, 15, kernel=(3, 1)),
    Case(9, 27, 3, 3, stride=(2, 2), kernel=(4, 4)),
    Case(8, 9, 18, 18, stride=(3, 2), kernel=(3, 4)),
    Case(9, 8, 2, 2, stride=(1, 2), dilation=(2, 1)),
]


def walked(shapes: list[Case]) -> list[Case]:
    cases = [replace(shape, **walk) for shape in shapes for walk in WALKS]
    return [case for case in cases if min(case.output) >= 1]


def is_whole(case: Case) -> bool:
    """Whether a kernel row's taps are neighbours."""
    return case.dilation[1] == 1 or case.kernel[1] == 1


def is_small(case: Case) -> bool:
    """Whether a vector holds a depthwise window, or two each way by stride 1."""
    if (case.stride, case.dilation) == ((1, 1), (1, 1)):
        return max(case.kernel) <= 3
    return case.stride[1] == 2 and is_whole(case) and max(case.kernel) <= 4


def by_vectors(model: bytes) -> Program:
    return tuned(lower(read_model(model, name="case")), ISA)


def kernel_of(model: bytes) -> KernelId:
    (step,) = by_vectors(model).steps
    return step.kernel


@pytest.mark.parametrize("case", walked(CONVOLUTIONS), ids=repr)
def test_convolutions(runner: HostRunner, case: Case) -> None:
    program = assert_conforms(runner, conv2d(case), runs=1, isa=ISA)
    wanted = KernelId.CONV_VECTORS if is_whole(case) else KernelId.CONV_2D
    # Lowering turns an image of one row on its side, and its window with it.
    assert program.steps[0].kernel is wanted or case.h == 1


@pytest.mark.parametrize("case", [*walked(DEPTHWISE[:10]), *DEPTHWISE[10:]], ids=repr)
def test_depthwise(runner: HostRunner, case: Case) -> None:
    program = assert_conforms(runner, depthwise(case), runs=1, isa=ISA)
    wanted = KernelId.DEPTHWISE_VECTORS if is_small(case) else KernelId.DEPTHWISE_CONV_2D
    # Lowering turns an image of one row on its side, and its window with it.
    assert program.steps[0].kernel is wanted or case.h == 1


def test_some_of_each_kind_are_chosen() -> None:
    """The tests above would hold for kernels that nothing chooses."""
    assert sum(map(is_whole, walked(CONVOLUTIONS))) > len(CONVOLUTIONS)
    assert sum(map(is_small, walked(DEPTHWISE[:10]))) > len(DEPTHWISE)


@pytest.mark.parametrize("quantisation", QUANTISATIONS, ids=repr)
def test_quantisations(runner: HostRunner, quantisation: dict[str, Any]) -> None:
    for shape in (CONVOLUTIONS[5], CONVOLUTIONS[6]):
        assert_conforms(runner, conv2d(replace(shape, **quantisation)), isa=ISA)
    for shape in (DEPTHWISE[5], DEPTHWISE[10]):
        assert_conforms(runner, depthwise(replace(shape, **quantisation)), isa=ISA)


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 16, 17])
def test_depthwise_of_one_channel_is_a_convolution(runner: HostRunner, channels: int) -> None:
    case = Case(9, 7, 1, channels, kernel=(5, 4), stride=(2, 2))
    program = assert_conforms(runner, depthwise(case), isa=ISA)
    assert (program.steps[0].kernel is KernelId.CONV_VECTORS) == (channels > 1)


@pytest.mark.parametrize(
    ("case", "kernel"),
    [
        (Case(5, 6, 6, 12, groups=2), KernelId.CONV_2D),
        (Case(4, 4, 5, 1, kernel=(1, 1)), KernelId.CONV_2D),
        (Case(9, 9, 4, 4, dilation=(1, 2)), KernelId.CONV_2D),
    ],
)
def test_what_stays_with_the_generic_convolution(
    runner: HostRunner, case: Case, kernel: KernelId
) -> None:
    assert kernel_of(conv2d(case)) is kernel
    assert_conforms(runner, conv2d(case), isa=ISA)


LIMITS = {name: limit for name, limit in pairs.LIMITS.items() if not limit.second}


@pytest.mark.parametrize("name", LIMITS)
def test_both_sides_of_a_limit(runner: HostRunner, name: str) -> None:
    """Two channels, the second of which is at the limit."""
    limit = replace(LIMITS[name], second=True)
    inside, outside = limit.models()
    assert kernel_of(inside) is KernelId.CONV_VECTORS
    assert kernel_of(outside) is KernelId.CONV_2D
    for model in (inside, outside):
        assert_conforms(runner, model, inputs=pairs.extremes(limit.taps), isa=ISA)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        # The factor is 2^-1 - 2^-24, and 2^-1: an exponent of 1, and of 0.
        (one_scale(0.5 - 2.0**-25, bias_limit=50), one_scale(0.5, bias_limit=50)),
        # 255 * 2^(exponent - 1) is an int32 beside the greatest sum, or not.
        (
            one_scale(2.0**-24, zero_points=(3, 127), bias_limit=2**28),
            one_scale(2.0**-25, zero_points=(3, 127), bias_limit=2**30 - 2**20),
        ),
    ],
)
def test_both_sides_of_a_scale_limit(runner: HostRunner, inside: Case, outside: Case) -> None:
    assert kernel_of(depthwise(inside)) is KernelId.DEPTHWISE_VECTORS
    assert kernel_of(depthwise(outside)) is KernelId.DEPTHWISE_CONV_2D
    for case in (inside, outside):
        assert_conforms(runner, depthwise(case), isa=ISA)


@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize(("factor", "bias"), pairs.TIES)
def test_ties_go_away_from_zero(
    runner: HostRunner, factor: float, bias: int, activation: str
) -> None:
    for zero_point in (-128, -5, 100):
        model = pairs.layer(
            [[1], [-1], [2], [-3], [1]],
            [bias, -bias, bias + 1, 2 * bias, bias - 1],
            factor,
            zero_point=zero_point,
            activation=activation,
        )
        program = assert_conforms(runner, model, inputs=pairs.extremes(1), isa=ISA)
        (step,) = program.steps
        assert isinstance(step.params, ConvVectorsParams)
        assert step.params.negatives == (step.params.act_min < zero_point)


def test_weights_of_minus_128(runner: HostRunner) -> None:
    """No product or sum of them is too large for a vector."""
    model = pairs.layer([[-128] * 70, [-128] * 70, [127] * 70], [0, 1, -1], 2.0**-14)
    assert kernel_of(model) is KernelId.CONV_VECTORS
    assert_conforms(runner, model, inputs=pairs.extremes(70), isa=ISA)


def test_rows_at_once() -> None:
    """Two where a vector has two rows of windows, unless a row is set aside; short rows are."""

    def params(case: Case) -> DepthwiseVectorsParams:
        (step,) = by_vectors(depthwise(case)).steps
        assert isinstance(step.params, DepthwiseVectorsParams)
        return step.params

    short, long = params(Case(4, 64, 8, 8)), params(Case(4, 65, 8, 8))
    assert (short.sets_aside, short.rows_at_once) == (1, 1)
    assert (long.sets_aside, long.rows_at_once) == (0, 2)
    by_stride_two = params(Case(4, 4, 8, 8, stride=(2, 2)))
    assert (by_stride_two.sets_aside, by_stride_two.rows_at_once) == (0, 1)


@pytest.mark.parametrize(
    "model",
    [conv2d(CONVOLUTIONS[7]), depthwise(DEPTHWISE[5]), depthwise(DEPTHWISE[10])],
    ids=["conv", "depthwise", "by stride 2"],
)
def test_less_scratch_is_refused(runner: HostRunner, model: bytes) -> None:
    program = by_vectors(model)
    inputs = [np.zeros(program.values[program.inputs[0].value].size_bytes, np.int8)]
    table = pairs.with_exact_scratch(program)
    assert runner.run_table(table, [inputs[0].tobytes()], 1).status == ES_OK
    (step,) = program.steps
    short = replace(program, steps=(replace(step, scratch_bytes=step.scratch_bytes - 1),))
    assert runner.run_table(pairs.with_exact_scratch(short), [], 1).status == ES_OUT_OF_BOUNDS

"""DEPTHWISE_CONV_2D by pairs of rows against LiteRT's reference, and the bounds of its proofs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgeserve.kernels.record import KernelId
from edgeserve.kernels.tuned import DepthwisePairsParams
from edgeserve.lower import lower
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.kernels.test_convolution import QUANTISATIONS, WALKS, Case, depthwise

ISA = ("dsp",)
RELU = KernelId.DEPTHWISE_RELU

SHAPES = [
    Case(1, 1, 4, 4),
    Case(2, 3, 5, 5),
    Case(5, 1, 6, 6),
    Case(1, 9, 7, 7),
    Case(7, 6, 8, 8),
    Case(6, 7, 17, 17),
    Case(8, 5, 9, 9, kernel=(5, 5)),
    Case(9, 4, 6, 6, kernel=(4, 2)),
    Case(5, 7, 4, 4, kernel=(1, 5)),
    Case(7, 5, 5, 5, kernel=(7, 1)),
    Case(3, 3, 4, 4, kernel=(6, 7)),
]


def walked() -> list[Case]:
    cases = [replace(shape, **walk) for shape in SHAPES for walk in WALKS]
    return [case for case in cases if min(case.output) >= 1]


def kernel_of(model: bytes) -> KernelId:
    (step,) = tuned(lower(read_model(model, name="case")), ISA).steps
    return step.kernel


@pytest.mark.parametrize("case", walked(), ids=repr)
def test_walks(runner: HostRunner, case: Case) -> None:
    program = assert_conforms(runner, depthwise(case), runs=1, isa=ISA)
    assert program.steps[0].kernel is KernelId.DEPTHWISE_PAIRS
    case = replace(case, activation="RELU", zero_points=(3, -128))
    program = assert_conforms(runner, depthwise(case), runs=1, isa=ISA)
    is_small = case.kernel == (3, 3) and case.dilation[1] == 1 and case.stride[1] <= 2
    assert program.steps[0].kernel is (RELU if is_small else KernelId.DEPTHWISE_PAIRS)


@pytest.mark.parametrize("quantisation", QUANTISATIONS, ids=repr)
@pytest.mark.parametrize("shape", [SHAPES[4], SHAPES[6]], ids=["3x3", "5x5"])
def test_quantisations(runner: HostRunner, shape: Case, quantisation: dict[str, Any]) -> None:
    assert_conforms(runner, depthwise(replace(shape, **quantisation)), isa=ISA)


@pytest.mark.parametrize("case", [Case(4, 4, 3, 3), Case(4, 4, 4, 8)], ids=repr)
def test_what_stays_with_the_generic_kernel(case: Case) -> None:
    assert kernel_of(depthwise(case)) is KernelId.DEPTHWISE_CONV_2D


def one_scale(weight_scale: float, **changes: Any) -> Case:
    return Case(
        3, 4, 4, 4, per_channel=False, in_scale=1.0, weight_scale=weight_scale, out_scale=1.0,
        **changes,
    )  # fmt: skip


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
    assert kernel_of(depthwise(inside)) is KernelId.DEPTHWISE_PAIRS
    assert kernel_of(depthwise(outside)) is KernelId.DEPTHWISE_CONV_2D
    for case in (inside, outside):
        assert_conforms(runner, depthwise(case), isa=ISA)


def test_negatives_are_looked_after_unless_the_clamp_hides_them() -> None:
    def negatives(case: Case) -> int:
        (step,) = tuned(lower(read_model(depthwise(case), name="case")), ISA).steps
        assert isinstance(step.params, DepthwisePairsParams)
        return step.params.negatives

    assert negatives(Case(4, 4, 4, 4)) == 1
    assert negatives(Case(4, 4, 4, 4, activation="RELU")) == 0
    assert negatives(Case(4, 4, 4, 4, zero_points=(3, -128))) == 0

"""CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV against LiteRT's reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from edgeserve.errors import UnsupportedOp
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder


@dataclass(frozen=True)
class Case:
    """One convolution: input [1, h, w, c] and how its window walks."""

    h: int
    w: int
    c: int
    out_c: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str = "SAME"
    groups: int = 1
    activation: str = "NONE"
    per_channel: bool = True
    zero_points: tuple[int, int] = (3, -5)
    in_scale: float = 0.05
    weight_scale: float = 0.02
    out_scale: float = 0.3
    bias_limit: int = 5000
    least_weight: int = -128

    @property
    def output(self) -> tuple[int, int]:
        sizes = []
        for extent, k, s, d in zip(
            (self.h, self.w), self.kernel, self.stride, self.dilation, strict=True
        ):
            room = extent if self.padding == "SAME" else extent - (k - 1) * d
            sizes.append(-(-room // s))
        return sizes[0], sizes[1]

    @property
    def options(self) -> dict[str, Any]:
        return {
            "padding": self.padding,
            "strideH": self.stride[0],
            "strideW": self.stride[1],
            "fusedActivationFunction": self.activation,
        }


DILATION = ("dilationHFactor", "dilationWFactor")


def scales(case: Case, rng: np.random.Generator) -> list[float]:
    if not case.per_channel:
        return [case.weight_scale]
    return [float(s) for s in (rng.uniform(0.1, 1.0, case.out_c) * case.weight_scale)]


def add_layer(
    b: ModelBuilder,
    case: Case,
    kind: str,
    weight_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    options: Mapping[str, Any],
    *,
    bias: bool = True,
    output_shape_input: bool = False,
) -> tuple[int, int]:
    """Adds the operator with its tensors; returns its input and its output."""
    rng = np.random.default_rng(case.h * 1000 + case.out_c)
    channel_scales = scales(case, rng)
    axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
    x = b.tensor(
        "x",
        (1, case.h, case.w, case.c),
        "int8",
        scale=case.in_scale,
        zero_point=case.zero_points[0],
    )
    w = b.tensor(
        "w",
        weight_shape,
        "int8",
        scale=channel_scales,
        axis=axis if case.per_channel else 0,
        data=rng.integers(case.least_weight, 128, weight_shape, dtype=np.int8),
    )
    inputs = [x, w]
    if output_shape_input:
        inputs = [b.tensor("shape", (4,), "int32", data=np.array(output_shape, np.int32)), w, x]
    if bias:
        limit = case.bias_limit
        inputs.append(
            b.tensor(
                "bias",
                (case.out_c,),
                "int32",
                scale=[s * case.in_scale for s in channel_scales],
                data=rng.integers(-limit, limit, case.out_c, dtype=np.int32),
            )
        )
    y = b.tensor("y", output_shape, "int8", scale=case.out_scale, zero_point=case.zero_points[1])
    b.op(kind, inputs, [y], options, version=3)
    return x, y


def conv2d(case: Case, *, bias: bool = True) -> bytes:
    b = ModelBuilder()
    options = {**case.options, **dict(zip(DILATION, case.dilation, strict=True))}
    x, y = add_layer(
        b,
        case,
        "CONV_2D",
        (case.out_c, *case.kernel, case.c // case.groups),
        (1, *case.output, case.out_c),
        options,
        bias=bias,
    )
    return b.finish([x], [y])


def depthwise(case: Case, *, bias: bool = True) -> bytes:
    b = ModelBuilder()
    options = {
        **case.options,
        **dict(zip(DILATION, case.dilation, strict=True)),
        "depthMultiplier": case.out_c // case.c,
    }
    x, y = add_layer(
        b,
        case,
        "DEPTHWISE_CONV_2D",
        (1, *case.kernel, case.out_c),
        (1, *case.output, case.out_c),
        options,
        bias=bias,
    )
    return b.finish([x], [y])


def transpose_conv(case: Case, *, bias: bool = True, longer: int = 0) -> bytes:
    """``longer``: how much the output exceeds the least that belongs to the input."""
    b = ModelBuilder()
    output = []
    for extent, k, s in zip((case.h, case.w), case.kernel, case.stride, strict=True):
        least = (extent - 1) * s + (1 if case.padding == "SAME" else k)
        output.append(least + min(longer, s - 1))
    x, y = add_layer(
        b,
        case,
        "TRANSPOSE_CONV",
        (case.out_c, *case.kernel, case.c),
        (1, *output, case.out_c),
        case.options,
        bias=bias,
        output_shape_input=True,
    )
    return b.finish([x], [y])


SHAPES = [
    Case(1, 1, 1, 1, kernel=(1, 1)),
    Case(1, 1, 3, 5, kernel=(3, 3)),
    Case(4, 4, 8, 8, kernel=(1, 1)),
    Case(5, 7, 3, 6, kernel=(3, 3)),
    Case(6, 5, 4, 7, kernel=(5, 3)),
    Case(9, 4, 1, 8, kernel=(10, 4)),
    Case(1, 12, 2, 4, kernel=(1, 5)),
    Case(12, 1, 2, 9, kernel=(4, 1)),
    Case(3, 3, 2, 4, kernel=(7, 7)),
    Case(2, 9, 16, 3, kernel=(2, 2)),
]
WALKS: list[dict[str, Any]] = [
    {},
    {"padding": "VALID"},
    {"stride": (2, 2)},
    {"stride": (2, 1), "padding": "VALID"},
    {"stride": (3, 2)},
    {"dilation": (2, 2)},
    {"dilation": (1, 3)},
    {"dilation": (3, 1), "padding": "VALID"},
    {"stride": (4, 5)},
]
QUANTISATIONS: list[dict[str, Any]] = [
    {"per_channel": False},
    {"zero_points": (-128, -128), "activation": "RELU"},
    {"zero_points": (127, 127), "activation": "RELU6"},
    {"zero_points": (0, 0), "activation": "RELU_N1_TO_1", "out_scale": 0.02},
    {"out_scale": 1e-4},
    {"out_scale": 1e-6},
    {"in_scale": 30.0, "weight_scale": 20.0, "out_scale": 1e-5},
    {"out_scale": 1e3},
    {"out_scale": 1e9},
    {"weight_scale": 1e-10},
    {"in_scale": 1.0, "weight_scale": 1.0, "out_scale": 1.0, "per_channel": False},
    {"in_scale": 1.0, "weight_scale": 1.0, "out_scale": 2.0, "per_channel": False},
    {"in_scale": 1.0, "weight_scale": 0.5, "out_scale": 64.0, "per_channel": False},
    {"bias_limit": 2**31 - 1},
    {"bias_limit": 2**31 - 1, "out_scale": 1e6},
    {"bias_limit": 2**30, "weight_scale": 1.0, "in_scale": 1.0, "out_scale": 2.0**24},
]


def walked() -> list[Case]:
    cases = [replace(shape, **walk) for shape in SHAPES for walk in WALKS]
    return [case for case in cases if min(case.output) >= 1]


@pytest.mark.parametrize("case", walked(), ids=repr)
def test_conv2d_walks(runner: HostRunner, case: Case) -> None:
    assert_conforms(runner, conv2d(case), runs=1)


@pytest.mark.parametrize("quantisation", QUANTISATIONS, ids=repr)
@pytest.mark.parametrize("shape", [SHAPES[3], SHAPES[5]], ids=["3x3", "10x4"])
def test_conv2d_quantisations(
    runner: HostRunner, shape: Case, quantisation: dict[str, Any]
) -> None:
    assert_conforms(runner, conv2d(replace(shape, **quantisation)))


@pytest.mark.parametrize("walk", WALKS, ids=repr)
@pytest.mark.parametrize(("c", "out_c", "groups"), [(4, 4, 4), (6, 12, 2), (6, 15, 3), (8, 8, 2)])
def test_conv2d_groups(
    runner: HostRunner, c: int, out_c: int, groups: int, walk: dict[str, Any]
) -> None:
    assert_conforms(runner, conv2d(Case(7, 8, c, out_c, groups=groups, **walk)), runs=1)


def depthwise_cases() -> list[Case]:
    cases = []
    for case in walked():
        for multiplier in (1, 2, 5) if case.c < 8 else (1,):
            cases.append(replace(case, out_c=case.c * multiplier))
    return cases


@pytest.mark.parametrize("case", depthwise_cases(), ids=repr)
def test_depthwise_walks(runner: HostRunner, case: Case) -> None:
    assert_conforms(runner, depthwise(case), runs=1)


@pytest.mark.parametrize("quantisation", QUANTISATIONS, ids=repr)
@pytest.mark.parametrize(("c", "out_c"), [(6, 6), (1, 8), (3, 12)])
def test_depthwise_quantisations(
    runner: HostRunner, c: int, out_c: int, quantisation: dict[str, Any]
) -> None:
    assert_conforms(runner, depthwise(Case(5, 6, c, out_c, **quantisation)))


@pytest.mark.parametrize("multiplier", [1, 8])
def test_a_single_channel_makes_it_a_convolution(runner: HostRunner, multiplier: int) -> None:
    program = assert_conforms(runner, depthwise(Case(9, 6, 1, multiplier, kernel=(5, 4))))
    assert program.steps[0].kernel is KernelId.CONV_2D


def test_depthwise_without_bias(runner: HostRunner) -> None:
    assert_conforms(runner, depthwise(Case(5, 6, 4, 4), bias=False))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("longer", [0, 1, 9])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 1), (2, 5)])
@pytest.mark.parametrize(
    "shape",
    [SHAPES[0], SHAPES[3], SHAPES[4], Case(1, 5, 2, 4, kernel=(2, 2)), Case(3, 2, 1, 3, (4, 6))],
    ids=repr,
)
def test_transpose_conv_walks(
    runner: HostRunner,
    shape: Case,
    stride: tuple[int, int],
    padding: str,
    longer: int,
    bias: bool,
) -> None:
    case = replace(shape, stride=stride, padding=padding)
    assert_conforms(runner, transpose_conv(case, bias=bias, longer=longer), runs=1)


@pytest.mark.parametrize("quantisation", QUANTISATIONS, ids=repr)
def test_transpose_conv_quantisations(runner: HostRunner, quantisation: dict[str, Any]) -> None:
    case = Case(4, 3, 3, 6, stride=(2, 2), **quantisation)
    assert_conforms(runner, transpose_conv(case, longer=1))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (conv2d(Case(4, 4, 2, 3), bias=False), "no bias"),
        (conv2d(Case(4, 4, 2, 3, out_scale=1e-13)), "beyond fixed point"),
        (conv2d(Case(4, 4, 2, 3, out_scale=1e-9, activation="RELU6")), "too small for RELU6"),
        (conv2d(Case(4, 4, 2, 3, activation="TANH")), "TANH"),
        (conv2d(Case(4, 4, 2, 3, stride=(70000, 1))), "range"),
        (conv2d(Case(4, 4, 2, 3, dilation=(70000, 1))), "range"),
        (depthwise(replace(Case(4, 4, 2, 3), padding="SAME", out_c=3)), "multiple of 2"),
    ],
)
def test_refused(model: bytes, why: str) -> None:
    with pytest.raises(UnsupportedOp, match=why):
        lower(read_model(model, name="case"))

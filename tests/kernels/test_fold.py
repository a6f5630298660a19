"""Padding and clamps that need no step of their own: same bytes, fewer steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeserve.kernels.record import KernelId
from edgeserve.program import Program
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder

ZERO_POINT = -7
PADDINGS = [[0, 0], [1, 2], [3, 1], [0, 0]]


class PaddedModel(ModelBuilder):
    """x [1, 5, 6, 4], padded by PADDINGS, then whatever a test adds."""

    def __init__(self, *, paddings: Any = None, value: int | None = None, scale: float = 0.1):
        super().__init__()
        pairs = np.array(PADDINGS if paddings is None else paddings, np.int32)
        shape = tuple(int(n) for n in np.array([1, 5, 6, 4]) + pairs.sum(axis=1))
        self.x = self.tensor("x", (1, 5, 6, 4), "int8", scale=0.1, zero_point=ZERO_POINT)
        self.padded = self.tensor("padded", shape, "int8", scale=scale, zero_point=ZERO_POINT)
        self.shape = shape
        inputs = [self.x, self.tensor("pairs", (4, 2), "int32", data=pairs)]
        if value is None:
            self.op("PAD", inputs, [self.padded])
        else:
            data = np.array([value], np.int8)
            inputs.append(
                self.tensor("value", (1,), "int8", scale=0.1, zero_point=ZERO_POINT, data=data)
            )
            self.op("PADV2", inputs, [self.padded])

    def convolution(
        self, kind: str, name: str, *, stride: int = 1, dilation: int = 1, padding: str = "VALID"
    ) -> int:
        """A 3x3 convolution of what is padded."""
        c = self.shape[3]
        deep = kind == "DEPTHWISE_CONV_2D"
        rng = np.random.default_rng(3)
        weights = rng.integers(-127, 128, (1, 3, 3, c) if deep else (5, 3, 3, c), dtype=np.int8)
        out_c = c if deep else 5
        w = self.tensor(name + "w", weights.shape, "int8", scale=0.02, data=weights)
        bias = self.tensor(
            name + "b", (out_c,), "int32", scale=0.002, data=np.arange(out_c, dtype=np.int32) * 100
        )
        reach = 1 if padding == "SAME" else 2 * dilation + 1
        h, w_ = (-(-(n - reach + 1) // stride) for n in self.shape[1:3])
        y = self.tensor(name, (1, h, w_, out_c), "int8", scale=0.3, zero_point=4)
        options: dict[str, Any] = {
            "padding": padding,
            "strideH": stride,
            "strideW": stride,
            "dilationHFactor": dilation,
            "dilationWFactor": dilation,
        }
        if deep:
            options["depthMultiplier"] = 1
        self.op(kind, [self.padded, w, bias], [y], options, version=3)
        return y


def kernels(program: Program) -> list[KernelId]:
    return [step.kernel for step in program.steps]


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize(
    "walk", [{}, {"stride": 2}, {"dilation": 2}, {"padding": "SAME"}, {"stride": 3}], ids=repr
)
@pytest.mark.parametrize("value", [None, ZERO_POINT])
def test_padding_is_folded(
    runner: HostRunner, kind: str, walk: dict[str, Any], value: int | None
) -> None:
    b = PaddedModel(value=value)
    y = b.convolution(kind, "y", **walk)
    program = assert_conforms(runner, b.finish([b.x], [y]))
    assert len(program.steps) == 1
    assert [(f.tensor, f.step) for f in program.folded] == [(b.padded, 0)]


def test_padding_is_folded_into_all_its_readers(runner: HostRunner) -> None:
    b = PaddedModel()
    outputs = [b.convolution("CONV_2D", "y1"), b.convolution("DEPTHWISE_CONV_2D", "y2", stride=2)]
    program = assert_conforms(runner, b.finish([b.x], outputs))
    assert kernels(program) == [KernelId.CONV_2D, KernelId.DEPTHWISE_CONV_2D]
    assert [(f.tensor, f.step) for f in program.folded] == [(b.padded, 0)]


@pytest.mark.parametrize(
    "model",
    [{"value": 5}, {"paddings": [[0, 0], [1, 1], [1, 1], [0, 2]]}],
    ids=["another value", "channels"],
)
def test_padding_that_means_something_else_keeps_its_step(
    runner: HostRunner, model: dict[str, Any]
) -> None:
    b = PaddedModel(**model)
    y = b.convolution("CONV_2D", "y")
    program = assert_conforms(runner, b.finish([b.x], [y]))
    assert kernels(program) == [KernelId.PAD, KernelId.CONV_2D]
    assert program.folded == ()


def test_padding_that_others_read_keeps_its_step(runner: HostRunner) -> None:
    b = PaddedModel()
    y = b.convolution("CONV_2D", "y")
    z = b.tensor("z", b.shape, "int8", scale=0.1, zero_point=ZERO_POINT)
    b.op("RELU", [b.padded], [z])
    program = assert_conforms(runner, b.finish([b.x], [y, z]))
    assert KernelId.PAD in kernels(program)


def test_padding_that_is_an_output_keeps_its_step(runner: HostRunner) -> None:
    b = PaddedModel()
    y = b.convolution("CONV_2D", "y")
    program = assert_conforms(runner, b.finish([b.x], [y, b.padded]))
    assert kernels(program) == [KernelId.PAD, KernelId.CONV_2D]


@pytest.mark.parametrize("activation", ["RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize("reshaped", [False, True])
def test_clamp_is_folded(runner: HostRunner, activation: str, reshaped: bool) -> None:
    b = PaddedModel()
    y = b.convolution("CONV_2D", "y")
    shape: tuple[int, ...] = (1, 6, 8, 5)
    source = y
    if reshaped:
        shape = (48, 5)
        source = b.tensor("r", shape, "int8", scale=0.3, zero_point=4)
        pairs = b.tensor("to", (2,), "int32", data=np.array(shape, np.int32))
        b.op("RESHAPE", [y, pairs], [source])
    z = b.tensor("z", shape, "int8", scale=0.3, zero_point=4)
    b.op(activation, [source], [z])
    program = assert_conforms(runner, b.finish([b.x], [z]))
    assert kernels(program) == [KernelId.CONV_2D]
    (step,) = program.steps
    assert step.oracle is not None
    assert step.oracle.tensor == z
    covered = {f.tensor: f.step for f in program.folded}
    assert covered == dict.fromkeys([b.padded, y, source] if reshaped else [b.padded, y], 0)
    assert [value.name for value in program.values] == ["x", "z"]


def test_a_row_of_clamps_is_folded(runner: HostRunner) -> None:
    b = PaddedModel()
    y = b.convolution("DEPTHWISE_CONV_2D", "y")
    for number, activation in enumerate(["RELU6", "RELU", "RELU_N1_TO_1"]):
        z = b.tensor(f"z{number}", (1, 6, 8, 4), "int8", scale=0.3, zero_point=4)
        b.op(activation, [y], [z])
        y = z
    program = assert_conforms(runner, b.finish([b.x], [y]))
    assert kernels(program) == [KernelId.DEPTHWISE_CONV_2D]


@pytest.mark.parametrize("case", ["scale", "read twice", "output", "input"])
def test_clamp_that_cannot_be_folded_keeps_its_step(runner: HostRunner, case: str) -> None:
    b = PaddedModel()
    y = b.x if case == "input" else b.convolution("CONV_2D", "y")
    shape = (1, 5, 6, 4) if case == "input" else (1, 6, 8, 5)
    scale, zero_point = (0.1, ZERO_POINT) if case == "input" else (0.3, 4)
    z = b.tensor("z", shape, "int8", scale=0.2 if case == "scale" else scale, zero_point=zero_point)
    b.op("RELU", [y], [z])
    outputs = [z]
    if case == "read twice":
        outputs.append(b.tensor("n", shape, "int8", scale=0.3, zero_point=4))
        b.op("RELU6", [y], [outputs[1]])
    if case == "output":
        outputs.append(y)
    if case == "input":
        outputs.append(b.convolution("CONV_2D", "y"))
    program = assert_conforms(runner, b.finish([b.x], outputs))
    assert KernelId.LOOK_UP in kernels(program)

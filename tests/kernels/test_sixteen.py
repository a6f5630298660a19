"""int16 activations with int8 weights against LiteRT's reference, byte for byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeserve.errors import UnsupportedOp
from edgeserve.graph import DType
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.lower.requant import requant
from edgeserve.program import Program
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import Array, assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.kernels.streamed import in_one_group
from tests.kernels.wide_models import Shape, of_both_widths, one, quantize, windows
from tests.tflite_builder import ModelBuilder

EVERY: Array = np.arange(-32768, 32768, dtype=np.int16).reshape(256, 256)


def by_row(program: Program) -> Any:
    return in_one_group(program, 1)


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("seed", range(12))
def test_random_convolutions(runner: HostRunner, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = int(rng.integers(1, 6))
    kernel = (int(rng.integers(1, 5)), int(rng.integers(1, 4)))
    stride = int(rng.integers(1, 4))
    dilation = 2 if stride == 1 and kernel[0] < 4 and seed % 3 == 0 else 1
    model = windows(
        kind,
        rng,
        (int(rng.integers(6, 11)), int(rng.integers(6, 11)), c),
        kernel,
        out_c=c * int(rng.integers(1, 4)),
        stride=stride,
        dilation=dilation,
        padding=("SAME", "VALID")[seed % 2],
        activation=("NONE", "RELU", "RELU6")[seed % 3],
        out_scale=(0.02, 0.1, 0.002)[seed % 3],
    )
    assert_conforms(runner, model)
    assert_conforms(runner, model, plan=by_row, runs=1)


def test_a_convolution_in_groups(runner: HostRunner) -> None:
    rng = np.random.default_rng(3)
    b = ModelBuilder()
    x = b.tensor("x", (1, 5, 4, 6), "int16", scale=0.001)
    shape = (4, 3, 3, 3)
    scales = [0.01] * 4
    w = b.tensor("w", shape, "int8", scale=scales, axis=0, data=rng.integers(-127, 128, shape))
    bias = b.tensor("b", (4,), "int64", scale=[1e-5] * 4, data=rng.integers(-999, 999, 4))
    y = b.tensor("y", (1, 5, 4, 4), "int16", scale=0.01)
    b.op("CONV_2D", [x, w, bias], [y], {"padding": "SAME", "strideH": 1, "strideW": 1})
    assert_conforms(runner, b.finish([x], [y]))


def dense(biases: Any, scales: Any, rows: int, depth: int, out_scale: float) -> bytes:
    """A FULLY_CONNECTED with random weights; one scale a channel, or one for all."""
    rng = np.random.default_rng(depth)
    b = ModelBuilder()
    count = len(biases)
    x = b.tensor("x", (rows, depth), "int16", scale=0.0005)
    data = rng.integers(-127, 128, (count, depth))
    w = b.tensor("w", (count, depth), "int8", scale=scales.tolist(), data=data)
    bias = b.tensor("b", (count,), "int64", scale=(scales * 0.0005).tolist(), data=biases)
    y = b.tensor("y", (rows, count), "int16", scale=out_scale)
    b.op("FULLY_CONNECTED", [x, w, bias], [y], {})
    return b.finish([x], [y])


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("depth", [1, 7, 64, 700])
@pytest.mark.parametrize("per_channel", [False, True])
def test_fully_connected(runner: HostRunner, rows: int, depth: int, per_channel: bool) -> None:
    rng = np.random.default_rng(depth)
    scales = rng.uniform(0.001, 0.01, 90 if per_channel else 1)
    biases = rng.integers(-(1 << 20), 1 << 20, 90)
    assert_conforms(runner, dense(biases, scales, rows, depth, 0.003 * depth**0.5))


def test_ties_of_fully_connected_go_away_from_zero(runner: HostRunner) -> None:
    biases = np.arange(-40, 41)
    model = dense(biases, np.array([0.004]), 1, 1, 0.0005 * 0.004 * 8)
    assert_conforms(runner, model, inputs=[[np.zeros((1, 1), np.int16)]])


def test_fully_connected_scales_by_a_double(runner: HostRunner) -> None:
    """Sums that the double and its Q31 round apart: one in some hundred thousand."""
    scale, out_scale = 0.0071, 0.007
    exact = float(np.float32(0.0005)) * float(np.float32(scale)) / float(np.float32(out_scale))
    q31 = requant(exact)
    near = q31.multiplier * 2.0 ** (q31.shift - 31)
    sums = np.random.default_rng(1).integers(-int(3e4 / exact), int(3e4 / exact), 1_000_000)
    apart = sums[np.floor(np.abs(sums) * exact + 0.5) != np.floor(np.abs(sums) * near + 0.5)]
    assert len(apart) >= 3
    model = dense(apart, np.array([scale]), 1, 1, out_scale)
    assert_conforms(runner, model, inputs=[[np.zeros((1, 1), np.int16)]])


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("activation", ["NONE", "RELU6"])
def test_pools(runner: HostRunner, kind: str, padding: str, activation: str) -> None:
    options = {
        "padding": padding,
        "strideH": 2,
        "strideW": 1,
        "filterHeight": 3,
        "filterWidth": 2,
        "fusedActivationFunction": activation,
    }
    out = (1, 4, 6, 3) if padding == "SAME" else (1, 3, 5, 3)
    model = one(kind, (1, 7, 6, 3), out, options, out_scale=0.001)
    assert_conforms(runner, model)
    assert_conforms(runner, model, plan=by_row)


@pytest.mark.parametrize("axes", [(1, 2), (3,), (2,), (1, 2, 3)])
@pytest.mark.parametrize("out_scale", [0.001, 0.0004])
def test_mean(runner: HostRunner, axes: tuple[int, ...], out_scale: float) -> None:
    shape = (1, 7, 5, 6)
    out = tuple(1 if i in axes else e for i, e in enumerate(shape))
    model = one("MEAN", shape, out, {"keepDims": True}, axes=axes, out_scale=out_scale)
    assert_conforms(runner, model)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("second", [(1, 4, 3, 5), (1, 1, 1, 5), (1, 4, 3, 1), (1, 1, 3, 1), (5,)])
@pytest.mark.parametrize("scales", [(0.001, 0.001), (0.001, 0.00003), (0.0001, 0.003)])
def test_two_inputs(
    runner: HostRunner, kind: str, second: Shape, scales: tuple[float, float]
) -> None:
    scale, second_scale = scales
    out_scale = scale * second_scale * 40000 if kind == "MUL" else max(scales) * 1.7
    options: dict[str, Any] = {"fusedActivationFunction": "RELU6" if second == (5,) else "NONE"}
    if kind != "MUL":
        options["potScaleInt16"] = False
    model = one(
        kind,
        (1, 4, 3, 5),
        None,
        options,
        scale=scale,
        second=(second, second_scale),
        out_scale=out_scale,
    )
    assert_conforms(runner, model)
    assert_conforms(runner, model, plan=by_row, runs=1)


@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH"])
@pytest.mark.parametrize("scale", [2**-12, 2**-11, 2**-13, 2**-8, 3e-4, 1e-3, 0.00001, 0.7])
def test_every_element_of_sigmoids(runner: HostRunner, kind: str, scale: float) -> None:
    model = one(kind, EVERY.shape, scale=scale, out_scale=1 / 32768)
    assert_conforms(runner, model, inputs=[[EVERY]])


@pytest.mark.parametrize("kind", ["RELU", "RELU6"])
@pytest.mark.parametrize("out_scale", [0.001, 0.0007, 0.01])
def test_every_element_of_relus(runner: HostRunner, kind: str, out_scale: float) -> None:
    assert_conforms(runner, one(kind, EVERY.shape, out_scale=out_scale), inputs=[[EVERY]])


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.3, 1.5])
@pytest.mark.parametrize("out_scale", [0.001, 0.0007])
def test_leaky_relu(runner: HostRunner, alpha: float, out_scale: float) -> None:
    model = one("LEAKY_RELU", EVERY.shape, None, {"alpha": alpha}, out_scale=out_scale)
    assert_conforms(runner, model, inputs=[[EVERY]])


@pytest.mark.parametrize("shape", [(1, 2), (1, 10), (3, 12), (1, 300), (1, 4, 3, 7), (1, 3000)])
@pytest.mark.parametrize("scale", [1e-5, 1e-4, 0.003])
def test_softmax(runner: HostRunner, shape: Shape, scale: float) -> None:
    assert_conforms(
        runner, one("SOFTMAX", shape, None, {"beta": 1.0}, scale=scale, out_scale=1 / 32768)
    )


def test_every_difference_of_a_softmax(runner: HostRunner) -> None:
    pairs: Array = np.stack([np.full(65536, 32767), EVERY.reshape(-1)], 1).astype(np.int16)
    pairs = pairs[::2]
    model = one("SOFTMAX", pairs.shape, None, {"beta": 1.0}, scale=2e-4, out_scale=1 / 32768)
    assert_conforms(runner, model, inputs=[[pairs]])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("int8", "int16"),
        ("int16", "int8"),
        ("int16", "int16"),
        ("float32", "int16"),
        ("int16", "float32"),
    ],
)
@pytest.mark.parametrize("scales", [(0.01, 0.0001), (0.0001, 0.01), (0.003, 0.003)])
def test_conversions(
    runner: HostRunner, source: str, target: str, scales: tuple[float, float]
) -> None:
    points = (-7 if source == "int8" else 0, 5 if target == "int8" else 0)
    model = quantize(source, target, scales, points)
    assert_conforms(runner, model)
    assert_conforms(runner, model, plan=by_row, runs=1)


def test_moves(runner: HostRunner) -> None:
    """PAD, CONCATENATION, RESHAPE and SLICE move int16 as they do int8."""
    b = ModelBuilder()
    x = b.tensor("x", (1, 3, 4, 2), "int16", scale=0.01)
    pads = b.tensor("pads", (4, 2), "int32", data=[[0, 0], [1, 0], [0, 2], [0, 0]])
    padded = b.tensor("padded", (1, 4, 6, 2), "int16", scale=0.01)
    joined = b.tensor("joined", (1, 4, 6, 4), "int16", scale=0.01)
    shape = b.tensor("shape", (2,), "int32", data=[1, 96])
    flat = b.tensor("flat", (1, 96), "int16", scale=0.01)
    b.op("PAD", [x, pads], [padded])
    b.op("CONCATENATION", [padded, padded], [joined], {"axis": 3})
    b.op("RESHAPE", [joined, shape], [flat], {"newShape": [1, 96]})
    assert_conforms(runner, b.finish([x], [flat]))


def test_layers_of_both_widths(runner: HostRunner) -> None:
    program = assert_conforms(runner, of_both_widths())
    kernels = [step.kernel for step in program.steps]
    assert kernels == [KernelId.RESCALE_16, KernelId.FULLY_CONNECTED_16, KernelId.RESCALE_16]
    assert [program.values[step.output.value].dtype for step in program.steps] == [
        DType.INT16,
        DType.INT16,
        DType.INT8,
    ]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (one("LOGISTIC", (1, 4), out_scale=0.001), "not 1/32768"),
        (dense(np.array([1 << 45]), np.array([0.01]), 1, 1, 1e-5), "beyond fixed point"),
        (one("ADD", (1, 4), None, {}, second=((1, 4), 0.001)), "powers of two"),
        (one("MEAN", (1, 400, 400, 1), (1, 1), {}, axes=[1, 2]), "may overflow"),
        (one("LEAKY_RELU", (1, 4), None, {"alpha": -0.5}), "slope -0.5 is negative"),
        (one("MAXIMUM", (1, 4), second=((1, 4), 0.001)), "int16, the kernel takes int8"),
    ],
)
def test_refused(model: bytes, why: str) -> None:
    with pytest.raises(UnsupportedOp, match=why):
        lower(read_model(model, name="case"))

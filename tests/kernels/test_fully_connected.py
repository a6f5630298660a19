"""FULLY_CONNECTED against LiteRT's reference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgeserve.kernels.record import KernelId
from edgeserve.kernels.tuned import FullyConnectedPairsParams
from edgeserve.lower import lower
from edgeserve.program import Step
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder

ISA = ("dsp",)
OUT_SCALE = 2.0**-7
"""With an input scale of 1: weight scales below 2^-9 have a power of two of -2 and below."""
ROUGH = float(np.float32(0.77))
"""Of a scale: no sum falls on a half."""


def layer(
    weights: list[list[int]],
    biases: list[int],
    *,
    weight_scale: float = ROUGH * 2.0**-20,
    zero_points: tuple[int, int] = (0, 0),
    act: str = "NONE",
) -> bytes:
    """A layer whose sums are what the test says, on an input of scale 1."""
    b = ModelBuilder()
    matrix = np.array(weights, np.int8)
    out_c, depth = matrix.shape
    x = b.tensor("x", (1, depth), "int8", scale=1.0, zero_point=zero_points[0])
    w = b.tensor("w", matrix.shape, "int8", scale=weight_scale, zero_point=0, data=matrix)
    c = b.tensor("b", (out_c,), "int32", scale=weight_scale, data=np.array(biases, np.int32))
    y = b.tensor("y", (1, out_c), "int8", scale=OUT_SCALE, zero_point=zero_points[1])
    b.op("FULLY_CONNECTED", [x, w, c], [y], {"fusedActivationFunction": act})
    return b.finish([x], [y])


def extremes(depth: int) -> list[list[npt.NDArray[np.generic]]]:
    """All least, all greatest, and what lies between, by turns."""
    rng = np.random.default_rng(depth)
    rows = [np.full(depth, -128), np.full(depth, 127), np.resize([-128, 127], depth)]
    rows += [rng.integers(-128, 128, depth) for _ in range(3)]
    return [[row.astype(np.int8).reshape(1, depth)] for row in rows]


def tuned_step(data: bytes) -> Step:
    (step,) = tuned(lower(read_model(data, name="case")), ISA).steps
    return step


def model(
    rows: int, depth: int, out_c: int, *, per_channel: bool, zero_points: tuple[int, int], act: str
) -> bytes:
    rng = np.random.default_rng(depth * 1000 + out_c)
    b = ModelBuilder()
    scales = (rng.uniform(0.001, 0.02, out_c if per_channel else 1)).astype(np.float32)
    x = b.tensor("x", (rows, depth), "int8", scale=0.05, zero_point=zero_points[0])
    w = b.tensor(
        "w",
        (out_c, depth),
        "int8",
        scale=scales.tolist(),
        zero_point=[0] * len(scales),
        data=rng.integers(-128, 128, (out_c, depth), dtype=np.int8),
    )
    bias = b.tensor(
        "b",
        (out_c,),
        "int32",
        scale=(scales * np.float32(0.05)).tolist(),
        zero_point=[0] * len(scales),
        data=rng.integers(-5000, 5000, out_c, dtype=np.int32),
    )
    y = b.tensor("y", (rows, out_c), "int8", scale=0.3, zero_point=zero_points[1])
    b.op("FULLY_CONNECTED", [x, w, bias], [y], {"fusedActivationFunction": act})
    return b.finish([x], [y])


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("depth", "out_c"), [(1, 1), (4, 4), (7, 5), (64, 12), (257, 3), (132, 6)])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("zero_points", [(0, 0), (-128, 127), (5, -7)])
@pytest.mark.parametrize("act", ["NONE", "RELU", "RELU6"])
def test_equals_reference(
    runner: HostRunner,
    rows: int,
    depth: int,
    out_c: int,
    per_channel: bool,
    zero_points: tuple[int, int],
    act: str,
) -> None:
    data = model(rows, depth, out_c, per_channel=per_channel, zero_points=zero_points, act=act)
    assert_conforms(runner, data)
    assert_conforms(runner, data, isa=ISA)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("in_scale", "weight_scale", "out_scale"),
    [(0.05, 0.01, 0.1), (0.1, 0.02, 0.4), (0.02, 0.005, 0.05), (1 / 128, 0.03, 0.3)],
)
def test_scales_whose_product_rounds_in_float32(
    runner: HostRunner, in_scale: float, weight_scale: float, out_scale: float, bias: bool
) -> None:
    """Sums that fall on a half show whether the scales were multiplied as doubles."""
    rng = np.random.default_rng(1)
    b = ModelBuilder()
    x = b.tensor("x", (1, 48), "int8", scale=in_scale, zero_point=-3)
    weights = rng.integers(-127, 128, (400, 48))
    w = b.tensor("w", (400, 48), "int8", scale=weight_scale, data=weights)
    biases = rng.integers(-2000, 2000, 400)
    c = b.tensor("b", (400,), "int32", scale=in_scale * weight_scale, data=biases) if bias else None
    y = b.tensor("y", (1, 400), "int8", scale=out_scale, zero_point=4)
    b.op("FULLY_CONNECTED", [x, w, c], [y])
    assert_conforms(runner, b.finish([x], [y]), runs=10)


LIMITS = {
    # The greatest power of two with an exponent of 0, and one more.
    "power of two": (
        layer([[3], [-2], [5], [7]], [40, -7, 0, 9], weight_scale=ROUGH * 2.0**-9),
        layer([[3], [-2], [5], [7]], [40, -7, 0, 9], weight_scale=ROUGH * 2.0**-8),
    ),
    # An odd channel's exponent of 31, and of 32.
    "small power of two": (
        layer([[127], [127], [1], [-127]], [1 << 22] * 4, weight_scale=2.0**-32 * ROUGH),
        layer([[127], [127], [1], [-127]], [1 << 22] * 4, weight_scale=2.0**-33 * ROUGH),
    ),
    # w0 + 256 * w1 is the least int16, and one less.
    "pair": (
        layer([[0, 1], [-128, 2], [0, 3], [-128, 4]], [0] * 4),
        layer([[-1, 1], [-128, 2], [0, 3], [-128, 4]], [0] * 4),
    ),
    "bias": (
        layer([[1], [1], [1], [1]], [0, (1 << 23) - 1, 0, 1 - (1 << 23)]),
        layer([[1], [1], [1], [1]], [0, 1 << 23, 0, 0]),
    ),
    # Longer rows come in whole quads.
    "odd row": (layer([[1] * 127] * 4, [0] * 4), layer([[1] * 129] * 4, [0] * 4)),
    "channels": (layer([[1]] * 4, [0] * 4), layer([[1]] * 3, [0] * 3)),
}
"""What the kernel by pairs takes just yet, and what it does not."""


@pytest.mark.parametrize("limit", LIMITS)
def test_both_sides_of_what_the_pairs_ask_for(runner: HostRunner, limit: str) -> None:
    inside, outside = LIMITS[limit]
    assert tuned_step(inside).kernel is KernelId.FULLY_CONNECTED_PAIRS
    assert tuned_step(outside).kernel is KernelId.FULLY_CONNECTED
    for data in (inside, outside):
        depth = tuned_step(data).inputs[0].c
        assert_conforms(runner, data, inputs=extremes(depth), isa=ISA)


@pytest.mark.parametrize("zero_points", [(0, 0), (-60, -128), (64, 5)])
@pytest.mark.parametrize("act", ["NONE", "RELU6"])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_both_sides_of_24_bits(
    runner: HostRunner, zero_points: tuple[int, int], act: str, sign: int
) -> None:
    """520 taps of 127 by inputs of -128 leave 24 bits, 516 do not: the row comes in runs."""
    for depth, is_long in ((516, 0), (520, 1)):
        weights = [[sign * 127] * depth, [sign * 127] * depth, [-sign * 127] * depth, [1] * depth]
        data = layer(
            [*weights, [sign * 127] * depth],
            [0] * 5,
            weight_scale=2.0**-23 * ROUGH,
            zero_points=zero_points,
            act=act,
        )
        params = tuned_step(data).params
        assert isinstance(params, FullyConnectedPairsParams)
        if zero_points[0] == 0:
            assert params.is_long == is_long
        assert_conforms(runner, data, inputs=extremes(depth), isa=ISA)


@pytest.mark.parametrize("zero_point", [-128, -5, 100])
@pytest.mark.parametrize("shift", [-10, -11, -13])
def test_halves(runner: HostRunner, zero_point: int, shift: int) -> None:
    """Sums on a half, and one beside it, of both signs: the reference goes away from zero."""
    half = 1 << (-shift - 8)
    data = layer(
        [[1], [-1], [2], [-3], [1]],
        [half, -half, half + 1, 3 * half, -3 * half],
        weight_scale=2.0**shift,
        zero_points=(0, zero_point),
    )
    inputs = [[np.full((1, 1), x, np.int8)] for x in range(-128, 128)]
    assert tuned_step(data).kernel is KernelId.FULLY_CONNECTED
    assert_conforms(runner, data, inputs=inputs)


def test_layers_without_a_tie_go_by_pairs(runner: HostRunner) -> None:
    """A multiplier of 3 * 2^29 and a shift of -15: halves are the odd multiples of 2^16."""
    for bias, kernel in (
        ((1 << 16) - 129, KernelId.FULLY_CONNECTED_PAIRS),
        ((1 << 16) - 128, KernelId.FULLY_CONNECTED),
    ):
        data = layer([[1]] * 4, [bias, -bias] * 2, weight_scale=0.75 * 2.0**-22)
        assert tuned_step(data).kernel is kernel
        assert_conforms(runner, data, inputs=extremes(1), isa=ISA)

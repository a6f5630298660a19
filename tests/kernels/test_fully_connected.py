"""FULLY_CONNECTED against LiteRT's reference."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder


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
@pytest.mark.parametrize(("depth", "out_c"), [(1, 1), (4, 4), (7, 5), (64, 12), (257, 3)])
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

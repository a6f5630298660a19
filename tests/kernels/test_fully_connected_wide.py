"""FULLY_CONNECTED with wide weights against LiteRT's reference, and both sides of its proofs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from edgeserve.kernels.record import KernelId
from edgeserve.kernels.tuned import FullyConnectedWideParams
from edgeserve.lower import lower
from edgeserve.program import Step
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import Array, assert_conforms, at_any_price
from tests.kernels.host_runner import HostRunner
from tests.kernels.test_fully_connected import ROUGH, extremes, layer, model

ISA = ("dsp",)


def chosen(data: bytes) -> Step:
    (step,) = at_any_price(lower(read_model(data, name="case")), ISA).steps
    return step


def conforms(
    runner: HostRunner, data: bytes, inputs: Sequence[Sequence[Array]] | None = None
) -> None:
    assert_conforms(runner, data, inputs=inputs, isa=ISA, choose=at_any_price)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("depth", "out_c"), [(4, 4), (7, 5), (64, 12), (127, 7), (132, 6)])
@pytest.mark.parametrize("zero_points", [(0, 0), (-128, 127), (5, -7)])
@pytest.mark.parametrize("act", ["NONE", "RELU", "RELU6"])
def test_equals_reference(
    runner: HostRunner, rows: int, depth: int, out_c: int, zero_points: tuple[int, int], act: str
) -> None:
    data = model(rows, depth, out_c, per_channel=False, zero_points=zero_points, act=act)
    assert chosen(data).kernel is KernelId.FULLY_CONNECTED_WIDE
    conforms(runner, data)


def of(weights: list[list[int]], biases: list[int], **rest: Any) -> bytes:
    return layer(weights, biases, **rest)


MOST_BIAS = 2**31 - 1 - 128 * 7
LIMITS = {
    # The greatest power of two with an exponent of 1, and one more.
    "power of two": (
        of([[3], [-2], [5], [7]], [40, -7, 0, 9], weight_scale=ROUGH * 2.0**-9),
        of([[3], [-2], [5], [7]], [40, -7, 0, 9], weight_scale=ROUGH * 2.0**-8),
    ),
    # An exponent of 31, where the addend alone is 2^30 and half an output, and of 32.
    "small power of two": (
        of([[127], [1], [1], [-127]], [1 << 22] * 4, weight_scale=2.0**-38 * ROUGH),
        of([[127], [1], [1], [-127]], [1 << 22] * 4, weight_scale=2.0**-39 * ROUGH),
    ),
    "a sum is an int32": (
        of([[7]] * 4, [0, MOST_BIAS, 1, -MOST_BIAS], weight_scale=2.0**-31 * ROUGH),
        of([[7]] * 4, [0, MOST_BIAS + 1, 1, 0], weight_scale=2.0**-31 * ROUGH),
    ),
    # Longer rows come in whole quads.
    "odd row": (of([[1] * 127] * 4, [0] * 4), of([[1] * 129] * 4, [0] * 4)),
    "channels": (of([[1]] * 4, [0] * 4), of([[1]] * 3, [0] * 3)),
}
"""What the kernel takes just yet, and what it does not."""


@pytest.mark.parametrize("limit", LIMITS)
def test_both_sides_of_what_the_kernel_asks_for(runner: HostRunner, limit: str) -> None:
    inside, outside = LIMITS[limit]
    assert chosen(inside).kernel is KernelId.FULLY_CONNECTED_WIDE
    assert chosen(outside).kernel is not KernelId.FULLY_CONNECTED_WIDE
    for data in (inside, outside):
        conforms(runner, data, extremes(chosen(data).inputs[0].c))


@pytest.mark.parametrize(("zero_point", "is_wide"), [(-128, True), (127, True), (0, True)])
def test_pairs_of_any_weights_and_biases(
    runner: HostRunner, zero_point: int, is_wide: bool
) -> None:
    """What the kernel by pairs refuses: two weights beyond an int16, and a bias beyond an int24."""
    data = layer(
        [[-128, -128], [-128, -128], [-1, 127], [-128, 127]],
        [1 << 24, -(1 << 24), 0, 5],
        weight_scale=2.0**-24 * ROUGH,
        zero_points=(0, zero_point),
    )
    params = chosen(data).params
    assert isinstance(params, FullyConnectedWideParams) is is_wide
    conforms(runner, data, extremes(2))


def test_what_may_fall_on_a_half_stays_with_the_reference(runner: HostRunner) -> None:
    """A multiplier of 3 * 2^29 and a shift of -15: halves are the odd multiples of 2^16."""
    for bias, kernel in (
        ((1 << 16) - 129, KernelId.FULLY_CONNECTED_WIDE),
        ((1 << 16) - 128, KernelId.FULLY_CONNECTED),
    ):
        data = layer([[1]] * 4, [bias, -bias] * 2, weight_scale=0.75 * 2.0**-22)
        assert chosen(data).kernel is kernel
        conforms(runner, data, extremes(1))


def test_long_rows(runner: HostRunner) -> None:
    """Sums beyond 24 bits, over which the kernel by pairs must take runs."""
    weights = np.resize([127, 127, -128, 127], (5, 2000)).tolist()
    data = layer(weights, [7] * 5, weight_scale=2.0**-25 * ROUGH, zero_points=(-3, 9))
    assert chosen(data).kernel is KernelId.FULLY_CONNECTED_WIDE
    conforms(runner, data, extremes(2000))

"""SOFTMAX against LiteRT's reference."""

from __future__ import annotations

import numpy as np
import pytest

from edgeserve.errors import UnsupportedOp
from edgeserve.lower import lower
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import Array, assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder


def softmax(
    shape: tuple[int, ...],
    scale: float = 0.1,
    *,
    beta: float = 1.0,
    out_quant: tuple[float, int] = (1 / 256, -128),
) -> bytes:
    b = ModelBuilder()
    x = b.tensor("x", shape, "int8", scale=scale, zero_point=5)
    y = b.tensor("y", shape, "int8", scale=out_quant[0], zero_point=out_quant[1])
    b.op("SOFTMAX", [x], [y], {"beta": beta})
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "shape", [(1,), (10,), (1, 2), (3, 12), (2, 3, 5), (1, 4, 3, 7), (2, 2, 2, 3), (1, 300)]
)
@pytest.mark.parametrize("scale", [1e-7, 0.003, 0.1, 1.0, 50.0])
def test_shapes_and_scales(runner: HostRunner, shape: tuple[int, ...], scale: float) -> None:
    assert_conforms(runner, softmax(shape, scale))


@pytest.mark.parametrize("beta", [1e-3, 0.5, 3.0, 1e6])
def test_beta(runner: HostRunner, beta: float) -> None:
    assert_conforms(runner, softmax((4, 9), 0.07, beta=beta))


@pytest.mark.parametrize("scale", [0.01, 0.05, 0.2])
def test_every_difference(runner: HostRunner, scale: float) -> None:
    """Pairs that differ by 0 to 255: the whole range of the exponential."""
    pairs: Array = np.array([(127, 127 - d) for d in range(256)], np.int8)
    assert_conforms(runner, softmax((256, 2), scale), inputs=[[pairs]])


@pytest.mark.parametrize("depth", [16, 255, 400, 511])
def test_equal_elements(runner: HostRunner, depth: int) -> None:
    """The longest sums that the oracle survives: 512 ones end its process."""
    assert_conforms(runner, softmax((1, depth)), inputs=[[np.zeros((1, depth), np.int8)]])


def test_long_run_of_distinct_elements(runner: HostRunner) -> None:
    x: Array = np.full((1, 4000), -128, np.int8)
    x[0, ::400] = np.arange(10) * 12
    assert_conforms(runner, softmax((1, 4000)), inputs=[[x]])


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (softmax((1, 5000)), "overflow"),
        (softmax((1, 5), out_quant=(1 / 128, -128)), "not 1/256"),
        (softmax((1, 5), out_quant=(1 / 256, 0)), "not 1/256"),
        (softmax((1, 5), 1e-9), "too small"),
        (softmax((1, 5), beta=-1.0), "too small"),
    ],
)
def test_refused(model: bytes, why: str) -> None:
    with pytest.raises(UnsupportedOp, match=why):
        lower(read_model(model, name="case"))

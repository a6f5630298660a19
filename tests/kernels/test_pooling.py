"""AVERAGE_POOL_2D and MAX_POOL_2D against LiteRT's reference."""

from __future__ import annotations

import pytest

from edgeserve.errors import UnsupportedOp
from edgeserve.lower import lower
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder

POOLS = ["AVERAGE_POOL_2D", "MAX_POOL_2D"]


def pool(
    kind: str,
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: str,
    *,
    activation: str = "NONE",
    quant: tuple[float, int] = (0.1, 3),
    out_quant: tuple[float, int] | None = None,
) -> bytes:
    b = ModelBuilder()
    h, w, c = shape
    out = []
    for extent, k, s in zip((h, w), kernel, stride, strict=True):
        out.append(-(-(extent if padding == "SAME" else extent - k + 1) // s))
    scale, zero_point = quant
    out_scale, out_zero_point = out_quant or quant
    x = b.tensor("x", (1, h, w, c), "int8", scale=scale, zero_point=zero_point)
    y = b.tensor("y", (1, *out, c), "int8", scale=out_scale, zero_point=out_zero_point)
    options = {
        "padding": padding,
        "strideH": stride[0],
        "strideW": stride[1],
        "filterHeight": kernel[0],
        "filterWidth": kernel[1],
        "fusedActivationFunction": activation,
    }
    b.op(kind, [x], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 1), (5, 7)])
@pytest.mark.parametrize(
    ("shape", "kernel"),
    [
        ((1, 1, 1), (1, 1)),
        ((4, 4, 3), (2, 2)),
        ((7, 5, 2), (3, 3)),
        ((6, 9, 1), (5, 2)),
        ((8, 8, 5), (8, 8)),
        ((1, 10, 4), (1, 3)),
        ((10, 1, 4), (4, 1)),
    ],
)
def test_walks(
    runner: HostRunner,
    kind: str,
    padding: str,
    stride: tuple[int, int],
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
) -> None:
    assert_conforms(runner, pool(kind, shape, kernel, stride, padding), runs=2)


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize("quant", [(0.1, 0), (0.01, -128), (3.0, 127)])
@pytest.mark.parametrize("out_quant", [None, (0.2, -7)])
def test_clamps(
    runner: HostRunner,
    kind: str,
    activation: str,
    quant: tuple[float, int],
    out_quant: tuple[float, int] | None,
) -> None:
    model = pool(
        kind,
        (5, 5, 3),
        (3, 3),
        (1, 1),
        "SAME",
        activation=activation,
        quant=quant,
        out_quant=out_quant,
    )
    assert_conforms(runner, model, runs=1)


@pytest.mark.parametrize("kind", POOLS)
def test_a_window_larger_than_the_image(runner: HostRunner, kind: str) -> None:
    assert_conforms(runner, pool(kind, (3, 2, 2), (9, 9), (1, 1), "SAME"))


def test_refuses_windows_that_overflow() -> None:
    model = pool("AVERAGE_POOL_2D", (3, 2, 2), (4000, 4000), (1, 1), "SAME")
    with pytest.raises(UnsupportedOp, match="may overflow"):
        lower(read_model(model, name="case"))

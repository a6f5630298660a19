"""MEAN, SUM, REDUCE_MAX and ARG_MAX against LiteRT's reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edgeserve.errors import UnsupportedOp
from edgeserve.lower import lower
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder

Quant = tuple[float, int]
USUAL: tuple[Quant, Quant] = ((0.05, -11), (0.04, 7))


def reduce(
    kind: str,
    shape: Sequence[int],
    axes: Sequence[int],
    *,
    keep_dims: bool = True,
    quants: tuple[Quant, Quant] = USUAL,
    output: Sequence[int] | None = None,
    dtype: str = "int8",
) -> bytes:
    (in_scale, in_point), (out_scale, out_point) = quants
    resolved = {axis % len(shape) for axis in axes}
    if output is None:
        output = [
            1 if i in resolved else extent
            for i, extent in enumerate(shape)
            if keep_dims or i not in resolved
        ]
    b = ModelBuilder()
    x = b.tensor("x", shape, dtype, scale=in_scale, zero_point=in_point)
    a = b.tensor("axes", (len(axes),), "int32", data=list(axes))
    y = b.tensor("y", output, dtype, scale=out_scale, zero_point=out_point)
    b.op(kind, [x, a], [y], {"keepDims": keep_dims}, version=2)
    return b.finish([x], [y])


SHAPES: list[tuple[Sequence[int], Sequence[int]]] = [
    ((1, 7, 7, 13), (1, 2)),
    ((1, 7, 7, 13), (2, 1)),
    ((2, 3, 5, 4), (1, 2)),
    ((1, 4, 3, 5), (3,)),
    ((1, 4, 3, 5), (-1, 1)),
    ((1, 4, 3, 5), (1,)),
    ((1, 4, 3, 5), (0, 1, 2, 3)),
    ((1, 4, 3, 5), (2, 2, -2)),
    ((6, 5), (0,)),
    ((17,), (0,)),
    ((2, 3, 2, 3, 2), (0, 2, 4)),
    ((2, 3, 2, 3, 2), (1, 3)),
    ((1, 1, 1, 5), (1, 2)),
]


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
@pytest.mark.parametrize("kind", ["MEAN", "SUM", "REDUCE_MAX"])
@pytest.mark.parametrize("keep_dims", [True, False])
def test_reduce(
    runner: HostRunner, kind: str, shape: Sequence[int], axes: Sequence[int], keep_dims: bool
) -> None:
    quants = (USUAL[0], USUAL[0]) if kind == "REDUCE_MAX" else USUAL
    assert_conforms(runner, reduce(kind, shape, axes, keep_dims=keep_dims, quants=quants))


QUANTS: list[tuple[Quant, Quant]] = [
    ((0.05, 0), (0.05, 0)),
    ((0.05, -128), (0.05, -128)),
    ((0.0235, -128), (0.0117, -128)),
    ((1.0, 127), (0.001, -128)),
    ((1e-6, -3), (10.0, 4)),
    ((3.7, -128), (3.5, 127)),
    ((1e-9, 5), (1.0, 5)),
]


@pytest.mark.parametrize("kind", ["MEAN", "SUM"])
@pytest.mark.parametrize("quants", QUANTS)
@pytest.mark.parametrize("shape", [(1, 7, 7, 33), (1, 8, 8, 33), (1, 3, 5, 16), (1, 1, 1, 64)])
def test_reduce_at_extreme_scales(
    runner: HostRunner, kind: str, quants: tuple[Quant, Quant], shape: Sequence[int]
) -> None:
    assert_conforms(runner, reduce(kind, shape, (1, 2), quants=quants))


def test_sum_says_that_the_reference_takes_its_elements_for_uint8(runner: HostRunner) -> None:
    model = reduce("SUM", (1, 4, 1, 1), (1,), quants=((1.0, 0), (4.1, 0)))
    inputs = [[np.full((1, 4, 1, 1), value, np.int8)] for value in (-128, -1, 0, 127)]
    program = assert_conforms(runner, model, inputs=inputs)
    assert ["uint8" in note for note in program.notes] == [True]


def test_mean_rounds_as_the_reference_for_many_counts(runner: HostRunner) -> None:
    for count in range(1, 60):
        assert_conforms(runner, reduce("MEAN", (1, count, 1, 24), (1, 2)), runs=1, seed=count)


def arg_max(shape: Sequence[int], axis: int, dtype: str, output: Sequence[int]) -> bytes:
    b = ModelBuilder()
    x = b.tensor("x", shape, "int8", scale=0.1)
    a = b.tensor("axis", (), "int32", data=np.array(axis, np.int32))
    y = b.tensor("y", output, dtype)
    b.op("ARG_MAX", [x, a], [y], {"outputType": dtype.upper()}, version=2)
    return b.finish([x], [y])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((1, 10), -1), ((10,), 0), ((1, 4, 5, 6), 3), ((1, 4, 5, 6), 1), ((3, 1), 1)],
)
def test_arg_max(runner: HostRunner, shape: Sequence[int], axis: int, dtype: str) -> None:
    output = [extent for i, extent in enumerate(shape) if i != axis % len(shape)]
    assert_conforms(runner, arg_max(shape, axis, dtype, output))


def test_the_first_of_equals_wins(runner: HostRunner) -> None:
    values = np.array([[-3, 5, 5, -3, 5]], np.int8)
    low = np.full((1, 5), -128, np.int8)
    assert_conforms(runner, arg_max((1, 5), 1, "int32", (1,)), inputs=[[values], [low]])


@pytest.mark.parametrize(
    "data",
    [
        reduce("MEAN", (1, 4, 5), (1,), output=(1, 4, 1)),
        reduce("MEAN", (1, 4, 5), (1,), dtype="uint8", quants=((0.1, 0), (0.1, 0))),
        reduce("SUM", (1, 4, 5), (1,), dtype="float32"),
        reduce("REDUCE_MAX", (1, 4, 5), (1,)),
        reduce("SUM", (2,) * 8, (0, 2, 4, 6)),
        arg_max((1, 5), 1, "int32", (2,)),
        arg_max((1, 5), 2, "int32", (1, 5)),
        arg_max((1, 5), 1, "float32", (1,)),
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedOp):
        lower(read_model(data, name="case"))


def test_an_axis_out_of_range_is_refused() -> None:
    b = ModelBuilder()
    x = b.tensor("x", (1, 4), "int8", scale=0.1)
    a = b.tensor("axes", (1,), "int32", data=[2])
    y = b.tensor("y", (1, 1), "int8", scale=0.1)
    b.op("MEAN", [x, a], [y], {"keepDims": True})
    with pytest.raises(UnsupportedOp, match="axes"):
        lower(read_model(b.finish([x], [y]), name="case"))

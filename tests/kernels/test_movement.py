"""Operators that move elements, against LiteRT's reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from edgeserve.errors import UnsupportedOp
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.program import Program
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder

Shape = Sequence[int]


def single(
    kind: str,
    inputs: Sequence[tuple[Shape, str, Any]],
    outputs: Sequence[Shape],
    options: Mapping[str, Any] | None = None,
    *,
    version: int = 1,
) -> bytes:
    """An operator on inputs of (shape, type, data or None); 8-bit ones get equal quantization."""
    b = ModelBuilder()
    tensors, ports = [], []
    for i, (shape, dtype, data) in enumerate(inputs):
        scale = 0.1 if dtype in ("int8", "uint8") else None
        tensors.append(b.tensor(f"in{i}", shape, dtype, scale=scale, zero_point=2, data=data))
        if data is None:
            ports.append(tensors[-1])
    dtype = next(dtype for _, dtype, data in inputs if data is None)
    scale = 0.1 if dtype in ("int8", "uint8") else None
    results = [
        b.tensor(f"out{i}", shape, dtype, scale=scale, zero_point=2)
        for i, shape in enumerate(outputs)
    ]
    b.op(kind, tensors, results, options, version=version)
    return b.finish(ports, results)


def vector(*numbers: int) -> tuple[Shape, str, Any]:
    return (len(numbers),), "int32", list(numbers)


def scalar(number: int) -> tuple[Shape, str, Any]:
    return (), "int32", np.array(number, np.int32)


def program_of(model: bytes) -> Program:
    return lower(read_model(model, name="case"))


# TRANSPOSE.


def transpose(shape: Shape, order: Sequence[int], dtype: str = "int8") -> bytes:
    output = [shape[axis] for axis in order]
    return single("TRANSPOSE", [(shape, dtype, None), vector(*order)], [output], version=2)


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((3, 5), (1, 0)),
        ((2, 3, 4), (2, 0, 1)),
        ((2, 3, 4), (0, 2, 1)),
        ((1, 4, 5, 3), (0, 3, 1, 2)),
        ((1, 3, 4, 5), (0, 2, 3, 1)),
        ((1, 4, 5, 3), (0, 2, 1, 3)),
        ((1, 4, 5, 3), (3, 2, 1, 0)),
        ((2, 4, 5, 3), (0, 2, 1, 3)),
        ((2, 3, 2, 3, 2), (4, 2, 0, 3, 1)),
        ((2, 3, 2, 3, 2, 2), (5, 3, 1, 4, 2, 0)),
        ((1, 7, 1, 5), (3, 0, 1, 2)),
    ],
)
def test_transpose(runner: HostRunner, shape: Shape, order: Sequence[int]) -> None:
    assert_conforms(runner, transpose(shape, order))


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "uint8", "bool"])
def test_transpose_of_other_types(runner: HostRunner, dtype: str) -> None:
    values = np.arange(24).reshape(2, 3, 4) % (2 if dtype == "bool" else 251)
    inputs = [[values.astype(dtype)]]
    assert_conforms(runner, transpose((2, 3, 4), (2, 0, 1), dtype), inputs=inputs)


@pytest.mark.parametrize(
    ("shape", "order"), [((2, 3), (0, 1)), ((1, 5, 1, 3), (0, 2, 1, 3)), ((1, 1), (1, 0))]
)
def test_a_transpose_that_moves_nothing_is_an_alias(
    runner: HostRunner, shape: Shape, order: Sequence[int]
) -> None:
    assert assert_conforms(runner, transpose(shape, order)).steps == ()


def test_a_constant_is_transposed_on_the_host(runner: HostRunner) -> None:
    b = ModelBuilder()
    rng = np.random.default_rng(3)
    x = b.tensor("x", (1, 3), "int8", scale=0.1)
    w = b.tensor("w", (3, 4), "int8", scale=0.1, data=rng.integers(-99, 99, (3, 4), np.int8))
    order = b.tensor("order", (2,), "int32", data=[1, 0])
    t = b.tensor("t", (4, 3), "int8", scale=0.1)
    y = b.tensor("y", (1, 4), "int8", scale=0.5)
    b.op("TRANSPOSE", [w, order], [t])
    b.op("FULLY_CONNECTED", [x, t], [y])
    program = assert_conforms(runner, b.finish([x], [y]))
    assert [step.kernel for step in program.steps] == [KernelId.FULLY_CONNECTED]


# SLICE and STRIDED_SLICE.


@pytest.mark.parametrize(
    ("shape", "begin", "size", "output"),
    [
        ((7,), (2,), (3,), (3,)),
        ((1, 4, 5, 6), (0, 1, 0, 0), (1, 2, 5, 6), (1, 2, 5, 6)),
        ((1, 4, 5, 6), (0, 0, 2, 0), (-1, -1, -1, -1), (1, 4, 3, 6)),
        ((1, 4, 5, 6), (0, 0, 0, 3), (1, 4, 5, 2), (1, 4, 5, 2)),
        ((1, 4, 5, 6), (0, 2, 1, 1), (1, 2, 3, 4), (1, 2, 3, 4)),
        ((3, 4, 5, 6), (1, 2, 1, 1), (2, 2, 3, 4), (2, 2, 3, 4)),
        ((2, 3, 4, 5, 6), (0, 1, 2, 3, 4), (2, 2, 2, 2, 2), (2, 2, 2, 2, 2)),
    ],
)
def test_slice(
    runner: HostRunner, shape: Shape, begin: Sequence[int], size: Sequence[int], output: Shape
) -> None:
    model = single("SLICE", [(shape, "int8", None), vector(*begin), vector(*size)], [output])
    assert_conforms(runner, model)


def strided(
    shape: Shape,
    spec: tuple[Sequence[int], Sequence[int], Sequence[int]],
    output: Shape,
    **masks: int | bool,
) -> bytes:
    options = {name + ("" if name == "offset" else "Mask"): value for name, value in masks.items()}
    inputs = [(shape, "int8", None), *(vector(*numbers) for numbers in spec)]
    return single("STRIDED_SLICE", inputs, [output], options, version=4 if masks else 1)


STRIDED: list[tuple[Shape, tuple[Any, Any, Any], Shape, dict[str, Any]]] = [
    ((10,), ((1,), (9,), (3,)), (3,), {}),
    ((10,), ((-2,), (0,), (-3,)), (3,), {}),
    ((10,), ((0,), (0,), (-2,)), (5,), {"begin": 1, "end": 1}),
    ((10,), ((99,), (-99,), (-1,)), (10,), {}),
    ((1, 6, 7, 3), ((0, 1, 1, 0), (1, 6, 7, 3), (1, 2, 3, 1)), (1, 3, 2, 3), {}),
    (
        (1, 6, 7, 3),
        ((0, 0, 0, 0), (0, 0, 0, 0), (1, -1, 1, 1)),
        (1, 6, 7, 3),
        {"begin": 15, "end": 15},
    ),
    (
        (1, 6, 7, 3),
        ((0, 0, 0, 0), (0, 0, 0, 0), (1, 1, -1, 1)),
        (1, 6, 7, 3),
        {"begin": 15, "end": 15},
    ),
    (
        (1, 6, 7, 3),
        ((0, 0, 0, 0), (0, 0, 0, 0), (1, -2, -2, -1)),
        (1, 3, 4, 3),
        {"begin": 15, "end": 15},
    ),
    ((1, 6, 7, 3), ((0, 2), (0, 3), (1, 1)), (1, 1, 7, 3), {"begin": 1, "end": 1}),
    ((1, 6, 7, 3), ((0, 2), (0, 3), (1, 1)), (1, 7, 3), {"begin": 1, "end": 1, "shrink_axis": 2}),
    ((4, 6), ((1, -1), (2, 0), (1, 1)), (), {"shrink_axis": 3}),
    ((1, 6, 7, 3), ((0, 1), (0, 2), (1, 1)), (1, 6, 7, 1), {"ellipsis": 1}),
    ((4, 5, 6), ((1, 0, 2), (3, 0, 5), (1, 1, 2)), (2, 5, 2), {"ellipsis": 2}),
    ((4, 6), ((0, 0, 1), (0, 0, 4), (1, 1, 1)), (1, 4, 3), {"new_axis": 1, "begin": 2, "end": 2}),
    (
        (4, 6),
        ((0, 0, 0), (0, 0, 0), (1, 1, 1)),
        (4, 1, 6),
        {"ellipsis": 1, "new_axis": 2, "begin": 4, "end": 4},
    ),
    ((10,), ((2,), (5,), (2,)), (3,), {"offset": True}),
]


def camel(masks: Mapping[str, Any]) -> dict[str, Any]:
    names = {"shrink_axis": "shrinkAxis", "new_axis": "newAxis"}
    return {names.get(name, name): value for name, value in masks.items()}


@pytest.mark.parametrize(("shape", "spec", "output", "masks"), STRIDED)
def test_strided_slice(
    runner: HostRunner,
    shape: Shape,
    spec: tuple[Any, Any, Any],
    output: Shape,
    masks: dict[str, Any],
) -> None:
    assert_conforms(runner, strided(shape, spec, output, **camel(masks)))


def test_rows_of_a_strided_slice_are_read_one_by_one() -> None:
    model = strided((1, 6, 7, 3), ((0, 5, 1, 0), (1, 0, 7, 3), (1, -2, 3, 1)), (1, 3, 2, 3))
    (step,) = program_of(model).steps
    assert step.inputs[0].h == 6
    assert (step.params.first_row, step.params.row_step) == (5, -2)  # type: ignore[attr-defined]


# SPLIT, SPLIT_V, UNPACK.


@pytest.mark.parametrize(
    ("shape", "axis", "count"),
    [
        ((1, 4, 5, 6), 3, 3),
        ((1, 4, 5, 6), -1, 2),
        ((1, 4, 5, 6), 1, 2),
        ((1, 4, 6, 5), 2, 3),
        ((6, 5), 0, 2),
        ((2, 4, 5, 6), 1, 4),
        ((9,), 0, 1),
    ],
)
def test_split(runner: HostRunner, shape: Shape, axis: int, count: int) -> None:
    part = list(shape)
    part[axis] //= count
    model = single(
        "SPLIT", [scalar(axis), (shape, "int8", None)], [part] * count, {"numSplits": count}
    )
    assert_conforms(runner, model)


@pytest.mark.parametrize(
    ("shape", "axis", "sizes"),
    [((1, 4, 5, 6), 3, (1, 3, 2)), ((1, 4, 5, 6), 1, (3, -1)), ((7, 2), 0, (1, 6))],
)
def test_split_v(runner: HostRunner, shape: Shape, axis: int, sizes: Sequence[int]) -> None:
    known = sum(size for size in sizes if size >= 0)
    parts = [
        [*shape[:axis], size if size >= 0 else shape[axis] - known, *shape[axis + 1 :]]
        for size in sizes
    ]
    inputs = [(shape, "int8", None), vector(*sizes), scalar(axis)]
    assert_conforms(runner, single("SPLIT_V", inputs, parts, {"numSplits": len(sizes)}))


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 4), 0), ((3, 4), -1), ((1, 3, 4, 5), 1), ((1, 3, 4, 5), 3), ((4,), 0)]
)
def test_unpack(runner: HostRunner, shape: Shape, axis: int) -> None:
    count = shape[axis]
    part = [extent for i, extent in enumerate(shape) if i != axis % len(shape)]
    options = {"axis": axis, "num": count}
    assert_conforms(runner, single("UNPACK", [(shape, "int8", None)], [part] * count, options))


# SPACE_TO_DEPTH, DEPTH_TO_SPACE.


@pytest.mark.parametrize("shape", [(1, 4, 6, 3), (2, 4, 6, 1), (1, 2, 2, 5), (1, 4, 2, 4)])
def test_space_to_depth(runner: HostRunner, shape: Shape) -> None:
    n, h, w, c = shape
    output = (n, h // 2, w // 2, 4 * c)
    options = {"blockSize": 2}
    assert_conforms(runner, single("SPACE_TO_DEPTH", [(shape, "int8", None)], [output], options))


@pytest.mark.parametrize(
    ("shape", "block"),
    [((1, 2, 3, 8), 2), ((2, 2, 3, 4), 2), ((1, 1, 1, 9), 3), ((1, 3, 2, 18), 3)],
)
def test_depth_to_space(runner: HostRunner, shape: Shape, block: int) -> None:
    n, h, w, c = shape
    output = (n, h * block, w * block, c // block**2)
    options = {"blockSize": block}
    assert_conforms(runner, single("DEPTH_TO_SPACE", [(shape, "int8", None)], [output], options))


# CONCATENATION, PACK.


@pytest.mark.parametrize(
    ("shapes", "axis"),
    [
        (((1, 3, 4, 5), (1, 3, 4, 2)), 3),
        (((1, 3, 4, 5), (1, 3, 4, 2), (1, 3, 4, 1)), -1),
        (((1, 3, 4, 5), (1, 3, 1, 5)), 2),
        (((1, 3, 4, 5), (1, 2, 4, 5)), 1),
        (((2, 3, 4, 5), (2, 3, 4, 2)), 3),
        (((2, 3), (1, 3)), 0),
        (((5,), (17,)), 0),
        (((1, 70000, 1, 1), (1, 70000, 1, 1)), 3),
        (((3, 4),), 1),
    ],
)
def test_concatenation(runner: HostRunner, shapes: Sequence[Shape], axis: int) -> None:
    output = list(shapes[0])
    output[axis] = sum(shape[axis] for shape in shapes)
    inputs = [(shape, "int8", None) for shape in shapes]
    assert_conforms(runner, single("CONCATENATION", inputs, [output], {"axis": axis}), runs=1)


def test_concatenation_with_a_constant(runner: HostRunner) -> None:
    constant = np.arange(12, dtype=np.int8).reshape(1, 3, 2, 2)
    inputs = [((1, 3, 2, 5), "int8", None), ((1, 3, 2, 2), "int8", constant)]
    assert_conforms(runner, single("CONCATENATION", inputs, [(1, 3, 2, 7)], {"axis": 3}))


@pytest.mark.parametrize(("count", "axis"), [(2, 0), (3, 1), (2, -1), (1, 0), (2, 3)])
@pytest.mark.parametrize("shape", [(1, 3, 4), (5, 2, 3)])
def test_pack(runner: HostRunner, shape: Shape, count: int, axis: int) -> None:
    at = axis % (len(shape) + 1)
    output = (*shape[:at], count, *shape[at:])
    options = {"axis": axis, "valuesCount": count}
    assert_conforms(runner, single("PACK", [(shape, "int8", None)] * count, [output], options))


# PAD, PADV2.


PADS: list[tuple[Shape, Sequence[int]]] = [
    ((1, 3, 4, 5), (0, 0, 1, 1, 1, 1, 0, 0)),
    ((1, 3, 4, 5), (0, 0, 0, 1, 2, 0, 0, 0)),
    ((1, 3, 4, 5), (0, 0, 0, 0, 0, 0, 1, 2)),
    ((1, 3, 4, 5), (0, 0, 2, 3, 1, 0, 4, 1)),
    ((1, 3, 4, 5), (1, 0, 1, 0, 0, 1, 0, 0)),
    ((2, 3, 4, 5), (0, 0, 1, 1, 1, 1, 0, 0)),
    ((2, 3), (1, 1, 0, 2)),
    ((4,), (3, 2)),
    ((2, 3, 2, 3, 2), (1, 0, 0, 1, 1, 1, 0, 2, 1, 1)),
    ((2, 3), (0, 0, 0, 0)),
]


@pytest.mark.parametrize(("shape", "paddings"), PADS)
@pytest.mark.parametrize("kind", ["PAD", "PADV2"])
@pytest.mark.parametrize("dtype", ["int8", "int32", "float32"])
def test_pad(
    runner: HostRunner, kind: str, shape: Shape, paddings: Sequence[int], dtype: str
) -> None:
    before, after = paddings[::2], paddings[1::2]
    output = [e + p + q for e, p, q in zip(shape, before, after, strict=True)]
    table = ((len(shape), 2), "int32", np.array(paddings, np.int32).reshape(-1, 2))
    inputs: list[tuple[Shape, str, Any]] = [(shape, dtype, None), table]
    if kind == "PADV2":
        inputs.append(((1,), dtype, [-7]))
    assert_conforms(runner, single(kind, inputs, [output], version=2))


# GATHER.


@pytest.mark.parametrize(
    ("shape", "axis", "indices"),
    [
        ((5, 3), 0, (4, 0, 0, 2)),
        ((1, 4, 5, 6), 3, (5, 1)),
        ((2, 4, 3), 1, (3, 3, 0)),
        ((7,), 0, (6,)),
        ((2, 4, 3), -1, (2, 0)),
    ],
)
@pytest.mark.parametrize("dtype", ["int8", "int32"])
def test_gather(
    runner: HostRunner, shape: Shape, axis: int, indices: Sequence[int], dtype: str
) -> None:
    at = axis % len(shape)
    output = (*shape[:at], len(indices), *shape[at + 1 :])
    inputs = [(shape, dtype, None), vector(*indices)]
    assert_conforms(runner, single("GATHER", inputs, [output], {"axis": axis}))


@pytest.mark.parametrize("index_shape", [(), (4,), (2, 3)])
def test_gather_by_computed_indices(runner: HostRunner, index_shape: Shape) -> None:
    table = np.random.default_rng(1).integers(-128, 128, (6, 5), dtype=np.int8)
    b = ModelBuilder()
    w = b.tensor("w", (6, 5), "int8", scale=0.1, data=table)
    i = b.tensor("i", index_shape, "int32")
    y = b.tensor("y", (*index_shape, 5), "int8", scale=0.1)
    b.op("GATHER", [w, i], [y], {"axis": 0})
    rng = np.random.default_rng(2)
    inputs = [[rng.integers(0, 6, index_shape, dtype=np.int32).reshape(index_shape)]]
    assert_conforms(runner, b.finish([i], [y]), inputs=inputs)


def test_gather_clamps_computed_indices(runner: HostRunner) -> None:
    b = ModelBuilder()
    x = b.tensor("x", (3, 2), "int8", scale=0.1)
    i = b.tensor("i", (3,), "int32")
    y = b.tensor("y", (3, 2), "int8", scale=0.1)
    b.op("GATHER", [x, i], [y], {"axis": 0})
    program = program_of(b.finish([x, i], [y]))
    data = np.array([[1, 2], [3, 4], [5, 6]], np.int8)
    ((written,),) = runner.run(program, [[data, np.array([-1, 2**31 - 1, 1], np.int32)]])
    assert np.frombuffer(written, np.int8).tolist() == [1, 2, 5, 6, 3, 4]


# What is refused.


@pytest.mark.parametrize(
    "model",
    [
        single("TRANSPOSE", [((2, 3), "int8", None), vector(0, 0)], [(2, 2)]),
        single("TRANSPOSE", [((2, 3), "int8", None), vector(1, 0)], [(2, 3)]),
        single("TRANSPOSE", [((2, 3), "int8", None), vector(1, 2)], [(3, 2)]),
        single("TRANSPOSE", [((2, 3), "int8", None), vector(0)], [(2, 3)]),
        single("SLICE", [((5,), "int8", None), vector(3), vector(3)], [(3,)]),
        single("SLICE", [((5,), "int8", None), vector(-1), vector(1)], [(1,)]),
        single("SLICE", [((5,), "int8", None), vector(2**31 - 1), vector(-1)], [(1,)]),
        single("SLICE", [((5,), "int8", None), vector(0, 0), vector(1, 1)], [(1,)]),
        strided((5,), ((0,), (5,), (0,)), (5,)),
        strided((5,), ((3,), (1,), (1,)), (1,)),
        strided((5,), ((0, 0), (1, 1), (1, 1)), (1,)),
        strided((5,), ((0,), (1,), (1,)), (), shrinkAxis=1, begin=1),
        strided((5,), ((7,), (8,), (1,)), (), shrinkAxis=1),
        strided((5,), ((0, 0), (1, 1), (1, 1)), (5,), ellipsis=3),
        strided((5,), ((0,), (2**31 - 1,), (1,)), (6,)),
        single("SPLIT", [scalar(0), ((5,), "int8", None)], [(2,), (2,)], {"numSplits": 2}),
        single("SPLIT", [scalar(1), ((4,), "int8", None)], [(2,), (2,)], {"numSplits": 2}),
        single(
            "SPLIT_V",
            [((5,), "int8", None), vector(6, -1), scalar(0)],
            [(6,), (1,)],
            {"numSplits": 2},
        ),
        single("UNPACK", [((3, 2), "int8", None)], [(2,), (2,)], {"axis": 0, "num": 2}),
        single("UNPACK", [((2, 2), "int8", None)], [(2,), (2,)], {"axis": 2, "num": 2}),
        single("SPACE_TO_DEPTH", [((1, 3, 4, 1), "int8", None)], [(1, 1, 2, 4)], {"blockSize": 2}),
        single("DEPTH_TO_SPACE", [((1, 3, 4, 3), "int8", None)], [(1, 6, 8, 1)], {"blockSize": 2}),
        single("DEPTH_TO_SPACE", [((4, 3), "int8", None)], [(4, 3)], {"blockSize": 2}),
        single("CONCATENATION", [((2, 3), "int8", None)] * 2, [(2, 7)], {"axis": 1}),
        single("CONCATENATION", [((2, 3), "int8", None)] * 2, [(2, 6)], {"axis": 2}),
        single(
            "CONCATENATION",
            [((2, 3), "int8", None)] * 2,
            [(2, 6)],
            {"axis": 1, "fusedActivationFunction": "RELU"},
        ),
        single("PACK", [((2,), "int8", None)] * 2, [(2, 3)], {"axis": 0, "valuesCount": 2}),
        single("PAD", [((2,), "int8", None), ((1, 2), "int32", [-1, 1])], [(2,)]),
        single("PAD", [((2,), "int8", None), ((1, 2), "int32", [1, 1])], [(5,)]),
        single("PAD", [((2,), "int8", None), ((2, 2), "int32", [1, 1, 1, 1])], [(4,)]),
        single("PAD", [((2,), "int64", None), ((1, 2), "int32", [1, 1])], [(4,)]),
        single("GATHER", [((3, 2), "int8", None), vector(3)], [(1, 2)], {"axis": 0}),
        single("GATHER", [((3, 2), "int8", None), vector(-1)], [(1, 2)], {"axis": 0}),
        single("GATHER", [((3, 2), "int8", None), vector(0)], [(1, 2)], {"axis": 2}),
        single("GATHER", [((3, 2), "int8", None), ((1,), "int64", [0])], [(1, 2)], {"axis": 0}),
        single(
            "GATHER",
            [((3, 2), "int8", None), ((3, 1), "int32", np.zeros((3, 1), np.int32))],
            [(3, 1)],
            {"axis": 1, "batchDims": 1},
        ),
    ],
)
def test_contradictions_are_refused(model: bytes) -> None:
    with pytest.raises(UnsupportedOp):
        program_of(model)


def test_parts_quantized_unlike_are_refused() -> None:
    b = ModelBuilder()
    x = b.tensor("x", (2,), "int8", scale=0.1)
    z = b.tensor("z", (2,), "int8", scale=0.2)
    y = b.tensor("y", (4,), "int8", scale=0.1)
    b.op("CONCATENATION", [x, z], [y], {"axis": 0})
    with pytest.raises(UnsupportedOp, match="quantized"):
        program_of(b.finish([x, z], [y]))


def test_sizes_computed_while_running_are_refused() -> None:
    b = ModelBuilder()
    x = b.tensor("x", (4,), "int8", scale=0.1)
    begin = b.tensor("begin", (1,), "int32")
    size = b.tensor("size", (1,), "int32", data=[2])
    y = b.tensor("y", (2,), "int8", scale=0.1)
    b.op("SLICE", [x, begin, size], [y])
    with pytest.raises(UnsupportedOp, match="computed while the model runs"):
        program_of(b.finish([x, begin], [y]))

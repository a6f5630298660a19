"""ADD, SUB, MUL, MAXIMUM, MINIMUM, PRELU and functions of one element, against the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeserve.errors import UnsupportedOp
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.program import Program
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder

Shape = Sequence[int]
Scales = tuple[float, float, float]
Points = tuple[int, int, int]

USUAL: tuple[Scales, Points] = ((0.05, 0.03, 0.07), (3, -5, 11))
QUANTS: list[tuple[Scales, Points]] = [
    USUAL,
    ((0.05, 0.05, 0.05), (0, 0, 0)),
    ((0.5, 0.25, 0.001), (-128, 127, -128)),
    ((1e-5, 3.0, 2.0), (127, -128, 127)),
    ((0.0117, 0.0117, 0.0235), (-128, -128, -128)),
]


def binary(
    kind: str,
    shapes: tuple[Shape, Shape],
    quant: tuple[Scales, Points] = USUAL,
    *,
    activation: str | None = None,
    constant: int | None = None,
) -> bytes:
    """A single operator; input ``constant`` is a constant."""
    scales, points = quant
    rng = np.random.default_rng(5)
    b = ModelBuilder()
    inputs = []
    for i, shape in enumerate(shapes):
        data = rng.integers(-128, 128, shape, dtype=np.int8) if constant == i else None
        inputs.append(
            b.tensor(f"in{i}", shape, "int8", scale=scales[i], zero_point=points[i], data=data)
        )
    output = np.broadcast_shapes(tuple(shapes[0]), tuple(shapes[1]))
    y = b.tensor("y", output, "int8", scale=scales[2], zero_point=points[2])
    options = {"fusedActivationFunction": activation} if activation else None
    b.op(kind, inputs, [y], options, version=1 if kind == "PRELU" else 2)
    return b.finish([t for i, t in enumerate(inputs) if i != constant], [y])


def program_of(model: bytes) -> Program:
    return lower(read_model(model, name="case"))


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("quant", QUANTS)
@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
def test_arithmetic(
    runner: HostRunner, kind: str, quant: tuple[Scales, Points], activation: str
) -> None:
    shapes = ((1, 8, 7, 19), (1, 8, 7, 19))
    data = binary(kind, shapes, quant, activation=activation)
    assert_conforms(runner, data)
    program = assert_conforms(runner, data, isa=("dsp",))
    # The table is of the second input, and the first is added: not so where they change places.
    by_table = kind == "ADD" or (kind == "SUB" and quant[0][0] >= quant[0][1])
    assert (program.steps[0].kernel is KernelId.ADD_BY_TABLE) == by_table


@pytest.mark.parametrize(
    ("shapes", "quant", "kernel"),
    [
        (((1, 8, 8, 16),) * 2, USUAL, KernelId.ADD_BY_TABLE),
        (((1, 8, 8, 15),) * 2, USUAL, KernelId.ADD),
        (((1, 8, 8, 16), (1, 1, 1, 16)), USUAL, KernelId.ADD),
        # The zero point times a power of two is an int32 beside the sum, or not.
        (((1, 8, 8, 16),) * 2, ((1.0, 1.0, 2.0**5), (0, 0, 127)), KernelId.ADD_BY_TABLE),
        (((1, 8, 8, 16),) * 2, ((1.0, 1.0, 2.0**6), (0, 0, 127)), KernelId.ADD),
    ],
)
def test_what_an_addition_by_table_asks_for(
    runner: HostRunner, shapes: tuple[Shape, Shape], quant: tuple[Scales, Points], kernel: KernelId
) -> None:
    program = assert_conforms(runner, binary("ADD", shapes, quant), isa=("dsp",))
    assert program.steps[0].kernel is kernel


BROADCASTS: list[tuple[Shape, Shape]] = [
    ((1, 3, 4, 5), (1, 3, 4, 5)),
    ((1, 3, 4, 5), (1, 1, 1, 5)),
    ((1, 3, 4, 5), (5,)),
    ((1, 3, 4, 5), (1,)),
    ((1, 3, 4, 5), ()),
    ((1, 1, 1, 5), (1, 3, 4, 5)),
    ((1, 3, 4, 5), (1, 3, 4, 1)),
    ((1, 3, 1, 5), (1, 1, 4, 1)),
    ((1, 1, 4, 5), (1, 3, 1, 5)),
    ((1, 3, 4, 1), (1, 1, 1, 5)),
    ((7,), (7,)),
    ((3, 5), (3, 1)),
    ((2, 3, 4, 5), (2, 1, 1, 5)),
    ((2, 3, 4, 5), (3, 4, 5)),
    ((2, 1, 4, 1), (1, 3, 1, 5)),
    ((2, 3, 1, 5), (1, 3, 4, 1)),
    ((2, 1, 3, 1, 2), (1, 2, 1, 2, 2)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"])
@pytest.mark.parametrize("shapes", BROADCASTS)
def test_broadcast(runner: HostRunner, kind: str, shapes: tuple[Shape, Shape]) -> None:
    quant = USUAL if kind in ("ADD", "SUB", "MUL") else QUANTS[1]
    assert_conforms(runner, binary(kind, shapes, quant))


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "MAXIMUM"])
@pytest.mark.parametrize("constant", [0, 1])
@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (5,), (2, 3, 1, 5)])
def test_constant_input(runner: HostRunner, kind: str, constant: int, shape: Shape) -> None:
    shapes = ((2, 3, 4, 5), shape) if constant == 1 else (shape, (2, 3, 4, 5))
    if shape == (1, 3, 4, 5):
        shapes = (shape, shape)
    quant = QUANTS[1] if kind == "MAXIMUM" else USUAL
    assert_conforms(runner, binary(kind, shapes, quant, constant=constant))


def test_an_input_twice(runner: HostRunner) -> None:
    b = ModelBuilder()
    x = b.tensor("x", (1, 2, 3, 4), "int8", scale=0.1, zero_point=4)
    y = b.tensor("y", (1, 2, 3, 4), "int8", scale=0.2, zero_point=-9)
    b.op("ADD", [x, x], [y], version=2)
    assert_conforms(runner, b.finish([x], [y]))


def test_add_equals_reference_for_every_pair(runner: HostRunner) -> None:
    left, right = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    inputs = [[a.astype(np.int8).reshape(1, 256, 256, 1) for a in (left, right)]]
    for kind in ("ADD", "SUB", "MUL"):
        for quant in QUANTS:
            model = binary(kind, ((1, 256, 256, 1), (1, 256, 256, 1)), quant)
            assert_conforms(runner, model, inputs=inputs)
            if kind != "MUL":
                assert_conforms(runner, model, inputs=inputs, isa=("dsp",))


@pytest.mark.parametrize("shapes", [s for s in BROADCASTS if len(s[0]) >= len(s[1])])
@pytest.mark.parametrize("quant", [USUAL, QUANTS[2], QUANTS[3]])
def test_prelu(
    runner: HostRunner, shapes: tuple[Shape, Shape], quant: tuple[Scales, Points]
) -> None:
    if np.broadcast_shapes(tuple(shapes[0]), tuple(shapes[1])) != tuple(shapes[0]):
        with pytest.raises(UnsupportedOp):
            program_of(binary("PRELU", shapes, quant, constant=1))
    else:
        assert_conforms(runner, binary("PRELU", shapes, quant, constant=1))


@pytest.mark.parametrize(
    ("kind", "quant"),
    [
        ("ADD", ((1.0, 1.0, 1e-9), (0, 0, 0))),
        ("SUB", ((1.0, 1.0, 1e-9), (0, 0, 0))),
        ("MUL", ((1e30, 1e30, 1.0), (0, 0, 0))),
    ],
)
def test_scales_that_do_not_fit_are_refused(kind: str, quant: tuple[Scales, Points]) -> None:
    with pytest.raises(UnsupportedOp, match="scale"):
        program_of(binary(kind, ((1, 2), (1, 2)), quant))


def test_other_types_and_shapes_are_refused() -> None:
    for dtype in ("uint8", "int16", "int32"):
        b = ModelBuilder()
        x = b.tensor("x", (4,), dtype, scale=0.5)
        y = b.tensor("y", (4,), dtype, scale=0.5)
        b.op("ADD", [x, x], [y])
        with pytest.raises(UnsupportedOp):
            program_of(b.finish([x], [y]))
    b = ModelBuilder()
    x = b.tensor("x", (4,), "int8", scale=0.5)
    z = b.tensor("z", (3,), "int8", scale=0.5)
    y = b.tensor("y", (4,), "int8", scale=0.5)
    b.op("ADD", [x, z], [y])
    with pytest.raises(UnsupportedOp, match="broadcast"):
        program_of(b.finish([x, z], [y]))


# Functions of one element.


def unary(
    kind: str,
    scales: tuple[float, float],
    points: tuple[int, int],
    options: Mapping[str, Any] | None = None,
    dtypes: tuple[str, str] = ("int8", "int8"),
    shape: Shape = (1, 4, 8, 8),
) -> bytes:
    b = ModelBuilder()
    x = b.tensor("x", shape, dtypes[0], scale=scales[0], zero_point=points[0])
    y = b.tensor("y", shape, dtypes[1], scale=scales[1], zero_point=points[1])
    b.op(kind, [x], [y], options)
    return b.finish([x], [y])


def every_element(dtype: str) -> Any:
    return np.arange(256, dtype=np.uint8).view(dtype).reshape(1, 4, 8, 8)


def assert_function(runner: HostRunner, model: bytes, dtype: str = "int8") -> None:
    assert_conforms(runner, model, inputs=[[every_element(dtype)]])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RELU", None),
        ("RELU6", None),
        ("RELU_N1_TO_1", None),
        ("LEAKY_RELU", {"alpha": 0.1}),
        ("LEAKY_RELU", {"alpha": -0.3}),
        ("LEAKY_RELU", {"alpha": 2.5}),
        ("HARD_SWISH", None),
        ("TANH", None),
        ("QUANTIZE", None),
    ],
)
@pytest.mark.parametrize("scales", [(0.05, 0.03), (0.0235, 0.0235), (0.7, 0.6), (0.001, 0.02)])
@pytest.mark.parametrize("points", [(0, 0), (-128, -128), (127, -5)])
def test_function(
    runner: HostRunner,
    kind: str,
    options: Mapping[str, Any] | None,
    scales: tuple[float, float],
    points: tuple[int, int],
) -> None:
    assert_function(runner, unary(kind, scales, points, options))


@pytest.mark.parametrize("scale", [1e-4, 0.01, 0.047, 0.1, 0.5, 3.0, 1e3])
@pytest.mark.parametrize("points", [(0, -128), (-128, -128), (127, 0)])
def test_logistic(runner: HostRunner, scale: float, points: tuple[int, int]) -> None:
    assert_function(runner, unary("LOGISTIC", (scale, 1 / 256), points))


@pytest.mark.parametrize("dtypes", [("uint8", "int8"), ("int8", "uint8")])
@pytest.mark.parametrize("scales", [(0.05, 0.05), (0.05, 0.031), (1.0, 1e-3)])
def test_requantize_unsigned(
    runner: HostRunner, dtypes: tuple[str, str], scales: tuple[float, float]
) -> None:
    points = (128, 0) if dtypes[0] == "uint8" else (0, 128)
    assert_function(runner, unary("QUANTIZE", scales, points, None, dtypes), dtypes[0])


def reference_table(model: bytes) -> bytes:
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], every_element("int8"))
    interpreter.invoke()
    result: bytes = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tobytes()
    return result


@pytest.mark.parametrize(
    "kind",
    ["LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH", "QUANTIZE"],
)
def test_table_at_random_scales(kind: str) -> None:
    rng = np.random.default_rng(len(kind))
    compared = 0
    for _ in range(60):
        in_scale, out_scale = (float(np.float32(s)) for s in np.exp(rng.uniform(-9, 4, 2)))
        points = tuple(int(p) for p in rng.integers(-128, 128, 2))
        options = {"alpha": float(rng.uniform(-2, 2))} if kind == "LEAKY_RELU" else None
        if kind == "LOGISTIC":
            out_scale = 1 / 256
        model = unary(kind, (in_scale, out_scale), (points[0], points[1]), options)
        if kind == "HARD_SWISH" and in_scale / 128 > out_scale:
            with pytest.raises(UnsupportedOp):
                program_of(model)
            continue
        (step,) = program_of(model).steps
        assert step.params.table.data == reference_table(model), (in_scale, out_scale, points)  # type: ignore[attr-defined]
        compared += 1
    assert compared > 20


def test_a_function_that_changes_nothing_is_an_alias(runner: HostRunner) -> None:
    program = assert_conforms(runner, unary("RELU", (0.1, 0.1), (-128, -128)))
    assert program.steps == ()


@pytest.mark.parametrize(
    "model",
    [
        unary("LOGISTIC", (0.1, 0.1), (0, 0)),
        unary("RELU6", (0.1, 1e-12), (0, 0)),
        unary("TANH", (1e38, 1e-38), (0, 0)),
        unary("LEAKY_RELU", (1.0, 1e-3), (0, 0), {"alpha": 1e20}),
        unary("TANH", (0.1, 0.1), (0, 0), dtypes=("uint8", "uint8")),
        unary("TANH", (0.1, 0.1), (0, 0), dtypes=("int16", "int16")),
    ],
)
def test_functions_that_are_refused(model: bytes) -> None:
    with pytest.raises(UnsupportedOp):
        program_of(model)


# Float32 at the edge.


def floats(scale: float) -> list[Any]:
    """Ties, ends of the range, far beyond it, both zeros, infinities."""
    steps = np.arange(-300, 300, dtype=np.float32) / np.float32(2) * np.float32(scale)
    odd = np.array([0.0, -0.0, 1e-30, 1000 * scale, -1000 * scale], np.float32)
    return [np.concatenate([steps, odd]).reshape(1, 5, 11, 11)]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("scale", [1.0, 0.0235, 0.1, 3.0])
@pytest.mark.parametrize("point", [0, 7, 127])
def test_quantize_floats(runner: HostRunner, dtype: str, scale: float, point: int) -> None:
    model = unary(
        "QUANTIZE", (1.0, scale), (0, point), None, ("float32", dtype), shape=(1, 5, 11, 11)
    )
    assert_conforms(runner, model, inputs=[floats(scale)])


def test_quantize_defines_what_the_reference_does_not(runner: HostRunner) -> None:
    model = unary("QUANTIZE", (1.0, 0.5), (0, 3), None, ("float32", "int8"), shape=(5,))
    program = program_of(model)
    values = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30], np.float32)
    ((written,),) = runner.run(program, [[values]])
    assert np.frombuffer(written, np.int8).tolist() == [3, 127, -128, 127, -128]


@pytest.mark.parametrize("scale", [1.0, 0.0235, 1e-20, 3e20])
@pytest.mark.parametrize("point", [0, -128, 127])
def test_dequantize(runner: HostRunner, scale: float, point: int) -> None:
    assert_function(
        runner, unary("DEQUANTIZE", (scale, 1.0), (point, 0), None, ("int8", "float32"))
    )


def test_a_constant_is_dequantized_on_the_host(runner: HostRunner) -> None:
    for dtype, data in (("float16", [0.5, -2.0, 65504.0]), ("int8", [1, -128, 127])):
        b = ModelBuilder()
        x = b.tensor("x", (3,), "float32")
        w = b.tensor("w", (3,), dtype, scale=0.25 if dtype == "int8" else None, data=data)
        f = b.tensor("f", (3,), "float32")
        p = b.tensor("p", (6,), "float32")
        b.op("DEQUANTIZE", [w], [f])
        b.op("CONCATENATION", [x, f], [p])
        program = assert_conforms(runner, b.finish([x], [p]))
        assert len(program.steps) == 1

"""RESHAPE, SQUEEZE and EXPAND_DIMS cost no step, and refuse shapes that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edgeserve.errors import UnsupportedOp
from edgeserve.lower import lower
from edgeserve.program import Program, Role
from edgeserve.stream_plan import StreamPlan
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.kernels.streamed import in_one_group
from tests.tflite_builder import ModelBuilder


def reshape(
    source: Sequence[int], shape: Sequence[int] | None, output: Sequence[int], dtype: str = "int8"
) -> bytes:
    b = ModelBuilder()
    x = b.tensor("x", source, dtype, scale=0.5)
    y = b.tensor("y", output, dtype, scale=0.5)
    inputs = [x]
    if shape is not None:
        inputs.append(b.tensor("shape", (len(shape),), "int32", data=shape))
    b.op("RESHAPE", inputs, [y], {"newShape": list(output)})
    return b.finish([x], [y])


def program_of(model: bytes) -> Program:
    return lower(read_model(model, name="case"))


@pytest.mark.parametrize(
    ("source", "shape", "output"),
    [
        ((1, 4, 4, 2), (1, 32), (1, 32)),
        ((1, 4, 4, 2), (-1, 8), (4, 8)),
        ((6,), None, (2, 3)),
        ((1, 1), (1,), (1,)),
    ],
)
def test_reshape_is_an_alias(
    runner: HostRunner, source: Sequence[int], shape: Sequence[int] | None, output: Sequence[int]
) -> None:
    program = assert_conforms(runner, reshape(source, shape, output))
    assert program.steps == ()
    assert program.inputs[0].value == program.outputs[0].value
    assert [f.name for f in program.folded] == ["y"]


@pytest.mark.parametrize(
    ("source", "shape", "output"),
    [
        ((6,), (2, 2), (2, 3)),
        ((6,), (4, -1), (4, 1)),
        ((6,), (-1, -1), (2, 3)),
        ((6,), (0, -1), (2, 3)),
        ((6,), None, (7,)),
    ],
)
def test_reshape_refuses(
    source: Sequence[int], shape: Sequence[int] | None, output: Sequence[int]
) -> None:
    with pytest.raises(UnsupportedOp):
        program_of(reshape(source, shape, output))


def squeeze(source: Sequence[int], axes: Sequence[int], output: Sequence[int]) -> bytes:
    b = ModelBuilder()
    x = b.tensor("x", source, "int8", scale=0.5)
    y = b.tensor("y", output, "int8", scale=0.5)
    b.op("SQUEEZE", [x], [y], {"squeezeDims": list(axes)})
    return b.finish([x], [y])


def expand_dims(source: Sequence[int], axis: int, output: Sequence[int]) -> bytes:
    b = ModelBuilder()
    x = b.tensor("x", source, "int8", scale=0.5)
    a = b.tensor("axis", (), "int32", data=np.array(axis, np.int32))
    y = b.tensor("y", output, "int8", scale=0.5)
    b.op("EXPAND_DIMS", [x, a], [y])
    return b.finish([x], [y])


@pytest.mark.parametrize(
    ("source", "axes", "output"),
    [((1, 1, 1, 5), (), (5,)), ((1, 1, 1, 5), (1, -2), (1, 5)), ((1, 3, 1, 5), (2,), (1, 3, 5))],
)
def test_squeeze_is_an_alias(
    runner: HostRunner, source: Sequence[int], axes: Sequence[int], output: Sequence[int]
) -> None:
    assert assert_conforms(runner, squeeze(source, axes, output)).steps == ()


@pytest.mark.parametrize(("axis", "output"), [(0, (1, 3, 5)), (-1, (3, 5, 1)), (1, (3, 1, 5))])
def test_expand_dims_is_an_alias(runner: HostRunner, axis: int, output: Sequence[int]) -> None:
    assert assert_conforms(runner, expand_dims((3, 5), axis, output)).steps == ()


@pytest.mark.parametrize(
    "model",
    [
        squeeze((1, 3), (1,), (1,)),
        squeeze((1, 3), (7,), (3,)),
        squeeze((1, 3), (0,), (1, 3)),
        expand_dims((3,), 2, (3, 1)),
        expand_dims((3,), -3, (1, 3)),
        expand_dims((3,), 0, (3, 1)),
    ],
)
def test_contradictions_are_refused(model: bytes) -> None:
    with pytest.raises(UnsupportedOp):
        program_of(model)


def test_an_alias_of_a_constant_is_a_constant() -> None:
    b = ModelBuilder()
    x = b.tensor("x", (1, 4), "int8", scale=0.5)
    w = b.tensor("w", (8,), "int8", scale=0.5, data=np.arange(8, dtype=np.int8))
    shape = b.tensor("shape", (2,), "int32", data=[2, 4])
    matrix = b.tensor("matrix", (2, 4), "int8", scale=0.5)
    y = b.tensor("y", (1, 2), "int8", scale=0.5)
    b.op("RESHAPE", [w, shape], [matrix])
    b.op("FULLY_CONNECTED", [x, matrix], [y])
    program = program_of(b.finish([x], [y]))
    assert [step.label for step in program.steps] == ["y"]
    assert [value.name for value in program.values if value.role is Role.CONSTANT] == []


def test_a_constant_output_is_refused() -> None:
    b = ModelBuilder()
    x = b.tensor("x", (1, 4), "int8", scale=0.5)
    w = b.tensor("w", (8,), "int8", scale=0.5, data=np.arange(8, dtype=np.int8))
    y = b.tensor("y", (2, 4), "int8", scale=0.5)
    b.op("RESHAPE", [w], [y], {"newShape": [2, 4]})
    with pytest.raises(UnsupportedOp, match="constant"):
        program_of(b.finish([x], [y]))


def test_an_alias_of_an_output_shares_its_bytes(runner: HostRunner) -> None:
    b = ModelBuilder()
    x = b.tensor("x", (1, 2, 2, 3), "int8", scale=0.5)
    y = b.tensor("y", (12,), "int8", scale=0.5)
    z = b.tensor("z", (3, 4), "int8", scale=0.5)
    b.op("RESHAPE", [x], [y], {"newShape": [12]})
    b.op("RESHAPE", [y], [z], {"newShape": [3, 4]})
    program = assert_conforms(runner, b.finish([x], [y, z]))
    assert len({port.value for port in (*program.inputs, *program.outputs)}) == 1


def test_a_chain_of_views_lets_rows_through(runner: HostRunner) -> None:
    """Conv, three other shapes and back, conv: two steps, and the second reads the first's ring."""
    b = ModelBuilder()
    rng = np.random.default_rng(4)

    def made(name: str, shape: Sequence[int]) -> int:
        return b.tensor(name, shape, "int8", scale=0.5, zero_point=3)

    def view(
        kind: str, name: str, source: int, shape: Sequence[int], operand: Sequence[int]
    ) -> int:
        y = made(name, shape)
        data = np.array(operand if kind == "RESHAPE" else operand[0], np.int32)
        numbers = b.tensor(f"{name} by", data.shape, "int32", data=data)
        options = {"squeezeDims": list(operand)} if kind == "SQUEEZE" else {}
        b.op(kind, [source] if kind == "SQUEEZE" else [source, numbers], [y], options)
        return y

    def convolved(name: str, source: int) -> int:
        data = rng.integers(-127, 128, (3, 3, 3, 3))
        w = b.tensor(f"{name} w", data.shape, "int8", scale=0.01, data=data)
        c = b.tensor(f"{name} b", (3,), "int32", scale=0.005, data=rng.integers(-99, 99, (3,)))
        y = made(name, (1, 9, 4, 3))
        b.op("CONV_2D", [source, w, c], [y], {"padding": "SAME", "strideH": 1, "strideW": 1})
        return y

    x = made("x", (1, 9, 4, 3))
    y = convolved("first", x)
    y = view("SQUEEZE", "squeezed", y, (9, 4, 3), [0])
    y = view("RESHAPE", "flat", y, (36, 3), [-1, 3])
    y = view("RESHAPE", "rows", y, (9, 4, 3), [9, 4, 3])
    y = view("EXPAND_DIMS", "image", y, (1, 9, 4, 3), [0])
    model = b.finish([x], [convolved("second", y)])
    plans: list[StreamPlan] = []

    def plan(program: Program) -> StreamPlan:
        plans.append(in_one_group(program, 1))
        return plans[-1]

    program = assert_conforms(runner, model, plan=plan)
    assert len(program.steps) == 2
    assert [f.name for f in program.folded] == ["squeezed", "flat", "rows", "image"]
    ring = plans[0].places[program.steps[0].output.value]
    assert ring is not None
    assert ring.depth == 3

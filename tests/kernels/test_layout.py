"""Models of NCHW origin: transposes that steps do without, bit for bit, with honest coverage."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pytest

from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.program import Program
from edgeserve.tflite.reader import read_model
from edgeserve.verify import coverage
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
CHANNELS, H, W = 4, 5, 6


class NchwModel(ModelBuilder):
    """x [1, h, w, c] convolved, so that there is an image in NHWC; then whatever a test adds."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.names: dict[int, str] = {}
        self.quants: dict[int, tuple[float, int]] = {}
        self.x = self.made((1, H, W, 3))
        self.image = self.convolution(self.x, CHANNELS)

    def made(self, shape: Sequence[int], quant: tuple[float, int] = (0.05, -2)) -> int:
        name = f"t{len(self.names)}"
        index = self.tensor(name, shape, "int8", scale=quant[0], zero_point=quant[1])
        self.shapes[index], self.names[index], self.quants[index] = tuple(shape), name, quant
        return index

    def integers(self, values: Any) -> int:
        data = np.array(values)
        return self.tensor(f"i{self.rng.random()}", data.shape, "int32", data=data)

    def layer(self, kind: str, inputs: list[int], shape: Sequence[int], **options: Any) -> int:
        y = self.made(shape)
        self.op(kind, inputs, [y], options)
        return y

    def convolution(self, source: int, out_c: int) -> int:
        _, h, w, c = self.shapes[source]
        data = self.rng.integers(-127, 128, (out_c, 3, 3, c))
        weights = self.tensor(f"w{source}", data.shape, "int8", scale=0.01, data=data)
        biases = self.rng.integers(-900, 900, (out_c,))
        bias = self.tensor(f"b{source}", (out_c,), "int32", scale=0.0005, data=biases)
        options = {"padding": "SAME", "strideH": 1, "strideW": 1}
        return self.layer("CONV_2D", [source, weights, bias], (1, h, w, out_c), **options)

    def transpose(self, source: int, axes: Sequence[int]) -> int:
        y = self.made([self.shapes[source][axis] for axis in axes], self.quants[source])
        self.op("TRANSPOSE", [source, self.integers(axes)], [y])
        return y

    def alike(self, kind: str, *sources: int) -> int:
        """What has the shape of its first source; functions have the range that they must have."""
        quant = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "SOFTMAX": (1 / 256, -128)}
        y = self.made(self.shapes[sources[0]], quant.get(kind, (0.05, -2)))
        self.op(kind, list(sources), [y], {"beta": 1.0} if kind == "SOFTMAX" else {})
        return y

    def constant(self, shape: Sequence[int]) -> int:
        data = self.rng.integers(-127, 128, shape)
        name = f"c{self.rng.random()}"
        return self.tensor(name, shape, "int8", scale=0.02, zero_point=3, data=data)

    def dense(self, source: int, units: int) -> int:
        depth = prod(self.shapes[source])
        data = self.rng.integers(-127, 128, (units, depth))
        weights = self.tensor(f"fw{source}", data.shape, "int8", scale=0.01, data=data)
        biases = self.rng.integers(-900, 900, (units,))
        bias = self.tensor(f"fb{source}", (units,), "int32", scale=0.0005, data=biases)
        return self.layer("FULLY_CONNECTED", [source, weights, bias], (1, units))

    def end(self, *outputs: int) -> bytes:
        return self.finish([self.x], outputs)


def moves(program: Program) -> int:
    """The steps that move elements and do nothing else."""
    return sum(step.kernel is KernelId.COPY for step in program.steps)


def assert_settled(runner: HostRunner, model: bytes, left: int) -> Program:
    """Equal to the reference with so many moves left, and every tensor compared or folded."""
    program = assert_conforms(runner, model)
    assert moves(program) == left
    written = written_tensors(model)
    found = coverage(program, written)
    assert found.uncovered == ()
    assert found.covered + len(found.folded) == found.total == len(written)
    assert all(folded.step is not None for folded in found.folded)
    return program


def written_tensors(model: bytes) -> list[Any]:
    from edgeserve.oracle import OracleTensor

    graph = read_model(model, name="case")
    return [
        OracleTensor(index, graph.tensors[index].name) for op in graph.ops for index in op.outputs
    ]


def test_a_pair_cancels_out(runner: HostRunner) -> None:
    b = NchwModel()
    there = b.transpose(b.image, TO_NCHW)
    back = b.transpose(there, TO_NHWC)
    program = assert_settled(runner, b.end(b.convolution(back, 2)), 0)
    assert {f.name for f in program.folded} == {b.names[there], b.names[back]}


@pytest.mark.parametrize("kind", ["RELU6", "HARD_SWISH", "LOGISTIC", "TANH"])
def test_functions_of_one_element_compute_in_the_source_s_layout(
    runner: HostRunner, kind: str
) -> None:
    b = NchwModel()
    there = b.transpose(b.image, TO_NCHW)
    back = b.transpose(b.alike(kind, there), TO_NHWC)
    program = assert_settled(runner, b.end(b.convolution(back, 2)), 0)
    assert any(step.oracle and step.oracle.axes for step in program.steps) or kind == "RELU6"


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "PRELU"])
@pytest.mark.parametrize("shape", [(1, CHANNELS, H, W), (CHANNELS, 1, 1), (W,), (1,)], ids=repr)
def test_constants_are_turned_with_the_layout(
    runner: HostRunner, kind: str, shape: tuple[int, ...]
) -> None:
    b = NchwModel()
    y = b.transpose(b.image, TO_NCHW)
    y = b.layer(kind, [y, b.constant(shape)], b.shapes[y])
    assert_settled(runner, b.end(b.transpose(y, TO_NHWC)), 0)


def test_two_transposed_images_meet_where_they_lie(runner: HostRunner) -> None:
    b = NchwModel()
    other = b.convolution(b.image, CHANNELS)
    one, two = b.transpose(b.image, TO_NCHW), b.transpose(other, TO_NCHW)
    met = b.alike("ADD", one, two)
    shape = (1, 2 * CHANNELS, H, W)
    joined = b.layer("CONCATENATION", [met, one], shape, axis=1)
    assert_settled(runner, b.end(b.transpose(joined, TO_NHWC)), 0)


def test_padding_goes_to_where_the_dimension_lies(runner: HostRunner) -> None:
    b = NchwModel()
    y = b.transpose(b.image, TO_NCHW)
    pairs = b.integers([[0, 0], [0, 0], [2, 1], [0, 3]])
    y = b.layer("PAD", [y, pairs], (1, CHANNELS, H + 3, W + 3))
    back = b.transpose(y, TO_NHWC)
    program = assert_settled(runner, b.end(b.convolution(back, 2)), 0)
    assert KernelId.PAD not in {step.kernel for step in program.steps}


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("axes", [(2, 3), (-1, -2), (1,), (3,)], ids=repr)
def test_reductions_find_their_dimensions(
    runner: HostRunner, axes: tuple[int, ...], keep: bool
) -> None:
    b = NchwModel()
    y = b.transpose(b.image, TO_NCHW)
    shape = b.shapes[y]
    dropped = {axis % 4 for axis in axes}
    out = [1 if axis in dropped else extent for axis, extent in enumerate(shape)]
    if not keep:
        out = [extent for axis, extent in enumerate(shape) if axis not in dropped]
    mean = b.layer("MEAN", [y, b.integers(axes)], out, keepDims=keep)
    program = assert_conforms(runner, b.end(mean))
    assert moves(program) <= 1
    if dropped == {2, 3}:
        assert_settled(runner, b.end(mean), 0)


def test_a_dense_layer_reads_its_weights_in_another_order(runner: HostRunner) -> None:
    b = NchwModel()
    y = b.transpose(b.image, TO_NCHW)
    elements = CHANNELS * H * W
    flat = b.layer("RESHAPE", [y, b.integers([1, -1])], (1, elements), newShape=[1, elements])
    program = assert_settled(runner, b.end(b.dense(flat, 7)), 0)
    assert {f.name: f.step for f in program.folded} == {b.names[y]: 1, b.names[flat]: 1}


def test_a_flat_image_that_others_read_is_transposed_once(runner: HostRunner) -> None:
    b = NchwModel()
    y = b.transpose(b.image, TO_NCHW)
    elements = CHANNELS * H * W
    flat = b.layer("RESHAPE", [y, b.integers([1, -1])], (1, elements), newShape=[1, elements])
    program = assert_conforms(runner, b.end(b.dense(flat, 7), b.alike("RELU", flat)))
    assert moves(program) == 1


def test_what_needs_the_bytes_gets_them(runner: HostRunner) -> None:
    """An output, and an operator that has no rule."""
    b = NchwModel()
    y = b.transpose(b.image, TO_NCHW)
    assert_settled(runner, b.end(y, b.alike("SOFTMAX", y)), 1)


def test_other_readings_of_the_bytes_are_left_alone(runner: HostRunner) -> None:
    """A transpose that changes the scale, as no converter writes it, means other real values."""
    b = NchwModel()
    y = b.made([1, CHANNELS, H, W], (0.1, 5))
    b.op("TRANSPOSE", [b.image, b.integers(TO_NCHW)], [y])
    assert_conforms(runner, b.end(b.alike("HARD_SWISH", y)))


def test_a_graph_that_would_move_more_stays_as_it_is(runner: HostRunner) -> None:
    """Behind the RELU both readers want NCHW: sinking the one transpose would make two."""
    b = NchwModel()
    y = b.transpose(b.image, TO_NCHW)
    z = b.alike("RELU", y)
    program = assert_settled(runner, b.end(y, z), 1)
    assert all(step.oracle is None or not step.oracle.axes for step in program.steps)


def random_nchw(seed: int) -> bytes:
    """Transposes by all kinds of axes among what can be computed through them."""
    b = NchwModel(seed)
    images = [b.image]

    def pick(*choices: Any) -> Any:
        return choices[int(b.rng.integers(len(choices)))]

    for _ in range(int(b.rng.integers(3, 10))):
        y = images[-1] if b.rng.random() < 0.7 else pick(*images)
        shape = b.shapes[y]
        kind = pick("TRANSPOSE", "TRANSPOSE", "RELU", "ADD", "MUL", "CONCATENATION", "PAD", "CONV")
        if kind == "TRANSPOSE":
            images.append(b.transpose(y, [0, *(1 + b.rng.permutation(3))]))
        elif kind == "RELU":
            images.append(b.alike("RELU", y))
        elif kind in ("ADD", "MUL"):
            alike = [o for o in images if b.shapes[o] == shape]
            images.append(b.alike(kind, y, pick(*alike, b.constant(shape[2:]))))
        elif kind == "CONCATENATION":
            axis = int(b.rng.integers(1, 4))
            out = list(shape)
            out[axis] *= 2
            images.append(b.layer(kind, [y, y], out, axis=pick(axis, axis - 4)))
        elif kind == "PAD":
            pairs = [[0, 0], *b.rng.integers(0, 2, (3, 2)).tolist()]
            out = [extent + sum(pair) for extent, pair in zip(shape, pairs, strict=True)]
            images.append(b.layer(kind, [y, b.integers(pairs)], out))
        elif prod(shape) < 600:
            images.append(b.convolution(y, 3))
    last = images[-1]
    if b.rng.random() < 0.5:
        n = prod(b.shapes[last])
        flat = b.layer("RESHAPE", [last, b.integers([1, n])], (1, n), newShape=[1, n])
        last = b.dense(flat, 4)
    return b.end(last)


@pytest.mark.parametrize("shard", range(5))
def test_random_layouts_equal_the_reference(runner: HostRunner, shard: int) -> None:
    for seed in range(shard, 100, 5):
        model = random_nchw(seed)
        program = assert_conforms(runner, model, runs=1)
        found = coverage(program, written_tensors(model))
        assert found.uncovered == (), f"seed {seed}"


def test_a_broken_order_is_refused_by_name() -> None:
    b = NchwModel()
    y = b.layer("TRANSPOSE", [b.image, b.integers([0, 1, 1, 2])], (1, 5, 5, 6))
    with pytest.raises(Exception, match="does not permute"):
        lower(read_model(b.end(y), name="case"))

"""CONV_2D by pairs of channels against LiteRT's reference, and both sides of its proofs.

The portable twin runs here; ``tests/e2e/test_dsp_kernels_qemu.py`` runs the assembly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from edgeserve.arena import align_up
from edgeserve.kernels.record import Blob, KernelId
from edgeserve.kernels.tuned import ConvPairsParams, quads_of_row
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Program, Step
from edgeserve.stream_plan import Span
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels.conformance import Array, assert_conforms, random_inputs
from tests.kernels.host_runner import ES_OK, HostRunner
from tests.kernels.test_convolution import QUANTISATIONS, WALKS, Case, conv2d
from tests.tflite_builder import ModelBuilder

ISA = ("dsp", "ref")
ES_OUT_OF_BOUNDS = 6

SHAPES = [
    Case(1, 1, 1, 1, kernel=(1, 1)),
    Case(4, 5, 8, 16, kernel=(1, 1)),
    Case(3, 2, 17, 3, kernel=(1, 1)),
    Case(1, 7, 2, 17, kernel=(1, 1)),
    Case(7, 1, 5, 2, kernel=(1, 1)),
    Case(5, 7, 3, 6),
    Case(6, 8, 4, 8),
    Case(4, 9, 17, 5),
    Case(8, 5, 1, 7),
    Case(11, 6, 1, 12, kernel=(10, 4)),
    Case(6, 5, 6, 7, kernel=(5, 3)),
    Case(1, 13, 2, 4, kernel=(1, 5)),
    Case(12, 1, 2, 9, kernel=(4, 1)),
    Case(3, 3, 9, 4, kernel=(7, 7)),
    Case(2, 9, 16, 3, kernel=(2, 2)),
]
# With weights of -128, so that some of their many pairs stand in reverse.
FULL_RANGE_SHAPES = [
    Case(4, 5, 20, 67, kernel=(1, 1)),
    Case(1, 8, 24, 86, kernel=(1, 1)),
    Case(5, 7, 2, 96),
    Case(3, 6, 3, 71, kernel=(2, 3)),
]


def walked() -> list[Case]:
    return _walked([replace(shape, least_weight=-127) for shape in SHAPES])


def walked_with_pairs_in_reverse() -> list[Case]:
    return _walked(FULL_RANGE_SHAPES)


def _walked(shapes: list[Case]) -> list[Case]:
    cases = [replace(shape, **walk) for shape in shapes for walk in WALKS]
    return [case for case in cases if min(case.output) >= 1]


def by_pairs(model: bytes) -> Program:
    return tuned(lower(read_model(model, name="case")), ISA)


def kernel_of(model: bytes) -> KernelId:
    (step,) = by_pairs(model).steps
    return step.kernel


def in_reverse(step: Step) -> list[int]:
    """Which pairs of a step stand in reverse."""
    p = step.params
    assert isinstance(p, ConvPairsParams)
    row_quads, row_left = quads_of_row(p.kernel_h, p.kernel_w * step.inputs[0].c)
    quads = p.kernel_h * row_quads - (-p.kernel_h * row_left // 4)
    pairs = np.frombuffer(p.stream.data, np.uint32).reshape(-1, 7 + 2 * quads)
    assert len(pairs) == -(-step.output.c // 2)
    return np.flatnonzero(pairs[:, -1] >> 31).tolist()


@pytest.mark.parametrize("case", walked(), ids=repr)
def test_walks(runner: HostRunner, case: Case) -> None:
    program = assert_conforms(runner, conv2d(case), runs=1, isa=ISA)
    assert program.steps[0].kernel is KernelId.CONV_PAIRS
    assert in_reverse(program.steps[0]) == []


@pytest.mark.parametrize("activation", ["NONE", "RELU"])
@pytest.mark.parametrize("case", walked_with_pairs_in_reverse(), ids=repr)
def test_walks_with_pairs_in_reverse(runner: HostRunner, case: Case, activation: str) -> None:
    program = assert_conforms(runner, conv2d(replace(case, activation=activation)), runs=1, isa=ISA)
    (step,) = program.steps
    assert isinstance(step.params, ConvPairsParams)
    assert 0 < len(in_reverse(step)) < step.output.c // 4
    assert step.params.negatives


@pytest.mark.parametrize("quantisation", QUANTISATIONS, ids=repr)
@pytest.mark.parametrize("shape", [SHAPES[3], SHAPES[5], SHAPES[9]], ids=["1x1", "3x3", "10x4"])
def test_quantisations(runner: HostRunner, shape: Case, quantisation: dict[str, Any]) -> None:
    assert_conforms(runner, conv2d(replace(shape, **quantisation)), isa=ISA)


def test_groups_stay_with_the_generic_kernel(runner: HostRunner) -> None:
    model = conv2d(Case(5, 6, 6, 12, groups=2))
    assert kernel_of(model) is KernelId.CONV_2D
    assert_conforms(runner, model, isa=ISA)


def layer(
    weights: list[list[int]],
    biases: list[int],
    factor: float,
    *,
    zero_point: int = 0,
    activation: str = "NONE",
    pixels: int = 3,
) -> bytes:
    """A pointwise layer over a row of pixels: of each output channel its weights and bias, and the
    factor from a sum to an output.
    """
    b = ModelBuilder()
    out_c, c = len(weights), len(weights[0])
    x = b.tensor("x", (1, 1, pixels, c), "int8", scale=1.0, zero_point=0)
    data = np.array(weights, np.int8).reshape(out_c, 1, 1, c)
    w = b.tensor("w", data.shape, "int8", scale=factor, data=data)
    bias = b.tensor("bias", (out_c,), "int32", scale=factor, data=np.array(biases, np.int32))
    y = b.tensor("y", (1, 1, pixels, out_c), "int8", scale=1.0, zero_point=zero_point)
    options = {"padding": "VALID", "strideH": 1, "strideW": 1}
    b.op("CONV_2D", [x, w, bias], [y], {**options, "fusedActivationFunction": activation})
    return b.finish([x], [y])


def extremes(channels: int, pixels: int = 3) -> list[list[Array]]:
    """Inputs at both ends of their range and between."""
    rows = [[-128, 127, 0], [127, -128, 1], [-1, 64, -128], [127, 127, -127], [3, -5, 7]]
    filled = [np.resize(np.array(row, np.int8), (1, 1, pixels, 1)) for row in rows]
    return [[np.repeat(row, channels, axis=3)] for row in filled]


@dataclass(frozen=True)
class Limit:
    """A layer whose first or second channel has so many weights of 127. With one bias the least or
    the greatest sum is just inside, with the next just outside. The first channel's sum is small,
    or, where ``beside`` is set, just outside too.
    """

    taps: int
    inside: int
    outside: int
    factor: float
    zero_point: int = 0
    second: bool = False
    beside: bool = False

    def models(self) -> list[bytes]:
        found = []
        for bias in (self.inside, self.outside):
            weights, biases = [[127] * self.taps], [bias]
            if self.second:
                weights.insert(0, [127 if self.beside else 1] * self.taps)
                biases.insert(0, self.outside if self.beside else 0)
            found.append(layer(weights, biases, self.factor, zero_point=self.zero_point))
        return found


def above(taps: int, most: int, *rest: Any) -> Limit:
    return Limit(taps, most - taps * 127 * 127, most + 1 - taps * 127 * 127, *rest)


def below(taps: int, least: int, *rest: Any) -> Limit:
    return Limit(taps, least + taps * 127 * 128, least - 1 + taps * 127 * 128, *rest)


LIMITS = {
    "one sum of two is an int24, above": above(260, 2**23 - 1, 2.0**-17, 0, True, True),
    "one sum of two is an int24, below": below(260, -(2**23), 2.0**-17, 0, True, True),
    "a sum is an int31, above": above(520, 2**30 - 1, 2.0**-23, -128),
    "a sum is an int31, below": below(520, -(2**30), 2.0**-23, 127),
    # 255 << 23 and three quarters of the sum, less one where it is negative.
    "the addend and more is an int32, above": above(1040, 11_184_809, 0.75 * 2.0**-24, 127),
    "the addend and more is an int32, below": below(1040, -11_184_810, 0.75 * 2.0**-24, -128),
}


@pytest.mark.parametrize("name", LIMITS)
def test_both_sides_of_a_limit(runner: HostRunner, name: str) -> None:
    kernels = []
    limit = LIMITS[name]
    for model in limit.models():
        kernels.append(kernel_of(model))
        assert_conforms(runner, model, inputs=extremes(limit.taps), isa=ISA)
    assert kernels == [KernelId.CONV_PAIRS, KernelId.CONV_2D]


@dataclass(frozen=True)
class Pair:
    """A layer of five channels, of whose three pairs the second is looked at."""

    model: bytes
    inputs: list[list[Array]]
    reverse: bool | None
    """Whether it stands in reverse; None where the kernel cannot have it."""


def pairs_about_an_int24(pixels: int = 3, activation: str = "NONE") -> list[Pair]:
    """Both channels just inside or just outside 24 bits, at either end. What makes the one great
    makes the other small, so that none passes for the other.
    """
    taps, found = 400, []
    weights = [[w] * taps for w in (3, -4, -127, 127, -2)]
    reverse = {(0, 0): False, (1, 0): False, (0, 1): True, (1, 1): None}
    ends = ((2**23 - 1, (-128, 127), 1), (-(2**23), (127, -128), -1))
    for last, (first_input, second_input), step in ends:
        for (first, second), expected in reverse.items():
            biases = [
                last + step * first + taps * 127 * first_input,
                last + step * second - taps * 127 * second_input,
            ]
            model = layer(
                weights, [5, -6, *biases, 7], 2.0**-17, pixels=pixels, activation=activation
            )
            found.append(Pair(model, extremes(taps, pixels), expected))
    return found


@pytest.mark.parametrize("activation", ["NONE", "RELU"])
@pytest.mark.parametrize("pixels", range(1, 6))
def test_a_pair_stands_in_reverse_where_its_second_sum_is_no_int24(
    runner: HostRunner, pixels: int, activation: str
) -> None:
    for pair in pairs_about_an_int24(pixels, activation):
        program = assert_conforms(runner, pair.model, inputs=pair.inputs, isa=ISA)
        (step,) = program.steps
        if pair.reverse is None:
            assert step.kernel is KernelId.CONV_2D
            continue
        assert in_reverse(step) == ([1] if pair.reverse else [])
        assert isinstance(step.params, ConvPairsParams)
        assert step.params.negatives == (pair.reverse or activation == "NONE")


@pytest.mark.parametrize(
    ("pair", "kernel"),
    [
        ((-128, -127), KernelId.CONV_PAIRS),
        ((127, 127), KernelId.CONV_PAIRS),
        ((0, -128), KernelId.CONV_PAIRS),
        ((127, -128), KernelId.CONV_PAIRS),
        ((-1, -128), KernelId.CONV_PAIRS),  # in reverse
        ((-128, -128), KernelId.CONV_2D),
    ],
)
def test_both_weights_fit_one_word_or_not(
    runner: HostRunner, pair: tuple[int, int], kernel: KernelId
) -> None:
    for where in range(5):
        weights = [[3, -7, 11, 1, 90], [-4, 8, 2, -100, 1]]
        weights[0][where], weights[1][where] = pair
        model = layer(weights, [100, -100], 0.01)
        assert kernel_of(model) is kernel
        assert_conforms(runner, model, inputs=extremes(5), isa=ISA)


def test_weights_that_fit_one_word_neither_way(runner: HostRunner) -> None:
    """One pair of them fits in order alone, another in reverse alone."""
    model = layer([[-128, -1, 5], [-1, -128, 6]], [100, -100], 0.01)
    assert kernel_of(model) is KernelId.CONV_2D
    assert_conforms(runner, model, inputs=extremes(3), isa=ISA)


@pytest.mark.parametrize(
    ("factor", "kernel"),
    [
        (0.5 - 2.0**-25, KernelId.CONV_PAIRS),  # a shift of 1 to the right
        (0.5, KernelId.CONV_2D),  # of 0
        (1.0, KernelId.CONV_2D),
    ],
)
def test_factors_of_a_half_and_more(runner: HostRunner, factor: float, kernel: KernelId) -> None:
    for zero_point in (-128, 0, 127):
        model = layer([[1], [-1], [2]], [5, -6, 7], factor, zero_point=zero_point)
        assert kernel_of(model) is kernel
        assert_conforms(runner, model, inputs=extremes(1), isa=ISA)


TIES = [(factor, bias) for factor in (0.25, 0.125, 2.0**-7) for bias in (0, 1, -1, 2, -3, 64)]


@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize(("factor", "bias"), TIES)
def test_ties_go_away_from_zero(
    runner: HostRunner, factor: float, bias: int, activation: str
) -> None:
    for zero_point in (-128, -5, 100):
        model = layer(
            [[1], [-1], [2], [-3]],
            [bias, -bias, bias + 1, 2 * bias],
            factor,
            zero_point=zero_point,
            activation=activation,
        )
        program = assert_conforms(runner, model, inputs=extremes(1), isa=ISA)
        (step,) = program.steps
        assert isinstance(step.params, ConvPairsParams)
        assert step.params.negatives == (step.params.act_min < zero_point)


@pytest.mark.parametrize("activation", ["NONE", "RELU"])
def test_a_channel_that_no_input_changes_has_no_limits(runner: HostRunner, activation: str) -> None:
    """Its weights and its bias would leave every range."""
    weights = [[-128, -128], [-128, -128], [1, 2], [0, 0], [0, 0]]
    biases = [-(2**30), 2**30, 3, 2**31 - 1, -(2**31)]
    for factor in (2.0**-6, 2.0**-20, 2.0**-33):
        model = layer(weights, biases, factor, zero_point=-3, activation=activation)
        assert kernel_of(model) is KernelId.CONV_PAIRS
        assert_conforms(runner, model, inputs=extremes(2), isa=ISA)


def test_a_channel_that_hardly_changes_is_not_taken_for_constant(runner: HostRunner) -> None:
    """One sum in 256 comes out differently."""
    for bias in (-129, -128, -127, 126, 127, 128, 129):
        model = layer([[1], [0]], [bias, bias], 2.0**-8, zero_point=1)
        inputs = [[np.full((1, 1, 3, 1), value, np.int8)] for value in (-128, -1, 0, 1, 127)]
        assert_conforms(runner, model, inputs=inputs, isa=ISA)


def with_exact_scratch(program: Program) -> bytes:
    """The table of a one-step program whose scratch ends where the arena ends."""
    plan = whole_plan(program)
    scratch = program.steps[0].scratch_bytes
    at = align_up(plan.arena_bytes)
    moved = replace(plan, scratch=(Span(at, scratch),), arena_bytes=at + scratch)
    return write_table(program, moved).data


@pytest.mark.parametrize("case", walked()[::2], ids=repr)
def test_scratch_suffices_to_the_byte(runner: HostRunner, case: Case) -> None:
    """AddressSanitizer guards the end of the arena."""
    program = by_pairs(conv2d(case))
    inputs = random_inputs(program, np.random.default_rng(2))
    ran = runner.run_table(with_exact_scratch(program), [inputs[0].tobytes()], 1)
    assert ran.status == ES_OK
    assert ran.steps == runner.run(program, [inputs])
    (step,) = program.steps
    short = replace(program, steps=(replace(step, scratch_bytes=step.scratch_bytes - 1),))
    assert runner.run_table(with_exact_scratch(short), [], 1).status == ES_OUT_OF_BOUNDS


@pytest.mark.parametrize("pixels", range(1, 6))
@pytest.mark.parametrize("negatives", [0, 1])
@pytest.mark.parametrize("tile", [2, 3])
def test_any_stream_is_safe(runner: HostRunner, tile: int, negatives: int, pixels: int) -> None:
    """Wrong numbers are all that a stream without proofs can make."""
    program = by_pairs(layer([[1] * 5] * 7, [0] * 7, 0.01, pixels=pixels))
    (step,) = program.steps
    p = step.params
    assert isinstance(p, ConvPairsParams)
    rng = np.random.default_rng(pixels)
    stream = Blob(rng.bytes(len(p.stream.data)), p.stream.note)
    params = replace(p, stream=stream, negatives=negatives, tile_pixels=tile)
    scratch = params.scratch_bytes((1, pixels, 5), (1, pixels))
    wild = replace(program, steps=(replace(step, params=params, scratch_bytes=scratch),))
    inputs = random_inputs(program, rng)
    ran = runner.run_table(with_exact_scratch(wild), [inputs[0].tobytes()], 1)
    assert ran.status == ES_OK

"""CONV_2D by Winograd's method against LiteRT's reference, and both sides of its proofs.

The portable twin runs here; ``tests/e2e/test_chosen_kernels_qemu.py`` runs the assembly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgeserve.arena import align_up
from edgeserve.kernels.record import KernelId
from edgeserve.kernels.tuned import ConvWinogradParams
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.stream_plan import Span
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import Array, assert_conforms, at_any_price, random_inputs
from tests.kernels.host_runner import ES_OK, HostRunner
from tests.kernels.test_convolution import Case, conv2d
from tests.tflite_builder import ModelBuilder

ISA = ("dsp", "ref")
ES_OUT_OF_BOUNDS = 6

SIZES = [(1, 1), (1, 6), (7, 1), (2, 2), (3, 5), (4, 4), (5, 3), (6, 7), (8, 8), (9, 10)]
SHAPES = [
    Case(h, w, c, out_c, padding=padding)
    for (h, w), (c, out_c) in zip(
        SIZES * 2, [(4, 2), (8, 4), (36, 6), (12, 10), (40, 2)] * 4, strict=True
    )
    for padding in ("SAME", "VALID")
    if padding == "SAME" or min(h, w) >= 3
]


def by_winograd(model: bytes) -> Program:
    return at_any_price(lower(read_model(model, name="case")), ISA)


def kernel_of(model: bytes) -> KernelId:
    (step,) = by_winograd(model).steps
    return step.kernel


def conforms(
    runner: HostRunner, model: bytes, inputs: Sequence[Sequence[Array]] | None = None
) -> Program:
    return assert_conforms(runner, model, inputs=inputs, isa=ISA, choose=at_any_price)


@pytest.mark.parametrize("case", SHAPES, ids=repr)
def test_shapes(runner: HostRunner, case: Case) -> None:
    for activation in ("NONE", "RELU", "RELU6"):
        for zero_points in ((3, -5), (-128, -128), (127, 40)):
            layer = replace(case, activation=activation, zero_points=zero_points)
            program = conforms(runner, conv2d(layer))
            assert program.steps[0].kernel is KernelId.CONV_WINOGRAD


@pytest.mark.parametrize(
    "case",
    [
        Case(6, 6, 4, 4, kernel=(3, 1)),
        Case(6, 6, 4, 4, kernel=(5, 3)),
        Case(6, 6, 4, 4, stride=(2, 1)),
        Case(6, 6, 4, 4, stride=(1, 2)),
        Case(6, 6, 4, 4, dilation=(1, 2)),
        Case(6, 6, 6, 4),
        Case(6, 6, 4, 5),
        Case(6, 6, 8, 4, groups=2),
    ],
    ids=repr,
)
def test_other_windows_stay_with_their_kernel(runner: HostRunner, case: Case) -> None:
    model = conv2d(case)
    assert kernel_of(model) is not KernelId.CONV_WINOGRAD
    conforms(runner, model)


def layer(
    weights: Array, biases: list[int], factor: float, *, zero_point: int = 0, act: str = "NONE"
) -> bytes:
    """Over 4 x 5 pixels: weights [out_c, 3, 3, c], and the factor from a sum to an output."""
    b = ModelBuilder()
    out_c, _, _, c = weights.shape
    x = b.tensor("x", (1, 4, 5, c), "int8", scale=1.0, zero_point=0)
    w = b.tensor("w", weights.shape, "int8", scale=factor, data=weights)
    bias = b.tensor("bias", (out_c,), "int32", scale=factor, data=np.array(biases, np.int32))
    y = b.tensor("y", (1, 4, 5, out_c), "int8", scale=1.0, zero_point=zero_point)
    options = {"padding": "SAME", "strideH": 1, "strideW": 1, "fusedActivationFunction": act}
    b.op("CONV_2D", [x, w, bias], [y], options)
    return b.finish([x], [y])


def extremes(c: int) -> list[list[Array]]:
    """All least, all greatest, and checkered."""
    checkered = np.resize([-128, 127], (1, 4, 5, c))
    rows = np.where(np.arange(4).reshape(1, 4, 1, 1) % 2, 127, -128) + np.zeros((1, 4, 5, c))
    full = [np.full((1, 4, 5, c), value) for value in (-128, 127, -1)]
    return [[np.asarray(image, np.int8)] for image in (*full, checkered, rows)]


CHANNELS = 64


def greatest() -> Iterator[bytes]:
    """Layers whose transforms are greatest in each element, and whose sums just fit."""
    for weight in (-128, 127):
        for signs in ([[1, 1, 1]] * 3, [[1, -1, 1], [-1, 1, -1], [1, -1, 1]], [[1, 0, -1]] * 3):
            window = np.clip(weight * np.array(signs), -128, 127).astype(np.int8)
            weights = np.broadcast_to(window[None, :, :, None], (2, 3, 3, CHANNELS)).copy()
            yield layer(weights, [70, -9], 2.0**-19, zero_point=3)
    weights = np.full((2, 3, 3, CHANNELS), 127, np.int8)
    for bias, zero_point in ((2**29 - 1 - ABOVE, -128), (BELOW - 2**29, 127)):
        yield layer(weights, [bias, bias], 2.0**-22, zero_point=zero_point)


TAPS = 9 * CHANNELS
ABOVE, BELOW = TAPS * 127 * 127, TAPS * 127 * 128


def test_the_greatest_tiles(runner: HostRunner) -> None:
    for model in greatest():
        assert kernel_of(model) is KernelId.CONV_WINOGRAD
        conforms(runner, model, extremes(CHANNELS))


@pytest.mark.parametrize(
    ("inside", "outside", "factor", "zero_point"),
    [
        # A sum is an int30.
        (2**29 - 1 - ABOVE, 2**29 - ABOVE, 2.0**-22, -128),
        (BELOW - 2**29, BELOW - 2**29 - 1, 2.0**-22, 127),
    ],
    ids=["above", "below"],
)
def test_both_sides_of_the_greatest_sum(
    runner: HostRunner, inside: int, outside: int, factor: float, zero_point: int
) -> None:
    kernels = []
    for bias in (inside, outside):
        weights = np.full((2, 3, 3, CHANNELS), 127, np.int8)
        weights[1] = 1
        model = layer(weights, [bias, 5], factor, zero_point=zero_point)
        kernels.append(kernel_of(model))
        conforms(runner, model, extremes(CHANNELS))
    assert kernels == [KernelId.CONV_WINOGRAD, KernelId.CONV_PAIRS]


@pytest.mark.parametrize(
    ("bias", "is_exact"),
    # 255 << 23, one, and 1.5 times the greatest sum are 2^31 - 1.
    [(5_592_404 - ABOVE, True), (5_592_405 - ABOVE, False)],
)
def test_both_sides_of_the_addend_and_more(runner: HostRunner, bias: int, is_exact: bool) -> None:
    weights = np.full((2, 3, 3, CHANNELS), 127, np.int8)
    weights[1] = 0
    model = layer(weights, [bias, 5], 0.75 * 2.0**-23, zero_point=127)
    assert (kernel_of(model) is KernelId.CONV_WINOGRAD) is is_exact
    conforms(runner, model, extremes(CHANNELS))


@pytest.mark.parametrize("activation", ["NONE", "RELU"])
@pytest.mark.parametrize("factor", [0.25, 0.125, 2.0**-7, 0.5 - 2.0**-25])
def test_ties_go_away_from_zero(runner: HostRunner, factor: float, activation: str) -> None:
    for zero_point in (-128, -5, 100):
        for bias in (0, 1, -1, 2, -3, 64):
            weights = np.zeros((4, 3, 3, 4), np.int8)
            weights[:, 1, 1, 0] = [1, -1, 2, -3]
            biases = [bias, -bias, bias + 1, 2 * bias]
            model = layer(weights, biases, factor, zero_point=zero_point, act=activation)
            program = conforms(runner, model, extremes(4))
            params = program.steps[0].params
            assert isinstance(params, ConvWinogradParams)
            assert params.negatives == (params.act_min < zero_point)


def test_factors_of_a_half_stay_with_the_generic_kernel(runner: HostRunner) -> None:
    weights = np.zeros((2, 3, 3, 4), np.int8)
    weights[:, 1, 1, 0] = 1
    model = layer(weights, [5, -6], 0.5)
    assert kernel_of(model) is KernelId.CONV_2D
    conforms(runner, model, extremes(4))


def with_exact_scratch(program: Program) -> bytes:
    """The table of a one-step program whose scratch ends where the arena ends."""
    plan = whole_plan(program)
    scratch = program.steps[0].scratch_bytes
    at = align_up(plan.arena_bytes)
    moved = replace(plan, scratch=(Span(at, scratch),), arena_bytes=at + scratch)
    return write_table(program, moved).data


@pytest.mark.parametrize("case", SHAPES[::3], ids=repr)
def test_scratch_suffices_to_the_byte(runner: HostRunner, case: Case) -> None:
    """AddressSanitizer guards the end of the arena."""
    program = by_winograd(conv2d(case))
    inputs = random_inputs(program, np.random.default_rng(2))
    ran = runner.run_table(with_exact_scratch(program), [inputs[0].tobytes()], 1)
    assert ran.status == ES_OK
    assert ran.steps == runner.run(program, [inputs])
    (step,) = program.steps
    short = replace(program, steps=(replace(step, scratch_bytes=step.scratch_bytes - 1),))
    assert runner.run_table(with_exact_scratch(short), [], 1).status == ES_OUT_OF_BOUNDS

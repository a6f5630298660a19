"""The kernels of dense layers, elementwise ones and transposed convolutions that are made for the
Cortex-M7, on the emulated board, against the oracle.

All cases of a test run in one start of the emulator.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.board_runner import BoardRunner, Case
from edgeserve.board import load_board
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels import (
    test_conv_winograd,
    test_convolution,
    test_elementwise,
    test_fully_connected,
    test_fully_connected_wide,
)
from tests.kernels.conformance import Array, at_any_price, oracle_steps, random_inputs
from tests.kernels.streamed import in_one_group, summing
from tests.kernels.test_convolution import conv2d
from tests.tools import need_board_tools

BOARD = "mps2-an500"
TAKE_FLASH = (KernelId.FULLY_CONNECTED_WIDE, KernelId.CONV_WINOGRAD)
"""Kernels that are chosen only where flash may be spent on speed."""


@pytest.fixture(scope="module")
def board_runner(tmp_path_factory: pytest.TempPathFactory) -> BoardRunner:
    board = load_board(BOARD)
    need_board_tools(board)
    return BoardRunner(board, tmp_path_factory.mktemp("runner"))


class Trial:
    """A model with its inputs: what the board is given, and what its steps must write."""

    def __init__(
        self,
        model: bytes,
        inputs: Sequence[Sequence[Array]] | None = None,
        *,
        rows: int = 0,
        kernel: KernelId,
    ) -> None:
        """``rows``: of a turn, on rings; 0 for whole steps. ``kernel``: of the last step."""
        lowered = lower(read_model(model, name="trial"))
        choose = at_any_price if kernel in TAKE_FLASH else tuned
        program = choose(lowered, load_board(BOARD).cpu.isa)
        assert program.steps[-1].kernel is kernel
        if inputs is None:
            inputs = [random_inputs(program, np.random.default_rng(len(model)))]
        self.wanted = [zlib.crc32(run[-1] or b"") for run in oracle_steps(model, lowered, inputs)]
        plan = in_one_group(program, rows, fed=False) if rows else whole_plan(program)
        data = tuple(b"".join(array.tobytes() for array in one) for one in inputs)
        self.case = Case(write_table(program, plan).data, data)


def assert_equal_on_the_board(board_runner: BoardRunner, trials: Sequence[Trial]) -> None:
    answers = board_runner.run(trial.case for trial in trials)
    assert len(answers) == len(trials) > 0
    for number, (trial, answer) in enumerate(zip(trials, answers, strict=True)):
        assert answer.status == 0, f"trial {number}: status {answer.status}"
        assert [run.steps[-1].crc for run in answer.runs] == trial.wanted, f"trial {number}"


def pairs(model: bytes, inputs: Sequence[Sequence[Array]] | None = None, rows: int = 0) -> Trial:
    return Trial(model, inputs, rows=rows, kernel=KernelId.FULLY_CONNECTED_PAIRS)


def test_rows_and_channels_of_all_lengths(board_runner: BoardRunner) -> None:
    """Quads and passes that are left over, and the change from widened rows to bytes."""
    trials = []
    for depth in (1, 2, 3, 4, 5, 7, 8, 28, 32, 33, 36, 64, 100, 127, 128, 132, 156, 160, 192, 512):
        for out_c in (4, 5, 6, 7, 8, 16, 19):
            rng = np.random.default_rng([depth, out_c])
            weights = rng.integers(-127, 128, (out_c, depth)).tolist()
            biases = rng.integers(-(1 << 20), 1 << 20, out_c).tolist()
            act, zero_points = [("NONE", (3, -5)), ("RELU6", (-128, -110))][out_c % 2]
            scale = test_fully_connected.ROUGH * 2.0**-21
            data = test_fully_connected.layer(
                weights, biases, weight_scale=scale, zero_points=zero_points, act=act
            )
            trials.append(pairs(data, test_fully_connected.extremes(depth)))
    assert_equal_on_the_board(board_runner, trials)


def test_both_sides_of_the_limits(board_runner: BoardRunner) -> None:
    trials = []
    for models in test_fully_connected.LIMITS.values():
        kernels = (KernelId.FULLY_CONNECTED_PAIRS, KernelId.FULLY_CONNECTED)
        for model, kernel in zip(models, kernels, strict=True):
            depth = lower(read_model(model, name="limit")).steps[0].inputs[0].c
            trials.append(Trial(model, test_fully_connected.extremes(depth), kernel=kernel))
    assert_equal_on_the_board(board_runner, trials)


@pytest.mark.parametrize("depth", [516, 520, 1008, 1200, 4000])
def test_long_rows(board_runner: BoardRunner, depth: int) -> None:
    weights = [[127] * depth, [127] * depth, [-127] * depth, [1] * depth, [-127] * depth]
    data = test_fully_connected.layer(
        weights, [0, 5, -9, 1 << 20, 7], weight_scale=2.0**-24 * test_fully_connected.ROUGH
    )
    assert_equal_on_the_board(board_runner, [pairs(data, test_fully_connected.extremes(depth))])


def test_rows_as_they_come(board_runner: BoardRunner) -> None:
    """Rows that begin and end anywhere in a quad."""
    shapes = [(1, 5, 4, 6), (1, 7, 1, 3), (1, 13, 3, 1), (1, 6, 1, 8), (1, 8, 5, 7), (1, 3, 4, 160)]
    trials = [
        pairs(summing("FULLY_CONNECTED", shape), rows=rows) for shape in shapes for rows in (1, 2)
    ]
    assert_equal_on_the_board(board_runner, trials)


def wide(model: bytes, inputs: Sequence[Sequence[Array]] | None = None, rows: int = 0) -> Trial:
    return Trial(model, inputs, rows=rows, kernel=KernelId.FULLY_CONNECTED_WIDE)


def test_wide_weights_of_all_lengths(board_runner: BoardRunner) -> None:
    trials = []
    for depth in (1, 3, 4, 5, 8, 28, 32, 36, 64, 127, 128, 132, 156, 160, 512, 2000):
        for out_c in (4, 6, 7, 16, 19):
            rng = np.random.default_rng([depth, out_c])
            weights = rng.integers(-128, 128, (out_c, depth)).tolist()
            biases = rng.integers(-(1 << 25), 1 << 25, out_c).tolist()
            act, zero_points = [("NONE", (3, -5)), ("RELU6", (-128, -110))][out_c % 2]
            data = test_fully_connected.layer(
                weights,
                biases,
                weight_scale=test_fully_connected.ROUGH * 2.0**-25,
                zero_points=zero_points,
                act=act,
            )
            trials.append(wide(data, test_fully_connected.extremes(depth)))
    assert_equal_on_the_board(board_runner, trials)


def test_just_inside_the_limits_of_wide_weights(board_runner: BoardRunner) -> None:
    trials = []
    for model, _ in test_fully_connected_wide.LIMITS.values():
        depth = lower(read_model(model, name="limit")).steps[0].inputs[0].c
        trials.append(wide(model, test_fully_connected.extremes(depth)))
    assert_equal_on_the_board(board_runner, trials)


def test_wide_weights_and_rows_as_they_come(board_runner: BoardRunner) -> None:
    shapes = [(1, 5, 4, 6), (1, 7, 1, 3), (1, 13, 3, 1), (1, 6, 1, 8), (1, 8, 5, 7), (1, 3, 4, 160)]
    trials = [
        wide(summing("FULLY_CONNECTED", shape), rows=rows) for shape in shapes for rows in (1, 2)
    ]
    assert_equal_on_the_board(board_runner, trials)


def winograd(model: bytes, inputs: Sequence[Sequence[Array]] | None = None) -> Trial:
    return Trial(model, inputs, kernel=KernelId.CONV_WINOGRAD)


def test_winograd_shapes(board_runner: BoardRunner) -> None:
    layers = [
        replace(case, activation=activation, zero_points=zero_points)
        for case in test_conv_winograd.SHAPES
        for activation, zero_points in (("NONE", (3, -5)), ("RELU", (-7, -128)), ("RELU6", (9, 9)))
    ]
    assert_equal_on_the_board(board_runner, [winograd(conv2d(layer)) for layer in layers])


def test_the_greatest_tiles_of_winograd(board_runner: BoardRunner) -> None:
    inputs = test_conv_winograd.extremes(test_conv_winograd.CHANNELS)
    trials = [winograd(model, inputs) for model in test_conv_winograd.greatest()]
    assert_equal_on_the_board(board_runner, trials)


def test_the_weights_of_the_portable_kernel(board_runner: BoardRunner) -> None:
    """Rows of any length, one to three channels, and halves."""
    trials = []
    for depth, out_c in ((1, 1), (5, 2), (129, 4), (131, 9), (257, 7), (64, 3)):
        rng = np.random.default_rng([depth, out_c])
        weights = rng.integers(-128, 128, (out_c, depth)).tolist()
        data = test_fully_connected.layer(weights, [1 << 12] * out_c, weight_scale=2.0**-20)
        inputs = test_fully_connected.extremes(depth)
        trials.append(Trial(data, inputs, kernel=KernelId.FULLY_CONNECTED))
    assert_equal_on_the_board(board_runner, trials)


def test_every_pair_of_an_addition(board_runner: BoardRunner) -> None:
    left, right = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    inputs = [[a.astype(np.int8).reshape(1, 256, 256, 1) for a in (left, right)]]
    shapes = ((1, 256, 256, 1),) * 2
    trials = [
        Trial(
            test_elementwise.binary("ADD", shapes, quant, activation=activation),
            inputs,
            kernel=KernelId.ADD_BY_TABLE,
        )
        for quant in test_elementwise.QUANTS
        for activation in ("NONE", "RELU6")
    ]
    assert_equal_on_the_board(board_runner, trials)


def test_every_pair_of_a_product(board_runner: BoardRunner) -> None:
    """Also with a scale that has no exponent to shift by."""
    left, right = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    inputs = [[a.astype(np.int8).reshape(1, 256, 256, 1) for a in (left, right)]]
    shapes = ((1, 256, 256, 1),) * 2
    quants = [
        *test_elementwise.QUANTS,
        ((1.0, 0.75, 1.0), (3, -4, 0)),
        ((1.0, 2.0, 1.0), (0, 0, 5)),
    ]
    trials = [
        Trial(
            test_elementwise.binary("MUL", shapes, quant, activation=activation),
            inputs,
            kernel=KernelId.MUL,
        )
        for quant in quants
        for activation in ("NONE", "RELU6")
    ]
    assert_equal_on_the_board(board_runner, trials)


def test_products_of_all_shapes(board_runner: BoardRunner) -> None:
    trials = [
        Trial(test_elementwise.binary("MUL", shapes), kernel=KernelId.MUL)
        for shapes in test_elementwise.BROADCASTS
        if len(lower(read_model(test_elementwise.binary("MUL", shapes), name="mul")).steps) == 1
    ]
    assert len(trials) > 10
    assert_equal_on_the_board(board_runner, trials)


def test_additions_of_rows_of_all_lengths(board_runner: BoardRunner) -> None:
    trials = [
        Trial(
            test_elementwise.binary("ADD", ((1, h, 1, c),) * 2, test_elementwise.USUAL),
            kernel=KernelId.ADD_BY_TABLE,
        )
        for h, c in ((1024, 1), (512, 3), (147, 7), (128, 8), (114, 9), (69, 15), (1, 1031))
    ]
    assert_equal_on_the_board(board_runner, trials)


def test_transposed_convolutions(board_runner: BoardRunner) -> None:
    """Runs of whole quads and of what is left over, blocks of four channels and single ones."""
    trials = [
        Trial(
            test_convolution.transpose_conv(
                test_convolution.Case(
                    4, 3, c, out_c, kernel=kernel, stride=stride, zero_points=zero_points
                ),
                longer=1,
            ),
            rows=rows,
            kernel=KernelId.TRANSPOSE_CONV,
        )
        for c in (1, 3, 4, 6, 8, 13)
        for out_c in (1, 4, 7)
        for kernel, stride in (((3, 3), (2, 2)), ((2, 2), (2, 2)), ((4, 3), (1, 2)))
        for rows, zero_points in ((0, (-128, 5)), (1, (127, -3)))
    ]
    assert_equal_on_the_board(board_runner, trials)

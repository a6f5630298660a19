"""The assembly of the convolutions by pairs on the emulated Cortex-M7, against the oracle.

All cases run in one start of the emulator.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from benchmarks.board_runner import Answer, BoardRunner, Case
from edgeserve.board import load_board
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels import test_conv_pairs as layers
from tests.kernels.conformance import Array, oracle_steps, random_inputs
from tests.kernels.streamed import in_one_group, with_copies
from tests.kernels.test_convolution import QUANTISATIONS, conv2d
from tests.kernels.test_convolution import Case as Layer
from tests.tools import need_board_tools

BOARD = "mps2-an500"
SOAKED = 3_000


@pytest.fixture(scope="module")
def board_runner(tmp_path_factory: pytest.TempPathFactory) -> BoardRunner:
    board = load_board(BOARD)
    need_board_tools(board)
    return BoardRunner(board, tmp_path_factory.mktemp("runner"))


class Trial:
    """One layer with its inputs, what the board is given and what it must answer."""

    def __init__(
        self,
        name: str,
        model: bytes,
        inputs: list[list[Array]] | None = None,
        *,
        rows: int = 0,
        spared: bool = False,
    ) -> None:
        """``rows``: of a turn, on rings; 0 for a whole layer. ``spared``: with little scratch."""
        lowered = lower(read_model(model, name=name))
        program = tuned(lowered, load_board(BOARD).cpu.isa, 0 if spared else None)
        self.name, self.step = name, program.steps[0]
        self.kernel = self.step.kernel
        if inputs is None:
            inputs = [random_inputs(program, np.random.default_rng(len(model)))]
        oracle = oracle_steps(model, lowered, inputs)
        self.wanted = [zlib.crc32(steps[0] or b"") for steps in oracle]
        if rows:
            # Behind the layer a copy, so that its output is a ring too.
            longer = with_copies(program)
            table = write_table(longer, in_one_group(longer, rows, fed=False))
        else:
            table = write_table(program, whole_plan(program))
        self.case = Case(table.data, tuple(b"".join(a.tobytes() for a in one) for one in inputs))

    def check(self, answer: Answer) -> None:
        assert answer.status == 0, f"{self.name}: status {answer.status}"
        got = [run.steps[0].crc for run in answer.runs]
        assert got == self.wanted, f"{self.name} ({self.kernel.name})"


def assert_equal_on_the_board(board_runner: BoardRunner, trials: Iterable[Trial]) -> None:
    listed = tuple(trials)
    answers = board_runner.run(trial.case for trial in listed)
    assert len(answers) == len(listed)
    for trial, answer in zip(listed, answers, strict=True):
        trial.check(answer)
    assert sum(trial.kernel is KernelId.CONV_PAIRS for trial in listed) > len(listed) // 2


def test_walks(board_runner: BoardRunner) -> None:
    trials = (Trial(repr(case), conv2d(case)) for case in layers.walked())
    assert_equal_on_the_board(board_runner, trials)


def test_walks_on_rings(board_runner: BoardRunner) -> None:
    cases = enumerate(layers.walked()[::2])
    trials = (Trial(repr(case), conv2d(case), rows=1 + i % 3) for i, case in cases)
    assert_equal_on_the_board(board_runner, trials)


def test_walks_with_pairs_in_reverse(board_runner: BoardRunner) -> None:
    trials = []
    for i, case in enumerate(layers.walked_with_pairs_in_reverse()):
        shown = replace(case, activation=("NONE", "RELU")[i // 2 % 2])
        trials += [
            Trial(repr(shown), conv2d(shown), spared=spared, rows=rows)
            for spared, rows in ((False, 0), (True, 0), (bool(i % 2), 1 + i % 3))
        ]
    assert all(layers.in_reverse(trial.step) for trial in trials)
    assert_equal_on_the_board(board_runner, trials)


def test_pairs_in_reverse(board_runner: BoardRunner) -> None:
    trials = [
        Trial(f"pair {i}, {pixels}, {activation}", pair.model, pair.inputs, spared=spared)
        for activation in ("NONE", "RELU")
        for pixels in range(1, 6)
        for spared in (False, True)
        for i, pair in enumerate(layers.pairs_about_an_int24(pixels, activation))
        if pair.reverse is not None
    ]
    assert sum(layers.in_reverse(trial.step) == [1] for trial in trials) == len(trials) // 3
    assert_equal_on_the_board(board_runner, trials)


def test_both_sides_of_the_limits(board_runner: BoardRunner) -> None:
    trials = []
    for name, limit in layers.LIMITS.items():
        inputs = layers.extremes(limit.taps)
        inside, outside = (Trial(name, model, inputs) for model in limit.models())
        assert (inside.kernel, outside.kernel) == (KernelId.CONV_PAIRS, KernelId.CONV_2D)
        trials.append(inside)
    assert_equal_on_the_board(board_runner, trials)


def test_ties(board_runner: BoardRunner) -> None:
    weights = [[1], [-1], [2], [-3], [1]]
    trials = [
        Trial(
            f"{factor} {bias} {zero_point} {activation}",
            layers.layer(
                weights,
                [bias, -bias, bias + 1, 2 * bias, bias - 1],
                factor,
                zero_point=zero_point,
                activation=activation,
            ),
            layers.extremes(1),
        )
        for factor, bias in layers.TIES
        for zero_point in (-128, -5, 100)
        for activation in ("NONE", "RELU", "RELU6")
    ]
    assert_equal_on_the_board(board_runner, trials)


def random_layer(seed: int) -> Layer:
    """A layer of any shape that takes little time."""
    random = Random(seed)
    kernel = random.choice(((1, 1), (1, 1), (3, 3), (3, 3), (5, 2), (1, 4), (10, 4), (4, 1)))
    dilation = random.choice(((1, 1), (1, 1), (1, 1), (2, 1), (1, 2), (3, 2)))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    case = Layer(
        h=random.randint(1, 12),
        w=random.randint(1, 12),
        c=random.choice((1, 2, 3, 4, 8, 16, random.randint(1, 40))),
        out_c=random.randint(1, 20),
        kernel=kernel,
        stride=random.choice(((1, 1), (1, 1), (2, 2), (2, 1), (1, 3), (4, 3))),
        dilation=dilation,
        padding=random.choice(("SAME", "VALID")),
        activation=random.choice(("NONE", "RELU", "RELU6", "RELU_N1_TO_1")),
        per_channel=random.random() < 0.7,
        zero_points=(random.randint(-128, 127), random.randint(-128, 127)),
        out_scale=random.choice((0.03, 0.1, 0.3, 1.0, 5.0)),
        bias_limit=random.choice((1, 5_000, 1_000_000)),
        least_weight=-127,
    )
    if case.padding == "VALID":
        case = replace(case, h=case.h + reach[0] - 1, w=case.w + reach[1] - 1)
    return case


def random_trials(seeds: range) -> Iterable[Trial]:
    for seed in seeds:
        case = random_layer(seed)
        yield Trial(f"seed {seed}: {case}", conv2d(case), rows=seed % 4)


def test_random_layers(board_runner: BoardRunner) -> None:
    assert_equal_on_the_board(board_runner, random_trials(range(150)))


def test_quantisations(board_runner: BoardRunner) -> None:
    shapes = [replace(layers.SHAPES[index], least_weight=-127) for index in (3, 5, 9)]
    trials = [
        Trial(repr(case), conv2d(case))
        for shape in shapes
        for quantisation in QUANTISATIONS
        for case in (replace(shape, **quantisation),)
    ]
    assert_equal_on_the_board(board_runner, trials)


@pytest.mark.soak
def test_many_random_layers(board_runner: BoardRunner) -> None:
    for first in range(150, SOAKED, 200):
        assert_equal_on_the_board(board_runner, random_trials(range(first, first + 200)))

"""The kernels for MVE on the emulated Cortex-M55: against the oracle, and what the public models
take with them.

All cases of a test run in one start of the emulator.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.board_runner import Answer, BoardRunner, Case
from benchmarks.cores import measure
from edgeserve.board import load_board
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.e2e.test_conv_pairs_qemu import random_layer
from tests.kernels import test_conv_pairs as pairs
from tests.kernels import test_vectors as layers
from tests.kernels.conformance import Array, oracle_steps, random_inputs
from tests.kernels.host_runner import HostRunner
from tests.kernels.streamed import in_one_group, with_copies
from tests.kernels.test_convolution import QUANTISATIONS, conv2d, depthwise
from tests.kernels.test_isa_kernels import around_scratch, differing, over_dead_rows
from tests.tools import need_board_tools

BOARD = load_board("mps3-an547")
COMPILER = "arm-none-eabi-gcc (15:12.2.rel1-1) 12.2.1 20221205"
INSTRUCTIONS = {
    "ad01_int8": 133_702,
    "hello_world_int8": 1_481,
    "kws_ref_model": 814_073,
    "micro_speech_quantized": 189_766,
    "person_detect": 2_221_757,
    "pretrainedResnet_quant": 2_597_248,
    "vww_96_int8": 1_529_879,
}
"""Of an inference by the default plan, exact for the compiler."""
RIVALS = {
    "kws_ref_model": 1_814_742,
    "person_detect": 6_508_087,
    "pretrainedResnet_quant": 4_911_676,
    "vww_96_int8": 6_558_336,
}
"""TensorFlow Lite Micro with CMSIS-NN on the same machine."""
MOST_OF_A_RIVAL = 0.6
BY_VECTORS = {KernelId.CONV_VECTORS, KernelId.DEPTHWISE_VECTORS}


@pytest.fixture(scope="module")
def on_board(tmp_path_factory: pytest.TempPathFactory) -> BoardRunner:
    need_board_tools(BOARD)
    return BoardRunner(BOARD, tmp_path_factory.mktemp("runner"))


class Trial:
    """One layer with its inputs, what the board is given and what it must answer."""

    def __init__(
        self, name: str, model: bytes, inputs: list[list[Array]] | None = None, *, rows: int = 0
    ) -> None:
        """``rows``: of a turn, on rings; 0 for a whole layer."""
        lowered = lower(read_model(model, name=name))
        program = tuned(lowered, BOARD.cpu.isa)
        self.name, self.kernel = name, program.steps[0].kernel
        if inputs is None:
            inputs = [random_inputs(program, np.random.default_rng(len(model)))]
        oracle = oracle_steps(model, lowered, inputs)
        self.wanted = [zlib.crc32(steps[0] or b"") for steps in oracle]
        longer = with_copies(program) if rows else program
        plan = in_one_group(longer, rows, fed=False) if rows else whole_plan(program)
        data = tuple(b"".join(a.tobytes() for a in one) for one in inputs)
        self.case = Case(write_table(longer, plan).data, data)

    def check(self, answer: Answer) -> None:
        assert answer.status == 0, f"{self.name}: status {answer.status}"
        got = [run.steps[0].crc for run in answer.runs]
        assert got == self.wanted, f"{self.name} ({self.kernel.name})"


def assert_equal_on_the_board(on_board: BoardRunner, trials: Iterable[Trial]) -> None:
    listed = tuple(trials)
    answers = on_board.run(trial.case for trial in listed)
    assert len(answers) == len(listed)
    for trial, answer in zip(listed, answers, strict=True):
        trial.check(answer)
    assert sum(trial.kernel in BY_VECTORS for trial in listed) > len(listed) // 2


def shapes() -> list[tuple[str, bytes]]:
    """Every shape and walk of both kernels."""
    convolutions = layers.walked(layers.CONVOLUTIONS)
    small = [c for c in layers.walked(layers.DEPTHWISE[:10]) if layers.is_small(c)]
    return [
        *((repr(case), conv2d(case)) for case in convolutions),
        *((f"depthwise {case}", depthwise(case)) for case in (*small, *layers.DEPTHWISE[10:])),
    ]


def test_shapes(on_board: BoardRunner) -> None:
    assert_equal_on_the_board(on_board, (Trial(*shape) for shape in shapes()))


def test_shapes_on_rings(on_board: BoardRunner) -> None:
    trials = (Trial(*shape, rows=1 + i % 3) for i, shape in enumerate(shapes()))
    assert_equal_on_the_board(on_board, trials)


def test_limits(on_board: BoardRunner) -> None:
    trials = []
    for limit in (replace(limit, second=True) for limit in layers.LIMITS.values()):
        trials.append(Trial(repr(limit), limit.models()[0], pairs.extremes(limit.taps)))
    assert {trial.kernel for trial in trials} == {KernelId.CONV_VECTORS}
    assert_equal_on_the_board(on_board, trials)


def test_ties(on_board: BoardRunner) -> None:
    weights = [[1], [-1], [2], [-3], [1]]
    trials = []
    for factor, bias in pairs.TIES:
        biases = [bias, -bias, bias + 1, 2 * bias, bias - 1]
        for zero_point in (-128, -5, 100):
            for activation in ("NONE", "RELU", "RELU6"):
                model = pairs.layer(
                    weights, biases, factor, zero_point=zero_point, activation=activation
                )
                name = f"{factor} {bias} {zero_point} {activation}"
                trials.append(Trial(name, model, pairs.extremes(1)))
    assert_equal_on_the_board(on_board, trials)


def test_quantisations(on_board: BoardRunner) -> None:
    trials = []
    for quantisation in QUANTISATIONS:
        for shape in (layers.CONVOLUTIONS[5], layers.CONVOLUTIONS[6]):
            case = replace(shape, **quantisation)
            trials.append(Trial(repr(case), conv2d(case)))
        for shape in (layers.DEPTHWISE[5], layers.DEPTHWISE[10]):
            case = replace(shape, **quantisation)
            trials.append(Trial(f"depthwise {case}", depthwise(case)))
    assert_equal_on_the_board(on_board, trials)


def test_random_layers(on_board: BoardRunner) -> None:
    cases = [random_layer(seed) for seed in range(200)]
    trials = (Trial(repr(case), conv2d(case), rows=i % 4) for i, case in enumerate(cases))
    assert_equal_on_the_board(on_board, trials)


def random_convolutions() -> list[Program]:
    layers_of = (random_layer(seed) for seed in range(200, 350))
    programs = [lower(read_model(conv2d(case), name=repr(case))) for case in layers_of]
    chosen = [tuned(program, BOARD.cpu.isa).steps[0].kernel for program in programs]
    return [p for p, kernel in zip(programs, chosen, strict=True) if kernel in BY_VECTORS]


def test_convolutions_over_dead_input_rows(on_board: BoardRunner, runner: HostRunner) -> None:
    programs = random_convolutions()
    cases = [over_dead_rows(program, BOARD.cpu.isa, 0) for program in programs]
    assert differing(on_board, runner, programs, cases) == []


def test_convolutions_stay_in_their_scratch(on_board: BoardRunner, runner: HostRunner) -> None:
    programs = random_convolutions()
    cases = [around_scratch(program, BOARD.cpu.isa) for program in programs]
    assert differing(on_board, runner, programs, cases) == []


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instructions_of_the_public_models(shared_data: Path, name: str) -> None:
    """``measure`` raises where the output is not the oracle's."""
    compiler, row = measure(shared_data / "models" / f"{name}.tflite", BOARD)
    if compiler == COMPILER:
        assert row.instructions == INSTRUCTIONS[name]
    assert row.instructions <= INSTRUCTIONS[name] * 1.1
    assert row.code_bytes < 16 << 10


@pytest.mark.parametrize("name", RIVALS)
def test_less_than_the_rivals(name: str) -> None:
    assert INSTRUCTIONS[name] <= MOST_OF_A_RIVAL * RIVALS[name]

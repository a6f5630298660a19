"""Random operators at their extremes on every emulated core: what the portable kernels write.

The board runs each program with the kernels that are chosen for its core, whole or in turns of
rows; the host runs the same program as it was lowered, with the portable kernels, which other tests
hold against LiteRT's reference.
"""

from __future__ import annotations

import shutil
import zlib

import numpy as np
import pytest

from benchmarks.board_runner import BoardRunner, Case
from edgeserve.board import Board, Kind, board_ids, load_board
from edgeserve.errors import UnsupportedOp
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.stimulus import Stimulus, random_stimuli
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels.host_runner import HostRunner
from tests.kernels.random_operators import random_operator
from tests.kernels.streamed import in_one_group

BOARDS = [b for b in map(load_board, board_ids()) if b.kind is Kind.EMULATED]
SAMPLE, SOAK = 200, 2_000
RUNS = 3


@pytest.fixture(scope="module", params=BOARDS, ids=lambda board: board.id)
def board(request: pytest.FixtureRequest) -> Board:
    chosen: Board = request.param
    assert chosen.toolchain is not None
    assert chosen.emulator is not None
    for tool in (f"{chosen.toolchain.prefix}gcc", chosen.emulator.program):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return chosen


@pytest.fixture(scope="module")
def on_board(board: Board, tmp_path_factory: pytest.TempPathFactory) -> BoardRunner:
    return BoardRunner(board, tmp_path_factory.mktemp("runner"))


def extreme_stimuli(program: Program) -> tuple[Stimulus, ...]:
    """Random bytes, then the least and the greatest of every input."""
    total = sum(program.values[port.value].size_bytes for port in program.inputs)
    edges = (Stimulus("least", b"\x80" * total), Stimulus("greatest", b"\x7f" * total))
    return (*random_stimuli(program, RUNS - 2), *edges)


def case(program: Program, isa: tuple[str, ...], rows: int) -> Case:
    """``rows`` a turn; 0: all at once."""
    chosen = tuned(program, isa)
    plan = in_one_group(chosen, rows, fed=False) if rows else whole_plan(chosen)
    data = tuple(stimulus.data for stimulus in extreme_stimuli(program))
    return Case(write_table(chosen, plan).data, data)


def wanted(runner: HostRunner, program: Program) -> list[list[int]]:
    """The CRC-32 of each step, run by run."""
    inputs = []
    for stimulus in extreme_stimuli(program):
        arrays, at = [], 0
        for port in program.inputs:
            end = at + program.values[port.value].size_bytes
            arrays.append(np.frombuffer(stimulus.data[at:end], port.dtype.value))
            at = end
        inputs.append(arrays)
    return [[zlib.crc32(step) for step in run] for run in runner.run(program, inputs)]


def hold(board: Board, on_board: BoardRunner, runner: HostRunner, seeds: range) -> int:
    """Runs the seeds; how many programs had a kernel of their core's own."""
    programs = []
    for seed in seeds:
        try:
            programs.append((seed, lower(read_model(random_operator(seed), name=str(seed)))))
        except UnsupportedOp:
            continue
    isa = board.cpu.isa
    answers = on_board.run(case(program, isa, seed % 4) for seed, program in programs)
    for (seed, program), answer in zip(programs, answers, strict=False):
        assert answer.status == 0, f"seed {seed}: es_init refuses the table"
        got = [[step.crc for step in run.steps] for run in answer.runs]
        assert got == wanted(runner, program), f"seed {seed} of {program.steps[0].kernel.name}"
    assert len(answers) == len(programs)
    assert len(programs) > len(seeds) * 3 // 4
    return sum(tuned(program, isa) != program for _, program in programs)


def test_a_sample_of_operators(board: Board, on_board: BoardRunner, runner: HostRunner) -> None:
    tuned_core = board.cpu.isa != ("ref",)
    sample = SAMPLE if tuned_core else SAMPLE // 5
    chosen = hold(board, on_board, runner, range(sample))
    assert (chosen > sample // 10) == tuned_core, chosen


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_operators(board: Board, on_board: BoardRunner, runner: HostRunner) -> None:
    hold(board, on_board, runner, range(SAMPLE, SAMPLE + SOAK))

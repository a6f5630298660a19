"""Random operators at their extremes on every emulated core: what the portable kernels write.

The board runs each program with the kernels that are chosen for its core, whole or in turns of
rows; the host runs the same program as it was lowered, with the portable kernels, which other tests
hold against LiteRT's reference.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.board_runner import BoardRunner, Case
from edgeserve.arena import align_up
from edgeserve.board import Board, Kind, board_ids, load_board
from edgeserve.errors import UnsupportedOp
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.stimulus import Stimulus, random_stimuli
from edgeserve.stream_plan import Span
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels.conformance import at_any_price
from tests.kernels.host_runner import HostRunner
from tests.kernels.random_operators import random_operator
from tests.kernels.streamed import in_one_group
from tests.kernels.test_convolution import Case as Window
from tests.kernels.test_convolution import conv2d, depthwise
from tests.kernels.test_overlaps import least_distance_bytes, movable, overlapping
from tests.tools import need_board_tools

BOARDS = [b for b in map(load_board, board_ids()) if b.kind is Kind.EMULATED]
DSP, MVE = ("dsp", "ref"), ("mve", "dsp", "ref")
"""Kernels that are made for one core have portable twins, which other cores run."""
BY_PAIRS = {KernelId.DEPTHWISE_PAIRS, KernelId.DEPTHWISE_RELU}
DEPTHWISE = {DSP: BY_PAIRS, MVE: {KernelId.DEPTHWISE_VECTORS, *BY_PAIRS}}
"""What depthwise convolutions become."""
of_each = pytest.mark.parametrize("isa", DEPTHWISE, ids=lambda isa: isa[0])
SAMPLE, SOAK = 200, 2_000
RUNS = 3


@pytest.fixture(scope="module", params=BOARDS, ids=lambda board: board.id)
def board(request: pytest.FixtureRequest) -> Board:
    chosen: Board = request.param
    need_board_tools(chosen)
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
    """``rows`` a turn; 0: all at once. With an odd number scratch is spared, with two and more
    flash is spent.
    """
    if rows >= 2:
        chosen = at_any_price(program, isa)
    else:
        chosen = tuned(program, isa, 0 if rows % 2 else None)
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


def random_depthwise(seed: int) -> bytes:
    """3x3 windows more often than others, and scales that the kernels by pairs can prove."""
    rng = np.random.default_rng(seed)
    h, w = (int(n) for n in rng.integers(1, 15, 2))
    c = int(rng.integers(4, 19))
    kernel = (3, 3) if rng.random() < 0.6 else (int(rng.integers(1, 8)), int(rng.integers(1, 8)))
    stride = int(rng.choice((1, 1, 2, 2, 3)))
    strides = (stride, stride) if rng.random() < 0.8 else (int(rng.integers(1, 4)), stride)
    dilation = int(rng.choice((1, 1, 1, 2))) if strides == (1, 1) else 1
    reach = [(k - 1) * dilation + 1 for k in kernel]
    fits = reach[0] <= h and reach[1] <= w
    zero_points = int(rng.integers(-128, 128)), int(rng.choice((-128, -128, 3)))
    return depthwise(
        Window(
            h,
            w,
            c,
            c,
            kernel=kernel,
            stride=strides,
            dilation=(dilation, dilation),
            padding=str(rng.choice(("SAME", "VALID"))) if fits else "SAME",
            activation=str(rng.choice(("NONE", "RELU", "RELU", "RELU6"))),
            zero_points=zero_points,
            out_scale=float(rng.uniform(0.05, 0.5)),
        )
    )


def depthwise_programs(seeds: range) -> list[Program]:
    return [lower(read_model(random_depthwise(seed), name=str(seed))) for seed in seeds]


def random_winograd(seed: int) -> bytes:
    """3x3 windows over few and many channels, whose sums the kernel can prove."""
    rng = np.random.default_rng(seed)
    h, w = (int(n) for n in rng.integers(3, 15, 2))
    return conv2d(
        Window(
            h,
            w,
            4 * int(rng.integers(1, 12)),
            2 * int(rng.integers(1, 7)),
            padding=str(rng.choice(("SAME", "SAME", "VALID"))),
            activation=str(rng.choice(("NONE", "RELU", "RELU", "RELU6"))),
            zero_points=(int(rng.integers(-128, 128)), int(rng.choice((-128, -128, 3)))),
            out_scale=float(rng.uniform(0.05, 0.5)),
        )
    )


def winograd_programs(seeds: range) -> list[Program]:
    """The layers as they are chosen where flash buys speed."""
    layers = [lower(read_model(random_winograd(seed), name=str(seed))) for seed in seeds]
    programs = [at_any_price(layer, DSP) for layer in layers]
    kinds = {step.kernel for program in programs for step in program.steps}
    assert kinds == {KernelId.CONV_WINOGRAD}
    return programs


def over_dead_rows(program: Program, isa: tuple[str, ...], closer_bytes: int) -> Case:
    """The output as close under its input as it may lie, or closer."""
    chosen = tuned(program, isa)
    ((index, reach),) = movable(chosen)
    least = least_distance_bytes(chosen, index, reach) - closer_bytes
    plan = overlapping(chosen, {index: least})
    data = tuple(stimulus.data for stimulus in extreme_stimuli(program))
    return Case(write_table(chosen, plan).data, data)


def around_scratch(program: Program, isa: tuple[str, ...]) -> Case:
    """The scratch between output and input, so that what is written beside it is seen."""
    chosen = tuned(program, isa)
    (step,) = chosen.steps
    ((index, _),) = movable(chosen)
    begin = align_up(chosen.values[step.output.value].size_bytes)
    plan = overlapping(chosen, {index: begin + align_up(step.scratch_bytes)})
    plan = replace(plan, scratch=(Span(begin, step.scratch_bytes),))
    data = tuple(stimulus.data for stimulus in extreme_stimuli(program))
    return Case(write_table(chosen, plan).data, data)


def differing(
    on_board: BoardRunner, runner: HostRunner, programs: list[Program], cases: list[Case]
) -> list[str]:
    """The names of the programs whose cases did not write what the host writes."""
    answers = on_board.run(cases)
    assert [answer.status for answer in answers] == [0] * len(programs)
    return [
        program.name
        for program, answer in zip(programs, answers, strict=True)
        if [[step.crc for step in run.steps] for run in answer.runs] != wanted(runner, program)
    ]


@of_each
def test_depthwise_in_turns_of_any_length(
    on_board: BoardRunner, runner: HostRunner, isa: tuple[str, ...]
) -> None:
    programs = depthwise_programs(range(150))
    kinds = {step.kernel for program in programs for step in tuned(program, isa).steps}
    assert kinds == DEPTHWISE[isa]
    cases = [case(program, isa, index % 4) for index, program in enumerate(programs)]
    assert differing(on_board, runner, programs, cases) == []


@of_each
def test_depthwise_stays_in_its_scratch(
    on_board: BoardRunner, runner: HostRunner, isa: tuple[str, ...]
) -> None:
    programs = depthwise_programs(range(150))
    cases = [around_scratch(program, isa) for program in programs]
    assert differing(on_board, runner, programs, cases) == []


@of_each
def test_depthwise_over_its_dead_input_rows(
    on_board: BoardRunner, runner: HostRunner, isa: tuple[str, ...]
) -> None:
    programs = depthwise_programs(range(150))
    cases = [over_dead_rows(program, isa, 0) for program in programs]
    assert differing(on_board, runner, programs, cases) == []


def test_depthwise_too_close_is_noticed(
    board: Board, on_board: BoardRunner, runner: HostRunner
) -> None:
    """What the test above would see of a kernel that writes a row too early.

    Not by a whole row: each byte would lie over its own channel, which has been read by then. The
    portable twin reads more before it writes, so that fewer programs show it.
    """
    programs = [p for p in depthwise_programs(range(150)) if p.steps[0].output.h > 4]
    outputs = [program.steps[0].output for program in programs]
    closer = [output.w * output.c // 2 + 1 for output in outputs]
    cases = [over_dead_rows(p, DSP, far) for p, far in zip(programs, closer, strict=True)]
    assert len(differing(on_board, runner, programs, cases)) > (
        len(programs) // 2 if "dsp" in board.cpu.isa else 0
    )


def test_winograd_in_turns_of_any_length(on_board: BoardRunner, runner: HostRunner) -> None:
    programs = winograd_programs(range(100))
    cases = [case(program, (), index % 4) for index, program in enumerate(programs)]
    assert differing(on_board, runner, programs, cases) == []


def test_winograd_stays_in_its_scratch(on_board: BoardRunner, runner: HostRunner) -> None:
    programs = winograd_programs(range(100))
    cases = [around_scratch(program, ()) for program in programs]
    assert differing(on_board, runner, programs, cases) == []


def test_winograd_over_its_dead_input_rows(on_board: BoardRunner, runner: HostRunner) -> None:
    programs = winograd_programs(range(100))
    cases = [over_dead_rows(program, (), 0) for program in programs]
    assert differing(on_board, runner, programs, cases) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
@of_each
def test_many_depthwise_convolutions(
    on_board: BoardRunner, runner: HostRunner, isa: tuple[str, ...]
) -> None:
    for first in range(150, 3_000, 150):
        programs = depthwise_programs(range(first, first + 150))
        turns = [case(program, isa, index % 4) for index, program in enumerate(programs)]
        close = [over_dead_rows(program, isa, 0) for program in programs]
        around = [around_scratch(program, isa) for program in programs]
        assert differing(on_board, runner, programs * 3, [*turns, *close, *around]) == []

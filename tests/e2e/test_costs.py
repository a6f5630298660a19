"""The recorded costs of kernels against counts made now on the emulated Cortex-M7."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.board_runner import BoardRunner
from benchmarks.kernel_costs import Counted, Sample, counts_of, fitted, samples
from benchmarks.sizes import BOARDS
from edgeserve.board import load_board
from edgeserve.cost.table import costs_of
from edgeserve.firmware.build import compiler_version
from tests.tools import need_board_tools, need_programs

CORE = "cortex-m7"
ELSEWHERE_PERCENT = 10
"""Another compiler than the recorded one makes other code, but not much other."""
EVERY = 23
"""Of the grid's samples one in so many is measured, which takes seconds."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Sample, int, int]]:
    board = load_board(BOARDS[CORE])
    need_board_tools(board)
    need_programs("gcc")
    runner = BoardRunner(board, Path(tmp_path_factory.mktemp("runner")))
    chosen = list(samples(board.cpu.isa))[::EVERY]
    return [(one.sample, one.instructions, one.words) for one in counts_of(runner, chosen)]


def test_estimates_are_within_the_recorded_error(
    measured: list[tuple[Sample, int, int]],
) -> None:
    costs = costs_of(CORE)
    more = 0 if compiler_version("arm-none-eabi-gcc") == costs.compiler else ELSEWHERE_PERCENT
    kernels = set()
    for sample, instructions, words in measured:
        if not sample.is_held_out:
            continue
        name = type(sample.step.params).SOURCE
        cost = costs.kernels[name]
        kernels.add(name)
        for fit, count in ((cost.instructions, instructions), (cost.words, words)):
            error = abs(fit.of(sample.work) / count - 1)
            # One count more than the rounding of an error and of an estimate.
            limit = fit.worst_error / 1_000 + 0.001 + 1 / count + more / 100
            assert error <= limit, f"{name} {sample.rows}: {error:.3f}, {count}"
    assert len(kernels) > 5


def test_most_estimates_are_close(measured: list[tuple[Sample, int, int]]) -> None:
    costs = costs_of(CORE)
    errors = sorted(
        abs(costs.kernels[type(one.step.params).SOURCE].instructions.of(one.work) / count - 1)
        for one, count, _ in measured
    )
    assert len(errors) > 100
    assert errors[len(errors) // 2] < 0.05


def test_a_fit_finds_the_costs_that_made_its_samples() -> None:
    listed = [s for s in samples(("ref",)) if type(s.step.params).SOURCE == "look_up"]
    made = [
        Counted(s, 70 * s.work["turn"] + 9 * s.work["row"] + 4 * s.work["element"], s.work["row"])
        for s in listed
    ]
    entry = fitted(made)
    found = entry["instructions"]["coefficients"]
    assert found == {"turn": 70_000, "row": 9_000, "element": 4_000}
    assert entry["words"]["worst_error"] == 0
    assert entry["held_out"] > 0

"""What every kernel costs on every emulated core: measured on a grid of shapes, and fitted.

``python -m benchmarks.kernel_costs`` writes ``src/edgeserve/cost/costs.json`` and prints the errors
on the shapes held out, the kernels without a grid, and the inner loops' cycles by llvm-mca. Each
case is a model of one operator, whole and in turns of a few rows, and what is fitted is what
``es_run`` takes beyond a model without steps: instructions and words under QEMU, not time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from benchmarks.board_runner import Answer, BoardRunner, Case
from benchmarks.inner_loops import print_loops
from benchmarks.kernel_grid import GRID
from benchmarks.sizes import BOARDS
from benchmarks.wide_grid import WIDE_GRID
from edgeserve.board import load_board
from edgeserve.cost.features import FEATURES
from edgeserve.cost.table import COSTS_FILE, THOUSAND
from edgeserve.cost.work import Turn
from edgeserve.firmware.build import compiler_version
from edgeserve.kernels.table import KERNELS
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.plan.streaming import Method, plan_groups
from edgeserve.program import Program, Role, Step, without_dead_values
from edgeserve.show.console import columns, draw
from edgeserve.stimulus import xorshift_stimulus
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tune import faster_steps, forms
from edgeserve.tune.convolution import with_small_tile

ROWS_PER_TURN = (None, 1, 2, 5)
"""None: the whole layer in one turn."""
HELD_OUT = 5
"""Every so-manieth shape of a family judges the fit and has no part in it."""
Matrix: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """One step in turns, by the rows of each. What it takes is what ``case`` takes more than
    ``without``; ``is_held_out``: not for the fit.
    """

    step: Step
    rows: tuple[int, ...]
    case: Case
    without: Case
    is_held_out: bool

    @property
    def work(self) -> dict[str, int]:
        """The features of all its turns."""
        total: dict[str, int] = {}
        features = FEATURES[type(self.step.params)]
        for rows in set(self.rows):
            for name, count in features(Turn(self.step, rows, sum(self.rows))).items():
                total[name] = total.get(name, 0) + count * self.rows.count(rows)
        return total


@dataclass(frozen=True, slots=True)
class Counted:
    """A sample's instructions and words."""

    sample: Sample
    instructions: int
    words: int


@cache
def grid() -> tuple[tuple[Program, bool], ...]:
    """The grid's programs, and which are held out."""
    return tuple(
        (lower(read_model(model, name=f"{family} {number}")), number % HELD_OUT == HELD_OUT - 1)
        for family, models in {**GRID, **WIDE_GRID}.items()
        for number, model in enumerate(models())
    )


def samples(isa: Sequence[str]) -> Iterator[Sample]:
    """Every kernel that a core has for the last step of each program, whole and in turns.

    A step behind another is measured in turns alone, by which it takes up its input into sums.
    """
    for program, is_held_out in grid():
        *first, step = program.steps
        for form in _kernels_for(program, step, isa):
            chosen = replace(program, steps=(*first, form))
            without = _in_turns(_first_alone(chosen), None)
            for rows in ROWS_PER_TURN:
                units = first[0].output.h if first else step.output.h
                if first and rows is not None:
                    without = _in_turns(_first_alone(chosen), rows)
                elif first or not _may_turn(chosen, rows):
                    continue
                if rows is None or rows < units:
                    turns = (units,) if rows is None else _turns(units, rows)
                    yield Sample(form, turns, _in_turns(chosen, rows), without, is_held_out)


def _kernels_for(program: Program, step: Step, isa: Sequence[str]) -> list[Step]:
    faster = faster_steps(program, isa).get(step.index)
    better = (*forms(program, step, isa), *([faster] if faster is not None else []))
    small = (with_small_tile(form) for form in better)
    return [f for f in dict.fromkeys((step, *better, *small)) if type(f.params) in FEATURES]


def _may_turn(program: Program, rows: int | None) -> bool:
    """State is of whole steps."""
    return rows is None or all(value.role is not Role.STATE for value in program.values)


def _first_alone(program: Program) -> Program:
    """What comes before a program's last step: a single step or nothing."""
    if len(program.steps) == 1:
        return Program(name="empty", values=(), steps=(), inputs=(), outputs=(), folded=())
    output = replace(program.outputs[0], value=program.steps[0].output.value)
    return without_dead_values(replace(program, steps=program.steps[:1], outputs=(output,)))


def _in_turns(program: Program, rows: int | None) -> Case:
    """A program whole, or all its steps in one group of turns."""
    plan = whole_plan(program)
    if rows is not None:
        order = tuple(range(len(program.steps)))
        plan = plan_groups(program, order, [(len(order), rows)], Method(node_budget=100))
    data = xorshift_stimulus(program).data if program.inputs else b""
    return Case(write_table(program, plan).data, (data,))


def _turns(units: int, rows: int) -> tuple[int, ...]:
    whole, rest = divmod(units, rows)
    return (rows,) * whole + ((rest,) if rest else ())


def measure(core: str) -> tuple[str, list[Counted]]:
    """All samples on an emulated core, and the compiler's first line."""
    board = load_board(BOARDS[core])
    listed = list(samples(board.cpu.isa))
    with tempfile.TemporaryDirectory(prefix="edgeserve-costs-") as folder:
        counted = counts_of(BoardRunner(board, Path(folder)), listed)
    assert board.toolchain is not None
    return compiler_version(f"{board.toolchain.prefix}gcc"), counted


def counts_of(runner: BoardRunner, listed: Sequence[Sample]) -> list[Counted]:
    """What samples take, all in one start of the emulator."""
    cases = list(dict.fromkeys(case for one in listed for case in (one.case, one.without)))
    answers = runner.run(cases, words=True)
    assert len(answers) == len(cases), f"case {len(answers)} is refused"
    seen = dict(zip(cases, map(_seen, answers), strict=True))
    counted = []
    for one in listed:
        (instructions, words), (before, words_before) = seen[one.case], seen[one.without]
        counted.append(Counted(one, instructions - before, words - words_before))
    return counted


def _seen(answer: Answer) -> tuple[int, int]:
    assert answer.status == 0
    (run,) = answer.runs
    assert run.words is not None
    return run.whole, run.words


def fitted(counted: Sequence[Counted]) -> dict[str, Any]:
    """A kernel's entry in the table."""
    for_fit = [one for one in counted if not one.sample.is_held_out]
    for_test = [one for one in counted if one.sample.is_held_out]
    names = sorted({name for one in counted for name in one.sample.work})
    return {
        "samples": len(for_fit),
        "held_out": len(for_test),
        "instructions": _fit(names, for_fit, for_test, "instructions"),
        "words": _fit(names, for_fit, for_test, "words"),
    }


def _fit(
    names: Sequence[str], for_fit: Sequence[Counted], for_test: Sequence[Counted], what: str
) -> dict[str, Any]:
    """Coefficients of no negative cost with the least squares of relative errors."""
    counts = np.array([getattr(one, what) for one in for_fit], np.float64)
    work = _matrix(names, for_fit) / counts[:, None]
    scale = np.maximum(work.max(axis=0, initial=0.0), 1e-12)
    solution, _ = nnls(work / scale, np.ones(len(for_fit)), maxiter=100 * len(names))
    thousandths = {
        name: round(value * THOUSAND)
        for name, value in zip(names, solution / scale, strict=True)
        if round(value * THOUSAND)
    }
    errors = [_error(thousandths, one, what) for one in for_test]
    return {
        "coefficients": thousandths,
        "median_error": round(THOUSAND * median(errors)),
        "worst_error": round(THOUSAND * max(errors)),
    }


def _matrix(names: Sequence[str], counted: Sequence[Counted]) -> Matrix:
    works = [one.sample.work for one in counted]
    return np.array([[work.get(name, 0) for name in names] for work in works], np.float64)


def _error(coefficients: Mapping[str, int], one: Counted, what: str) -> float:
    estimate = sum(coefficients.get(name, 0) * n for name, n in one.sample.work.items()) / THOUSAND
    return float(abs(estimate / getattr(one, what) - 1))


def core_entry(core: str) -> dict[str, Any]:
    """A core's row of the table."""
    compiler, counted = measure(core)
    by_kernel: dict[str, list[Counted]] = {}
    for one in counted:
        by_kernel.setdefault(type(one.sample.step.params).SOURCE, []).append(one)
    return {
        "compiler": compiler,
        "kernels": {name: fitted(of_kernel) for name, of_kernel in sorted(by_kernel.items())},
    }


def print_errors(cores: Mapping[str, Any]) -> None:
    """A line a kernel: samples, and the errors on held-out shapes of each core."""
    table = columns("kernel", "fitted to", *cores)
    for name in sorted({name for entry in cores.values() for name in entry["kernels"]}):
        cells = []
        for entry in cores.values():
            kernel = entry["kernels"].get(name)
            cells.append("-" if kernel is None else _told(kernel))
        kernel = next(e["kernels"][name] for e in cores.values() if name in e["kernels"])
        table.add_row(name, str(kernel["samples"]), *cells)
    draw(table)
    print("Median and worst error in % on shapes held out: instructions, then words.")
    measured = {name for entry in cores.values() for name in entry["kernels"]}
    for kind in KERNELS:
        if kind not in FEATURES:
            print(f"{kind.SOURCE}: NO FEATURES yet, so no estimate (edgeserve/cost/features.py)")
        elif kind.SOURCE not in measured:
            print(f"{kind.SOURCE}: NO SHAPES in benchmarks/kernel_grid.py lead to it yet")


def _told(kernel: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{kernel[what]['median_error'] / 10:.1f} {kernel[what]['worst_error'] / 10:.0f}"
        for what in ("instructions", "words")
    )


def main() -> None:
    """Measures, fits and prints; ``--core`` some alone, which leaves the others as they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", action="append", choices=BOARDS, help="this one alone")
    chosen = parser.parse_args().core or list(BOARDS)
    began = time.monotonic()
    document: dict[str, Any] = {"cores": {}}
    if COSTS_FILE.exists():
        document = json.loads(COSTS_FILE.read_text(encoding="utf-8"))
    with ProcessPoolExecutor(max_workers=2) as workers:
        entries = dict(zip(chosen, workers.map(core_entry, chosen), strict=True))
    cores = {core: entries.get(core) or document["cores"].get(core) for core in BOARDS}
    document["cores"] = {core: entry for core, entry in cores.items() if entry is not None}
    temporary = COSTS_FILE.with_suffix(".new")
    temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    temporary.replace(COSTS_FILE)
    print_errors(entries)
    print_loops()
    print(f"{COSTS_FILE.name} written in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

"""The arena of public models: greedy, overlap, streamed, streamed with the input fed by rows.

``python -m benchmarks.arena [MODEL.tflite ...]``: the public models unless others are named. Every
plan is run by the checker before it is shown. The first table is of activations alone, without a
limit on extra instructions; the second has the scratch of the fast kernels, and says in brackets
by how many percent the estimated instructions exceed whole layers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.models import models_folder
from edgeserve.arena import live_bound_bytes
from edgeserve.lower import lower
from edgeserve.memory import memory_problem
from edgeserve.narrow import narrowed
from edgeserve.plan import plan_greedily
from edgeserve.plan.effort import FAST, NO_SCRATCH
from edgeserve.plan.streaming import Method, Objective, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan
from edgeserve.tflite.reader import read_file

PUBLIC = (
    "vww_96_int8",
    "person_detect",
    "kws_ref_model",
    "pretrainedResnet_quant",
    "micro_speech_quantized",
)
UNLIMITED_PERCENT = 10_000


@dataclass(frozen=True, slots=True)
class Cell:
    """A checked plan and the seconds that it took."""

    plan: StreamPlan
    seconds: float

    def with_extra(self) -> str:
        extra = 100 * self.plan.extra_instructions / max(1, self.plan.instructions)
        return f"{self.plan.arena_bytes:,} (+{extra:.1f} %)"


def planned(program: Program, method: Method) -> Cell:
    """Plans, then runs the plan under the checker; raises PlanError when it is wrong."""
    start = time.perf_counter()
    plan = plan_stream(program, method)
    seconds = time.perf_counter() - start
    check_stream_plan(program, plan, method.kernels.rows_at_once)
    return Cell(plan, seconds)


def by_rows(program: Program, method: Method) -> Method:
    """The same with every input fed by rows."""
    return replace(method, feeds=tuple(range(len(program.inputs))))


def methods(program: Program) -> list[str]:
    """One row of the first table: greedy, live bound, overlap, streamed, by rows, seconds."""
    problem = memory_problem(program).problem
    base = Method(Objective.SIZE, NO_SCRATCH, extra_percent=UNLIMITED_PERCENT)
    cells = [
        planned(program, replace(base, rows_per_turn=())),
        planned(program, base),
        planned(program, by_rows(program, base)),
    ]
    return [
        f"{plan_greedily(problem).arena_bytes:,}",
        f"{live_bound_bytes(problem):,}",
        *(f"{cell.plan.arena_bytes:,}" for cell in cells),
        f"{max(cell.seconds for cell in cells):.2f}",
    ]


def objectives(program: Program) -> list[str]:
    """One row of the second table: each objective, input whole and by rows, seconds."""
    cells = []
    for objective in Objective:
        method = Method(objective, FAST)
        cells.append(planned(program, method))
        cells.append(planned(program, by_rows(program, method)))
    return [*(cell.with_extra() for cell in cells), f"{max(cell.seconds for cell in cells):.2f}"]


def table(header: Iterable[str], rows: Iterable[list[str]]) -> None:
    """Prints Markdown, row by row."""
    names = list(header)
    print("| " + " | ".join(names) + " |")
    print("|---|" + "---:|" * (len(names) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="*")
    paths = parser.parse_args().models or [models_folder() / f"{name}.tflite" for name in PUBLIC]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        print(f"not found: {', '.join(missing)}", file=sys.stderr)
        return 2
    programs = [(path.stem, narrowed(lower(read_file(path)))) for path in paths]
    table(
        ("model", "greedy", "live bound", "overlap", "streamed", "input by rows", "seconds"),
        ([name, *methods(program)] for name, program in programs),
    )
    print()
    columns = [f"{o.value}{rows}" for o in Objective for rows in ("", ", input by rows")]
    table(
        ("model, fast kernels", *columns, "seconds"),
        ([name, *objectives(program)] for name, program in programs),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

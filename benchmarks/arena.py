"""The arena of public models: TensorFlow Lite Micro's plan, and what each idea of ours takes off.

``python -m benchmarks.arena [--twins] [MODEL.tflite ...]``: the public models unless others are
named. Every plan is run by the checker before it is shown. ``TFLM`` is its planner's arena head for
the file as it is, by its method; ``(seen)`` where its allocator reported the same when it ran. The
first table is of activations and row counters alone; the second has the kernels of a Cortex-M7 with
their scratch, and says in brackets by how many percent estimated instructions exceed whole layers.
``seconds`` is the longest of a row's plans.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.models import models_folder
from benchmarks.twins import twin
from edgeserve.board import load_board
from edgeserve.compilation import for_wish
from edgeserve.graph import Graph
from edgeserve.lower import lower
from edgeserve.narrow import narrowed
from edgeserve.plan.effort import NO_SCRATCH, REFERENCE
from edgeserve.plan.savings import savings
from edgeserve.plan.streaming import Method, Objective, feedable, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.planfile import Wish
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan
from edgeserve.tflite.reader import read_file
from edgeserve.tflm import offline_plan

PUBLIC = (
    "vww_96_int8",
    "person_detect",
    "kws_ref_model",
    "pretrainedResnet_quant",
    "micro_speech_quantized",
)
MOBILENETS = (
    "mobilenet_v1_025_224",
    "mobilenet_v2_035_128",
    "mobilenet_v2_035_224",
    "mobilenet_v2_100_224",
)
RIVALS = Path(__file__).resolve().parent / "rivals.toml"


@dataclass(frozen=True, slots=True)
class Cell:
    """A checked plan and the seconds that it took."""

    plan: StreamPlan
    seconds: float

    def with_extra(self) -> str:
        return f"{self.plan.arena_bytes:,} (+{100 * self.plan.extra_share:.1f} %)"


def planned(program: Program, method: Method) -> Cell:
    """Plans, then runs the plan under the checker; raises PlanError when it is wrong."""
    start = time.perf_counter()
    plan = plan_stream(program, method)
    seconds = time.perf_counter() - start
    check_stream_plan(program, plan, method.kernels.rows_at_once)
    return Cell(plan, seconds)


def by_rows(program: Program, method: Method) -> Method:
    """The same with every input fed by rows."""
    return replace(method, feeds=feedable(program))


def ladder(graph: Graph, program: Program, recorded: int | None) -> list[str]:
    """One row of the first table: TFLM's plan of the file, then ours of the lowered steps.

    Raises SystemExit when TFLM was seen to plan another arena.
    """
    tflm = offline_plan(graph).greedy_bytes
    if recorded not in (None, tflm):
        raise SystemExit(f"{program.name}: TFLM plans {recorded:,} bytes, not {tflm:,}")
    cells: list[Cell] = []

    def planner(program: Program, method: Method) -> StreamPlan:
        cells.append(planned(program, method))
        return cells[-1].plan

    rungs = [saving.arena_bytes for saving in savings(program, NO_SCRATCH, planner)]
    return [
        f"{tflm:,}{'' if recorded is None else ' (seen)'}",
        *(f"{arena_bytes:,}" for arena_bytes in rungs),
        *[""] * (len(LADDER) - len(rungs)),
        f"{rungs[-1] / tflm:.0%}",
        f"{max(cell.seconds for cell in cells):.2f}",
    ]


BOARD = "mps2-an500"
LADDER = ("greedy", "packed", "order", "overlap", "balanced", "size", "input by rows")


def objectives(program: Program) -> list[str]:
    """One row of the second table: each objective, input whole and by rows, seconds."""
    board = load_board(BOARD)
    cells = []
    for objective in Objective:
        chosen = for_wish(program, board, Wish(objective))
        method = Method(objective, REFERENCE)
        cells.append(planned(chosen, method))
        cells.append(planned(chosen, by_rows(chosen, method)))
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
    parser.add_argument("--twins", action="store_true", help="MobileNets too, built when absent")
    arguments = parser.parse_args()
    paths = arguments.models or [models_folder() / f"{name}.tflite" for name in PUBLIC]
    paths += [twin(name) for name in MOBILENETS] if arguments.twins else []
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        print(f"not found: {', '.join(missing)}", file=sys.stderr)
        return 2
    rivals = tomllib.loads(RIVALS.read_text())
    graphs = [(path.stem, read_file(path)) for path in paths]
    programs = [(name, narrowed(lower(graph))) for name, graph in graphs]
    table(
        ("model", "TFLM", *LADDER, "last of TFLM", "seconds"),
        (
            [name, *ladder(graph, program, rivals.get(name, {}).get("planned_arena_bytes"))]
            for (name, graph), (_, program) in zip(graphs, programs, strict=True)
        ),
    )
    print()
    columns = [f"{o.value}{rows}" for o in Objective for rows in ("", ", input by rows")]
    table(
        (f"model, kernels of {BOARD}", *columns, "seconds"),
        ([name, *objectives(program)] for name, program in programs),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

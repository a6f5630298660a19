"""Print how close the arena planner comes to the capacities of the MiniMalloc instances.

``ours`` is the search of the core install, which has a budget of nodes. Where it does not reach the
capacity, CP-SAT (the ``solver`` extra) is given ``--solver-seconds``. ``check`` accepts every plan
before its row is printed.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edgeserve.arena import ArenaPlan, Buffer, Problem, check, live_bound_bytes
from edgeserve.errors import MissingTool
from edgeserve.plan import DEFAULT_NODES, plan_arena, plan_greedily
from edgeserve.plan.cp_sat import fit_capacity

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["id", "lower", "upper", "size"]


@dataclass(frozen=True, slots=True)
class Timed:
    """A plan that ``check`` accepted, and the seconds that it took."""

    plan: ArenaPlan
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """One instance; ``solver`` is None when it was not needed or not wanted."""

    name: str
    problem: Problem
    greedy: Timed
    ours: Timed
    solver: Timed | None

    @property
    def capacity_bytes(self) -> int:
        assert self.problem.capacity_bytes is not None
        return self.problem.capacity_bytes

    @property
    def best(self) -> Timed:
        return self.solver or self.ours

    def ratio(self, timed: Timed) -> float:
        """Arena over capacity."""
        return timed.plan.arena_bytes / self.capacity_bytes

    def cells(self) -> list[str]:
        cells = [
            self.name,
            f"{len(self.problem.buffers)}",
            f"{live_bound_bytes(self.problem):,}",
            f"{self.capacity_bytes:,}",
            f"{self.ratio(self.greedy):.3f}",
            f"{self.ours.plan.arena_bytes:,}",
            f"{self.ratio(self.ours):.3f}",
            f"{self.ours.plan.nodes:,}",
            f"{self.ours.seconds:.2f}",
        ]
        if self.solver is None:
            return [*cells, "", ""]
        return [*cells, f"{self.ratio(self.solver):.3f}", f"{self.solver.seconds:.2f}"]


HEADER = (
    "instance",
    "buffers",
    "live bound",
    "capacity",
    "greedy",
    "ours",
    "ratio",
    "nodes",
    "s",
    "CP-SAT",
    "s",
)
WIDTHS = (8, 7, 10, 9, 6, 9, 5, 7, 5, 6, 5)


def shared_data() -> Path:
    """The folder of test data: ``EDGESERVE_SHARED_DATA``, or ``shared/data`` beside the project."""
    return Path(os.environ.get("EDGESERVE_SHARED_DATA", ROOT.parent / "shared" / "data"))


def read_instance(path: Path) -> Problem:
    """A MiniMalloc instance: columns id, lower, upper, size; NAME.CAPACITY.csv."""
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames != COLUMNS:
            raise SystemExit(f"{path}: expected the columns {', '.join(COLUMNS)}")
        buffers = tuple(
            Buffer(row["id"], int(row["lower"]), int(row["upper"]), int(row["size"]))
            for row in rows
        )
    return Problem(buffers, alignment_bytes=1, capacity_bytes=int(path.suffixes[-2][1:]))


def timed(problem: Problem, planner: Callable[[], ArenaPlan]) -> Timed:
    """Plan and check; raises PlanError when the plan is wrong."""
    start = time.perf_counter()
    plan = planner()
    seconds = time.perf_counter() - start
    check(problem, plan)
    return Timed(plan, seconds)


def measure(path: Path, node_budget: int, solver_seconds: float) -> Row:
    """Plan one instance by greedy, by our search, and by CP-SAT where our search falls short."""
    problem = read_instance(path)
    greedy = timed(problem, lambda: plan_greedily(problem))
    ours = timed(problem, lambda: plan_arena(problem, node_budget=node_budget))
    row = Row(path.name.split(".")[0], problem, greedy, ours, None)
    if row.ratio(ours) <= 1 or not solver_seconds:
        return row
    solver = timed(problem, lambda: fit_capacity(problem, ours.plan, seconds=solver_seconds))
    return replace(row, solver=solver)


def summary(rows: list[Row]) -> str:
    """How many reach their capacity by our search alone and with CP-SAT, and the mean ratios."""
    reached = sum(row.ratio(row.ours) <= 1 for row in rows)
    by_either = sum(row.ratio(row.best) <= 1 for row in rows)
    mean = sum(row.ratio(row.ours) for row in rows) / len(rows)
    greedy_mean = sum(row.ratio(row.greedy) for row in rows) / len(rows)
    return (
        f"{len(rows)} instances, all plans valid; capacity reached by {reached} with our search, "
        f"by {by_either} with CP-SAT after it; mean ratio of ours {mean:.4f}, "
        f"of greedy by size {greedy_mean:.4f}"
    )


def line(cells: Iterable[str]) -> str:
    """The first cell flush left, numbers flush right."""
    first, *rest = cells
    aligned = (f"{cell:>{width}}" for cell, width in zip(rest, WIDTHS[1:], strict=True))
    return " ".join([f"{first:{WIDTHS[0]}}", *aligned]).rstrip()


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=shared_data() / "minimalloc")
    parser.add_argument("--nodes", type=int, default=DEFAULT_NODES, help="budget of our search")
    parser.add_argument(
        "--solver-seconds", type=float, default=60, help="for CP-SAT, one thread; 0: without it"
    )
    arguments = parser.parse_args()
    paths = sorted(arguments.data.glob("*.csv"))
    if not paths:
        print(f"no instances (*.csv) in {arguments.data}", file=sys.stderr)
        return 2
    print(line(HEADER))
    rows = []
    for path in paths:
        try:
            rows.append(measure(path, arguments.nodes, arguments.solver_seconds))
        except MissingTool as error:
            print(f"{error.what}; {error.hint}; or --solver-seconds 0", file=sys.stderr)
            return error.exit_code
        print(line(rows[-1].cells()), flush=True)
    print(summary(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Print how close the arena planner comes to the capacities of the MiniMalloc instances."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from edgeserve.arena import ArenaPlan, Buffer, Problem, check, live_bound_bytes
from edgeserve.plan import DEFAULT_NODES, plan_arena, plan_greedily

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["id", "lower", "upper", "size"]


@dataclass(frozen=True, slots=True)
class Row:
    """One instance with its greedy and its searched plan, both accepted by ``check``."""

    name: str
    problem: Problem
    greedy: ArenaPlan
    plan: ArenaPlan
    seconds: float

    @property
    def capacity_bytes(self) -> int:
        assert self.problem.capacity_bytes is not None
        return self.problem.capacity_bytes

    @property
    def ratio(self) -> float:
        return self.plan.arena_bytes / self.capacity_bytes

    @property
    def greedy_ratio(self) -> float:
        return self.greedy.arena_bytes / self.capacity_bytes


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


def measure(path: Path, node_budget: int) -> Row:
    """Plan one instance twice; raises PlanError when a plan is wrong."""
    problem = read_instance(path)
    greedy = plan_greedily(problem)
    start = time.perf_counter()
    plan = plan_arena(problem, node_budget=node_budget)
    seconds = time.perf_counter() - start
    check(problem, greedy)
    check(problem, plan)
    return Row(path.name.split(".")[0], problem, greedy, plan, seconds)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=shared_data() / "minimalloc")
    parser.add_argument("--nodes", type=int, default=DEFAULT_NODES, help="budget of the search")
    arguments = parser.parse_args()
    paths = sorted(arguments.data.glob("*.csv"))
    if not paths:
        print(f"no instances (*.csv) in {arguments.data}", file=sys.stderr)
        return 2
    print(
        f"{'instance':8} {'buffers':>7} {'live bound':>10} {'capacity':>9} {'greedy':>7} "
        f"{'ours':>9} {'ratio':>6} {'nodes':>9} {'seconds':>7}"
    )
    rows = []
    for path in paths:
        row = measure(path, arguments.nodes)
        rows.append(row)
        print(
            f"{row.name:8} {len(row.problem.buffers):7} {live_bound_bytes(row.problem):10,} "
            f"{row.capacity_bytes:9,} {row.greedy_ratio:7.3f} {row.plan.arena_bytes:9,} "
            f"{row.ratio:6.3f} {row.plan.nodes:9,} {row.seconds:7.2f}",
            flush=True,
        )
    reached = sum(row.ratio <= 1 for row in rows)
    mean = sum(row.ratio for row in rows) / len(rows)
    greedy_mean = sum(row.greedy_ratio for row in rows) / len(rows)
    print(
        f"{len(rows)} plans valid, capacity reached by {reached}; "
        f"mean ratio {mean:.4f}, greedy by size {greedy_mean:.4f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Which runs of tasks become groups: the cost of each run, and the cuts with the smallest peak.

Cuts are compared by their costliest group first: no arena can be smaller. Under that cap there are
many cuts, and what they are weighed by decides among them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edgeserve.arena import align_up
from edgeserve.plan.effort import KernelModel
from edgeserve.plan.stream import Task
from edgeserve.program import Program, Role

ROWS_PER_TURN = (1, 2, 3, 4, 6)

_TRAFFIC_BITS = 48


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to run tasks ``[first, end)`` as a group; ``rows`` None: a single task at once.

    ``effort`` is the extra instructions over whole steps, shifted left, with the weight bytes read
    again in its low bits: a tie-break that adds up as it stands.
    """

    first: int
    end: int
    rows: int | None
    cost_bytes: int
    effort: int


Cut: TypeAlias = tuple[Choice, ...]
Weigher: TypeAlias = Callable[[Choice], int]


def effort_of(instructions: int, traffic_bytes: int) -> int:
    """Extra instructions and weight bytes read again as one number."""
    return (instructions << _TRAFFIC_BITS) + traffic_bytes


def instructions_of(effort: int) -> int:
    """The extra instructions of a sum of efforts."""
    return effort >> _TRAFFIC_BITS


class Lives:
    """Which values are alive between the tasks of an order.

    ``made[v]`` is the position of the task that makes v, -1 where it exists from the start;
    ``last[v]`` that of its last reader, the number of tasks where it must last to the end.
    ``unread`` are inputs of the model that nothing needs.
    """

    def __init__(self, program: Program, tasks: Sequence[Task]) -> None:
        self.count = len(tasks)
        self.made: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.readers: dict[int, list[int]] = {}
        self.size_bytes: dict[int, int] = {}
        fed = {task.value for task in tasks if task.port is not None}
        for port in program.inputs:
            if program.values[port.value].role is Role.ACTIVATION and port.value not in fed:
                self.made[port.value], self.last[port.value] = -1, 0
        for position, task in enumerate(tasks):
            self.made[task.value] = self.last[task.value] = position
            for read in task.reads:
                self.last[read.value] = position
                self.readers.setdefault(read.value, []).append(position)
        for port in program.outputs:
            if port.value in self.made:
                self.last[port.value] = self.count
        for value in self.made:
            self.size_bytes[value] = align_up(program.values[value].size_bytes)
        self.unread = [
            v
            for v, at in self.made.items()
            if at < 0 and self.last[v] < self.count and v not in self.readers
        ]
        self.state_bytes = sum(
            align_up(value.size_bytes) for value in program.values if value.role is Role.STATE
        )

    def alive(self, end: int) -> set[int]:
        """Values that exist before ``end`` and are needed there or later."""
        return {v for v, at in self.made.items() if at < end <= self.last[v]}


def extra_effort(task: Task, rows: int, kernels: KernelModel) -> int:
    """What taking turns of ``rows`` costs a task over computing all at once."""
    if task.step is None:
        return 0
    turns, rest = divmod(task.units, rows)
    units = task.units
    total = turns * kernels.instructions(task.step, min(rows, units), units)
    if rest:
        total += kernels.instructions(task.step, rest, units)
    extra = max(0, total - kernels.instructions(task.step, units, units))
    return effort_of(extra, (turns + bool(rest) - 1) * task.weight_bytes)


def undominated(choices: Sequence[Choice]) -> list[Choice]:
    """Without those that cost more bytes and more effort than another of the same tasks."""
    kept: list[Choice] = []
    best: dict[int, int] = {}
    for choice in sorted(choices, key=lambda c: (c.effort, c.cost_bytes, c.rows or 0)):
        if choice.cost_bytes < best.get(choice.first, 1 << 62):
            best[choice.first] = choice.cost_bytes
            kept.append(choice)
    return kept


def least_peak(choices: Sequence[Sequence[Choice]]) -> int:
    """The smallest cap under which cuts exist: min over all cuts of the costliest group."""
    best = [0] + [1 << 62] * (len(choices) - 1)
    for end in range(1, len(choices)):
        best[end] = min(max(best[c.first], c.cost_bytes) for c in choices[end])
    return best[-1]


def caps_of(choices: Sequence[Sequence[Choice]]) -> list[int]:
    """All caps that make a difference, from the smallest under which cuts exist."""
    costs = sorted({c.cost_bytes for at in choices for c in at})
    return costs[bisect_left(costs, least_peak(choices)) :]


def cut(
    choices: Sequence[Sequence[Choice]], cap_bytes: int, weigh: Weigher
) -> tuple[int, Cut] | None:
    """The groups within ``cap_bytes`` with the least sum of ``weigh``; None where none exist."""
    best: list[int | None] = [0] + [None] * (len(choices) - 1)
    way: list[Choice | None] = [None] * len(choices)
    for end in range(1, len(choices)):
        for choice in choices[end]:
            before = best[choice.first]
            if choice.cost_bytes > cap_bytes or before is None:
                continue
            total = before + weigh(choice)
            at = best[end]
            if at is None or total < at:
                best[end], way[end] = total, choice
    total_weight = best[-1]
    if total_weight is None:
        return None
    groups: list[Choice] = []
    end = len(choices) - 1
    while end > 0:
        last = way[end]
        assert last is not None
        groups.append(last)
        end = last.first
    return total_weight, tuple(reversed(groups))

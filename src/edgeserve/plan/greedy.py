"""Greedy placement: buffers in some order, each at the lowest offset that its conflicts allow.

What two buffers forbid each other is data (:class:`Conflict`), so placement itself does not know
why two buffers conflict.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from edgeserve.arena import (
    ArenaPlan,
    Buffer,
    Problem,
    align_up,
    check_problem,
    live_bound_bytes,
)

Order: TypeAlias = Callable[[Buffer], tuple[int, ...]]


class Conflict(NamedTuple):
    """Forbids offsets strictly between ``offset(other) - below_bytes`` and ``+ above_bytes``.

    For two buffers alive in the same step, ``below_bytes`` is the own size and ``above_bytes`` that
    of the other one.
    """

    other: int
    below_bytes: int
    above_bytes: int


def by_size(buffer: Buffer) -> tuple[int, ...]:
    """Largest first, as the planners of TensorFlow Lite and TFLM do it."""
    return (-buffer.size_bytes,)


def by_lifetime(buffer: Buffer) -> tuple[int, ...]:
    """Longest-lived first, then largest."""
    return (buffer.first - buffer.end, -buffer.size_bytes)


def by_area(buffer: Buffer) -> tuple[int, ...]:
    """Largest product of size and lifetime first."""
    return ((buffer.first - buffer.end) * buffer.size_bytes, -buffer.size_bytes)


def by_start(buffer: Buffer) -> tuple[int, ...]:
    """In the order of execution, largest first."""
    return (buffer.first, -buffer.size_bytes)


ORDERS: tuple[Order, ...] = (by_size, by_lifetime, by_area, by_start)


def conflicts_of(problem: Problem) -> tuple[tuple[Conflict, ...], ...]:
    """For each buffer what it must keep clear of: all that is alive in one of its steps."""
    sizes = [align_up(buffer.size_bytes, problem.alignment_bytes) for buffer in problem.buffers]
    found: list[list[Conflict]] = [[] for _ in sizes]
    live: list[int] = []
    for index in sorted(range(len(sizes)), key=lambda i: problem.buffers[i].first):
        if not sizes[index]:
            continue
        live = [i for i in live if problem.buffers[i].end > problem.buffers[index].first]
        for other in live:
            found[index].append(Conflict(other, sizes[index], sizes[other]))
            found[other].append(Conflict(index, sizes[other], sizes[index]))
        live.append(index)
    return tuple(map(tuple, found))


def first_fit(conflicts: Sequence[Sequence[Conflict]], order: Sequence[int]) -> tuple[int, ...]:
    """Offsets (bytes) when the buffers are placed in ``order``, each as low as it goes."""
    offsets: list[int | None] = [None] * len(conflicts)
    for index in order:
        forbidden: list[tuple[int, int]] = []
        for other, below_bytes, above_bytes in conflicts[index]:
            at = offsets[other]
            if at is not None:
                insort(forbidden, (at - below_bytes, at + above_bytes))
        offsets[index] = _lowest_free(forbidden)
    return tuple(0 if offset is None else offset for offset in offsets)


def _lowest_free(forbidden: Sequence[tuple[int, int]]) -> int:
    """The least number from 0 on strictly inside none of the sorted intervals."""
    offset = 0
    for low, high in forbidden:
        if offset <= low:
            break
        offset = max(offset, high)
    return offset


def ordered(problem: Problem, order: Order) -> list[int]:
    """The indices of the buffers sorted by ``order``; ties keep the order of the problem."""
    return sorted(range(len(problem.buffers)), key=lambda i: order(problem.buffers[i]))


def plan_greedily(problem: Problem, order: Order = by_size) -> ArenaPlan:
    """The plan of one greedy order, without any search; raises PlanError on a malformed problem.

    With the default order this is the method of TFLM's GreedyMemoryPlanner, kept for comparison.
    """
    check_problem(problem)
    offsets = first_fit(conflicts_of(problem), ordered(problem, order))
    ends = [o + b.size_bytes for o, b in zip(offsets, problem.buffers, strict=True)]
    return ArenaPlan(
        offsets_bytes=offsets,
        arena_bytes=align_up(max(ends, default=0), problem.alignment_bytes),
        lower_bound_bytes=live_bound_bytes(problem),
        exhausted=False,
        nodes=0,
    )

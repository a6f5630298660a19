"""The arena: buffers with lifetimes, the plan that places them, and the check that trusts nobody.

Time is counted in steps. A buffer is alive in the half-open range ``[first, end)``; two buffers
whose ranges meet must not share a byte. ``check`` shares no code with any planner.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from edgeserve.errors import PlanError

ALIGNMENT_BYTES = 16


def align_up(size_bytes: int, alignment_bytes: int = ALIGNMENT_BYTES) -> int:
    """The least multiple of ``alignment_bytes`` that is not below ``size_bytes``."""
    return -(-size_bytes // alignment_bytes) * alignment_bytes


@dataclass(frozen=True, slots=True)
class Buffer:
    """``size_bytes`` (already rounded to the alignment) alive during steps ``[first, end)``."""

    name: str
    first: int
    end: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be placed; ``capacity_bytes`` is a goal for the search, no limit of ``check``."""

    buffers: tuple[Buffer, ...]
    alignment_bytes: int = ALIGNMENT_BYTES
    capacity_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ArenaPlan:
    """An offset for each buffer of a problem, in the same order.

    ``lower_bound_bytes`` is proven (at least the live-byte bound); the plan is optimal exactly when
    it equals ``arena_bytes``, or when ``exhausted`` says that the search saw everything below it.
    """

    offsets_bytes: tuple[int, ...]
    arena_bytes: int
    lower_bound_bytes: int
    exhausted: bool
    nodes: int

    @property
    def optimal(self) -> bool:
        return self.exhausted or self.arena_bytes == self.lower_bound_bytes


def live_bound_bytes(problem: Problem) -> int:
    """The most bytes alive in one step, sizes rounded to the alignment: no plan is smaller."""
    return max((load for _, load in _loads(problem)), default=0)


def peak(problem: Problem) -> tuple[int, tuple[int, ...]]:
    """The first step at which the live bound is reached, and the buffers alive there.

    The buffers are indices into ``problem.buffers``, largest first and then in the problem's order.
    A problem without buffers peaks at step 0 with none.
    """
    bound = live_bound_bytes(problem)
    step = next((time for time, load in _loads(problem) if load == bound), 0)
    alive = [i for i, b in enumerate(problem.buffers) if b.first <= step < b.end]
    return step, tuple(sorted(alive, key=lambda i: -problem.buffers[i].size_bytes))


def _loads(problem: Problem) -> list[tuple[int, int]]:
    """Every step at which a buffer starts or ends, in order, with the bytes alive from there on."""
    changes: dict[int, int] = {}
    for buffer in problem.buffers:
        size_bytes = align_up(buffer.size_bytes, problem.alignment_bytes)
        changes[buffer.first] = changes.get(buffer.first, 0) + size_bytes
        changes[buffer.end] = changes.get(buffer.end, 0) - size_bytes
    loads = []
    load = 0
    for time in sorted(changes):
        load += changes[time]
        loads.append((time, load))
    return loads


def check_problem(problem: Problem) -> None:
    """Raise PlanError on a buffer that lives in no step, a negative size, an alignment below 1."""
    if problem.alignment_bytes < 1:
        raise _wrong(f"alignment is {problem.alignment_bytes} bytes")
    for buffer in problem.buffers:
        if buffer.end <= buffer.first:
            raise _wrong(f"buffer {buffer.name!r} lives in no step: [{buffer.first}, {buffer.end})")
        if buffer.size_bytes < 0:
            raise _wrong(f"buffer {buffer.name!r} has {buffer.size_bytes} bytes")


def check(problem: Problem, plan: ArenaPlan) -> None:
    """Accept a plan that is safe and says the truth about its size; raise PlanError otherwise.

    Each offset is aligned and not negative, no two buffers alive in the same step share a byte,
    ``arena_bytes`` is the highest end rounded up to the alignment, and the lower bound does not
    exceed it. That the bound is proven, or the search exhausted, cannot be seen from here.
    """
    check_problem(problem)
    if len(plan.offsets_bytes) != len(problem.buffers):
        raise _wrong(f"{len(problem.buffers)} buffers have {len(plan.offsets_bytes)} offsets")
    for buffer, offset in zip(problem.buffers, plan.offsets_bytes, strict=True):
        _check_place(buffer, offset, problem.alignment_bytes, plan.arena_bytes)
    _check_overlaps(problem, plan)
    ends = [o + b.size_bytes for b, o in zip(problem.buffers, plan.offsets_bytes, strict=True)]
    used_bytes = align_up(max(ends, default=0), problem.alignment_bytes)
    if plan.arena_bytes != used_bytes:
        raise _wrong(f"the arena is {plan.arena_bytes} bytes but its buffers need {used_bytes}")
    if plan.lower_bound_bytes > plan.arena_bytes:
        raise _wrong(
            f"the lower bound of {plan.lower_bound_bytes} bytes is above "
            f"the arena of {plan.arena_bytes}"
        )


def _check_place(buffer: Buffer, offset: int, alignment_bytes: int, arena_bytes: int) -> None:
    where = _where(buffer, offset)
    if offset < 0:
        raise _wrong(f"{where} begins before the arena")
    if offset % alignment_bytes:
        raise _wrong(f"{where} is not aligned to {alignment_bytes} bytes")
    if offset + buffer.size_bytes > arena_bytes:
        raise _wrong(f"{where} ends past the arena of {arena_bytes} bytes")


def _check_overlaps(problem: Problem, plan: ArenaPlan) -> None:
    """Walk through time with the live buffers sorted by offset.

    As long as those are disjoint, a newcomer can only collide with the neighbours on either side.
    """
    events = []
    for index, buffer in enumerate(problem.buffers):
        if buffer.size_bytes:
            events.append((buffer.first, True, index))
            events.append((buffer.end, False, index))
    live: list[tuple[int, int]] = []
    for _, starts, index in sorted(events):
        place = (plan.offsets_bytes[index], index)
        at = bisect_left(live, place)
        if not starts:
            del live[at]
            continue
        for _, other in live[max(at - 1, 0) : at + 1]:
            _check_pair(problem, plan, other, index)
        live.insert(at, place)


def _check_pair(problem: Problem, plan: ArenaPlan, one: int, two: int) -> None:
    a, b = problem.buffers[one], problem.buffers[two]
    a_offset, b_offset = plan.offsets_bytes[one], plan.offsets_bytes[two]
    if a_offset < b_offset + b.size_bytes and b_offset < a_offset + a.size_bytes:
        raise _wrong(f"{_where(a, a_offset)} overlaps {_where(b, b_offset)}")


def _where(buffer: Buffer, offset: int) -> str:
    return (
        f"buffer {buffer.name!r} (steps [{buffer.first}, {buffer.end}), "
        f"bytes [{offset}, {offset + buffer.size_bytes}))"
    )


def _wrong(what: str) -> PlanError:
    return PlanError(f"the memory plan is wrong: {what}", hint=_HINT)


_HINT = "plan again; a stored plan must belong to this very model and must not be edited"

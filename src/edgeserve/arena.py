"""The arena: buffers with lifetimes, the plan that places them, and the check that trusts nobody.

Time is counted in steps. A buffer is alive in the half-open range ``[first, end)``; two buffers whose
ranges meet must not share a byte. ``check`` shares no code with any planner.
"""

from __future__ import annotations

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
    """What is to be placed. ``capacity_bytes`` is a goal for the search, not a limit of ``check``."""

    buffers: tuple[Buffer, ...]
    alignment_bytes: int = ALIGNMENT_BYTES
    capacity_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ArenaPlan:
    """An offset for each buffer of a problem, in the same order.

    ``lower_bound_bytes`` is proven (at least the live-byte bound); the plan is optimal exactly when it
    equals ``arena_bytes``, or when ``exhausted`` says that the search saw everything below it.
    """

    offsets_bytes: tuple[int, ...]
    arena_bytes: int
    lower_bound_bytes: int
    exhausted: bool
    nodes: int

    @property
    def optimal(self) -> bool:
        return self.exhausted or self.arena_bytes == self.lower_bound_bytes

"""The plan of a program whose steps take turns: what runs when, and where every byte of it lies.

A *turn* computes the next rows of one step. A *group* is a run of steps that take turns row by row:
values that only it knows are rings of a few rows, everything else is whole. A group of one step
computes all its rows in one turn.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TypeAlias

from edgeserve.arena import ALIGNMENT_BYTES

MOST_FED = 8
"""Only inputs below this index can be fed by rows: the runtime counts their rows on its stack."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The next ``rows`` rows of a step: of its output, or of its input where it accumulates."""

    step: int
    rows: int


@dataclass(frozen=True, slots=True)
class Feed:
    """The next ``rows`` rows of an input of the model are asked of the caller."""

    port: int
    rows: int


Action: TypeAlias = Turn | Feed


@dataclass(frozen=True, slots=True)
class Place:
    """Row r of a value begins at ``offset_bytes + (r % depth) * row_bytes``; it has ``h`` rows."""

    offset_bytes: int
    row_bytes: int
    depth: int
    h: int

    @property
    def size_bytes(self) -> int:
        return self.depth * self.row_bytes


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of the arena that are no value."""

    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BankUse:
    """A part of the arena that lies in memory of its own. ``lower_bound_bytes`` is proven for what
    was put there.
    """

    name: str
    size_bytes: int
    alignment_bytes: int
    lower_bound_bytes: int


@dataclass(frozen=True, slots=True)
class Group:
    """Steps in the order of the plan, with the inputs of the model that it pulls row by row.

    ``rows_per_turn`` is None for a group of one step or feed that computes all its rows at once.
    """

    steps: tuple[int, ...]
    feeds: tuple[int, ...]
    rows_per_turn: int | None


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Where everything lies, in bytes, and in which order it is computed.

    ``places`` has one entry a value, None for constants. ``scratch``, ``accumulators`` and
    ``counters`` have one entry a step: bytes in the arena (None: needs none), and the index of the
    step's uint16 row counter behind ``counters_offset`` (None: one turn computes all rows).
    ``lower_bound_bytes`` is proven for this order, these groups and turns, and ``exhausted`` says
    that the search of offsets saw everything below ``arena_bytes``.

    ``banks`` are the parts of an arena that lies in several memories, one behind the other in the
    offsets, and nothing lies in two of them; without any the arena is one piece. ``traffic_cost``
    is what the bytes read and written in an inference cost there: no way to put these buffers into
    banks costs less than ``least_traffic_cost``.
    """

    order: tuple[int, ...]
    groups: tuple[Group, ...]
    turns: tuple[Action, ...]
    places: tuple[Place | None, ...]
    scratch: tuple[Span | None, ...]
    accumulators: tuple[Span | None, ...]
    counters: tuple[int | None, ...]
    counters_span: Span
    arena_bytes: int
    lower_bound_bytes: int
    exhausted: bool
    instructions: int
    extra_instructions: int
    nodes: int
    banks: tuple[BankUse, ...] = ()
    traffic_cost: int = 0
    least_traffic_cost: int = 0

    @property
    def one_bank(self) -> BankUse:
        """An arena in one piece as the bank that it is."""
        return BankUse("arena", self.arena_bytes, ALIGNMENT_BYTES, self.lower_bound_bytes)

    @property
    def bank_starts(self) -> tuple[int, ...]:
        """The offset at which each bank begins; a single 0 where there is one piece."""
        starts = [0]
        for bank in self.banks[:-1]:
            starts.append(starts[-1] + bank.size_bytes)
        return tuple(starts)

    def bank_at(self, offset_bytes: int) -> int:
        """The index of the bank that an offset lies in."""
        return bisect_right(self.bank_starts, offset_bytes) - 1

    @property
    def optimal(self) -> bool:
        """Whether no other offsets would make the arena smaller."""
        return self.exhausted or self.arena_bytes == self.lower_bound_bytes

    @property
    def extra_share(self) -> float:
        """Extra instructions over those of whole layers."""
        return self.extra_instructions / max(1, self.instructions - self.extra_instructions)

    @property
    def streamed_steps(self) -> int:
        return sum(counter is not None for counter in self.counters)

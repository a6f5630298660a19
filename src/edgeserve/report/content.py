"""What a report is made of: blocks that a page draws and that Markdown writes as far as it can.

Nothing here knows HTML. All texts may hold any characters: whoever writes them escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from edgeserve.arena_map import ArenaMap


class Tone(StrEnum):
    """How a text is meant."""

    PLAIN = "plain"
    QUIET = "quiet"
    GOOD = "good"
    BAD = "bad"


class Kind(StrEnum):
    """What a column holds. ``fixed``: words that stay on one line; ``prose``: many words;
    ``name``: text from models, devices and users; ``span``: bars.
    """

    TEXT = "text"
    FIXED = "fixed"
    PROSE = "prose"
    NUMBER = "number"
    NAME = "name"
    SPAN = "span"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Span:
    """A bar from ``start`` to ``end``, as shares of the column's width in 0..1."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A text that says good or bad."""

    text: str
    tone: Tone


Cell: TypeAlias = str | Span | Mark


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Table:
    """Each row has a cell a column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Percent:
    """A percentile on the axis of a distribution, with its interval where it has one."""

    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """Which share of the inferences took at most so long: points (value, share), both growing."""

    caption: str
    unit: str
    points: tuple[tuple[float, float], ...]
    percents: tuple[Percent, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Seconds from a run's start with latencies (ms), temperatures (Celsius), and caps (0..1)."""

    caption: str
    latency_ms: tuple[tuple[float, float], ...]
    skin_celsius: tuple[tuple[float, float], ...]
    cpu_celsius: tuple[tuple[float, float], ...]
    caps: tuple[tuple[float, float], ...]
    onset_s: float | None


@dataclass(frozen=True, slots=True)
class Arena:
    """The map of an arena, with the tensors of its fullest turn beside it."""

    caption: str
    picture: ArenaMap


@dataclass(frozen=True, slots=True)
class Folded:
    """Blocks that a reader opens when wanted."""

    title: str
    blocks: tuple[Block, ...]


Block: TypeAlias = Line | Table | Distribution | Timeline | Arena | Folded


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what is below it. ``key`` names it in links."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report."""

    heading: str
    summary: tuple[str, ...]
    sections: tuple[Section, ...]


def columns(*titles: str) -> tuple[Column, ...]:
    """Columns by their titles: ``#`` before one is for numbers, ``@`` names, ``|`` bars, ``!``
    words on one line, ``~`` prose.
    """
    kinds = {
        "#": Kind.NUMBER,
        "@": Kind.NAME,
        "|": Kind.SPAN,
        "!": Kind.FIXED,
        "~": Kind.PROSE,
    }
    return tuple(Column(title.lstrip("#@|!~"), kinds.get(title[:1], Kind.TEXT)) for title in titles)

"""When frames arrive, in whole ticks: the generators that the bench firmware has too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, cycle, islice
from math import log
from pathlib import Path
from typing import TypeAlias

from edgeserve.errors import ConfigError
from edgeserve.xorshift import xorshift32

LN2_Q16 = 45426
MOST_SPREAD_PERMILLE = 500
MOST_INTERVAL_TICKS = 2**32 - 1

MINUS_LOG_Q16 = tuple(round(-log((64 + i + 0.5) / 128) * 65536) for i in range(64))
"""-ln of the middles of 64 equal parts of [1/2, 1), with 16 fractional bits."""


@dataclass(frozen=True, slots=True)
class Periodic:
    """A frame each ``period`` ticks, up to ``spread_permille`` / 1000 of that early or late.

    The lateness of one frame does not carry over to the next.
    """

    period: int
    spread_permille: int = 0


@dataclass(frozen=True, slots=True)
class Random:
    """Intervals that are exponential with a mean of ``period`` ticks: a Poisson process."""

    period: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Intervals between frames as measured, in ticks; begun anew when they end."""

    intervals: tuple[int, ...]


Arrivals: TypeAlias = Periodic | Random | Trace


def mean_interval(arrivals: Arrivals) -> float:
    """Ticks from one frame to the next."""
    if isinstance(arrivals, Trace):
        return sum(arrivals.intervals) / len(arrivals.intervals)
    return arrivals.period


def arrival_times(arrivals: Arrivals, frames: int, seed: int) -> tuple[int, ...]:
    """The times of ``frames`` arrivals, never falling; the bench firmware computes the same."""
    match arrivals:
        case Periodic():
            return tuple(islice(_periodic(arrivals, seed), frames))
        case Random():
            return tuple(islice(accumulate(_exponential(arrivals.period, seed)), frames))
        case Trace():
            return tuple(islice(accumulate(cycle(arrivals.intervals)), frames))


def _periodic(arrivals: Periodic, seed: int) -> Iterator[int]:
    half = arrivals.period * arrivals.spread_permille // 1000
    for number, draw in enumerate(xorshift32(seed), 1):
        yield number * arrivals.period - half + (draw * (2 * half + 1) >> 32)


def _exponential(mean: int, seed: int) -> Iterator[int]:
    """-ln of a uniform number: its leading zeros times ln 2, and a table for the six bits after
    its first one.
    """
    for draw in xorshift32(seed):
        zeros = 32 - draw.bit_length()
        normal = draw << zeros
        minus_log = zeros * LN2_Q16 + MINUS_LOG_Q16[normal >> 25 & 63]
        yield mean * minus_log >> 16


def read_trace(path: Path, ticks_hz: int) -> Trace:
    """A file of intervals in microseconds, one a line. Raises ConfigError naming the line."""
    try:
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the trace {path}: {error.__class__.__name__}",
            hint="give a text file with an interval in microseconds a line",
        ) from None
    return Trace(_ticks(lines, path, ticks_hz))


def _ticks(lines: Sequence[str], path: Path, ticks_hz: int) -> tuple[int, ...]:
    if not lines:
        raise ConfigError(f"{path} has no intervals", hint="one a line, in microseconds")
    intervals = []
    for number, text in enumerate(lines, 1):
        if not text.isdigit() or len(text) > 12:
            raise ConfigError(
                f"{path}, line {number}: {text[:20]!r} is no interval",
                hint="write whole microseconds from one frame to the next, one a line",
            )
        intervals.append(int(text) * ticks_hz // 1_000_000)
    if not sum(intervals):
        raise ConfigError(f"{path}: all intervals are 0", hint="one a line, in microseconds")
    return tuple(intervals)

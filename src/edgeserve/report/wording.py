"""Quantities as people read them."""

from __future__ import annotations

import re

from edgeserve.measurement import Unit

_STEPS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))
_IN_NS = {Unit.NANOSECONDS: 1.0, Unit.MICROSECONDS: 1e3}


def in_ns(value: float, unit: Unit) -> float | None:
    """A count as nanoseconds; None for instructions and cycles, which are no time."""
    factor = _IN_NS.get(unit)
    return None if factor is None else value * factor


def told_ns(value_ns: float) -> str:
    """Four digits, in the largest unit that leaves one before the point."""
    size, name = next((step for step in _STEPS if abs(value_ns) >= step[0]), _STEPS[-1])
    return f"{value_ns / size:.4g} {name}"


def told_count(value: float, unit: Unit) -> str:
    """A count in its unit: time as people write it, instructions and cycles to the last one."""
    as_time = in_ns(value, unit)
    return f"{value:,.0f} {unit.value}" if as_time is None else told_ns(as_time)


def told_range(low: str | None, high: str | None) -> str:
    """An interval, or that there is none."""
    return "too few" if low is None or high is None else f"{low} to {high}"


def told_when(recorded_at: str) -> str:
    """ISO 8601 (``YYYY-MM-DDThh:mm:ssZ``) to the minute; anything else as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ", recorded_at)
    return f"{found[1]} {found[2]} UTC" if found else recorded_at

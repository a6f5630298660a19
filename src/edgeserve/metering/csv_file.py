"""Power recordings as CSV: which column is what, by the header or as told."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

from edgeserve.absent import Absent
from edgeserve.metering.trace import PowerTrace, trace_of

TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
UNITS = {
    "A": 1.0,
    "mA": 1e-3,
    "uA": 1e-6,
    "nA": 1e-9,
    "V": 1.0,
    "mV": 1e-3,
    "W": 1.0,
    "mW": 1e-3,
    "uW": 1e-6,
}
_HEADER_LINES = 50


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name in the header, and how much of its SI unit one of its numbers is."""

    name: str
    scale: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns tell time and power: ``power``, or ``current`` with a voltage or ``volts``."""

    name: str
    time: Column
    power: Column | None = None
    current: Column | None = None
    voltage: Column | None = None
    volts: float | None = None

    def columns(self) -> tuple[Column, ...]:
        found = (self.time, self.power, self.current, self.voltage)
        return tuple(column for column in found if column is not None)


KNOWN = (
    Layout(
        "Joulescope",
        Column("time", 1.0),
        power=Column("power", 1.0),
    ),
    Layout(
        "Nordic PPK2 (nRF Connect Power Profiler)",
        Column("Timestamp(ms)", 1e-3),
        current=Column("Current(uA)", 1e-6),
    ),
    Layout(
        "Monsoon PowerTool",
        Column("Time (s)", 1.0),
        current=Column("Main Avg Current (mA)", 1e-3),
        voltage=Column("Main Avg Voltage (V)", 1.0),
    ),
    # Its times are seconds (`time.time()` less its start), whatever its header says.
    Layout(
        "PyMonsoon",
        Column("Time(ms)", 1.0),
        current=Column("Main(mA)", 1e-3),
        voltage=Column("Main Voltage(V)", 1.0),
    ),
)
"""Layouts of instruments, by what their programs write as header."""


def read_trace(
    file: Path, layout: Layout | None, volts: float | None, time_scale: float | None = None
) -> PowerTrace | Absent:
    """Reads a recording: by a layout, or (None) by the one that its header is of.

    ``volts`` is the supply's voltage, for a layout without; ``time_scale`` takes the place of the
    layout's seconds a unit of time. Absent, with the reason, for a file that is no such recording.
    """
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        return Absent(f"cannot read {file.name}: {error.strerror}")
    return parse_trace(text, layout, volts, time_scale)


def parse_trace(
    text: str, layout: Layout | None, volts: float | None, time_scale: float | None = None
) -> PowerTrace | Absent:
    """As ``read_trace``, of a file's text."""
    head = _header(text, KNOWN if layout is None else (layout,))
    if isinstance(head, Absent):
        return head
    supply = head.layout.volts if volts is None else volts
    if head.layout.power is None and head.layout.voltage is None and supply is None:
        return Absent(f"a recording of {head.layout.name} tells no voltage: give volts=")
    return _power(head, supply, time_scale)


@dataclass(frozen=True, slots=True)
class _Head:
    layout: Layout
    names: tuple[str, ...]
    separator: str
    rows: str


def _header(text: str, layouts: tuple[Layout, ...]) -> _Head | Absent:
    """The header is the first line that has all columns of a layout; notes may stand before it."""
    rest = text
    for _ in range(_HEADER_LINES):
        line, _, rest = rest.partition("\n")
        for separator in (",", ";", "\t"):
            names = tuple(
                name.strip().strip('"').strip() for name in line.lstrip("# ").split(separator)
            )
            for layout in layouts:
                if all(column.name in names for column in layout.columns()):
                    return _Head(layout, names, separator, rest)
    wanted = ", ".join(column.name for layout in layouts for column in layout.columns())
    return Absent(f"the recording has no header that is known: it needs the columns {wanted}")


def _power(head: _Head, volts: float | None, time_scale: float | None) -> PowerTrace | Absent:
    import numpy as np

    layout = head.layout
    columns = layout.columns()
    rows = head.rows.replace(",", ".") if head.separator == ";" else head.rows
    rows = re.sub(r"\n[ \t\r]*(?=\n|$)", "", rows)
    if not rows.strip():
        return Absent("the recording has fewer than two samples")
    try:
        table = np.loadtxt(
            io.StringIO(rows),
            delimiter=head.separator,
            usecols=[head.names.index(column.name) for column in columns],
            ndmin=2,
            comments=None,
        )
    except (ValueError, IndexError, OverflowError) as error:
        reason = (str(error) or "not a table").splitlines()[0]
        return Absent(f"a row of the recording is damaged: {reason}")
    value = {column.name: table[:, index] * column.scale for index, column in enumerate(columns)}
    at_s = table[:, 0] * (layout.time.scale if time_scale is None else time_scale)
    if layout.power is not None:
        return trace_of(at_s, value[layout.power.name])
    assert layout.current is not None
    supply = value[layout.voltage.name] if layout.voltage is not None else volts
    assert supply is not None
    return trace_of(at_s, value[layout.current.name] * supply)

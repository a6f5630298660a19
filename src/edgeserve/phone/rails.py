"""Energy counters of power rails: what On-Device Power Monitors (ODPM) have counted since start.

Texts that tell of the same counters, best first: the driver's sysfs file ``energy_value``
(microjoules) and the power HAL's dump (millijoules with two decimals). ``enabled_rails``,
``available_rails`` and ``dumpsys powerstats`` only name the rails.

Two makers' monitors are read: Samsung's S2MPG1x (Pixel 6 on) and Microchip's PAC1934 (Pixels before
it). Layouts by AOSP: those of sysfs by what both editions of libpixelpowerstats' RailDataProvider
read, those of the dump by what the default power HALs 1.0 and 2.0 print. A text is read whole or
not at all: a line that is not of its layout is damage, and a rail may be lost in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeserve.absent import Absent

_RAIL = r"[^\s,:()\[\]]+(?: \[[^\n,:\[\]]+\])?"
"""A PAC1934's rail: a word, behind which its source may stand: ``WCN3998_VDD13 [from PP1304_L2C]``.
No line of an S2MPG1x begins like this."""

_SYSFS_LAYOUTS = (
    re.compile(
        r"t=(?P<time_ms>[0-9]{1,19})"
        r"|CH[0-9]+(?:\(T=(?P<own_ms>[0-9]{1,19})\))?\[(?P<name>[^\]]+)\], *(?P<energy>[0-9]{1,19})"
    ),
    re.compile(rf"(?P<time_ms>[0-9]{{1,19}})|(?P<name>{_RAIL}), *(?P<energy>[0-9]{{1,19}})"),
)
"""A line of an S2MPG1x and of a PAC1934: milliseconds, below which come the rails."""

_COLUMN = r"\S+(?: {1,2}\S+)*"
_HAL_ENERGY = (
    r" {3,}(?P<energy>[0-9]{1,16}\.[0-9]{2}) mWs(?: \( *(?:none|-?[0-9]{1,16}\.[0-9]{2})\))?"
)
_HAL_ROWS = {
    "PowerStats HAL 2.0 energy meter": re.compile(
        rf"(?:\[(?P<rail>[^\]]+)\]:(?P<subsystem>{_COLUMN})|(?P<label>(?!\[){_COLUMN}))"
        + _HAL_ENERGY
    ),
    "PowerStats HAL 1.0 rail energy data": re.compile(
        rf"(?P<subsystem>{_COLUMN}) {{3,}}(?P<rail>{_COLUMN})" + _HAL_ENERGY
    ),
}
"""By the title of the section. Columns are three blanks apart or more, as names may hold one."""
_HAL_SECTION = re.compile(
    rf"^=+ ({'|'.join(map(re.escape, _HAL_ROWS))}) =+$(.*?)^=+ End of \1 =+$",
    re.MULTILINE | re.DOTALL,
)
_HAL_HEADER = re.compile(
    r"(?:Elapsed time: \w+ ms)?(?:[^.]*\bCumulative Energy(?: \( *Delta *\))?)?"
)

_NAME_ROWS = (
    re.compile(r"^CH\d+\[([^\]]+)\]:(.+)$", re.MULTILINE),
    re.compile(r"^\w+\(([^)]+)\):(.+)$", re.MULTILINE),
    re.compile(r"ChannelId: \d+, ChannelName: ([^,]+), ChannelSubsystem: (.+)$", re.MULTILINE),
    re.compile(rf"^({_RAIL}):([^\s:][^:\n]*)$", re.MULTILINE),
)
"""Of an S2MPG1x ``enabled_rails`` and ``available_rails``, ``dumpsys powerstats``, and
``enabled_rails`` of a PAC1934."""
_UJ_PER_MJ = 1000


@dataclass(frozen=True, slots=True)
class Rail:
    """One rail's counter. ``at_ms`` is the phone's own clock at the sample, where it is told."""

    name: str
    subsystem: str | None
    energy_uj: int
    at_ms: int | None


@dataclass(frozen=True, slots=True)
class RailsReading:
    """All rails that are enabled; a rail that is not there is not measured, it is not zero."""

    source: str
    rails: tuple[Rail, ...]

    def rail(self, name: str) -> Rail | None:
        """The rail of a name, or None where it is not measured."""
        return next((rail for rail in self.rails if rail.name == name), None)


def parse_sysfs(
    texts: Iterable[str], subsystems: dict[str, str] | None = None
) -> RailsReading | Absent:
    """Reads the ``energy_value`` files of all ODPM devices; ``subsystems`` by ``parse_names``.

    A text may hold several files, one behind the other: a row without a time of its own has the
    last one above it.
    """
    known = subsystems or {}
    rails: list[Rail] = []
    for text in texts:
        lines = list(filter(None, map(str.strip, text.splitlines())))
        fitting = (one for one in _SYSFS_LAYOUTS if lines and one.fullmatch(lines[0]))
        layout = next(fitting, _SYSFS_LAYOUTS[0])
        at_ms = None
        for line in lines:
            match = layout.fullmatch(line)
            told = {} if match is None else match.groupdict()
            if told.get("time_ms"):
                at_ms = int(told["time_ms"])
            elif told and at_ms is not None:
                name, time_ms = told["name"], int(told.get("own_ms") or at_ms)
                rails.append(Rail(name, known.get(name), int(told["energy"]), time_ms))
            else:
                return Absent(f"sysfs energy_value has a line of no known layout: {line[:60]!r}")
    return _reading("sysfs energy_value", rails)


def parse_hal(text: str) -> RailsReading | Absent:
    """Reads the part of a power HAL's dump that tells of rails, of HAL 2.0 or 1.0."""
    section = _HAL_SECTION.search(text)
    if section is None:
        return Absent("the power HAL's dump has no whole energy meter")
    title, lines = section.groups()
    rails: list[Rail] = []
    for line in map(str.strip, lines.splitlines()):
        row = _HAL_ROWS[title].fullmatch(line)
        if row is not None:
            told = row.groupdict()
            name = told["rail"] or told["label"]
            rails.append(Rail(name, told["subsystem"], _microjoules(told["energy"]), None))
        elif _HAL_HEADER.fullmatch(line) is None:
            return Absent(f"the power HAL's dump has a line of no known layout: {line[:60]!r}")
    return _reading("power HAL", rails)


def parse_names(text: str) -> dict[str, str]:
    """Subsystems by rail, from ``enabled_rails``, ``available_rails`` or ``dumpsys powerstats``."""
    rows = [row for form in _NAME_ROWS for row in form.findall(text)]
    return {name.strip(): subsystem.strip() for name, subsystem in rows}


def energy_between(before: RailsReading, after: RailsReading, rails: Iterable[str]) -> int | Absent:
    """Microjoules that some rails took between two readings.

    Absent when a rail is missing from either, when a counter went back (the phone restarted, or
    the counter wrapped), or when it did not move: then the window was shorter than its refresh.
    """
    total = 0
    for name in rails:
        first, last = before.rail(name), after.rail(name)
        if first is None or last is None:
            return Absent(f"rail {name} is not measured on this phone")
        if last.energy_uj < first.energy_uj:
            return Absent(f"the counter of rail {name} went back")
        total += last.energy_uj - first.energy_uj
    return total if total else Absent("no counter moved: the window is shorter than their refresh")


def _microjoules(millijoules: str) -> int:
    """Exactly, from two decimals."""
    whole, _, fraction = millijoules.partition(".")
    return int(whole) * _UJ_PER_MJ + int(fraction) * (_UJ_PER_MJ // 100)


def _reading(source: str, rails: Sequence[Rail]) -> RailsReading | Absent:
    names = [rail.name for rail in rails]
    if not rails:
        return Absent(f"{source} lists no rail")
    if len(set(names)) != len(names):
        return Absent(f"{source} lists a rail twice")
    return RailsReading(source, tuple(rails))

"""Energy counters of power rails: what On-Device Power Monitors (ODPM) have counted since start.

Three texts tell of the same counters, best first: the driver's sysfs file ``energy_value``
(microjoules), the power HAL's dump (``dumpsys android.hardware.power.stats.IPowerStats/default``,
millijoules with two decimals), and ``dumpsys powerstats``, which only names the channels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgeserve.absent import Absent

_HAL_TITLE = "PowerStats HAL 2.0 energy meter"
_SYSFS_TIME = re.compile(r"^t=(\d{1,19})$", re.MULTILINE)
_SYSFS_ROW = re.compile(r"^CH\d+(?:\(T=(\d{1,19})\))?\[([^\]]+)\],\s*(\d{1,19})$", re.MULTILINE)
_HAL_ROW = re.compile(r"^\s*(?:\[([^\]]+)\]:)?(\S.*?)\s+(\d{1,16}\.\d\d) mWs\b")
_ENABLED_ROW = re.compile(r"^CH\d+\[([^\]]+)\]:(.+)$", re.MULTILINE)
_AVAILABLE_ROW = re.compile(r"^\w+\(([^)]+)\):(.+)$", re.MULTILINE)
_CHANNEL_ROW = re.compile(
    r"ChannelId: \d+, ChannelName: ([^,]+), ChannelSubsystem: (.+)$", re.MULTILINE
)
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
    """Reads the ``energy_value`` files of all ODPM devices; ``subsystems`` by ``parse_names``."""
    known = subsystems or {}
    rails = tuple(
        Rail(name, known.get(name), int(energy), int(at_ms) if at_ms else None)
        for text in texts
        for own, name, energy in _SYSFS_ROW.findall(text)
        for at_ms in [own or next(iter(_SYSFS_TIME.findall(text)), "")]
    )
    return _reading("sysfs energy_value", rails)


def parse_hal(text: str) -> RailsReading | Absent:
    """Reads the energy meter's part of the power HAL's dump."""
    _, found, rest = text.partition(_HAL_TITLE)
    if not found:
        return Absent("the power HAL's dump has no energy meter")
    meter = rest.partition("End of " + _HAL_TITLE)[0]
    rails = tuple(
        Rail(name or label, label if name else None, _microjoules(energy), None)
        for line in meter.splitlines()
        for match in [_HAL_ROW.match(line)]
        if match is not None
        for name, label, energy in [match.groups()]
    )
    return _reading("power HAL", rails)


def parse_names(text: str) -> dict[str, str]:
    """Subsystems by rail, from ``enabled_rails``, ``available_rails`` or ``dumpsys powerstats``."""
    rows = [
        row for form in (_ENABLED_ROW, _AVAILABLE_ROW, _CHANNEL_ROW) for row in form.findall(text)
    ]
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


def _reading(source: str, rails: tuple[Rail, ...]) -> RailsReading | Absent:
    names = [rail.name for rail in rails]
    if not rails:
        return Absent(f"{source} lists no rail")
    if len(set(names)) != len(names):
        return Absent(f"{source} lists a rail twice")
    return RailsReading(source, rails)

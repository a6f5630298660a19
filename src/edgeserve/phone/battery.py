"""The battery's own gauge, from ``dumpsys battery``: coarse, and only for what has no better meter.

``frameworks/base``'s BatteryService prints one ``name: value`` a line; vendors add lines of theirs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeserve.absent import Absent

_LINE = re.compile(r"^\s*([A-Za-z][A-Za-z ]*):\s*(\S+)\s*$")
_TITLE = "Current Battery Service state:"
_UNPLUGGED = "(UPDATES STOPPED"
_POWERED = ("AC powered", "USB powered", "Wireless powered", "Dock powered")


@dataclass(frozen=True, slots=True)
class BatteryReading:
    """``charge_uah`` and ``current_ua`` are None where the phone does not tell them.

    ``charging`` is whether any supply is connected: then the gauge says nothing of consumption.
    """

    charging: bool
    level_percent: int
    voltage_mv: int
    celsius: float
    charge_uah: int | None


def parse_battery(text: str) -> BatteryReading | Absent:
    """Reads ``dumpsys battery``. Values frozen by ``dumpsys battery unplug`` are refused."""
    if _UNPLUGGED in text:
        return Absent("battery values are frozen: run 'dumpsys battery reset' on the phone")
    if _TITLE not in text:
        return Absent("dumpsys battery has no battery state")
    values: dict[str, str] = {}
    for line in text.partition(_TITLE)[2].splitlines():
        match = _LINE.match(line)
        if match is not None:
            values.setdefault(match[1], match[2])
    level, scale = _integer(values, "level"), _integer(values, "scale")
    voltage, tenths = _integer(values, "voltage"), _integer(values, "temperature")
    if level is None or not scale or voltage is None or tenths is None:
        return Absent("dumpsys battery lacks level, scale, voltage or temperature")
    return BatteryReading(
        charging=any(values.get(supply) == "true" for supply in _POWERED),
        level_percent=level * 100 // scale,
        voltage_mv=_millivolt(voltage),
        celsius=tenths / 10,
        charge_uah=_integer(values, "Charge counter") or None,
    )


def _integer(values: dict[str, str], name: str) -> int | None:
    text = values.get(name, "")
    return int(text) if re.fullmatch(r"-?\d{1,12}", text) else None


def _millivolt(voltage: int) -> int:
    """Some vendors print microvolt; no phone's battery has 100 V."""
    return voltage // 1000 if voltage > 100_000 else voltage

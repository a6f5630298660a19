"""Energy over a window of time, by whatever can count it: one interface for phones and boards.

A counter is read before and after. What it counted while the device did nothing is taken off for
the net figure. An energy that cannot be had is None with the reason, never an estimate.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgeserve.device.adb import Adb
from edgeserve.phone.absent import Absent
from edgeserve.phone.battery import parse_battery
from edgeserve.phone.kind import Rails
from edgeserve.phone.rails import (
    RailsReading,
    parse_hal,
    parse_names,
    parse_sysfs,
)

LEAST_WINDOW_S = 10.0
_HAL = "dumpsys android.hardware.power.stats.IPowerStats/default"
_SYSFS = "cat /sys/bus/iio/devices/iio:device*/{}"
_UAH_MV_TO_UJ = 3.6
"""1 uAh = 3.6 mC; times 1 mV = 3.6 uJ."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Microjoules since some moment, by what they feed; ``at_s`` is the host's monotonic time."""

    at_s: float
    energy_uj: tuple[tuple[str, int], ...]


class Meter(Protocol):
    """Something that counts energy. ``refresh_s`` bounds how old a counter may be when read."""

    name: str
    refresh_s: float
    coarse: bool

    def read(self) -> Counted | Absent: ...


@dataclass(frozen=True, slots=True)
class GroupEnergy:
    """Of one group: millijoules an inference, all that was counted, and without what idling took.

    ``plus_minus_mj`` is what the counter's age at either end may hide, of either.
    """

    group: str
    gross_mj: float
    net_mj: float
    plus_minus_mj: float


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy an inference. ``coarse`` marks the battery's own gauge, which sees the whole phone."""

    meter: str
    coarse: bool
    idle_s: float
    load_s: float
    inferences: int
    groups: tuple[GroupEnergy, ...]


class RailsMeter:
    """The rails of an on-device power monitor, summed by group."""

    coarse = False

    def __init__(
        self, name: str, read: Callable[[], RailsReading | Absent], groups: Sequence[Rails]
    ) -> None:
        self.name = name
        self.refresh_s = 2.6
        """The slowest that is known; between 20 ms and this it differs by phone and text."""
        self._read = read
        self._groups = groups

    def read(self) -> Counted | Absent:
        reading = self._read()
        if isinstance(reading, Absent):
            return reading
        by_name = {rail.name: rail.energy_uj for rail in reading.rails}
        counted = tuple(
            (group.group, sum(by_name[name] for name in group.names))
            for group in self._groups
            if all(name in by_name for name in group.names)
        )
        if not counted:
            return Absent("none of this phone's known rails is measured")
        return Counted(time.monotonic(), counted)


class BatteryMeter:
    """The battery's charge counter: coarse, of the whole phone, and useless while it charges."""

    name, coarse, refresh_s = "battery charge counter", True, 30.0

    def __init__(self, adb: Adb) -> None:
        self._adb = adb

    def read(self) -> Counted | Absent:
        battery = parse_battery(self._adb.ask("dumpsys battery"))
        if isinstance(battery, Absent):
            return battery
        if battery.charging:
            return Absent("the phone is charging: its battery tells nothing of consumption")
        if battery.charge_uah is None:
            return Absent("the battery has no charge counter")
        # Used energy grows as the charge falls.
        used = -round(battery.charge_uah * battery.voltage_mv * _UAH_MV_TO_UJ)
        return Counted(time.monotonic(), (("phone", used),))


def meter_of(adb: Adb, groups: Sequence[Rails]) -> Meter | Absent:
    """The best meter that this phone has, each asked for a reading; else why there is none."""
    sysfs, hal, battery = _rails_meters(adb, groups)
    reasons: list[str] = []
    meters: tuple[Meter, ...] = (sysfs, hal, battery)
    for meter in meters:
        reading = meter.read()
        if isinstance(reading, Counted):
            return meter
        reasons.append(reading.reason)
    return Absent("; ".join(reasons))


def energy_of(
    idle: tuple[Counted, Counted], load: tuple[Counted, Counted], inferences: int, meter: Meter
) -> Energy | Absent:
    """Energy an inference, from a window of idling and one of inferences.

    Absent where a window is shorter than 10 s, a counter went back, or none of it moved.
    """
    idle_s, load_s = (end.at_s - begin.at_s for begin, end in (idle, load))
    if min(idle_s, load_s) < LEAST_WINDOW_S or inferences < 1:
        return Absent(f"a window is shorter than {LEAST_WINDOW_S:.0f} s")
    groups = []
    for group, begin in load[0].energy_uj:
        ends = [dict(reading.energy_uj).get(group) for reading in (load[1], *idle)]
        if any(end is None for end in ends):
            return Absent(f"{group} was not measured all the time")
        end, idle_begin, idle_end = (int(e) for e in ends if e is not None)
        gross_uj, rest_uj = end - begin, idle_end - idle_begin
        if gross_uj < 0 or rest_uj < 0:
            return Absent(f"the counter of {group} went back")
        idle_w = rest_uj / idle_s  # microjoule a second
        hidden = math.hypot(gross_uj / load_s, idle_w * load_s / idle_s) * meter.refresh_s
        groups.append(
            GroupEnergy(
                group,
                gross_mj=gross_uj / 1000 / inferences,
                net_mj=(gross_uj - idle_w * load_s) / 1000 / inferences,
                plus_minus_mj=hidden / 1000 / inferences,
            )
        )
    if not any(group.gross_mj for group in groups):
        return Absent("no counter moved: the windows are shorter than their refresh")
    return Energy(meter.name, meter.coarse, idle_s, load_s, inferences, tuple(groups))


def _rails_meters(adb: Adb, groups: Sequence[Rails]) -> tuple[RailsMeter, RailsMeter, BatteryMeter]:
    def sysfs() -> RailsReading | Absent:
        names = parse_names(adb.ask(_SYSFS.format("enabled_rails")))
        return parse_sysfs([adb.ask(_SYSFS.format("energy_value"))], names)

    def hal() -> RailsReading | Absent:
        return parse_hal(adb.ask(_HAL))

    return (
        RailsMeter("ODPM rails, sysfs", sysfs, groups),
        RailsMeter("ODPM rails, power HAL", hal, groups),
        BatteryMeter(adb),
    )

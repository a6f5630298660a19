"""A phone's own meters: the rails of its power monitor, else its battery's gauge."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edgeserve.absent import Absent
from edgeserve.device.adb import Adb
from edgeserve.metering.meter import Counted, CounterMeter, Meter
from edgeserve.phone.battery import parse_battery
from edgeserve.phone.kind import Rails
from edgeserve.phone.rails import (
    RailsReading,
    parse_hal,
    parse_names,
    parse_sysfs,
)

_HAL = "dumpsys android.hardware.power.stats.IPowerStats/default"
_SYSFS = "cat /sys/bus/iio/devices/iio:device*/{}"
_UAH_MV_TO_UJ = 3.6
"""1 uAh = 3.6 mC; times 1 mV = 3.6 uJ."""


class RailsMeter(CounterMeter):
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
        asked_s = time.monotonic()
        reading = self._read()
        # The phone read it somewhere between the question and the answer.
        at_s = (asked_s + time.monotonic()) / 2
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
        return Counted(at_s, counted)


class BatteryMeter(CounterMeter):
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
    meters: tuple[CounterMeter, ...] = (sysfs, hal, battery)
    for meter in meters:
        reading = meter.read()
        if isinstance(reading, Counted):
            return meter
        reasons.append(reading.reason)
    return Absent("; ".join(reasons))


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

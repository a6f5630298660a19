"""A phone's own meters: rails of its power monitor or of a board's hwmon, else the battery's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from edgeserve.absent import Absent
from edgeserve.device.adb import Adb
from edgeserve.metering.meter import Counted, CounterMeter, Meter
from edgeserve.metering.sampled import SampledMeter, Watts
from edgeserve.phone.battery import parse_battery
from edgeserve.phone.hwmon import HWMON_COMMAND, parse_hwmon_energy, parse_hwmon_power
from edgeserve.phone.kind import Rails
from edgeserve.phone.rails import (
    RailsReading,
    parse_hal,
    parse_names,
    parse_sysfs,
)

_HAL_2 = "dumpsys android.hardware.power.stats.IPowerStats/default"
_HAL_1 = "lshal debug android.hardware.power.stats@1.0::IPowerStats/default"
_SYSFS = "cat /sys/bus/iio/devices/iio:device*/{}"
_UAH_MV_TO_UJ = 3.6
"""1 uAh = 3.6 mC; times 1 mV = 3.6 uJ."""


class RailsMeter(CounterMeter):
    """Rails that count energy by themselves, summed by group."""

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
        counted = _summed({rail.name: rail.energy_uj for rail in reading.rails}, self._groups)
        return counted if isinstance(counted, Absent) else Counted(at_s, counted)


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


_PhoneMeter: TypeAlias = RailsMeter | SampledMeter | BatteryMeter


def meter_of(adb: Adb, groups: Sequence[Rails]) -> Meter | Absent:
    """The best meter that this phone has, each asked for a reading; else why there is none."""
    reasons: list[str] = []
    for meter in _meters(adb, groups):
        reading = meter.read()
        if not isinstance(reading, Absent):
            return meter
        reasons.append(reading.reason)
    return Absent("; ".join(dict.fromkeys(reasons)))


def _meters(adb: Adb, groups: Sequence[Rails]) -> tuple[_PhoneMeter, ...]:
    """Best first: counters miss nothing, samples do, and a gauge sees the whole phone."""

    def sysfs() -> RailsReading | Absent:
        names = parse_names(adb.ask(_SYSFS.format("enabled_rails")))
        return parse_sysfs([adb.ask(_SYSFS.format("energy_value"))], names)

    def hal(command: str) -> Callable[[], RailsReading | Absent]:
        return lambda: parse_hal(adb.ask(command))

    def hwmon() -> RailsReading | Absent:
        return parse_hwmon_energy(adb.ask(HWMON_COMMAND))

    def hwmon_power() -> Watts | Absent:
        reading = parse_hwmon_power(adb.ask(HWMON_COMMAND))
        return reading if isinstance(reading, Absent) else _summed(dict(reading.rails), groups)

    return (
        RailsMeter("ODPM rails, sysfs", sysfs, groups),
        RailsMeter("ODPM rails, power HAL", hal(_HAL_2), groups),
        RailsMeter("ODPM rails, power HAL 1.0", hal(_HAL_1), groups),
        RailsMeter("hwmon energy counters", hwmon, groups),
        SampledMeter("hwmon power, sampled", hwmon_power),
        BatteryMeter(adb),
    )


def _summed(
    by_name: Mapping[str, float], groups: Sequence[Rails]
) -> tuple[tuple[str, float], ...] | Absent:
    """The sum of each group whose rails are all measured."""
    summed = tuple(
        (group.group, sum(by_name[name] for name in group.names))
        for group in groups
        if all(name in by_name for name in group.names)
    )
    return summed or Absent("none of this phone's known rails is measured")

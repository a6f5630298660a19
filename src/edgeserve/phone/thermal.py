"""Temperatures, throttling status and limits, from ``dumpsys thermalservice``.

The lines are Java's ``toString`` of the classes in Android's ``android.os.Temperature``,
``CoolingDevice`` and ``TemperatureThreshold``; ``frameworks/base``'s ThermalManagerService prints
them. Vendors order and name sensors as they like, so only the section's title and the fields count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from edgeserve.absent import Absent

_CURRENT = "Current temperatures from HAL:"
_COOLING = "Current cooling devices from HAL:"
_THRESHOLDS = "Temperature static thresholds from HAL:"
_STATUS = re.compile(r"^\s*Thermal Status:\s*(\d+)\s*$", re.MULTILINE)
_OBJECT = re.compile(r"^\s*(Temperature|CoolingDevice|TemperatureThreshold)\{(.*)\}\s*$")
_FIELD = re.compile(r"(m[A-Za-z]+)=(\[[^\]]*\]|[^,]*)")
_HAL_THRESHOLD = re.compile(
    r"^\s*\{\.type = (\w+), \.name = ([^,]*), \.hotThrottlingThresholds = (\[[^\]]*\]),.*\}\s*$"
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:E-?\d+)?")
_PLAUSIBLE_C = (-40.0, 200.0)

Known = TypeVar("Known", bound=IntEnum)


class Sensor(IntEnum):
    """``android.os.Temperature.Type``, those that are temperatures.

    6 to 8 are battery limits in volt, ampere and percent, and -1 is of no stated kind.
    """

    CPU = 0
    GPU = 1
    BATTERY = 2
    SKIN = 3
    USB_PORT = 4
    POWER_AMPLIFIER = 5
    NPU = 9
    TPU = 10
    DISPLAY = 11
    MODEM = 12
    SOC = 13
    WIFI = 14
    CAMERA = 15
    FLASHLIGHT = 16
    SPEAKER = 17
    AMBIENT = 18
    POGO = 19


class Status(IntEnum):
    """``android.os.Temperature.ThrottlingStatus``."""

    NONE = 0
    LIGHT = 1
    MODERATE = 2
    SEVERE = 3
    CRITICAL = 4
    EMERGENCY = 5
    SHUTDOWN = 6


@dataclass(frozen=True, slots=True)
class Temperature:
    """One sensor's reading now."""

    name: str
    sensor: Sensor
    celsius: float
    status: Status


@dataclass(frozen=True, slots=True)
class CoolingDevice:
    """Something that the phone slows down to stay cool; 0 is not at all."""

    name: str
    level: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which temperature on a sensor asks for each status; None where it never does."""

    name: str
    sensor: Sensor
    hot_celsius: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ThermalReading:
    """``status`` is the phone's own; ``temperatures`` are those of now, none of them cached."""

    status: Status
    temperatures: tuple[Temperature, ...]
    cooling: tuple[CoolingDevice, ...]
    thresholds: tuple[Threshold, ...]

    def hottest(self, sensor: Sensor) -> float | None:
        """The highest temperature of a kind of sensor, in degrees Celsius."""
        return max((t.celsius for t in self.temperatures if t.sensor is sensor), default=None)

    def limit(self, sensor: Sensor, status: Status) -> float | None:
        """The lowest temperature at which a sensor of a kind asks for a status."""
        hot = [
            celsius
            for threshold in self.thresholds
            if threshold.sensor is sensor and len(threshold.hot_celsius) > status
            for celsius in [threshold.hot_celsius[status]]
            if celsius is not None
        ]
        return min(hot, default=None)


def parse_thermal(text: str) -> ThermalReading | Absent:
    """Reads ``dumpsys thermalservice``.

    The block of cached temperatures is not read: it may be hours old. A sensor fitted to nothing,
    which reads 0.0, is left out, as is what no phone can survive.
    """
    status = _STATUS.search(text)
    if status is None:
        return Absent("dumpsys thermalservice has no line 'Thermal Status'")
    known = _enum(Status, status[1])
    if known is None:
        return Absent(f"thermal status {status[1]} is not known")
    if _CURRENT not in text:
        return Absent("dumpsys thermalservice has no current temperatures from the HAL")
    return ThermalReading(
        status=known,
        temperatures=tuple(_temperatures(_section(text, _CURRENT))),
        cooling=tuple(_cooling(_section(text, _COOLING))),
        thresholds=tuple(_thresholds(_section(text, _THRESHOLDS))),
    )


def _section(text: str, title: str) -> Iterator[dict[str, str]]:
    """The fields of each object under a title, until a line that is no object."""
    _, found, rest = text.partition(title)
    if not found:
        return
    for line in rest.splitlines()[1:]:
        fields = _fields(line)
        if fields is None:
            return
        yield fields


def _fields(line: str) -> dict[str, str] | None:
    """Of an object as the framework prints it, or of a threshold as the HAL itself does."""
    if match := _OBJECT.match(line):
        return {name: value.strip() for name, value in _FIELD.findall(match[2])}
    if match := _HAL_THRESHOLD.match(line):
        kind = Sensor.__members__.get(match[1])
        return {
            "mType": "-1" if kind is None else str(kind.value),
            "mName": match[2],
            "mHotThrottlingThresholds": match[3],
        }
    return None


def _temperatures(objects: Iterator[dict[str, str]]) -> Iterator[Temperature]:
    low, high = _PLAUSIBLE_C
    for fields in objects:
        sensor, status = _enum(Sensor, fields.get("mType")), _enum(Status, fields.get("mStatus"))
        celsius = _number(fields.get("mValue"))
        if sensor is None or celsius is None or celsius == 0 or not low <= celsius <= high:
            continue
        yield Temperature(fields.get("mName", ""), sensor, celsius, status or Status.NONE)


def _cooling(objects: Iterator[dict[str, str]]) -> Iterator[CoolingDevice]:
    for fields in objects:
        level = _number(fields.get("mValue"))
        if level is not None:
            yield CoolingDevice(fields.get("mName", ""), int(level))


def _thresholds(objects: Iterator[dict[str, str]]) -> Iterator[Threshold]:
    for fields in objects:
        sensor = _enum(Sensor, fields.get("mType"))
        hot = fields.get("mHotThrottlingThresholds", "")
        if sensor is not None and hot.startswith("["):
            numbers = tuple(_number(part.strip()) for part in hot[1:-1].split(","))
            yield Threshold(fields.get("mName", ""), sensor, numbers)


def _number(text: str | None) -> float | None:
    """A finite number as Java writes it; None for NaN, for nothing, and for anything else."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _enum(kind: type[Known], text: str | None) -> Known | None:
    number = _number(text)
    return kind(int(number)) if number is not None and int(number) in set(kind) else None

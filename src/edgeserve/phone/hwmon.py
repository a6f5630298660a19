"""Power rails as the kernel's hwmon class shows them: on development boards that run Android.

By the kernel's Documentation/ABI/testing/sysfs-class-hwmon ``energyN_input`` is a counter in
microjoules, ``powerN_input`` power in microwatts, and ``_label`` tells what a channel measures. One
shell command prints ``PATH:VALUE`` for each of these files that the shell may read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from edgeserve.absent import Absent
from edgeserve.phone.rails import Rail, RailsReading

_FILES = (
    "name",
    "energy*_label",
    "energy*_input",
    "power*_label",
    "power*_input",
    "in*_label",
    "in*_input",
    "curr*_input",
)
HWMON_COMMAND = (
    "grep -sH . " + " ".join(f"/sys/class/hwmon/hwmon*/{file}" for file in _FILES) + "; true"
)
"""grep fails where a board lacks one kind of file, though it has shown all the others."""


_NAME = re.compile(r"\bhwmon([0-9]{1,4})/name:(\S+)\s*$", re.MULTILINE)
_FILE = re.compile(
    r"\bhwmon([0-9]{1,4})/(energy|power|in|curr)([0-9]{1,4})_(label|input):(.*)$", re.MULTILINE
)
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_UW_PER_W = 1e6

_PAIRED = "ina3221"
_PAIRED_CHANNELS = ("1", "2", "3")
"""The driver of this chip tells voltage and current alone, channel by channel. The class as such
does not say that ``inN`` and ``currN`` are of one rail: on Arm's Juno they are not."""

Channel: TypeAlias = tuple[str, str, str]
"""Number of the hwmon device, kind of quantity, number of the channel: all as in the path."""


@dataclass(frozen=True, slots=True)
class PowerReading:
    """Watts of each rail now."""

    rails: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class _Class:
    """What the files of the class say."""

    chips: dict[str, str]
    labels: dict[Channel, str]
    inputs: dict[Channel, int]


def parse_hwmon_energy(text: str) -> RailsReading | Absent:
    """Reads the counters of energy out of the answer to ``HWMON_COMMAND``."""
    read = _class_of(text)
    found = [
        (channel, energy)
        for channel, energy in read.inputs.items()
        if channel[1] == "energy" and energy >= 0
    ]
    names = _names((channel for channel, _ in found), read.labels)
    rails = tuple(Rail(names[channel], None, energy, None) for channel, energy in found)
    return RailsReading("hwmon energy", rails) if rails else Absent("hwmon counts no energy")


def parse_hwmon_power(text: str) -> PowerReading | Absent:
    """Reads the power of rails now out of the answer to ``HWMON_COMMAND``."""
    read = _class_of(text)
    found = {
        channel: float(microwatts)
        for channel, microwatts in read.inputs.items()
        if channel[1] == "power"
    }
    for (device, kind, number), millivolts in read.inputs.items():
        milliamperes = read.inputs.get((device, "curr", number))
        paired = read.chips.get(device) == _PAIRED and number in _PAIRED_CHANNELS
        if kind == "in" and paired and milliamperes is not None:
            found[device, kind, number] = float(millivolts * milliamperes)
    names = _names(found, read.labels)
    rails = tuple((names[channel], found[channel] / _UW_PER_W) for channel in found)
    return PowerReading(rails) if rails else Absent("hwmon tells no power")


def _class_of(text: str) -> _Class:
    labels: dict[Channel, str] = {}
    inputs: dict[Channel, int] = {}
    for device, kind, number, what, value in _FILE.findall(text):
        channel = (device, kind, number)
        if what == "label" and value.strip():
            labels[channel] = value.strip()
        elif what == "input" and _INTEGER.fullmatch(value.strip()):
            inputs[channel] = int(value)
    return _Class(dict(_NAME.findall(text)), labels, inputs)


def _names(channels: Iterable[Channel], labels: dict[Channel, str]) -> dict[Channel, str]:
    """By label; a channel that has none, or one that another has too, by its place in the class."""
    listed = list(channels)
    often = Counter(labels.get(channel) for channel in listed)
    return {
        channel: label
        if (label := labels.get(channel)) is not None and often[label] == 1
        else "hwmon{}/{}{}".format(*channel)
        for channel in listed
    }

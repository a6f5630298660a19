"""What a device took over a window of time, and what of it an inference took.

A meter tells the energy of a window of idling and of one under load; the net figure leaves out what
idling takes. An energy that cannot be had is Absent with the reason, never an estimate.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from edgeserve.absent import Absent

LEAST_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class GroupWindow:
    """Microjoules that one group took in a window, give or take ``plus_minus_uj``."""

    group: str
    energy_uj: float
    plus_minus_uj: float


@dataclass(frozen=True, slots=True)
class Window:
    """A window of time, and what each group of consumers took in it."""

    seconds: float
    groups: tuple[GroupWindow, ...]


Settled: TypeAlias = Callable[[], Window | Absent]
"""Tells a window, once all work is over: the recording of some meters is only there then."""


class Meter(Protocol):
    """Something that tells energy. ``coarse`` marks a gauge that sees more than the device."""

    name: str
    coarse: bool

    def during(self, work: Callable[[], None]) -> Settled:
        """Does the work, and gives what tells the energy that it took."""


@dataclass(frozen=True, slots=True)
class GroupEnergy:
    """Of one group: millijoules an inference, all that was counted, and without what idling took.

    ``plus_minus_mj`` is what the meter may hide of either: of a counter its age at either end of a
    window, of samples twice the standard error of their mean. Its own accuracy is not in it.
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


def energy_of(
    idle: Window | Absent, load: Window | Absent, inferences: int, meter: Meter
) -> Energy | Absent:
    """Energy an inference, from a window of idling and one of inferences.

    Absent where a window is, is shorter than 10 s or lacks a group, or where nothing was counted.
    """
    if isinstance(idle, Absent):
        return idle
    if isinstance(load, Absent):
        return load
    if min(idle.seconds, load.seconds) < LEAST_WINDOW_S or inferences < 1:
        return Absent(f"a window is shorter than {LEAST_WINDOW_S:.0f} s")
    rest = {group.group: group for group in idle.groups}
    missing = [group.group for group in load.groups if group.group not in rest]
    if missing:
        return Absent(f"{missing[0]} was not measured all the time")
    groups = tuple(
        _an_inference(group, rest[group.group], load.seconds / idle.seconds, inferences)
        for group in load.groups
    )
    if not any(group.gross_mj for group in groups):
        return Absent("no counter moved: the windows are shorter than their refresh")
    return Energy(meter.name, meter.coarse, idle.seconds, load.seconds, inferences, groups)


def _an_inference(
    load: GroupWindow, rest: GroupWindow, share: float, inferences: int
) -> GroupEnergy:
    """``share`` is how much longer the load's window is than the idle one."""
    each = 1000 * inferences
    return GroupEnergy(
        load.group,
        gross_mj=load.energy_uj / each,
        net_mj=(load.energy_uj - rest.energy_uj * share) / each,
        plus_minus_mj=math.hypot(load.plus_minus_uj, rest.plus_minus_uj * share) / each,
    )


@dataclass(frozen=True, slots=True)
class Counted:
    """Microjoules since some moment, by what they feed; ``at_s`` is the host's monotonic time."""

    at_s: float
    energy_uj: tuple[tuple[str, float], ...]


class CounterMeter(ABC):
    """A meter that counts by itself, read before and after; a reading's age is ``refresh_s``."""

    name: str
    coarse: bool
    refresh_s: float

    @abstractmethod
    def read(self) -> Counted | Absent:
        """What the counters are at now."""

    def during(self, work: Callable[[], None]) -> Settled:
        begin = self.read()
        work()
        end = self.read()
        return lambda: self._between(begin, end)

    def _between(self, begin: Counted | Absent, end: Counted | Absent) -> Window | Absent:
        if isinstance(begin, Absent):
            return begin
        if isinstance(end, Absent):
            return end
        seconds = end.at_s - begin.at_s
        before = dict(begin.energy_uj)
        groups = []
        for group, energy_uj in end.energy_uj:
            if group not in before:
                return Absent(f"{group} was not measured all the time")
            taken_uj = energy_uj - before[group]
            if taken_uj < 0:
                return Absent(f"the counter of {group} went back")
            groups.append(GroupWindow(group, taken_uj, taken_uj / seconds * self.refresh_s))
        if len(groups) < len(before):
            return Absent(f"{next(iter(before))} was not measured all the time")
        return Window(seconds, tuple(groups))

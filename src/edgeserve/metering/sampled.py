"""A meter of what tells power and counts nothing: sampled during the work, then integrated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edgeserve.absent import Absent
from edgeserve.errors import DeviceError
from edgeserve.metering.meter import GroupWindow, Settled, Window
from edgeserve.metering.trace import trace_of, window_of

EVERY_S = 0.25
"""Some sixty samples in a window of 15 s; each is a question to the device, and costs it energy."""

_LONGEST_S = 30.0


Watts: TypeAlias = tuple[tuple[str, float], ...]
"""By what they feed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Power at a moment of the host's monotonic time."""

    at_s: float
    watts: Watts


class SampledMeter:
    """Power of a device, by ``ask``. Asking costs at rest what it costs under load."""

    coarse = False

    def __init__(self, name: str, ask: Callable[[], Watts | Absent]) -> None:
        self.name = name
        self._ask = ask

    def read(self) -> Sample | Absent:
        """The power now."""
        asked_s = time.monotonic()
        watts = self._ask()
        if isinstance(watts, Absent):
            return watts
        # The device read it somewhere between the question and the answer.
        return Sample((asked_s + time.monotonic()) / 2, watts)

    def during(self, work: Callable[[], None]) -> Settled:
        samples = [self._sample()]
        over = threading.Event()

        def sample() -> None:
            while not over.wait(EVERY_S):
                samples.append(self._sample())

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        begin_s = time.monotonic()
        try:
            work()
        finally:
            end_s = time.monotonic()
            over.set()
            sampler.join(_LONGEST_S)
        samples.append(self._sample())
        return lambda: window_between(samples, begin_s, end_s)

    def _sample(self) -> Sample | Absent:
        try:
            return self.read()
        except DeviceError as error:  # the work itself will tell
            return Absent(str(error))


def window_between(
    samples: Sequence[Sample | Absent], begin_s: float, end_s: float
) -> Window | Absent:
    """What each group took between two times, the first and the last sample being outside them.

    Absent where a sample is, lacks a group, or where they are too far apart.
    """
    import numpy as np

    taken: list[Sample] = []
    for one in samples:
        if isinstance(one, Absent):
            return one
        taken.append(one)
    names = [name for name, _ in taken[0].watts]
    if any([name for name, _ in one.watts] != names for one in taken):
        return Absent(f"{', '.join(names)}: not measured all the time")
    at_s = np.array([one.at_s for one in taken])
    groups: list[GroupWindow] = []
    for index, name in enumerate(names):
        trace = trace_of(at_s, np.array([one.watts[index][1] for one in taken]))
        if isinstance(trace, Absent):
            return trace
        window = window_of(trace, begin_s, end_s, slack_s=0.0, group=name)
        if isinstance(window, Absent):
            return window
        groups += window.groups
    return Window(end_s - begin_s, tuple(groups))

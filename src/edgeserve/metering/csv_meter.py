"""A meter that is a file: what another program records during the run and exports after it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeserve.absent import Absent
from edgeserve.metering.csv_file import Layout, read_trace
from edgeserve.metering.meter import Settled, Window
from edgeserve.metering.trace import PowerTrace, window_of

EPOCH_S = 1e9
"""A time above this is seconds since 1970: no recording is thirty years long."""

_LOOK_S = 0.5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CsvWish:
    """Which file, what is in it, and how its clock and this machine's go together.

    ``start_s`` is when the file's time 0 was, in seconds since 1970; None where its times say so
    themselves. ``slack_s`` is how well that is known. ``wait_s`` is how long the file may take to
    be there after the run.
    """

    file: Path
    layout: Layout | None = None
    volts: float | None = None
    time_scale: float | None = None
    start_s: float | None = None
    slack_s: float = 1.0
    wait_s: float = 600.0


class CsvMeter:
    """Notes when the windows were, and reads them off the file once the run is over."""

    coarse = False

    def __init__(self, wish: CsvWish) -> None:
        self.name = f"recording {wish.file.name}"
        self._wish = wish
        self._trace: PowerTrace | Absent | None = None
        self._last_end_s = 0.0

    def during(self, work: Callable[[], None]) -> Settled:
        begin_s = time.time()
        work()
        end_s = self._last_end_s = time.time()
        return lambda: self._window(begin_s, end_s)

    def _window(self, begin_s: float, end_s: float) -> Window | Absent:
        if self._trace is None:
            try:
                self._trace = self._read()
            except KeyboardInterrupt:  # of the waiting: what was measured is kept
                self._trace = Absent(f"{self._wish.file.name} was not waited for")
        trace = self._trace
        if isinstance(trace, Absent):
            return trace
        start_s = self._wish.start_s
        if start_s is None:
            if trace.at_s[0] < EPOCH_S:
                return Absent("the recording's times are not of the clock: give start=")
            start_s = 0.0
        return window_of(trace, begin_s - start_s, end_s - start_s, self._wish.slack_s)

    def _read(self) -> PowerTrace | Absent:
        """Waits for a file that is newer than the run, and no longer grows."""
        wish, deadline = self._wish, time.monotonic() + self._wish.wait_s
        size = -1
        _log.warning("stop the recording, and export it to %s (Ctrl-C: without energy)", wish.file)
        while True:
            found = wish.file.stat() if wish.file.is_file() else None
            if found is not None and found.st_mtime >= self._last_end_s - _LOOK_S:
                if found.st_size == size:
                    return read_trace(wish.file, wish.layout, wish.volts, wish.time_scale)
                size = found.st_size
            elif time.monotonic() > deadline:
                age = "is older than the run" if found else "is not there"
                return Absent(f"{wish.file.name} {age}")
            time.sleep(_LOOK_S)

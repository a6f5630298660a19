"""Instruments that are read while they measure, by their makers' packages.

Never run with the instrument: what is known of them is their packages' source.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from edgeserve.absent import Absent
from edgeserve.errors import DeviceError, MissingTool
from edgeserve.metering.meter import Counted, CounterMeter

_PPK2_SAMPLE_S = 10e-6
"""It takes 100,000 samples a second."""

_POLL_S = 0.02
_FIRST_S = 5.0
_LATE_S = 0.5
_LEAST_RATE = 0.98
"""Of the samples that must have come: fewer were lost on the way."""


class Ppk2(Protocol):
    """What is used of ``ppk2_api.ppk2_api.PPK2_API``."""

    def get_modifiers(self) -> object: ...
    def use_ampere_meter(self) -> None: ...
    def use_source_meter(self) -> None: ...
    def set_source_voltage(self, mV: int) -> None: ...  # noqa: N803 - the package's name
    def toggle_DUT_power(self, state: str) -> None: ...  # noqa: N802 - the package's name
    def start_measuring(self) -> None: ...
    def stop_measuring(self) -> None: ...
    def get_data(self) -> bytes: ...
    def get_samples(self, buf: bytes) -> Any: ...


class Ppk2Meter(CounterMeter):
    """Nordic's Power Profiler Kit II: current, times the volts of the supply, which it is told."""

    name, coarse, refresh_s = "Nordic PPK2", False, 5 * _POLL_S

    def __init__(self, instrument: Ppk2, volts: float) -> None:
        self._instrument, self._volts = instrument, volts
        self._energy_uj, self._samples = 0.0, 0
        self._fault = ""
        self._lock, self._over = threading.Lock(), threading.Event()
        self._begin_s = time.monotonic()
        self._poller = threading.Thread(target=self._poll, daemon=True)
        self._poller.start()

    def read(self) -> Counted | Absent:
        with self._lock:
            due = (time.monotonic() - self._begin_s) / _PPK2_SAMPLE_S
            if self._fault:
                return Absent(self._fault)
            if self._samples < _LEAST_RATE * (due - _LATE_S / _PPK2_SAMPLE_S):
                return Absent(
                    f"the PPK2 gave {self._samples:,} of {due:,.0f} samples: this machine is too "
                    "slow for it, or its port is shared"
                )
            # Its own clock: what is still on its way counts neither as energy nor as time.
            at_s = self._samples * _PPK2_SAMPLE_S
            return Counted(at_s, (("device", self._energy_uj),))

    def close(self) -> None:
        self._over.set()
        self._poller.join(_FIRST_S)

    def _poll(self) -> None:
        while not self._over.wait(_POLL_S):
            try:
                data = self._instrument.get_data()
                if not data:
                    continue
                samples = self._instrument.get_samples(data)
            except (OSError, ValueError, ArithmeticError) as error:
                with self._lock:
                    self._fault = f"the PPK2 fails: {error}"
                return
            # Newer packages give the digital channels as well.
            currents_ua = samples[0] if isinstance(samples, tuple) else samples
            with self._lock:
                self._samples += len(currents_ua)
                self._energy_uj += sum(currents_ua) * self._volts * _PPK2_SAMPLE_S


@contextmanager
def ppk2_meter(port: str, volts: float, *, source: bool) -> Iterator[Ppk2Meter]:
    """A PPK2 at a port, as the device's supply (``source``) or in its line."""
    try:
        from ppk2_api.ppk2_api import PPK2_API
    except ImportError:
        raise MissingTool("ppk2-api", install="pip install 'edgeserve[meters]'") from None
    try:
        instrument: Ppk2 = PPK2_API(port)
    except OSError as error:
        raise DeviceError(f"no PPK2 at {port}: {error}", hint="edgeserve devices") from None
    start_ppk2(instrument, volts, source=source)
    meter = Ppk2Meter(instrument, volts)
    try:
        yield meter
    finally:
        meter.close()
        instrument.stop_measuring()


def start_ppk2(instrument: Ppk2, volts: float, *, source: bool) -> None:
    """Lets it measure. Its calibration depends on the volts, so it is told them in either mode."""
    if instrument.get_modifiers() is None:
        raise DeviceError("the PPK2 does not tell its calibration", hint="unplug it, plug it in")
    if source:
        instrument.use_source_meter()
    else:
        instrument.use_ampere_meter()
    instrument.set_source_voltage(round(volts * 1000))
    instrument.toggle_DUT_power("ON")
    instrument.start_measuring()


class JoulescopeMeter(CounterMeter):
    """A Joulescope: its own count of joules, that it tells a few times a second."""

    name, coarse, refresh_s = "Joulescope", False, 0.5

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: Counted | Absent = Absent("the Joulescope tells nothing")
        self._first = threading.Event()

    def hear(self, statistics: dict[str, Any]) -> None:
        """Takes what the package calls back with: joules since it began, at ``accumulators``."""
        try:
            joules = float(statistics["accumulators"]["energy"]["value"])
            counted: Counted | Absent = Counted(time.monotonic(), (("device", joules * 1e6),))
        except (KeyError, TypeError, ValueError):
            counted = Absent("the Joulescope's package tells no energy: it is of another version")
        with self._lock:
            self._counted = counted
        self._first.set()

    def read(self) -> Counted | Absent:
        self._first.wait(_FIRST_S)
        with self._lock:
            return self._counted


@contextmanager
def joulescope_meter() -> Iterator[JoulescopeMeter]:
    """The only Joulescope that is connected."""
    try:
        import joulescope
    except ImportError:
        raise MissingTool("joulescope", install="pip install 'edgeserve[meters]'") from None
    meter = JoulescopeMeter()
    try:
        device = joulescope.scan_require_one(config="auto")
        device.open()
    except (OSError, RuntimeError) as error:
        raise DeviceError(f"no Joulescope: {error}", hint="plug in one, and only one") from None
    try:
        device.statistics_callback_register(meter.hear, "sensor")
        yield meter
    finally:
        device.close()

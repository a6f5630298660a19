"""Meters behind their one interface: files, and simulated instruments."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgeserve.absent import Absent
from edgeserve.errors import ConfigError, DeviceError, MissingTool
from edgeserve.metering import meter as meter_module
from edgeserve.metering.csv_file import Column
from edgeserve.metering.csv_meter import CsvMeter, CsvWish
from edgeserve.metering.instruments import JoulescopeMeter, Ppk2Meter, start_ppk2
from edgeserve.metering.meter import Energy, Window, energy_of
from edgeserve.metering.wish import JoulescopeWish, Ppk2Wish, meter_wish, opened_meter


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "LEAST_WINDOW_S", 0.3)


def export(file: Path, begin_s: float, load_s: float, *, zero_s: float, seconds: float) -> None:
    """A recording of 0.5 W at rest and 1.5 W from ``load_s`` on, as PowerTool writes it."""
    rows = ["Time (s),Main Avg Current (mA),Main Avg Voltage (V)"]
    for index in range(round(seconds * 1000)):
        at_s = begin_s + index / 1000
        rows.append(f"{at_s - zero_s:.4f},{375 if at_s >= load_s else 125},4.0")
    file.write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("clock", ["its own", "since 1970"])
def test_a_file_is_a_meter(tmp_path: Path, clock: str, caplog: pytest.LogCaptureFixture) -> None:
    begin_s = time.time()
    zero_s = begin_s if clock == "its own" else 0.0
    file = tmp_path / "run.csv"
    wish = CsvWish(file, start_s=zero_s or None, slack_s=0.05, wait_s=20)
    meter = CsvMeter(wish)
    idle = meter.during(lambda: time.sleep(0.5))
    load_s = time.time()
    loaded = meter.during(lambda: time.sleep(0.5))

    def late() -> None:
        time.sleep(0.6)
        export(file, begin_s, load_s, zero_s=zero_s, seconds=time.time() - begin_s)

    exporter = threading.Thread(target=late)
    exporter.start()
    energy = energy_of(idle(), loaded(), 100, meter)
    exporter.join()
    assert isinstance(energy, Energy), energy
    (group,) = energy.groups
    assert group.gross_mj == pytest.approx(1.5 * energy.load_s * 1000 / 100, rel=0.01)
    assert group.net_mj == pytest.approx(1.0 * energy.load_s * 1000 / 100, rel=0.02)
    assert energy.meter == "recording run.csv"
    assert "stop the recording, and export it to" in caplog.text


def test_an_interrupt_while_waiting_costs_the_energy_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = CsvMeter(CsvWish(tmp_path / "run.csv"))
    settled = meter.during(lambda: None)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgeserve.metering.csv_meter.time.sleep", interrupted)
    assert settled() == Absent("run.csv was not waited for")


def test_an_older_file_is_not_the_run_s(tmp_path: Path) -> None:
    file = tmp_path / "run.csv"
    export(file, 0.0, 1.0, zero_s=0.0, seconds=2)
    os.utime(file, (1e9, 1e9))
    meter = CsvMeter(CsvWish(file, start_s=1e9, wait_s=0.0))
    window = meter.during(lambda: None)()
    assert window == Absent("run.csv is older than the run")
    missing = CsvMeter(CsvWish(tmp_path / "no.csv", wait_s=0.0))
    assert missing.during(lambda: None)() == Absent("no.csv is not there")


def test_a_clock_of_its_own_needs_a_start(tmp_path: Path) -> None:
    file = tmp_path / "run.csv"
    meter = CsvMeter(CsvWish(file, wait_s=5.0))
    settled = meter.during(lambda: None)
    export(file, 0.0, 1.0, zero_s=0.0, seconds=2)
    window = settled()
    assert isinstance(window, Absent)
    assert "give start=" in window.reason


class SimulatedPpk2:
    """Gives 100,000 samples a second of a current, or fewer; keeps what it was told."""

    def __init__(self, rate: float = 1.0) -> None:
        self.told: list[str] = []
        self.current_ua, self.rate = 1000.0, rate
        self.calibrated: object = True
        self.fails = False
        self._begin = time.monotonic()
        self._given = 0

    def get_modifiers(self) -> object:
        return self.calibrated

    def use_ampere_meter(self) -> None:
        self.told.append("ampere")

    def use_source_meter(self) -> None:
        self.told.append("source")

    def set_source_voltage(self, mV: int) -> None:  # noqa: N803
        self.told.append(f"{mV} mV")

    def toggle_DUT_power(self, state: str) -> None:  # noqa: N802
        self.told.append(state)

    def start_measuring(self) -> None:
        self.told.append("start")
        self._begin = time.monotonic()

    def stop_measuring(self) -> None:
        self.told.append("stop")

    def get_data(self) -> bytes:
        if self.fails:
            raise OSError("device disconnected")
        due = int((time.monotonic() - self._begin) * 100_000 * self.rate)
        data, self._given = bytes(due - self._given), due
        return data

    def get_samples(self, buf: bytes) -> tuple[list[float], list[int]]:
        return [self.current_ua] * len(buf), [0] * len(buf)


def test_a_ppk2_counts_current_times_volts() -> None:
    instrument = SimulatedPpk2()
    start_ppk2(instrument, 3.3, source=False)
    assert instrument.told == ["ampere", "3300 mV", "ON", "start"]
    meter = Ppk2Meter(instrument, 3.3)
    try:
        idle = meter.during(lambda: time.sleep(0.6))()
        instrument.current_ua = 5000.0
        loaded = meter.during(lambda: time.sleep(0.6))()
        energy = energy_of(idle, loaded, 60, meter)
    finally:
        meter.close()
    assert isinstance(energy, Energy), energy
    (group,) = energy.groups
    assert abs(group.gross_mj - 3.3 * 5.0 * energy.load_s / 60) <= group.plus_minus_mj
    assert abs(group.net_mj - 3.3 * 4.0 * energy.load_s / 60) <= 2 * group.plus_minus_mj
    assert group.plus_minus_mj < 0.3 * group.gross_mj


def test_a_ppk2_that_loses_samples_tells_no_energy() -> None:
    instrument = SimulatedPpk2(rate=0.5)
    instrument.start_measuring()
    meter = Ppk2Meter(instrument, 3.3)
    try:
        time.sleep(1.5)
        reading = meter.read()
        assert isinstance(reading, Absent)
        assert "too slow" in reading.reason
        instrument.fails = True
        time.sleep(0.2)
        assert meter.read() == Absent("the PPK2 fails: device disconnected")
    finally:
        meter.close()


def test_a_ppk2_without_calibration_is_refused() -> None:
    instrument = SimulatedPpk2()
    instrument.calibrated = None
    with pytest.raises(DeviceError, match="calibration"):
        start_ppk2(instrument, 3.3, source=True)
    assert instrument.told == []


def test_a_joulescope_counts_by_itself() -> None:
    meter = JoulescopeMeter()
    meter.hear({"accumulators": {"energy": {"value": 1.5, "units": "J"}}})
    settled = meter.during(lambda: meter.hear({"accumulators": {"energy": {"value": 2.25}}}))
    window = settled()
    assert isinstance(window, Window)
    assert window.groups[0].energy_uj == pytest.approx(750_000)
    meter.hear({"signals": {}})
    reading = meter.read()
    assert isinstance(reading, Absent)
    assert "another version" in reading.reason


def test_what_meter_says() -> None:
    wish = meter_wish("csv:runs/a.csv,start=2026-01-31T12:00:00.5Z,slack=0.2,volts=3.85,wait=5")
    assert isinstance(wish, CsvWish)
    assert wish.file == Path("runs/a.csv")
    assert wish.start_s == datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC).timestamp()
    assert (wish.slack_s, wish.volts, wish.wait_s, wish.layout) == (0.2, 3.85, 5.0, None)
    named = meter_wish("csv:a.csv,time=t,time-unit=ms,current=I,unit=mA,voltage=U")
    assert isinstance(named, CsvWish)
    assert named.layout is not None
    assert named.layout.time == Column("t", 1e-3)
    assert named.layout.current == Column("I", 1e-3)
    assert named.layout.voltage == Column("U", 1.0)
    power = meter_wish("csv:a.csv,time=t,power=P,unit=mW")
    assert isinstance(power, CsvWish)
    assert power.layout is not None
    assert power.layout.power == Column("P", 1e-3)
    assert meter_wish("ppk2:/dev/ttyACM0,volts=3.3") == Ppk2Wish("/dev/ttyACM0", 3.3, source=False)
    assert meter_wish("ppk2:COM3,volts=3,mode=source") == Ppk2Wish("COM3", 3.0, source=True)
    assert meter_wish("joulescope") == JoulescopeWish()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "csv:",
        "csv",
        "monsoon",
        "joulescope:1",
        "joulescope,volts=3",
        "ppk2:/dev/ttyACM0",
        "ppk2:/dev/ttyACM0,volts=9",
        "ppk2:/dev/ttyACM0,volts=3,mode=fast",
        "csv:a.csv,start=now",
        "csv:a.csv,start=2026-01-31T12:00:00",
        "csv:a.csv,slack=-1",
        "csv:a.csv,slack=1,slack=2",
        "csv:a.csv,colour=red",
        "csv:a.csv,time=t",
        "csv:a.csv,unit=mA",
        "csv:a.csv,time=t,current=I,power=P,unit=mA",
        "csv:a.csv,time=t,current=I,unit=mW",
        "csv:a.csv,time=t,current=I,unit=furlong",
        "csv:a.csv,time=t,time-unit=h,current=I,unit=mA",
    ],
)
def test_what_is_no_meter_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        meter_wish(text)
    assert caught.value.hint
    assert "\n" not in caught.value.what


@pytest.mark.parametrize("wish", [Ppk2Wish("/dev/nothing", 3.3, source=False), JoulescopeWish()])
def test_an_instrument_s_package_or_itself_is_missing(wish: Ppk2Wish | JoulescopeWish) -> None:
    with (
        pytest.raises((MissingTool, DeviceError)) as caught,
        opened_meter(wish),
    ):
        pass
    assert caught.value.hint

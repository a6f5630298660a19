"""A whole measurement on simulated phones, with the real adb, harness and LiteRT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgeserve.device.adb import Adb
from edgeserve.errors import DeviceError
from edgeserve.phone import bench as bench_module
from edgeserve.phone.bench import Files, Plan, Subject, asked_of, bench_phone
from edgeserve.phone.harness import Accelerator, Sample
from edgeserve.phone.kind import load_phone, phone_ids
from edgeserve.phone.record import (
    Flag,
    PhoneMeasurement,
    Scenario,
    Sighting,
    late_frames,
    skipped_frames,
)
from edgeserve.phone.settings import repair
from tests.phones.simulated_phone import Phone, Rails

Connect = Callable[..., tuple[Phone, str]]
RECORDED = Path(__file__).parents[1] / "unit/phone/recorded"
CPU_RAILS = {
    "S4M_VDD_CPUCL0": (0.1, 0.5),
    "S3M_VDD_CPUCL1": (0.1, 0.1),
    "S2M_VDD_CPUCL2": (0.3, 1.9),
}
PIXEL6 = {
    "ro.product.model": "Pixel 6",
    "ro.product.device": "oriole",
    "ro.soc.model": "Tensor",
    "ro.build.version.release": "14",
    "ro.product.cpu.abilist": "x86_64",
}
GALAXY = {
    **PIXEL6,
    "ro.product.model": "SM-S926B",
    "ro.product.device": "e2s",
    "ro.soc.model": "s5e",
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that a test can wait for; what they prove does not depend on their length."""
    monkeypatch.setattr("edgeserve.phone.meter.LEAST_WINDOW_S", 0.5)
    monkeypatch.setattr("edgeserve.phone.bench.WARM_UP_S", 0.1)
    monkeypatch.setattr("edgeserve.phone.bench.WATCH_S", 0.3)


@pytest.fixture
def files(harness: Path, litert: Path, shared_data: Path) -> Files:
    return Files(harness, litert, shared_data / "models/kws_ref_model.tflite")


@pytest.fixture
def pixel6(connect: Connect) -> Iterator[tuple[Phone, str]]:
    phone, serial = connect(properties=PIXEL6, answers=_texts("pixel6"))
    phone.write_sysfs("/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1803000\n")
    phone.write_sysfs("/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1803000\n")
    rails = Rails(phone, CPU_RAILS)
    yield phone, serial
    rails.close()


def _texts(name: str) -> dict[str, str]:
    texts = {
        "dumpsys power": "  mWakefulness=Awake\n",
        "settings get global airplane_mode_on": "0\n",
        "cmd power set-fixed-performance-mode-enabled true": "",
        "cmd power set-fixed-performance-mode-enabled false": "",
        "input keyevent 223": "",
        "input keyevent 224": "",
    }
    for command in ("thermalservice", "battery"):
        file = RECORDED / f"{name}.{command}.txt"
        if file.exists():
            texts[f"dumpsys {command}"] = file.read_text()
    return texts


SUBJECT = Subject("kws", "ab" * 32, lambda: _xorshift(490), lambda output: len(output) == 12)
QUICK = Plan(
    asked_of(Accelerator.CPU, 1, None, None, Scenario.SINGLE, None),
    duration_s=1.0,
    least_count=50,
    cold_starts=2,
    wait_cool_s=0,
    idle_s=1.0,
)


def measure(serial: str, files: Files, plan: Plan = QUICK) -> PhoneMeasurement:
    said: list[str] = []
    return bench_phone(Adb(serial), load_phone("pixel6"), files, SUBJECT, plan, said.append)


def assert_settings_are_back(phone: Phone) -> None:
    calls = phone.calls()
    assert "cmd power set-fixed-performance-mode-enabled true" in calls
    assert calls[-2:] == [
        "cmd power set-fixed-performance-mode-enabled false",
        "input keyevent 224",
    ]


def test_a_full_record(pixel6: tuple[Phone, str], files: Files) -> None:
    phone, serial = pixel6
    record = measure(serial, files)
    assert (record.phone.model, record.phone.soc, record.phone.android) == (
        "Pixel 6",
        "Tensor",
        "14",
    )
    assert record.output_crc32 == "f7cb3257"
    assert len(record.cold) == 2
    assert all(cold.process_ns for cold in record.cold)
    assert len(record.samples_ns) == len(record.ends_ns) >= 50
    assert list(record.ends_ns) == sorted(record.ends_ns)
    assert record.flags == (Flag.TOO_SHORT, *([Flag.TOO_FEW] * (len(record.samples_ns) < 1024)))
    assert record.sightings
    assert record.sightings[0].skin_celsius == 24.83324
    assert record.sightings[0].lowest_cap == 1.0
    assert record.energy is not None
    (cpu,) = record.energy.groups
    seconds = record.energy.load_s / record.energy.inferences
    assert cpu.group == "cpu"
    assert cpu.gross_mj == pytest.approx(2500 * seconds, rel=0.25)
    assert cpu.net_mj == pytest.approx(2000 * seconds, rel=0.25)
    assert cpu.plus_minus_mj > 0
    assert_settings_are_back(phone)


def test_no_rails_means_no_energy_and_a_reason(connect: Connect, files: Files) -> None:
    phone, serial = connect(properties=GALAXY, answers=_texts("galaxy"))
    record = measure(serial, files)
    assert record.energy is None
    assert "lists no rail" in record.energy_absent
    assert "charging" in record.energy_absent
    assert record.sightings[0].skin_celsius == 28.2
    assert record.sightings[0].lowest_cap is None
    assert_settings_are_back(phone)


def test_a_missing_rail_is_not_zero(connect: Connect, files: Files) -> None:
    phone, serial = connect(properties=PIXEL6, answers=_texts("pixel6"))
    rails = Rails(phone, {name: CPU_RAILS[name] for name in list(CPU_RAILS)[:2]})
    try:
        record = measure(serial, files)
    finally:
        rails.close()
    assert record.energy is None
    assert "none of this phone's known rails" in record.energy_absent


def test_fallback_fails_unless_allowed(pixel6: tuple[Phone, str], files: Files) -> None:
    phone, serial = pixel6
    asked = replace(QUICK.asked, accelerator=Accelerator.GPU)
    with pytest.raises(DeviceError, match=r"CPU, not on its gpu|does not start") as caught:
        measure(serial, files, replace(QUICK, asked=asked, cold_starts=0))
    assert "--accelerator cpu" in caught.value.hint
    assert_settings_are_back(phone)


def test_frames_are_counted_late_or_skipped(pixel6: tuple[Phone, str], files: Files) -> None:
    _phone, serial = pixel6
    asked = asked_of(Accelerator.CPU, 1, None, None, Scenario.FRAMES, 100.0)
    record = measure(serial, files, replace(QUICK, asked=asked, idle_s=0, cold_starts=0))
    assert record.energy_absent == "not asked for"
    assert len(record.slots) == len(record.samples_ns)
    assert 0 <= skipped_frames(record) < len(record.slots)
    assert late_frames(record) <= len(record.slots)
    assert record.slots[-1] >= 49


def test_a_phone_of_another_abi_is_told(connect: Connect, files: Files) -> None:
    phone, serial = connect(properties={**PIXEL6, "ro.product.cpu.abilist": "arm64-v8a"})
    with pytest.raises(DeviceError, match=r"not for .*, which runs arm64-v8a"):
        measure(serial, files)
    assert phone.calls() == [
        f"getprop {key}"
        for key in (
            "ro.product.model",
            "ro.product.device",
            "ro.soc.model",
            "ro.build.version.release",
            "ro.build.fingerprint",
            "ro.product.cpu.abilist",
        )
    ]


def test_a_warm_phone_is_flagged(connect: Connect, files: Files) -> None:
    texts = {**_texts("pixel6"), "dumpsys thermalservice": _recorded("throttled.thermalservice")}
    _phone, serial = connect(properties=PIXEL6, answers=texts)
    record = measure(serial, files, replace(QUICK, idle_s=0, cold_starts=0))
    assert record.flags[0] is Flag.WARM
    assert record.throttled is None  # a status alone is no throttling: latency did not rise


MOMENTS: dict[str, Callable[[str], bool]] = {
    "when it is asked who it is": lambda service: "ro.build.fingerprint" in service,
    "while a file is sent": lambda service: service.startswith("sync:"),
    "when settings change": lambda service: "mode-enabled true" in service,
    "when the harness starts": lambda service: "--library" in service,
    "when it is asked how warm it is": lambda service: "scaling_max_freq" in service,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_lost_connection_ends_clearly(
    pixel6: tuple[Phone, str], files: Files, moment: str, tmp_path: Path
) -> None:
    phone, serial = pixel6
    phone.cut_at = MOMENTS[moment]
    with pytest.raises(DeviceError) as caught:
        measure(serial, files, replace(QUICK, idle_s=0))
    assert caught.value.what
    phone.cut_at = None
    _reconnect(serial)
    repair(Adb(serial))
    calls = phone.calls()
    if "cmd power set-fixed-performance-mode-enabled true" in calls:
        assert_settings_are_back(phone)
    assert not list((tmp_path / "cache/phones").glob("*"))


def test_the_next_run_repairs_what_a_dead_host_left(
    pixel6: tuple[Phone, str], files: Files, tmp_path: Path
) -> None:
    phone, serial = pixel6
    state = tmp_path / "cache/phones" / f"{serial.replace(':', '_')}.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"screen_on": true, "radios_on": true}')
    phone.answer("cmd connectivity airplane-mode disable", "")
    assert repair(Adb(serial))
    assert phone.calls()[-3:] == [
        "cmd power set-fixed-performance-mode-enabled false",
        "input keyevent 224",
        "cmd connectivity airplane-mode disable",
    ]
    assert not state.exists()
    assert not repair(Adb(serial))


def test_throttling_needs_latency_and_the_phones_word() -> None:
    samples = [
        Sample(i, i * 20_000_000, 20_000_000 if i < 5000 else 26_000_000) for i in range(10_000)
    ]
    cool = tuple(Sighting(at, 0, 30.0, 40.0, 1.0) for at in range(0, 200, 5))
    hot = tuple(replace(s, lowest_cap=0.7 if s.at_s > 100 else 1.0) for s in cool)
    assert bench_module._onset(samples, cool) is None
    onset = bench_module._onset(samples, hot)
    assert onset is not None
    assert abs(onset.at_s - 100) <= 5
    assert onset.rise == pytest.approx(0.3, abs=0.01)
    assert onset.witnesses == ("frequency cap lowered",)


def test_kinds_of_phones_are_read_strictly() -> None:
    assert "pixel6" in phone_ids()
    kind = load_phone("pixel6")
    assert kind.mask("big") == 0xC0
    assert [group.group for group in kind.rails] == ["cpu", "gpu", "npu", "memory"]


def _recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()


def _reconnect(serial: str) -> None:
    import subprocess

    subprocess.run(["adb", "disconnect", serial], check=False, capture_output=True)
    subprocess.run(["adb", "connect", serial], check=True, capture_output=True)


def _xorshift(count: int) -> bytes:
    state, data = 0x12345678, bytearray()
    for _ in range(count):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        data.append(state & 255)
    return bytes(data)

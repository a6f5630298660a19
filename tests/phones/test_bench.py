"""A whole measurement on simulated phones, with the real adb, harness and LiteRT."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgeserve.device.adb import Adb
from edgeserve.errors import DeviceError
from edgeserve.metering.meter import Counted, CounterMeter
from edgeserve.phone.bench import bench_phone
from edgeserve.phone.harness import Accelerator, FrameSet, Sample
from edgeserve.phone.kind import load_phone, phone_ids
from edgeserve.phone.plan import Files, Plan, Subject, asked_of
from edgeserve.phone.record import (
    Flag,
    Identity,
    PhoneMeasurement,
    Runner,
    Scenario,
    Sighting,
    late_frames,
    over_budget,
    set_jitter,
    set_latencies,
    skipped_frames,
    why_absent,
)
from edgeserve.phone.settings import repair
from edgeserve.phone.watch import onset_of
from edgeserve.strict_json import dump_json, load_json
from tests.phones.simulated_phone import HwmonEnergy, HwmonPower, Pac1934, Phone, PowerHal1, Rails

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
    monkeypatch.setattr("edgeserve.metering.meter.LEAST_WINDOW_S", 0.5)
    monkeypatch.setattr("edgeserve.phone.bench.WARM_UP_S", 0.1)
    monkeypatch.setattr("edgeserve.phone.watch.WATCH_S", 0.3)


@pytest.fixture
def files(harness: Path, litert: Path, shared_data: Path) -> Files:
    return Files(harness, litert, shared_data / "models/kws_ref_model.tflite")


@pytest.fixture
def pixel6(connect: Connect) -> Iterator[tuple[Phone, str]]:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    phone.write_sysfs("/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1803000\n")
    phone.write_sysfs("/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1803000\n")
    rails = Rails(phone, CPU_RAILS)
    yield phone, serial
    rails.close()


def texts_of(name: str) -> dict[str, str]:
    texts = {
        "dumpsys power": "  mWakefulness=Awake\n",
        "settings get global airplane_mode_on": "0\n",
        "cmd power set-fixed-performance-mode-enabled true": "",
        "cmd power set-fixed-performance-mode-enabled false": "",
        "input keyevent 223": "",
        "input keyevent 224": "",
    }
    for command in ("thermalservice", "battery", "power"):
        file = RECORDED / f"{name}.{command}.txt"
        if file.exists():
            texts[f"dumpsys {command}"] = file.read_text()
    return texts


RECONNECTED_S = 20
SUBJECT = Subject("kws", "ab" * 32, lambda: _xorshift(490), lambda output: len(output) == 12)
QUICK = Plan(
    asked_of(Accelerator.CPU, 1, None, None, Scenario.SINGLE, None),
    duration_s=1.0,
    least_count=50,
    cold_starts=2,
    wait_cool_s=0,
    idle_s=1.0,
)


EMPTY = PhoneMeasurement(
    schema=2,
    recorded_at="2026-01-31T12:00:00Z",
    bundle="kws",
    model_sha256="ab" * 32,
    phone=Identity("serial", "Pixel 6", "oriole", "Tensor", "14", ""),
    runner=Runner.HARNESS,
    runtime="LiteRT",
    asked=QUICK.asked,
    fully_accelerated=True,
    input="xorshift",
    cold=(),
    warmup=0,
    samples_ns=(),
    ends_ns=(),
    slots=(),
    sets=(),
    tool=None,
    peak_bytes=None,
    energy=None,
    sightings=(),
    throttled=None,
    output_crc32=None,
    flags=(),
    absent=(),
    tools=(),
    notes=(),
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
    record = measure(serial, files, replace(QUICK, idle_s=3.0))
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
    phone, serial = connect(properties=GALAXY, answers=texts_of("galaxy"))
    record = measure(serial, files)
    assert record.energy is None
    assert why_absent(record, "energy").split("; ") == [
        "sysfs energy_value lists no rail",
        "the power HAL's dump has no whole energy meter",
        "hwmon counts no energy",
        "hwmon tells no power",
        "the phone is charging: its battery tells nothing of consumption",
    ]
    assert record.sightings[0].skin_celsius == 28.2
    assert record.sightings[0].lowest_cap is None
    assert_settings_are_back(phone)


def test_a_missing_rail_is_not_zero(connect: Connect, files: Files) -> None:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    rails = Rails(phone, {name: CPU_RAILS[name] for name in list(CPU_RAILS)[:2]})
    try:
        record = measure(serial, files)
    finally:
        rails.close()
    assert record.energy is None
    assert "none of this phone's known rails" in why_absent(record, "energy")


BOARD = """name = "A development board"
product = "board"

[cores]
all = 0x0F
source = "simulated"

[rails]
cpu = ["BOARD_BIG", "BOARD_LITTLE"]
gpu = ["BOARD_GPU"]
board = ["BOARD_SYS [of all]"]
source = "simulated"
"""
BOARD_RAILS = {
    "BOARD_BIG": (0.4, 2.0),
    "BOARD_LITTLE": (0.1, 0.5),
    "BOARD_SYS [of all]": (1.0, 4.0),
}


@pytest.mark.parametrize(
    ("rails", "name"),
    [
        (Pac1934, "ODPM rails, sysfs"),
        (PowerHal1, "ODPM rails, power HAL 1.0"),
        (HwmonEnergy, "hwmon energy counters"),
        (HwmonPower, "hwmon power, sampled"),
    ],
)
def test_rails_are_those_that_a_users_phone_file_names(
    connect: Connect,
    files: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rails: type[Rails],
    name: str,
) -> None:
    monkeypatch.setattr("edgeserve.metering.sampled.EVERY_S", 0.05)
    kind = tmp_path / "board.toml"
    kind.write_text(BOARD)
    phone, serial = connect(properties=GALAXY, answers=texts_of("galaxy"))
    counting = rails(phone, BOARD_RAILS)
    try:
        plan = replace(QUICK, idle_s=3.0, cold_starts=0)
        record = bench_phone(
            Adb(serial), load_phone(str(kind)), files, SUBJECT, plan, lambda what: None
        )
    finally:
        counting.close()
    assert record.energy is not None, why_absent(record, "energy")
    assert (record.energy.meter, record.energy.coarse) == (name, False)
    # A group with a rail that the board has not is absent, never 0.
    cpu, board = record.energy.groups
    seconds = record.energy.load_s / record.energy.inferences
    assert (cpu.group, board.group) == ("cpu", "board")
    assert cpu.gross_mj == pytest.approx(2500 * seconds, rel=0.25)
    assert cpu.net_mj == pytest.approx(2000 * seconds, rel=0.25)
    assert board.net_mj == pytest.approx(3000 * seconds, rel=0.25)
    assert cpu.plus_minus_mj > 0
    assert load_json(PhoneMeasurement, dump_json(record), where="record") == record


def test_a_phone_without_shell_v2_gives_the_same(connect: Connect, files: Files) -> None:
    phone, serial = connect(features="cmd", properties=GALAXY, answers=texts_of("galaxy"))
    record = measure(serial, files, replace(QUICK, idle_s=0, cold_starts=1))
    assert record.output_crc32 == "f7cb3257"
    assert record.phone.model == "SM-S926B"
    assert len(record.cold) == 1
    assert_settings_are_back(phone)


def test_a_full_phone_changes_nothing(connect: Connect, files: Files) -> None:
    phone, serial = connect(full=True, properties=PIXEL6, answers=texts_of("pixel6"))
    with pytest.raises(DeviceError, match="No space left"):
        measure(serial, files)
    assert not any("mode-enabled" in call for call in phone.calls())


def test_an_external_meter_takes_the_place_of_the_rails(
    pixel6: tuple[Phone, str], files: Files
) -> None:
    _phone, serial = pixel6

    class Doubling(CounterMeter):
        """Counts twice as much with each look at it."""

        name, coarse, refresh_s = "simulated meter", False, 0.0

        def __init__(self) -> None:
            self.begin_s, self.energy_uj = time.monotonic(), 1.0

        def read(self) -> Counted:
            self.energy_uj *= 2
            return Counted(time.monotonic() - self.begin_s, (("device", self.energy_uj),))

    said: list[str] = []
    plan = replace(QUICK, cold_starts=0)
    kind = load_phone("pixel6")
    record = bench_phone(Adb(serial), kind, files, SUBJECT, plan, said.append, meter=Doubling())
    assert record.energy is not None
    assert record.energy.meter == "simulated meter"
    (group,) = record.energy.groups
    # 2 and 4 around rest, 8 and 16 around load.
    each = 1000 * record.energy.inferences
    share = record.energy.load_s / record.energy.idle_s
    assert group.gross_mj == pytest.approx(8 / each)
    assert group.net_mj == pytest.approx((8 - 2 * share) / each)


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
    assert why_absent(record, "energy") == "not asked for"
    assert len(record.slots) == len(record.samples_ns)
    assert 0 <= skipped_frames(record) < len(record.slots)
    assert late_frames(record) <= len(record.slots)
    assert record.slots[-1] >= 49


def test_frame_sets_have_latencies_and_a_jitter_budget(
    pixel6: tuple[Phone, str], files: Files
) -> None:
    _phone, serial = pixel6
    asked = asked_of(Accelerator.CPU, 1, None, None, Scenario.MULTISTREAM, None, 4, 1000.0)
    quick = replace(QUICK, asked=asked, idle_s=0, cold_starts=0, duration_s=0.3, least_count=30)
    record = measure(serial, files, quick)
    assert len(record.sets) >= 30
    assert len(record.samples_ns) == 4 * len(record.sets)
    assert [one.slot for one in record.sets] == list(range(len(record.sets)))
    assert record.slots == tuple(one.slot for one in record.sets for _ in range(4))
    for index, taken in enumerate(set_latencies(record)):
        assert taken >= sum(record.samples_ns[4 * index : 4 * index + 4])
    assert len(set_jitter(record)) == len(record.sets) - 1
    assert over_budget(record) == 0
    assert Flag.UNSTEADY not in record.flags
    assert (Flag.TOO_FEW_SETS in record.flags) == (len(record.sets) < 662)
    assert (skipped_frames(record), late_frames(record)) == (0, 0)
    assert load_json(PhoneMeasurement, dump_json(record), where="record") == record


def test_frame_sets_at_ticks_are_late_or_skipped(pixel6: tuple[Phone, str], files: Files) -> None:
    _phone, serial = pixel6
    asked = asked_of(Accelerator.CPU, 1, None, None, Scenario.MULTISTREAM, 100.0, 2, 0.001)
    quick = replace(QUICK, asked=asked, idle_s=0, cold_starts=0, duration_s=0.3, least_count=60)
    record = measure(serial, files, quick)
    period_ns = 10_000_000
    assert all(one.begin_ns >= one.slot * period_ns for one in record.sets)
    assert skipped_frames(record) == record.sets[-1].slot + 1 - len(record.sets)
    assert late_frames(record) == sum(taken > period_ns for taken in set_latencies(record))
    # Nothing keeps to a microsecond.
    assert over_budget(record) > 0
    assert Flag.UNSTEADY in record.flags


def test_jitter_is_told_against_what_is_due() -> None:
    ms = 1_000_000
    sets = (
        FrameSet(0, 0, 8 * ms),
        FrameSet(1, 10 * ms, 19 * ms),
        FrameSet(3, 30 * ms, 38 * ms),
    )
    asked = asked_of(Accelerator.CPU, 1, None, None, Scenario.MULTISTREAM, 100.0, 2, 0.5)
    record = replace(EMPTY, asked=asked, sets=sets)
    assert set_latencies(record) == (8 * ms, 9 * ms, 8 * ms)
    # 10 ms a period; ends at 8, 19 and 38 ms, and one period skipped.
    assert set_jitter(record) == (1 * ms, 1 * ms)
    assert (skipped_frames(record), late_frames(record), over_budget(record)) == (1, 0, 2)
    free = replace(record, asked=replace(record.asked, period_us=None, jitter_us=None))
    # The median of 11 and 19 ms is the later.
    assert set_jitter(free) == (8 * ms, 0)
    assert over_budget(free) == 0


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
    texts = {**texts_of("pixel6"), "dumpsys thermalservice": _recorded("throttled.thermalservice")}
    _phone, serial = connect(properties=PIXEL6, answers=texts)
    record = measure(serial, files, replace(QUICK, idle_s=0, cold_starts=0))
    assert record.flags[0] is Flag.WARM
    assert record.throttled is None  # a status alone is no throttling: latency did not rise


def test_a_phone_that_slows_down_in_mid_run(
    pixel6: tuple[Phone, str], files: Files, tmp_path: Path
) -> None:
    """From a time on inferences take longer, and the phone says why: both are put together."""
    phone, serial = pixel6
    hot = tmp_path / "hot"
    library = tmp_path / "libSlowingLiteRt.so"
    source = Path(__file__).with_name("slowing_litert.c")
    linked = ["-Wl,--no-as-needed", str(files.library), f"-Wl,-rpath,{files.library.parent}"]
    argv = ["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", f'-DHOT="{hot}"', str(source), *linked]
    subprocess.run([*argv, "-ldl", "-o", str(library)], check=True)
    at_s: list[float] = []

    def say(text: str) -> None:
        if (told := re.match(r"measuring: (\d+) s", text)) and int(told[1]) >= 11 and not at_s:
            at_s.append(int(told[1]))
            hot.touch()
            phone.answer("dumpsys thermalservice", _recorded("throttled.thermalservice"))
            caps = "/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"
            phone.write_sysfs(caps, "1328000\n")

    plan = replace(QUICK, idle_s=0, cold_starts=0, duration_s=24.0)
    slowing = replace(files, library=library)
    record = bench_phone(Adb(serial), load_phone("pixel6"), slowing, SUBJECT, plan, say)
    assert at_s
    assert record.throttled is not None
    assert abs(record.throttled.at_s - at_s[0]) <= 5
    assert record.throttled.rise == pytest.approx(0.4, abs=0.1)
    assert record.throttled.witnesses == ("thermal status above 0", "frequency cap lowered")
    assert Flag.HOT in record.flags
    assert record.output_crc32 == "f7cb3257"
    assert_settings_are_back(phone)


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


def test_a_connection_lost_at_the_very_end_keeps_the_record(
    pixel6: tuple[Phone, str], files: Files, tmp_path: Path
) -> None:
    phone, serial = pixel6
    phone.cut_at = lambda service: "mode-enabled false" in service
    record = measure(serial, files, replace(QUICK, idle_s=0, cold_starts=0))
    assert record.samples_ns
    (state,) = (tmp_path / "cache/phones").glob("*.json")
    phone.cut_at = None
    _reconnect(serial)
    assert repair(Adb(serial))
    assert_settings_are_back(phone)
    assert not state.exists()


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
    assert onset_of(samples, cool) is None
    onset = onset_of(samples, hot)
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
    """Not before the server has let go of the dead connection: a new one would go with it."""
    _adb_until(["disconnect", serial], serial, reached=False)
    _adb_until(["connect", serial], serial, reached=True)


def _adb_until(command: list[str], serial: str, *, reached: bool) -> None:
    deadline = time.monotonic() + RECONNECTED_S
    while True:
        subprocess.run(["adb", *command], check=False, capture_output=True)
        state = subprocess.run(["adb", "-s", serial, "get-state"], check=False, capture_output=True)
        if (state.stdout.strip() == b"device") == reached:
            return
        assert time.monotonic() < deadline, f"{' '.join(command)}: {state}"
        time.sleep(0.1)


def _xorshift(count: int) -> bytes:
    state, data = 0x12345678, bytearray()
    for _ in range(count):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        data.append(state & 255)
    return bytes(data)

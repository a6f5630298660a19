"""Readings from what phones of several makers print, and from what is no such thing."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeserve.absent import Absent
from edgeserve.phone.battery import BatteryReading, parse_battery
from edgeserve.phone.benchmark_model import parse_benchmark_model
from edgeserve.phone.cores import Cap, parse_caps
from edgeserve.phone.rails import (
    Rail,
    RailsReading,
    energy_between,
    parse_hal,
    parse_names,
    parse_sysfs,
)
from edgeserve.phone.thermal import Sensor, Status, ThermalReading, parse_thermal

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


def thermal(name: str) -> ThermalReading:
    reading = parse_thermal(recorded(f"{name}.thermalservice"))
    assert isinstance(reading, ThermalReading)
    return reading


def test_temperatures_are_those_of_now_and_in_degrees_only() -> None:
    reading = thermal("pixel6")
    names = [temperature.name for temperature in reading.temperatures]
    assert names == [
        "TPU",
        "G3D",
        "BIG",
        "LITTLE",
        "cellular-emergency",
        "MID",
        "VIRTUAL-SKIN",
        "battery",
    ]
    assert reading.hottest(Sensor.CPU) == 27.000002
    assert reading.hottest(Sensor.SKIN) == 24.83324
    assert reading.hottest(Sensor.DISPLAY) is None
    assert reading.status is Status.NONE


def test_another_maker_names_its_sensors_otherwise() -> None:
    reading = thermal("galaxy")
    assert {t.name: t.celsius for t in reading.temperatures} == {
        "AP": 34.6,
        "BAT": 25.2,
        "PA": 30.0,
        "SKIN": 28.2,
        "USB": 25.8,
    }
    assert reading.limit(Sensor.SKIN, Status.LIGHT) == 38.0
    assert reading.limit(Sensor.SKIN, Status.SHUTDOWN) is None
    assert reading.limit(Sensor.CPU, Status.SEVERE) is None


def test_a_throttled_phone_says_so_three_times() -> None:
    reading = thermal("throttled")
    assert reading.status is Status.MODERATE
    assert [t.status for t in reading.temperatures if t.sensor is Sensor.SKIN] == [Status.MODERATE]
    assert {device.name: device.level for device in reading.cooling} == {
        "thermal-cpufreq-6": 11,
        "thermal-cpufreq-4": 6,
        "thermal-devfreq-0": 0,
        "thermal-cpufreq-7": 11,
    }
    assert reading.limit(Sensor.SKIN, Status.MODERATE) == 45.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no line 'Thermal Status'"),
        ("Can't find service: thermalservice", "no line 'Thermal Status'"),
        ("Thermal Status: 9\nCurrent temperatures from HAL:\n", "status 9"),
        ("Thermal Status: 0\nHAL Ready: false\n", "no current temperatures"),
    ],
)
def test_no_temperatures_have_a_reason(text: str, reason: str) -> None:
    reading = parse_thermal(text)
    assert isinstance(reading, Absent)
    assert reason in reading.reason


def test_both_texts_of_the_rails_tell_the_same() -> None:
    names = parse_names(recorded("pixel6.powerstats"))
    assert names["S2M_VDD_CPUCL2"] == "CPU(BIG)"
    driver = parse_sysfs([recorded("pixel6.energy_value")], names)
    hal = parse_hal(recorded("pixel6.power_hal"))
    assert isinstance(driver, RailsReading)
    assert isinstance(hal, RailsReading)
    assert [rail.name for rail in driver.rails] == [rail.name for rail in hal.rails]
    for exact, rounded in zip(driver.rails, hal.rails, strict=True):
        assert abs(exact.energy_uj - rounded.energy_uj) <= 5
    assert driver.rails[0] == Rail("S10M_VDD_TPU", "TPU", 3_161_249, 473_848)
    assert hal.rails[3] == Rail("S2M_VDD_CPUCL2", "CPU(BIG)", 28_071_870, None)


def test_a_driver_that_tells_one_time_for_all_rails() -> None:
    """As the older driver has it, without a time in each row."""
    older = parse_sysfs(["t=473848\nCH0[S10M_VDD_TPU], 3161249\nCH1[VSYS_PWR_DISPLAY], 81006\n"])
    assert older == RailsReading(
        "sysfs energy_value",
        (
            Rail("S10M_VDD_TPU", None, 3_161_249, 473_848),
            Rail("VSYS_PWR_DISPLAY", None, 81_006, 473_848),
        ),
    )


def test_a_hal_without_rail_names_and_with_deltas() -> None:
    reading = parse_hal(recorded("plain.power_hal"))
    assert reading == RailsReading(
        "power HAL", (Rail("BUCK1", None, 101_500, None), Rail("BUCK2", None, 2_250, None))
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "CH0[S10M_VDD_TPU]:TPU\nCH3[S2M_VDD_CPUCL2]:CPU(BIG)\n",
            ["S10M_VDD_TPU", "S2M_VDD_CPUCL2"],
        ),
        ("BUCK2M(S2M_VDD_CPUCL2):CPU(BIG)\nLDO5M(L5M_TCXO):PLL\n", ["S2M_VDD_CPUCL2", "L5M_TCXO"]),
    ],
)
def test_rails_are_named_by_either_sysfs_file(text: str, names: list[str]) -> None:
    assert list(parse_names(text)) == names


def reading(**energies_uj: int) -> RailsReading:
    return RailsReading("test", tuple(Rail(n, None, e, None) for n, e in energies_uj.items()))


def test_energy_is_the_counters_difference() -> None:
    before, after = reading(BIG=100, MID=50, TPU=7), reading(BIG=160, MID=51, TPU=7)
    assert energy_between(before, after, ["BIG", "MID"]) == 61


@pytest.mark.parametrize(
    ("before", "after", "rails", "reason"),
    [
        (reading(BIG=1), reading(BIG=2), ["BIG", "TPU"], "TPU is not measured"),
        (reading(BIG=9), reading(BIG=2), ["BIG"], "went back"),
        (reading(BIG=2), reading(BIG=2), ["BIG"], "shorter than their refresh"),
    ],
)
def test_no_energy_has_a_reason(
    before: RailsReading, after: RailsReading, rails: list[str], reason: str
) -> None:
    energy = energy_between(before, after, rails)
    assert isinstance(energy, Absent)
    assert reason in energy.reason


def test_batteries_of_two_makers() -> None:
    assert parse_battery(recorded("pixel6.battery")) == BatteryReading(
        charging=True, level_percent=9, voltage_mv=4248, celsius=25.0, charge_uah=2_448_973
    )
    assert parse_battery(recorded("galaxy.battery")) == BatteryReading(
        charging=True, level_percent=84, voltage_mv=4110, celsius=33.6, charge_uah=2_532_000
    )


def test_a_frozen_battery_is_refused() -> None:
    title = "Current Battery Service state:\n"
    frozen = recorded("pixel6.battery").replace(
        title, title + "  (UPDATES STOPPED -- use 'reset' to restart)\n"
    )
    answer = parse_battery(frozen)
    assert isinstance(answer, Absent)
    assert "battery reset" in answer.reason


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.builds(
                "policy{} {} {}".format,
                st.integers(0, 9),
                st.integers(-1, 10**12),
                st.one_of(st.integers(0, 10**12), st.just("")),
            ),
        ),
        max_size=8,
    )
)
def test_any_answer_of_caps_is_read_or_refused(lines: list[str]) -> None:
    caps = parse_caps("\n".join(lines))
    if not isinstance(caps, Absent):
        assert all(cap.top_khz > 0 for cap in caps)


def test_caps_and_what_a_shell_may_not_read() -> None:
    text = "policy0 1803000 1803000\npolicy4 1328000 2253000\npolicy6  \n"
    caps = parse_caps(text)
    assert caps == (Cap("policy0", 1_803_000, 1_803_000), Cap("policy4", 1_328_000, 2_253_000))
    assert [cap.lowered for cap in caps] == [False, True]
    assert isinstance(parse_caps("policy0  \n"), Absent)


def test_every_text_says_whether_it_was_recorded_or_composed() -> None:
    """The README names all of them, and docs/PHONES.md counts both kinds."""
    readme = (RECORDED / "README.md").read_text(encoding="utf-8")
    kinds = {
        name: kind
        for names, kind in re.findall(
            r"^\| (.+?) \| \*?(recorded|composed)\b", readme, re.MULTILINE
        )
        for name in re.findall(r"`([\w.]+\.txt)`", names)
    }
    assert set(kinds) == {path.name for path in RECORDED.glob("*.txt")}
    count = list(kinds.values()).count
    page = (Path(__file__).parents[3] / "docs/PHONES.md").read_text(encoding="utf-8")
    assert f"Of its {len(kinds)} texts, {count('recorded')} are recorded" in page
    assert f"{count('composed')} are *composed*" in page


PARSERS: dict[str, Callable[[str], object]] = {
    "thermalservice": parse_thermal,
    "power_hal": parse_hal,
    "powerstats": parse_names,
    "battery": parse_battery,
    "energy_value": lambda text: parse_sysfs([text]),
    "benchmark_model": parse_benchmark_model,
}


TEXTS = {path.name: path.read_text(encoding="utf-8") for path in RECORDED.glob("*.txt")}
DAMAGE = st.text(alphabet="\t\n =:,.()[]{}%-+eE09naifmTW\x00\u0663\ufffd", max_size=12)


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_any_damage_is_a_reading_or_a_reason(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(TEXTS)))
    text, parse = TEXTS[name], PARSERS[name.split(".")[1]]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 60)))
        text = text[:start] + data.draw(DAMAGE) + text[end:]
    reading = parse(text)
    if isinstance(reading, Absent):
        assert reading.reason


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.txt")), ids=lambda path: path.stem)
def test_damaged_texts_never_crash_a_parser(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    parse = PARSERS[path.suffixes[0][1:]]
    draw = random.Random(path.stem)
    for _ in range(300):
        start, length = draw.randrange(len(text)), draw.randrange(40)
        filler = "".join(
            chr(draw.choice([10, 46, 48, 57, 91, 123, 0x96, 0xFFFD])) for _ in range(5)
        )
        parse(text[:start] + filler * draw.randrange(3) + text[start + length :])
    for end in range(0, len(text), 7):
        parse(text[:end])

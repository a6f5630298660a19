"""Readings from what phones of several makers print, and from what is no such thing."""

from __future__ import annotations

import math
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeserve.absent import Absent
from edgeserve.phone.battery import BatteryReading, parse_battery
from edgeserve.phone.benchmark_model import parse_benchmark_model
from edgeserve.phone.cores import Cap, parse_caps
from edgeserve.phone.hwmon import PowerReading, parse_hwmon_energy, parse_hwmon_power
from edgeserve.phone.rails import (
    Rail,
    RailsReading,
    energy_between,
    parse_hal,
    parse_names,
    parse_sysfs,
)
from edgeserve.phone.settings import screen_is_on
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


def test_an_older_pixels_texts_tell_the_same() -> None:
    """Two monitors in one text, of which each tells its own time."""
    names = parse_names(recorded("pac1934.enabled_rails"))
    driver = parse_sysfs([recorded("pac1934.energy_value")], names)
    hal = parse_hal(recorded("hal1.power_hal"))
    assert isinstance(driver, RailsReading)
    assert isinstance(hal, RailsReading)
    assert [(r.name, r.subsystem) for r in driver.rails] == list(names.items())
    assert [(r.name, r.subsystem) for r in hal.rails] == list(names.items())
    for exact, rounded in zip(driver.rails, hal.rails, strict=True):
        as_float = struct.unpack("f", struct.pack("f", exact.energy_uj))[0]
        assert abs(rounded.energy_uj - as_float) <= 5
    assert [rail.at_ms for rail in driver.rails] == [8_735_712] * 4 + [8_735_716] * 4
    wifi = "WCN3998_VDD13 [from PP1304_L2C]"
    assert driver.rail(wifi) == Rail(wifi, "wifi", 1_207_733, 8_735_716)
    assert hal.rail(wifi) == Rail(wifi, "wifi", 1_207_730, None)


@pytest.mark.parametrize("delta", ["(          none)", "(         -1.25)"])
def test_the_older_hal_with_deltas(delta: str) -> None:
    text = recorded("hal1.power_hal")
    title = "PowerStats HAL 1.0 rail energy data ==============\n"
    more = text.replace(title, f"{title}Elapsed time: unknown ms\n")
    more = more.replace("Cumulative Energy\n", "Cumulative Energy (      Delta   )\n")
    assert parse_hal(more.replace(" mWs\n", f" mWs {delta}\n")) == parse_hal(text)


def test_a_hal_that_tells_of_states_alone_has_no_rails() -> None:
    states, title, _ = recorded("hal1.power_hal").partition(
        "\n============= PowerStats HAL 1.0 rail"
    )
    assert title
    assert parse_hal(states) == Absent("the power HAL's dump has no whole energy meter")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lists no rail"),
        ("8735712\n", "lists no rail"),
        ("VPH_PWR_S4C,5\n8735712\n", "'VPH_PWR_S4C,5'"),
        ("8735712\nVPH_PWR_S4C,5\nVPH_PWR_S4C,6\n", "twice"),
        ("8735712\nVPH_PWR_S4C,5\nVPH_PWR_OLED,\n", "'VPH_PWR_OLED,'"),
        ("8735712\nVPH_PWR_S4C,5\nVPH_PWR_OLED,-6\n", "'VPH_PWR_OLED,-6'"),
        ("8735712\nVPH_PWR_S4C,5\nVPH_PWR_OLED,6,7\n", "'VPH_PWR_OLED,6,7'"),
        ("8735712\nVPH_PWR_S4C,5\nVPH_PWR_OLED:display\n", "'VPH_PWR_OLED:display'"),
        ("t=1\nCH0[S10M_VDD_TPU], 5\nCH1(T=x)[S2M_VDD_CPUCL2], 6\n", "S2M_VDD_CPUCL2"),
        ("t=1\nCH0[S10M_VDD_TPU], 5\n6\n", "'6'"),
        ("1\nCH0[S10M_VDD_TPU], 5\n", "S10M_VDD_TPU"),
        ("t=1\nVPH_PWR_S4C,5\n", "VPH_PWR_S4C"),
        ("t=1\nCH0[S10M_VDD_TPU], 5\nCH1[S2M_VDD_CPUCL2, 6\n", "S2M_VDD_CPUCL2"),
    ],
)
def test_a_monitor_is_never_read_by_halves(text: str, reason: str) -> None:
    reading = parse_sysfs([text])
    assert isinstance(reading, Absent)
    assert reason in reading.reason


@pytest.mark.parametrize("name", ["pixel6", "plain", "hal1"])
def test_a_dump_is_never_read_by_halves(name: str) -> None:
    """Without any one character but a figure's or a name's it has the same rails, or none."""
    text = recorded(f"{name}.power_hal")
    whole = parse_hal(text)
    assert isinstance(whole, RailsReading)
    for at in range(text.index("mWs"), len(text)):
        if text[at] in ". \n()mWs=":
            damaged = parse_hal(text[:at] + text[at + 1 :])
            if isinstance(damaged, RailsReading):
                assert len(damaged.rails) == len(whole.rails)
    for end in range(text.rindex(" =")):
        assert isinstance(parse_hal(text[:end]), Absent)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "CH0[S10M_VDD_TPU]:TPU\nCH3[S2M_VDD_CPUCL2]:CPU(BIG)\n",
            ["S10M_VDD_TPU", "S2M_VDD_CPUCL2"],
        ),
        ("BUCK2M(S2M_VDD_CPUCL2):CPU(BIG)\nLDO5M(L5M_TCXO):PLL\n", ["S2M_VDD_CPUCL2", "L5M_TCXO"]),
        ("VPH_PWR_S4C:cpu_little\nVPH_PWR_OLED:display\n", ["VPH_PWR_S4C", "VPH_PWR_OLED"]),
        ("VPH_PWR_S4C:\nVPH_PWR_OLED:a:b\nVPH_PWR,S4C:soc\n:soc\n", []),
        ("CH0[S10M_VDD_TPU:TPU\nBUCK2M(S2M_VDD_CPUCL2:CPU(BIG)\n", []),
    ],
)
def test_rails_are_named_by_the_files_of_sysfs(text: str, names: list[str]) -> None:
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


def test_a_board_that_counts_energy_by_rail() -> None:
    reading = parse_hwmon_energy(recorded("juno.hwmon"))
    assert reading == RailsReading(
        "hwmon energy",
        (
            Rail("BOARD_ENERGY_SYS", None, 27_697_142, None),
            Rail("BOARD_ENERGY_BIG", None, 3_956_123, None),
            Rail("BOARD_ENERGY_LITTLE", None, 778_037, None),
            Rail("BOARD_ENERGY_GPU", None, 2_142_136, None),
        ),
    )


def test_volts_and_amperes_of_one_number_need_not_be_of_one_rail() -> None:
    """On Juno in1 is a sensor of the little cores, and curr1 the board's supply."""
    assert parse_hwmon_power(recorded("juno.hwmon")) == Absent("hwmon tells no power")


def test_a_board_that_tells_power_by_two_kinds_of_chips() -> None:
    """The products are those that the board's maker names."""
    assert parse_hwmon_energy(recorded("astra.hwmon")) == Absent("hwmon counts no energy")
    assert parse_hwmon_power(recorded("astra.hwmon")) == PowerReading(
        (
            ("hwmon1/power1", 0.0),
            ("hwmon2/power1", 0.22),
            ("hwmon3/power1", 0.14),
            ("hwmon0/in1", 0.6848),
            ("hwmon0/in2", 0.02688),
            ("hwmon0/in3", 0.06624),
        )
    )


@pytest.mark.parametrize(
    ("lines", "rails"),
    [
        ("hwmon0/power1_label:CPU power\nhwmon0/power1_input:7178000", {"CPU power": 7.178}),
        (
            "hwmon0/power1_label:NC\nhwmon0/power1_input:1\n"
            "hwmon1/power1_label:NC\nhwmon1/power1_input:2000000",
            {"hwmon0/power1": 1e-6, "hwmon1/power1": 2.0},
        ),
        ("hwmon0/power1_label:A\nhwmon0/power2_input:5000000", {"hwmon0/power2": 5.0}),
        ("hwmon0/name:ina3221\nhwmon0/in4_input:9\nhwmon0/curr4_input:9", None),
        ("hwmon0/name:ina3221\nhwmon0/in1_input:9", None),
        ("hwmon0/power1_input:", None),
        ("hwmon0/power1_input:0x10", None),
        (f"hwmon0/power1_input:{'9' * 5000}", None),
    ],
)
def test_a_rail_is_named_only_by_what_is_its_own(
    lines: str, rails: dict[str, float] | None
) -> None:
    reading = parse_hwmon_power(lines)
    assert (dict(reading.rails) if isinstance(reading, PowerReading) else None) == rails


def test_a_number_that_no_counter_has_is_no_reading() -> None:
    huge = "9" * 5000
    assert isinstance(parse_sysfs([f"t=1\nCH0(T=1)[S10M_VDD_TPU], {huge}"]), Absent)
    assert isinstance(parse_sysfs([f"1\nVPH_PWR_S4C,{huge}"]), Absent)
    for name, energy in (("plain", "101.50"), ("hal1", "61034.42")):
        assert isinstance(
            parse_hal(recorded(f"{name}.power_hal").replace(energy, f"{huge}.00")), Absent
        )
    assert isinstance(parse_hwmon_energy(f"hwmon0/energy1_input:{huge}"), Absent)
    assert isinstance(parse_hwmon_energy("hwmon0/energy1_input:-1"), Absent)
    assert isinstance(parse_caps(f"policy0 {huge} {huge}"), Absent)


@pytest.mark.parametrize("name", ["galaxy", "motog4", "uiautomator"])
def test_makers_have_two_words_for_a_screen_that_is_on(name: str) -> None:
    text = recorded(f"{name}.power")
    assert screen_is_on(text)
    for other in ("Asleep", "Dozing", "Dreaming", "AwakeNot"):
        assert not screen_is_on(text.replace("Awake\n", other + "\n"))
    assert not screen_is_on("")


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


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.builds(
                "hwmon{}/{}{}_{}:{}".format,
                st.integers(0, 2),
                st.sampled_from(["energy", "power", "in", "curr"]),
                st.integers(0, 4),
                st.sampled_from(["label", "input"]),
                st.one_of(st.integers(-(10**20), 10**20), st.text(max_size=8)),
            ),
            st.sampled_from(["hwmon0/name:ina3221", "hwmon1/name:ina3221", "hwmon1/name:"]),
        ),
        max_size=12,
    )
)
def test_any_answer_of_hwmon_is_read_or_refused(lines: list[str]) -> None:
    text = "\n".join(lines)
    energy, power = parse_hwmon_energy(text), parse_hwmon_power(text)
    if isinstance(energy, RailsReading):
        assert all(rail.energy_uj >= 0 for rail in energy.rails)
        assert len({rail.name for rail in energy.rails}) == len(energy.rails)
    if isinstance(power, PowerReading):
        assert all(math.isfinite(watts) for _, watts in power.rails)
        assert len(dict(power.rails)) == len(power.rails)


ENERGIES = st.one_of(st.integers(0, 10**9), st.integers(-1, 10**20))
RAIL_ROWS = st.one_of(
    st.builds("CH{0}(T={0})[S{0}M_VDD], {1}".format, st.integers(0, 9), ENERGIES),
    st.builds("CH{0}[S{0}M_VDD], {1}".format, st.integers(0, 9), ENERGIES),
    st.builds("VPH_PWR_S{}C,{}".format, st.integers(0, 9), ENERGIES),
    st.builds("PP_S{0} [from PP_L{0}C], {1}".format, st.integers(0, 9), ENERGIES),
)


@settings(max_examples=300, deadline=None)
@given(
    times=st.sampled_from(["t=12", "12"]),
    lines=st.lists(
        st.one_of(RAIL_ROWS, RAIL_ROWS, st.sampled_from(["t=34", "34", "t="]), st.text(max_size=9)),
        max_size=6,
    ),
)
def test_any_answer_of_a_monitor_is_read_whole_or_refused(times: str, lines: list[str]) -> None:
    text = "\n".join([times, *lines])
    reading = parse_sysfs([text])
    if isinstance(reading, RailsReading):
        rows = [line for line in text.splitlines() if "," in line]
        assert len({rail.name for rail in reading.rails}) == len(reading.rails) == len(rows)
        assert all(0 <= rail.energy_uj < 10**19 for rail in reading.rails)


def test_caps_and_what_a_shell_may_not_read() -> None:
    text = "policy0 1803000 1803000\npolicy4 1328000 2253000\npolicy6  \n"
    caps = parse_caps(text)
    assert caps == (Cap("policy0", 1_803_000, 1_803_000), Cap("policy4", 1_328_000, 2_253_000))
    assert [cap.lowered for cap in caps] == [False, True]
    assert isinstance(parse_caps("policy0  \n"), Absent)


class Told(NamedTuple):
    """What the README says of a text; None where it does not say, or where there is none."""

    maker: str | None
    monitor: str | None
    kind: str


def told_of_texts() -> dict[str, Told]:
    readme = (RECORDED / "README.md").read_text(encoding="utf-8")
    return {
        name: Told(None if maker in {"-", "not told"} else maker, monitor or None, kind)
        for names, maker, monitor, kind in re.findall(
            r"^\| (.+?) \| (.+?)(?: \((\w+)'s monitor\))? \| \*?(recorded|composed)\b",
            readme,
            re.MULTILINE,
        )
        for name in re.findall(r"`([\w.]+\.txt)`", names)
    }


def test_every_text_says_whether_it_was_recorded_or_composed() -> None:
    """The README names all of them, and docs/PHONES.md counts both kinds."""
    told = told_of_texts()
    assert set(told) == {path.name for path in RECORDED.glob("*.txt")}
    count = [text.kind for text in told.values()].count
    page = (Path(__file__).parents[3] / "docs/PHONES.md").read_text(encoding="utf-8")
    assert f"Of its {len(told)} texts, {count('recorded')} are recorded" in page
    assert f"{count('composed')} are *composed*" in page


RAILS = {
    parse_sysfs: {"energy_value"},
    parse_hal: {"power_hal"},
    parse_names: {"powerstats", "enabled_rails"},
}
"""The texts of Pixels' power monitors, by parser. No other maker's phone is known to have one."""


def test_every_kind_of_text_is_recorded_of_two_makers_but_that_of_monitors() -> None:
    makers: dict[str, set[str]] = {kind: set() for kind in PARSERS}
    for name, text in told_of_texts().items():
        if text.kind == "recorded" and text.maker is not None:
            makers[name.split(".")[1]].add(text.maker)
    assert {kind for kind, known in makers.items() if len(known) < 2} == set.union(*RAILS.values())
    assert makers["energy_value"] | makers["hwmon"] == {"Google", "Arm", "Synaptics"}


def test_every_parser_of_rails_reads_the_monitors_of_two_makers() -> None:
    for kinds in RAILS.values():
        assert {
            text.monitor
            for name, text in told_of_texts().items()
            if name.split(".")[1] in kinds and text.monitor is not None
        } == {"Samsung", "Microchip"}


PARSERS: dict[str, Callable[[str], object]] = {
    "thermalservice": parse_thermal,
    "power_hal": parse_hal,
    "powerstats": parse_names,
    "enabled_rails": parse_names,
    "battery": parse_battery,
    "energy_value": lambda text: parse_sysfs([text]),
    "hwmon": lambda text: (parse_hwmon_energy(text), parse_hwmon_power(text)),
    "power": screen_is_on,
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
    for one in reading if isinstance(reading, tuple) else (reading,):
        if isinstance(one, Absent):
            assert one.reason


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

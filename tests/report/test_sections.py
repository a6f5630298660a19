"""What each section takes from the records, and what it says where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeserve.board import load_board
from edgeserve.bundle_store import Bundle
from edgeserve.claims_file import Claim, Figure, read_claims
from edgeserve.errors import ConfigError
from edgeserve.measurement import Unit, append_record
from edgeserve.phone.harness import Accelerator
from edgeserve.phone.record import Flag, Phase, PhoneMeasurement, Scenario
from edgeserve.pipeline.plan import plan as plan_model
from edgeserve.pipeline.report import report
from edgeserve.report.claims import Value, verdict
from edgeserve.report.content import (
    Arena,
    Block,
    Distribution,
    Folded,
    Line,
    Report,
    Section,
    Span,
    Table,
    Timeline,
    Tone,
)
from edgeserve.report.recorded import Battery
from tests.report.records import (
    BOARD,
    MS,
    PHONE,
    no_energy,
    noisy,
    on_board,
    on_phone,
    sustained,
    timed,
)


def section(made: Report, key: str) -> Section:
    (found,) = (one for one in made.sections if one.key == key)
    return found


def flat(blocks: tuple[Block, ...]) -> list[Block]:
    return [
        inner
        for block in blocks
        for inner in (flat(block.blocks) if isinstance(block, Folded) else [block])
    ]


def tables(one: Section) -> list[Table]:
    return [block for block in flat(one.blocks) if isinstance(block, Table)]


def lines(one: Section) -> str:
    return "\n".join(block.text for block in flat(one.blocks) if isinstance(block, Line))


def cell(table: Table, row: int, title: str) -> str:
    (at,) = (i for i, column in enumerate(table.columns) if column.title == title)
    found = table.rows[row][at]
    return found if isinstance(found, str) else getattr(found, "text", "")


@pytest.fixture
def bundle(phone_bundle: Bundle) -> Bundle:
    """A bundle in which nothing was measured."""
    (phone_bundle.path / "phone_measurements.jsonl").unlink()
    (phone_bundle.path / "claims.toml").unlink()
    return phone_bundle


def of(bundle: Bundle, *records: object, battery: Battery | None = None) -> Report:
    for record in records:
        is_phone = isinstance(record, PhoneMeasurement)
        name = "phone_measurements.jsonl" if is_phone else "measurements.jsonl"
        append_record(bundle.path / name, record)
    return report(bundle.path, battery=battery)


def test_an_empty_bundle_says_of_each_section_what_would_make_it(bundle: Bundle) -> None:
    made = of(bundle)
    name = str(bundle.path)
    for key, command in (
        ("fit", f"edgeserve plan {name} --board"),
        ("claims", "--claims FILE"),
        ("latency", f"edgeserve bench {name} --device D"),
        ("steps", f"edgeserve bench {name} --device D"),
        ("arena", f"edgeserve plan {name} --board"),
        ("phases", f"edgeserve bench {name} --device PHONE"),
        ("energy", f"edgeserve bench {name} --device PHONE"),
        ("heat", "--scenario sustained"),
    ):
        (line,) = section(made, key).blocks
        assert isinstance(line, Line)
        assert command in line.text
    assert "given as .tflite" in lines(section(made, "model"))
    assert made.summary[0] == "Measured on: nothing yet."


def test_counts_of_an_emulator_are_never_time(bundle: Bundle) -> None:
    latency = section(of(bundle, BOARD, timed(noisy(2 * MS, 100))), "latency")
    (table,) = tables(latency)
    assert cell(table, 0, "unit") == "instructions"
    assert cell(table, 0, "p50") == "1,000"
    assert table.rows[0][3] == "exact"
    assert cell(table, 1, "unit") in ("ms", "us")
    assert "executed instructions: they are not time" in lines(latency)
    (picture,) = (block for block in latency.blocks if isinstance(block, Distribution))
    assert picture.caption.startswith("nucleo_h743zi2"), "what is all alike has no distribution"


def test_a_distribution_keeps_its_extremes_and_its_percentiles(bundle: Bundle) -> None:
    samples = (*noisy(2 * MS, 5000), 90 * MS)
    latency = section(of(bundle, timed(samples)), "latency")
    (picture,) = (block for block in latency.blocks if isinstance(block, Distribution))
    assert len(picture.points) <= 200
    assert picture.unit == "ms"
    assert picture.points[-1] == (90.0, 1.0)
    assert picture.points[0][0] == min(samples) / MS
    assert [one.name for one in picture.percents] == ["p50", "p90", "p99"]
    assert all(one.low is not None and one.low <= one.value for one in picture.percents)


def test_percentiles_without_an_interval_say_so(bundle: Bundle) -> None:
    (table,) = tables(section(of(bundle, timed((5, 6, 7))), "latency"))
    assert [table.rows[0][i] for i in (3, 5, 7)] == ["too few"] * 3


def test_steps_are_measured_where_a_board_was_and_estimated_elsewhere(bundle: Bundle) -> None:
    for board in ("mps2-an500", "nucleo_h743zi2"):
        plan_model(bundle.path, load_board(board))
    made = of(bundle, on_board(samples=(9,)), BOARD)
    measured, estimated = tables(section(made, "steps"))
    assert "measured on mps2-an500, emulated: executed instructions, not time" in measured.caption
    assert cell(measured, 0, "instructions") == "700"
    assert cell(measured, 0, "share") == "70.0%"
    assert measured.rows[1][3] == Span(0, 300 / 700)
    assert estimated.caption.startswith("ESTIMATE for nucleo_h743zi2, not measured")
    assert "instructions (estimate)" in [column.title for column in estimated.columns]
    fit = tables(section(made, "fit"))[0]
    assert [cell(fit, i, "board") for i in range(2)] == ["mps2-an500", "nucleo_h743zi2"]
    maps = [block for block in flat(section(made, "arena").blocks) if isinstance(block, Arena)]
    assert len(maps) == 1, "two boards with one plan have one map"


def test_a_board_that_cannot_be_looked_at_is_told_and_stops_nothing(bundle: Bundle) -> None:
    plan_model(bundle.path, load_board("mps2-an500"))
    own = bundle.path / "boards" / "my_board"
    own.mkdir()
    plan = bundle.path / "boards" / "mps2-an500" / "plan.json"
    (own / "plan.json").write_text(plan.read_text())
    broken = bundle.path / "boards" / "esp32dev"
    broken.mkdir()
    (broken / "plan.json").write_text("{}")
    fit = section(of(bundle), "fit")
    assert len(tables(fit)[0].rows) == 1
    assert "my_board: its board file does not travel with edgeserve" in lines(fit)
    assert "esp32dev:" in lines(fit)


def test_the_cold_start_is_a_waterfall_without_gaps(bundle: Bundle) -> None:
    phases = section(of(bundle, PHONE), "phases")
    (table,) = tables(phases)
    assert [row[0] for row in table.rows] == [
        *("process", "library", "load", "compile", "first inference"),
        "sum of medians",
    ]
    spans = [row[2] for row in table.rows[:-1]]
    ends = [span.end for span in spans if isinstance(span, Span)]
    starts = [span.start for span in spans if isinstance(span, Span)]
    assert starts == [0.0, *ends[:-1]]
    assert ends[-1] == pytest.approx(1.0)
    assert cell(table, 0, "median") == "31 ms"
    assert "No phases around an inference" in lines(phases)


def test_a_part_of_the_cold_start_that_was_not_told_is_left_out(bundle: Bundle) -> None:
    cold = tuple(replace(one, process_ns=None) for one in PHONE.cold)
    (table,) = tables(section(of(bundle, on_phone(cold=cold)), "phases"))
    assert table.rows[0][0] == "library"


def test_phases_of_a_pipeline_are_shown_where_a_record_has_them() -> None:
    from edgeserve.report.phases import pipeline_phases

    recorded = (Phase("decode", (3, 5, 4)), Phase("infer", (7,)), Phase("postprocess", ()))
    record = replace(PHONE, phases=recorded)
    assert [(one.name, one.median_ns) for one in pipeline_phases(record)] == [
        ("decode", 4),
        ("infer", 7),
    ]
    assert pipeline_phases(PHONE) == ()


def test_energy_has_its_sum_its_interval_and_its_meter(bundle: Bundle) -> None:
    battery = Battery(5300.0 * 1000)
    (table,) = tables(section(of(bundle, PHONE, battery=battery), "energy"))
    assert [cell(table, i, "group") for i in range(3)] == ["cpu", "memory", "cpu + memory"]
    assert cell(table, 2, "gross mJ") == "5.3"
    assert cell(table, 2, "+- mJ") == "0.4"
    assert cell(table, 2, "inferences a charge") == "930,000 to 1,080,000"
    assert cell(table, 0, "inferences a charge") == ""
    assert cell(table, 0, "meter") == "power rails (sysfs)"


def test_no_energy_is_told_with_its_reason_and_no_battery_with_the_option(bundle: Bundle) -> None:
    energy = section(of(bundle, sustained()), "energy")
    assert not tables(energy)
    assert "not measured: the phone lists no rail; it is charging" in lines(energy)
    energy = section(of(bundle, PHONE), "energy")
    assert "--battery MAH --volts V" in lines(energy)


def test_heat_has_one_axis_and_marks_the_onset(bundle: Bundle) -> None:
    heat = section(of(bundle, sustained()), "heat")
    (picture,) = (block for block in heat.blocks if isinstance(block, Timeline))
    assert 100 <= len(picture.latency_ms) <= 200
    before = [ms for at, ms in picture.latency_ms if at < 350]
    after = [ms for at, ms in picture.latency_ms if at > 370]
    assert max(before) < 5.5 < 6.2 < min(after)
    assert picture.onset_s == 362.0
    assert picture.caps[0] == (0.0, 1.0)
    assert picture.caps[-1][1] == 0.72
    assert len(picture.skin_celsius) == len(picture.cpu_celsius) == 180
    assert "throttled from 362 s on: latency +35%" in lines(heat)


def test_readings_that_a_phone_does_not_give_are_no_zeros(bundle: Bundle) -> None:
    blind = tuple(replace(one, skin_celsius=None, lowest_cap=None) for one in PHONE.sightings)
    heat = section(of(bundle, on_phone(sightings=blind)), "heat")
    (picture,) = (block for block in heat.blocks if isinstance(block, Timeline))
    assert (picture.skin_celsius, picture.caps) == ((), ())
    assert len(picture.cpu_celsius) == 2


def test_only_the_last_run_of_a_setup_has_energy_and_heat(bundle: Bundle) -> None:
    older = on_phone(recorded_at="2025-01-01T00:00:00Z", energy=None, absent=no_energy("old"))
    made = of(bundle, older, PHONE)
    assert "old" not in lines(section(made, "energy"))
    assert len(tables(section(made, "latency"))[0].rows) == 2


def test_flags_and_frames_are_told(bundle: Bundle) -> None:
    asked = replace(PHONE.asked, scenario=Scenario.FRAMES, period_us=5000)
    slots = (*range(1999), 2010)
    frames = on_phone(asked=asked, slots=slots)
    latency = section(of(bundle, frames, sustained()), "latency")
    late = sum(sample > 5 * MS for sample in frames.samples_ns)
    assert f"{late:,} frames late, 11 skipped" in lines(latency)
    bad = [b.text for b in latency.blocks if isinstance(b, Line) and b.tone is Tone.BAD]
    assert bad == ["Pixel 6, cpu, sustained, 2 threads, 2026-02-03 05:05 UTC: the phone throttled"]


def test_a_cold_run_has_no_latency(bundle: Bundle) -> None:
    cold = on_phone(samples_ns=(), ends_ns=(), flags=(Flag.OUTPUT_UNCHECKED,))
    made = of(bundle, cold)
    assert "Not measured" in lines(section(made, "latency"))
    assert "too short for a picture" in lines(section(made, "heat"))
    assert len(tables(section(made, "phases"))) == 1
    assert "the output was not compared with the host's" in lines(section(made, "phases"))


def claim(figure: Figure, value: float, unit: str, **more: str) -> Claim:
    return Claim("a claim", figure, value, unit, "a table", more.get("device"), None)


@pytest.mark.parametrize(
    ("figure", "unit", "low", "value", "high", "word"),
    [
        (Figure.P50, "ms", 9e6, 10e6, 11e6, "met"),
        (Figure.P50, "ms", 9e6, 11e6, 12e6, "met"),
        (Figure.P50, "ms", 11e6, 12e6, 13e6, "not decided"),
        (Figure.P50, "ms", 12.1e6, 13e6, 14e6, "missed"),
        (Figure.P50, "ms", None, 13e6, None, "missed (one reading)"),
        (Figure.PEAK_MEMORY, "MB", None, 12e6, None, "met (one reading)"),
        (Figure.RATE, "FPS", 13.0, 14.0, 15.0, "met"),
        (Figure.RATE, "FPS", 10.0, 11.0, 11.9, "missed"),
        (Figure.RATE, "FPS", 11.0, 14.0, 15.0, "not decided"),
    ],
)
def test_a_claim_is_met_or_missed_by_the_whole_interval(
    figure: Figure, unit: str, low: float | None, value: float, high: float | None, word: str
) -> None:
    said = claim(figure, 12, unit)
    assert verdict(said, Value("x", said.dimension, value, low, high)).text == word


def claimed(bundle: Bundle, text: str, *records: object) -> list[tuple[str, ...]]:
    (bundle.path / "claims.toml").write_text(text)
    (table,) = tables(section(of(bundle, *records), "claims"))
    titles = ("claim", "verdict", "claimed", "measured", "on")
    return [tuple(cell(table, i, title) for title in titles) for i in range(len(table.rows))]


TEMPLATE = '[[claim]]\nname = "n"\nfigure = "{}"\nvalue = {}\nunit = "{}"\nsource = "s"\n'


def test_claims_stand_beside_what_was_measured(bundle: Bundle) -> None:
    text = "".join(
        TEMPLATE.format(*one)
        for one in (
            ("p50", 12, "ms"),
            ("energy", 4.2, "mJ"),
            ("net-energy", 4.2, "mJ"),
            ("peak-memory", 150, "MB"),
            ("cold-start", 1, "s"),
            ("rate", 22, "FPS"),
            ("arena", 4, "KiB"),
            ("decode", 15, "ms"),
            ("accuracy", 90, "%"),
        )
    )
    rows = claimed(bundle, text, BOARD, PHONE)
    setup = "Pixel 6, cpu, single, 2 threads"
    assert [row[1:] for row in rows] == [
        ("not comparable: instructions, not time", "12 ms", "1,000 instructions", "mps2-an500"),
        ("met", "12 ms", f"{sorted(PHONE.samples_ns)[999] / MS:.4g} ms", setup),
        ("missed", "4.2 mJ", "5.3 mJ", f"{setup}: cpu + memory"),
        ("met", "4.2 mJ", "3.8 mJ", f"{setup}: cpu + memory"),
        ("met (one reading)", "150 MB", "41 MB", setup),
        ("met (one reading)", "1 s", "0.043 s", f"{setup}: library to first inference"),
        ("met", "22 FPS", f"{1e9 / sorted(PHONE.samples_ns)[999]:.4g} FPS", setup),
        ("met", "4 KiB", "4 KiB", "mps2-an500"),
        ("not measured", "15 ms", "", ""),
        ("not measured", "90 %", "", ""),
    ]


def test_only_the_phases_of_a_pipeline_are_held_against_claims(bundle: Bundle) -> None:
    phases = (Phase("decode", (4 * MS, 5 * MS, 6 * MS)), Phase("infer", (MS,) * 3))
    asked = replace(PHONE.asked, scenario=Scenario.PIPELINE)
    record = on_phone(asked=asked, phases=phases)
    figures = (("decode", 15, "ms"), ("p50", 12, "ms"), ("energy", 9, "mJ"))
    rows = claimed(bundle, "".join(TEMPLATE.format(*one) for one in figures), record)
    assert [row[3] for row in rows] == ["5 ms", "", ""]
    phases_shown = section(of(bundle, record), "phases")
    assert [row[0] for row in tables(phases_shown)[-1].rows] == [
        "decode",
        "infer",
        "sum of medians",
    ]


def test_a_claim_may_be_about_one_device_or_accelerator(bundle: Bundle) -> None:
    text = TEMPLATE.format("p50", 12, "ms")
    gpu = on_phone(asked=replace(PHONE.asked, accelerator=Accelerator.GPU))
    records = (timed(noisy(MS, 100)), PHONE, gpu)
    assert len(claimed(bundle, text + 'device = "pixel"\n', *records)) == 2
    (row,) = claimed(bundle, text + 'accelerator = "gpu"\n')
    assert "gpu" in row[4]
    (row,) = claimed(bundle, text + 'accelerator = "npu"\n')
    assert row[1] == "not measured"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "claim is missing"),
        (TEMPLATE.format("p50", 12, "mJ"), "unit of p50 is one of"),
        (TEMPLATE.format("p50", -1, "ms"), "value must not be negative"),
        (TEMPLATE.format("p50", "nan", "ms"), "value must be a number"),
        (TEMPLATE.format("latency", 1, "ms"), "figure is 'latency', not one of p50"),
        (TEMPLATE.format("p50", 1, "ms") + "note = 1\n", "note is not a known key"),
        (TEMPLATE.format("p50", 1, "ms").replace('source = "s"', ""), "source is missing"),
        ("[[claim]\n", "claims.toml"),
    ],
)
def test_claims_are_read_strictly(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "claims.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_claims(file)
    assert what in caught.value.what
    assert str(file) in caught.value.what
    assert "docs/REPORT.md" in caught.value.hint


def test_instructions_may_be_claimed(bundle: Bundle) -> None:
    (row,) = claimed(bundle, TEMPLATE.format("p50", 999, "instructions"), BOARD)
    assert row[1] == "missed"
    assert BOARD.unit is Unit.INSTRUCTIONS

"""Measurements: percentiles against numpy, and a file that takes nothing but whole records."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from edgeserve.bundle import ToolVersion
from edgeserve.distribution import Percentile, percentile
from edgeserve.errors import ConfigError, ToolError
from edgeserve.measurement import (
    BankMemory,
    Measurement,
    Memory,
    Place,
    StepCount,
    Subject,
    Unit,
    append_measurement,
    p50,
    p90,
    p99,
    per_inference,
    read_measurements,
)
from edgeserve.metering.meter import Energy, GroupEnergy
from edgeserve.phone.benchmark_model import Delegate, OperatorTime, Stat, ToolReport
from edgeserve.phone.harness import ColdStart, FrameSet
from edgeserve.phone.record import (
    Asked,
    Identity,
    NotMeasured,
    Onset,
    Phase,
    PhoneMeasurement,
    Sighting,
)

REPO = Path(__file__).resolve().parents[2]
RECORD = Measurement(
    schema=3,
    recorded_at="2026-01-02T03:04:05Z",
    subject=Subject("digits", "ab" * 32, "cd" * 32, 12_345, 9_876, None),
    place=Place("mps2-an500", "mps2-an500 (QEMU)", True, "CMSDK timer 0", "gcc 12.2.1", ("-O2",)),
    unit=Unit.INSTRUCTIONS,
    input="xorshift 0x12345678",
    warmup=1,
    samples=(100, 101, 100),
    init_count=55,
    steps=(StepCount(0, "conv", "CONV_2D", 1000, 90),),
    memory=Memory(
        4096, 4000, (BankMemory("fast", 1024, 1024), BankMemory("slow", 3072, 2976)), None, 512
    ),
    output_crc32="0123abcd",
    energy=Energy("simulated", False, 15.0, 15.1, 300, (GroupEnergy("device", 2.5, 1.5, 0.1),)),
    energy_absent="",
    tools=(ToolVersion("edgeserve", "0.1.0"),),
    notes=("a 'note' with \"quotes\" and \u00fc",),
)


def test_percentiles_are_samples_as_numpy_finds_them() -> None:
    rng = np.random.default_rng(1)
    for count in (1, 2, 3, 10, 99, 100, 101, 1000):
        samples = tuple(int(x) for x in rng.integers(0, 50, count))
        for percent in (1, 50, 90, 99):
            value = percentile(samples, percent).value
            assert value == np.percentile(np.array(samples), percent, method="inverted_cdf")
            assert 100 * sum(s <= value for s in samples) >= percent * count
            assert 100 * sum(s < value for s in samples) < percent * count


@pytest.mark.parametrize(("percent", "least"), [(50, 6), (90, 36), (99, 368)])
def test_confidence_needs_enough_samples(percent: int, least: int) -> None:
    few = percentile(tuple(range(least - 1)), percent)
    enough = percentile(tuple(range(least)), percent)
    assert (few.low, few.high) == (None, None)
    assert enough.low is not None
    assert enough.low <= enough.value <= least - 1 == enough.high


def test_interval_of_a_median_is_the_textbook_one() -> None:
    """n = 1000: ranks 469 and 532, as tables of the sign test have it."""
    result = percentile(tuple(range(1, 1001)), 50)
    assert result == Percentile(500, 469, 532)


def test_intervals_cover_the_true_percentile_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    true_p90 = 899
    covered = 0
    for _ in range(400):
        result = percentile(tuple(int(x) for x in rng.integers(0, 1000, 200)), 90)
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= true_p90 <= result.high
    assert covered >= 370  # 95 % of 400 is 380; fewer than 370 has a chance below 2 %


@pytest.mark.parametrize(("samples", "percent"), [((), 50), ((1,), 0), ((1,), 100)])
def test_percentile_of_nothing_is_a_programming_error(
    samples: tuple[int, ...], percent: int
) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(samples, percent)


def test_derived_numbers() -> None:
    assert per_inference(RECORD) == 100
    assert (p50(RECORD).value, p90(RECORD).value, p99(RECORD).value) == (100, 101, 101)
    assert p99(RECORD).high is None


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "measurements.jsonl"
    assert read_measurements(path) == ()
    other = dataclasses.replace(RECORD, unit=Unit.NANOSECONDS, samples=(2**63,))
    append_measurement(path, RECORD)
    append_measurement(path, other)
    assert read_measurements(path) == (RECORD, other)
    assert len(path.read_text().splitlines()) == 2


def _append_many(path: str, number: int) -> None:
    for i in range(20):
        append_measurement(Path(path), dataclasses.replace(RECORD, warmup=100 * number + i))


def test_processes_that_append_at_once_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "measurements.jsonl"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_append_many, args=(str(path), n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    expected = {100 * n + i for n in range(3) for i in range(20)}
    assert {m.warmup for m in read_measurements(path)} == expected


def _damaged(change: str) -> str:
    document = json.loads(_line())
    if change == "unknown key":
        document["p50"] = 100
    elif change == "missing key":
        del document["unit"]
    elif change == "other schema":
        document["schema"] = 2
    elif change == "unit of time for an emulator's count":
        document["unit"] = "seconds"
    elif change == "no samples":
        document["samples"] = []
    elif change == "float sample":
        document["samples"] = [1.5]
    return json.dumps(document)


def _line() -> str:
    from edgeserve.strict_json import to_json

    return json.dumps(to_json(RECORD))


@pytest.mark.parametrize(
    "change",
    [
        "unknown key",
        "missing key",
        "other schema",
        "unit of time for an emulator's count",
        "no samples",
        "float sample",
    ],
)
def test_a_line_that_is_not_a_whole_record_is_named(tmp_path: Path, change: str) -> None:
    path = tmp_path / "measurements.jsonl"
    path.write_text(f"{_line()}\n{_damaged(change)}\n")
    with pytest.raises(ConfigError, match=r"measurements\.jsonl:2"):
        read_measurements(path)


@pytest.mark.parametrize("text", ["{", "nonsense\n", "\n", "[]\n", "\u00fc\n", '{"schema": NaN}\n'])
def test_noise_in_the_file_is_a_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "measurements.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        read_measurements(path)


def test_nothing_is_added_behind_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "measurements.jsonl"
    path.write_text(_line()[:50])
    with pytest.raises(ConfigError, match="cut"):
        append_measurement(path, RECORD)
    assert path.read_text() == _line()[:50]


def test_a_folder_that_is_not_there_is_a_tool_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError):
        append_measurement(tmp_path / "absent" / "measurements.jsonl", RECORD)


def test_the_documented_keys_are_those_of_the_record() -> None:
    text = (REPO / "docs" / "FORMAT.md").read_text()
    section = text.split("# 3. The measurement record", 1)[1].split("\n# 4. ", 1)[0]
    tables = section.split("| key | value |\n|---|---|\n")[1:]
    documented = [
        [row.split("|")[1].strip() for row in table.split("\n\n", 1)[0].splitlines()]
        for table in tables
    ]
    kinds = (
        *(Measurement, Subject, Place, Memory, BankMemory),
        *(PhoneMeasurement, Identity, Asked, ColdStart, FrameSet),
        *(ToolReport, Stat, Delegate, OperatorTime),
        *(Energy, GroupEnergy, Sighting, Onset, NotMeasured, Phase),
    )
    assert documented == [[field.name for field in dataclasses.fields(kind)] for kind in kinds]

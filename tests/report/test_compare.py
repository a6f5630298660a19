"""What counts as a regression, what is refused, and what a terminal or a pull request is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgeserve.bundle import contents_of_tflite
from edgeserve.bundle_store import write_bundle
from edgeserve.cli import main
from edgeserve.compare.comparison import Comparison, compare_pair
from edgeserve.compare.differences import Verdict, board_differences
from edgeserve.compare.metric import Metric
from edgeserve.compare.selection import BoardPair, PhonePair
from edgeserve.distribution import Change
from edgeserve.measurement import Measurement, Unit, append_record
from edgeserve.metering.meter import Energy, GroupEnergy
from edgeserve.phone.harness import Accelerator
from edgeserve.phone.record import Flag, PhoneMeasurement
from tests.e2e.test_documents import DOCUMENTED, agree
from tests.report.records import (
    BOARD,
    MS,
    PHONE,
    no_energy,
    noisy,
    on_board,
    on_phone,
    small_model,
    timed,
)

EVERY = frozenset(Metric)


def verdicts(before: Measurement, after: Measurement, budget: float = 0.05) -> dict[str, Verdict]:
    return {d.name: d.verdict for d in board_differences(before, after, budget, EVERY)}


def phones(before: PhoneMeasurement, after: PhoneMeasurement, budget: float = 0.05) -> Comparison:
    return compare_pair(PhonePair(before, after), budget, EVERY)


def test_a_measurement_beside_itself_is_the_same() -> None:
    assert set(verdicts(BOARD, BOARD, 0.0).values()) == {Verdict.SAME}


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (999, Verdict.BETTER),
        (1000, Verdict.SAME),
        (1001, Verdict.WITHIN),
        (1050, Verdict.WITHIN),
        (1051, Verdict.REGRESSION),
    ],
)
def test_instructions_are_exact_to_the_edge_of_the_budget(after: int, verdict: Verdict) -> None:
    found = board_differences(BOARD, on_board(samples=(after,) * 3), 0.05, EVERY)
    assert {d.verdict for d in found if d.metric in (Metric.P50, Metric.P90, Metric.P99)} == {
        verdict
    }
    (p50,) = (d for d in found if d.metric is Metric.P50)
    share = after / 1000 - 1
    assert p50.change == Change(share, share, share)


@pytest.mark.parametrize("budget", [0.01, 0.03, 0.05, 0.07, 0.1, 0.13])
def test_exactly_the_budget_is_no_regression_however_it_is_rounded(budget: float) -> None:
    for before in (100, 300, 700, 1100, 12300):
        after = round(before * (1 + budget))
        bigger = replace(BOARD.memory, arena_bytes=after)
        smaller = replace(BOARD.memory, arena_bytes=before)
        seen = verdicts(on_board(memory=smaller), on_board(memory=bigger), budget)
        assert seen["arena"] is Verdict.WITHIN
        worse = replace(BOARD.memory, arena_bytes=after + 1)
        seen = verdicts(on_board(memory=smaller), on_board(memory=worse), budget)
        assert seen["arena"] is Verdict.REGRESSION


def test_time_regresses_only_when_its_interval_lies_beyond_the_budget() -> None:
    before = timed(noisy(1_000_000, 400, seed=1))
    assert verdicts(before, timed(noisy(1_200_000, 400, seed=2)))["p50"] is Verdict.REGRESSION
    assert verdicts(before, timed(noisy(1_000_000, 400, seed=2)))["p50"] is Verdict.WITHIN
    assert verdicts(before, timed(noisy(900_000, 400, seed=2)))["p50"] is Verdict.BETTER
    # 5.5 % more in the median, and an interval that reaches below 5 %.
    straddling = timed(noisy(1_055_000, 400, seed=2))
    (p50, *_) = board_differences(before, straddling, 0.05, EVERY)
    assert p50.change is not None
    assert p50.change.low is not None
    assert p50.change.low < 0.05 < p50.change.share
    assert p50.verdict is Verdict.UNJUDGED
    assert verdicts(before, straddling, 0.02)["p50"] is Verdict.REGRESSION


def test_two_runs_of_the_same_are_seldom_called_a_regression_even_without_a_budget() -> None:
    alarms = 0
    for seed in range(200):
        before, after = (timed(noisy(1_000_000, 150, seed=2 * seed + i)) for i in (0, 1))
        alarms += verdicts(before, after, 0.0)["p50"] is Verdict.REGRESSION
    assert alarms <= 8  # at most 2.5 % to this side; more than 8 of 200 has a chance below 7 %


def test_too_few_laps_and_single_readings_are_told_and_not_judged() -> None:
    before, after = timed((100,) * 5), timed((300,) * 5)
    found = {d.name: d for d in board_differences(before, after, 0.05, EVERY)}
    assert found["p50"].verdict is Verdict.UNJUDGED
    assert "5 and 5 samples are too few" in found["p50"].why
    slower_start = replace(after, init_count=5000)
    found = {d.name: d for d in board_differences(before, slower_start, 0.05, EVERY)}
    assert found["init"].verdict is Verdict.UNJUDGED
    assert found["init"].change == Change(9.0, None, None)


def test_instructions_that_vary_get_an_interval_and_none_is_made_up() -> None:
    varied = on_board(samples=tuple(1000 + i % 3 for i in range(20)))
    found = {d.name: d for d in board_differences(BOARD, varied, 0.05, EVERY)}
    assert found["p50"].change is not None
    assert found["p50"].change.low != found["p50"].change.high
    assert found["p99"].verdict is Verdict.UNJUDGED


def test_sizes_that_one_side_does_not_know_are_left_out_and_what_comes_to_be_is_more() -> None:
    unknown = replace(BOARD.subject, code_bytes=None, flash_bytes=None)
    assert not {"code", "flash"} & set(verdicts(BOARD, on_board(subject=unknown)))
    none_before = on_board(memory=replace(BOARD.memory, stack_high_water_bytes=0))
    (stack,) = board_differences(none_before, BOARD, 0.05, {Metric.STACK})
    assert (stack.change, stack.verdict) == (None, Verdict.REGRESSION)
    assert "none before" in stack.why
    zero_time = timed((0,) * 20)
    (p50,) = board_differences(zero_time, timed((5,) * 20), 0.05, {Metric.P50})
    assert p50.verdict is Verdict.UNJUDGED


def with_energy(*groups: GroupEnergy, meter: str = "power rails (sysfs)") -> PhoneMeasurement:
    return on_phone(energy=Energy(meter, False, 15.0, 15.0, 3000, groups))


def test_energy_is_bounded_by_what_its_counter_may_hide() -> None:
    before = with_energy(GroupEnergy("cpu", 4.0, 3.0, 0.2))
    sure = phones(before, with_energy(GroupEnergy("cpu", 5.0, 4.0, 0.2)))
    unsure = phones(before, with_energy(GroupEnergy("cpu", 4.5, 3.5, 0.2)))
    found = {d.name: d for d in sure.differences}
    assert found["energy cpu"].verdict is Verdict.REGRESSION
    change = found["energy cpu"].change
    assert change is not None
    assert change.low == pytest.approx(4.8 / 4.2 - 1)
    assert change.high == pytest.approx(5.2 / 3.8 - 1)
    assert {d.name: d for d in unsure.differences}["energy cpu"].verdict is Verdict.UNJUDGED
    hidden = phones(with_energy(GroupEnergy("cpu", 4.0, 0.1, 0.2)), before)
    assert {d.name: d for d in hidden.differences}["net-energy cpu"].verdict is Verdict.UNJUDGED


def test_energies_of_other_groups_and_other_meters_are_not_compared() -> None:
    cpu, npu = GroupEnergy("cpu", 4.0, 3.0, 0.2), GroupEnergy("npu", 4.0, 3.0, 0.2)
    found = phones(with_energy(cpu), with_energy(npu)).differences
    assert not [d for d in found if d.unit == "mJ"]
    other = phones(with_energy(cpu), with_energy(cpu, meter="battery gauge"))
    assert not [d for d in other.differences if d.unit == "mJ"]
    assert "different meters" in " ".join(other.notes)
    absent = phones(with_energy(cpu), on_phone(energy=None, absent=no_energy("it is charging")))
    assert "no energy after: it is charging" in absent.notes


def test_notes_say_what_else_is_different() -> None:
    changed = on_board(
        subject=replace(BOARD.subject, model_sha256="ef" * 32),
        place=replace(BOARD.place, compiler="gcc 13"),
        input="xorshift 0x00000001",
    )
    notes = compare_pair(BoardPair(BOARD, changed), 0.05, EVERY).notes
    assert [note.split(":")[0] for note in notes] == [
        "the models differ",
        "the inputs differ",
        "the compilers or their flags differ",
    ]
    other_output = compare_pair(BoardPair(BOARD, on_board(output_crc32="0" * 8)), 0.05, EVERY)
    assert "another output for the same input" in other_output.notes[0]
    noted = phones(PHONE, on_phone(flags=(Flag.WARM,), runtime="LiteRT 2.4.0")).notes
    assert "flag after: the phone was warm at the start" in noted
    assert "runtime LiteRT 2.3.0 before, LiteRT 2.4.0 after" in noted


def bundle(
    folder: Path, boards: Sequence[Measurement] = (), of_phones: Sequence[PhoneMeasurement] = ()
) -> str:
    made = write_bundle(folder, contents_of_tflite(folder.name, small_model()))
    for one in boards:
        append_record(made.measurements_path, one)
    for phone in of_phones:
        append_record(made.path / "phone_measurements.jsonl", phone)
    return str(folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["compare", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_last_measurement_of_each_device_that_both_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = bundle(tmp_path / "old", [on_board(samples=(9999,) * 3), BOARD, timed((7,) * 9)], [PHONE])
    faster = on_phone(samples_ns=noisy(4 * MS, 2000))
    new = bundle(tmp_path / "new", [on_board(samples=(1200,) * 3)], [faster])
    code, out, _ = compared(capsys, old, new, "--format", "json")
    document = json.loads(out)
    agree(document, DOCUMENTED["compare"])
    assert code == 1
    assert document["regressed"] is True
    assert [one["device"] for one in document["comparisons"]] == [
        "mps2-an500 (emulated)",
        "Pixel 6, cpu, single, 2 threads",
    ]
    board, phone = ({d["metric"]: d for d in one["differences"]} for one in document["comparisons"])
    assert (board["p50"]["before"], board["p50"]["after"]) == (1000, 1200)
    assert board["p50"]["verdict"] == "REGRESSION"
    assert board["p50"]["low"] == board["p50"]["high"] == pytest.approx(0.2)
    assert phone["p50"]["verdict"] == "better"
    assert compared(capsys, old, new, "--budget", "20%")[0] == 0
    assert compared(capsys, old, new, "--metric", "arena")[0] == 0
    assert compared(capsys, new, old)[0] == 1, "the phone has grown slower that way round"


def test_single_measurements_by_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [BOARD, on_board(samples=(1100,) * 3), on_board(samples=(1300,) * 3)]
    one = bundle(tmp_path / "one#2", lines, [PHONE, PHONE])
    code, out, _ = compared(capsys, f"{one}#1", f"{one}#2")
    assert code == 1
    assert "1,100 instructions" in out
    assert "regressed, with all of the interval above 5 %: p50 on mps2-an500" in out
    code, out, _ = compared(capsys, f"{one}#1", f"{one}#-1", "--format", "json")
    assert json.loads(out)["comparisons"][0]["differences"][0]["after"] == 1300
    code, out, _ = compared(capsys, f"{one}#phone:1", f"{one}#phone:2", "--metric", "p50")
    assert code == 0
    assert "nothing has regressed" in out
    code, out, _ = compared(capsys, one, one, "--format", "json")
    assert len(json.loads(out)["comparisons"]) == 2, "a path that exists is never taken apart"
    code, _, err = compared(capsys, f"{one}#1", f"{one}#4")
    assert code == 2
    assert "has 3 measurements" in err


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("board#1", "board#2", "mps2-an500 (emulated) in instructions, and"),
        ("board#2", "board#3", "nucleo_h743zi2 in ns"),
        ("board#1", "board#phone:1", "on Pixel 6, cpu, single, 2 threads"),
        ("board#phone:1", "board#phone:2", "on Pixel 6, gpu, single, 2 threads"),
        ("board", "empty", "empty has no measurement"),
        ("empty", "empty", "empty has no measurement"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, what: str
) -> None:
    on_gpu = on_phone(asked=replace(PHONE.asked, accelerator=Accelerator.GPU))
    other_unit = replace(timed((5,) * 20), unit=Unit.CYCLES)
    bundle(tmp_path / "board", [BOARD, timed((5,) * 20), other_unit], [PHONE, on_gpu])
    bundle(tmp_path / "empty")
    code, out, err = compared(capsys, before, after)
    assert code == 2
    assert out == ""
    assert what in err
    assert len(err.splitlines()) == 2, "one line, and a hint"


@pytest.mark.parametrize("budget", ["5", "-1%", "five%", "0.05", "nan%"])
def test_a_budget_is_a_share(capsys: pytest.CaptureFixture[str], budget: str) -> None:
    code, _, err = compared(capsys, "a", "b", f"--budget={budget}")
    assert code == 2
    assert "write it as 5% or 2.5%" in err


def test_a_metric_that_nobody_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = bundle(tmp_path / "one", [BOARD])
    code, _, err = compared(capsys, one, one, "--metric", "energy")
    assert code == 2
    assert "has measured energy" in err


def test_markdown_tells_the_same_and_takes_no_name_as_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = on_phone(phone=replace(PHONE.phone, model="<b>@all | `x`"))
    one = bundle(tmp_path / "one", [BOARD], [hostile])
    two = bundle(tmp_path / "two", [on_board(samples=(1100,) * 3)], [hostile])
    code, out, _ = compared(capsys, one, two, "--format", "markdown")
    assert code == 1
    assert "| p50 | 1,000 instructions | 1,100 instructions | +10.00% | exact | REGRESSION |" in out
    assert "<b>" not in out.replace("\\<b\\>", "")
    assert "@all" not in out

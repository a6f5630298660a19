"""Recordings of several makers, each of the same power, and what is no recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeserve.absent import Absent
from edgeserve.metering.csv_file import Column, Layout, parse_trace, read_trace
from edgeserve.metering.trace import PowerTrace, energy_j, window_of

RECORDED = Path(__file__).parent / "recorded"
FILES = sorted(RECORDED.glob("*.csv"))
VOLTS = 4.0


def trace(file: Path) -> PowerTrace:
    read = read_trace(file, None, VOLTS if file.stem == "ppk2" else None)
    assert isinstance(read, PowerTrace), read
    return read


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_maker_s_recording_is_the_same_power(file: Path) -> None:
    read = trace(file)
    assert len(read.at_s) == 41
    assert read.at_s[-1] == pytest.approx(4.0)
    assert read.watts[0] == pytest.approx(0.5)
    assert read.watts[-1] == pytest.approx(1.5)
    # 0.5 W for 1.9 s, a ramp of 0.1 s to 1.5 W, then 2 s of that.
    assert energy_j(read, 0.0, 4.0) == pytest.approx(0.95 + 0.1 + 3.0)
    assert energy_j(read, 0.25, 0.75) == pytest.approx(0.25)


def test_a_recording_without_volts_says_so() -> None:
    read = read_trace(RECORDED / "ppk2.csv", None, None)
    assert isinstance(read, Absent)
    assert "volts=" in read.reason


@pytest.mark.parametrize("stem", ["ppk2", "powertool"])
def test_a_time_in_milliseconds_may_be_told(stem: str) -> None:
    read = read_trace(RECORDED / f"{stem}.csv", None, VOLTS, time_scale=1e-3)
    assert isinstance(read, PowerTrace)
    assert read.at_s[-1] == pytest.approx(4.0 if stem == "ppk2" else 0.004)


def test_any_columns_that_are_named() -> None:
    layout = Layout("mine", Column("t", 1e-6), current=Column("I", 1e-3), voltage=Column("U", 1.0))
    text = "# a note\n\nt;x;I;U\n0;a b;100;2,5\n500000;c;200;2,5\n"
    read = parse_trace(text, layout, None)
    assert isinstance(read, PowerTrace)
    assert list(read.at_s) == [0.0, 0.5]
    assert list(read.watts) == pytest.approx([0.25, 0.5])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no header that is known"),
        ("a,b\n1,2\n", "no header that is known"),
        ("time,power\n", "fewer than two samples"),
        ("time,power\n0,1\n", "fewer than two samples"),
        ("time,power\n0,1\n1,2\n0.5,1\n", "time goes back"),
        ("time,power\n0,1\n1,nan\n", "no number"),
        ("time,power\n0,1\n1\n", "damaged"),
        ("time,power\n0,1\n1,two\n", "damaged"),
    ],
)
def test_no_recording_has_a_reason(text: str, reason: str) -> None:
    read = parse_trace(text, None, None)
    assert isinstance(read, Absent)
    assert reason in read.reason


def test_a_file_that_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    read = read_trace(tmp_path / "nothing.csv", None, None)
    assert isinstance(read, Absent)
    assert "No such file" in read.reason


TEXTS = {file.stem: file.read_text() for file in FILES}
DAMAGE = st.text(alphabet='\t\n ,;.#"+-eEnaif09()\x00\u0663', max_size=10)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_recordings_never_crash_the_reader(data: st.DataObject) -> None:
    text = TEXTS[data.draw(st.sampled_from(sorted(TEXTS)))]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + data.draw(DAMAGE) + text[end:]
    read = parse_trace(text, None, VOLTS)
    if isinstance(read, PowerTrace):
        assert len(read.at_s) == len(read.watts) >= 2
        assert (np.diff(read.at_s) >= 0).all()
        assert np.isfinite(read.watts).all()
    else:
        assert read.reason


def steady(seconds: float, watts: float, noise: float = 0.0, seed: int = 1) -> PowerTrace:
    at_s = np.arange(0, seconds, 1e-3)
    return PowerTrace(at_s, watts + noise * np.random.default_rng(seed).standard_normal(len(at_s)))


def test_a_window_is_told_with_its_uncertainty() -> None:
    within = 0
    for seed in range(200):
        window = window_of(steady(12, 2.0, noise=0.5, seed=seed), 1.0, 11.0, slack_s=0.5)
        assert not isinstance(window, Absent)
        (group,) = window.groups
        assert window.seconds == 10.0
        within += abs(group.energy_uj - 20e6) <= group.plus_minus_uj
    assert 180 <= within < 200  # of 95 % intervals


def test_slack_keeps_the_neighbours_out() -> None:
    read = steady(20, 1.0)
    read.watts[:5000] = 9.0
    read.watts[15000:] = 9.0
    window = window_of(read, 4.8, 15.2, slack_s=0.3)
    assert not isinstance(window, Absent)
    assert window.groups[0].energy_uj == pytest.approx(10.4e6)
    spread = window_of(read, 4.8, 15.2, slack_s=0.0)
    assert not isinstance(spread, Absent)
    assert spread.groups[0].plus_minus_uj > 1e6


@pytest.mark.parametrize(
    ("begin_s", "end_s", "slack_s", "reason"),
    [
        (5.0, 21.0, 0.5, "does not cover"),
        (-1.0, 10.0, 0.5, "does not cover"),
        (5.0, 6.0, 0.5, "slack"),
    ],
)
def test_no_window_has_a_reason(begin_s: float, end_s: float, slack_s: float, reason: str) -> None:
    window = window_of(steady(20, 1.0), begin_s, end_s, slack_s)
    assert isinstance(window, Absent)
    assert reason in window.reason


def test_a_gap_is_told() -> None:
    whole = steady(20, 1.0)
    kept = (whole.at_s < 8) | (whole.at_s > 12)
    window = window_of(PowerTrace(whole.at_s[kept], whole.watts[kept]), 1.0, 19.0, 0.5)
    assert isinstance(window, Absent)
    assert "gap of 4.0" in window.reason

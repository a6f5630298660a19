"""`edgeserve loop`: what it prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeserve.cli import main
from tests.e2e.bench_images import two_layers
from tests.e2e.test_documents import DOCUMENTED, agree


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "two.tflite"
    path.write_bytes(two_layers())
    return str(path)


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["loop", *arguments])
    return code, capsys.readouterr().out


def test_a_stated_service_is_forecast(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = asked(
        capsys,
        *(model, "--rate", "100Hz", "--service", "4ms", "--deadline", "5ms", "--jitter", "random"),
        *("--active-mw", "100", "--sleep-mw", "1", "--battery", "500", "--volts", "3.7"),
        *("--format", "json"),
    )
    document = json.loads(out)
    assert code == 0
    assert document["utilization"] == pytest.approx(0.4)
    # rho s / (2 (1 - rho)) = 0.4 * 4 ms / 1.2, in nanoseconds.
    assert document["md1"]["mean_wait_ticks"] == pytest.approx(4e6 / 3)
    assert document["simulation"]["mean_wait_ticks"] == pytest.approx(4e6 / 3, rel=0.1)
    assert document["simulation"]["late"] > 0
    assert not document["service"]["virtual"]
    energy = document["energy_estimate"]
    assert energy["mwh_per_hour"] == pytest.approx(1 + 99 * document["duty"])
    assert energy["life_h"] == pytest.approx(1850 / energy["mwh_per_hour"])


def test_too_many_frames_are_answered_with_no(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = asked(capsys, model, "--rate", "300Hz", "--service", "4ms")
    assert code == 1
    assert "does not keep up" in out
    assert "without end" in out


def test_the_emulated_board_counts_the_same(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = asked(
        capsys,
        *(model, "--rate", "1500Hz", "--clock", "20MHz", "--jitter", "random", "--ring", "3"),
        *("--deadline", "1ms", "--frames", "2000", "--emulate", "--format", "json"),
    )
    document = json.loads(out)
    simulated, emulated = document["simulation"], document["emulated"]
    assert code in (0, 1)
    assert document["service"]["virtual"]
    for name in ("dropped", "late", "most_waiting", "inferred"):
        assert emulated[name] == simulated[name]
    assert (emulated["busy"], emulated["asleep"]) == (
        simulated["busy_ticks"],
        simulated["asleep_ticks"],
    )
    assert emulated["wait_p99"] == pytest.approx(simulated["wait_p99_ticks"], rel=0.01)
    assert emulated["damaged"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        ("--rate", "30"),
        ("--rate", "30Hz"),
        ("--rate", "30Hz", "--service", "4ms", "--clock", "1MHz"),
        ("--rate", "30Hz", "--service", "4ms", "--emulate"),
        ("--rate", "30Hz", "--service", "4ms", "--jitter", "60%"),
        ("--rate", "30Hz", "--service", "4ms", "--jitter", "nowhere.txt"),
        ("--rate", "30Hz", "--service", "4ms", "--battery", "100"),
        ("--rate", "30Hz", "--service", "4ms", "--active-mw", "100"),
        ("--rate", "0.001Hz", "--service", "4ms"),
        ("--rate", "30Hz", "--clock", "20MHz", "--emulate", "--board", "host"),
        ("--rate", "30Hz", "--emulate"),
        ("--rate", "30Hz", "--clock", "20MHz", "--emulate", "--ring", "65"),
        ("--rate", "30Hz", "--clock", "20MHz", "--emulate", "--deadline", "300s"),
    ],
)
def test_what_has_no_answer_is_refused_in_a_line(
    model: str, wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["loop", model, *wrong]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_the_document_is_the_one_described(
    model: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace.txt"
    trace.write_text("9000\n11000\n")
    stated = (model, "--rate", "100Hz", "--service", "4ms", "--format", "json")
    for jitter in ("random", "5%", str(trace)):
        agree(json.loads(asked(capsys, *stated, "--jitter", jitter)[1]), DOCUMENTED["loop"])
    power = ("--active-mw", "1", "--sleep-mw", "1")
    agree(json.loads(asked(capsys, *stated, *power)[1]), DOCUMENTED["loop"])
    emulated = (model, "--rate", "1kHz", "--clock", "20MHz", "--frames", "9", "--emulate")
    agree(json.loads(asked(capsys, *emulated, "--format", "json")[1]), DOCUMENTED["loop"])

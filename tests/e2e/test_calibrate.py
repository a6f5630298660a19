"""`inspect --calibrate` over bundles with records of a simulated board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeserve import cli
from edgeserve.board import load_board
from edgeserve.measurement import Unit
from tests.e2e.bench_images import two_layers
from tests.simulated_runs import simulated_bundle


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "asked.tflite"
    path.write_bytes(two_layers(width=64))
    return path


def inspected(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capfd.readouterr()
    code = cli.main(["inspect", *map(str, arguments)])
    said = capfd.readouterr()
    return code, said.out, said.err


def test_time_by_three_models(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    board = load_board("esp32dev")
    options: list[object] = []
    for width, factor in ((40, 4.0), (48, 4.2), (56, 4.1)):
        folder = tmp_path / f"of{width}"
        simulated_bundle(folder, two_layers(width=width), board, factor, Unit.NANOSECONDS)
        options += ["--calibrate", folder]
    code, text, _ = inspected(capfd, model, "--board", "esp32dev", *options)
    assert code == 0
    assert "estimate of time on esp32dev: " in text
    assert "3 models, each left out of the fit" in text
    assert "no estimate of time" not in text
    code, text, _ = inspected(capfd, model, "--board", "esp32dev", *options, "--format", "json")
    document = json.loads(text)
    time = document["time"]
    instructions = sum(step["estimated_instructions"] for step in document["steps"])
    assert time["ns"] == pytest.approx(instructions * time["ns_an_instruction"])
    assert 4.0 < time["ns_an_instruction"] < 4.2
    # Each model left out is off by less than the spread of the factors.
    assert 0 < time["error"] < 0.05
    assert [run["model"] for run in time["runs"]] == ["of40", "of48", "of56"]


def test_cycles_of_a_board_whose_clock_is_known(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "measured"
    board = load_board("nucleo_h743zi2")
    simulated_bundle(folder, two_layers(), board, 20.0, Unit.CYCLES, hz=64e6)
    code, text, _ = inspected(
        capfd, model, "--board", board.id, "--calibrate", folder, "--format", "json"
    )
    assert code == 0
    time = json.loads(text)["time"]
    assert time["ns_an_instruction"] == pytest.approx(20, rel=1e-3)
    assert (time["error"], time["judged"]) == (None, "unknown")
    low, high = time["runs"][0]["step_ns"]
    assert low < high


def test_refusals(tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    board = load_board("esp32dev")
    folder = tmp_path / "measured"
    simulated_bundle(folder, two_layers(), board, 4.0, Unit.NANOSECONDS)
    code, _, error = inspected(capfd, model, "--board", "esp32s3", "--calibrate", folder)
    assert code == 2
    assert "was never measured on esp32s3" in error
    code, _, error = inspected(capfd, model, "--calibrate", folder)
    assert code == 2
    assert "mps2-an500 is emulated" in error
    code, _, error = inspected(
        capfd, model, "--board", "esp32dev", "--calibrate", tmp_path / "absent"
    )
    assert code == 2
    assert "absent" in error


def test_without_it_there_is_no_time(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "no estimate of time" in inspected(capfd, model, "--board", "esp32dev")[1]
    text = inspected(capfd, model, "--board", "esp32dev", "--format", "json")[1]
    assert json.loads(text)["time"] is None

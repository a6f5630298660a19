"""The command on the digits model: figures, records, exit codes, and wrong inputs in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeserve import cli
from edgeserve.accuracy_record import AccuracyRecord, DeviceAnswers, Proportion, Rates
from edgeserve.bundle_store import Bundle, load_bundle
from edgeserve.errors import ConfigError
from edgeserve.show.accuracy import print_accuracy
from tests.accuracy.conftest import CALIBRATION, TEST
from tests.e2e.test_documents import DOCUMENTED, agree
from tests.tools import need_programs

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.main(["accuracy", *map(str, arguments)])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def bundle(digits: Bundle, tmp_path: Path) -> Path:
    """A copy of the digits bundle that may be written into."""
    shutil.copytree(digits.path, tmp_path / "digits")
    return tmp_path / "digits"


def arrays(path: Path, **given: Any) -> Path:
    np.savez(path, **given)
    return path


def labelled(path: Path, count: int, *, labels: Sequence[int] | None = None) -> Path:
    with np.load(TEST) as data:
        wanted = data["y"][:count] if labels is None else np.array(labels)
        return arrays(path, x=data["x"][:count], y=wanted)


def test_the_digits_model_in_one_document(run: Run, bundle: Path) -> None:
    need_programs("arm-none-eabi-gcc", "qemu-system-arm")
    options = ("--traffic", TEST, "--device", "mps2-an500", "--samples", 5, "--max-drop", "1%")
    code, out, _ = run(bundle, "--data", TEST, *options, "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert (told["samples"], told["available"], told["labelled"]) == (360, 360, True)
    assert told["exact"]["top_1"]["right"] == 355
    assert 350 <= told["quantized"]["top_1"]["right"] <= 360
    assert told["drop"] == pytest.approx((355 - told["quantized"]["top_1"]["right"]) / 360)
    assert told["k"] == 5
    assert told["quantized"]["top_k"]["right"] >= told["quantized"]["top_1"]["right"]
    assert told["against"]["top1_equal"] >= 355
    device = told["device"]
    assert (device["samples"], device["same_bytes"], device["same_class"]) == (5, 5, 5)
    assert device["first_different"] is None
    assert device["right"] <= 5
    assert all(tensor["agrees"] for tensor in told["traffic"]["tensors"])
    also = {key: told.pop(key) for key in DOCUMENTED["accuracy"][""]}
    assert also["calibration"]["samples"] == 200
    agree(also, DOCUMENTED["accuracy"])
    agree(told, DOCUMENTED["accuracy.json"])
    assert told == json.loads((bundle / "accuracy.json").read_text())


def record_of(digits: Bundle, **changes: Any) -> AccuracyRecord:
    empty = AccuracyRecord(
        schema=1,
        model_sha256=digits.facts.model_sha256,
        data_sha256="",
        samples=200,
        available=200,
        labelled=True,
        k=None,
        classes=(),
        exact=None,
        quantized=None,
        against=None,
        device=None,
        layers=None,
        traffic=None,
        helps=(),
        notes=(),
    )
    return replace(empty, **changes)


def test_a_drop_of_exactly_the_budget_is_within_it(digits: Bundle) -> None:
    """197 of 200 less 195 is 1 %, and not the least bit more."""
    exact, quantized = (Rates(Proportion(n, 200, 0.0, 1.0), None) for n in (197, 195))
    assert record_of(digits, exact=exact, quantized=quantized).drop == 0.01
    assert 197 / 200 - 195 / 200 > 0.01


def test_an_emulated_board_is_called_one(digits: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    device = DeviceAnswers("mps2-an500", "mps2-an500", True, 3, 3, None, 3, 2, None)
    record = record_of(digits, device=device)
    print_accuracy(digits, record, None, markdown=False)
    told = "mps2-an500 (emulated): 3 of 3 samples give the reference's bytes, 3 its class, 2 are"
    assert told in capfd.readouterr().out


def test_the_record_stays_until_the_model_is_another(run: Run, bundle: Path, hard: Bundle) -> None:
    assert load_bundle(bundle).accuracy() is None
    run(bundle, "--data", labelled(bundle.parent / "few.npz", 20), "--layers", 0)
    record = load_bundle(bundle).accuracy()
    assert record is not None
    assert (record.samples, record.layers, record.device) == (20, None, None)
    assert record.quantized is not None
    shutil.copytree(hard.path, bundle.parent / "hard")
    shutil.copy(bundle / "accuracy.json", bundle.parent / "hard" / "accuracy.json")
    with pytest.raises(ConfigError, match="is of another model"):
        load_bundle(bundle.parent / "hard").accuracy()


def test_a_drop_that_is_not_allowed_ends_with_1(run: Run, hard: Bundle, tmp_path: Path) -> None:
    shutil.copytree(hard.path, tmp_path / "hard")
    data = labelled(tmp_path / "some.npz", 60)
    code, out, _ = run(tmp_path / "hard", "--data", data, "--layers", 8, "--max-drop", "50%")
    assert code == 1
    assert "TOO MUCH" in out
    assert "quantized says" in out
    lines = out.splitlines()
    first = lines[next(i for i, line in enumerate(lines) if "of the noise" in line) + 2]
    assert "digits_1/re_lu_1/Relu" in first
    assert "times as far as the median channel" in out
    code, _, _ = run(tmp_path / "hard", "--data", data, "--layers", 0, "--max-drop", "100%")
    assert code == 0


def test_traffic_that_differs_is_named(run: Run, bundle: Path) -> None:
    with np.load(TEST) as data:
        inverted = arrays(bundle.parent / "inverted.npz", x=1 - data["x"][:50])
    few = labelled(bundle.parent / "few.npz", 20)
    code, out, _ = run(bundle, "--data", few, "--layers", 0, "--traffic", inverted)
    assert code == 0
    (where,) = (line for line in out.splitlines() if line.startswith("traffic:"))
    assert "DIFFER" in where
    table = out[out.index(where) :]
    assert table.index(" image ") < table.index("digits_1")


def test_markdown_is_tables(run: Run, bundle: Path) -> None:
    few = labelled(bundle.parent / "few.npz", 20)
    _, out, _ = run(bundle, "--data", few, "--layers", 4, "--format", "markdown")
    lines = out.splitlines()
    rules = [i for i, line in enumerate(lines) if line.startswith("| --- |")]
    assert len(rules) >= 3
    for rule in rules:
        assert lines[rule - 1].count(" | ") == lines[rule].count(" | ")
        assert lines[rule + 1].startswith("| ")
    assert "digits\\_1/" in out


def test_samples_without_labels_give_errors_and_classes_alone(run: Run, bundle: Path) -> None:
    with np.load(TEST) as data:
        bare = arrays(bundle.parent / "bare.npz", x=data["x"][:20])
    code, out, _ = run(bundle, "--data", bare, "--layers", 0, "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert (told["exact"], told["quantized"], told["drop"]) == (None, None, None)
    assert told["against"]["top1_equal"] >= 18
    assert told["against"]["paired"] is None
    assert told["against"]["errors"][0]["mean_abs_error"] > 0


def test_a_model_given_as_tflite_has_no_float_side(run: Run, bundle: Path) -> None:
    alone = bundle.parent / "alone.tflite"
    shutil.copy(bundle / "model.tflite", alone)
    few = labelled(bundle.parent / "few.npz", 20)
    code, out, _ = run(alone, "--data", few, "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert (told["exact"], told["against"], told["layers"]) == (None, None, None)
    assert told["quantized"]["top_1"]["total"] == 20
    assert "no float model" in told["notes"][0]


def test_a_regression_with_two_inputs_and_outputs_has_errors_alone(
    run: Run, hard_folder: Path, tmp_path: Path
) -> None:
    source = hard_folder
    shutil.copytree(source / "pair", tmp_path / "pair")
    data = source / "pair.npz"
    code, out, _ = run(tmp_path / "pair", "--data", data, "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert (told["k"], told["exact"], told["against"]["top1_equal"]) == (None, None, None)
    assert len(told["against"]["errors"]) == 2
    assert all(0 < one["mean_abs_error"] < 0.1 for one in told["against"]["errors"])
    assert len(told["layers"]["compared"]) == 2
    operators = [layer["operator"] for layer in told["layers"]["layers"]]
    assert operators.count("FULLY_CONNECTED") == 3
    with np.load(data) as arrays_of:
        given = {name: arrays_of[name] for name in arrays_of}
    given_labels = arrays(tmp_path / "labelled.npz", **given, y=np.zeros(40, int))
    code, _, err = run(tmp_path / "pair", "--data", given_labels, "--max-drop", "1%")
    assert code == 2
    assert "is no classifier" in err


def test_limit_takes_evenly_spaced_samples(run: Run, bundle: Path) -> None:
    with np.load(TEST) as data:
        every_fourth = data["y"][::4][:90]
        wrong = np.full(360, 9)
        wrong[::4] = every_fourth
        mixed = arrays(bundle.parent / "mixed.npz", x=data["x"], y=wrong)
    options = ("--limit", 90, "--layers", 0, "--format", "json")
    _, out, _ = run(bundle, "--data", mixed, *options)
    told = json.loads(out)
    assert (told["samples"], told["available"]) == (90, 360)
    assert told["exact"]["top_1"]["right"] >= 85


def test_inspect_tells_of_the_calibration(
    digits: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    cli.main(["inspect", str(digits.path)])
    out = capfd.readouterr().out
    assert "calibration: 200 samples, 10 tensors" in out


@pytest.mark.parametrize(
    ("options", "what", "hint"),
    [
        (("--data", "absent.npz"), "data absent.npz does not exist", "--data"),
        (("--data", "shape.npz"), "takes (8, 8, 1)", "batch in front"),
        (("--data", "labels.npz"), "labels run from 5 to 77", "0 to 9"),
        (("--data", "nan.npz"), "holds NaN or Inf", "remove the sample"),
        (("--data", "good.npz", "--traffic", "shape.npz"), "takes (8, 8, 1)", "batch"),
        (("--data", "good.npz", "--calibration", "absent.npz"), "not exist", "--calibration"),
        (("--data", "bare.npz", "--max-drop", "1%"), "have no labels", "'y'"),
        (("--data", "good.npz", "--max-drop", "1"), "'1' is no percentage", "--help"),
        (("--data", "good.npz", "--device", "/dev/null"), "what board is on it?", "--board"),
        ((), "Missing option '--data'", "--help"),
    ],
)
def test_wrong_inputs_are_one_line_and_a_hint(
    run: Run,
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: Sequence[str],
    what: str,
    hint: str,
) -> None:
    monkeypatch.chdir(bundle.parent)
    labelled(Path("good.npz"), 4)
    labelled(Path("labels.npz"), 2, labels=[5, 77])
    arrays(Path("bare.npz"), x=np.zeros((2, 8, 8, 1), np.float32))
    arrays(Path("shape.npz"), x=np.zeros((2, 9), np.float32))
    arrays(Path("nan.npz"), x=np.full((2, 8, 8, 1), np.nan, np.float32))
    code, out, err = run(bundle, *options, "--layers", 0)
    assert (code, out) == (2, "")
    told, help_line = err.splitlines()
    assert what in told
    assert "calibration data" not in told
    assert hint in help_line
    assert not (bundle / "accuracy.json").exists()


def test_traffic_needs_a_record_of_the_calibration(run: Run, bundle: Path) -> None:
    alone = bundle.parent / "alone.tflite"
    shutil.copy(bundle / "model.tflite", alone)
    code, _, err = run(alone, "--data", TEST, "--traffic", CALIBRATION)
    assert code == 2
    assert "no record of its calibration" in err

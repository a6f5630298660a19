"""What is offered was measured: int16 for the hard layer, and calibration that suffices."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeserve import cli
from edgeserve.bundle_store import Bundle, load_bundle
from edgeserve.convert.agreement import Runner
from edgeserve.pipeline.convert import convert
from edgeserve.pipeline.improvement import _pattern
from tests.accuracy.conftest import CALIBRATION, TEST, samples_of
from tests.e2e.test_documents import DOCUMENTED, agree

pytest.importorskip("ai_edge_quantizer")


def improved(bundle: Bundle, folder: Path, *options: object) -> Any:
    """The record that ``accuracy --improve`` leaves in a copy of the bundle."""
    copy = folder / "copy"
    shutil.copytree(bundle.path, copy)
    words = ["accuracy", copy, "--data", TEST, "--improve", *options, "--format", "json"]
    assert cli.main([str(word) for word in words]) == 0
    told = json.loads((copy / "accuracy.json").read_text())
    agree(told, DOCUMENTED["accuracy.json"])
    return told


@pytest.fixture(scope="module")
def hard_told(hard: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Of the hard model, also calibrated with what it was calibrated with already."""
    return improved(hard, tmp_path_factory.mktemp("hard"), "--calibration", CALIBRATION)


def noise(exact: bytes, quantized: bytes) -> float:
    """The mean square difference of the outputs on the test images."""
    one, two = Runner(exact, reference=False), Runner(quantized, reference=True)
    pairs = [(one.run(sample)[0], two.run(sample)[0]) for sample in samples_of(TEST, 360)]
    return float(np.mean([np.square(wanted - got) for wanted, got in pairs]))


def test_int16_restores_what_the_hard_layer_loses(
    hard: Bundle, hard_folder: Path, hard_told: Any, tmp_path: Path
) -> None:
    """And a conversion with the options that were offered does what was promised."""
    told = hard_told
    (offer,) = told["helps"]
    assert (offer["kind"], offer["measured"]) == ("int16-layers", True)
    assert told["layers"]["layers"][0]["name"] in offer["layers"]
    assert offer["recovered_share"] >= 0.9
    exact, before = told["exact"]["top_1"]["right"], told["quantized"]["top_1"]["right"]
    assert exact - before > 200
    assert (offer["top_1"]["right"] - before) / (exact - before) >= 0.9
    assert offer["after"]["arena_bytes"] > offer["before"]["arena_bytes"]
    assert offer["after"]["instructions"] > offer["before"]["instructions"]
    words = shlex.split(offer["option"])
    assert words[0::2] == ["--int16-layers"] * len(offer["layers"])
    convert(
        hard_folder / "hard.tflite",
        tmp_path / "mixed",
        target="cortex-m7",
        calibration=CALIBRATION,
        int16_layers=tuple(words[1::2]),
    )
    mixed, float_model = load_bundle(tmp_path / "mixed"), hard.float_bytes()
    assert float_model is not None
    left = noise(float_model, mixed.model_bytes()) / noise(float_model, hard.model_bytes())
    assert 1 - left == pytest.approx(offer["recovered_share"], abs=0.001)


def test_better_calibration_is_measured_and_offered(
    few: Bundle, digits: Bundle, tmp_path: Path
) -> None:
    """What it recovers is what the model has that was calibrated so."""
    told = improved(few, tmp_path, "--calibration", CALIBRATION)
    offer = told["helps"][0]
    assert (offer["kind"], offer["measured"]) == ("calibration", True)
    assert offer["option"] == f"--calibration {CALIBRATION}"
    assert offer["recovered_share"] > 0.9
    assert offer["top_1"]["right"] > told["quantized"]["top_1"]["right"]
    float_model = few.float_bytes()
    assert float_model is not None
    left = noise(float_model, digits.model_bytes()) / noise(float_model, few.model_bytes())
    assert 1 - left == pytest.approx(offer["recovered_share"], abs=0.01)


def test_what_recovers_nothing_is_not_offered(hard_told: Any) -> None:
    assert [offer["kind"] for offer in hard_told["helps"]] == ["int16-layers"]
    notes = hard_told["notes"]
    assert any("not offered: calibrating with the other samples" in note for note in notes)


def test_advice_that_is_not_measured_says_so(few: Bundle, tmp_path: Path) -> None:
    """Wider integers with the same ranges clip the same values."""
    told = improved(few, tmp_path, "--limit", 60, "--layers", 4)
    last = told["helps"][-1]
    assert (last["kind"], last["measured"], last["option"]) == ("training", False, "")
    assert last["recovered_share"] is None
    assert last["what"].startswith("not measured: ")


def test_a_layer_is_named_by_what_means_it_alone() -> None:
    names = ["a/Relu;a/conv", "a/Relu_1;a/conv", "b+c;x"]
    assert _pattern("a/Relu_1;a/conv", names) == "a/Relu_1"
    assert _pattern("a/Relu;a/conv", names) == "a/Relu;a/conv"
    assert _pattern("b+c;x", names) == "x"

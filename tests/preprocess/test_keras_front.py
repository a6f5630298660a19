"""Keras' preprocessing layers become a declaration, and model and device agree with Keras."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeserve.convert.conversion import convert_source
from edgeserve.convert.converted import Converted
from edgeserve.preprocess.declaration import Crop, ImageInput, Resize
from edgeserve.preprocess.host import affines, quantized
from edgeserve.strict_json import from_json
from tests.tools import need_package

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``keras_models.py`` makes."""
    need_package("tensorflow")
    folder = tmp_path_factory.mktemp("keras")
    command = [sys.executable, "-m", "tests.preprocess.keras_models", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=REPO
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def found(made: Path, name: str) -> tuple[str, ImageInput] | None:
    entry: Any = json.loads((made / "found.json").read_text())[name]
    return None if entry is None else (entry[0], from_json(ImageInput, entry[1], where=name))


def convert(made: Path, calibration: str, work: Path) -> Converted:
    work.mkdir()
    return convert_source(
        made / "all.keras",
        calibration=made / calibration,
        trust_source=False,
        work_dir=work,
        progress=lambda share, message: None,
        image_range=(0.0, 255.0),
    )


def test_a_crop_a_resize_and_a_scale(made: Path) -> None:
    seen = found(made, "all")
    assert seen is not None
    layers, front = seen
    assert layers == "CenterCrop, Resizing, Rescaling"
    assert front.crop == Crop(2, 6, 36, 40)
    assert (front.resize, front.out_height, front.out_width) == (Resize.BILINEAR, 24, 30)
    assert front.mean == pytest.approx((127.5,) * 3)
    assert front.scale == pytest.approx((1 / 127.5,) * 3)


def test_scales_add_up(made: Path) -> None:
    """(0.5 x - mean) / deviation."""
    seen = found(made, "normalization")
    assert seen is not None
    assert seen[1].mean == pytest.approx((20.0, 40.0, 60.0))
    assert seen[1].scale == pytest.approx((0.25, 1 / 6, 0.125))


def test_what_a_declaration_cannot_say_stays(made: Path) -> None:
    nearest = found(made, "nearest")
    assert nearest is not None
    assert nearest[0] == "Resizing"
    assert (nearest[1].resize, nearest[1].out_height) == (Resize.NEAREST, 10)
    for name in ("bicubic", "aspect", "none", "two readers"):
        assert found(made, name) is None


def test_a_sequential_model(made: Path) -> None:
    seen = found(made, "sequential")
    assert seen is not None
    assert seen[1].scale == pytest.approx((1 / 255,) * 3)


def test_frames_through_declaration_and_model_are_keras_answers(made: Path, tmp_path: Path) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    converted = convert(made, "pixels.npz", tmp_path / "work")
    declared = converted.declared.preprocess
    assert declared is not None
    assert declared.image == (found(made, "all") or ("", None))[1]
    assert any("became the declaration" in note for note in converted.notes)
    assert any("preprocessing in fixed point" in note for note in converted.notes)
    model = interpreter.Interpreter(model_content=converted.model_tflite)
    model.allocate_tensors()
    (taken,), (given,) = model.get_input_details(), model.get_output_details()
    assert taken["shape"].tolist() == [1, 24, 30, 3]
    step, zero_point = taken["quantization"]
    last = affines(declared.front, step=step, zero_point=int(zero_point))
    with np.load(made / "answers.npz") as data:
        raws, wanted = data["raw"], data["y"]
    scale, offset = given["quantization"]
    for raw, want in zip(raws, wanted, strict=True):
        model.set_tensor(taken["index"], quantized(declared.front, raw, last)[None])
        model.invoke()
        got = (model.get_tensor(given["index"])[0].astype(float) - offset) * scale
        assert np.abs(got - want).max() < 0.02
    assert np.ptp(wanted, axis=0).max() > 0.05, "all frames alike would prove nothing"


def test_without_pixels_the_layers_stay(made: Path, tmp_path: Path) -> None:
    converted = convert(made, "unit.npz", tmp_path / "work")
    assert converted.declared.preprocess is None
    assert any("stay in the model" in note for note in converted.notes)
    assert converted.graph.tensors[converted.graph.inputs[0]].shape == (1, 40, 52, 3)

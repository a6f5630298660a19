"""Bundles that the tests of accuracy share, converted once a test run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeserve.bundle_store import Bundle, load_bundle
from edgeserve.pipeline.convert import convert as convert_model
from tests.accuracy import hard_model
from tests.once import once

DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits"
CALIBRATION = DIGITS / "calibration.npz"
TEST = DIGITS / "test.npz"


def convert(source: Path, destination: Path, calibration: Path = CALIBRATION) -> None:
    convert_model(source, destination, target="cortex-m7", calibration=calibration)


@pytest.fixture(scope="session")
def digits(converted_digits: Path) -> Bundle:
    """The digits model. Nothing is written into this bundle."""
    return load_bundle(converted_digits)


@pytest.fixture(scope="session")
def hard_folder(tmp_path_factory: pytest.TempPathFactory, digits: Bundle) -> Path:
    """Of two models of ``hard_model.py`` each the float ``.tflite`` and its bundle."""
    pytest.importorskip("ai_edge_quantizer")

    def make(folder: Path) -> None:
        float_model = digits.float_bytes()
        assert float_model is not None
        (folder / "hard.tflite").write_bytes(hard_model.hard(float_model))
        (folder / "pair.tflite").write_bytes(hard_model.pair())
        np.savez(folder / "pair.npz", **hard_model.pair_samples())
        convert(folder / "hard.tflite", folder / "hard")
        convert(folder / "pair.tflite", folder / "pair", folder / "pair.npz")

    return once(tmp_path_factory, "accuracy-hard", make)


@pytest.fixture(scope="session")
def hard(hard_folder: Path) -> Bundle:
    """The digits model with one layer that is hard to quantize."""
    return load_bundle(hard_folder / "hard")


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory, digits: Bundle) -> Bundle:
    """The digits model, calibrated with three faint images of one class."""
    pytest.importorskip("ai_edge_quantizer")

    def make(folder: Path) -> None:
        with np.load(CALIBRATION) as data:
            samples = 0.2 * data["x"][data["y"] == 1][:3]
        np.savez(folder / "three.npz", x=samples)
        convert(digits.path / "float.tflite", folder / "few", folder / "three.npz")

    return load_bundle(once(tmp_path_factory, "accuracy-few", make) / "few")


def samples_of(path: Path, count: int, *, inverted: bool = False) -> list[list[np.ndarray]]:
    """The first samples in a file, as inputs of one inference each."""
    with np.load(path) as data:
        array = data["x"][:count]
    array = 1 - array if inverted else array
    return [[array[row : row + 1]] for row in range(count)]


def silent(share: float | None, message: str) -> None:
    """No progress is shown."""

"""Bundles that the tests of accuracy share, converted once a test run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from edgeserve import pipeline
from edgeserve.bundle_store import Bundle, load_bundle

DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits"
CALIBRATION = DIGITS / "calibration.npz"
TEST = DIGITS / "test.npz"


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that ``make`` fills once a test run, also when several processes run it."""
    base = factory.getbasetemp()
    root = base.parent if base.name.startswith("popen-") else base
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        if not folder.exists():
            draft = root / f"{name}.new"
            draft.mkdir()
            make(draft)
            draft.rename(folder)
    return folder


def convert(source: Path, destination: Path, calibration: Path = CALIBRATION) -> None:
    pipeline.convert(source, destination, target="cortex-m7", calibration=calibration)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        convert(DIGITS / "model.keras", folder / "digits")

    return once(tmp_path_factory, "accuracy-digits", make) / "digits"


@pytest.fixture(scope="session")
def digits(digits_folder: Path) -> Bundle:
    """The digits model. Nothing is written into this bundle."""
    return load_bundle(digits_folder)


@pytest.fixture(scope="session")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The digits model with one layer that is hard to quantize (``hard_model.py``)."""

    def make(folder: Path) -> None:
        script = Path(__file__).with_name("hard_model.py")
        command = [sys.executable, str(script), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        convert(folder / "hard.keras", folder / "hard")
        convert(folder / "pair.keras", folder / "pair", folder / "pair.npz")

    return load_bundle(once(tmp_path_factory, "accuracy-hard", make) / "hard")


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The digits model, calibrated with three faint images of one class."""

    def make(folder: Path) -> None:
        with np.load(CALIBRATION) as data:
            samples = 0.2 * data["x"][data["y"] == 1][:3]
        np.savez(folder / "three.npz", x=samples)
        convert(DIGITS / "model.keras", folder / "few", folder / "three.npz")

    return load_bundle(once(tmp_path_factory, "accuracy-few", make) / "few")


def samples_of(path: Path, count: int, *, inverted: bool = False) -> list[list[np.ndarray]]:
    """The first samples in a file, as inputs of one inference each."""
    with np.load(path) as data:
        array = data["x"][:count]
    array = 1 - array if inverted else array
    return [[array[row : row + 1]] for row in range(count)]


def silent(share: float | None, message: str) -> None:
    """No progress is shown."""

"""Fixtures that every ring of tests shares."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import settings

from edgeserve.pipeline.convert import convert
from tests.once import once

DIGITS = Path(__file__).resolve().parents[1] / "models" / "digits"

# How fast a machine is decides no test.
settings.register_profile("edgeserve", deadline=None)
settings.load_profile("edgeserve")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference models and instances beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EDGESERVE_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder} (set EDGESERVE_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def converted_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the digits model, converted once a test run from Keras; what the conversion
    reported lies beside it, in ``reports.json``. Nothing is written into it.
    """
    pytest.importorskip("tensorflow")

    def make(folder: Path) -> None:
        reports: list[tuple[float | None, str]] = []
        convert(
            DIGITS / "model.keras",
            folder / "digits",
            target="cortex-m7",
            calibration=DIGITS / "calibration.npz",
            progress=lambda share, message: reports.append((share, message)),
        )
        (folder / "reports.json").write_text(json.dumps(reports))

    return once(tmp_path_factory, "converted-digits", make) / "digits"

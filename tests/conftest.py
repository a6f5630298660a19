"""Fixtures that every ring of tests shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

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

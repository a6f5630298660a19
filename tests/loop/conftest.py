"""The sensor loop's C behind a sanitized program that does as it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.told_runner import Told, told_runner


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Runs a mode of the runner on words of input; the lines of its output."""
    runner = Path(__file__).with_name("runner.c")
    return told_runner(runner, ["loop"], tmp_path_factory.mktemp("loop"))

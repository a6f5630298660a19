"""One sanitized runner for all kernel tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels.host_runner import HostRunner, build_runner


@pytest.fixture(scope="session")
def runner_binary() -> Path:
    """Built once a machine: the file's name is the hash of its sources."""
    return build_runner(Path(tempfile.gettempdir()) / "edgeserve-kernel-runner")


@pytest.fixture
def runner(runner_binary: Path) -> Iterator[HostRunner]:
    host_runner = HostRunner(runner_binary)
    yield host_runner
    host_runner.close()

"""Images that several tests share, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.bench_images import BenchImage, build_image, two_layers
from tests.e2e.public_models import Examine, examiner


@pytest.fixture(scope="session")
def host_image(tmp_path_factory: pytest.TempPathFactory) -> BenchImage:
    return build_image(two_layers(), "host", tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="session")
def an500_image(tmp_path_factory: pytest.TempPathFactory) -> BenchImage:
    return build_image(two_layers(), "mps2-an500", tmp_path_factory.mktemp("an500"))


@pytest.fixture(scope="session")
def examine(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Examine:
    """What a public model does and costs with a wish, on the emulated Cortex-M7."""
    return examiner(tmp_path_factory, shared_data)

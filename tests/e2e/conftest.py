"""Images that several tests share, built once."""

from __future__ import annotations

import pytest

from tests.e2e.bench_images import BenchImage, build_image, two_layers


@pytest.fixture(scope="session")
def host_image(tmp_path_factory: pytest.TempPathFactory) -> BenchImage:
    return build_image(two_layers(), "host", tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="session")
def an500_image(tmp_path_factory: pytest.TempPathFactory) -> BenchImage:
    return build_image(two_layers(), "mps2-an500", tmp_path_factory.mktemp("an500"))

"""The wheel works from any folder: firmware, boards and measured sizes travel inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.kernels.small_models import small_models

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel made from this checkout, unpacked where nothing of the checkout is near."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPO,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def edgeserve(site: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edgeserve", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_it_is_the_wheels_code_that_runs(unpacked: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import edgeserve; print(edgeserve.__file__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(str(unpacked))


def test_boards_check_and_build_from_any_folder(unpacked: Path, tmp_path: Path) -> None:
    model = tmp_path / "conv.tflite"
    model.write_bytes(small_models()["CONV_2D"])
    known = {
        board["id"]
        for board in json.loads(edgeserve(unpacked, tmp_path, "boards", "--format", "json"))
    }
    assert known == {path.stem for path in (REPO / "boards").glob("*.toml")}
    (fit,) = json.loads(
        edgeserve(
            unpacked, tmp_path, "check", str(model), "--board", "nano33ble", "--format", "json"
        )
    )
    assert fit["fits"]
    image = json.loads(
        edgeserve(unpacked, tmp_path, "build", str(model), "--board", "host", "--format", "json")
    )
    assert Path(image["elf"]).is_file()

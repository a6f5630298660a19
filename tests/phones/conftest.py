"""The real adb with a server of its own, the real harness, and a simulated phone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.phones.simulated_phone import Daemon, Phone

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def adb_server() -> Iterator[None]:
    """adb's server on a port of its own, so that phones on this machine are left alone."""
    if shutil.which("adb") is None:
        pytest.fail("adb is missing: make setup installs it")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    kept = os.environ.get("ANDROID_ADB_SERVER_PORT")
    os.environ["ANDROID_ADB_SERVER_PORT"] = port
    subprocess.run(["adb", "start-server"], check=True, capture_output=True)
    yield
    subprocess.run(["adb", "kill-server"], check=False, capture_output=True)
    if kept is None:
        del os.environ["ANDROID_ADB_SERVER_PORT"]
    else:
        os.environ["ANDROID_ADB_SERVER_PORT"] = kept


def build_harness(folder: Path, *options: str) -> Path:
    """The harness, built by CMake in a folder with more of its options."""
    source = ["-S", str(ROOT / "android_harness"), "-B", str(folder)]
    for command in (["cmake", *source, *options], ["cmake", "--build", str(folder)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "edgeserve_harness"


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The harness as built for this machine."""
    return build_harness(tmp_path_factory.mktemp("harness"))


@pytest.fixture(scope="session")
def litert() -> Path:
    """LiteRT's shared library, from its wheel."""
    package = pytest.importorskip("ai_edge_litert")
    return Path(package.__file__).parent / "libLiteRt.so"


@pytest.fixture
def connect(adb_server: None, tmp_path: Path) -> Iterator[Callable[..., tuple[Phone, str]]]:
    """Starts a simulated phone and connects adb to it: the phone, and its serial."""
    daemons: list[Daemon] = []

    def start(**manners: object) -> tuple[Phone, str]:
        phone = Phone(tmp_path / f"phone{len(daemons)}", **manners)  # type: ignore[arg-type]
        daemon = Daemon(phone)
        daemons.append(daemon)
        done = subprocess.run(
            ["adb", "connect", daemon.address], capture_output=True, text=True, check=False
        )
        assert "connected to" in done.stdout, done.stdout + done.stderr
        return phone, daemon.address

    yield start
    for daemon in daemons:
        subprocess.run(["adb", "disconnect", daemon.address], check=False, capture_output=True)
        daemon.close()

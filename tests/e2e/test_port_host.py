"""The host's port: a terminal of its own, a restart, and an end when its starter ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeserve.device.protocol import Dut
from edgeserve.device.serial import open_serial
from edgeserve.firmware.build import build
from edgeserve.image import Image
from tests.e2e.firmware_fixtures import SANITIZERS, write_tiny
from tests.tiny_program import tiny_program
from tests.tools import need_programs


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The bench image as a sanitized process."""
    need_programs("gcc")
    folder = write_tiny(tmp_path_factory.mktemp("host"), "host", tiny_program())
    return build(folder, extra_flags=SANITIZERS)


@pytest.fixture
def process(image: Image) -> Iterator[subprocess.Popen[bytes]]:
    """The image on a pseudo terminal that it opens itself."""
    with subprocess.Popen(
        [str(image.elf), "--pty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        yield started
        started.kill()


def terminal_of(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def test_clients_come_and_go(process: subprocess.Popen[bytes]) -> None:
    name = terminal_of(process)
    assert Path(name).is_char_device()
    for _ in range(2):
        dut = Dut(open_serial(name))
        assert dut.wait_ready() == "this computer, as a process"
        assert dut.info().steps == 2
        dut.close()


def test_it_ends_when_its_standard_input_does(process: subprocess.Popen[bytes]) -> None:
    terminal_of(process)
    assert process.stdin is not None
    process.stdin.write(b"ignored")
    process.stdin.flush()
    time.sleep(0.1)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(10) == 0


def test_arguments_that_cannot_be(image: Image, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for arguments in (
        ["--nonsense"],
        ["--model"],
        ["--model", "/nonexistent"],
        ["--model", "empty"],
    ):
        done = subprocess.run(
            [str(image.elf), *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert done.returncode in (1, 2)
        assert len(done.stderr.splitlines()) == 1

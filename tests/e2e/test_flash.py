"""`edgeserve flash` from end to end: the upload a copy, the board a process on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from edgeserve import cli, flash
from edgeserve.board import load_board
from edgeserve.pipeline.build import build
from edgeserve.pipeline.opening import open_model
from tests.e2e.bench_images import two_layers
from tests.e2e.process_board import PROCESS_BOARD
from tests.narrow_layers import Layers

BOARD = f"""
name = "a process that stands for a board"
{PROCESS_BOARD}
[upload]
methods = ["uf2"]
uf2_volume = "BOARD"

[usb]
ids = ["1209:0001"]
source = "ids for tests"
"""


class Bench:
    """A folder with a model, a board file, the loader's drive, and a board that runs the model."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "two.tflite"
        self.model.write_bytes(two_layers())
        self.board = folder / "my_board.toml"
        self.board.write_text(BOARD)
        self.drive = folder / "media" / "BOARD"
        self.drive.mkdir(parents=True)
        (self.drive / "INFO_UF2.TXT").touch()
        self.image = folder / "bench.uf2"
        bundle = open_model(self.model)
        _, built = build(bundle, load_board(str(self.board)))
        self.image.write_bytes(built.elf.read_bytes())
        self.elf = built.elf

    @contextmanager
    def running(self) -> Iterator[str]:
        """The board's terminal."""
        argv = [str(self.elf), "--pty"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                yield child.stdout.readline().decode().strip()
            finally:
                child.stdin.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(flash, "_mount_points", lambda: (tmp_path / "media",))
    return Bench(tmp_path)


def run(bench: Bench, model: Path, port: str, *more: str) -> int:
    image = ("--image", str(bench.image))
    return cli.main(
        ["flash", str(model), "--board", str(bench.board), "--port", port, *image, *more]
    )


def test_what_runs_is_what_was_sent(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with bench.running() as port:
        assert run(bench, bench.model, port) == 0
    assert (bench.drive / "bench.uf2").read_bytes() == bench.image.read_bytes()
    said = capsys.readouterr().out
    assert said.startswith(f"my_board on {port} runs two (table ")
    assert said.endswith("written by uf2\n")


def test_another_model_answers(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    other = tmp_path / "other.tflite"
    other.write_bytes(b.done(x, [b.dense(b.conv(x, ".z."), "..")]))
    with bench.running() as port:
        assert run(bench, other, port) == 4
    assert "holds another model: two" in capsys.readouterr().err


def test_nothing_is_written_where_nothing_is_connected(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bench, bench.model, "/dev/ttyACM99") == 4
    assert "nothing is at /dev/ttyACM99" in capsys.readouterr().err
    assert not (bench.drive / "bench.uf2").exists()


def plugged(name: str, serial: str) -> ListPortInfo:
    info = ListPortInfo(name)
    info.vid, info.pid, info.serial_number = 0x1209, 0x0001, serial
    return info


def failed(bench: Bench, port: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says that could not reach the board: an error, a hint, nothing written."""
    assert run(bench, bench.model, port) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 2
    assert not (bench.drive / "bench.uf2").exists()
    return said.err


def test_two_boards_of_a_kind_need_a_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [plugged("/dev/ttyACM0", "1"), plugged("/dev/ttyACM1", "2")]
    monkeypatch.setattr(list_ports, "comports", lambda: two)
    said = failed(bench, "auto", capsys)
    assert "2 boards could be a my_board: /dev/ttyACM0" in said
    assert "/dev/ttyACM1" in said
    assert "--port" in said


def test_a_port_in_use_is_told(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = pty.openpty()
    with closing(os.fdopen(ours, "rb")), closing(os.fdopen(theirs, "rb")) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        name = os.ttyname(theirs)
        assert f"{name} is in use by another program" in failed(bench, name, capsys)


def test_a_port_that_is_not_permitted_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pty.openpty()
    name, really = os.ttyname(theirs), os.open

    def denied(path: str, *arguments: int, **named: int) -> int:
        if path == name:
            raise PermissionError(13, "Permission denied", path)
        return really(path, *arguments, **named)

    with closing(os.fdopen(ours, "rb")), closing(os.fdopen(theirs, "rb")):
        monkeypatch.setattr(os, "open", denied)
        said = failed(bench, name, capsys)
    assert f"no permission to open {name}" in said
    assert "usermod -aG dialout" in said
    assert "udev" in said

"""What `edgeserve devices` lists."""

from __future__ import annotations

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from edgeserve.cli import main
from edgeserve.device.ports import present_devices


def port(name: str, vendor: int | None, product: int | None) -> ListPortInfo:
    info = ListPortInfo(name)
    info.description = "a board"
    info.vid, info.pid = vendor, product
    return info


def test_boards_come_first_then_ports_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [port("/dev/ttyACM1", 0x0483, 0x374B), port("/dev/ttyACM0", None, None)]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    found = present_devices()
    assert [one.device for one in found] == [
        "host",
        "mps2-an500",
        "mps2-an500-banks",
        "/dev/ttyACM0",
        "/dev/ttyACM1",
    ]
    assert found[-1].note == "USB 0483:374b"
    assert found[-2].note == ""


def test_a_missing_emulator_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    board = next(one for one in present_devices() if one.device == "mps2-an500")
    assert not board.ready
    assert "qemu-system-arm" in board.note


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices"]) == 0
    assert "mps2-an500" in capsys.readouterr().out

"""The magnetometer that QEMU emulates, on an emulated board's bus, and what it is made to feel."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeserve.board import Board
from edgeserve.device.link import Link

SHIFT = 4
GAUSS = 100_000
"""QEMU's unit of a field is 0.001 microtesla."""
GAINS = (1100, 1100, 980)
"""LSB a gauss at +-1.3 gauss, x, y, z: the data sheet's table 75."""


def steps(field: tuple[int, int, int]) -> list[int]:
    """The axes that the driver delivers in a field: 12 bits, widened to 16."""
    return [(v * gain // GAUSS) << SHIFT for v, gain in zip(field, GAINS, strict=True)]


def with_magnetometer(board: Board, control: Path) -> Board:
    """The board with the sensor on its bus, and QEMU's monitor at the socket ``control``."""
    assert board.emulator is not None
    sensor = ("-device", "lsm303dlhc_mag,address=0x1e,id=mag")
    more = (*sensor, "-qmp", f"unix:{control},server=on,wait=off")
    return replace(board, emulator=replace(board.emulator, arguments=more))


def line(link: Link) -> str:
    return link.read_line(time.monotonic() + 60)


def _connected(path: Path) -> socket.socket:
    """QEMU makes the socket once the UART has its client, and listens a moment later."""
    deadline = time.monotonic() + 30
    while True:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.connect(str(path))
        except OSError:
            made.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return made


class Monitor:
    """QEMU's own control, by which a test sets what the sensor feels."""

    def __init__(self, path: Path) -> None:
        self.socket = _connected(path)
        self.file = self.socket.makefile("rw")
        assert "QMP" in json.loads(self.file.readline())
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: object) -> Any:
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            told = json.loads(self.file.readline())
            if "event" not in told:
                return told["return"]

    def feel(self, field: tuple[int, int, int]) -> None:
        for axis, value in zip("xyz", field, strict=True):
            self.command(
                "qom-set", path="/machine/peripheral/mag", property=f"mag-{axis}", value=value
            )

"""What a model could run on from here: serial ports, and emulators that are installed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from serial.tools import list_ports

from edgeserve.board import Kind, board_ids, load_board


@dataclass(frozen=True, slots=True)
class Present:
    """``device`` is what ``--device`` takes; where it is not ``ready``, ``note`` says why."""

    device: str
    what: str
    ready: bool
    note: str


def present_devices() -> tuple[Present, ...]:
    """Boards that need no cable, in order of their ids, then the serial ports of this machine."""
    return (*_without_cable(), *_ports())


def _without_cable() -> list[Present]:
    found = []
    for board in map(load_board, board_ids()):
        if board.port is None or board.kind is Kind.PHYSICAL or board.toolchain is None:
            continue
        tools = [f"{board.toolchain.prefix}gcc"]
        tools += [board.emulator.program] if board.emulator else []
        missing = [tool for tool in tools if shutil.which(tool) is None]
        note = f"not installed: {', '.join(missing)}" if missing else ""
        found.append(Present(board.id, board.name, not missing, note))
    return found


def _ports() -> list[Present]:
    ports = sorted(list_ports.comports(), key=lambda port: port.device)
    return [
        Present(port.device, port.description or "serial port", True, _usb(port.vid, port.pid))
        for port in ports
    ]


def _usb(vendor: int | None, product: int | None) -> str:
    return "" if vendor is None or product is None else f"USB {vendor:04x}:{product:04x}"

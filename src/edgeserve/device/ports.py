"""What a model could run on from here: serial ports, and emulators that are installed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from edgeserve.board import Board, Kind, board_ids, load_board
from edgeserve.errors import ConfigError, DeviceError, NotFound


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


def port_of(board: Board) -> str:
    """The serial port that a board's USB ids find.

    A board with several interfaces (one serial number) counts once, by its first one. Raises
    ConfigError when its file names no ids, NotFound for no such port, DeviceError for two boards.
    """
    if board.usb is None:
        raise ConfigError(
            f"{board.id}: its file does not say by which USB ids it is found",
            hint="name its port: --port /dev/ttyACM0, socket://HOST:PORT or rfc2217://HOST:PORT",
        )
    found = [port for port in list_ports.comports() if _id(port) in board.usb.ids]
    firsts: dict[str, str] = {}
    for port in sorted(found, key=lambda port: port.device):
        firsts.setdefault(port.serial_number or port.device, port.device)
    if not firsts:
        raise NotFound(
            f"no {board.id} is connected (USB {', '.join(board.usb.ids)})",
            hint="plug it in; `edgeserve devices` lists the ports; or name one: --port",
        )
    if len(firsts) > 1:
        raise DeviceError(
            f"{len(firsts)} boards could be a {board.id}: {', '.join(firsts.values())}",
            hint=f"name one: --port {next(iter(firsts.values()))}",
        )
    return next(iter(firsts.values()))


def _id(port: ListPortInfo) -> str:
    return _usb(port.vid, port.pid).removeprefix("USB ")

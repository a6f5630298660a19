"""Devices that hold a model: found, built for, started, opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeserve.board import Board, load_board
from edgeserve.compilation import Compiled, compile_bundle
from edgeserve.device.link import Link
from edgeserve.device.ports import Present, present_devices
from edgeserve.device.protocol import Dut, limits_for
from edgeserve.device.serial import open_serial
from edgeserve.device.start import start_image
from edgeserve.errors import ConfigError
from edgeserve.image import Image
from edgeserve.phone.kind import phone_ids
from edgeserve.pipeline.build import build
from edgeserve.pipeline.opening import board_of_target, names_a_board, open_model
from edgeserve.pipeline.progress import Progress, silent
from edgeserve.planfile import Wish


def devices() -> tuple[Present, ...]:
    """What ``--device`` can name here."""
    return present_devices()


def is_port(device: str) -> bool:
    """Whether a `--device` names a port rather than a board."""
    return "/" in device or device.upper().startswith("COM")


@dataclass(frozen=True, slots=True)
class OpenDevice:
    """A device that is ready, with the model that it holds. ``image`` is None behind a port."""

    compiled: Compiled
    image: Image | None
    dut: Dut

    @property
    def board(self) -> Board:
        return self.compiled.board


@contextmanager
def opened(
    path: Path,
    device: str,
    *,
    board: str | None,
    partition: bool = False,
    wish: Wish | None = None,
    progress: Progress = silent,
) -> Iterator[OpenDevice]:
    """Opens a device that holds a model, building and starting what is missing.

    ``device`` is an emulated board or the host, which are built for and started, or the port of a
    board that runs already; then ``board`` says which kind it is. Raises ConfigError, the errors of
    ``build``, and DeviceError.
    """
    if is_port(device) and board is None:
        raise ConfigError(
            f"{device} is a port: what board is on it?", hint="name it: --board mps2-an500"
        )
    if board is not None and is_port(device):
        kind = load_board(board)
    elif names_a_board(device):
        kind = board_of_target(device)
    else:
        raise ConfigError(
            f"unknown device {device!r}",
            hint="`edgeserve devices` lists boards and ports; bench takes a phone too: a kind of "
            f"phone ({', '.join(phone_ids())}), adb or adb:SERIAL",
        )
    bundle = open_model(path)
    if is_port(device):
        compiled, image = compile_bundle(bundle, kind, wish), None
        progress(None, f"opening {device}")
        link: Link = open_serial(device)
    else:
        compiled, image = build(bundle, kind, partition=partition, wish=wish, progress=progress)
        progress(None, f"starting {kind.id}")
        link = start_image(kind, image)
    try:
        dut = Dut(link, limits_for(compiled.program, kind.cpu.clock_hz))
        dut.wait_ready()
        yield OpenDevice(compiled, image, dut)
    finally:
        link.close()

"""Starting a built image where no cable is needed: in an emulator, or as a process."""

from __future__ import annotations

from edgeserve.board import Board, Kind
from edgeserve.device.process import ChildLink, open_process
from edgeserve.device.qemu import open_qemu
from edgeserve.errors import ConfigError
from edgeserve.image import Image


def start_image(board: Board, image: Image) -> ChildLink:
    """Starts ``image``, which was built for ``board``; closing the link ends it.

    Raises ConfigError for a physical board (it needs a port), and what the starter raises.
    """
    if board.kind is Kind.EMULATED:
        return open_qemu(board, image.elf, image.partition)
    if board.kind is Kind.HOST:
        table = () if image.partition is None else ("--model", str(image.partition.table))
        return open_process(image.elf, name=board.id, arguments=table)
    raise ConfigError(
        f"{board.id} is a physical board", hint="give the port that it is on with --device"
    )

"""Firmware of the hand-made program, built and opened as a device, for the tests in this folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeserve.board import load_board
from edgeserve.bundle import InputAdapter
from edgeserve.device.link import Link
from edgeserve.device.process import open_process
from edgeserve.device.protocol import Dut
from edgeserve.device.qemu import open_qemu
from edgeserve.firmware.writing import write_firmware
from edgeserve.image import Image
from edgeserve.program import Program
from edgeserve.table import write_table
from tests.tiny_program import tiny_memory

WERROR = ("-Werror",)
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", *WERROR)


def write_tiny(
    folder: Path,
    board: str,
    program: Program,
    *,
    adapter: InputAdapter = InputAdapter.NONE,
    symbol: str = "tiny",
) -> Path:
    """Writes the firmware project of a program below ``folder`` and returns where."""
    dest = folder / f"firmware of {board}"
    table = write_table(program, tiny_memory(program))
    write_firmware(
        dest,
        symbol=symbol,
        table=table,
        program=program,
        board=load_board(board),
        adapter=adapter,
    )
    return dest


def open_image(board: str, image: Image) -> Link:
    """Starts an image as a process or in QEMU."""
    if board == "host":
        arguments = ("--model", str(image.partition.table)) if image.partition else ()
        return open_process(image.elf, arguments=arguments)
    return open_qemu(load_board(board), image.elf, image.partition)


@contextmanager
def running(board: str, image: Image) -> Iterator[Dut]:
    """A device that has answered."""
    dut = Dut(open_image(board, image))
    try:
        dut.wait_ready()
        yield dut
    finally:
        dut.close()


class Conversation:
    """Commands as a person types them, and the lines that come back up to ``m-ready``."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.until_ready()

    def until_ready(self) -> list[str]:
        lines = []
        while (line := self.link.read_line(time.monotonic() + 10)) != "m-ready":
            lines.append(line)
        return lines

    def ask(self, command: str) -> list[str]:
        self.link.send(f"{command}%")
        lines = self.until_ready()
        return [line for line in lines if not line.startswith("m-es-check-")]


@contextmanager
def conversation(board: str, image: Image) -> Iterator[Conversation]:
    """A fresh device that has just started."""
    link = open_image(board, image)
    try:
        yield Conversation(link)
    finally:
        link.close()

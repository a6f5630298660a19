"""Flashing: an image onto a board, then a look whether what runs is what was sent."""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass
from pathlib import Path

from edgeserve.board import Board, Method
from edgeserve.device.answers import DeviceInfo
from edgeserve.device.flash import (
    copy_uf2,
    endings,
    flash_argv,
    jlink_script,
    require_esp_image,
    run_flash_tool,
    upload_of,
)
from edgeserve.device.link import Link
from edgeserve.device.ports import port_of
from edgeserve.device.protocol import Dut
from edgeserve.device.runs import Limits
from edgeserve.device.serial import open_serial
from edgeserve.errors import ConfigError, DeviceError, NotFound

AUTO = "auto"
REAPPEAR_S = 15.0
_POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class Flashed:
    """What was done, and what the board says of itself afterwards."""

    board: str
    method: Method
    port: str
    info: DeviceInfo


def choose_method(board: Board, wanted: Method | None, image: Path | None) -> Method:
    """The wanted method, or the board's first one that takes such an image (or, without one, a
    project). Raises ConfigError for a board or an image that cannot be flashed so.
    """
    methods = upload_of(board).methods
    if wanted is not None and wanted not in methods:
        raise ConfigError(
            f"{board.id} is not flashed by {wanted}", hint=f"its methods: {', '.join(methods)}"
        )
    candidates = methods if wanted is None else (wanted,)
    ending = None if image is None else image.suffix
    for method in candidates:
        if (ending is None and method is Method.PLATFORMIO) or ending in endings(method):
            return method
    takes = dict.fromkeys(end for method in candidates for end in endings(method))
    given = "without an image" if image is None else f"from {image.name}"
    raise ConfigError(
        f"{board.id} cannot be flashed {given} by {' or '.join(candidates)}",
        hint=f"give one with --image: {', '.join(takes)}"
        if takes
        else "leave out --image: PlatformIO builds it",
    )


def flash(
    board: Board,
    method: Method,
    image: Path,
    port: str,
    *,
    table_sha256: str,
    limits: Limits | None = None,
) -> Flashed:
    """Writes ``image`` (for PlatformIO the project's folder), waits until the board says that it is
    ready, and holds its model against ``table_sha256``.

    ``port`` is a name, a URL or ``auto``. Raises ConfigError, MissingTool, and DeviceError: also as
    NotFound, FlashFailed, Timeout.
    """
    if not image.exists():
        raise NotFound(f"there is no image {image}", hint="build it first")
    found = resolve(board, port, method)
    if found is not None and "://" not in found:
        # Nothing there, no permission, in use: said before a tool says it in its own words.
        open_serial(found).close()
    put(board, method, image, found)
    link = reopen(board, port)
    try:
        info = confirm(link, table_sha256, limits)
        return Flashed(board.id, method, link.name, info)
    finally:
        link.close()


_WITHOUT_PORT = (Method.DFU, Method.PICOTOOL, Method.UF2, Method.TEENSY)
"""Methods whose loader is another USB device: the board's port may be there or not."""


def resolve(board: Board, port: str, method: Method) -> str | None:
    """The port before the upload; None where the method needs none and none is there."""
    if port != AUTO:
        return port
    try:
        return port_of(board)
    except NotFound:
        if method in _WITHOUT_PORT:
            return None
        raise


def put(board: Board, method: Method, image: Path, port: str | None) -> None:
    """Writes the image onto the board by one method."""
    if method is Method.UF2:
        copy_uf2(image.resolve(), str(upload_of(board).uf2_volume), _mount_points())
        return
    if method is Method.ESPTOOL:
        require_esp_image(image, board)
    argv = flash_argv(board, method, image.resolve(), port)
    text = jlink_script(image.resolve()) if method is Method.JLINK else ""
    run_flash_tool(argv, method, board, text)


def reopen(board: Board, port: str, wait_s: float = REAPPEAR_S) -> Link:
    """The board's port once it is there again: one with USB of its own goes away while it starts,
    and its permissions may come a moment later.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return open_serial(port_of(board) if port == AUTO else port)
        except DeviceError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_S)


def confirm(link: Link, table_sha256: str, limits: Limits | None = None) -> DeviceInfo:
    """Waits for ``m-ready``; the board's facts, whose model must be the table of that SHA-256."""
    dut = Dut(link, limits) if limits is not None else Dut(link)
    dut.wait_ready()
    return dut.require_table(table_sha256)


def _mount_points() -> tuple[Path, ...]:
    user = getpass.getuser()
    return (Path("/media") / user, Path("/run/media") / user, Path("/Volumes"), Path("/mnt"))

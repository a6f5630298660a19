"""The order of `flash`: a method, the image or the project that it takes, the board."""

from __future__ import annotations

from pathlib import Path

from edgeserve.board import Method as FlashMethod
from edgeserve.board import load_board
from edgeserve.compilation import compile_bundle
from edgeserve.device.flash import upload_of
from edgeserve.device.protocol import limits_for
from edgeserve.flash import Flashed, choose_method
from edgeserve.flash import flash as flash_board
from edgeserve.pipeline.build import build, write_project
from edgeserve.pipeline.opening import open_model
from edgeserve.pipeline.progress import Progress, silent


def flash(
    path: Path,
    *,
    board: str,
    port: str,
    method: str | None = None,
    image: Path | None = None,
    progress: Progress = silent,
) -> Flashed:
    """Puts the bench firmware of a model onto a board, and checks that it runs there.

    ``image`` is one that was built elsewhere; without one the board's project is. Raises
    ConfigError, MissingTool, ToolFailed and DeviceError.
    """
    kind = load_board(board)
    wanted = None if method is None else FlashMethod(method)
    bundle = open_model(path)
    by_project = kind.framework is not None or wanted is FlashMethod.PLATFORMIO
    if image is not None:
        chosen = choose_method(kind, wanted, image)
        compiled = compile_bundle(bundle, kind)
    elif by_project:
        chosen = choose_method(kind, wanted, None)
        compiled, image = write_project(bundle, kind)
    else:
        upload_of(kind)
        compiled, built = build(bundle, kind, progress=progress)
        chosen = choose_method(kind, wanted, built.elf)
        image = built.elf
    progress(None, f"flashing {kind.id} by {chosen}")
    return flash_board(
        kind,
        chosen,
        image,
        port,
        table_sha256=compiled.table.sha256,
        limits=limits_for(compiled.program, kind.cpu.clock_hz),
    )

"""The order of `build`: a bundle's plan, its firmware project, the bench image."""

from __future__ import annotations

from pathlib import Path

from edgeserve.board import Board
from edgeserve.bundle_store import Bundle, bundle_lock
from edgeserve.compilation import Compiled, compile_bundle, write_plan
from edgeserve.declaration_file import Declaration
from edgeserve.firmware.build import build as build_image
from edgeserve.firmware.writing import write_firmware
from edgeserve.image import Image
from edgeserve.pipeline.progress import Progress, silent
from edgeserve.planfile import Wish


def build(
    bundle: Bundle,
    board: Board,
    *,
    partition: bool = False,
    energy: bool = False,
    wish: Wish | None = None,
    progress: Progress = silent,
    changes: list[str] | None = None,
) -> tuple[Compiled, Image]:
    """Writes a bundle's firmware project for a board and builds its bench image.

    ``changes`` gets what became of each file of the project that is not as it was. Raises what
    ``compile_bundle`` does, ConfigError for a board without a port, MissingTool and ToolFailed for
    the compiler.
    """
    with bundle_lock(bundle.path):
        compiled, folder = _write_project(bundle, board, wish, changes)
        progress(None, f"building the firmware for {board.id}")
        return compiled, build_image(folder, partition=partition, energy=energy)


def write_project(bundle: Bundle, board: Board, wish: Wish | None = None) -> tuple[Compiled, Path]:
    """Writes a bundle's firmware project for a board, without building it. Raises as ``build``."""
    with bundle_lock(bundle.path):
        return _write_project(bundle, board, wish)


def _write_project(
    bundle: Bundle, board: Board, wish: Wish | None, changes: list[str] | None = None
) -> tuple[Compiled, Path]:
    compiled = compile_bundle(bundle, board, wish)
    write_plan(compiled, bundle.path)
    folder = bundle.board_dir(board.id) / "firmware"
    write_firmware(
        folder,
        symbol=bundle.identifier,
        table=compiled.table,
        program=compiled.program,
        board=board,
        adapter=bundle.facts.input_adapter,
        signals=Declaration(bundle.facts.preprocess, bundle.facts.postprocess),
        changes=changes,
    )
    return compiled, folder

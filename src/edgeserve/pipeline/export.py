"""The order of `export`: a model planned for a board, its sources, the package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from edgeserve import __version__
from edgeserve.board import Board, Toolchain
from edgeserve.bundle import InputAdapter
from edgeserve.compilation import Compiled, compile_bundle
from edgeserve.declaration_file import Declaration
from edgeserve.errors import ConfigError
from edgeserve.firmware.writing import make_project, project_files, user_application
from edgeserve.packaging.archive import write_package
from edgeserve.packaging.arduino import arduino_files
from edgeserve.packaging.contents import Contents
from edgeserve.packaging.zephyr import zephyr_files
from edgeserve.pipeline.fit import footprint
from edgeserve.pipeline.opening import open_model
from edgeserve.planfile import Wish


class PackageKind(StrEnum):
    """Whose build takes the package."""

    ARDUINO = "arduino"
    ZEPHYR = "zephyr"
    PLATFORMIO = "platformio"


@dataclass(frozen=True, slots=True)
class Exported:
    """A package that was written, with the number of its files."""

    path: Path
    kind: PackageKind
    name: str
    board: str
    files: int
    arena_bytes: int


def export(
    model: Path, board: Board, kind: PackageKind, destination: Path, wish: Wish | None = None
) -> Exported:
    """Writes a model's sources for a board as a package, a folder or a ``.zip``.

    The same model, board and wish give the same bytes. Raises what ``compile_bundle`` does,
    ConfigError for a plan or a board that the package cannot serve or a place that is taken.
    """
    compiled = compile_bundle(open_model(model), board, wish)
    contents = _contents(compiled, kind)
    if kind is PackageKind.PLATFORMIO:
        files = {**contents.files, **user_application()}
    elif compiled.wish.by_rows:
        raise ConfigError(
            f"{compiled.bundle.name} is planned to take its input row by row, which the example "
            "does not",
            hint="plan it again without --by-rows",
        )
    elif kind is PackageKind.ARDUINO:
        files = arduino_files(contents, board)
    else:
        files = zephyr_files(contents)
    write_package(destination, contents.name, files)
    return Exported(
        destination, kind, contents.name, board.id, len(files), contents.project.arena_bytes
    )


def _contents(compiled: Compiled, kind: PackageKind) -> Contents:
    bundle, board = compiled.bundle, compiled.board
    adapter = bundle.facts.input_adapter
    if kind is PackageKind.PLATFORMIO:
        if board.platformio is None:
            raise ConfigError(
                f"PlatformIO does not know {board.id}: its file has no [platformio]",
                hint="choose a physical board that `edgeserve boards` lists",
            )
        ported = board
    else:
        # The port is the other build's, and the bench stays out: any that there is will do.
        ported, adapter = (
            replace(board, port="host", toolchain=Toolchain("", ())),
            InputAdapter.NONE,
        )
    signals = Declaration(bundle.facts.preprocess, bundle.facts.postprocess)
    project = make_project(
        symbol=bundle.identifier,
        table=compiled.table,
        program=compiled.program,
        board=ported,
        signals=signals,
    )
    files = project_files(project, compiled.table, compiled.program, ported, adapter, signals)
    return Contents(
        project=project,
        files=files,
        model=bundle.name,
        board_name=board.name,
        made_for=board.cpu.core,
        stack_bytes=footprint(compiled).stack_bytes,
        version=__version__,
    )

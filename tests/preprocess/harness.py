"""The C of a declaration, built and run: sanitized on the host, and on emulated boards."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmarks.board_runner import SEMIHOSTING, emulator_argv
from edgeserve.board import Board
from edgeserve.declaration_file import Declaration
from edgeserve.firmware.build import build
from edgeserve.firmware.project import PREPROCESS_FOLDER, ImageKind
from edgeserve.firmware.writing import write_firmware
from edgeserve.graph import Quant
from edgeserve.preprocess.declaration import Front, declared
from edgeserve.preprocess.host import affines, quantized
from edgeserve.table import write_table
from tests.tiny_program import tiny_memory, tiny_program

RUNNER = Path(__file__).with_name("runner.c")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclass(frozen=True, slots=True)
class Case:
    """A declaration with the scale and zero point of the model's input."""

    name: str
    front: Front
    step: float
    zero_point: int

    def wanted(self, raw: NDArray[Any]) -> bytes:
        """What the host computes."""
        last = affines(self.front, step=self.step, zero_point=self.zero_point)
        return quantized(self.front, raw, last).tobytes()


def write_project(folder: Path, case: Case, board: Board) -> Path:
    """A firmware project whose model's input has the case's scale, with the runner as its app."""
    program = tiny_program()
    port = replace(program.inputs[0], quant=Quant((case.step,), (case.zero_point,)))
    program = replace(program, inputs=(port,))
    project = folder / f"{case.name} on {board.id}"
    write_firmware(
        project,
        symbol="tiny",
        table=write_table(program, tiny_memory(program)),
        program=program,
        board=board,
        signals=Declaration(declared(case.front)),
    )
    for source, name in ((RUNNER, "app.c"), (SEMIHOSTING, SEMIHOSTING.name)):
        (project / "src" / name).write_bytes(source.read_bytes())
    return project


def build_on_host(
    project: Path,
    sources: Sequence[Path],
    includes: Sequence[Path],
    flags: Sequence[str] = (),
) -> Path:
    """A sanitized program of a project's sources."""
    binary = project / "on host"
    subprocess.run(
        [
            *("gcc", "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Wconversion", "-Werror"),
            *SANITIZERS,
            *("-DRUNNER_ON_HOST", *flags),
            *(f"-I{folder}" for folder in includes),
            *map(str, sources),
            *("-o", str(binary)),
        ],
        check=True,
    )
    return binary.resolve()


def on_host(project: Path, case: Case, raws: Sequence[NDArray[Any]], mode: int = 0) -> list[bytes]:
    """What the sanitized C makes of raw data."""
    folder = project / PREPROCESS_FOLDER
    sources = [project / "src/app.c", *sorted(folder.glob("*.c"))]
    binary = build_on_host(project, sources, [folder])
    return _answers(project, [str(binary)], case, raws, mode)


def on_board(
    project: Path, case: Case, board: Board, raws: Sequence[NDArray[Any]], mode: int = 0
) -> list[bytes]:
    """The same on an emulated board."""
    elf = build(project, kind=ImageKind.APP, extra_flags=("-Werror",)).elf
    return _answers(project, emulator_argv(board, elf), case, raws, mode)


def _answers(
    folder: Path, argv: Sequence[str], case: Case, raws: Sequence[NDArray[Any]], mode: int
) -> list[bytes]:
    head = struct.pack("<I", mode)
    (folder / "cases").write_bytes(b"".join(head + raw.tobytes() for raw in raws))
    (folder / "answers").unlink(missing_ok=True)
    subprocess.run(argv, cwd=folder, check=True, timeout=600)
    data, size = (folder / "answers").read_bytes(), prod(case.front.shape)
    return [data[at : at + size] for at in range(0, len(data), size)]

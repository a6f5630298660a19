"""Many model tables in one start of an emulated board: what every step writes, and what it costs.

The image has every kernel of the board's cores linked in. Cases and answers are files beside the
emulator, which reads and writes them for the image (semihosting), so that a thousand small cases
take seconds.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.sizes import present_kernels, write_workshop
from edgeserve.board import Board, Holds
from edgeserve.errors import ToolFailed
from edgeserve.firmware.build import build, run_tool
from edgeserve.firmware.project import USER_FOLDER, ImageKind

SOURCE = Path(__file__).with_name("board_runner.c")
SEMIHOSTING = Path(__file__).with_name("semihosting.h")
PLUGIN = Path(__file__).with_name("qemu_words.c")
WORDS = "words"
TIMEOUT_S = 600.0
_HEAD, _WHOLE, _STEP = struct.Struct("<II"), struct.Struct("<I"), struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class Case:
    """A table, and for each run the bytes of all inputs, one after the other."""

    table: bytes
    inputs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StepSeen:
    """What a step took in all its turns, in the board's unit, and the CRC-32 of what it wrote."""

    count: int
    turns: int
    crc: int


@dataclass(frozen=True, slots=True)
class RunSeen:
    """One inference: by itself, and with somebody watching each step.

    ``words`` are the memory accesses of the first, None where they were not counted.
    """

    whole: int
    steps: tuple[StepSeen, ...]
    words: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` of ``es_init`` (0: good), then a row a run."""

    status: int
    runs: tuple[RunSeen, ...]


def emulator_argv(board: Board, elf: Path) -> tuple[str, ...]:
    """What starts an image that reads and writes files of the current folder."""
    emulator = board.emulator
    assert emulator is not None
    return (
        *(emulator.program, "-machine", emulator.machine, *emulator.arguments),
        *("-display", "none", "-monitor", "none", "-serial", "null", "-nodefaults"),
        *("-icount", f"shift={emulator.icount_shift},sleep=off"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-kernel", str(elf.resolve())),
    )


MEMORY_BYTES = 1 << 20
OTHER_RAM_BYTES = 32 << 10
"""Left for the stack and the image's own variables on a board with less than all that."""


def _room(board: Board) -> int:
    """What a table and an arena may have each, where inputs take half as much again."""
    free = board.holding(Holds.DATA)[0].free_bytes - OTHER_RAM_BYTES
    return min(MEMORY_BYTES, free * 2 // 5 // 16 * 16)


class BoardRunner:
    """An image for one board, built once; each call starts the emulator anew."""

    def __init__(self, board: Board, folder: Path, *, memory_bytes: int | None = None) -> None:
        if board.emulator is None:
            raise ValueError(f"{board.id} is not emulated")
        self._board = board
        project = folder / f"runner of {board.id}"
        memory_bytes = memory_bytes or _room(board)
        kinds = present_kernels()
        write_workshop(project, board, kinds)
        shutil.copyfile(SOURCE, project / USER_FOLDER / "app.c")
        shutil.copyfile(SEMIHOSTING, project / USER_FOLDER / SEMIHOSTING.name)
        flags = [f"-DRUNNER_{what}_BYTES={memory_bytes}u" for what in ("TABLE", "ARENA")]
        flags.append(f"-DRUNNER_KERNELS={len(kinds)}")
        self._elf = build(project, kind=ImageKind.APP, extra_flags=flags).elf

    def run(self, cases: Iterable[Case], *, words: bool = False) -> tuple[Answer, ...]:
        """The answers in order; they end with the first case that is refused.

        ``words``: memory accesses are counted too, by a plugin of the emulator. Raises ToolFailed
        when the emulator does not come to an end by itself.
        """
        with tempfile.TemporaryDirectory(prefix="edgeserve-runner-") as folder:
            asked = tuple(cases)
            with (Path(folder) / "cases").open("wb") as file:
                for case in asked:
                    file.write(_HEAD.pack(len(case.table), len(case.inputs)) + case.table)
                    file.writelines(case.inputs)
            self._start(Path(folder), self._word_counter(Path(folder)) if words else ())
            answers = tuple(_answers((Path(folder) / "answers").read_bytes(), asked))
            if words:
                counted = iter(map(int, (Path(folder) / WORDS).read_text().split()))
                answers = tuple(_with_words(answer, counted) for answer in answers)
            return answers

    def _word_counter(self, folder: Path) -> tuple[str, ...]:
        """The plugin, built, and QEMU's arguments for it."""
        library = folder / "qemu_words.so"
        run_tool(("gcc", "-O2", "-shared", "-fPIC", str(PLUGIN), "-o", str(library)), cwd=folder)
        assert self._board.toolchain is not None
        listing = run_tool((f"{self._board.toolchain.prefix}nm", str(self._elf)), cwd=folder)
        symbols = {
            name: int(address, 16) for address, _, name in map(str.split, listing.splitlines())
        }
        enter, leave = (symbols[f"runner_{name}"] & ~1 for name in ("enter", "leave"))
        return ("-plugin", f"{library},enter={enter:#x},leave={leave:#x},out={folder / WORDS}")

    def _start(self, folder: Path, more: Sequence[str]) -> None:
        emulator = self._board.emulator
        assert emulator is not None
        argv = (*emulator_argv(self._board, self._elf), *more)
        try:
            done = subprocess.run(
                argv, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise ToolFailed(emulator.program, status=f"no end in {TIMEOUT_S:.0f} s") from None
        if done.returncode or not (folder / "answers").is_file():
            tail = tuple(done.stderr.splitlines()[-5:])
            raise ToolFailed(emulator.program, status=f"exit {done.returncode}", tail=tail)


def _with_words(answer: Answer, counted: Iterator[int]) -> Answer:
    return replace(answer, runs=tuple(replace(run, words=next(counted)) for run in answer.runs))


def _answers(data: bytes, cases: Sequence[Case]) -> Iterator[Answer]:
    at = 0
    for case in cases:
        status, steps = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        runs = []
        for _ in case.inputs if status == 0 else ():
            (whole,) = _WHOLE.unpack_from(data, at)
            at += _WHOLE.size
            end = at + steps * _STEP.size
            runs.append(
                RunSeen(whole, tuple(StepSeen(*seen) for seen in _STEP.iter_unpack(data[at:end])))
            )
            at = end
        yield Answer(status, tuple(runs))
        if status:
            return

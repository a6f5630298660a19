"""A C program of the firmware's own sources, sanitized, that does as it is told on its input."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from edgeserve.resources import firmware_root

Told = Callable[[str, Iterable[object]], list[str]]
"""Runs a mode of the program on words of input; the lines of its output."""


def told_runner(runner: Path, folders: Sequence[str], where: Path) -> Told:
    """Builds ``runner`` with the sources of ``folders`` of ``firmware/`` as a program below
    ``where``.
    """
    root = firmware_root()
    binary = where / "runner"
    subprocess.run(
        [
            *("gcc", "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
            *(f"-I{root / folder}" for folder in ("include", *folders)),
            str(runner),
            *(str(path) for folder in folders for path in sorted((root / folder).glob("*.c"))),
            *("-o", str(binary)),
        ],
        check=True,
    )

    def run(mode: str, words: Iterable[object]) -> list[str]:
        text = " ".join(map(str, words))
        done = subprocess.run(
            [binary, mode], input=text, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.splitlines()

    return run

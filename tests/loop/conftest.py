"""The sensor loop's C behind a sanitized program that does as it is told."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from edgeserve.resources import firmware_root

Told = Callable[[str, Iterable[object]], list[str]]


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Runs a mode of the runner on words of input; the lines of its output."""
    folder = firmware_root() / "loop"
    binary = tmp_path_factory.mktemp("loop") / "runner"
    subprocess.run(
        [
            *("gcc", "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
            *(
                f"-I{folder}",
                f"-I{firmware_root() / 'include'}",
                str(Path(__file__).with_name("runner.c")),
            ),
            *map(str, sorted(folder.glob("*.c"))),
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

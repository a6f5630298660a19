"""The drivers' C behind a sanitized program with simulated buses that does as it is told."""

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
    root = firmware_root()
    binary = tmp_path_factory.mktemp("sensors") / "runner"
    sources = [*sorted((root / "sensors").glob("*.c")), *sorted((root / "loop").glob("*.c"))]
    subprocess.run(
        [
            *("gcc", "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
            *(f"-I{root / folder}" for folder in ("include", "loop", "sensors")),
            str(Path(__file__).with_name("runner.c")),
            *map(str, sources),
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

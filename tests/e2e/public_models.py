"""What the public models do and cost on the emulated Cortex-M7: found once a test run.

Plans, builds and counts of executed instructions are the same each time, and planning takes
longest.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.models import DEVICE, Row, row_of, run_on
from edgeserve.board import load_board
from edgeserve.pipeline.device import opened
from edgeserve.pipeline.verify import stimuli
from edgeserve.planfile import Wish, options
from edgeserve.strict_json import dump_json, load_json
from edgeserve.verify import verify
from tests.once import once

INPUTS = 20
_FILE = "examined.json"


@dataclass(frozen=True, slots=True)
class Examined:
    """A model of one wish, measured; and each step held to the oracle on ``INPUTS`` inputs."""

    compiler: str
    row: Row
    first_difference: str | None
    differing_bytes: int
    inputs: int
    covered: int
    folded: int
    uncovered: int
    total: int
    guards_intact: bool
    changed_arena_bytes: int
    planned_arena_bytes: int


Examine = Callable[[str, Wish], Examined]


def model_path(shared_data: Path, name: str) -> Path:
    """The file of a public model."""
    path = shared_data / "models" / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


def examiner(factory: pytest.TempPathFactory, shared_data: Path) -> Examine:
    """Processes that ask for the same model and wish wait for the one that has begun with it."""

    def examine(name: str, wish: Wish) -> Examined:
        def make(folder: Path) -> None:
            # Whoever uses a bundle of the same model elsewhere need not wait: it has its own here.
            with chdir(folder):
                found = _examined(model_path(shared_data, name), wish)
            (folder / _FILE).write_text(dump_json(found))

        folder = once(factory, f"{name} {options(wish)}".strip(), make)
        text = (folder / _FILE).read_text()
        found: Examined = load_json(Examined, text, where=_FILE)
        return found

    return examine


def _examined(path: Path, wish: Wish) -> Examined:
    run = run_on(path, load_board(DEVICE), wish)
    with opened(path, DEVICE, board=None, wish=wish) as target:
        compiled = target.compiled
        found = verify(
            compiled.program,
            compiled.table,
            compiled.bundle.model_bytes(),
            target.dut,
            stimuli(compiled, INPUTS),
        )
        marks = target.dut.memory()
    first = found.first_difference
    return Examined(
        compiler=run.image.compiler,
        row=row_of(run),
        first_difference=None if first is None else str(first),
        differing_bytes=found.differing_bytes,
        inputs=len(found.inputs),
        covered=found.coverage.covered,
        folded=len(found.coverage.folded),
        uncovered=len(found.coverage.uncovered),
        total=found.coverage.total,
        guards_intact=marks.guards_intact,
        changed_arena_bytes=marks.arena_bytes,
        planned_arena_bytes=compiled.plan.arena_bytes,
    )

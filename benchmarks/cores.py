"""The public models on every emulated core, beside what the portable kernels took there.

``python -m benchmarks.cores`` measures now and prints a line for each model and core;
``--baseline`` measures with the portable kernels alone and writes ``baseline_ref.toml``. Executed
instructions, exact for the compilers that the file names; nothing here is time.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.models import models_folder, portable, run_on
from benchmarks.sizes import BOARDS
from edgeserve.board import Board, load_board
from edgeserve.measurement import per_inference
from edgeserve.show.console import columns, draw

BASELINE = Path(__file__).with_name("baseline_ref.toml")


@dataclass(frozen=True, slots=True)
class CoreRow:
    """What one model costs on one core; ``stack_bytes`` is the computed worst case."""

    instructions: int
    arena_bytes: int
    code_bytes: int
    stack_bytes: int


def measure(model: Path, board: Board) -> tuple[str, CoreRow]:
    """Builds, runs and checks one model; the compiler's first line and the row.

    Raises WrongOutput when the core's output is not the oracle's.
    """
    run = run_on(model, board)
    image, marks = run.image, run.measurement.memory
    assert image.stack_bytes is not None
    assert marks.stack_high_water_bytes is not None
    assert marks.stack_high_water_bytes <= image.stack_bytes, f"{model.stem} on {board.id}"
    assert marks.arena_high_water_bytes <= image.arena_bytes, f"{model.stem} on {board.id}"
    return image.compiler, CoreRow(
        instructions=per_inference(run.measurement),
        arena_bytes=image.arena_bytes,
        code_bytes=image.code_bytes,
        stack_bytes=image.stack_bytes,
    )


def read_baseline() -> Mapping[str, Mapping[str, CoreRow]]:
    """The committed rows, by model and core."""
    document = tomllib.loads(BASELINE.read_text(encoding="utf-8"))
    return {
        model: {core: CoreRow(**row) for core, row in rows.items()}
        for model, rows in document["models"].items()
    }


def baseline_text(compilers: Mapping[str, str], rows: Mapping[str, Mapping[str, CoreRow]]) -> str:
    """The TOML document that ``read_baseline`` reads."""
    lines = [
        "# The portable kernels on every emulated core: instructions an inference, and bytes.",
        "# Written by: python -m benchmarks.cores --baseline",
        "[compilers]",
        *(f'{core} = "{compiler}"' for core, compiler in compilers.items()),
    ]
    for model, cores in rows.items():
        lines += ["", f"[models.{model}]"]
        for core, row in cores.items():
            fields = ", ".join(f"{key} = {value}" for key, value in asdict(row).items())
            lines.append(f"{core} = {{ {fields} }}")
    return "\n".join(lines) + "\n"


def measure_all(*, portable_alone: bool) -> tuple[dict[str, str], dict[str, dict[str, CoreRow]]]:
    """Compilers by core, and rows by model and core, of every public model that is here."""
    compilers: dict[str, str] = {}
    rows: dict[str, dict[str, CoreRow]] = {}
    for path in sorted(models_folder().glob("*.tflite")):
        rows[path.stem] = {}
        for core, board_id in BOARDS.items():
            board = load_board(board_id)
            chosen = portable(board) if portable_alone else board
            compilers[core], rows[path.stem][core] = measure(path, chosen)
    return compilers, rows


def table_of(rows: Mapping[str, Mapping[str, CoreRow]]) -> Any:
    """Now beside the baseline, a line for each model and core."""
    known = read_baseline()
    table = columns(
        *("model", "core", "portable, recorded", "instructions now", "of it"),
        *("arena", "code", "stack"),
    )
    for model, cores in rows.items():
        for core, row in cores.items():
            before = known[model][core].instructions
            table.add_row(
                model if core == next(iter(cores)) else "",
                core,
                f"{before:,}",
                f"{row.instructions:,}",
                f"{row.instructions / before:.2f}",
                f"{row.arena_bytes:,}",
                f"{row.code_bytes:,}",
                f"{row.stack_bytes:,}",
            )
    return table


def main() -> None:
    """Measures every model that is there on every core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baseline", action="store_true", help=f"write {BASELINE.name}")
    baseline = parser.parse_args().baseline
    compilers, rows = measure_all(portable_alone=baseline)
    if baseline:
        BASELINE.write_text(baseline_text(compilers, rows), encoding="utf-8")
    draw(table_of(rows))
    for compiler in dict.fromkeys(compilers.values()):
        print(compiler)
    print("Executed instructions under QEMU, not time. Recorded in benchmarks/baseline_ref.toml.")


if __name__ == "__main__":
    main()

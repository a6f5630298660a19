"""Every public model on every emulated board: held against the oracle, and what it takes there.

``python -m benchmarks.core_table`` builds, verifies and measures all of them (with ``--board`` one
board alone), writes ``core_table.toml`` and prints the table of docs/CORES.md, which a test holds
against that file; ``--print`` prints it without a run. Executed instructions, not time.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.models import models_folder, run_on
from edgeserve.board import load_board
from edgeserve.measurement import per_inference
from edgeserve.pipeline.verify import verify

RECORD = Path(__file__).with_name("core_table.toml")
BOARDS = (
    *("microbit", "mps2-an385", "mps2-an386", "netduinoplus2", "mps2-an500", "mps2-an505"),
    *("mps3-an547", "riscv-virt", "xtensa-sim"),
)
INPUTS = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one board. ``differing_bytes`` are of all steps of ``inputs`` inputs;
    ``flash_bytes`` are code and model, ``stack_bytes`` the computed worst case.
    """

    differing_bytes: int
    inputs: int
    steps: int
    instructions: int
    arena_bytes: int
    flash_bytes: int
    stack_bytes: int


Record = Mapping[str, Mapping[str, Cell]]
"""By model and board."""


def measure(model: Path, board_id: str) -> Cell:
    """Builds, verifies and measures one model. Raises WrongOutput where its output is wrong."""
    _, found = verify(model, board_id, board=None, inputs=INPUTS)
    assert not found.coverage.uncovered, f"{model.stem}: {found.coverage.uncovered}"
    run = run_on(model, load_board(board_id))
    image, marks = run.image, run.measurement.memory
    assert image.stack_bytes is not None
    assert marks.stack_high_water_bytes is not None
    assert marks.stack_high_water_bytes <= image.stack_bytes, f"{model.stem} on {board_id}"
    return Cell(
        differing_bytes=found.differing_bytes,
        inputs=len(found.inputs),
        steps=found.steps,
        instructions=per_inference(run.measurement),
        arena_bytes=image.arena_bytes,
        flash_bytes=image.code_bytes + image.model_bytes,
        stack_bytes=image.stack_bytes,
    )


def read_record() -> Record:
    """The committed rows; none where nothing was recorded yet."""
    if not RECORD.is_file():
        return {}
    document = tomllib.loads(RECORD.read_text(encoding="utf-8"))
    return {
        model: {board: Cell(**row) for board, row in rows.items()}
        for model, rows in document.items()
    }


def record_text(record: Record) -> str:
    """The TOML document that ``read_record`` reads, models sorted, boards in the table's order."""
    lines = [
        "# Every public model on every emulated board: executed instructions, and bytes.",
        "# Written by: python -m benchmarks.core_table",
    ]
    for model in sorted(record):
        lines += ["", f"[{model}]"]
        for board in (name for name in BOARDS if name in record[model]):
            fields = ", ".join(f"{key} = {n}" for key, n in asdict(record[model][board]).items())
            lines.append(f"{board} = {{ {fields} }}")
    return "\n".join(lines) + "\n"


def markdown(record: Record) -> str:
    """The table of docs/CORES.md."""
    lines = [
        "| model | board | differing bytes | inputs x steps | instructions | arena | flash "
        "| stack |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for model in sorted(record):
        for board in (name for name in BOARDS if name in record[model]):
            cell = record[model][board]
            lines.append(
                f"| {model} | {board} | {cell.differing_bytes:,} | {cell.inputs} x {cell.steps} "
                f"| {cell.instructions:,} | {cell.arena_bytes:,} | {cell.flash_bytes:,} "
                f"| {cell.stack_bytes:,} |"
            )
    return "\n".join(lines) + "\n"


def measure_boards(boards: Sequence[str]) -> None:
    """Measures every model that is there on the boards, and adds each to the record at once."""
    for board in boards:
        for path in sorted(models_folder().glob("*.tflite")):
            record = {model: dict(rows) for model, rows in read_record().items()}
            record.setdefault(path.stem, {})[board] = measure(path, board)
            RECORD.write_text(record_text(record), encoding="utf-8")


def main() -> None:
    """Measures, unless told only to print; then prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", action="append", choices=BOARDS, help="this one alone")
    parser.add_argument("--print", action="store_true", help="what was recorded, without a run")
    asked = parser.parse_args()
    if not asked.print:
        measure_boards(asked.board or BOARDS)
    print(markdown(read_record()), end="")


if __name__ == "__main__":
    main()

"""Instructions, words, arena, flash and stack of the public models on mps2-an500, beside a rival's.

``python -m benchmarks.models [--update]``: every configuration of ours live, the rival's from
``rivals.toml``; ``--update`` writes ``tests/golden/models.json``, which the tests hold every later
build against.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.board_runner import BoardRunner, Case
from edgeserve.bench import Candidate, bench
from edgeserve.board import Board, load_board
from edgeserve.compilation import Compiled
from edgeserve.device.protocol import Dut, limits_for
from edgeserve.device.start import start_image
from edgeserve.image import Image
from edgeserve.measurement import Measurement, per_inference
from edgeserve.pipeline.build import build
from edgeserve.pipeline.opening import open_model
from edgeserve.planfile import Wish
from edgeserve.show.console import columns, draw
from edgeserve.stimulus import xorshift_stimulus
from edgeserve.tflite.reader import read_model

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "tests" / "golden" / "models.json"
DEVICE = "mps2-an500"
BALANCED = Wish()
SEED = 0x12345678


@dataclass(frozen=True, slots=True)
class Configuration:
    """A way to build a model."""

    name: str
    wish: Wish = BALANCED
    portable: bool = False
    """With the kernels of every core alone (``kernels/ref``)."""


OURS = Configuration("edgeserve")
CONFIGURATIONS = (
    Configuration("edgeserve, portable kernels", portable=True),
    OURS,
    Configuration("edgeserve, 256 KiB of extra flash", Wish(flash_for_speed_bytes=256 << 10)),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one model costs on the device."""

    instructions: int
    init_instructions: int
    operators: int
    arena_bytes: int
    arena_high_water_bytes: int
    live_bound_bytes: int
    code_bytes: int
    model_bytes: int
    ram_other_bytes: int
    stack_bytes: int
    stack_high_water_bytes: int
    output_crc32: str


def models_folder() -> Path:
    """The public models beside the repository, or where EDGESERVE_SHARED_DATA says."""
    given = os.environ.get("EDGESERVE_SHARED_DATA")
    return (Path(given) if given else HERE.parents[1] / "shared" / "data") / "models"


def portable(board: Board) -> Board:
    """The board without the kernels that are made for its core."""
    return replace(board, cpu=replace(board.cpu, isa=("ref",)))


def board_of(configuration: Configuration) -> Board:
    """The board that a configuration is built for."""
    board = load_board(DEVICE)
    return portable(board) if configuration.portable else board


@dataclass(frozen=True, slots=True)
class Run:
    """A model that was built, run and found to give the oracle's output."""

    compiled: Compiled
    image: Image
    measurement: Measurement


def run_on(model: Path, board: Board, wish: Wish = BALANCED) -> Run:
    """Builds, runs and checks one model. Raises WrongOutput when it is not the oracle's."""
    compiled, image = build(open_model(model), board, wish=wish)
    assert board.toolchain is not None
    candidate = Candidate(
        bundle=compiled.bundle.name,
        model_tflite=compiled.bundle.model_bytes(),
        model_sha256=compiled.bundle.facts.model_sha256,
        program=compiled.program,
        table=compiled.table,
        board=board,
        image=image,
        flags=board.toolchain.flags,
    )
    dut = Dut(start_image(board, image), limits_for(compiled.program, None))
    try:
        dut.wait_ready()
        stimulus = xorshift_stimulus(compiled.program, SEED)
        return Run(compiled, image, bench(candidate, dut, stimulus, laps=2, warmup=0))
    finally:
        dut.close()


def measure(model: Path, wish: Wish = BALANCED) -> tuple[str, Row]:
    """Builds, runs and checks one model; the compiler's first line and the row."""
    run = run_on(model, load_board(DEVICE), wish)
    return run.image.compiler, row_of(run)


def row_of(run: Run) -> Row:
    """The figures of a run."""
    image, memory = run.image, run.measurement.memory
    assert image.stack_bytes is not None
    assert memory.stack_high_water_bytes is not None
    return Row(
        instructions=per_inference(run.measurement),
        init_instructions=run.measurement.init_count,
        operators=len(read_model(run.compiled.bundle.model_bytes(), name="measured").ops),
        arena_bytes=image.arena_bytes,
        arena_high_water_bytes=memory.arena_high_water_bytes,
        live_bound_bytes=run.compiled.live_bound_bytes,
        code_bytes=image.code_bytes,
        model_bytes=image.model_bytes,
        ram_other_bytes=image.ram_other_bytes,
        stack_bytes=image.stack_bytes,
        stack_high_water_bytes=memory.stack_high_water_bytes,
        output_crc32=run.measurement.output_crc32,
    )


def words_of(runner: BoardRunner, compiled: Compiled) -> int:
    """Memory accesses of one inference: words loaded and stored."""
    stimulus = xorshift_stimulus(compiled.program)
    (answer,) = runner.run([Case(compiled.table.data, (stimulus.data,))], words=True)
    assert answer.status == 0, f"{compiled.bundle.name}: es_init refuses the table"
    words = answer.runs[0].words
    assert words is not None
    return words


NOT_THERE = "-"
Line = tuple[str, ...]
COLUMNS = (
    *("model", "runtime", "instructions", "of ref.", "words", "init (an operator)"),
    *("arena (planned)", "flash", "stack"),
)


def rival_lines(name: str, rival: Mapping[str, int]) -> Iterator[Line]:
    """What was recorded of TensorFlow Lite Micro with each of its kernels."""
    reference, cmsis = rival["reference_instructions"], rival["cmsis_nn_instructions"]
    words = f"{rival['cmsis_nn_words']:,}" if "cmsis_nn_words" in rival else NOT_THERE
    planned = f"({rival['planned_arena_bytes']:,})"
    yield (
        *(name, "TFLM reference", f"{reference:,}", "1.00", NOT_THERE, NOT_THERE),
        *(f"{rival['reference_arena_bytes']:,} {planned}", NOT_THERE, RIVAL_STACK),
    )
    yield (
        *("", "TFLM + CMSIS-NN", f"{cmsis:,}", f"{cmsis / reference:.2f}", words),
        f"{rival['init_instructions']:,}",
        *(f"{rival['cmsis_nn_arena_bytes']:,} {planned}", f"{rival['flash_bytes']:,}", RIVAL_STACK),
    )


RIVAL_STACK = "1,000-1,500"
"""Bytes of its invoke, the same range for all models (``rivals.toml``)."""


def our_line(configuration: Configuration, row: Row, words: int, reference: int) -> Line:
    """What was measured now."""
    per_operator = row.init_instructions / row.operators
    return (
        *("", configuration.name, f"{row.instructions:,}"),
        *(f"{row.instructions / reference:.2f}", f"{words:,}"),
        f"{row.init_instructions:,} ({per_operator:.0f})",
        *(f"{row.arena_bytes:,}", f"{row.code_bytes:,}", f"{row.stack_bytes:,}"),
    )


def main() -> None:
    """Measures every model that is there in every configuration and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help=f"write {GOLDEN.name}")
    update = parser.parse_args().update
    rivals = tomllib.loads((HERE / "rivals.toml").read_text())
    table = columns(*COLUMNS)
    golden: dict[str, Any] = {"device": DEVICE, "compiler": "", "models": {}}
    with tempfile.TemporaryDirectory(prefix="edgeserve-words-") as folder:
        runners = {c.name: BoardRunner(board_of(c), Path(folder) / c.name) for c in CONFIGURATIONS}
        for path in sorted(models_folder().glob("*.tflite")):
            rival = rivals[path.stem]
            for line in rival_lines(path.stem, rival):
                table.add_row(*line)
            for configuration in CONFIGURATIONS:
                run = run_on(path, board_of(configuration), configuration.wish)
                row = row_of(run)
                words = words_of(runners[configuration.name], run.compiled)
                table.add_row(*our_line(configuration, row, words, rival["reference_instructions"]))
                if configuration is OURS:
                    golden["compiler"] = run.image.compiler
                    golden["models"][path.stem] = asdict(row)
    draw(table)
    print(f"edgeserve: measured now, {golden['compiler']}, QEMU {DEVICE}; executed instructions.")
    print("TFLM: recorded in benchmarks/rivals.toml, same board, same compiler series.")
    print("Flash is code, no model; stack is bytes, ours computed; -: not recorded, or not there.")
    if update:
        GOLDEN.write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()

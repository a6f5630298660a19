"""Instructions, arena, flash and stack of the public models on mps2-an500, beside the rivals'.

``python -m benchmarks.models [--update]``: ours live, the rival's from ``rivals.toml``;
``--update``
writes ``tests/golden/models.json``, which the tests hold every later build against.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.board_runner import BoardRunner, Case
from edgeserve import pipeline
from edgeserve.board import load_board
from edgeserve.compilation import compile_bundle
from edgeserve.measurement import per_inference
from edgeserve.planfile import Wish
from edgeserve.show import columns, draw
from edgeserve.stimulus import xorshift_stimulus

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "tests" / "golden" / "models.json"
DEVICE = "mps2-an500"
BALANCED = Wish()


@dataclass(frozen=True, slots=True)
class Row:
    """What one model costs on the device."""

    instructions: int
    init_instructions: int
    steps: int
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


def measure(model: Path, wish: Wish = BALANCED) -> tuple[str, Row]:
    """Builds, runs and checks one model; the compiler's first line and the row."""
    target, measurement = pipeline.bench(
        model, DEVICE, board=None, laps=2, warmup=0, seed=0x12345678, wish=wish
    )
    image, memory = target.image, measurement.memory
    assert image is not None
    assert image.stack_bytes is not None
    assert memory.stack_high_water_bytes is not None
    return image.compiler, Row(
        instructions=per_inference(measurement),
        init_instructions=measurement.init_count,
        steps=len(measurement.steps),
        arena_bytes=image.arena_bytes,
        arena_high_water_bytes=memory.arena_high_water_bytes,
        live_bound_bytes=target.compiled.live_bound_bytes,
        code_bytes=image.code_bytes,
        model_bytes=image.model_bytes,
        ram_other_bytes=image.ram_other_bytes,
        stack_bytes=image.stack_bytes,
        stack_high_water_bytes=memory.stack_high_water_bytes,
        output_crc32=measurement.output_crc32,
    )


def words_of(runner: BoardRunner, model: Path, wish: Wish = BALANCED) -> int:
    """Memory accesses of one inference: words loaded and stored."""
    compiled = compile_bundle(pipeline.open_model(model), load_board(DEVICE), wish)
    stimulus = xorshift_stimulus(compiled.program)
    (answer,) = runner.run([Case(compiled.table.data, (stimulus.data,))], words=True)
    assert answer.status == 0, f"{model}: es_init refuses the table"
    words = answer.runs[0].words
    assert words is not None
    return words


def compare(name: str, row: Row, words: int, rival: dict[str, int]) -> Iterator[tuple[str, ...]]:
    """The lines of one model in the table."""
    reference, cmsis = rival["reference_instructions"], rival["cmsis_nn_instructions"]
    yield (name, "TFLM reference", f"{reference:,}", "1.00", "", "", "", "", "", "")
    yield (
        "",
        "TFLM + CMSIS-NN",
        f"{cmsis:,}",
        f"{cmsis / reference:.2f}",
        f"{rival['cmsis_nn_words']:,}" if "cmsis_nn_words" in rival else "",
        f"{rival['init_instructions']:,}",
        f"{rival['cmsis_nn_arena_bytes']:,} ({rival['planned_arena_bytes']:,})",
        f"{rival['flash_bytes']:,}",
        "",
        "",
    )
    yield (
        "",
        "edgeserve",
        f"{row.instructions:,}",
        f"{row.instructions / reference:.2f}",
        f"{words:,}",
        f"{row.init_instructions:,}",
        f"{row.arena_bytes:,}",
        f"{row.code_bytes:,}",
        f"{row.stack_bytes:,}",
        row.output_crc32,
    )


def main() -> None:
    """Measures every model that is there and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help=f"write {GOLDEN.name}")
    update = parser.parse_args().update
    rivals = tomllib.loads((HERE / "rivals.toml").read_text())
    table = columns(
        "model", "runtime", "instructions", "of ref.", "words", "init", "arena (planned)", "code",
        "stack", "output CRC-32",
    )  # fmt: skip
    golden: dict[str, Any] = {"device": DEVICE, "compiler": "", "models": {}}
    with tempfile.TemporaryDirectory(prefix="edgeserve-words-") as folder:
        runner = BoardRunner(load_board(DEVICE), Path(folder))
        for path in sorted(models_folder().glob("*.tflite")):
            golden["compiler"], row = measure(path)
            golden["models"][path.stem] = asdict(row)
            words = words_of(runner, path)
            for line in compare(path.stem, row, words, rivals[path.stem]):
                table.add_row(*line)
    draw(table)
    print(f"edgeserve: measured now, {golden['compiler']}, QEMU {DEVICE}; executed instructions.")
    print("TFLM: recorded in benchmarks/rivals.toml, same board, same compiler series.")
    if update:
        GOLDEN.write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()

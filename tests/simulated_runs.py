"""Bundles with records of a board that is simulated: nothing here was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeserve.board import Board
from edgeserve.bundle import contents_of_tflite
from edgeserve.bundle_store import Bundle, write_bundle
from edgeserve.compilation import Compiled, compile_bundle
from edgeserve.measurement import (
    SCHEMA_VERSION,
    Measurement,
    Memory,
    Place,
    StepCount,
    Subject,
    Unit,
    append_measurement,
)

RECORDED_AT = "2026-01-02T03:04:05Z"


def simulated_measurement(
    compiled: Compiled, samples: Sequence[int], unit: Unit, step_counts: Sequence[int] = ()
) -> Measurement:
    """A record as a physical board of this kind would leave it."""
    arena = compiled.plan.arena_bytes
    return Measurement(
        schema=SCHEMA_VERSION,
        recorded_at=RECORDED_AT,
        subject=Subject(
            compiled.bundle.name,
            compiled.bundle.facts.model_sha256,
            compiled.table.sha256,
            len(compiled.table.data),
            None,
            None,
        ),
        place=Place(compiled.board.id, "simulated", False, "simulated clock", "", ()),
        unit=unit,
        input="xorshift 0x1",
        warmup=1,
        samples=tuple(samples),
        init_count=1,
        steps=tuple(
            StepCount(step.index, step.label, step.kernel.name, step.macs, count)
            for step, count in zip(compiled.program.steps, step_counts, strict=False)
        ),
        memory=Memory(arena, arena, (), None, 0),
        output_crc32="00000000",
        energy=None,
        energy_absent="simulated",
        tools=(),
        notes=(),
    )


def simulated_bundle(
    folder: Path, model: bytes, board: Board, ns_an_instruction: float, unit: Unit, hz: float = 1e9
) -> Bundle:
    """A bundle whose board takes ``ns_an_instruction`` for each estimated instruction.

    ``hz`` counts of ``unit`` are a second. Its steps take as much each.
    """
    bundle = write_bundle(folder, contents_of_tflite(folder.name, model))
    compiled = compile_bundle(bundle, board)
    instructions = sum(estimate.instructions for estimate in compiled.estimates())
    count = round(instructions * ns_an_instruction * hz / 1e9)
    steps = len(compiled.program.steps)
    counts = [count // steps] * steps
    measured = simulated_measurement(compiled, (count + 1, count, count - 1), unit, counts)
    append_measurement(bundle.measurements_path, measured)
    return bundle

"""The image: a linked program for a board, with what it weighs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Partition:
    """Where a model table that is not linked in must lie; on the host it is a file, at 0."""

    table: Path
    address: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Image:
    """A built program. Flash is code + model + harness; RAM is arena + ram_other + bench_ram.

    ``code_bytes``: runtime, adapters, kernels and the library functions that these pull in.
    ``model_bytes``: the model table and the list of its kernels (also when it lies in a partition).
    ``harness_bytes``: flash of port, bench or application, and what only these pull in.
    ``ram_other_bytes``: the runtime's state beside the arena.
    ``bench_ram_bytes``: RAM of the harness.
    ``stack_bytes``: the most that es_init() and es_run() can take below their caller, without
    interrupts; None where the compiler cannot say (the host).
    """

    elf: Path
    compiler: str
    code_bytes: int
    model_bytes: int
    harness_bytes: int
    arena_bytes: int
    ram_other_bytes: int
    bench_ram_bytes: int
    stack_bytes: int | None
    stack_chain: tuple[str, ...]
    partition: Partition | None

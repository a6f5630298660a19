"""``plan.json``: a board's arena map, written for people and read back for `check`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeserve.arena import ArenaPlan, check, live_bound_bytes, peak
from edgeserve.errors import ConfigError, PlanError
from edgeserve.fit import PeakTensor
from edgeserve.memory import MemoryPlan, MemoryProblem
from edgeserve.program import Program
from edgeserve.strict_json import load_json

SCHEMA_VERSION = 1
PLAN_FILE = "plan.json"


@dataclass(frozen=True, slots=True)
class PlacedBuffer:
    """A buffer with its place; alive in steps [first, end)."""

    name: str
    first: int
    end: int
    size_bytes: int
    offset_bytes: int


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """The whole file. ``planner`` is the edgeserve version that planned."""

    schema: int
    planner: str
    model_sha256: str
    board: str
    arena_bytes: int
    live_bound_bytes: int
    lower_bound_bytes: int
    optimal: bool
    nodes: int
    peak_step: str
    peak_tensors: tuple[PeakTensor, ...]
    steps: tuple[str, ...]
    buffers: tuple[PlacedBuffer, ...]


def plan_record(
    program: Program, memory: MemoryPlan, *, model_sha256: str, board: str, planner: str
) -> PlanRecord:
    """The record of a finished plan."""
    step, tensors = peak_of(program, memory)
    placed = zip(memory.problem.buffers, memory.plan.offsets_bytes, strict=True)
    return PlanRecord(
        schema=SCHEMA_VERSION,
        planner=planner,
        model_sha256=model_sha256,
        board=board,
        arena_bytes=memory.arena_bytes,
        live_bound_bytes=live_bound_bytes(memory.problem),
        lower_bound_bytes=memory.plan.lower_bound_bytes,
        optimal=memory.plan.optimal,
        nodes=memory.plan.nodes,
        peak_step=step,
        peak_tensors=tensors,
        steps=tuple(f"{step.kernel.name} {step.label}" for step in program.steps),
        buffers=tuple(
            PlacedBuffer(b.name, b.first, b.end, b.size_bytes, offset) for b, offset in placed
        ),
    )


def peak_of(program: Program, memory: MemoryPlan) -> tuple[str, tuple[PeakTensor, ...]]:
    """The step at which the arena is fullest, and what is alive there, largest first."""
    index, buffers = peak(memory.problem)
    label = program.steps[index].label if program.steps else program.name
    alive = (memory.problem.buffers[i] for i in buffers)
    return label, tuple(PeakTensor(b.name, b.size_bytes) for b in alive)


def read_plan(path: Path, problem: MemoryProblem, *, model_sha256: str) -> MemoryPlan:
    """Reads a stored plan and proves that it serves the model.

    Raises ConfigError when the file is damaged, belongs to another model or breaks a lifetime.
    """
    hint = "make it again: edgeserve plan or build with this bundle"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint=hint) from None
    record = load_json(PlanRecord, text, where=str(path))
    if record.schema != SCHEMA_VERSION or record.model_sha256 != model_sha256:
        raise ConfigError(f"{path} is the plan of another model or version", hint=hint)
    stored = [(b.name, b.first, b.end, b.size_bytes) for b in record.buffers]
    wanted = [(b.name, b.first, b.end, b.size_bytes) for b in problem.problem.buffers]
    if stored != wanted:
        raise ConfigError(f"{path} plans other buffers than the model has", hint=hint)
    plan = ArenaPlan(
        offsets_bytes=tuple(b.offset_bytes for b in record.buffers),
        arena_bytes=record.arena_bytes,
        lower_bound_bytes=record.lower_bound_bytes,
        exhausted=record.optimal,
        nodes=record.nodes,
    )
    try:
        check(problem.problem, plan)
    except PlanError as error:
        raise ConfigError(f"{path}: {error.what}", hint=hint) from None
    bound = live_bound_bytes(problem.problem)
    if not record.live_bound_bytes == bound <= record.lower_bound_bytes:
        raise ConfigError(f"{path}: no plan has the bounds that it tells", hint=hint)
    return problem.solved(plan)

"""The order of the verbs: what each command needs before it can do its own part."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeserve import __version__
from edgeserve.arena import live_bound_bytes
from edgeserve.baseline import against_baseline, read_baseline
from edgeserve.board import Board, Kind, board_ids, load_board
from edgeserve.bundle import Bundle, bundle_lock, open_bundle, write_bundle
from edgeserve.checkfile import Checkfile, Growth, ModelEntry
from edgeserve.convert.conversion import convert_source
from edgeserve.errors import ConfigError
from edgeserve.fit import Budget, Fit, Footprint, Reserve, check_fit
from edgeserve.lower import lower
from edgeserve.memory import MemoryPlan, memory_problem
from edgeserve.plan import plan_arena
from edgeserve.planfile import PLAN_FILE, peak_of, plan_record, read_plan
from edgeserve.program import Program
from edgeserve.sizes import code_size
from edgeserve.strict_json import dump_json
from edgeserve.table import ModelTable, write_table
from edgeserve.tflite.reader import read_model

Progress = Callable[[float | None, str], None]
"""Share done in 0..1 (None: unknown) and what is going on."""

TARGETS = {"cortex-m7": "mps2-an500", "esp32": "esp32dev"}
"""Names of families that `--target` takes beside the boards' own."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A model with everything that the host decides about it."""

    bundle: Bundle
    program: Program
    memory: MemoryPlan
    table: ModelTable


def silent(share: float | None, message: str) -> None:
    """A progress callback that shows nothing."""


def board_of_target(target: str) -> Board:
    """The board that a `--target` means. Raises ConfigError."""
    if target not in TARGETS and target not in board_ids() and not target.endswith(".toml"):
        raise ConfigError(
            f"unknown target {target!r}",
            hint=f"targets: {', '.join([*TARGETS, *board_ids()])}; or the path of a board file",
        )
    return load_board(TARGETS.get(target, target))


def compile_bundle(bundle: Bundle, board: Board | None = None) -> Compiled:
    """Reads, lowers and plans a bundle's model; a stored plan of the board is proven and used.

    Raises ModelError for a model that cannot be read or run, ConfigError for a stored plan that is
    not right.
    """
    program = lower(read_model(bundle.model_bytes(), name=bundle.name))
    problem = memory_problem(program)
    stored = bundle.board_dir(board.id) / PLAN_FILE if board else None
    if stored is not None and stored.exists():
        memory = read_plan(stored, problem, model_sha256=bundle.facts.model_sha256)
    else:
        memory = problem.solved(plan_arena(problem.problem))
    return Compiled(bundle, program, memory, write_table(program, memory))


def write_plan(compiled: Compiled, board: Board, bundle_path: Path) -> None:
    """Writes ``boards/<id>/plan.json`` below ``bundle_path``."""
    record = plan_record(
        compiled.program,
        compiled.memory,
        model_sha256=compiled.bundle.facts.model_sha256,
        board=board.id,
        planner=__version__,
    )
    folder = bundle_path / "boards" / board.id
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{PLAN_FILE}.new"
    temporary.write_text(dump_json(record))
    temporary.replace(folder / PLAN_FILE)


def convert(
    source: Path,
    destination: Path,
    *,
    target: str,
    calibration: Path | None,
    force: bool = False,
    trust_source: bool = False,
    image_range: tuple[float, float] = (0.0, 1.0),
    progress: Progress = silent,
) -> tuple[Compiled, Fit]:
    """Makes a bundle of a model and says at once whether it fits the target.

    Nothing is left behind when it fails. Raises the errors of ``convert_source``, ``lower`` and
    ``write_bundle``.
    """
    board = board_of_target(target)
    if destination.exists() and not force:
        raise ConfigError(f"{destination} exists", hint="add --force to replace the bundle")
    with tempfile.TemporaryDirectory(prefix="edgeserve-convert-") as work:
        converted = convert_source(
            source,
            calibration=calibration,
            trust_source=trust_source,
            work_dir=Path(work),
            progress=progress,
            image_range=image_range,
        )
    progress(None, "lowering and planning")
    lower(converted.graph)
    bundle = write_bundle(destination, converted.contents(), force=force)
    compiled = compile_bundle(bundle)
    with bundle_lock(bundle.path):
        write_plan(compiled, board, bundle.path)
    return compiled, fit(compiled, board)


def footprint(compiled: Compiled, board: Board) -> Footprint:
    """What a model asks of a board, by the table of measured sizes."""
    code = code_size(board.cpu.core, (step.kernel for step in compiled.program.steps))
    return Footprint(
        arena_bytes=compiled.memory.arena_bytes,
        live_bound_bytes=live_bound_bytes(compiled.memory.problem),
        model_bytes=len(compiled.table.data),
        code_bytes=code.code_bytes,
        ram_other_bytes=code.ram_other_bytes,
        stack_bytes=code.stack_bytes,
        source=code.source,
    )


def fit(
    compiled: Compiled,
    board: Board,
    *,
    reserve: Reserve | None = None,
    budget: Budget | None = None,
    model: str | None = None,
) -> Fit:
    """Whether a compiled model fits a board."""
    peak_step, peak_tensors = peak_of(compiled.program, compiled.memory)
    others = [load_board(other) for other in board_ids() if other != board.id]
    return check_fit(
        model=model or compiled.bundle.name,
        footprint=footprint(compiled, board),
        board=board,
        peak_step=peak_step,
        peak_tensors=peak_tensors,
        reserve=reserve or Reserve(),
        budget=budget or Budget(),
        other_boards=[other for other in others if other.kind is Kind.PHYSICAL],
    )


def check(
    models: Sequence[ModelEntry],
    *,
    reserve: Reserve,
    baseline: Path | None,
    growth: Growth,
) -> tuple[Fit, ...]:
    """Checks every model on every board that its entry names."""
    earlier = read_baseline(baseline) if baseline else None
    fits = []
    for entry in models:
        bundle = open_bundle(entry.path)
        for name in entry.boards:
            board = load_board(name)
            compiled = compile_bundle(bundle, board)
            fits.append(fit(compiled, board, reserve=reserve, budget=entry.budget))
    return against_baseline(fits, earlier, growth) if earlier is not None else tuple(fits)


def check_checkfile(checkfile: Checkfile, baseline: Path | None = None) -> tuple[Fit, ...]:
    """Checks what an ``edgeserve.toml`` lists."""
    return check(
        checkfile.models,
        reserve=checkfile.reserve,
        baseline=baseline or checkfile.baseline,
        growth=checkfile.growth,
    )

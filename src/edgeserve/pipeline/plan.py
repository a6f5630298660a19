"""What `plan` makes of a model: its arena, other plans of it, an arena shared with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeserve.arena_map import ArenaMap, arena_map
from edgeserve.board import Board
from edgeserve.bundle_store import bundle_lock
from edgeserve.compilation import (
    Compiled,
    compile_bundle,
    for_wish,
    method_for,
    other_plan,
    program_for,
    told,
    write_plan,
)
from edgeserve.errors import ConfigError
from edgeserve.firmware.codegen import MODEL_HEADER, generate_sources
from edgeserve.folder_swap import write_new_folder
from edgeserve.memory import shared_problems
from edgeserve.picture.file import write_picture
from edgeserve.picture.page import Page
from edgeserve.pipeline.opening import open_model
from edgeserve.plan import plan_arena, whole_plan
from edgeserve.plan.effort import kernels_on
from edgeserve.plan.savings import Saving, savings
from edgeserve.plan.streaming import Method, Objective, plan_stream
from edgeserve.planfile import Wish
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tflm import OfflinePlan, offline_plan, write_annotated


def plan(path: Path, board: Board, wish: Wish | None = None) -> Compiled:
    """Plans a model for a board and keeps the plan in its bundle."""
    bundle = open_model(path)
    with bundle_lock(bundle.path):
        compiled = compile_bundle(bundle, board, wish)
        write_plan(compiled, bundle.path)
    return compiled


@dataclass(frozen=True, slots=True)
class Survey:
    """The arena of a compiled model, and what other plans of it would need."""

    compiled: Compiled
    picture: ArenaMap
    savings: tuple[Saving, ...]
    objectives: tuple[tuple[Objective, StreamPlan], ...]


def survey(compiled: Compiled) -> Survey:
    """Looks at a model's plan and plans it by all other methods, each once."""
    program = compiled.planned
    wishes = {one: replace(compiled.wish, objective=one) for one in Objective}
    forms = {o: for_wish(compiled.portable, compiled.board, wish) for o, wish in wishes.items()}
    known = {method_for(program, compiled.board, compiled.banks, compiled.wish): compiled.plan}

    def planned(_program: Program, method: Method) -> StreamPlan:
        """By the kernels that the objective takes."""
        if method not in known:
            known[method] = plan_stream(forms[method.objective], method)
        return known[method]

    return Survey(
        compiled=compiled,
        picture=arena_map(program, compiled.plan),
        savings=tuple(savings(program, kernels_on(compiled.board.cpu.core), planned)),
        objectives=tuple(
            (one, plan)
            for one in Objective
            if (plan := other_plan(compiled, replace(compiled.wish, objective=one), planned))
        ),
    )


def draw(seen: Survey, destination: Path) -> None:
    """Draws the arena into a file; raises what ``write_picture`` does."""
    compiled = seen.compiled
    record = compiled.record()
    bound = f"proven to need at least {record.lower_bound_bytes:,} bytes"
    page = Page(
        heading=f"{compiled.bundle.name} on {record.board}: arena of {record.arena_bytes:,} bytes",
        facts=(
            f"{told(compiled.wish, compiled.plan).capitalize()}.",
            f"Whole tensors alive at once: {record.live_bound_bytes:,} bytes. "
            f"For these turns the offsets are {'the best' if record.optimal else bound}.",
        ),
        picture=seen.picture,
        savings=seen.savings,
    )
    write_picture(destination, page)


@dataclass(frozen=True, slots=True)
class Shared:
    """Models that take turns in one arena; ``alone`` has each name and the arena of its own."""

    arena_bytes: int
    lower_bound_bytes: int
    alone: tuple[tuple[str, int], ...]
    sources: tuple[Path, ...]


def share(paths: Sequence[Path], board: Board, destination: Path | None) -> Shared:
    """Plans several models into one arena, state of each kept apart from all the others.

    ``destination`` is the folder that gets their C sources, whose tables all ask for that one
    arena. Raises ConfigError for models with one and the same name, or a folder that exists.
    """
    bundles = [open_model(path) for path in paths]
    symbols = [bundle.identifier for bundle in bundles]
    for symbol in symbols:
        if symbols.count(symbol) > 1:
            raise ConfigError(
                f"two of the models are both called {symbol!r}",
                hint="convert one again with another name (-o out/NAME)",
            )
    programs = [program_for(bundle, board) for bundle in bundles]
    problems = shared_problems(programs)
    joint = plan_arena(problems[0].problem)
    written: tuple[Path, ...] = ()
    if destination is not None:
        files = {
            source.name: source.text
            for program, problem, symbol in zip(programs, problems, symbols, strict=True)
            for source in generate_sources(
                write_table(program, problem.placed(joint)), program, symbol=symbol
            )
            if source.name != MODEL_HEADER
        }
        written = write_new_folder(destination, files)
    return Shared(
        arena_bytes=joint.arena_bytes,
        lower_bound_bytes=joint.lower_bound_bytes,
        alone=tuple(
            (bundle.name, whole_plan(program).arena_bytes)
            for bundle, program in zip(bundles, programs, strict=True)
        ),
        sources=written,
    )


def plan_for_tflm(path: Path, destination: Path) -> OfflinePlan:
    """Writes a model's ``.tflite`` to ``destination``, with a memory plan for TFLM inside.

    Raises ConfigError when that is the model itself, or cannot be written.
    """
    bundle = open_model(path)
    if destination.exists() and any(map(destination.samefile, (path, bundle.model_path))):
        raise ConfigError(
            f"{destination} is the model itself, which stays as it is", hint="name another file"
        )
    model = bundle.model_bytes()
    planned = offline_plan(read_model(model, name=bundle.name))
    write_annotated(destination, model, planned)
    return planned

"""The order of the verbs: what each command needs before it can do its own part."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgeserve.arena_map import ArenaMap, arena_map, peak
from edgeserve.baseline import against_baseline, read_baseline
from edgeserve.bench import Candidate
from edgeserve.bench import bench as bench_device
from edgeserve.board import Board, Kind, board_ids, load_board
from edgeserve.board import Method as FlashMethod
from edgeserve.bundle import InputAdapter
from edgeserve.bundle_store import Bundle, bundle_lock, open_bundle, require_place, write_bundle
from edgeserve.checkfile import Checkfile, Growth, ModelEntry
from edgeserve.compilation import (
    Compiled,
    compile_bundle,
    footprint_of,
    for_wish,
    method_for,
    naming,
    plan_for,
    program_for,
    told,
    write_plan,
)
from edgeserve.convert.budget import AccuracyBudget
from edgeserve.convert.conversion import convert_source
from edgeserve.convert.input_shape import InputShape
from edgeserve.convert.precision import Precision
from edgeserve.convert.tflite_source import AS_IN_THE_FILE, Edges
from edgeserve.declaration_file import NOTHING_DECLARED, Declaration
from edgeserve.device.flash import upload_of
from edgeserve.device.link import Link
from edgeserve.device.ports import Present, present_devices
from edgeserve.device.protocol import Dut, limits_for
from edgeserve.device.serial import open_serial
from edgeserve.device.start import start_image
from edgeserve.errors import ConfigError, DoesNotFit
from edgeserve.firmware.build import build as build_image
from edgeserve.firmware.codegen import MODEL_HEADER, generate_sources
from edgeserve.firmware.writing import write_firmware
from edgeserve.fit import Budget, Fit, Footprint, OtherPlan, PeakTensor, Reserve, check_fit
from edgeserve.flash import Flashed, choose_method
from edgeserve.flash import flash as flash_board
from edgeserve.folder_swap import write_new_folder
from edgeserve.image import Image
from edgeserve.lower import lower
from edgeserve.measurement import Measurement, append_measurement
from edgeserve.memory import shared_problems
from edgeserve.metering.wish import MeterWish, wished_meter
from edgeserve.phone.kind import phone_ids
from edgeserve.picture.file import write_picture
from edgeserve.picture.page import Page
from edgeserve.plan import plan_arena, whole_plan
from edgeserve.plan.effort import kernels_on
from edgeserve.plan.savings import Planner, Saving, savings
from edgeserve.plan.streaming import Method, Objective, feedable, plan_stream
from edgeserve.planfile import Wish, options
from edgeserve.preprocess.skew import Diagnosis
from edgeserve.program import Program
from edgeserve.reference import check_reference
from edgeserve.stimulus import Stimulus, random_stimuli, sample_stimuli, xorshift_stimulus
from edgeserve.stream_plan import StreamPlan
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tflm import OfflinePlan, offline_plan, write_annotated
from edgeserve.verify import Verification
from edgeserve.verify import verify as verify_device

Progress = Callable[[float | None, str], None]
"""Share done in 0..1 (None: unknown) and what is going on."""

TARGETS = {"cortex-m7": "mps2-an500", "esp32": "esp32dev"}
"""Names of families that `--target` takes beside the boards' own."""


def silent(share: float | None, message: str) -> None:
    """A progress callback that shows nothing."""


def board_of_target(target: str) -> Board:
    """The board that a `--target` means. Raises ConfigError."""
    if not _is_board(target):
        raise ConfigError(
            f"unknown target {target!r}",
            hint=f"targets: {', '.join([*TARGETS, 'ios', *board_ids()])}; or a board file's path",
        )
    return load_board(TARGETS.get(target, target))


def _is_board(target: str) -> bool:
    return target in TARGETS or target in board_ids() or target.endswith(".toml")


def open_model(path: Path) -> Bundle:
    """The bundle at ``path``, or that of the ``.tflite`` there; see ``open_bundle``.

    Raises ConfigError for a bundle of iOS, whose model is float.
    """
    with naming(path):
        bundle = open_bundle(path)
    if bundle.facts.coreml is not None:
        raise ConfigError(
            f"{path} is a bundle for iOS: its model is float, and boards run integers",
            hint="edgeserve convert SOURCE --target BOARD --calibration DATA makes one for a board",
        )
    return bundle


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
            if (plan := _other_plan(compiled, replace(compiled.wish, objective=one), planned))
        ),
    )


def _other_plan(
    compiled: Compiled, wish: Wish, planner: Planner = plan_stream
) -> StreamPlan | None:
    """The plan of another wish; None where what is pinned does not fit."""
    if wish == compiled.wish:
        return compiled.plan
    program = for_wish(compiled.portable, compiled.board, wish)
    try:
        return plan_for(program, compiled.board, compiled.banks, wish, planner)
    except DoesNotFit:
        return None


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


def convert(
    source: Path,
    destination: Path,
    *,
    target: str,
    calibration: Path | None,
    force: bool = False,
    trust_source: bool = False,
    image_range: tuple[float, float] = (0.0, 1.0),
    edges: Edges = AS_IN_THE_FILE,
    wish: Wish | None = None,
    declared: Declaration = NOTHING_DECLARED,
    precision: Precision = Precision.AUTO,
    int16_layers: tuple[str, ...] = (),
    input_shapes: tuple[InputShape, ...] = (),
    budget: AccuracyBudget | None = None,
    input_adapter: InputAdapter = InputAdapter.NONE,
    progress: Progress = silent,
) -> tuple[Compiled, Fit]:
    """Makes a bundle of a model and says at once whether it fits the target.

    Nothing is left behind when it fails. Raises the errors of ``convert_source``, ``lower`` and
    ``write_bundle``.
    """
    board = board_of_target(target)
    require_place(destination, force=force)
    with (
        naming(source),
        tempfile.TemporaryDirectory(prefix="edgeserve-convert-") as work,
    ):
        converted = convert_source(
            source,
            calibration=calibration,
            trust_source=trust_source,
            name=destination.name,
            work_dir=Path(work),
            progress=progress,
            image_range=image_range,
            edges=edges,
            declared=declared,
            precision=precision,
            int16_layers=int16_layers,
            input_shapes=input_shapes,
            budget=budget,
        )
    progress(None, "lowering and planning")
    with naming(source):
        lower(converted.graph)
    bundle = write_bundle(destination, converted.contents(input_adapter=input_adapter), force=force)
    compiled = compile_bundle(bundle, board, wish)
    with bundle_lock(bundle.path):
        write_plan(compiled, bundle.path)
    return compiled, fit(compiled)


def footprint(compiled: Compiled, plan: StreamPlan | None = None) -> Footprint:
    """What a model asks of its board, by its own or by another plan."""
    chosen = plan or compiled.plan
    whole = footprint_of(
        compiled.program,
        compiled.board,
        arena_bytes=chosen.arena_bytes,
        table_bytes=len(compiled.table.data),
        live_bytes=compiled.live_bound_bytes,
    )
    return replace(whole, arena_banks=tuple((b.name, b.size_bytes) for b in chosen.banks))


def fit(
    compiled: Compiled,
    *,
    reserve: Reserve | None = None,
    budget: Budget | None = None,
    model: str | None = None,
) -> Fit:
    """Whether a compiled model fits its board; where the arena does not, which plan would."""
    fullest = peak(compiled.program, compiled.plan)
    others = [load_board(other) for other in board_ids() if other != compiled.board.id]
    return check_fit(
        model=model or compiled.bundle.name,
        footprint=footprint(compiled),
        board=compiled.board,
        peak_step=fullest.step,
        peak_tensors=tuple(PeakTensor(r.name, r.size_bytes) for r in fullest.residents),
        reserve=reserve or Reserve(),
        budget=budget or Budget(),
        other_boards=[other for other in others if other.kind is Kind.PHYSICAL],
        other_plans=lambda: _smaller_plans(compiled),
        banks=compiled.banks,
        plan=told(compiled.wish, compiled.plan),
    )


def _smaller_plans(compiled: Compiled) -> Iterator[OtherPlan]:
    """What would make the arena smaller, the least effort first."""
    by_rows = {compiled.wish.by_rows, bool(feedable(compiled.program))}
    best = compiled.plan.arena_bytes
    for rows in sorted(by_rows):
        for objective in (Objective.BALANCED, Objective.SIZE):
            wish = replace(compiled.wish, objective=objective, by_rows=rows)
            plan = _other_plan(compiled, wish)
            if plan is not None and plan.arena_bytes < best:
                best = plan.arena_bytes
                yield OtherPlan(options(wish), told(wish, plan), footprint(compiled, plan))


def check(
    models: Sequence[ModelEntry],
    *,
    wish: Wish | None = None,
    reserve: Reserve,
    baseline: Path | None,
    growth: Growth,
) -> tuple[Fit, ...]:
    """Checks every model on every board that its entry names."""
    earlier = read_baseline(baseline) if baseline else None
    bundles = [open_model(entry.path) for entry in models]
    names = Counter(bundle.name for bundle in bundles)
    fits = []
    for entry, bundle in zip(models, bundles, strict=True):
        # Two models of one name are told apart by the paths that the user wrote.
        label = bundle.name if names[bundle.name] == 1 else entry.label
        for board in _boards(entry.boards):
            compiled = compile_bundle(bundle, board, wish or entry.wish, reserve)
            fits.append(fit(compiled, reserve=reserve, budget=entry.budget, model=label))
    return against_baseline(fits, earlier, growth) if earlier is not None else tuple(fits)


def _boards(names: Sequence[str]) -> list[Board]:
    """Each board once; ConfigError when two files have one id."""
    boards: dict[str, Board] = {}
    for name in dict.fromkeys(names):
        board = load_board(name)
        if boards.setdefault(board.id, board) != board:
            raise ConfigError(
                f"two different boards are called {board.id!r}", hint="rename one of the files"
            )
    return list(boards.values())


def check_checkfile(checkfile: Checkfile, baseline: Path | None = None) -> tuple[Fit, ...]:
    """Checks what an ``edgeserve.toml`` lists."""
    return check(
        checkfile.models,
        reserve=checkfile.reserve,
        baseline=baseline or checkfile.baseline,
        growth=checkfile.growth,
    )


def plan(path: Path, board: Board, wish: Wish | None = None) -> Compiled:
    """Plans a model for a board and keeps the plan in its bundle."""
    bundle = open_model(path)
    with bundle_lock(bundle.path):
        compiled = compile_bundle(bundle, board, wish)
        write_plan(compiled, bundle.path)
    return compiled


def inspect(path: Path, board: Board) -> Compiled:
    """Compiles a model for a board; writes nothing."""
    return compile_bundle(open_model(path), board)


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


def build(
    bundle: Bundle,
    board: Board,
    *,
    partition: bool = False,
    energy: bool = False,
    wish: Wish | None = None,
    progress: Progress = silent,
    changes: list[str] | None = None,
) -> tuple[Compiled, Image]:
    """Writes a bundle's firmware project for a board and builds its bench image.

    ``changes`` gets what became of each file of the project that is not as it was. Raises what
    ``compile_bundle`` does, ConfigError for a board without a port, MissingTool and ToolFailed for
    the compiler.
    """
    with bundle_lock(bundle.path):
        compiled, folder = _write_project(bundle, board, wish, changes)
        progress(None, f"building the firmware for {board.id}")
        return compiled, build_image(folder, partition=partition, energy=energy)


def write_project(bundle: Bundle, board: Board, wish: Wish | None = None) -> tuple[Compiled, Path]:
    """Writes a bundle's firmware project for a board, without building it. Raises as ``build``."""
    with bundle_lock(bundle.path):
        return _write_project(bundle, board, wish)


def _write_project(
    bundle: Bundle, board: Board, wish: Wish | None, changes: list[str] | None = None
) -> tuple[Compiled, Path]:
    compiled = compile_bundle(bundle, board, wish)
    write_plan(compiled, bundle.path)
    folder = bundle.board_dir(board.id) / "firmware"
    write_firmware(
        folder,
        symbol=bundle.identifier,
        table=compiled.table,
        program=compiled.program,
        board=board,
        adapter=bundle.facts.input_adapter,
        signals=Declaration(bundle.facts.preprocess, bundle.facts.postprocess),
        changes=changes,
    )
    return compiled, folder


@dataclass(frozen=True, slots=True)
class OpenDevice:
    """A device that is ready, with the model that it holds. ``image`` is None behind a port."""

    compiled: Compiled
    image: Image | None
    dut: Dut

    @property
    def board(self) -> Board:
        return self.compiled.board


def is_port(device: str) -> bool:
    """Whether a `--device` names a port rather than a board."""
    return "/" in device or device.upper().startswith("COM")


@contextmanager
def opened(
    path: Path,
    device: str,
    *,
    board: str | None,
    partition: bool = False,
    wish: Wish | None = None,
    progress: Progress = silent,
) -> Iterator[OpenDevice]:
    """Opens a device that holds a model, building and starting what is missing.

    ``device`` is an emulated board or the host, which are built for and started, or the port of a
    board that runs already; then ``board`` says which kind it is. Raises ConfigError, the errors of
    ``build``, and DeviceError.
    """
    if is_port(device) and board is None:
        raise ConfigError(
            f"{device} is a port: what board is on it?", hint="name it: --board mps2-an500"
        )
    if board is not None and is_port(device):
        kind = load_board(board)
    elif _is_board(device):
        kind = board_of_target(device)
    else:
        raise ConfigError(
            f"unknown device {device!r}",
            hint="`edgeserve devices` lists boards and ports; bench takes a phone too: a kind of "
            f"phone ({', '.join(phone_ids())}), adb or adb:SERIAL",
        )
    bundle = open_model(path)
    if is_port(device):
        compiled, image = compile_bundle(bundle, kind, wish), None
        progress(None, f"opening {device}")
        link: Link = open_serial(device)
    else:
        compiled, image = build(bundle, kind, partition=partition, wish=wish, progress=progress)
        progress(None, f"starting {kind.id}")
        link = start_image(kind, image)
    try:
        dut = Dut(link, limits_for(compiled.program, kind.cpu.clock_hz))
        dut.wait_ready()
        yield OpenDevice(compiled, image, dut)
    finally:
        link.close()


def bench(
    path: Path,
    device: str,
    *,
    board: str | None,
    laps: int,
    warmup: int,
    seed: int,
    partition: bool = False,
    wish: Wish | None = None,
    progress: Progress = silent,
    meter: MeterWish | None = None,
) -> tuple[OpenDevice, Measurement]:
    """Measures a model on a device and adds the record to its bundle.

    Raises ConfigError for a ``meter`` on what is no board of its own.
    """
    if meter is not None and not is_port(device):
        raise ConfigError(
            f"{device} runs on this machine: no meter can tell its energy apart",
            hint="leave --meter out, or name the port of a board",
        )
    with (
        opened(
            path, device, board=board, partition=partition, wish=wish, progress=progress
        ) as target,
        wished_meter(meter) as found,
    ):
        compiled = target.compiled
        measurement = bench_device(
            Candidate(
                bundle=compiled.bundle.name,
                model_tflite=compiled.bundle.model_bytes(),
                model_sha256=compiled.bundle.facts.model_sha256,
                program=compiled.program,
                table=compiled.table,
                board=target.board,
                image=target.image,
                flags=target.board.toolchain.flags if target.board.toolchain else (),
            ),
            target.dut,
            xorshift_stimulus(compiled.program, seed),
            laps=laps,
            warmup=warmup,
            progress=lambda what: progress(None, what),
            meter=found,
        )
    append_measurement(compiled.bundle.measurements_path, measurement)
    return target, measurement


def verify(
    path: Path,
    device: str,
    *,
    board: str | None,
    inputs: int,
    partition: bool = False,
    wish: Wish | None = None,
    stream: bool = False,
    progress: Progress = silent,
) -> tuple[OpenDevice, Verification]:
    """Holds every step on a device against the oracle.

    Half of the inputs are calibration samples where the bundle has them, the others random. With
    ``stream`` the device gets its input row by row, as it asks for it; ConfigError where the plan
    takes no input by rows.
    """
    with opened(
        path, device, board=board, partition=partition, wish=wish, progress=progress
    ) as target:
        compiled = target.compiled
        if stream and not compiled.wish.by_rows:
            raise ConfigError(
                f"{compiled.bundle.name} is not planned to take its input by rows",
                hint="add --by-rows",
            )
        verification = verify_device(
            compiled.program,
            compiled.table,
            compiled.bundle.model_bytes(),
            target.dut,
            stimuli(compiled, inputs),
            progress=lambda done, total: progress(done / total, f"input {done} of {total}"),
            streamed=compiled.plan if stream else None,
        )
    return target, verification


def reference(path: Path, samples: Path) -> tuple[Bundle, Diagnosis]:
    """Holds a bundle's declaration against what training made of raw data."""
    bundle = open_model(path)
    return bundle, check_reference(bundle, samples)


def stimuli(compiled: Compiled, count: int) -> tuple[Stimulus, ...]:
    """``count`` inputs, the first one random: what ``verify`` uses."""
    samples = compiled.bundle.samples()
    kept = sample_stimuli(samples, count // 2) if samples is not None else ()
    return (*random_stimuli(compiled.program, count - len(kept)), *kept)


def devices() -> tuple[Present, ...]:
    """What ``--device`` can name here."""
    return present_devices()


def flash(
    path: Path,
    *,
    board: str,
    port: str,
    method: str | None = None,
    image: Path | None = None,
    progress: Progress = silent,
) -> Flashed:
    """Puts the bench firmware of a model onto a board, and checks that it runs there.

    ``image`` is one that was built elsewhere; without one the board's project is. Raises
    ConfigError, MissingTool, ToolFailed and DeviceError.
    """
    kind = load_board(board)
    wanted = None if method is None else FlashMethod(method)
    bundle = open_model(path)
    by_project = kind.framework is not None or wanted is FlashMethod.PLATFORMIO
    if image is not None:
        chosen = choose_method(kind, wanted, image)
        compiled = compile_bundle(bundle, kind)
    elif by_project:
        chosen = choose_method(kind, wanted, None)
        compiled, image = write_project(bundle, kind)
    else:
        upload_of(kind)
        compiled, built = build(bundle, kind, progress=progress)
        chosen = choose_method(kind, wanted, built.elf)
        image = built.elf
    progress(None, f"flashing {kind.id} by {chosen}")
    return flash_board(
        kind,
        chosen,
        image,
        port,
        table_sha256=compiled.table.sha256,
        limits=limits_for(compiled.program, kind.cpu.clock_hz),
    )

"""The command line: arguments in, a call of the pipeline, text out.

Exit codes: 0 good; 1 the answer is no; 2 usage, or a refused model; 3 a tool failed or is missing;
4 the device; 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeserve import __version__, show, show_accuracy
from edgeserve.cli_accuracy import accuracy
from edgeserve.cli_apple import (
    inspect_for_ios,
)
from edgeserve.cli_boards import boards
from edgeserve.cli_convert import convert
from edgeserve.cli_export import export
from edgeserve.cli_loop import loop
from edgeserve.cli_phone import (
    BOARD_OPTIONS,
    bench_phone,
    is_phone,
    phone_options,
    setup,
)
from edgeserve.cli_report import compare, report
from edgeserve.cli_shared import format_option, require_none_of, shown_progress
from edgeserve.cli_wish import (
    asked_wish,
    by_rows_option,
    flash_for_speed_option,
    objective_option,
    pin_option,
)
from edgeserve.errors import ConfigError, EdgeserveError

if TYPE_CHECKING:
    from edgeserve.fit import Fit

INTERRUPTED = 130
NO_READER = 141
BUG = 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgeserve")
@click.option("-v", "--verbose", is_flag=True, help="Log what is done, on standard error.")
def cli(verbose: bool) -> None:
    """Neural networks on microcontrollers and phones: converted, planned, measured, verified.

    MODEL is a bundle (the folder that convert makes) or a quantized .tflite file.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s"
    )


@cli.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path), metavar="[MODEL]...")
@click.option("--board", "boards", multiple=True, help="Board id or board file; may be repeated.")
@click.option("--all-boards", is_flag=True, help="Every board that edgeserve knows.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The list of models to check [default: ./edgeserve.toml].",
)
@objective_option
@by_rows_option
@flash_for_speed_option
@pin_option
@click.option("--reserve-ram", type=click.IntRange(0), default=0, help="Bytes of RAM kept free.")
@click.option(
    "--reserve-flash", type=click.IntRange(0), default=0, help="Bytes of flash kept free."
)
@click.option("--max-arena", type=click.IntRange(0), help="Arena budget in bytes.")
@click.option("--max-flash", type=click.IntRange(0), help="Flash budget in bytes.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="An earlier --format json output: growth beyond the budget fails.",
)
@click.option(
    "--arena-growth", type=click.IntRange(0), default=0, help="Bytes that are still good."
)
@click.option(
    "--flash-growth", type=click.IntRange(0), default=0, help="Bytes that are still good."
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "junit", "github"]),
    default="text",
    help="junit: a test case a model and board; github: workflow annotations.",
)
def check(
    models: Sequence[Path],
    boards: Sequence[str],
    all_boards: bool,
    config: Path | None,
    objective: str | None,
    by_rows: bool,
    flash_for_speed: int | None,
    pin: tuple[str, ...],
    reserve_ram: int,
    reserve_flash: int,
    max_arena: int | None,
    max_flash: int | None,
    baseline: Path | None,
    arena_growth: int,
    flash_growth: int,
    output_format: str,
) -> int:
    """Hold arena, flash and stack against boards; exit 1 when something does not fit.

    Without MODEL it checks what edgeserve.toml lists. No compiler is needed.
    """
    from edgeserve import pipeline
    from edgeserve.board import board_ids
    from edgeserve.checkfile import DEFAULT_NAME, Growth, ModelEntry, read_checkfile
    from edgeserve.fit import Budget, Reserve

    limits = (reserve_ram, reserve_flash, max_arena, max_flash, arena_growth, flash_growth)
    wish = asked_wish(objective, by_rows, flash_for_speed, pin)
    if not models:
        if boards or all_boards or any(limits) or wish:
            raise click.UsageError(
                "name a MODEL; edgeserve.toml has boards, objectives, reserves and limits of its "
                "own"
            )
        path = config or Path(DEFAULT_NAME)
        if not path.exists():
            raise ConfigError(
                f"{path} does not exist", hint="name a MODEL and a --board, or write that file"
            )
        fits = pipeline.check_checkfile(read_checkfile(path), baseline)
    else:
        if config is not None:
            raise click.UsageError("--config lists models itself: leave out MODEL")
        if bool(boards) == all_boards:
            raise click.UsageError("name a --board, or --all-boards")
        names = tuple(board_ids()) if all_boards else tuple(boards)
        budget = Budget(max_arena, max_flash)
        fits = pipeline.check(
            [ModelEntry(model, str(model), names, budget) for model in models],
            wish=wish,
            reserve=Reserve(reserve_ram, reserve_flash),
            baseline=baseline,
            growth=Growth(arena_growth, flash_growth),
        )
    _print_checks(fits, output_format)
    return 0 if all(fit.fits for fit in fits) else 1


def _print_checks(fits: Sequence[Fit], output_format: str) -> None:
    from edgeserve.fit_formats import fit_json, github_lines, junit_xml

    if output_format == "json":
        show.print_json([fit_json(fit) for fit in fits])
    elif output_format == "junit":
        click.echo(junit_xml(fits))
    elif output_format == "github":
        click.echo(github_lines(fits))
    else:
        show.print_fits(fits)


_device = click.option(
    "--device",
    required=True,
    help="An emulated board (mps2-an500), host, a port (/dev/ttyACM0, socket://HOST:PORT); for "
    "bench also a phone: pixel6, adb, adb:SERIAL.",
)
_board_of_port = click.option("--board", help="What board is on the port.")
_partition = click.option(
    "--partition", is_flag=True, help="Load the model into a flash partition, not linked in."
)


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", default="mps2-an500", show_default=True, help="Board id or board file.")
@objective_option
@by_rows_option
@flash_for_speed_option
@pin_option
@click.option(
    "--tflm",
    type=click.Path(path_type=Path),
    metavar="OUT.tflite",
    help="Also write the model with a memory plan for TensorFlow Lite Micro inside.",
)
@click.option(
    "--share",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="OTHER",
    help="Another model that takes turns with MODEL in one arena; may be repeated.",
)
@click.option(
    "--sources",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="With --share: write the C sources of all of them, planned together.",
)
@click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also draw the arena: a picture (.svg), or a page with all names and figures (.html).",
)
@format_option
def plan(
    model: Path,
    board: str,
    objective: str | None,
    by_rows: bool,
    flash_for_speed: int | None,
    pin: tuple[str, ...],
    tflm: Path | None,
    share: tuple[Path, ...],
    sources: Path | None,
    map_file: Path | None,
    output_format: str,
) -> int:
    """Plan a model's arena and draw it: who lies where and when, and what each idea saved."""
    from edgeserve import pipeline
    from edgeserve.picture.file import ENDINGS, is_picture
    from edgeserve.strict_json import to_json

    if sources and not share:
        raise click.UsageError("--sources goes with --share")
    if map_file and not is_picture(map_file):
        raise click.UsageError(f"--map draws {' and '.join(ENDINGS)} alone")
    where = pipeline.board_of_target(board)
    shared = pipeline.share((model, *share), where, sources) if share else None
    compiled = pipeline.plan(model, where, asked_wish(objective, by_rows, flash_for_speed, pin))
    record = compiled.record()
    offline = pipeline.plan_for_tflm(model, tflm) if tflm else None
    seen = pipeline.survey(compiled) if map_file or output_format == "text" else None
    if seen and map_file:
        pipeline.draw(seen, map_file)
    if seen is None or output_format == "json":
        also = {"tflm": show.tflm_json(tflm, offline)} if tflm and offline else {}
        also |= {"shared": show.shared_json(shared)} if shared else {}
        show.print_json({**to_json(record), **also})
        return 0
    show.print_plan(compiled.bundle.name, record, seen.picture)
    show.print_savings(seen)
    show.print_objectives(seen.objectives)
    show.print_bought(compiled)
    if tflm and offline:
        show.print_tflm(tflm, offline)
    if shared:
        show.print_shared(shared)
    return 0


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", default="mps2-an500", show_default=True, help="Board id or board file.")
@click.option(
    "--calibrate",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="A bundle that was measured on such a board; may be repeated. Gives an estimate of time.",
)
@format_option
def inspect(model: Path, board: str, calibrate: tuple[Path, ...], output_format: str) -> int:
    """Show what the device will do: steps, kernels, shapes, MACs, what was folded away.

    With --calibrate an estimate of time on a physical board, and how far it is off.

    Of a bundle made for ios: the package's operators, sizes, oldest system and measured error.
    """
    from edgeserve import pipeline
    from edgeserve.calibration_pipeline import calibrated
    from edgeserve.show_time import told_time
    from edgeserve.strict_json import to_json

    if not calibrate and inspect_for_ios(model, output_format):
        return 0
    compiled = pipeline.inspect(model, pipeline.board_of_target(board))
    time = calibrated(compiled, calibrate) if calibrate else None
    if output_format == "json":
        show.print_json(show.program_json(compiled) | {"time": to_json(time)})
    else:
        show.print_program(compiled, tuple(told_time(compiled.board, time)) if time else ())
        show_accuracy.print_calibration(compiled.bundle)
    return 0


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", default="mps2-an500", show_default=True, help="Board id or board file.")
@_partition
@click.option(
    "--energy",
    is_flag=True,
    help="For MLPerf Tiny's energy mode: 9600 baud, time stamps are pulses on a pin.",
)
@objective_option
@by_rows_option
@flash_for_speed_option
@pin_option
@format_option
def build(
    model: Path,
    board: str,
    partition: bool,
    energy: bool,
    objective: str | None,
    by_rows: bool,
    flash_for_speed: int | None,
    pin: tuple[str, ...],
    output_format: str,
) -> int:
    """Write the firmware project of a model for a board, and build its bench image."""
    from edgeserve import pipeline
    from edgeserve.strict_json import to_json

    changes: list[str] = []
    with shown_progress("building", output_format) as progress:
        _, image = pipeline.build(
            pipeline.open_model(model),
            pipeline.board_of_target(board),
            partition=partition,
            energy=energy,
            wish=asked_wish(objective, by_rows, flash_for_speed, pin),
            progress=progress,
            changes=changes,
        )
    if output_format == "json":
        document = to_json(image)
        show.print_json({**document, "elf": str(image.elf), "project_changes": changes})
        return 0
    click.echo(show.shown_path(image.elf))
    click.echo(
        f"  project: {show.shown_path(image.elf.parent.parent)} (make builds it without edgeserve)"
    )
    show.print_project_changes(changes)
    for what, size in (
        ("code (runtime and kernels)", image.code_bytes),
        ("model", image.model_bytes),
        ("harness (port and bench)", image.harness_bytes),
        ("arena", image.arena_bytes),
        ("other RAM of the runtime", image.ram_other_bytes),
        ("RAM of the bench", image.bench_ram_bytes),
        ("stack, worst case", image.stack_bytes),
    ):
        click.echo(f"  {what:<28}{'not known' if size is None else f'{size:>12,}'}")
    click.echo(f"  by {image.compiler}")
    return 0


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@_device
@_board_of_port
@phone_options
@click.option("--laps", type=click.IntRange(1), default=10, show_default=True)
@click.option("--warmup", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--input",
    "stimulus",
    type=click.Choice(["xorshift"]),
    default="xorshift",
    help="What the model is given.",
)
@click.option(
    "--seed", type=click.IntRange(1, 2**32 - 1), default=0x12345678, help="Of xorshift32."
)
@_partition
@objective_option
@by_rows_option
@flash_for_speed_option
@pin_option
@format_option
def bench(
    model: Path,
    device: str,
    board: str | None,
    laps: int,
    warmup: int,
    stimulus: str,
    seed: int,
    partition: bool,
    objective: str | None,
    by_rows: bool,
    flash_for_speed: int | None,
    pin: tuple[str, ...],
    output_format: str,
    **phone: Any,
) -> int:
    """Measure a model on a device: a board (per inference and per step, memory and flash), or a
    phone over adb (latency, cold start, energy, heat).

    On a board the output is held against the oracle first: a wrong answer is not measured. The
    record goes to the bundle's measurements.jsonl, that of a phone to phone_measurements.jsonl.
    """
    if is_phone(device):
        require_none_of(BOARD_OPTIONS, "a phone has no use for")
        return bench_phone(model, device, output_format, **phone)
    meter = phone.pop("meter")
    require_none_of(phone, "only a phone has a use for")
    from edgeserve import pipeline
    from edgeserve.metering.wish import meter_wish

    with shown_progress("measuring", output_format) as progress:
        target, measurement = pipeline.bench(
            model,
            device,
            board=board,
            laps=laps,
            warmup=warmup,
            seed=seed,
            partition=partition,
            wish=asked_wish(objective, by_rows, flash_for_speed, pin),
            progress=progress,
            meter=None if meter is None else meter_wish(meter),
        )
    if output_format == "json":
        show.print_json(show.measurement_json(target, measurement))
    else:
        show.print_measurement(target, measurement)
    return 0


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--device", help="An emulated board (mps2-an500), host, or a port; not with --reference."
)
@_board_of_port
@click.option("--inputs", type=click.IntRange(1), default=20, show_default=True)
@_partition
@objective_option
@by_rows_option
@flash_for_speed_option
@pin_option
@click.option(
    "--stream", is_flag=True, help="Send each row of the input when the device asks for it."
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Raw data and what training made of them: is that what is declared, and if not, what "
    "differs?",
)
@format_option
def verify(
    model: Path,
    device: str | None,
    board: str | None,
    inputs: int,
    partition: bool,
    objective: str | None,
    by_rows: bool,
    flash_for_speed: int | None,
    pin: tuple[str, ...],
    stream: bool,
    reference: Path | None,
    output_format: str,
) -> int:
    """Hold every step on a device against the oracle, bit for bit; exit 1 when a byte differs."""
    from edgeserve import pipeline

    if (device is None) == (reference is None):
        raise click.UsageError("name a --device, or a --reference")
    if reference is not None:
        return _verify_reference(model, reference, output_format)
    assert device is not None
    with shown_progress("verifying", output_format) as progress:
        target, verification = pipeline.verify(
            model,
            device,
            board=board,
            inputs=inputs,
            partition=partition,
            wish=asked_wish(objective, by_rows, flash_for_speed, pin),
            stream=stream,
            progress=progress,
        )
    if output_format == "json":
        show.print_json(show.verification_json(target, verification))
    else:
        show.print_verification(target, verification)
    return 0 if verification.equal else 1


def _verify_reference(model: Path, reference: Path, output_format: str) -> int:
    from edgeserve import pipeline

    bundle, diagnosis = pipeline.reference(model, reference)
    if output_format == "json":
        show.print_json(show.diagnosis_json(bundle.name, diagnosis))
    else:
        show.print_diagnosis(bundle.name, diagnosis)
    return 0 if diagnosis.agrees else 1


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", required=True, help="Board id or board file.")
@click.option(
    "--port",
    default="auto",
    show_default=True,
    help="Of the board: /dev/ttyACM0, socket://HOST:PORT, rfc2217://HOST:PORT; auto finds it by "
    "its USB ids.",
)
@click.option(
    "--method",
    type=click.Choice(
        [
            *("platformio", "openocd", "pyocd", "jlink", "esptool", "dfu"),
            *("picotool", "uf2", "teensy"),
        ]
    ),
    help="How to write it [default: the board's first that takes the image].",
)
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="One that was built elsewhere (.elf, .bin, .hex, .uf2) [default: build it].",
)
@format_option
def flash(
    model: Path, board: str, port: str, method: str | None, image: Path | None, output_format: str
) -> int:
    """Put a model's bench firmware onto a board, and check that it is what runs there."""
    from edgeserve import pipeline
    from edgeserve.strict_json import to_json

    with shown_progress("flashing", output_format) as progress:
        done = pipeline.flash(
            model, board=board, port=port, method=method, image=image, progress=progress
        )
    if output_format == "json":
        show.print_json(to_json(done))
    else:
        click.echo(
            f"{done.board} on {done.port} runs {show.plain(done.info.model)} "
            f"(table {done.info.sha256_prefix}), written by {done.method}"
        )
    return 0


cli.add_command(convert)
cli.add_command(accuracy)
cli.add_command(export)
cli.add_command(loop)
cli.add_command(setup)
cli.add_command(report)
cli.add_command(compare)
cli.add_command(boards)


@cli.command()
@format_option
def devices(output_format: str) -> int:
    """List what --device can name here: boards without a cable, and serial ports."""
    from edgeserve import pipeline
    from edgeserve.strict_json import to_json

    present = pipeline.devices()
    if output_format == "json":
        show.print_json(to_json(present))
    else:
        show.print_devices(present)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code; never lets a traceback out."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = cli.main(given, prog_name="edgeserve", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (BrokenPipeError, SystemExit):
        # The reader of our output went away (`| head`); click turns that into SystemExit.
        _forget_output()
        return NO_READER
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except BaseException as error:
        if os.environ.get("EDGESERVE_DEBUG") and not isinstance(error, EdgeserveError):
            raise
        failure = _failure(error)
        _report(failure, as_json=_wants_json(given))
        return failure.exit_code


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a user is told of an exception."""

    kind: str
    what: str
    hint: str
    exit_code: int


def _failure(error: BaseException) -> _Failure:
    if isinstance(error, EdgeserveError):
        return _Failure(type(error).__name__, error.what, error.hint, error.exit_code)
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "edgeserve"
        hint = f"{command} --help lists what it takes"
        return _Failure("UsageError", error.format_message().rstrip("."), hint, 2)
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return _Failure("Interrupted", "interrupted", "", INTERRUPTED)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return _Failure("ToolError", f"{where}{error.strerror or error}", "", 3)
    if isinstance(error, MemoryError):
        return _Failure("ToolError", "there is not enough memory on this computer", "", 3)
    what = f"internal error: {type(error).__name__}: {error}"
    return _Failure("Bug", what, "this is a bug; EDGESERVE_DEBUG=1 shows where", BUG)


def _wants_json(arguments: Sequence[str]) -> bool:
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)


def _report(failure: _Failure, *, as_json: bool) -> None:
    """One line and a hint on standard error; with ``--format json`` a document as well."""
    try:
        if as_json:
            show.print_json({"error": asdict(failure)})
            sys.stdout.flush()
    except OSError:
        _forget_output()
    click.echo(f"edgeserve: error: {show.plain(failure.what)}", err=True)
    if failure.hint:
        click.echo(f"  hint: {show.plain(failure.hint)}", err=True)


def _forget_output() -> None:
    """Sends what is still buffered nowhere, so that the interpreter's last flush cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names from models are shown on any terminal.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main())

"""The command line: arguments in, a call of the pipeline, text out.

Exit codes: 0 good; 1 the answer is no; 2 usage, or a refused model; 3 a tool failed or is missing;
4 the device; 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeserve import __version__
from edgeserve.errors import ConfigError, EdgeserveError

if TYPE_CHECKING:
    from edgeserve.fit import Fit
    from edgeserve.pipeline import Compiled, Progress

INTERRUPTED = 130
BUG = 3

_format = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json prints one document on standard output and nothing else.",
)


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
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="cortex-m7, esp32, a board id or a board file.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The bundle [default: out/NAME]."
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Samples of real input: .npz, .npy or a folder of images.",
)
@click.option(
    "--image-range",
    nargs=2,
    type=float,
    default=(0.0, 1.0),
    show_default=True,
    help="What pixel values 0..255 become, for a folder of images.",
)
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@click.option(
    "--trust-source", is_flag=True, help="Load models that may run code, such as Lambda layers."
)
@_format
def convert(
    source: Path,
    target: str,
    output: Path | None,
    calibration: Path | None,
    image_range: tuple[float, float],
    force: bool,
    trust_source: bool,
    output_format: str,
) -> int:
    """Turn a Keras model, a SavedModel or a quantized .tflite SOURCE into a bundle."""
    from edgeserve import pipeline

    with _progress("converting", output_format) as progress:
        compiled, fit = pipeline.convert(
            source,
            output or Path("out") / source.stem,
            target=target,
            calibration=calibration,
            image_range=image_range,
            force=force,
            trust_source=trust_source,
            progress=progress,
        )
    if output_format == "json":
        from edgeserve.fit_formats import fit_json
        from edgeserve.strict_json import to_json

        _print_json(
            {
                "bundle": str(compiled.bundle.path),
                **to_json(compiled.bundle.facts),
                "fit": fit_json(fit),
            }
        )
    else:
        _print_bundle(compiled)
        _print_fits([fit])
    return 0 if fit.fits else 1


@cli.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path), metavar="[MODEL]...")
@click.option("--board", "boards", multiple=True, help="Board id or board file; may be repeated.")
@click.option("--all-boards", is_flag=True, help="Every board that edgeserve knows.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The list of models to check [default: ./edgeserve.toml].",
)
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

    if not models:
        if boards or all_boards:
            raise click.UsageError("name a MODEL, or leave out --board to use edgeserve.toml")
        path = config or Path(DEFAULT_NAME)
        if not path.exists():
            raise ConfigError(
                f"{path} does not exist", hint="name a MODEL and a --board, or write that file"
            )
        fits = pipeline.check_checkfile(read_checkfile(path), baseline)
    else:
        names = tuple(board_ids()) if all_boards else tuple(boards)
        if not names:
            raise click.UsageError("name a --board, or --all-boards")
        budget = Budget(max_arena, max_flash)
        fits = pipeline.check(
            [ModelEntry(model, names, budget) for model in models],
            reserve=Reserve(reserve_ram, reserve_flash),
            baseline=baseline,
            growth=Growth(arena_growth, flash_growth),
        )
    _print_checks(fits, output_format)
    return 0 if all(fit.fits for fit in fits) else 1


def _print_checks(fits: Sequence[Fit], output_format: str) -> None:
    from edgeserve.fit_formats import fit_json, github_lines, junit_xml

    if output_format == "json":
        _print_json([fit_json(fit) for fit in fits])
    elif output_format == "junit":
        click.echo(junit_xml(fits))
    elif output_format == "github":
        click.echo(github_lines(fits))
    else:
        _print_fits(fits)


@cli.command()
@_format
def boards(output_format: str) -> int:
    """List the boards, their core and memory."""
    from edgeserve.board import board_ids, load_board
    from edgeserve.strict_json import to_json

    known = [load_board(name) for name in board_ids()]
    if output_format == "json":
        _print_json([to_json(board) for board in known])
        return 0
    table = _table("board", "core", "kind", "memory free for a model", "name")
    for board in known:
        memory = ", ".join(f"{r.name} {r.free_bytes // 1024:,} KiB" for r in board.regions)
        table.add_row(board.id, board.cpu.core, board.kind.value, memory, board.name)
    _print(table)
    return 0


# How things are shown.


def _print_bundle(compiled: Compiled) -> None:
    facts = compiled.bundle.facts
    click.echo(
        f"{compiled.bundle.path}: {len(compiled.program.steps)} steps, "
        f"{compiled.program.macs:,} MACs, {len(compiled.table.data):,} bytes of model"
    )
    agreement = facts.agreement
    if agreement is not None:
        for output in agreement.outputs:
            click.echo(
                f"  int8 against float on {agreement.samples} calibration samples, {output.name}: "
                f"largest difference {output.max_abs_error:.4g}, mean {output.mean_abs_error:.4g}"
            )
        if agreement.top1_agreement is not None:
            click.echo(f"  same class in {agreement.top1_agreement:.1%} of them")
        if agreement.float_accuracy is not None and agreement.int8_accuracy is not None:
            click.echo(
                f"  accuracy on them: float {agreement.float_accuracy:.1%}, "
                f"int8 {agreement.int8_accuracy:.1%}"
            )
    for note in (*facts.notes, *compiled.program.notes):
        click.echo(f"  note: {note}")


def _print_fits(fits: Sequence[Fit]) -> None:
    table = _table("model", "board", "", "arena", "flash", "stack", "other RAM", "sizes by")
    for fit in fits:
        footprint = fit.footprint
        table.add_row(
            fit.model,
            fit.board,
            "fits" if fit.fits else "NO",
            f"{footprint.arena_bytes:,}",
            f"{footprint.flash_bytes:,}",
            f"{footprint.stack_bytes:,}",
            f"{footprint.ram_other_bytes:,}",
            footprint.source,
        )
    _print(table)
    for fit in fits:
        if not fit.fits:
            click.echo(f"{fit.model} does not fit {fit.board}:")
            for shortage in fit.shortages:
                click.echo(f"  {shortage}")
            for tensor in fit.peak_tensors[:4]:
                click.echo(f"  at the peak ({fit.peak_step}): {tensor.name}, {tensor.size_bytes:,}")
            for line in fit.advice:
                click.echo(f"  help: {line}")


def _table(*columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(renderable: Any) -> None:
    """Draws a rich table; markup in names stays as it is, and pipes get no colours."""
    from rich.console import Console

    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(
        renderable
    )


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False, default=str))


@contextmanager
def _progress(title: str, output_format: str) -> Iterator[Progress]:
    """A progress line on standard error, where a person looks at it."""
    from edgeserve.pipeline import silent

    if output_format == "json" or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=None)

        def show(share: float | None, message: str) -> None:
            bar.update(
                task,
                description=message,
                total=None if share is None else 1.0,
                completed=share or 0.0,
            )

        yield show


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code; never lets a traceback out."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = cli.main(given, prog_name="edgeserve", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show(sys.stderr)
        return 2
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("edgeserve: interrupted", err=True)
        return INTERRUPTED
    except click.exceptions.Exit as error:
        return error.exit_code
    except EdgeserveError as error:
        _report(error, as_json=_wants_json(given))
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("EDGESERVE_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        click.echo(f"edgeserve: internal error: {what}", err=True)
        click.echo("  this is a bug; EDGESERVE_DEBUG=1 shows where", err=True)
        return BUG


def _wants_json(arguments: Sequence[str]) -> bool:
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return any(a == "--format=json" or (a == "--format" and b == "json") for a, b in pairs)


def _report(error: EdgeserveError, *, as_json: bool) -> None:
    if as_json:
        _print_json(
            {
                "error": {
                    "kind": type(error).__name__,
                    "what": error.what,
                    "hint": error.hint,
                    "exit_code": error.exit_code,
                }
            }
        )
    click.echo(f"edgeserve: error: {error.what}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)


def run() -> None:
    """The console script."""
    sys.exit(main())

"""All verbs in one command line, and what becomes of an error.

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

import click

from edgeserve import __version__
from edgeserve.cli.accuracy import accuracy
from edgeserve.cli.bench import bench
from edgeserve.cli.boards import boards
from edgeserve.cli.build import build
from edgeserve.cli.check import check
from edgeserve.cli.convert import convert
from edgeserve.cli.devices import devices
from edgeserve.cli.export import export
from edgeserve.cli.flash import flash
from edgeserve.cli.inspect import inspect
from edgeserve.cli.loop import loop
from edgeserve.cli.phone import setup
from edgeserve.cli.plan import plan
from edgeserve.cli.report import compare, report
from edgeserve.cli.verify import verify
from edgeserve.errors import EdgeserveError
from edgeserve.show.console import plain, print_json

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


for _command in (
    convert,
    check,
    plan,
    inspect,
    build,
    bench,
    verify,
    flash,
    accuracy,
    loop,
    export,
    report,
    compare,
    setup,
    boards,
    devices,
):
    cli.add_command(_command)


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
            print_json({"error": asdict(failure)})
            sys.stdout.flush()
    except OSError:
        _forget_output()
    click.echo(f"edgeserve: error: {plain(failure.what)}", err=True)
    if failure.hint:
        click.echo(f"  hint: {plain(failure.hint)}", err=True)


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

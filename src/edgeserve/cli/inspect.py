"""`edgeserve inspect`: what the device will do."""

from __future__ import annotations

from pathlib import Path

import click

from edgeserve.cli.apple import inspect_for_ios
from edgeserve.cli.shared import format_option
from edgeserve.show.accuracy import print_calibration
from edgeserve.show.console import print_json
from edgeserve.show.program import print_program, program_json


@click.command()
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
    from edgeserve.pipeline.inspect import calibrated
    from edgeserve.pipeline.inspect import inspect as inspect_model
    from edgeserve.pipeline.opening import board_of_target
    from edgeserve.show.time import told_time
    from edgeserve.strict_json import to_json

    if not calibrate and inspect_for_ios(model, output_format):
        return 0
    compiled = inspect_model(model, board_of_target(board))
    time = calibrated(compiled, calibrate) if calibrate else None
    if output_format == "json":
        print_json(program_json(compiled) | {"time": to_json(time)})
    else:
        print_program(compiled, tuple(told_time(compiled.board, time)) if time else ())
        print_calibration(compiled.bundle)
    return 0

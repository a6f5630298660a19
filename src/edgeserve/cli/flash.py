"""`edgeserve flash`: the bench firmware onto a board."""

from __future__ import annotations

from pathlib import Path

import click

from edgeserve.cli.shared import format_option, shown_progress
from edgeserve.show.console import plain, print_json


@click.command()
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
    from edgeserve.pipeline.flash import flash as flash_model
    from edgeserve.strict_json import to_json

    with shown_progress("flashing", output_format) as progress:
        done = flash_model(
            model, board=board, port=port, method=method, image=image, progress=progress
        )
    if output_format == "json":
        print_json(to_json(done))
    else:
        click.echo(
            f"{done.board} on {done.port} runs {plain(done.info.model)} "
            f"(table {done.info.sha256_prefix}), written by {done.method}"
        )
    return 0

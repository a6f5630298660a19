"""`edgeserve build`: the firmware project and its bench image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeserve.cli.device import partition_option
from edgeserve.cli.shared import format_option, shown_progress
from edgeserve.cli.wish import wish_options
from edgeserve.show.bundle import print_project_changes
from edgeserve.show.console import print_json, shown_path

if TYPE_CHECKING:
    from edgeserve.planfile import Wish


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", default="mps2-an500", show_default=True, help="Board id or board file.")
@partition_option
@click.option(
    "--energy",
    is_flag=True,
    help="For MLPerf Tiny's energy mode: 9600 baud, time stamps are pulses on a pin.",
)
@wish_options
@format_option
def build(
    model: Path,
    board: str,
    partition: bool,
    energy: bool,
    wish: Wish | None,
    output_format: str,
) -> int:
    """Write the firmware project of a model for a board, and build its bench image."""
    from edgeserve.pipeline.build import build as build_model
    from edgeserve.pipeline.opening import board_of_target, open_model
    from edgeserve.strict_json import to_json

    changes: list[str] = []
    with shown_progress("building", output_format) as progress:
        _, image = build_model(
            open_model(model),
            board_of_target(board),
            partition=partition,
            energy=energy,
            wish=wish,
            progress=progress,
            changes=changes,
        )
    if output_format == "json":
        document = to_json(image)
        print_json({**document, "elf": str(image.elf), "project_changes": changes})
        return 0
    click.echo(shown_path(image.elf))
    click.echo(
        f"  project: {shown_path(image.elf.parent.parent)} (make builds it without edgeserve)"
    )
    print_project_changes(changes)
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

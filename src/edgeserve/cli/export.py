"""The command line's part of packages for other builds."""

from __future__ import annotations

from pathlib import Path

import click

from edgeserve.cli.shared import format_option
from edgeserve.show.console import print_json, shown_path


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", required=True, help="Board id or board file: whose core and memory.")
@click.option(
    "--as",
    "kind",
    required=True,
    type=click.Choice(["arduino", "zephyr", "platformio"]),
    help="An Arduino library, a Zephyr module, or the whole PlatformIO project.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A new folder, or a file that ends in .zip.",
)
@click.option("--objective", type=click.Choice(["size", "balanced", "speed"]), help="As of build.")
@format_option
def export(
    model: Path, board: str, kind: str, output: Path, objective: str | None, output_format: str
) -> int:
    """Write a model's C sources as a library of another build system; the same ones each time."""
    from edgeserve.pipeline.export import PackageKind
    from edgeserve.pipeline.export import export as export_model
    from edgeserve.pipeline.opening import board_of_target
    from edgeserve.plan.streaming import Objective
    from edgeserve.planfile import Wish
    from edgeserve.strict_json import to_json

    done = export_model(
        model,
        board_of_target(board),
        PackageKind(kind),
        output,
        None if objective is None else Wish(Objective(objective)),
    )
    if output_format == "json":
        print_json({**to_json(done), "path": str(done.path)})
    else:
        click.echo(shown_path(done.path))
        click.echo(
            f"  {done.name}: {done.files} files for {done.board}, "
            f"{done.arena_bytes:,} bytes of arena; not compiled here"
        )
    return 0

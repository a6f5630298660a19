"""`edgeserve plan`: the arena, and plans for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeserve.cli.shared import format_option
from edgeserve.cli.wish import wish_options
from edgeserve.show.console import print_json
from edgeserve.show.plan import (
    print_bought,
    print_objectives,
    print_plan,
    print_savings,
    print_shared,
    print_tflm,
    shared_json,
    tflm_json,
)

if TYPE_CHECKING:
    from edgeserve.planfile import Wish


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", default="mps2-an500", show_default=True, help="Board id or board file.")
@wish_options
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
    wish: Wish | None,
    tflm: Path | None,
    share: tuple[Path, ...],
    sources: Path | None,
    map_file: Path | None,
    output_format: str,
) -> int:
    """Plan a model's arena and draw it: who lies where and when, and what each idea saved."""
    from edgeserve.picture.file import ENDINGS, is_picture
    from edgeserve.pipeline.opening import board_of_target
    from edgeserve.pipeline.plan import draw, plan_for_tflm, survey
    from edgeserve.pipeline.plan import plan as plan_model
    from edgeserve.pipeline.plan import share as share_arena
    from edgeserve.strict_json import to_json

    if sources and not share:
        raise click.UsageError("--sources goes with --share")
    if map_file and not is_picture(map_file):
        raise click.UsageError(f"--map draws {' and '.join(ENDINGS)} alone")
    where = board_of_target(board)
    shared = share_arena((model, *share), where, sources) if share else None
    compiled = plan_model(model, where, wish)
    record = compiled.record()
    offline = plan_for_tflm(model, tflm) if tflm else None
    seen = survey(compiled) if map_file or output_format == "text" else None
    if seen and map_file:
        draw(seen, map_file)
    if seen is None or output_format == "json":
        also = {"tflm": tflm_json(tflm, offline)} if tflm and offline else {}
        also |= {"shared": shared_json(shared)} if shared else {}
        print_json({**to_json(record), **also})
        return 0
    print_plan(compiled.bundle.name, record, seen.picture)
    print_savings(seen)
    print_objectives(seen.objectives)
    print_bought(compiled)
    if tflm and offline:
        print_tflm(tflm, offline)
    if shared:
        print_shared(shared)
    return 0

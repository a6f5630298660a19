"""`edgeserve check`: models held against boards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeserve.cli.wish import wish_options
from edgeserve.errors import ConfigError
from edgeserve.show.console import print_json
from edgeserve.show.fits import print_fits

if TYPE_CHECKING:
    from edgeserve.fit import Fit
    from edgeserve.planfile import Wish


@click.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path), metavar="[MODEL]...")
@click.option("--board", "boards", multiple=True, help="Board id or board file; may be repeated.")
@click.option("--all-boards", is_flag=True, help="Every board that edgeserve knows.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The list of models to check [default: ./edgeserve.toml].",
)
@wish_options
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
    wish: Wish | None,
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
    from edgeserve.board import board_ids
    from edgeserve.checkfile import DEFAULT_NAME, Growth, ModelEntry, read_checkfile
    from edgeserve.fit import Budget, Reserve
    from edgeserve.pipeline.check import check as check_models
    from edgeserve.pipeline.check import check_checkfile

    limits = (reserve_ram, reserve_flash, max_arena, max_flash, arena_growth, flash_growth)
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
        fits = check_checkfile(read_checkfile(path), baseline)
    else:
        if config is not None:
            raise click.UsageError("--config lists models itself: leave out MODEL")
        if bool(boards) == all_boards:
            raise click.UsageError("name a --board, or --all-boards")
        names = tuple(board_ids()) if all_boards else tuple(boards)
        budget = Budget(max_arena, max_flash)
        fits = check_models(
            [ModelEntry(model, str(model), names, budget) for model in models],
            wish=wish,
            reserve=Reserve(reserve_ram, reserve_flash),
            baseline=baseline,
            growth=Growth(arena_growth, flash_growth),
        )
    _print_checks(fits, output_format)
    return 0 if all(fit.fits for fit in fits) else 1


def _print_checks(fits: Sequence[Fit], output_format: str) -> None:
    from edgeserve.show.fit_formats import fit_json, github_lines, junit_xml

    if output_format == "json":
        print_json([fit_json(fit) for fit in fits])
    elif output_format == "junit":
        click.echo(junit_xml(fits))
    elif output_format == "github":
        click.echo(github_lines(fits))
    else:
        print_fits(fits)

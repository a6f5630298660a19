"""What commands share: the choice of text or JSON, and a progress line for a person."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from edgeserve.errors import ConfigError

if TYPE_CHECKING:
    from edgeserve.pipeline.progress import Progress


class Percent(click.ParamType[float]):
    """``1%`` or ``0.5%``, as a share; a bare number could mean either."""

    name = "percent"
    _TEXT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = self._TEXT.fullmatch(str(value))
        if found is None or float(found[1]) > 100:
            self.fail(f"{value!r} is no percentage: write 1% or 0.5%", param, ctx)
        return float(found[1]) / 100


format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json prints one document on standard output and nothing else.",
)


def require_none_of(
    names: Iterable[str], why: str, *, hint: str = "leave it out, or name another --device"
) -> None:
    """ConfigError for an option that was given and would mean nothing."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{why} {option}", hint=hint)


@contextmanager
def shown_progress(title: str, output_format: str) -> Iterator[Progress]:
    """A progress line on standard error, where a person looks at it."""
    from edgeserve.pipeline.progress import silent

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

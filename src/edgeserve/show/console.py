"""Lines, tables and documents on standard output: the one place that writes there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click


def say(text: str) -> None:
    """A line on standard output."""
    click.echo(plain(text))


def plain(text: str) -> str:
    """``text`` on one line, with everything escaped that could spoil a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def columns(*titles: str) -> Any:
    """An empty rich table whose cells are shown as :func:`plain` text."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    class PlainTable(Table):
        def add_row(self, *cells: Any, **style: Any) -> None:
            super().add_row(*(plain(str(cell)) for cell in cells), **style)

    table = PlainTable(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def draw(renderable: Any) -> None:
    """Draws a rich table; markup in names stays as it is, and pipes get no colours."""
    from rich.console import Console

    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(
        renderable
    )


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False, default=str))


def shown_path(path: Path) -> str:
    """A path as a person standing here would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

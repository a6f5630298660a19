"""A report for a pull request: headings, tables and why something is absent; no pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from edgeserve.picture.svg import xml_text
from edgeserve.report.content import (
    Arena,
    Block,
    Cell,
    Column,
    Distribution,
    Folded,
    Kind,
    Line,
    Mark,
    Report,
    Span,
    Table,
    Timeline,
    Tone,
)

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$])")


def markdown_document(report: Report) -> str:
    """GitHub's Markdown. No text of the report can become markup, a mention or a reference."""
    lines = [f"# {escaped(report.heading)}", "", *map(escaped, report.summary)]
    for section in report.sections:
        lines += ["", f"## {escaped(section.title)}", "", *_blocks(section.blocks)]
    return "\n".join(lines).rstrip() + "\n"


def markdown_table(table: Table) -> list[str]:
    """The lines of a table; its bars are left out."""
    shown = [i for i, column in enumerate(table.columns) if column.kind is not Kind.SPAN]
    columns = [table.columns[i] for i in shown]
    lines = [f"*{escaped(table.caption)}*", ""] if table.caption else []
    lines.append(_row(escaped(column.title) for column in columns))
    lines.append(_row("---:" if column.kind is Kind.NUMBER else "---" for column in columns))
    lines += [_row(_cell(row[i], table.columns[i]) for i in shown) for row in table.rows]
    return [*lines, ""]


def escaped(text: str) -> str:
    """``text`` on one line, as text: markup is escaped, ``@`` and ``#`` mean nothing."""
    shown = xml_text(text).replace("\n", " ").replace("&", "&amp;")
    # A zero-width space keeps GitHub from mentioning a user or linking an issue.
    return re.sub(r"([@#])", "\\1\u200b", _SPECIAL.sub(r"\\\1", shown))


def code(text: str) -> str:
    """``text`` as code, where nothing but ``|`` of a table has a meaning."""
    shown = xml_text(text).replace("\n", " ").replace("|", "\\|")
    if not shown.strip():
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Line(text, Tone.QUIET):
                yield from (f"*{escaped(text)}*", "")
            case Line(text, _):
                yield from (escaped(text), "")
            case Table():
                yield from markdown_table(block)
            case Folded(title, inner):
                yield from (f"### {escaped(title)}", "", *_blocks(inner))
            case Distribution() | Timeline() | Arena():
                pass


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell, column: Column) -> str:
    match cell:
        case Span():
            return ""
        case Mark(text, tone):
            return f"**{escaped(text)}**" if tone is Tone.BAD else escaped(text)
        case str() if column.kind is Kind.NAME:
            return code(cell)
        case str():
            return escaped(cell)

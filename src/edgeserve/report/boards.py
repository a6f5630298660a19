"""Which boards the model fits, and how its arena looks there."""

from __future__ import annotations

from collections.abc import Iterator

from edgeserve.arena_map import ArenaMap
from edgeserve.fit import Fit
from edgeserve.identifier import short_name
from edgeserve.picture.words import told_peak
from edgeserve.report.content import (
    Arena,
    Block,
    Folded,
    Line,
    Mark,
    Section,
    Table,
    Tone,
    columns,
)
from edgeserve.report.recorded import BoardView, Recorded

_MOST_MAPS = 4


def fit_section(seen: Recorded) -> Section:
    """A row a board, as ``edgeserve check`` prints it, and what would help where it does not
    fit.
    """
    blocks: list[Block] = []
    if seen.boards:
        titles = ("!board", "!", "#arena", "#flash", "#stack", "#other RAM", "~left", "~sizes by")
        rows = tuple(_fit_row(view.fit) for view in seen.boards)
        blocks.append(Table(columns(*titles), rows, "bytes"))
        blocks += [
            Line(f"{view.board}: {view.fit.plan}.", Tone.QUIET)
            for view in seen.boards
            if view.fit.plan
        ]
        blocks += [line for view in seen.boards for line in _shortages(view.fit)]
    elif not seen.faults:
        blocks.append(_no_board(seen))
    blocks += [Line(fault, Tone.BAD) for fault in seen.faults]
    return Section("fit", "Does it fit", tuple(blocks))


def arena_section(seen: Recorded) -> Section:
    """The maps of all boards, alike ones once."""
    groups: dict[ArenaMap, list[BoardView]] = {}
    for view in seen.boards:
        groups.setdefault(view.picture, []).append(view)
    blocks: list[Block] = []
    for index, views in enumerate(groups.values()):
        names = ", ".join(view.board for view in views)
        if index >= _MOST_MAPS:
            blocks.append(
                Line(
                    f"{names}: edgeserve plan {seen.command_name} --board {views[0].board} "
                    "--map FILE.html draws it.",
                    Tone.QUIET,
                )
            )
            continue
        shown = tuple(_map(names, views[0]))
        blocks += shown if index == 0 else (Folded(f"The arena on {names}", shown),)
    return Section("arena", "Arena", tuple(blocks) or (_no_board(seen),))


def _no_board(seen: Recorded) -> Line:
    return Line(
        f"No board is planned: edgeserve plan {seen.command_name} --board BOARD makes a plan.",
        Tone.QUIET,
    )


def _fit_row(fit: Fit) -> tuple[str | Mark, ...]:
    footprint = fit.footprint
    return (
        fit.board,
        Mark("fits", Tone.GOOD) if fit.fits else Mark("does NOT fit", Tone.BAD),
        f"{footprint.arena_bytes:,}",
        f"{footprint.flash_bytes:,}",
        f"{footprint.stack_bytes:,}",
        f"{footprint.ram_other_bytes:,}",
        ", ".join(f"{use.region} {use.left_bytes:,}" for use in fit.regions),
        footprint.source,
    )


def _shortages(fit: Fit) -> Iterator[Line]:
    for shortage in fit.shortages:
        yield Line(f"{fit.board}: {shortage}", Tone.BAD)
    for advice in fit.advice:
        yield Line(f"{fit.board}: help: {advice}")


def _map(names: str, view: BoardView) -> Iterator[Block]:
    picture = view.picture
    verdict = (
        "its offsets are proven to be the best for these turns"
        if view.optimal
        else f"proven to need at least {view.lower_bound_bytes:,} bytes for these turns"
    )
    yield Line(f"{names}: {picture.arena_bytes:,} bytes; {verdict}.")
    yield Arena(f"the arena on {names}", picture)
    yield Table(
        columns("#bytes", "#at", "what", "@tensor"),
        tuple(
            (
                f"{resident.size_bytes:,}",
                f"{resident.offset_bytes:,}",
                resident.kind.value,
                short_name(resident.name, 96),
            )
            for resident in picture.peak.residents
        ),
        f"{told_peak(picture)}, in {short_name(picture.peak.step, 60)}",
    )

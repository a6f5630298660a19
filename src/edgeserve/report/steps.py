"""What each step takes: as measured where a device was, else as estimated, and labelled so."""

from __future__ import annotations

from collections.abc import Sequence

from edgeserve.identifier import short_name
from edgeserve.measurement import Measurement, latest_of_devices
from edgeserve.report.content import (
    Block,
    Cell,
    Folded,
    Line,
    Section,
    Span,
    Table,
    Tone,
    columns,
)
from edgeserve.report.recorded import BoardView, Recorded
from edgeserve.report.wording import told_count, told_when


def steps_section(seen: Recorded) -> Section:
    """A table a device that was measured, then one a board that was not."""
    latest = list(latest_of_devices(seen.measurements).values())
    measured = [one for one in latest if one.steps]
    with_steps = {one.place.board for one in measured}
    tables: list[tuple[str, Table]] = [(one.place.board, _measured(one)) for one in measured]
    tables += [
        (f"{view.board} (estimate)", _estimated(view))
        for view in seen.boards
        if view.board not in with_steps
    ]
    blocks: list[Block] = []
    for index, (title, table) in enumerate(tables):
        blocks.append(table if index == 0 else Folded(title, (table,)))
    if not blocks:
        blocks.append(
            Line(
                f"Neither measured nor planned: edgeserve bench {seen.command_name} --device D "
                "measures each step on a board.",
                Tone.QUIET,
            )
        )
    return Section("steps", "Steps", tuple(blocks))


def _measured(measurement: Measurement) -> Table:
    unit = measurement.unit
    total = sum(step.count for step in measurement.steps)
    emulated = ", emulated: executed instructions, not time" if measurement.place.emulated else ""
    caption = (
        f"measured on {measurement.place.board}{emulated}, {told_when(measurement.recorded_at)}; "
        f"{told_count(total, unit)} in all steps"
    )
    counts = [step.count for step in measurement.steps]
    rows = tuple(
        (
            str(step.step),
            step.kernel,
            f"{step.count:,}",
            bar,
            f"{step.count / total:.1%}" if total else "",
            f"{step.macs:,}",
            f"{step.count / step.macs:.2f}" if step.macs else "",
            short_name(step.label, 96),
        )
        for step, bar in zip(measurement.steps, _bars(counts), strict=True)
    )
    return _table(f"#{unit.value}", f"#{unit.value} a MAC", rows, caption)


def _estimated(view: BoardView) -> Table:
    total = sum(step.instructions for step in view.steps)
    counts = [step.instructions for step in view.steps]
    rows = tuple(
        (
            str(step.step),
            step.kernel,
            f"{step.instructions:,}",
            bar,
            f"{step.instructions / total:.1%}" if total else "",
            f"{step.macs:,}",
            "a guess" if step.worst_error is None else f"{step.worst_error:.0%}",
            short_name(step.label, 96),
        )
        for step, bar in zip(view.steps, _bars(counts), strict=True)
    )
    caption = f"ESTIMATE for {view.board}, not measured: {total:,} instructions in all steps"
    return _table("#instructions (estimate)", "#worst error", rows, caption)


def _bars(counts: Sequence[int]) -> list[Span]:
    most = max(counts, default=0) or 1
    return [Span(0, count / most) for count in counts]


def _table(counted: str, last: str, rows: tuple[tuple[Cell, ...], ...], caption: str) -> Table:
    titles = ("#step", "!kernel", counted, "|", "#share", "#MACs", last, "@tensor")
    return Table(columns(*titles), rows, caption)

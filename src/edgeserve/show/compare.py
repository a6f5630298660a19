"""A comparison in text, JSON and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeserve.show.console import columns, draw, say

if TYPE_CHECKING:
    from edgeserve.compare.comparison import Comparison
    from edgeserve.compare.differences import Difference
    from edgeserve.pipeline.compare import Answer

_TITLES = ("", "before", "after", "change", "95 % interval", "verdict")


def compare_json(answer: Answer) -> dict[str, Any]:
    """``compare --format json``."""
    return {
        "before": answer.before,
        "after": answer.after,
        "budget": answer.budget,
        "regressed": answer.has_regressed,
        "comparisons": [
            {
                "device": one.device,
                "before_recorded_at": one.before_at,
                "after_recorded_at": one.after_at,
                "differences": [_difference_json(row) for row in one.differences],
                "notes": list(one.notes),
            }
            for one in answer.comparisons
        ],
    }


def print_compare(answer: Answer) -> None:
    """A table a device, and the rule."""
    for one in answer.comparisons:
        say(f"{one.device}: {answer.before} ({one.before_at}) -> {answer.after} ({one.after_at})")
        table = columns(*_TITLES)
        for row in one.differences:
            table.add_row(*_row(row))
        draw(table)
        for note in one.notes:
            say(f"  note: {note}")
    say(_told(answer))


def compare_markdown(answer: Answer) -> str:
    """The same tables for a pull request."""
    from edgeserve.report.content import Kind, Table
    from edgeserve.report.content import columns as table_columns
    from edgeserve.report.markdown import code, escaped, markdown_table

    lines = [f"# {code(answer.before)} to {code(answer.after)}", ""]
    for one in answer.comparisons:
        lines += [f"## {escaped(one.device)}", ""]
        rows = tuple(_row(row) for row in one.differences)
        titles = [f"#{title}" if 0 < i < 5 else title for i, title in enumerate(_TITLES)]
        table = Table(table_columns(*titles), rows, f"{one.before_at} to {one.after_at}")
        assert table.columns[1].kind is Kind.NUMBER
        lines += markdown_table(table)
        lines += [f"- {escaped(note)}" for note in one.notes]
        lines += [""] if one.notes else []
    return "\n".join([*lines, escaped(_told(answer))])


def _told(answer: Answer) -> str:
    budget = f"{answer.budget:.3g}" if answer.budget < 0.001 else f"{answer.budget * 100:g} %"
    regressed = [
        f"{row.name} on {one.device}" for one in answer.comparisons for row in _regressions(one)
    ]
    if regressed:
        return f"regressed, with all of the interval above {budget}: {', '.join(regressed)}"
    return f"nothing has regressed: no interval lies wholly above {budget}"


def _regressions(comparison: Comparison) -> list[Difference]:
    from edgeserve.compare.differences import Verdict

    return [row for row in comparison.differences if row.verdict is Verdict.REGRESSION]


def _row(row: Difference) -> tuple[str, ...]:
    digits = ".4g" if row.unit == "mJ" else ",.0f"
    interval = ""
    change = row.change
    if change is not None and change.low is not None and change.high is not None:
        is_exact = change.low == change.high
        interval = "exact" if is_exact else f"{_percent(change.low)} to {_percent(change.high)}"
    verdict = f"{row.verdict.value}: {row.why}" if row.why else row.verdict.value
    return (
        row.name,
        f"{row.before:{digits}} {row.unit}",
        f"{row.after:{digits}} {row.unit}",
        "" if change is None else _percent(change.share),
        interval,
        verdict,
    )


def _percent(share: float) -> str:
    return f"{share:+.2%}" if share else "0 %"


def _difference_json(row: Difference) -> dict[str, Any]:
    change = row.change
    return {
        "metric": row.metric.value,
        "of": row.of,
        "unit": row.unit,
        "before": row.before,
        "after": row.after,
        "change": None if change is None else change.share,
        "low": None if change is None else change.low,
        "high": None if change is None else change.high,
        "verdict": row.verdict.value,
        "why": row.why,
    }

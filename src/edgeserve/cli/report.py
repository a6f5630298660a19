"""The command line's part that looks back: reports, and comparisons of measurements."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from edgeserve.compare.metric import Metric
from edgeserve.show.compare import compare_json, compare_markdown, print_compare
from edgeserve.show.console import print_json, say, shown_path

_MJ_A_MWH = 3600.0


class _Share(click.ParamType[float]):
    """``5%`` or ``2.5%``."""

    name = "percent"
    _TEXT = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)%", re.ASCII)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = self._TEXT.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no share: write it as 5% or 2.5%", param, ctx)
        return float(found[1]) / 100


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where it goes [default: report.html in the bundle; markdown: standard output].",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["html", "markdown"]),
    default="html",
    show_default=True,
    help="html: one page; markdown: tables for a pull request.",
)
@click.option(
    "--claims",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="What others say of the model [default: claims.toml in the bundle].",
)
@click.option("--battery", type=click.FloatRange(0, min_open=True), metavar="MAH")
@click.option(
    "--volts", type=click.FloatRange(0, min_open=True), help="Of the battery, with --battery."
)
def report(
    model: Path,
    output: Path | None,
    output_format: str,
    claims: Path | None,
    battery: float | None,
    volts: float | None,
) -> int:
    """Make one page of all that is recorded in a bundle: fit, arena, latency, energy, heat, claims.

    The page holds everything itself and asks nothing of a network.
    """
    from edgeserve.pipeline.report import default_report_file, write_markdown, write_report
    from edgeserve.pipeline.report import report as report_on
    from edgeserve.report.markdown import markdown_document
    from edgeserve.report.recorded import Battery

    if (battery is None) != (volts is None):
        raise click.UsageError("--battery and --volts go together")
    charge = None
    if battery is not None and volts is not None:
        charge = Battery(battery * volts * _MJ_A_MWH)
    made = report_on(model, claims=claims, battery=charge)
    if output_format == "markdown" and output is None:
        click.echo(markdown_document(made), nl=False)
        return 0
    destination = output or default_report_file(model)
    if output_format == "markdown":
        write_markdown(made, destination)
    else:
        write_report(made, destination)
    say(shown_path(destination))
    return 0


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "--budget",
    type=_Share(),
    default="5%",
    show_default=True,
    help="What may be added to a figure before it is a regression.",
)
@click.option(
    "--metric",
    "metrics",
    type=click.Choice([metric.value for metric in Metric]),
    multiple=True,
    help="Only this; may be repeated.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="markdown: a table for a pull request.",
)
def compare(
    before: str, after: str, budget: float, metrics: tuple[str, ...], output_format: str
) -> int:
    """Hold measurement B against measurement A; exit 1 when something has regressed.

    A and B are bundles, of which the last measurement of each device that both have is taken, or
    single measurements: BUNDLE#3 is the third line of measurements.jsonl, BUNDLE#-1 the last,
    BUNDLE#phone:1 a line of phone_measurements.jsonl. A regression is a change whose whole 95 %
    interval lies above the budget.
    """
    from edgeserve.pipeline.compare import compare as compare_sides

    wanted = frozenset(map(Metric, metrics)) or frozenset(Metric)
    answer = compare_sides(before, after, budget, wanted)
    if output_format == "json":
        print_json(compare_json(answer))
    elif output_format == "markdown":
        click.echo(compare_markdown(answer))
    else:
        print_compare(answer)
    return 1 if answer.has_regressed else 0

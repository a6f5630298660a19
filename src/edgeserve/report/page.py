"""A report as one HTML file: no script, nothing fetched, light or dark as the reader's system."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any
from xml.etree.ElementTree import tostring

from edgeserve import __version__
from edgeserve.arena_map import ArenaMap
from edgeserve.errors import MissingTool
from edgeserve.identifier import short_name
from edgeserve.picture.svg import draw_svg, xml_text
from edgeserve.picture.words import told_peak
from edgeserve.report.charts import INSTALL, draw_distribution, draw_timeline
from edgeserve.report.content import Report

_TEMPLATE = "page.html.jinja"
_STYLE = "page.css"
_OPTION = re.compile(r"(?<!\S)(--[\w-]+)")
"""What a browser would break behind its dashes: every second part of a text that it splits."""


def html_document(report: Report) -> str:
    """The text of a file. Raises MissingTool without the ``report`` extra."""
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ModuleNotFoundError as error:
        raise MissingTool("the Python package jinja2", install=INSTALL) from error

    def shown(value: Any) -> Any:
        """What no page can hold is made visible; autoescape does the rest."""
        return xml_text(value) if type(value) is str else value

    def trusted(markup: str) -> Any:
        """What an XML writer or we ourselves have written; all else is escaped."""
        return Markup(markup)  # noqa: S704

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["parts"] = _OPTION.split
    environment.filters["distribution"] = lambda chart: trusted(draw_distribution(chart))
    environment.filters["timeline"] = lambda chart: trusted(draw_timeline(chart))
    environment.filters["arena"] = lambda picture: trusted(_arena(picture))
    folder = files(__package__ or "edgeserve.report")
    template = environment.from_string((folder / _TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        report=report,
        style=trusted((folder / _STYLE).read_text(encoding="utf-8")),
        version=__version__,
        told_peak=told_peak,
        short_name=short_name,
    )


def _arena(picture: ArenaMap) -> str:
    return tostring(draw_svg("", picture), encoding="unicode", method="html")

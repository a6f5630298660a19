"""Distributions and runs over time as SVG, drawn by matplotlib, coloured by the page's style.

matplotlib knows scales, ticks and layouts; a page knows whether it is light or dark. So pictures
are drawn in colours that stand for the variables of the page, and those are put in afterwards.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, fromstring, tostring

from edgeserve.errors import MissingTool
from edgeserve.picture.svg import xml_text
from edgeserve.report.content import Distribution, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INSTALL = "pip install 'edgeserve[report]'"
_INK, _QUIET, _RULE, _MAIN, _SECOND, _THIRD, _ALERT = (f"#00000{n}" for n in range(1, 8))
_VARIABLES = {
    _INK: "var(--text)",
    _QUIET: "var(--quiet)",
    _RULE: "var(--rule)",
    _MAIN: "var(--main)",
    _SECOND: "var(--second)",
    _THIRD: "var(--third)",
    _ALERT: "var(--bad)",
}
_WIDTH_IN, _DPI = 5.6, 72
_LONG_TAIL = 20.0
"""Where the slowest is so many times the median, the axis is logarithmic."""


def draw_distribution(chart: Distribution) -> str:
    """The share of inferences that took at most so long, with p50, p90, p99 and intervals."""
    values, shares = zip(*chart.points, strict=True)
    with _figure(2.7) as figure:
        axes = figure.subplots()
        axes.step(values, shares, where="post", color=_MAIN, linewidth=1.6)
        for percent in chart.percents:
            drop = 4 if percent is chart.percents[-1] else -11
            share = float(percent.name[1:]) / 100
            if percent.low is not None and percent.high is not None:
                axes.plot([percent.low, percent.high], [share] * 2, color=_SECOND, linewidth=4)
            axes.plot([percent.value], [share], "o", color=_ALERT, markersize=4)
            axes.annotate(
                f"{percent.name} {percent.value:.4g}",
                (percent.value, share),
                xytext=(6, drop),
                textcoords="offset points",
                fontsize=9,
                color=_INK,
            )
        if values[0] > 0 and values[-1] > _LONG_TAIL * values[len(values) // 2]:
            axes.set_xscale("log")
        axes.set_ylim(0, 1.16)
        axes.set_yticks([0, 0.5, 0.9, 1.0], ["0", "50 %", "90 %", "100 %"])
        axes.set_xlabel(chart.unit)
        _room_for_labels(axes)
        return _svg(figure, f"distribution: {chart.caption}")


def draw_timeline(chart: Timeline) -> str:
    """Latency, temperatures and caps below each other on one axis of seconds."""
    panels = ["latency"]
    panels += ["celsius"] if chart.skin_celsius or chart.cpu_celsius else []
    panels += ["cap"] if chart.caps else []
    with _figure(1.1 + 1.15 * len(panels)) as figure:
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
        for panel, axes in zip(panels, grid[:, 0], strict=True):
            if panel == "latency":
                _line(axes, chart.latency_ms, _MAIN)
                axes.set_ylabel("median ms")
                axes.set_ylim(0, 1.15 * max(ms for _, ms in chart.latency_ms))
            elif panel == "celsius":
                _line(axes, chart.skin_celsius, _SECOND, "skin")
                _line(axes, chart.cpu_celsius, _THIRD, "CPU")
                axes.set_ylabel("Celsius")
                axes.legend(loc="best", frameon=False, labelcolor=_INK, fontsize=9)
            else:
                caps = tuple((at, 100 * cap) for at, cap in chart.caps)
                _line(axes, caps, _THIRD)
                axes.set_ylabel("cap %")
                axes.set_ylim(0, 105)
            if chart.onset_s is not None:
                axes.axvline(chart.onset_s, color=_ALERT, linewidth=1.2, linestyle="--")
        if chart.onset_s is not None:
            grid[0, 0].annotate(
                f"throttled from {chart.onset_s:.0f} s",
                (chart.onset_s, 0.06),
                xycoords=("data", "axes fraction"),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=9,
                color=_ALERT,
            )
        grid[-1, 0].set_xlabel("seconds")
        return _svg(figure, f"over time: {chart.caption}")


def _line(
    axes: Axes, points: Sequence[tuple[float, float]], color: str, label: str | None = None
) -> None:
    if points:
        at, values = zip(*points, strict=True)
        mark = "o" if len(points) < 2 else ""
        axes.plot(at, values, color=color, linewidth=1.5, label=label, marker=mark, markersize=3)


def _room_for_labels(axes: Axes) -> None:
    """Labels stand to the right of their points: the axis goes on behind the last one."""
    low, high = axes.get_xlim()
    if axes.get_xscale() == "log":
        axes.set_xlim(low, high * (high / low) ** 0.25)
    else:
        axes.set_xlim(low, high + 0.25 * (high - low))


@contextmanager
def _figure(height_in: float) -> Iterator[Figure]:
    """A figure in our colours; text stays text."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingTool("the Python package matplotlib", install=INSTALL) from error
    colours = {
        "axes.edgecolor": _RULE,
        "axes.labelcolor": _QUIET,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "grid.color": _RULE,
        "text.color": _INK,
        "xtick.color": _RULE,
        "ytick.color": _RULE,
        "xtick.labelcolor": _QUIET,
        "ytick.labelcolor": _QUIET,
    }
    settings: Any = {
        **colours,
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": "edgeserve",
    }
    with matplotlib.rc_context(settings):
        yield Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")


def _svg(figure: Figure, label: str) -> str:
    """The figure as an ``svg`` element for a page: no scripts, links, names or fonts of its own."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    root = fromstring(file.getvalue())  # noqa: S314 (matplotlib has just written it)
    for parent in list(root.iter()):
        for child in list(parent):
            if _plain(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _without_namespaces(element)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib.update({"class": "chart", "role": "img", "aria-label": xml_text(label)})
    text = tostring(root, encoding="unicode", short_empty_elements=True)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    return re.sub("#00000[1-7]", lambda found: _VARIABLES[found[0]], text)


def _without_namespaces(element: Element) -> None:
    element.tag = _plain(element.tag)
    for name in list(element.attrib):
        if name.startswith("{"):
            element.attrib[_plain(name)] = element.attrib.pop(name)


def _plain(name: str) -> str:
    return name.rpartition("}")[2]

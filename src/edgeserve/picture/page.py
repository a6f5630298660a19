"""A plan as a page: the picture of its arena, what each idea saved, and everybody by name.

One HTML file that asks nothing of a network and runs no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from edgeserve.arena_map import ArenaMap, Resident
from edgeserve.identifier import short_name
from edgeserve.picture.svg import draw_svg, xml_text
from edgeserve.picture.words import group_names, ring_rows, told_peak
from edgeserve.plan.savings import Saving

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --text: #1d232b; --quiet: #66707c;
  --rule: #dde2e8; --bar: #8cb8e8; }
@media (prefers-color-scheme: dark) { :root { --page: #14181d; --text: #e6eaef; --quiet: #97a1ad;
  --rule: #2a313a; --bar: #2f5f94; } }
body { margin: 0 auto; padding: 24px 20px 64px; max-width: 1160px; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 36px 0 8px; }
p { margin: 0 0 8px; max-width: 80ch; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); }
.wide { overflow-x: auto; }
.wide > svg { display: block; min-width: 860px; width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 14px 4px 0; text-align: left; vertical-align: top; }
@media (max-width: 700px) { .bar { display: none; } }
th { font-weight: 600; border-bottom: 1px solid var(--rule); white-space: nowrap; }
td { border-bottom: 1px solid var(--rule); }
.number { text-align: right; white-space: nowrap; }
.name { overflow-wrap: anywhere; min-width: 28ch; }
.bar { min-width: 160px; }
.bar div { height: 12px; margin-top: 5px; background: var(--bar); }
"""


_LONGEST = 96
"""Characters of a name in a table; the pointer shows all of it."""


@dataclass(frozen=True, slots=True)
class Page:
    """``heading`` and the lines of ``facts`` may hold any characters."""

    heading: str
    facts: Sequence[str]
    picture: ArenaMap
    savings: Sequence[Saving]


def html_document(page: Page) -> str:
    """The text of a file."""
    root = Element("html", {"lang": "en"})
    head = SubElement(root, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    _add(head, "title", page.heading)
    _add(head, "style", STYLE)
    body = SubElement(root, "body")
    _add(body, "h1", page.heading)
    for fact in page.facts:
        _add(body, "p", fact)
    SubElement(body, "div", {"class": "wide"}).append(draw_svg("", page.picture))
    _savings(body, page.savings)
    _groups(body, page.picture)
    peak = page.picture.peak
    _add(body, "h2", told_peak(page.picture).capitalize())
    _add(body, "p", f"A turn of {short_name(peak.step, _LONGEST)}.", "quiet")
    _residents(body, peak.residents)
    _add(body, "h2", "Everything in the arena")
    _residents(body, page.picture.residents)
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _savings(body: Element, savings: Sequence[Saving]) -> None:
    _add(body, "h2", "What each idea saves")
    note = "Each line has what the lines above it have. Extra instructions are estimates."
    _add(body, "p", note, "quiet")
    rows = _table(body, "method", "#arena", "#of the first", "|", "#extra instructions")
    most = max((saving.arena_bytes for saving in savings), default=0)
    for saving in savings:
        row = SubElement(rows, "tr")
        _add(row, "td", saving.method, "name")
        _add(row, "td", f"{saving.arena_bytes:,}", "number")
        _add(row, "td", f"{saving.arena_bytes / max(1, savings[0].arena_bytes):.0%}", "number")
        bar = SubElement(row, "td", {"class": "bar"})
        share = saving.arena_bytes / max(1, most)
        SubElement(bar, "div", {"style": f"width: {share:.1%}"})
        _add(row, "td", f"{saving.extra_share:.1%}", "number")


def _groups(body: Element, picture: ArenaMap) -> None:
    streamed = [s for s in picture.stretches if s.group.rows_per_turn is not None]
    _add(body, "h2", "Steps that take turns")
    if not streamed:
        _add(body, "p", "None: each step computes all its rows in one turn.")
        return
    rows = _table(body, "group", "#turns", "inputs by rows")
    for stretch in streamed:
        row = SubElement(rows, "tr")
        _add(row, "td", group_names(stretch)[0])
        _add(row, "td", f"{stretch.first} to {stretch.end - 1}", "number")
        _add(row, "td", ", ".join(map(str, stretch.group.feeds)) or "none")


def _residents(body: Element, residents: Iterable[Resident]) -> None:
    rows = _table(body, "#bytes", "#at", "#turns", "what", "#rows", "name")
    for resident in residents:
        row = SubElement(rows, "tr")
        _add(row, "td", f"{resident.size_bytes:,}", "number")
        _add(row, "td", f"{resident.offset_bytes:,}", "number")
        _add(row, "td", f"{resident.first} to {resident.end - 1}", "number")
        _add(row, "td", resident.kind.value)
        _add(row, "td", ring_rows(resident), "number")
        name = _add(row, "td", short_name(resident.name, _LONGEST), "name")
        name.set("title", xml_text(resident.name))


def _table(body: Element, *titles: str) -> Element:
    """Where the rows go. ``#`` before a title: a column of numbers; ``|``: one of bars."""
    wide = SubElement(body, "div", {"class": "wide"})
    table = SubElement(wide, "table")
    header = SubElement(SubElement(table, "thead"), "tr")
    for title in titles:
        name = {"#": "number", "|": "bar"}.get(title[0])
        _add(header, "th", title.lstrip("#|"), name)
    return SubElement(table, "tbody")


def _add(parent: Element, tag: str, text: str, name: str | None = None) -> Element:
    element = SubElement(parent, tag, {"class": name} if name else {})
    element.text = text if tag == "style" else xml_text(text)
    return element

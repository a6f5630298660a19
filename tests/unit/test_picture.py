"""Pictures of an arena: where boxes lie, that names stay names, that nothing is fetched."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from edgeserve.arena_map import ArenaMap, Kind, Peak, Resident, Stretch, arena_map, shared_bytes
from edgeserve.picture.axis import TurnAxis
from edgeserve.picture.page import Page, html_document
from edgeserve.picture.svg import HEIGHT, WIDTH, svg_document
from edgeserve.picture.text import draw_map, keys_of
from edgeserve.plan.effort import REFERENCE
from edgeserve.plan.savings import savings
from edgeserve.stream_plan import Group
from tests.unit.test_stream_plan import plan_seed

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title></svg><script>alert('1')</script>&\"]]>\x00\x1b[31m\ud800 end"
SHOWN = "</title></svg><script>alert('1')</script>&\"]]>\\x00\\x1b[31m\\ud800 end"


def picture_of(*residents: Resident, turns: int, groups: tuple[int, ...] = ()) -> ArenaMap:
    """Groups of so many turns each, or one for each turn; the peak is the first turn."""
    stretches = []
    at = 0
    for index, length in enumerate(groups or (1,) * turns):
        rows = None if length == 1 else 1
        stretches.append(Stretch(Group((index,), (), rows), at, at + length))
        at += length
    assert at == turns
    alive = tuple(r for r in residents if r.first == 0)
    return ArenaMap(
        arena_bytes=max(r.end_bytes for r in residents),
        turns=turns,
        residents=residents,
        shared=tuple(shared_bytes(residents)),
        stretches=tuple(stretches),
        peak=Peak(0, "first", sum(r.size_bytes for r in alive), alive),
    )


OVERLAID = picture_of(
    Resident("model/in", Kind.TENSOR, 64, 192, 0, 2, (12, 12)),
    Resident("model/out", Kind.TENSOR, 0, 224, 1, 3, (14, 14)),
    Resident("scratch of model/last", Kind.SCRATCH, 240, 16, 2, 3),
    turns=3,
)


def test_text_shows_who_holds_most_of_a_cell() -> None:
    assert draw_map(OVERLAID, columns=24, rows=8) == [
        "256 +------------------------+",
        "224 |AAAAAAAAAAAAAAAACCCCCCCC|",
        "192 |AAAAAAAAAAAAAAABBBBBBBBB|",
        "160 |AAAAAAAAAAAAAABBBBBBBBBB|",
        "128 |AAAAAAAAAAAABBBBBBBBBBBB|",
        " 96 |AAAAAAAAAABBBBBBBBBBBBBB|",
        " 64 |AAAAAAAAABBBBBBBBBBBBBBB|",
        " 32 |........BBBBBBBBBBBBBBBB|",
        "  0 |........BBBBBBBBBBBBBBBB|",
        "    +------------------------+",
        "step  0       1       2",
        "         ^ fullest: turn 0",
    ]


def test_text_of_a_small_arena_has_a_line_for_each_sixteen_bytes() -> None:
    tiny = picture_of(Resident("x", Kind.TENSOR, 0, 32, 0, 1), turns=1)
    assert draw_map(tiny, columns=4) == [
        "32 +----+",
        "16 |AAAA|",
        " 0 |AAAA|",
        "   +----+",
        "step  0",
        "    fullest: turn 0 ^",
    ]
    assert draw_map(replace(tiny, arena_bytes=0)) == []


def test_keys_come_round_again_after_those_that_lived_before() -> None:
    many = [Resident(f"v{i}", Kind.TENSOR, 0, 16, i, i + 1) for i in range(64)]
    keys = keys_of(picture_of(*many, turns=64))
    assert list(keys.values())[:2] == ["A", "B"]
    assert list(keys.values())[61:] == ["9", "A", "B"]


@pytest.mark.parametrize("groups", [(1,) * 5, (500, 1, 1), (1, 1, 300, 1, 40), (7,)])
def test_time_goes_on_and_every_group_can_be_seen(groups: tuple[int, ...]) -> None:
    turns = sum(groups)
    picture = picture_of(Resident("x", Kind.TENSOR, 0, 16, 0, turns), turns=turns, groups=groups)
    axis = TurnAxis(picture, 90.0)
    places = [axis.at(turn) for turn in range(turns + 1)]
    assert places[0] == 0
    assert places[-1] == pytest.approx(90)
    assert all(a < b for a, b in pairwise(places))
    for stretch in picture.stretches:
        assert axis.at(stretch.end) - axis.at(stretch.first) >= 90 / (3 * len(groups))


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_svg_has_a_box_for_each_resident_where_it_lies(seed: int) -> None:
    program, plan = plan_seed(seed)
    picture = arena_map(program, plan)
    root = ET.fromstring(svg_document("a plan", picture))
    boxes = [g for g in root.iter(f"{SVG}g") if g.get("class") == "box"]
    assert len(boxes) == len(picture.residents)
    (free,) = (r for r in root.iter(f"{SVG}rect") if r.get("class") == "free")
    left, top, width, height = (float(free.get(k, "")) for k in ("x", "y", "width", "height"))
    by_title = {box.findtext(f"{SVG}title"): box.find(f"{SVG}rect") for box in boxes}
    for resident in picture.residents:
        (rect,) = (r for title, r in by_title.items() if title and _tells(title, resident))
        assert rect is not None
        y, tall = float(rect.get("y", "")), float(rect.get("height", ""))
        wanted = height * resident.size_bytes / picture.arena_bytes
        assert tall == pytest.approx(max(wanted, 0.5), abs=0.1)
        bottom = top + height * (1 - resident.offset_bytes / picture.arena_bytes)
        assert y + wanted == pytest.approx(bottom, abs=0.2)
        x = float(rect.get("x", ""))
        assert left - 0.1 <= x
        assert x + float(rect.get("width", "")) <= left + width + 0.6
    for rect in root.iter(f"{SVG}rect"):
        assert 0 <= float(rect.get("x", "")) <= WIDTH
        assert 0 <= float(rect.get("y", "")) <= HEIGHT


def _tells(title: str, resident: Resident) -> bool:
    life = f"turns {resident.first} to {resident.end - 1}"
    return (
        title.startswith(f"{resident.name}: {resident.kind}, {resident.size_bytes:,} bytes")
        and f"at {resident.offset_bytes:,}, {life}" in title
    )


def test_the_peak_names_its_residents_and_shared_bytes_both() -> None:
    root = ET.fromstring(svg_document("a plan", OVERLAID))
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    (peak,) = (t for t in titles if t.startswith("fullest: turn 0, 192 of 256 bytes"))
    assert "model/in: tensor, 192 bytes at 64, turns 0 to 1" in peak
    assert "model/out" not in peak
    assert "model/out follows the dead rows of model/in: 160 bytes of both" in titles
    assert len(list(root.iter(f"{SVG}polygon"))) == 2


def hostile_picture() -> ArenaMap:
    return picture_of(
        Resident(HOSTILE, Kind.RING, 0, 320, 0, 2, (3, 9)),
        Resident(HOSTILE, Kind.SCRATCH, 320, 320, 1, 2),
        turns=2,
    )


def test_names_are_text_in_svg() -> None:
    root = ET.fromstring(svg_document(HOSTILE, hostile_picture()))
    assert root.get("aria-label") == SHOWN
    assert {node.tag.removeprefix(SVG) for node in root.iter()} <= {
        "svg", "style", "rect", "g", "title", "line", "text", "polygon",
    }  # fmt: skip
    assert sum(SHOWN in (title.text or "") for title in root.iter(f"{SVG}title")) == 3


class Tags(HTMLParser):
    """All tags, attributes and text of a page."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page_of(seed: int) -> Page:
    program, plan = plan_seed(seed)
    picture = arena_map(program, plan)
    return Page("a plan", ("a fact",), picture, tuple(savings(program, REFERENCE)))


def test_names_are_text_in_pages() -> None:
    page = replace(page_of(18), heading=HOSTILE, facts=(HOSTILE,), picture=hostile_picture())
    seen = Tags(html_document(page))
    assert "script" not in seen.tags
    assert seen.text.count(SHOWN) >= 4, "title, heading, fact, tables"


@pytest.mark.parametrize("seed", [2, 18, 31])
def test_pages_fetch_nothing_and_name_everybody(seed: int) -> None:
    page = page_of(seed)
    document = html_document(page)
    seen = Tags(document)
    assert not {"script", "link", "img", "iframe", "object", "use", "a"} & set(seen.tags)
    assert not {"src", "href", "xlink:href"} & {name for name, _ in seen.attributes}
    assert not re.search(r"url\(|@import|@font-face", document)
    assert re.findall(r"\w+://[^\s\"<]*", document) == ["http://www.w3.org/2000/svg"]
    for resident in page.picture.residents:
        assert ("title", resident.name) in seen.attributes
    for saving in page.savings:
        assert saving.method in seen.text
        assert f"{saving.arena_bytes:,}" in seen.text


def test_both_colour_schemes_define_every_colour() -> None:
    style = ET.fromstring(svg_document("a plan", OVERLAID)).findtext(f"{SVG}style") or ""
    light, dark = style.split("prefers-color-scheme: dark", 1)
    defined = set(re.findall(r"(--\w+):", light))
    assert set(re.findall(r"var\((--\w+)\)", style)) <= defined
    assert set(re.findall(r"(--\w+):", dark)) == defined

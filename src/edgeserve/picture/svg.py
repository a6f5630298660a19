"""A plan's arena as a picture: turns to the right, addresses upwards, a box a resident.

One SVG element without scripts, fonts or links, light or dark as the reader's system is. What a
box stands for is told when the pointer rests on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from xml.etree.ElementTree import Element, SubElement, tostring

from edgeserve.arena_map import ArenaMap, Kind, Resident, Shared, Stretch
from edgeserve.picture.axis import TurnAxis
from edgeserve.picture.words import (
    group_names,
    told_group,
    told_kind,
    told_peak,
    told_resident,
    told_shared,
)

WIDTH, HEIGHT = 1120, 640
_LEFT, _RIGHT, _TOP, _BOTTOM = 76.0, 1104.0, 84.0, 560.0
_BAND_TOP, _BAND_HEIGHT = 58.0, 18.0
_UNHEADED = 32
_CHARACTER = 6.6
"""Width of a character of the labels in boxes, roughly."""
_LINE = 13.0
_LEAST_ROW = 4.0
_LEAST_NAME = 8
_SHADES = 3
_TICKS = 6

STYLE = """.arena { --back: #ffffff; --ink: #1d232b; --faint: #66707c; --grid: #dde2e8;
  --free: #f4f6f8; --edge: #ffffff; --mark: #c2271b; --band: #e4e9ef; --turns: #b9dfd0;
  --on: #10151b; --tensor0: #8cb8e8; --tensor1: #a9c9ee; --tensor2: #76a6dc; --ring0: #7fd0ae;
  --ring1: #9bdcc0; --ring2: #66c39b; --state: #cfa8e6; --scratch: #f0c27a; --sums: #f2a3a0;
  --counters: #b6bec8; font-family: system-ui, sans-serif; font-size: 12px; }
@media (prefers-color-scheme: dark) { .arena { --back: #14181d; --ink: #e6eaef; --faint: #97a1ad;
  --grid: #2a313a; --free: #1b2027; --edge: #14181d; --mark: #ff8577; --band: #2a313a;
  --turns: #27584a; --on: #f2f5f8; --tensor0: #2f5f94; --tensor1: #3a6ea6; --tensor2: #27527f;
  --ring0: #257a5a; --ring1: #2e8a67; --ring2: #1f6a4e; --state: #6d4690; --scratch: #80591a;
  --sums: #8d3f3c; --counters: #515b67; } }
.arena text { fill: var(--ink); }
.arena .heading { font-size: 17px; font-weight: 600; }
.arena .faint { fill: var(--faint); }
.arena .right { text-anchor: end; }
.arena .middle { text-anchor: middle; }
.arena .back { fill: var(--back); }
.arena .free { fill: var(--free); }
.arena .grid { stroke: var(--grid); }
.arena .box { stroke: var(--edge); stroke-width: 1; }
.arena text.on { fill: var(--on); font-size: 11px; pointer-events: none; }
.arena .row { stroke: var(--edge); stroke-dasharray: 5 3; }
.arena .diagonal { stroke: var(--on); stroke-dasharray: 2 3; }
.arena .outline { fill: none; stroke: var(--mark); stroke-width: 1.6; pointer-events: none; }
.arena .mark { stroke: var(--mark); stroke-width: 1.4; stroke-dasharray: 6 3; fill: none; }
.arena .grip { stroke: transparent; stroke-width: 12; }
.arena text.marked { fill: var(--mark); font-weight: 600; }
.arena .band { fill: var(--band); stroke: var(--back); }
.arena .band.turns { fill: var(--turns); }
.arena g.box:hover > rect { filter: brightness(1.12); }
""" + "".join(
    f".arena .{name} {{ fill: var(--{name}); }}\n"
    f".arena polygon.{name} {{ stroke: var(--{name}); }}\n"
    for name in (
        *(f"{kind}{shade}" for kind in ("tensor", "ring") for shade in range(_SHADES)),
        "state",
        "scratch",
        "sums",
        "counters",
    )
)


def svg_document(heading: str, picture: ArenaMap) -> str:
    """The text of a file. ``heading`` and all names may hold any characters."""
    root = draw_svg(heading, picture)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def draw_svg(heading: str, picture: ArenaMap) -> Element:
    """The ``<svg>`` element; an empty heading takes no room."""
    return _Drawing(heading, picture).root


class _Drawing:
    """One picture; ``x`` and ``y`` say where a turn and an address lie."""

    def __init__(self, heading: str, picture: ArenaMap) -> None:
        self._picture = picture
        self._axis = TurnAxis(picture, _RIGHT - _LEFT)
        self._fills = _fills(picture)
        top = 0 if heading else _UNHEADED
        self.root = Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "class": "arena",
                "viewBox": f"0 {top} {WIDTH} {HEIGHT - top}",
                "role": "img",
                "aria-label": xml_text(heading) or "the arena",
            },
        )
        SubElement(self.root, "style").text = STYLE
        _rect(self.root, "back", 0, 0, WIDTH, HEIGHT)
        if heading:
            _text(self.root, "heading", 16, 26, heading)
        self._addresses()
        for stretch in picture.stretches:
            if stretch.first < stretch.end:
                self._stretch(stretch)
        for resident in sorted(picture.residents, key=lambda r: (r.first, -r.end)):
            self._resident(resident)
        for shared in picture.shared:
            self._shared(shared)
        for resident in picture.peak.residents:
            self._outline(resident)
        for resident in picture.residents:
            self._label(resident)
        self._peak()
        self._legend()

    def x(self, turn: int) -> float:
        return _LEFT + self._axis.at(turn)

    def y(self, address: int) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * address / max(1, self._picture.arena_bytes)

    def _addresses(self) -> None:
        _rect(self.root, "free", _LEFT, _TOP, _RIGHT - _LEFT, _BOTTOM - _TOP)
        for address in _ticks(self._picture.arena_bytes):
            y = self.y(address)
            _line(self.root, "grid", _LEFT, y, _RIGHT, y)
            _text(self.root, "faint right", _LEFT - 8, y + 4, f"{address:,}")
        _text(self.root, "faint right", _LEFT - 8, _BOTTOM + 18, "turn")

    def _stretch(self, stretch: Stretch) -> None:
        """A group: a band above the map, and the number of its first turn below."""
        group, left, right = stretch.group, self.x(stretch.first), self.x(stretch.end)
        by_rows = group.rows_per_turn is not None
        band = SubElement(self.root, "g")
        SubElement(band, "title").text = xml_text(told_group(stretch))
        _rect(
            band, "band turns" if by_rows else "band", left, _BAND_TOP, right - left, _BAND_HEIGHT
        )
        for label in group_names(stretch):
            if len(label) * _CHARACTER < right - left - 4:
                _text(band, "middle on", (left + right) / 2, _BAND_TOP + 13, label)
                break
        turn = f"{stretch.first}"
        if right - left > len(turn) * _CHARACTER + 4 or stretch.first == 0:
            _text(self.root, "faint", left + 1, _BOTTOM + 18, turn)

    def _box(self, resident: Resident) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return (
            self.x(resident.first),
            self.y(resident.end_bytes),
            self.x(resident.end),
            self.y(resident.offset_bytes),
        )

    def _resident(self, resident: Resident) -> None:
        left, top, right, bottom = self._box(resident)
        box = SubElement(self.root, "g", {"class": "box"})
        SubElement(box, "title").text = xml_text(told_resident(resident))
        _rect(box, self._fills[resident], left, top, right - left, bottom - top)
        if resident.kind is Kind.RING and resident.rows is not None:
            self._ring_rows(box, resident.rows[0], left, right, top, bottom)

    def _outline(self, resident: Resident) -> None:
        left, top, right, bottom = self._box(resident)
        if bottom - top >= _LEAST_ROW:
            _rect(self.root, "outline", left, top, right - left, bottom - top)

    def _label(self, resident: Resident) -> None:
        """The name, where the box has room for it that no other resident owns."""
        left, top, right, bottom = self._box(resident)
        name = resident.name if resident.kind is not Kind.SCRATCH else f"{resident.kind}"
        room = int((right - left - 8) / _CHARACTER)
        if bottom - top < _LINE:
            return
        labels = dict.fromkeys(_shortened(name, most) for most in (room, room // 2))
        for label in filter(None, labels):
            long = len(label) * _CHARACTER
            corner, other = (left + 4, top + _LINE - 2), (right - 4 - long, bottom - 4)
            for x, y in (corner, ((left + right - long) / 2, (top + bottom) / 2 + 4), other):
                if all(self._owns(resident, x + part * long, y - 4) for part in (0, 0.5, 1)):
                    _text(self.root, "on", x, y, label)
                    return

    def _owns(self, resident: Resident, x: float, y: float) -> bool:
        """Whether a point of the box is not on the other's side of shared bytes."""
        for shared in self._picture.shared:
            if resident not in (shared.old, shared.new):
                continue
            left, right = self.x(shared.first), self.x(shared.end)
            top, bottom = self.y(shared.end_bytes), self.y(shared.begin_bytes)
            if left <= x <= right and top <= y <= bottom:
                written = (bottom - y) * (right - left) < (x - left) * (bottom - top)
                if written != (resident == shared.new):
                    return False
        return True

    def _ring_rows(
        self, box: Element, depth: int, left: float, right: float, top: float, bottom: float
    ) -> None:
        """Lines between the rows of a ring, where there is room for them."""
        pitch = (bottom - top) / depth
        if pitch >= _LEAST_ROW:
            for row in range(1, depth):
                _line(box, "row", left, top + row * pitch, right, top + row * pitch)

    def _shared(self, shared: Shared) -> None:
        """Above the diagonal rows still to be read, below it rows already written."""
        left, right = self.x(shared.first), self.x(shared.end)
        top, bottom = self.y(shared.end_bytes), self.y(shared.begin_bytes)
        box = SubElement(self.root, "g")
        SubElement(box, "title").text = xml_text(told_shared(shared))
        for resident, corner in ((shared.old, (left, top)), (shared.new, (right, bottom))):
            points = ((left, bottom), corner, (right, top))
            SubElement(
                box,
                "polygon",
                {
                    "class": self._fills[resident],
                    "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in points),
                },
            )
        _line(box, "diagonal", left, bottom, right, top)

    def _peak(self) -> None:
        peak = self._picture.peak
        x = (self.x(peak.turn) + self.x(peak.turn + 1)) / 2
        mark = SubElement(self.root, "g", {"class": "fullest", "tabindex": "0"})
        SubElement(mark, "title").text = xml_text(
            "\n".join([told_peak(self._picture), *map(told_resident, peak.residents)])
        )
        _line(mark, "grip", x, _BAND_TOP - 10, x, _BOTTOM)
        _line(mark, "mark", x, _BAND_TOP - 10, x, _BOTTOM)
        on_the_left = x < (_LEFT + _RIGHT) / 2
        _text(
            mark,
            "marked" if on_the_left else "marked right",
            x + 5 if on_the_left else x - 5,
            _BAND_TOP - 6,
            told_peak(self._picture),
        )

    def _legend(self) -> None:
        x = _LEFT
        there = {resident.kind for resident in self._picture.residents}
        for kind in Kind:
            if kind in there:
                name = f"{kind}1" if kind in (Kind.TENSOR, Kind.RING) else f"{kind}"
                _rect(self.root, name, x, HEIGHT - 38, 12, 12)
                _text(self.root, "", x + 18, HEIGHT - 28, told_kind(kind))
                x += 34 + len(told_kind(kind)) * _CHARACTER
        if self._picture.shared:
            _line(self.root, "diagonal", x, HEIGHT - 26, x + 12, HEIGHT - 38)
            _text(self.root, "", x + 18, HEIGHT - 28, "an output follows dead rows of its input")
        _text(
            self.root,
            "faint",
            _LEFT,
            HEIGHT - 10,
            "Groups with few turns are drawn wider. Rest the pointer on a box to see what it is.",
        )


def xml_text(text: str) -> str:
    """``text`` with what XML cannot hold made visible; the writer escapes all else."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _fills(picture: ArenaMap) -> dict[Resident, str]:
    """The class of each box: tensors and rings in turn have one of three shades."""
    fills = {resident: f"{resident.kind}" for resident in picture.residents}
    for kind in (Kind.TENSOR, Kind.RING):
        for index, resident in enumerate(r for r in picture.by_birth if r.kind is kind):
            fills[resident] = f"{kind}{index % _SHADES}"
    return fills


def _ticks(arena_bytes: int) -> Iterator[int]:
    """Round addresses, and the end of the arena; none so near to it that both could not be read."""
    steps = (one * 10**power for power in count() for one in (1, 2, 5))
    step = next(step for step in steps if arena_bytes / step <= _TICKS)
    for address in range(0, arena_bytes, step):
        if arena_bytes - address > step / 3:
            yield address
    yield arena_bytes


def _shortened(name: str, characters: int) -> str:
    """The end of the first of the names that converters chain: the end tells them apart.

    Empty where too little of it would be left.
    """
    first = xml_text(name.split(";")[0])
    if len(first) <= characters:
        return first
    return f"…{first[1 - characters :]}" if characters >= _LEAST_NAME else ""


def _rect(parent: Element, name: str, x: float, y: float, width: float, height: float) -> None:
    SubElement(
        parent,
        "rect",
        {
            "class": name,
            "x": f"{x:.1f}",
            "y": f"{y:.1f}",
            "width": f"{max(width, 0.5):.1f}",
            "height": f"{max(height, 0.5):.1f}",
        },
    )


def _line(parent: Element, name: str, x1: float, y1: float, x2: float, y2: float) -> None:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    SubElement(
        parent, "line", {"class": name, **{key: f"{value:.1f}" for key, value in ends.items()}}
    )


def _text(parent: Element, name: str, x: float, y: float, text: str) -> None:
    place = {"class": name, "x": f"{x:.1f}", "y": f"{y:.1f}"}
    SubElement(parent, "text", place).text = xml_text(text)

"""A plan's arena as characters: addresses upwards, turns to the right, a letter a resident."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_lowercase, ascii_uppercase, digits

from edgeserve.arena import ALIGNMENT_BYTES
from edgeserve.arena_map import ArenaMap, Resident
from edgeserve.picture.axis import TurnAxis
from edgeserve.picture.words import group_names

COLUMNS, ROWS = 88, 20
FREE = "."
_KEYS = ascii_uppercase + ascii_lowercase + digits


def keys_of(picture: ArenaMap) -> dict[Resident, str]:
    """A character for each resident in the order of their births; they come round again."""
    return {resident: _KEYS[index % len(_KEYS)] for index, resident in enumerate(picture.by_birth)}


def draw_map(picture: ArenaMap, columns: int = COLUMNS, rows: int = ROWS) -> list[str]:
    """Lines of text, the highest address first, at most ``rows`` of addresses; none for an arena
    without bytes.

    A cell shows who holds most of it. Where two share bytes the later one grows from below, as its
    rows follow the dead rows of the other.
    """
    if not picture.arena_bytes:
        return []
    rows = min(rows, picture.arena_bytes // ALIGNMENT_BYTES)
    gutter = len(f"{picture.arena_bytes:,}")
    cells = _Cells(picture, columns, rows)
    edge = f"{'':{gutter}} +{'-' * columns}+"
    lines = [f"{picture.arena_bytes:,}{edge[gutter:]}"]
    for row in reversed(range(rows)):
        address = picture.arena_bytes * row // rows
        lines.append(f"{address:>{gutter},} |{cells.line(row)}|")
    return [
        *lines,
        edge,
        f"{'step':>{gutter}}  {_steps(picture, columns)}".rstrip(),
        f"{'':{gutter}}  {_peak(picture, columns)}",
    ]


class _Cells:
    """How much of each cell each resident holds."""

    def __init__(self, picture: ArenaMap, columns: int, rows: int) -> None:
        self._axis = TurnAxis(picture, columns)
        self._columns, self._rows = columns, rows
        self._row_bytes = picture.arena_bytes / rows
        self._held: list[list[dict[str, float]]] = [
            [{} for _ in range(columns)] for _ in range(rows)
        ]
        keys = keys_of(picture)
        for r in picture.residents:
            for row, column, share, _ in self._box(r.offset_bytes, r.end_bytes, r.first, r.end):
                self._add(row, column, keys[r], share)
        for s in picture.shared:
            box = self._box(s.begin_bytes, s.end_bytes, s.first, s.end)
            for row, column, share, is_new in box:
                self._add(row, column, keys[s.old if is_new else s.new], -share)

    def line(self, row: int) -> str:
        return "".join(map(_shown, self._held[row]))

    def _add(self, row: int, column: int, key: str, share: float) -> None:
        cell = self._held[row][column]
        cell[key] = cell.get(key, 0.0) + share

    def _box(
        self, begin_bytes: int, end_bytes: int, first: int, end: int
    ) -> Iterator[tuple[int, int, float, bool]]:
        """Each cell that a box touches, its share of it, and whether it is below the diagonal."""
        low, high = begin_bytes / self._row_bytes, end_bytes / self._row_bytes
        left, right = self._axis.at(first), self._axis.at(end)
        for row, tall in _shares(low, high, self._rows):
            up = (min(max(row + 0.5, low), high) - low) / (high - low)
            for column, wide in _shares(left, right, self._columns):
                along = (min(max(column + 0.5, left), right) - left) / (right - left)
                yield row, column, tall * wide, up < along


def _shares(low: float, high: float, cells: int) -> Sequence[tuple[int, float]]:
    """The cells of unit size that an interval touches, and how much of each it covers."""
    touched = range(int(low), min(cells, int(high) + 1))
    covered = ((cell, min(high, cell + 1) - max(low, cell)) for cell in touched)
    return [(cell, share) for cell, share in covered if share > 0]


def _shown(cell: Mapping[str, float]) -> str:
    return max(cell, key=lambda key: (cell[key], key), default=FREE)


def _steps(picture: ArenaMap, columns: int) -> str:
    """The steps of each group below its turns, where there is room to write them."""
    axis = TurnAxis(picture, columns)
    text = ""
    for stretch in picture.stretches:
        if stretch.first == stretch.end:
            continue
        label = group_names(stretch)[-1]
        left, right = int(axis.at(stretch.first)), int(axis.at(stretch.end))
        if len(text) <= left and left + len(label) < max(right, left + 2):
            text = text.ljust(left) + label + " "
    return text


def _peak(picture: ArenaMap, columns: int) -> str:
    """A mark below the turn in which the arena is fullest."""
    axis, turn = TurnAxis(picture, columns), picture.peak.turn
    column = min(columns - 1, int((axis.at(turn) + axis.at(turn + 1)) / 2))
    words = f"fullest: turn {turn}"
    if column + 2 + len(words) <= columns:
        return f"{'':{column}}^ {words}"
    return f"{words} ^".rjust(column + 1)

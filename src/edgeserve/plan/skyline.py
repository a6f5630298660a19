"""Packing buffers below a given height: an exact depth-first search along the skyline.

Buffers become rectangles on a strip: columns are the moments at which the set of live buffers is
largest, heights are units of memory, only the vertical position is free. The *skyline* is the top
of what is placed in each column. A *valley* is a run of columns of equal height with a higher
neighbour on both sides, and every packing can be pushed down until one of two things holds for it:

* some buffer stands on the valley's ground with nothing at ground level to the left of it, or
* no buffer stands on the ground, and the ground may be raised to the lower of both neighbours.

These choices are all that the search tries, so an exhausted search is a proof. What is lost to gaps
is taken off the column's slack (target minus all that must still go there); a choice that makes a
slack negative is dropped, and so is one that leaves a gap in which an unplaced buffer would fit.
The search continues in the valley that has the fewest choices.

Everything is integer arithmetic in a fixed order: the same input takes the same steps everywhere.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

_WALL = 1 << 62
_RAISE = -1

# waste, negated priority, first column, buffer (or _RAISE), height that the columns before it lose
_Move: TypeAlias = tuple[int, int, int, int, int]
# number of moves, ground, first column, end column, moves
_Valley: TypeAlias = tuple[int, int, int, int, list[_Move]]
# valleys besides the chosen one, the chosen one, its untried moves (last is next), floor and slack
# of its columns before any move
_Frame: TypeAlias = tuple[list[_Valley], _Valley, list[_Move], list[int], list[int]]


@dataclass(frozen=True, slots=True)
class Strip:
    """Rectangles of ``sizes[i]`` units over the columns ``[firsts[i], ends[i])``, none empty."""

    firsts: tuple[int, ...]
    ends: tuple[int, ...]
    sizes: tuple[int, ...]
    loads: tuple[int, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(end - first for first, end in zip(self.firsts, self.ends, strict=True))

    @property
    def load(self) -> int:
        """The highest sum of sizes in a column: no packing is lower."""
        return max(self.loads, default=0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search found.

    ``offsets`` is a packing not above the target, or None. With ``exhausted`` and no packing it is
    proven that no packing is lower than ``next_target`` units.
    """

    offsets: tuple[int, ...] | None
    exhausted: bool
    nodes: int
    next_target: int


def strip_of(lifetimes: Sequence[tuple[int, int]], sizes: Sequence[int]) -> Strip:
    """Columns out of half-open lifetimes (each at least one step long) and sizes (at least 1).

    Two buffers share a column exactly when they share a step. A column stands for a maximal set of
    buffers that are alive together: it begins at the last start before an end.
    """
    starts = {first for first, _ in lifetimes}
    ends = {end for _, end in lifetimes}
    columns: list[int] = []
    last_start: int | None = None
    for time in sorted(starts | ends):
        if time in ends and last_start is not None:
            columns.append(last_start)
            last_start = None
        if time in starts:
            last_start = time
    begins = tuple(bisect_left(columns, first) for first, _ in lifetimes)
    stops = tuple(bisect_left(columns, end) for _, end in lifetimes)
    loads = [0] * len(columns)
    for begin, stop, size in zip(begins, stops, sizes, strict=True):
        for column in range(begin, stop):
            loads[column] += size
    return Strip(begins, stops, tuple(sizes), tuple(loads))


def search(strip: Strip, target: int, priorities: Sequence[int], node_limit: int) -> Outcome:
    """Look for a packing of ``strip`` not above ``target`` units in at most ``node_limit`` nodes.

    The root is a node, and so is the state after each move.

    Among choices that waste equally much, the buffer of the highest priority is tried first.
    """
    if strip.load > target:
        return Outcome(None, True, 0, strip.load)
    return _Search(strip, target, priorities).run(node_limit)


class _Search:
    """The state of one search: columns are numbered from 1, with a wall on either side."""

    __slots__ = (
        "ends", "excess", "firsts", "floor", "keys", "left", "offsets",
        "pending", "sizes", "slack", "smallest", "starts", "target", "twins",
    )  # fmt: skip

    def __init__(self, strip: Strip, target: int, priorities: Sequence[int]) -> None:
        columns = len(strip.loads)
        self.target = target
        self.firsts = [first + 1 for first in strip.firsts]
        self.ends = [end + 1 for end in strip.ends]
        self.sizes = strip.sizes
        self.keys = [-priority for priority in priorities]
        self.smallest = min(strip.sizes, default=0)
        self.floor = [_WALL] + [0] * columns + [_WALL]
        self.slack = [0] + [target - load for load in strip.loads] + [0]
        self.pending = [0] * (columns + 2)
        self.starts: list[list[int]] = [[] for _ in range(columns + 2)]
        self.offsets = [-1] * len(strip.sizes)
        self.left = len(strip.sizes)
        self.excess = _WALL
        for buffer, first in enumerate(self.firsts):
            self.starts[first].append(buffer)
            for column in range(first, self.ends[buffer]):
                self.pending[column] += 1
        self.twins = self._find_twins()

    def _find_twins(self) -> list[int]:
        """For each buffer the previous one of the same columns and size, which must go first."""
        seen: dict[tuple[int, int, int], int] = {}
        twins = []
        for buffer, key in enumerate(zip(self.firsts, self.ends, self.sizes, strict=True)):
            twins.append(seen.get(key, -1))
            seen[key] = buffer
        return twins

    def run(self, node_limit: int) -> Outcome:
        """Depth first over moves; the stack holds the valleys, the moves left and the way back."""
        nodes = 1
        valleys = self._valleys(1, len(self.floor) - 1)
        if self.left == 0:
            return Outcome((), False, nodes, self.target)
        if valleys is None:
            return self._exhausted(nodes)
        stack = [self._frame(valleys)]
        while stack:
            others, valley, moves, _, _ = stack[-1]
            if not moves:
                stack.pop()
                if stack:
                    self._undo(stack[-1])
                continue
            if nodes >= node_limit:
                return Outcome(None, False, nodes, self.target)
            nodes += 1
            self._apply(valley, moves[-1])
            if self.left == 0:
                return Outcome(tuple(self.offsets), False, nodes, self.target)
            fresh = self._valleys(*self._around(valley))
            if fresh is None:
                self._undo(stack[-1])
            else:
                stack.append(self._frame(others + fresh))
        return self._exhausted(nodes)

    def _exhausted(self, nodes: int) -> Outcome:
        return Outcome(None, True, nodes, self.target + self.excess)

    def _frame(self, valleys: list[_Valley]) -> _Frame:
        valley = min(valleys)
        _, _, first, end, moves = valley
        others = [other for other in valleys if other is not valley]
        ordered = sorted(moves, reverse=True)
        return others, valley, ordered, self.floor[first:end], self.slack[first:end]

    def _apply(self, valley: _Valley, move: _Move) -> None:
        _, ground, first, _, _ = valley
        _, _, start, buffer, lost = move
        floor, slack = self.floor, self.slack
        if lost:
            for column in range(first, start):
                floor[column] = ground + lost
                slack[column] -= lost
        if buffer == _RAISE:
            return
        top = ground + self.sizes[buffer]
        pending = self.pending
        for column in range(start, self.ends[buffer]):
            pending[column] -= 1
            floor[column] = top if pending[column] else _WALL
        self.offsets[buffer] = ground
        self.left -= 1

    def _undo(self, frame: _Frame) -> None:
        """Take back the last move of the frame and strike it off."""
        _, (_, _, first, end, _), moves, floor, slack = frame
        _, _, start, buffer, _ = moves.pop()
        self.floor[first:end] = floor
        self.slack[first:end] = slack
        if buffer == _RAISE:
            return
        for column in range(start, self.ends[buffer]):
            self.pending[column] += 1
        self.offsets[buffer] = -1
        self.left += 1

    def _around(self, valley: _Valley) -> tuple[int, int]:
        """The columns of the valley and of the two runs beside it, where new valleys may appear."""
        _, _, first, end, _ = valley
        floor = self.floor
        height = floor[first - 1]
        if height < _WALL:
            first -= 1
            while floor[first - 1] == height:
                first -= 1
        height = floor[end]
        if height < _WALL:
            end += 1
            while floor[end] == height:
                end += 1
        return first, end

    def _valleys(self, first: int, end: int) -> list[_Valley] | None:
        """The valleys within ``[first, end)``, or None when one of them leaves no choice at all."""
        floor = self.floor
        found: list[_Valley] = []
        begin = first
        while begin < end:
            ground = floor[begin]
            stop = begin + 1
            if ground < _WALL:
                while floor[stop] == ground:
                    stop += 1
                if floor[begin - 1] > ground < floor[stop]:
                    moves = self._moves(begin, stop)
                    if not moves:
                        return None
                    found.append((len(moves), ground, begin, stop, moves))
            begin = stop
        return found

    def _moves(self, first: int, end: int) -> list[_Move]:
        """All choices in the valley ``[first, end)``; records how far the refused overshoot."""
        offsets, sizes, ends, keys, twins = (
            self.offsets, self.sizes, self.ends, self.keys, self.twins,
        )  # fmt: skip
        ground = self.floor[first]
        to_left = self.floor[first - 1] - ground
        to_right = self.floor[end] - ground
        least_loss = min(to_left, self.smallest)
        moves: list[_Move] = []
        ended: dict[int, int] = {}
        fits = slack = _WALL
        column = first
        while column < end:
            fits = min(fits, ended.get(column, _WALL))
            for buffer in self.starts[column]:
                stop = ends[buffer]
                if offsets[buffer] >= 0 or stop > end:
                    continue
                size = sizes[buffer]
                if size < ended.get(stop, _WALL):
                    ended[stop] = size
                if twins[buffer] >= 0 and offsets[twins[buffer]] < 0:
                    continue
                lost = min(to_left, size) if column > first else 0
                if lost >= fits:
                    continue
                if lost > slack:
                    self.excess = min(self.excess, lost - slack)
                    continue
                moves.append((lost * (column - first), keys[buffer], column, buffer, lost))
            slack = min(slack, self.slack[column])
            column += 1
            if slack < least_loss:
                self.excess = min(self.excess, least_loss - slack)
                break
        lost = min(to_left, to_right)
        if lost < _WALL >> 1 and lost < min(fits, ended.get(end, _WALL)):
            slack = min(slack, min(self.slack[first:end]))
            if lost > slack:
                self.excess = min(self.excess, lost - slack)
            else:
                moves.append((_WALL, 0, end, _RAISE, lost))
        return moves

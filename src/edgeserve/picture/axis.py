"""The axis of time in pictures of a plan: turns, with room for groups that take few of them."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from edgeserve.arena_map import ArenaMap


class TurnAxis:
    """Places turns on ``width`` units. A group with few turns is stretched until it can be seen."""

    def __init__(self, picture: ArenaMap, width: float) -> None:
        runs = [(s.first, s.end) for s in picture.stretches if s.end > s.first]
        self._runs = runs or [(0, picture.turns)]
        least = picture.turns / (2 * len(self._runs))
        shares = [max(end - first, least) for first, end in self._runs]
        self.width = width
        edges = accumulate(shares, initial=0.0)
        self._edges = [width * edge / sum(shares) for edge in edges]

    def at(self, turn: int) -> float:
        """Where a turn begins, in ``[0, width]``; the end of the last turn is ``width``."""
        index = bisect_right(self._runs, turn, key=lambda run: run[0]) - 1
        first, end = self._runs[index]
        low, high = self._edges[index : index + 2]
        return low + (high - low) * min(1.0, (turn - first) / (end - first))

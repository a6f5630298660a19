"""Boards in text and JSON: the list of all, and one with the source of every figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgeserve.board_figures import NONE_FOUND, Figure, figures_of, unverified
from edgeserve.show.console import columns, draw, say
from edgeserve.strict_json import to_json

if TYPE_CHECKING:
    from edgeserve.board import Board


def board_json(board: Board) -> dict[str, Any]:
    """A board as ``boards --format json`` tells it."""
    told: dict[str, Any] = to_json(board)
    return told | {"unverified": list(unverified(board))}


def print_boards(boards: Sequence[Board]) -> None:
    """A row a board."""
    table = columns("board", "core", "kind", "memory free for a model", "name")
    for board in boards:
        memory = ", ".join(f"{r.name} {r.free_bytes // 1024:,} KiB" for r in board.regions)
        table.add_row(board.id, board.cpu.core, board.kind.value, memory, board.name)
    draw(table)


def print_board(board: Board) -> None:
    """What the file says of a board, with the source below each figure."""
    say(f"{board.id}: {board.name} ({board.kind.value})")
    for figure in figures_of(board):
        say(f"  {figure.what:<16} {figure.value}{'' if figure.is_verified else '  (unverified)'}")
        say(f"  {'':<16} {_origin(figure)}")


def _origin(figure: Figure) -> str:
    if figure.source is None:
        return "no source given"
    return "no source found" if figure.source == NONE_FOUND else f"from {figure.source}"

"""The command line's part that lists boards, and shows one with where its figures are from."""

from __future__ import annotations

import click

from edgeserve.cli.shared import format_option
from edgeserve.show.boards import board_json, print_board, print_boards
from edgeserve.show.console import print_json


@click.command()
@click.argument("board", required=False)
@format_option
def boards(board: str | None, output_format: str) -> int:
    """List the boards, their core and memory; with BOARD (an id or a board file), its figures.

    Each figure of BOARD is shown with its source, and as unverified where none was found.
    """
    from edgeserve.board import board_ids, load_board

    if board is not None:
        one = load_board(board)
        if output_format == "json":
            print_json(board_json(one))
        else:
            print_board(one)
        return 0
    known = [load_board(name) for name in board_ids()]
    if output_format == "json":
        print_json([board_json(one) for one in known])
    else:
        print_boards(known)
    return 0

"""From what a user names to the board or the bundle that it means."""

from __future__ import annotations

from pathlib import Path

from edgeserve.board import Board, board_ids, load_board
from edgeserve.bundle_store import Bundle, open_bundle
from edgeserve.compilation import naming
from edgeserve.errors import ConfigError

TARGETS = {"cortex-m7": "mps2-an500", "esp32": "esp32dev"}
"""Names of families that `--target` takes beside the boards' own."""


def board_of_target(target: str) -> Board:
    """The board that a `--target` means. Raises ConfigError."""
    if not names_a_board(target):
        raise ConfigError(
            f"unknown target {target!r}",
            hint=f"targets: {', '.join([*TARGETS, 'ios', *board_ids()])}; or a board file's path",
        )
    return load_board(TARGETS.get(target, target))


def names_a_board(target: str) -> bool:
    """Whether it is a board's id, a family's name or a board file."""
    return target in TARGETS or target in board_ids() or target.endswith(".toml")


def open_model(path: Path) -> Bundle:
    """The bundle at ``path``, or that of the ``.tflite`` there; see ``open_bundle``.

    Raises ConfigError for a bundle of iOS, whose model is float.
    """
    with naming(path):
        bundle = open_bundle(path)
    if bundle.facts.coreml is not None:
        raise ConfigError(
            f"{path} is a bundle for iOS: its model is float, and boards run integers",
            hint="edgeserve convert SOURCE --target BOARD --calibration DATA makes one for a board",
        )
    return bundle

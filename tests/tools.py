"""What a test needs from the machine: skipped without it at a desk, failed without it in CI."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
from importlib.util import find_spec

import pytest

from edgeserve.board import Board

MUST_BE_HERE = "EDGESERVE_TESTS_NEED_TOOLS"
"""Set by `.ci/run`, so that a tool its machine lost is a red test and not a green run of less."""


def need_programs(*names: str) -> None:
    """Skips the test where a program is not on PATH, or fails it where that may not be."""
    for name in names:
        if shutil.which(name) is None:
            _go_without(name)


def need_library(name: str, package: str) -> None:
    """The same for a shared library; ``package`` is Debian's that has it."""
    try:
        ctypes.CDLL(name)
    except OSError:
        _go_without(f"{name}, of {package},")


def need_package(name: str) -> None:
    """The same for a Python package."""
    if find_spec(name) is None:
        _go_without(name)


def take_interrupts() -> None:
    """For ``preexec_fn``: what a shell runs in the background ignores interrupts, and so do the
    programs that it starts.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _go_without(name: str) -> None:
    absent = f"{name} is not installed"
    if os.environ.get(MUST_BE_HERE):
        pytest.fail(absent)
    pytest.skip(absent)


def need_board_tools(board: Board) -> None:
    """The compiler of a board, and its emulator where it has one."""
    assert board.toolchain is not None
    need_programs(f"{board.toolchain.prefix}gcc")
    if board.emulator is not None:
        need_programs(board.emulator.program)

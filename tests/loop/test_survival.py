"""A board whose sensor or step hangs: told, survived, and known after the reset."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeserve.board import load_board
from edgeserve.device.link import Link
from edgeserve.device.qemu import open_qemu
from edgeserve.firmware.build import build
from edgeserve.firmware.project import ImageKind
from edgeserve.image import Image
from tests.e2e.firmware_fixtures import WERROR, write_tiny
from tests.tiny_program import tiny_program
from tests.tools import need_board_tools

BOARDS = ["mps2-an500", "mps2-an385"]
NEW = "start after none pc=00000000 mark=00000000"


@pytest.fixture(scope="module", params=BOARDS)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    board = load_board(str(request.param))
    need_board_tools(board)
    folder = write_tiny(tmp_path_factory.mktemp("trials"), board.id, tiny_program())
    shutil.copyfile(Path(__file__).with_name("loop_trials.c"), folder / "src" / "app.c")
    return build(folder, kind=ImageKind.APP, extra_flags=WERROR)


@pytest.fixture
def link(image: Image) -> Iterator[Link]:
    board = next(name for name in BOARDS if f"firmware of {name}" in str(image.elf))
    opened = open_qemu(load_board(board), image.elf)
    try:
        assert line(opened) == NEW
        yield opened
    finally:
        opened.close()


def line(link: Link) -> str:
    return link.read_line(time.monotonic() + 60)


def test_a_sensor_that_hangs_is_told_and_survived(link: Link) -> None:
    link.send("s")
    assert line(link) == "motion hangs, 5 whole, 15 patched"


def test_a_step_that_hangs_is_known_after_the_watchdogs_reset(link: Link) -> None:
    link.send("h")
    assert line(link) == "e-[no progress: the watchdog starts the board again]"
    crash = re.fullmatch(r"start after watchdog pc=([0-9a-f]{8}) mark=([0-9a-f]{8})", line(link))
    assert crash is not None
    last_step = len(tiny_program().steps) - 1
    assert int(crash[2], 16) == 0x100 + last_step
    code = load_board("mps2-an500").regions[0]
    assert code.address < int(crash[1], 16) < code.address + 0x20000
    # It runs again, and the record is told once.
    link.send("r")
    assert line(link) == NEW


def test_a_fault_is_known_after_the_reset(link: Link) -> None:
    link.send("f")
    fault = re.match(r"e-\[fault pc=([0-9a-f]{8}) ", line(link))
    assert fault is not None
    assert line(link) == f"start after fault pc={fault[1]} mark=00000005"


def test_a_fatal_error_is_known_after_the_reset(link: Link) -> None:
    link.send("x")
    assert line(link) == "e-[no more]"
    assert line(link) == "start after fatal pc=00000000 mark=00000000"


def test_a_reset_in_good_order_is_no_crash(link: Link) -> None:
    link.send("r")
    assert line(link) == NEW

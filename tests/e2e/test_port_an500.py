"""The emulated board's port: exact counts, a clock that outlives its timer, faults that speak."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeserve.board import load_board
from edgeserve.build import build
from edgeserve.device.link import Link
from edgeserve.device.qemu import open_qemu
from edgeserve.image import Image
from edgeserve.project import ImageKind
from tests.e2e.firmware_fixtures import WERROR, write_tiny
from tests.tiny_program import tiny_program

BOARD = "mps2-an500"


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The trial application on a firmware project's ports."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    folder = write_tiny(tmp_path_factory.mktemp("port"), BOARD, tiny_program())
    shutil.copyfile(Path(__file__).with_name("an500_trials.c"), folder / "src" / "app.c")
    return build(folder, kind=ImageKind.APP, extra_flags=WERROR)


@pytest.fixture
def link(trials: Image) -> Iterator[Link]:
    opened = open_qemu(load_board(BOARD), trials.elf)
    try:
        assert line(opened) == "start"
        yield opened
    finally:
        opened.close()


def line(link: Link, wait_s: float = 15) -> str:
    return link.read_line(time.monotonic() + wait_s)


def count(link: Link) -> int:
    return int(line(link, 60).removeprefix("count "))


def test_instructions_are_counted_exactly(link: Link) -> None:
    counts = []
    for _ in range(3):
        link.send("n")
        nothing = count(link)
        counts.append(count(link) - nothing)
    assert counts == [400, 400, 400]


def test_the_clock_goes_on_when_its_timer_wraps(link: Link) -> None:
    link.send("w")
    assert 0 <= count(link) - 2_000_000_000 < 100


def test_a_wait_has_an_end(link: Link) -> None:
    link.send("t")
    assert line(link) == "waited"


def test_reset_starts_again(link: Link) -> None:
    link.send("r")
    assert line(link) == "start"


@pytest.mark.parametrize(
    ("trial", "cfsr", "more"),
    [
        ("f", "00008200", " address=90000000"),
        ("d", "02000000", ""),
        ("u", "00010000", ""),
    ],
    ids=["unmapped address", "division by zero", "undefined instruction"],
)
def test_a_fault_tells_where_and_why(link: Link, trial: str, cfsr: str, more: str) -> None:
    link.send(trial)
    match = re.fullmatch(r"e-\[fault pc=([0-9a-f]{8}) cfsr=([0-9a-f]{8})(.*)\]", line(link))
    assert match is not None
    assert (match[2], match[3]) == (cfsr, more)
    assert 0 < int(match[1], 16) < 0x20000


def test_a_stack_that_overflows_is_caught(link: Link) -> None:
    link.send("s")
    assert re.fullmatch(r"e-\[fault pc=.* cfsr=.* stack overflow\]", line(link))


def test_an_application_that_returns_says_so(link: Link) -> None:
    link.send("e")
    assert line(link) == "e-[the application returned]"

"""The emulated boards' ports: exact counts, clocks that outlive their timers, faults that speak."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from edgeserve.board import Kind, board_ids, load_board
from edgeserve.device.link import Link
from edgeserve.device.qemu import open_qemu
from edgeserve.firmware.build import build
from edgeserve.firmware.project import ImageKind
from edgeserve.image import Image
from tests.e2e.firmware_fixtures import WERROR, write_tiny
from tests.tiny_program import tiny_program
from tests.tools import need_board_tools

EMULATED = [name for name in board_ids() if load_board(name).kind is Kind.EMULATED]


@dataclass(frozen=True, slots=True)
class Manner:
    """What a core says of a fault, after its program counter; None where it has no such fault."""

    unmapped: str
    zero: str | None
    undefined: str
    overflow: str | None = r" .* stack overflow"
    watchdog: bool = False


ARMV7 = Manner(" cfsr=00008200 address=e8000000", " cfsr=02000000", " cfsr=00010000")
CMSDK = Manner(ARMV7.unmapped, ARMV7.zero, ARMV7.undefined, watchdog=True)
MANNERS = {
    **dict.fromkeys(("mps2-an385", "mps2-an386", "mps2-an500", "mps2-an500-banks"), CMSDK),
    **dict.fromkeys(("mps2-an505", "mps3-an547"), CMSDK),
    "netduinoplus2": ARMV7,
    # No reasons, no guard: the core has neither.
    "microbit": Manner("", None, "", overflow=None),
    "riscv-virt": Manner(
        " mcause=00000005 address=e8000000", None, " mcause=00000002 address=[0-9a-f]{8}"
    ),
    "xtensa-sim": Manner(
        " exccause=0000000f address=e8000000", None, " exccause=00000000 address=[0-9a-f]{8}"
    ),
}

Trials = Callable[[str], Image]


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """The trial application on each board's port, built once."""

    @cache
    def built(board_id: str) -> Image:
        board = load_board(board_id)
        need_board_tools(board)
        folder = write_tiny(tmp_path_factory.mktemp("port"), board_id, tiny_program())
        shutil.copyfile(Path(__file__).with_name("port_trials.c"), folder / "src" / "app.c")
        return build(folder, kind=ImageKind.APP, extra_flags=WERROR)

    return built


@pytest.fixture(params=EMULATED)
def board(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def link(board: str, trials: Trials) -> Iterator[Link]:
    opened = open_qemu(load_board(board), trials(board).elf)
    try:
        assert line(opened) == "start"
        yield opened
    finally:
        opened.close()


def line(link: Link, wait_s: float = 15) -> str:
    return link.read_line(time.monotonic() + wait_s)


def count(link: Link) -> int:
    return int(line(link, 120).removeprefix("count "))


def test_every_emulated_board_is_tried() -> None:
    assert sorted(MANNERS) == sorted(EMULATED)


@pytest.mark.parametrize(("trial", "expected"), [("n", 400), ("l", 200_000)])
def test_instructions_are_counted_exactly(link: Link, trial: str, expected: int) -> None:
    counts = []
    for _ in range(3):
        link.send(trial)
        nothing = count(link)
        counts.append(count(link) - nothing)
    # The loop's counter may be put into its register between the looks at the clock.
    assert counts[0] - expected in range(4 if trial == "l" else 1)
    assert counts == counts[:1] * 3


def test_the_clock_goes_on_when_its_timer_wraps(link: Link) -> None:
    link.send("w")
    assert 0 <= count(link) - 2_000_000_000 < 200


def test_a_wait_has_an_end(link: Link) -> None:
    link.send("t")
    assert line(link) == "waited"


def test_reset_starts_again(link: Link) -> None:
    link.send("r")
    assert line(link) == "start"


@pytest.mark.parametrize("trial", ["f", "d", "u"], ids=["unmapped", "zero", "undefined"])
def test_a_fault_tells_where_and_why(board: str, link: Link, trial: str) -> None:
    manner = MANNERS[board]
    expected = {"f": manner.unmapped, "d": manner.zero, "u": manner.undefined}[trial]
    if expected is None:
        pytest.skip("dividing by zero is no fault on this core")
    link.send(trial)
    match = re.fullmatch(rf"e-\[fault pc=([0-9a-f]{{8}}){expected}\]", said := line(link))
    assert match is not None, said
    code = load_board(board).regions[0]
    assert code.address <= int(match[1], 16) < code.address + 0x20000


def test_a_stack_that_overflows_is_caught(board: str, link: Link) -> None:
    overflow = MANNERS[board].overflow
    if overflow is None:
        pytest.skip("the core has no guard for its stack")
    link.send("s")
    assert re.fullmatch(rf"e-\[fault pc=.*{overflow}\]", said := line(link)), said


def test_an_application_that_returns_says_so(link: Link) -> None:
    link.send("e")
    assert line(link) == "e-[the application returned]"


def test_a_board_without_progress_starts_again(board: str, link: Link) -> None:
    link.send("g")
    if not MANNERS[board].watchdog:
        assert line(link) == "no watchdog"
        return
    assert line(link) == "fed"
    assert line(link) == "e-[no progress: the watchdog starts the board again]"
    assert line(link) == "start"

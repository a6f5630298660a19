"""What is told of a board's figures: all of them, each with its source, and what has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgeserve.board import Kind, board_ids, load_board
from edgeserve.board_figures import NONE_FOUND, Figure, figures_of, unverified
from edgeserve.show.boards import board_json, print_board

FILE = """\
name = "A board"
kind = "physical"

[cpu]
core = "cortex-m7"
isa = ["ref"]
clock_hz = 216000000
source = "the data sheet, page 1"

[[region]]
name = "flash"
address = 0x08000000
size_bytes = 0x10000
holds = ["code", "model"]
source = "the data sheet, page 2"

[[region]]
name = "ram"
address = 0x20000000
size_bytes = 0x8000
reserved_bytes = 0x100
reserved_for = "the loader"
holds = ["arena", "data", "stack"]
source = "the data sheet, page 3; its address: none found"
dma = true
cached = false
access_source = "the manual, page 5"

[constants]
uart = 0x40004000

[upload]
methods = ["dfu"]
dfu_id = "0483:df11"
address = 0x08000000
source = "the loader's manual"

[power]
active_ua = { value = 1500, source = "the data sheet, page 4" }
"""

ROOT = Path(__file__).parents[2]

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+ [^;:]+ (@ [0-9a-f]{12}|v[\d.]+ )")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


def test_figures_in_the_order_of_the_file(file: str) -> None:
    assert figures_of(load_board(file)) == (
        Figure("core", "cortex-m7, 216 MHz", "the data sheet, page 1"),
        Figure("flash", "65,536 bytes at 0x08000000", "the data sheet, page 2"),
        Figure(
            "ram",
            "32,768 bytes at 0x20000000, 256 of them reserved",
            "the data sheet, page 3; its address: none found",
        ),
        Figure("ram access", "reached by DMA, not behind a data cache", "the manual, page 5"),
        Figure("constants", "uart 0x40004000", None),
        Figure("platformio", "not known", NONE_FOUND),
        Figure("upload", "dfu; dfu_id 0483:df11; address 0x8000000", "the loader's manual"),
        Figure("usb", "not known", NONE_FOUND),
        Figure("supply", "not known", NONE_FOUND),
        Figure("current, active", "1,500 uA", "the data sheet, page 4"),
        Figure("current, asleep", "not known", NONE_FOUND),
    )


def test_what_access_costs_is_told_where_memories_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    second = FILE[FILE.index('[[region]]\nname = "ram"') : FILE.index("[constants]")]
    second = second.replace('"ram"', '"slow"').replace("dma = true", "access_cost = 3")
    path.write_text(FILE.replace("[constants]", second + "[constants]"), encoding="utf-8")
    told = {figure.what: figure.value for figure in figures_of(load_board(str(path)))}
    assert told["ram access"] == "reached by DMA, not behind a data cache, cost 1"
    assert told["slow access"] == "not behind a data cache, cost 3"
    path.write_text(FILE.replace("dma = true\ncached = false\n", ""), encoding="utf-8")
    told = {figure.what: figure.value for figure in figures_of(load_board(str(path)))}
    assert told["ram access"] == "not known"


def test_what_has_no_source_is_unverified(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    board = load_board(file)
    missing = ("ram", "constants", "platformio", "usb", "supply", "current, asleep")
    assert unverified(board) == missing
    assert board_json(board)["unverified"] == list(missing)
    print_board(board)
    lines = capsys.readouterr().out.splitlines()
    marked = [line[2:18].strip() for line in lines if line.endswith("(unverified)")]
    assert marked == list(missing)
    told = [line.strip() for line in lines if "no source" in line]
    assert told == ["no source given", *["no source found"] * 4]


@pytest.mark.parametrize("name", board_ids())
def test_sources_of_the_boards_that_travel_with_edgeserve(name: str) -> None:
    board = load_board(name)
    for figure in figures_of(board):
        assert figure.source, f"{name}: {figure.what} says neither a source nor that there is none"
        if board.kind is not Kind.PHYSICAL:
            assert figure.is_verified
    if board.kind is Kind.PHYSICAL:
        told = " ".join(figure.source or "" for figure in figures_of(board))
        assert REPOSITORY.search(told), "a repository, a path and a commit"


def test_none_found_is_said_in_so_many_words() -> None:
    for name in board_ids():
        for figure in figures_of(load_board(name)):
            for word in ("from memory", "unknown", "TODO", "guess"):
                assert word not in (figure.source or ""), f"{name}: say {NONE_FOUND!r}"


def test_a_current_says_whether_it_is_of_the_chip_or_of_the_board() -> None:
    said = ("the chip alone", "the module alone", "the whole board", "not on this board")
    for name in board_ids():
        for figure in figures_of(load_board(name)):
            if figure.what.startswith("current") and figure.value != "not known":
                assert figure.source is not None
                assert figure.source.endswith(said), f"{name}: {figure.what}, of what?"


def test_how_many_figures_of_physical_boards_have_no_source_is_told() -> None:
    boards = [load_board(name) for name in board_ids()]
    boards = [board for board in boards if board.kind is Kind.PHYSICAL]
    figures = [figure for board in boards for figure in figures_of(board)]
    missing = [figure for figure in figures if not figure.is_verified]
    told = f"Of {len(figures)} figures of {len(boards)} physical boards {len(missing)} are"
    assert told in (ROOT / "docs" / "PORTING.md").read_text(encoding="utf-8")

"""docs/CORES.md has the table that was recorded, of every model and every emulated board."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.core_table import BOARDS, INPUTS, Cell, markdown, measure, read_record, record_text
from edgeserve.board import Kind, board_ids, load_board
from tests.e2e.public_models import model_path
from tests.e2e.test_cores import MODELS
from tests.tools import need_board_tools

DOCUMENT = Path(__file__).parents[2] / "docs" / "CORES.md"
SPLIT = "mps2-an500-banks"
"""The board mps2-an500 once more, with its memory cut up for tests of banks."""


def test_the_document_has_the_recorded_table() -> None:
    assert markdown(read_record()) in DOCUMENT.read_text(encoding="utf-8")


def test_every_model_on_every_board_without_a_differing_byte() -> None:
    emulated = {name for name in board_ids() if load_board(name).kind is Kind.EMULATED}
    assert set(BOARDS) == emulated - {SPLIT}
    record = read_record()
    assert sorted(record) == sorted(MODELS)
    for cells in record.values():
        assert tuple(name for name in BOARDS if name in cells) == BOARDS
        assert {cell.differing_bytes for cell in cells.values()} == {0}
        assert min(cell.inputs for cell in cells.values()) >= INPUTS


@pytest.mark.parametrize("board", ["mps2-an500", "riscv-virt", "xtensa-sim"])
def test_a_row_is_what_is_measured_now(board: str, shared_data: Path) -> None:
    need_board_tools(load_board(board))
    cell = measure(model_path(shared_data, "hello_world_int8"), board)
    assert cell == read_record()["hello_world_int8"][board]


@pytest.mark.soak
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", MODELS)
def test_every_row_is_what_is_measured_now(name: str, board: str, shared_data: Path) -> None:
    need_board_tools(load_board(board))
    assert measure(model_path(shared_data, name), board) == read_record()[name][board]


def test_a_record_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {"m": {BOARDS[0]: Cell(0, 1, 2, 3, 4, 5, 6), BOARDS[-1]: Cell(9, 8, 7, 6, 5, 4, 3)}}
    written = tmp_path / "table.toml"
    written.write_text(record_text(record), encoding="utf-8")
    monkeypatch.setattr("benchmarks.core_table.RECORD", written)
    assert read_record() == record
    assert "| m | microbit | 0 | 1 x 2 | 3 | 4 | 5 | 6 |" in markdown(record)

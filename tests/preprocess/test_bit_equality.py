"""The generated C computes what the host does, byte for byte: sanitized here, and on boards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeserve.board import Board, Kind, board_ids, load_board
from edgeserve.preprocess.declaration import AudioInput, ImageInput, Layout, SensorInput
from tests.preprocess.harness import Case, on_board, on_host, write_project
from tests.preprocess.signals import ALL, raw_data
from tests.tools import need_board_tools

FEW = 10
MANY_FRAMES, MANY_CLIPS = 100, 50
WHOLE, BY_PIECES = 0, 1
by_name = pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
EMULATED = [b for b in map(load_board, board_ids()) if b.kind is Kind.EMULATED]


def spread(outputs: list[bytes]) -> int:
    """How many different values they hold: a constant output would prove nothing."""
    return len(np.unique(np.frombuffer(b"".join(outputs), np.int8)))


@by_name
def test_sanitized_c_on_the_host(case: Case, tmp_path: Path) -> None:
    raws = raw_data(case.front, 1, FEW)
    wanted = [case.wanted(raw) for raw in raws]
    assert spread(wanted) > 20
    assert on_host(write_project(tmp_path, case, load_board("host")), case, raws) == wanted


@by_name
def test_on_an_emulated_cortex_m7(case: Case, tmp_path: Path) -> None:
    board = load_board("mps2-an500")
    need_board_tools(board)
    raws = raw_data(case.front, 2, FEW)
    wanted = [case.wanted(raw) for raw in raws]
    assert on_board(write_project(tmp_path, case, board), case, board, raws) == wanted


def has_pieces(front: object) -> bool:
    """Rows of a frame in NCHW are no rows of the input."""
    return not (isinstance(front, ImageInput) and front.layout is Layout.NCHW)


@pytest.mark.parametrize(
    "case", [c for c in ALL if has_pieces(c.front)], ids=lambda case: case.name
)
def test_piece_by_piece(case: Case, tmp_path: Path) -> None:
    """Rows of a frame, and hops of a stream, give what the whole gives."""
    front = case.front
    raws = raw_data(front, 3, FEW)
    project = write_project(tmp_path, case, load_board("host"))
    got = on_host(project, case, raws, BY_PIECES)
    if isinstance(front, AudioInput):
        compare_streams(case, front, raws, got)
    else:
        assert got == [case.wanted(raw) for raw in raws]


def compare_streams(
    case: Case, front: AudioInput, raws: list[np.ndarray], got: list[bytes]
) -> None:
    """The last hop ends the last window. So its frames are those of a clip that ends there, as far
    back as its windows lie within what was pushed.
    """
    pushed = front.samples // front.hop * front.hop
    full = 1 + (pushed - front.window_samples) // front.hop
    start = pushed - front.window_samples - (full - 1) * front.hop
    assert full >= front.frames - 1
    for raw, features in zip(raws, got, strict=True):
        clip = np.concatenate([raw[start:], np.zeros(start, np.int16)])
        rows = np.frombuffer(case.wanted(clip), np.int8).reshape(front.shape)
        assert np.array_equal(
            np.frombuffer(features, np.int8).reshape(front.shape)[-full:][-front.frames :],
            rows[:full],
        )


@pytest.mark.soak
@pytest.mark.parametrize("board", EMULATED, ids=lambda board: board.id)
@by_name
def test_many_on_every_emulated_core(case: Case, board: Board, tmp_path: Path) -> None:
    need_board_tools(board)
    count = MANY_CLIPS if isinstance(case.front, AudioInput) else MANY_FRAMES
    raws = raw_data(case.front, 4, count)
    wanted = [case.wanted(raw) for raw in raws]
    assert on_board(write_project(tmp_path, case, board), case, board, raws) == wanted


@pytest.mark.soak
@by_name
def test_many_sanitized(case: Case, tmp_path: Path) -> None:
    count = MANY_CLIPS if isinstance(case.front, AudioInput) else MANY_FRAMES
    raws = raw_data(case.front, 5, count)
    wanted = [case.wanted(raw) for raw in raws]
    assert on_host(write_project(tmp_path, case, load_board("host")), case, raws) == wanted


def test_every_kind_is_tried() -> None:
    kinds = {type(case.front) for case in ALL}
    assert kinds == {ImageInput, AudioInput, SensorInput}

"""Every emulated core: public models bit for bit, and what they cost there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.cores import (
    BASELINE,
    CoreRow,
    baseline_text,
    measure,
    read_baseline,
)
from benchmarks.models import DEVICE, portable
from benchmarks.sizes import BOARDS
from edgeserve.board import Kind, board_ids, load_board
from edgeserve.firmware.build import compiler_version
from edgeserve.pipeline.verify import verify as verify_model
from edgeserve.planfile import Wish
from tests.e2e.public_models import Examine, model_path
from tests.tools import need_board_tools

EMULATED = [name for name in board_ids() if load_board(name).kind is Kind.EMULATED]
SMALL = ("ad01_int8", "micro_speech_quantized")
MODELS = (
    *SMALL,
    "hello_world_int8",
    "kws_ref_model",
    "person_detect",
    "pretrainedResnet_quant",
    "vww_96_int8",
)

FAST = {"rv32imc": 0.6, "cortex-m0": 0.6}
ALSO_FAST = {"cortex-m3": 0.75, "lx106": 0.9}
"""The most that a core's kernels take, of what the portable ones took when they were recorded."""
MOST_CODE_BYTES = 16 << 10


def grouped(*models: str) -> list[Any]:
    """Models as parameters: processes that test the same one would wait for its bundle."""
    return [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in models]


def verify(path: Path, board: str, inputs: int) -> None:
    need_board_tools(load_board(board))
    _, found = verify_model(path, board, board=None, inputs=inputs)
    assert found.differing_bytes == 0
    assert found.first_difference is None
    assert found.coverage.uncovered == ()


@pytest.mark.parametrize("board", EMULATED)
@pytest.mark.parametrize("name", grouped(*SMALL))
def test_small_models_equal_the_oracle(shared_data: Path, name: str, board: str) -> None:
    verify(model_path(shared_data, name), board, inputs=3)


@pytest.mark.soak
@pytest.mark.parametrize("board", EMULATED)
@pytest.mark.parametrize("name", grouped(*MODELS))
def test_every_model_equals_the_oracle(shared_data: Path, name: str, board: str) -> None:
    verify(model_path(shared_data, name), board, inputs=10)


@pytest.mark.xdist_group("hello_world_int8")
@pytest.mark.parametrize("core", BOARDS)
def test_a_model_costs_what_is_recorded(shared_data: Path, core: str) -> None:
    hold(shared_data, "hello_world_int8", core)


@pytest.mark.soak
@pytest.mark.parametrize("core", BOARDS)
@pytest.mark.parametrize("name", grouped(*MODELS))
def test_every_model_costs_what_is_recorded(shared_data: Path, name: str, core: str) -> None:
    hold(shared_data, name, core)


def hold(shared_data: Path, name: str, core: str) -> None:
    """The portable kernels take what they took when the baseline was recorded, or less."""
    need_board_tools(load_board(BOARDS[core]))
    board = portable(load_board(BOARDS[core]))
    _, row = measure(model_path(shared_data, name), board)
    recorded = read_baseline()[name][core]
    assert row.arena_bytes <= recorded.arena_bytes
    assert row.instructions <= recorded.instructions * 1.1


def gain(shared_data: Path, name: str, core: str, most: float) -> None:
    """The kernels chosen for the core take no more than that of the record, in little code."""
    need_board_tools(load_board(BOARDS[core]))
    _, row = measure(model_path(shared_data, name), load_board(BOARDS[core]))
    assert row.instructions <= most * read_baseline()[name][core].instructions
    assert row.code_bytes <= MOST_CODE_BYTES


@pytest.mark.parametrize("core", FAST)
@pytest.mark.parametrize("name", grouped(*MODELS))
def test_a_core_without_simd_has_fast_kernels(shared_data: Path, name: str, core: str) -> None:
    gain(shared_data, name, core, FAST[core])


@pytest.mark.soak
@pytest.mark.parametrize("core", ALSO_FAST)
@pytest.mark.parametrize("name", grouped(*MODELS))
def test_other_cores_without_simd(shared_data: Path, name: str, core: str) -> None:
    gain(shared_data, name, core, ALSO_FAST[core])


@pytest.mark.parametrize("name", grouped(*MODELS))
def test_a_cortex_m4_and_m33_take_what_an_m7_takes(
    examine: Examine, shared_data: Path, name: str
) -> None:
    """The same DSP instructions: within 5 % of the M7's executed instructions."""
    assert BOARDS["cortex-m7"] == DEVICE
    path = model_path(shared_data, name)
    m4, m33 = (
        measure(path, load_board(BOARDS[core]))[1].instructions
        for core in ("cortex-m4", "cortex-m33")
    )
    assert max(m4, m33) <= 1.05 * examine(name, Wish()).row.instructions


def test_the_baseline_covers_every_core_and_model() -> None:
    recorded = read_baseline()
    assert sorted(recorded) == sorted(MODELS)
    for cores in recorded.values():
        assert list(cores) == list(BOARDS)


def test_the_baseline_names_its_compilers() -> None:
    text = BASELINE.read_text(encoding="utf-8")
    for core, board_id in BOARDS.items():
        need_board_tools(load_board(board_id))
        toolchain = load_board(board_id).toolchain
        assert toolchain is not None
        assert f'\n{core} = "{compiler_version(f"{toolchain.prefix}gcc").split()[0]} ' in text


def test_a_baseline_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"m": {"cortex-m0": CoreRow(1, 2, 3, 4), "lx106": CoreRow(5, 6, 7, 8)}}
    written = tmp_path / "baseline.toml"
    written.write_text(baseline_text({"cortex-m0": "gcc 12", "lx106": "gcc (a) 13"}, rows))
    monkeypatch.setattr("benchmarks.cores.BASELINE", written)
    assert read_baseline() == rows

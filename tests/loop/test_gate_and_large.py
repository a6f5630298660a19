"""Two public models in one arena: the small one wakes the large one, both answer as LiteRT does."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgeserve.board import load_board
from edgeserve.firmware.build import build
from edgeserve.firmware.project import MODEL_FOLDER, PROJECT_FILE, ImageKind, read_project
from edgeserve.firmware.writing import write_firmware
from edgeserve.image import Image
from edgeserve.lower import lower
from edgeserve.memory import memory_problem
from edgeserve.oracle import open_oracle
from edgeserve.plan import plan_arena
from edgeserve.program import Program
from edgeserve.strict_json import dump_json
from edgeserve.tflite.reader import read_model
from edgeserve.xorshift import xorshift_input
from tests.e2e.firmware_fixtures import WERROR, open_image
from tests.e2e.test_shared_arena import shared_tables
from tests.tools import need_board_tools

FRAMES, THRESHOLD, HOLD = 12, 150, 1
FILES = {"gate": "hello_world_int8.tflite", "large": "kws_ref_model.tflite"}


def expected(models: dict[str, bytes], programs: dict[str, Program]) -> list[str]:
    """What both answer, each alone in LiteRT's BUILTIN_REF."""
    gate, large = programs["gate"], programs["large"]
    lines, left = [], 0
    with (
        open_oracle(models["gate"], gate) as small_oracle,
        open_oracle(models["large"], large) as large_oracle,
    ):
        (last,) = [step.oracle for step in gate.steps][-1:]
        assert last is not None
        for seed in range(1, FRAMES + 1):
            small = small_oracle.run(xorshift_input(gate.inputs, seed)).output_crc
            (score,) = small_oracle.tensor_bytes(last)
            seen = (score + 128) % 256 >= THRESHOLD
            is_open = seen or left > 0
            left = HOLD if seen else max(0, left - 1)
            crc = large_oracle.run(xorshift_input(large.inputs, seed)).output_crc if is_open else 0
            lines.append(f"{small:08x} {crc:08x}")
    return lines


def built_together(folder: Path, board_id: str, pair: tuple[Program, Program]) -> Image:
    """One project of two models: the second's sources join those of the first."""
    board, tables = load_board(board_id), shared_tables(pair)
    for name, program, table in zip(FILES, pair, tables, strict=True):
        write_firmware(folder / name, symbol=name, table=table, program=program, board=board)
    both, gate = folder / "large", folder / "gate"
    project, other = read_project(both), read_project(gate)
    for source in other.sources:
        (both / source.path).parent.mkdir(exist_ok=True, parents=True)
        shutil.copyfile(gate / source.path, both / source.path)
    header = f"{MODEL_FOLDER}/es_model_gate.h"
    shutil.copyfile(gate / header, both / header)
    sources = tuple(dict.fromkeys((*project.sources, *other.sources)))
    kernels = tuple(dict.fromkeys((*project.kernels, *other.kernels)))
    (both / PROJECT_FILE).write_text(dump_json(replace(project, sources=sources, kernels=kernels)))
    shutil.copyfile(Path(__file__).with_name("gate_trials.c"), both / "src" / "app.c")
    return build(both, kind=ImageKind.APP, extra_flags=WERROR)


@pytest.mark.parametrize("board_id", ["host", "mps2-an500"])
def test_a_small_model_wakes_a_large_one(board_id: str, shared_data: Path, tmp_path: Path) -> None:
    board = load_board(board_id)
    need_board_tools(board)
    models = {name: (shared_data / "models" / file).read_bytes() for name, file in FILES.items()}
    programs = {name: lower(read_model(data, name=name)) for name, data in models.items()}
    pair = (programs["gate"], programs["large"])
    link = open_image(board_id, built_together(tmp_path, board_id, pair))
    try:
        came = [link.read_line(time.monotonic() + 60) for _ in range(FRAMES)]
    finally:
        link.close()
    wanted = expected(models, programs)
    assert came == wanted
    woken = sum(not line.endswith(" 00000000") for line in wanted)
    assert 0 < woken < FRAMES


def test_the_shared_arena_is_the_larger_of_the_two(shared_data: Path) -> None:
    pair = tuple(
        lower(read_model((shared_data / "models" / file).read_bytes(), name=name))
        for name, file in FILES.items()
    )
    alone = [plan_arena(memory_problem(program).problem).arena_bytes for program in pair]
    first, second = shared_tables((pair[0], pair[1]))
    assert first.arena_bytes == second.arena_bytes == max(alone)

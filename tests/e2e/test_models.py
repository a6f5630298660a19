"""The public models, whole: from the file to an emulated Cortex-M7, verified and weighed."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.board_runner import BoardRunner
from benchmarks.models import GOLDEN, words_of
from edgeserve.board import load_board
from edgeserve.compilation import compile_bundle
from edgeserve.firmware.build import compiler_version
from edgeserve.pipeline.inspect import inspect
from edgeserve.pipeline.opening import open_model
from edgeserve.pipeline.plan import plan
from edgeserve.pipeline.verify import verify
from edgeserve.plan.streaming import Objective
from edgeserve.planfile import Wish, options
from edgeserve.tflite.reader import read_model
from tests.e2e.public_models import INPUTS, Examine, model_path

MODELS = (
    "hello_world_int8",
    "ad01_int8",
    "micro_speech_quantized",
    "kws_ref_model",
    "pretrainedResnet_quant",
    "vww_96_int8",
    "person_detect",
)
RIVALS = tomllib.loads((Path(GOLDEN).parents[2] / "benchmarks" / "rivals.toml").read_text())
MLPERF_TINY = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "vww_96_int8")
# Of TensorFlow Lite Micro for the same input, but ad01's: LiteRT's own reference (docs/DESIGN.md).
OUTPUT_CRC32 = {
    "hello_world_int8": "71beeff9",
    "ad01_int8": "924f5a32",
    "micro_speech_quantized": "c002d0b0",
    "kws_ref_model": "f7cb3257",
    "pretrainedResnet_quant": "942bd32c",
    "vww_96_int8": "90d2a596",
    "person_detect": "01a5a599",
}


@pytest.fixture(autouse=True)
def own_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles of this test alone; compiled objects are shared through the cache's object store."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_every_step_equals_the_oracle(examine: Examine, name: str) -> None:
    found = examine(name, Wish())
    assert found.first_difference is None
    assert found.differing_bytes == 0
    assert found.inputs == INPUTS
    assert found.uncovered == 0
    assert found.covered + found.folded == found.total


@pytest.mark.parametrize("name", MODELS)
def test_costs_what_is_recorded(examine: Examine, shared_data: Path, name: str) -> None:
    golden: dict[str, Any] = json.loads(GOLDEN.read_text())
    found = examine(name, Wish())
    compiler, row = found.compiler, found.row
    recorded = golden["models"][name]
    assert row.output_crc32 == OUTPUT_CRC32[name]
    assert row.arena_bytes <= row.live_bound_bytes
    assert row.arena_high_water_bytes <= row.arena_bytes
    assert row.ram_other_bytes < STATE_BYTES
    assert row.code_bytes < min(CODE_BYTES, RIVALS[name]["flash_bytes"] / 2)
    assert row.stack_high_water_bytes <= row.stack_bytes <= STACK_BYTES
    model = read_model(model_path(shared_data, name).read_bytes(), name=name)
    assert row.operators == len(model.ops)
    more = 0 if row.operators > 3 else INIT_MORE_OF_A_TINY_MODEL
    assert row.init_instructions < more + row.operators * INIT_OPERATOR_INSTRUCTIONS
    if compiler == golden["compiler"]:
        assert asdict(row) == recorded
    else:
        assert row.instructions <= recorded["instructions"] * 1.1


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_less_than_half_of_the_rivals_instructions(name: str) -> None:
    golden: dict[str, Any] = json.loads(GOLDEN.read_text())
    limit = 0.46 * RIVALS[name]["cmsis_nn_instructions"]
    assert golden["models"][name]["instructions"] <= limit


CODE_BYTES, STACK_BYTES, STATE_BYTES = 16 * 1024, 1024, 512
INIT_OPERATOR_INSTRUCTIONS = 150
"""The whole of es_init with every check, by the operators of the model's file."""
INIT_MORE_OF_A_TINY_MODEL = 130
"""Of what it does once, whatever the model, that three operators do not make up for."""


# Of the arena, in bytes: size, size with the inputs by rows, balanced.
ARENA_LIMITS = {
    "vww_96_int8": (28_400, 15_200, 28_400),
    "person_detect": (16_000, 16_000, 17_900),
    "kws_ref_model": (7_300, 7_000, 11_840),
    "pretrainedResnet_quant": (16_700, 15_600, 16_700),
    "micro_speech_quantized": (3_700, 3_700, 3_700),
}
WISHES = (
    Wish(Objective.SIZE),
    Wish(Objective.SIZE, by_rows=True),
    Wish(Objective.BALANCED),
)


@pytest.mark.parametrize("name", sorted(ARENA_LIMITS))
@pytest.mark.parametrize("wish", WISHES, ids=options)
def test_turns_of_rows_give_the_same_bytes_in_less_memory(
    examine: Examine, name: str, wish: Wish
) -> None:
    found = examine(name, wish)
    assert found.first_difference is None
    assert found.inputs == INPUTS
    assert found.uncovered == 0
    assert found.guards_intact
    limit = ARENA_LIMITS[name][WISHES.index(wish)]
    assert found.changed_arena_bytes <= found.planned_arena_bytes <= limit


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_turns_of_rows_cost_no_more_than_promised(examine: Examine, name: str) -> None:
    """Measured, against whole layers: the planner's own figures are estimates."""
    size, balanced, speed = (
        examine(name, Wish(objective)).row.instructions for objective in Objective
    )
    assert balanced <= 1.045 * speed
    assert size <= 1.25 * speed


# Extra flash in bytes, and the instructions that it must bring a model down to.
FLASH_FOR_SPEED = {
    "ad01_int8": (256 << 10, 215_000),
    "pretrainedResnet_quant": (256 << 10, 7_600_000),
}


@pytest.mark.parametrize("name", sorted(FLASH_FOR_SPEED))
def test_extra_flash_buys_speed(examine: Examine, name: str) -> None:
    extra_bytes, limit = FLASH_FOR_SPEED[name]
    found = examine(name, Wish(flash_for_speed_bytes=extra_bytes))
    normal, fast = examine(name, Wish()).row, found.row
    assert fast.instructions <= limit
    # A kernel more in the list is a pointer that lies beside the table, which is a multiple of 16.
    assert normal.model_bytes < fast.model_bytes <= normal.model_bytes + extra_bytes + 32
    assert fast.output_crc32 == OUTPUT_CRC32[name]
    assert fast.stack_high_water_bytes <= fast.stack_bytes <= 1024
    assert found.first_difference is None
    assert (found.inputs, found.uncovered) == (INPUTS, 0)


def test_words_of_tiles_are_fewer_than_the_rivals(shared_data: Path, tmp_path: Path) -> None:
    name = "pretrainedResnet_quant"
    path, wish = model_path(shared_data, name), Wish(flash_for_speed_bytes=256 << 10)
    runner = BoardRunner(load_board("mps2-an500"), tmp_path)
    compiled = compile_bundle(open_model(path), load_board("mps2-an500"), wish)
    assert words_of(runner, compiled) <= RIVALS[name]["cmsis_nn_words"]


def test_a_bundle_remembers_what_flash_it_may_spend(shared_data: Path, tmp_path: Path) -> None:
    bundle = open_model(model_path(shared_data, "ad01_int8"))
    board = load_board("mps2-an500")
    first = plan(bundle.path, board, Wish(flash_for_speed_bytes=100 << 10))
    again = inspect(bundle.path, board)
    assert first.bought
    assert again.bought == first.bought
    assert again.table.data == first.table.data
    extra = sum(offer.extra_bytes for offer in first.bought)
    assert extra <= 100 << 10
    normal = plan(bundle.path, board, Wish())
    assert normal.bought == ()
    assert 0 <= len(first.table.data) - len(normal.table.data) <= extra + 16


def test_a_model_in_the_flash_partition_gives_the_same_bytes(shared_data: Path) -> None:
    path = model_path(shared_data, "kws_ref_model")
    target, found = verify(path, "mps2-an500", board=None, inputs=2, partition=True)
    assert target.image is not None
    assert target.image.partition is not None
    assert found.equal


def test_recorded_compiler_is_named(shared_data: Path) -> None:
    """The record says which compiler its exact counts hold for."""
    golden = json.loads(GOLDEN.read_text())
    assert golden["compiler"].split()[0] == compiler_version("arm-none-eabi-gcc").split()[0]

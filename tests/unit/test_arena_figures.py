"""The arenas of the public models stay as small as they have been shown to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeserve.lower import lower
from edgeserve.plan.effort import NO_SCRATCH, REFERENCE
from edgeserve.plan.streaming import EXTRA_PERMILLE, Method, Objective, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.program import Program
from edgeserve.rows import rows_at_once
from edgeserve.tflite.reader import read_file
from edgeserve.tune import tuned

MODELS = (
    "kws_ref_model",
    "micro_speech_quantized",
    "person_detect",
    "pretrainedResnet_quant",
    "vww_96_int8",
)
# overlap, streamed, streamed by rows: activations and row counters alone
METHODS = {
    "kws_ref_model": (11_840, 6_144, 5_840),
    "micro_speech_quantized": (4_208, 2_160, 592),
    "person_detect": (37_632, 13_504, 13_744),
    "pretrainedResnet_quant": (33_792, 13_920, 12_864),
    "vww_96_int8": (37_632, 28_096, 13_504),
}
# size, balanced: with the scratch of the kernels for cores with the DSP extension
OBJECTIVES = {
    "kws_ref_model": (6_736, 11_840),
    "micro_speech_quantized": (2_816, 2_816),
    "person_detect": (14_384, 14_720),
    "pretrainedResnet_quant": (16_688, 16_688),
    "vww_96_int8": (28_256, 28_256),
}
DSP = ("dsp", "ref")


@pytest.fixture(scope="module")
def programs(shared_data: Path) -> dict[str, Program]:
    return {name: lower(read_file(shared_data / "models" / f"{name}.tflite")) for name in MODELS}


def arena_of(program: Program, method: Method) -> int:
    plan = plan_stream(program, method)
    check_stream_plan(program, plan)
    return plan.arena_bytes


@pytest.mark.parametrize("name", MODELS)
def test_each_method_is_as_small_as_it_was(programs: dict[str, Program], name: str) -> None:
    program = programs[name]
    base = Method(Objective.SIZE, NO_SCRATCH, extra_percent=1_000)
    methods = (replace(base, rows_per_turn=()), base, replace(base, feeds=(0,)))
    found = tuple(arena_of(program, method) for method in methods)
    assert all(f <= was for f, was in zip(found, METHODS[name], strict=True)), found


@pytest.mark.parametrize("name", MODELS)
def test_objectives_keep_their_promises(programs: dict[str, Program], name: str) -> None:
    program = tuned(programs[name], DSP)
    plans = {o: plan_stream(program, Method(o)) for o in Objective}
    for plan in plans.values():
        check_stream_plan(program, plan, REFERENCE.rows_at_once)
    size, balanced, speed = (plans[o] for o in Objective)
    assert size.arena_bytes <= OBJECTIVES[name][0]
    assert balanced.arena_bytes <= OBJECTIVES[name][1]
    assert size.arena_bytes <= balanced.arena_bytes <= speed.arena_bytes
    assert speed.extra_instructions == 0
    assert (
        1_000 * balanced.extra_instructions
        <= EXTRA_PERMILLE[Objective.BALANCED] * balanced.instructions
    )
    assert 1_000 * size.extra_instructions <= EXTRA_PERMILLE[Objective.SIZE] * size.instructions


def test_speed_spends_what_a_board_has(programs: dict[str, Program]) -> None:
    program = tuned(programs["vww_96_int8"], DSP)
    spent = [
        plan_stream(program, Method(Objective.SPEED, capacity_bytes=capacity))
        for capacity in (20_000, 29_000, 39_000)
    ]
    assert spent[0].arena_bytes > 20_000, "nothing fits"
    assert spent[1].arena_bytes <= 29_000
    assert spent[2].extra_instructions == 0
    assert spent[0].extra_instructions >= spent[1].extra_instructions > 0


def test_the_same_program_gives_the_same_plan(programs: dict[str, Program]) -> None:
    program = programs["pretrainedResnet_quant"]
    assert plan_stream(program) == plan_stream(program)


# balanced: with the kernels that a Cortex-M7 gets, at the scratch and the distance they ask for
TUNED = {
    "kws_ref_model": 11_840,
    "micro_speech_quantized": 2_960,
    "person_detect": 17_888,
    "pretrainedResnet_quant": 16_700,
    "vww_96_int8": 28_400,
}


@pytest.mark.parametrize("name", MODELS)
def test_kernels_made_for_a_core_keep_the_arena(programs: dict[str, Program], name: str) -> None:
    program = tuned(programs[name], ("dsp", "ref"))
    plan = plan_stream(program, Method(Objective.BALANCED))
    check_stream_plan(program, plan, rows_at_once)
    assert plan.arena_bytes <= TUNED[name]

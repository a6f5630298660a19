"""Models that run row by row and are fed by rows, on the host and on the emulated board."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeserve.plan.streaming import Method, Objective, feedable, plan_stream
from edgeserve.program import Program
from edgeserve.stimulus import random_stimuli
from edgeserve.stream_plan import StreamPlan
from edgeserve.verify import verify
from tests.e2e.bench_images import BenchImage, build_image
from tests.kernels.random_models import random_model
from tests.kernels.streamed import in_one_group
from tests.kernels.test_models import acceptable_to_the_oracle

BOARDS = ("host", "mps2-an500")
SEED = 18
"""Of a random model that streams eight values, has two fed inputs and takes sums."""


def by_rows(program: Program) -> StreamPlan:
    plan = in_one_group(program, 1)
    assert plan.streamed_steps > 2
    assert any(plan.accumulators)
    return plan


def smallest(program: Program) -> StreamPlan:
    method = Method(objective=Objective.SIZE, feeds=feedable(program), node_budget=2_000)
    return plan_stream(program, method)


def verify_image(built: BenchImage, inputs: int) -> None:
    """Every step equals the oracle, and no more of the arena is written than planned."""
    dut = built.start()
    try:
        found = verify(
            built.program,
            built.table,
            built.model,
            dut,
            random_stimuli(built.program, inputs),
            progress=lambda done, total: None,
        )
        assert found.first_difference is None
        info = dut.info()
        assert info.fed_inputs == len(feedable(built.program))
        marks = dut.memory()
        assert marks.guards_intact
        assert info.arena_bytes - 16 < marks.arena_bytes <= info.arena_bytes
    finally:
        dut.close()


@pytest.mark.parametrize("board", BOARDS)
def test_a_model_in_one_group(board: str, tmp_path: Path) -> None:
    verify_image(build_image(random_model(SEED), board, tmp_path, plan=by_rows), inputs=5)


@pytest.mark.parametrize("name", ["micro_speech_quantized", "pretrainedResnet_quant"])
def test_a_reference_model_fed_by_rows(name: str, shared_data: Path, tmp_path: Path) -> None:
    data = (shared_data / "models" / f"{name}.tflite").read_bytes()
    model = acceptable_to_the_oracle(data)
    verify_image(build_image(model, "mps2-an500", tmp_path, plan=smallest), inputs=3)

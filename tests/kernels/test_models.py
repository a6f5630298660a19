"""Whole reference models: every step of the C kernels against LiteRT's reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeserve.lower import lower
from edgeserve.plan.streaming import Method, Objective, feedable, plan_stream
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels.conformance import CORES, assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.kernels.streamed import in_one_group
from tests.tflite_builder import pack, unpack

MODELS = [
    "hello_world_int8",
    "ad01_int8",
    "micro_speech_quantized",
    "kws_ref_model",
    "pretrainedResnet_quant",
    "vww_96_int8",
    "person_detect",
]


def acceptable_to_the_oracle(data: bytes) -> bytes:
    """The same model with axes that LiteRT refuses (3 of a one-dimensional bias) set to 0."""
    model = unpack(data)
    for tensor in model.subgraphs[0].tensors:
        quant = tensor.quantization
        if quant is not None and quant.quantizedDimension >= len(tensor.shape):
            quant.quantizedDimension = 0
    return pack(model)


@pytest.mark.parametrize("isa", [("ref",), *CORES], ids=lambda isa: isa[0])
@pytest.mark.parametrize("name", MODELS)
def test_every_step_equals_the_reference(
    runner: HostRunner, shared_data: Path, name: str, isa: tuple[str, ...]
) -> None:
    data = (shared_data / "models" / f"{name}.tflite").read_bytes()
    patched = acceptable_to_the_oracle(data)
    program = assert_conforms(runner, patched, runs=2, isa=isa)
    assert program.steps == tuned(lower(read_model(data, name="case")), isa).steps


@pytest.mark.parametrize("fed", [False, True], ids=["given", "fed"])
@pytest.mark.parametrize("objective", list(Objective))
@pytest.mark.parametrize("name", MODELS)
def test_every_step_equals_the_reference_row_by_row(
    runner: HostRunner, shared_data: Path, name: str, objective: Objective, fed: bool
) -> None:
    data = acceptable_to_the_oracle((shared_data / "models" / f"{name}.tflite").read_bytes())

    def plan(program: Program) -> StreamPlan:
        feeds = feedable(program) if fed else ()
        return plan_stream(program, Method(objective=objective, feeds=feeds, node_budget=2_000))

    assert_conforms(runner, data, runs=1, plan=plan)


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant", "vww_96_int8"])
def test_a_model_in_one_group_equals_the_reference(
    runner: HostRunner, shared_data: Path, name: str, rows: int
) -> None:
    data = acceptable_to_the_oracle((shared_data / "models" / f"{name}.tflite").read_bytes())
    assert_conforms(runner, data, runs=1, plan=lambda program: in_one_group(program, rows))

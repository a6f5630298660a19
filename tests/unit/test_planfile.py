"""plan.json: written, read back, and refused when anybody touched it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeserve.arena import live_bound_bytes
from edgeserve.errors import ConfigError
from edgeserve.lower import lower
from edgeserve.memory import MemoryPlan, MemoryProblem, memory_problem
from edgeserve.plan import plan_arena
from edgeserve.planfile import plan_record, read_plan
from edgeserve.program import Program
from edgeserve.strict_json import dump_json
from edgeserve.tflite.reader import read_model
from tests.e2e.bench_images import two_layers

SHA = "a" * 64


@pytest.fixture(scope="module")
def program() -> Program:
    return lower(read_model(two_layers(), name="two"))


@pytest.fixture(scope="module")
def problem(program: Program) -> MemoryProblem:
    return memory_problem(program)


@pytest.fixture
def stored(program: Program, problem: MemoryProblem, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(text_of(program, problem.solved(plan_arena(problem.problem))))
    return path


def text_of(program: Program, memory: MemoryPlan) -> str:
    return dump_json(plan_record(program, memory, model_sha256=SHA, board="host", planner="0"))


def test_record(program: Program, problem: MemoryProblem) -> None:
    memory = problem.solved(plan_arena(problem.problem))
    record = plan_record(program, memory, model_sha256=SHA, board="host", planner="1.2")
    assert record.arena_bytes == record.live_bound_bytes == live_bound_bytes(problem.problem)
    assert record.optimal
    assert (record.board, record.planner, record.model_sha256) == ("host", "1.2", SHA)
    assert record.peak_step == "hidden"
    assert [(t.name, t.size_bytes) for t in record.peak_tensors] == [("x", 48), ("hidden", 48)]
    assert record.steps == ("FULLY_CONNECTED hidden", "FULLY_CONNECTED y")
    assert [b.name for b in record.buffers] == ["x", "hidden", "y"]


def test_same_plan_back(program: Program, problem: MemoryProblem, stored: Path) -> None:
    memory = read_plan(stored, problem, model_sha256=SHA)
    fresh = problem.solved(plan_arena(problem.problem))
    assert memory.plan.offsets_bytes == fresh.plan.offsets_bytes
    assert text_of(program, memory) == stored.read_text()


def _raise_arena(document: dict[str, Any]) -> None:
    document["arena_bytes"] += 16


def _overlap(document: dict[str, Any]) -> None:
    for buffer in document["buffers"]:
        buffer["offset_bytes"] = 0


def _negative(document: dict[str, Any]) -> None:
    document["buffers"][0]["offset_bytes"] = -16


def _unaligned(document: dict[str, Any]) -> None:
    document["buffers"][0]["offset_bytes"] += 1


def _shorter_life(document: dict[str, Any]) -> None:
    document["buffers"][0]["end"] -= 1


def _smaller_buffer(document: dict[str, Any]) -> None:
    document["buffers"][1]["size_bytes"] = 0


def _renamed(document: dict[str, Any]) -> None:
    document["buffers"][1]["name"] = "other"


def _lost_buffer(document: dict[str, Any]) -> None:
    del document["buffers"][-1]


def _other_bound(document: dict[str, Any]) -> None:
    document["live_bound_bytes"] -= 16


def _bound_below_live(document: dict[str, Any]) -> None:
    document["lower_bound_bytes"] = 0


def _bound_above_arena(document: dict[str, Any]) -> None:
    document["lower_bound_bytes"] = document["arena_bytes"] + 16


def _other_model(document: dict[str, Any]) -> None:
    document["model_sha256"] = "b" * 64


def _other_schema(document: dict[str, Any]) -> None:
    document["schema"] = 2


def _float(document: dict[str, Any]) -> None:
    document["buffers"][0]["offset_bytes"] = 0.0


def _huge(document: dict[str, Any]) -> None:
    document["buffers"][0]["offset_bytes"] = 1 << 200


def _unknown_key(document: dict[str, Any]) -> None:
    document["extra"] = 1


def _missing_key(document: dict[str, Any]) -> None:
    del document["nodes"]


@pytest.mark.parametrize(
    "spoil",
    [
        *(_raise_arena, _overlap, _negative, _unaligned, _shorter_life, _smaller_buffer),
        *(_renamed, _lost_buffer, _other_bound, _bound_below_live, _bound_above_arena),
        *(_other_model, _other_schema, _float, _huge, _unknown_key, _missing_key),
    ],
)
def test_tampered(
    spoil: Callable[[dict[str, Any]], None], problem: MemoryProblem, stored: Path
) -> None:
    document = json.loads(stored.read_text())
    spoil(document)
    stored.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as raised:
        read_plan(stored, problem, model_sha256=SHA)
    assert str(stored) in raised.value.what
    assert "\n" not in raised.value.what
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_not_a_plan(data: bytes, problem: MemoryProblem, stored: Path) -> None:
    stored.write_bytes(data)
    with pytest.raises(ConfigError, match=r"plan\.json"):
        read_plan(stored, problem, model_sha256=SHA)

"""plan.json: written, read back, and refused when anybody touched it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edgeserve.arena import live_bound_bytes
from edgeserve.banks import Bank, Pin
from edgeserve.errors import ConfigError
from edgeserve.kernels.portable import AddParams
from edgeserve.lower import lower
from edgeserve.memory import memory_problem
from edgeserve.plan.streaming import Method, Objective, feedable, plan_stream
from edgeserve.planfile import (
    PlanRecord,
    Wish,
    belongs,
    options,
    plan_record,
    read_record,
    stored_plan,
)
from edgeserve.program import Program
from edgeserve.stream_plan import Feed, StreamPlan
from edgeserve.strict_json import dump_json
from edgeserve.tflite.reader import read_model
from tests.kernels.random_models import random_model
from tests.kernels.streamed import in_one_group
from tests.random_programs import Growing, make_params

SHA = "a" * 64
SEED = 18
"""Of a random model that streams eight values, has two fed inputs and takes sums."""


@pytest.fixture(scope="module")
def program() -> Program:
    return lower(read_model(random_model(SEED), name="random"))


@pytest.fixture(scope="module")
def plan(program: Program) -> StreamPlan:
    made = in_one_group(program, 1)
    assert any(made.accumulators)
    assert any(isinstance(action, Feed) for action in made.turns)
    return made


def record_of(program: Program, plan: StreamPlan) -> PlanRecord:
    return plan_record(
        program,
        plan,
        wish=Wish(Objective.SIZE, by_rows=True, flash_for_speed_bytes=4096),
        offered=(),
        model_sha256=SHA,
        board="host",
        planner="1.2",
    )


@pytest.fixture
def stored(program: Program, plan: StreamPlan, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(dump_json(record_of(program, plan)))
    return path


def one_row(_step: object) -> int:
    return 1


def read_back(path: Path, program: Program) -> StreamPlan:
    record = read_record(path)
    assert record is not None
    assert belongs(record, program, planner="1.2")
    return stored_plan(path, record, program, one_row)


def test_record(program: Program, plan: StreamPlan) -> None:
    record = record_of(program, plan)
    assert record.arena_bytes == plan.arena_bytes
    assert record.live_bound_bytes == live_bound_bytes(memory_problem(program).problem)
    assert (record.board, record.planner, record.model_sha256) == ("host", "1.2", SHA)
    assert options(record.wish) == "--objective size --by-rows --flash-for-speed 4096"
    assert options(Wish()) == "--objective balanced"
    (group,) = record.groups
    assert group.rows_per_turn == 1
    assert group.fed_inputs == feedable(program)
    assert len(group.turns.split()) == len(plan.turns)
    assert "in0x1" in group.turns.split()
    assert max(r.offset_bytes + r.size_bytes for r in record.residents) <= record.arena_bytes
    assert record.peak_tensors


def test_same_plan_back(program: Program, plan: StreamPlan, stored: Path) -> None:
    assert read_back(stored, program) == plan


def test_a_plan_of_another_planner_or_program_is_not_used(program: Program, stored: Path) -> None:
    record = read_record(stored)
    assert record is not None
    assert not belongs(record, program, planner="1.3")
    steps = (replace(program.steps[0], scratch_bytes=16), *program.steps[1:])
    assert not belongs(record, replace(program, steps=steps), planner="1.2")


def test_an_older_schema_is_planned_anew(stored: Path) -> None:
    document = json.loads(stored.read_text())
    document["schema"] = 1
    stored.write_text(json.dumps(document))
    assert read_record(stored) is None


def _raise_arena(document: dict[str, Any]) -> None:
    document["arena_bytes"] += 16


def _huge_arena(document: dict[str, Any]) -> None:
    document["arena_bytes"] = 1 << 60


def _overlap(document: dict[str, Any]) -> None:
    for value in document["values"]:
        value["offset_bytes"] = 0


def _negative(document: dict[str, Any]) -> None:
    document["values"][0]["offset_bytes"] = -16


def _unaligned(document: dict[str, Any]) -> None:
    document["values"][0]["offset_bytes"] += 1


def _huge(document: dict[str, Any]) -> None:
    document["values"][0]["offset_bytes"] = 1 << 200


def _float(document: dict[str, Any]) -> None:
    document["values"][0]["offset_bytes"] = 0.0


def _shallow_ring(document: dict[str, Any]) -> None:
    deepest = max(document["values"], key=lambda value: value["depth"] < value["h"])
    deepest["depth"] = 0


def _lost_value(document: dict[str, Any]) -> None:
    del document["values"][-1]


def _no_such_value(document: dict[str, Any]) -> None:
    document["values"][0]["value"] = 10_000


def _lost_step(document: dict[str, Any]) -> None:
    del document["steps"][-1]


def _lost_sums(document: dict[str, Any]) -> None:
    for step in document["steps"]:
        step["sums"] = None


def _negative_counter(document: dict[str, Any]) -> None:
    for step in document["steps"]:
        step["counter"] = -1


def _renamed(document: dict[str, Any]) -> None:
    document["values"][0]["name"] = "other"


def _lost_turn(document: dict[str, Any]) -> None:
    (group,) = document["groups"]
    group["turns"] = group["turns"].rsplit(" ", 1)[0]


def _turns_reversed(document: dict[str, Any]) -> None:
    (group,) = document["groups"]
    group["turns"] = " ".join(reversed(group["turns"].split()))


def _endless_feed(document: dict[str, Any]) -> None:
    (group,) = document["groups"]
    group["turns"] += " in0x999999999"


def _no_turn(document: dict[str, Any]) -> None:
    (group,) = document["groups"]
    group["turns"] += " 0x1x1"


def _foreign_turn(document: dict[str, Any]) -> None:
    (group,) = document["groups"]
    group["turns"] += " 99x1"


def _foreign_feed(document: dict[str, Any]) -> None:
    (group,) = document["groups"]
    group["fed_inputs"].append(7)


def _other_live_bound(document: dict[str, Any]) -> None:
    document["live_bound_bytes"] -= 16


def _bound_above_arena(document: dict[str, Any]) -> None:
    document["lower_bound_bytes"] = document["arena_bytes"] + 16


def _claims_optimal(document: dict[str, Any]) -> None:
    document["optimal"] = not document["optimal"]


def _other_resident(document: dict[str, Any]) -> None:
    document["residents"][0]["end"] += 1


def _no_such_bank(document: dict[str, Any]) -> None:
    document["banks"] = [
        {
            "name": "tape",
            "size_bytes": document["arena_bytes"],
            "alignment_bytes": 16,
            "lower_bound_bytes": document["lower_bound_bytes"],
        }
    ]


def _costs_less_than_it_can(document: dict[str, Any]) -> None:
    document["least_traffic_cost"] = 1


def _unknown_key(document: dict[str, Any]) -> None:
    document["extra"] = 1


def _negative_flash(document: dict[str, Any]) -> None:
    document["wish"]["flash_for_speed_bytes"] = -1


def _missing_key(document: dict[str, Any]) -> None:
    del document["nodes"]


@pytest.mark.parametrize(
    "spoil",
    [
        *(_raise_arena, _huge_arena, _overlap, _negative, _unaligned, _huge, _float),
        *(_shallow_ring, _lost_value, _no_such_value, _lost_step, _lost_sums, _negative_counter),
        *(_renamed, _lost_turn, _turns_reversed, _endless_feed, _no_turn, _foreign_turn),
        *(_foreign_feed, _other_live_bound, _bound_above_arena, _claims_optimal),
        *(_other_resident, _no_such_bank, _costs_less_than_it_can, _unknown_key, _missing_key),
        _negative_flash,
    ],
)
def test_tampered(spoil: Callable[[dict[str, Any]], None], program: Program, stored: Path) -> None:
    document = json.loads(stored.read_text())
    spoil(document)
    stored.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as raised:
        read_back(stored, program)
    assert str(stored) in raised.value.what
    assert "\n" not in raised.value.what
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_not_a_plan(data: bytes, stored: Path) -> None:
    stored.write_bytes(data)
    with pytest.raises(ConfigError, match=r"plan\.json"):
        read_record(stored)


BANKS = (Bank("fast", 512, 1), Bank("slow", 1 << 16, 3))


@pytest.fixture
def split_file(program: Program, tmp_path: Path) -> Path:
    """A plan in two banks, with the second tensor that it has pinned to the slow one."""
    (name,) = {program.values[program.steps[0].output.value].name}
    pins = (Pin(name, "slow"),)
    plan = plan_stream(program, Method(banks=BANKS, pins=pins, node_budget=2_000))
    assert len(plan.banks) == 2
    record = plan_record(
        program,
        plan,
        wish=Wish(pins=pins),
        offered=BANKS,
        model_sha256=SHA,
        board="b",
        planner="1.2",
    )
    assert options(record.wish) == f"--objective balanced --pin {name}=slow"
    path = tmp_path / "split.json"
    path.write_text(dump_json(record))
    assert read_back(path, program) == plan
    return path


def _offered_less(document: dict[str, Any]) -> None:
    document["offered"][1]["capacity_bytes"] = document["banks"][1]["size_bytes"] - 16


def _offered_another(document: dict[str, Any]) -> None:
    document["offered"][0]["name"] = "other"


def _offered_coarser(document: dict[str, Any]) -> None:
    document["offered"][0]["alignment_bytes"] = 32


def _pinned_elsewhere(document: dict[str, Any]) -> None:
    document["wish"]["pins"][0]["bank"] = "fast"


def _border_moved(document: dict[str, Any]) -> None:
    document["banks"][0]["size_bytes"] += 16
    document["banks"][1]["size_bytes"] -= 16


@pytest.mark.parametrize(
    "spoil",
    [_offered_less, _offered_another, _offered_coarser, _pinned_elsewhere, _border_moved],
)
def test_a_split_plan_that_somebody_touched(
    spoil: Callable[[dict[str, Any]], None], program: Program, split_file: Path
) -> None:
    document = json.loads(split_file.read_text())
    spoil(document)
    split_file.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as raised:
        read_back(split_file, program)
    assert str(split_file) in raised.value.what


def test_a_ninth_input_cannot_be_fed(tmp_path: Path) -> None:
    """The runtime counts the rows of eight; a plan that was edited must not get past the host."""
    growing = Growing(Random(0))
    view = (4, 3, 2)
    sources = [growing.input(view) for _ in range(9)]
    total = sources[0]
    for source in sources[1:]:
        total = growing.step(make_params(AddParams), [(total, view), (source, view)], view)
    program = growing.finished()
    assert feedable(program) == tuple(range(8))
    path = tmp_path / "plan.json"
    record = record_of(program, in_one_group(program, 1))
    path.write_text(dump_json(record))
    assert read_back(path, program).groups[0].feeds == tuple(range(8))
    (group,) = record.groups
    fed = (*group.fed_inputs[:-1], 8)
    edited = replace(group, fed_inputs=fed, turns=group.turns.replace("in7x", "in8x"))
    path.write_text(dump_json(replace(record, groups=(edited,))))
    with pytest.raises(ConfigError, match="only the first 8 inputs"):
        read_back(path, program)

"""Who lies where and when: bytes of nobody are of no use, and only dead rows are written over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeserve.arena_map import Kind, Resident, arena_map, residents, shared_bytes
from edgeserve.plan_check import _ArenaRun, _WholeRun
from edgeserve.program import Program, Step
from edgeserve.stream_plan import Group, Span, StreamPlan, Turn
from tests.tiny_program import tiny_memory, tiny_program
from tests.unit.test_stream_plan import plan_seed

SEEDS = range(120)
VALUES = (Kind.TENSOR, Kind.RING)


class PoisonedRun(_ArenaRun):
    """Runs a plan while bytes that belong to nobody at the moment change all the time."""

    def __init__(self, program: Program, plan: StreamPlan, everybody: tuple[Resident, ...]) -> None:
        super().__init__(program, plan, _WholeRun(program, plan), lambda _step: 1)
        self._everybody = everybody
        self._time = 0

    def _turn(self, step: Step, rows: int) -> None:
        self._poison()
        super()._turn(step, rows)

    def _feed(self, port: int, rows: int) -> None:
        self._poison()
        super()._feed(port, rows)

    def _poison(self) -> None:
        owned = bytearray(len(self.memory))
        for r in self._everybody:
            if r.first <= self._time < r.end:
                owned[r.offset_bytes : r.end_bytes] = b"\1" * r.size_bytes
        for address, one in enumerate(owned):
            if not one:
                self.memory[address] = (self._time * 37 + address) & 0xFF
        self._time += 1


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_matters_belongs_to_somebody(seed: int) -> None:
    program, plan = plan_seed(seed)
    PoisonedRun(program, plan, residents(program, plan)).run()


@pytest.mark.parametrize("seed", SEEDS)
def test_only_values_share_bytes_and_the_later_one_stays(seed: int) -> None:
    program, plan = plan_seed(seed)
    everybody = residents(program, plan)
    for shared in shared_bytes(everybody):
        assert {shared.old.kind, shared.new.kind} <= set(VALUES)
        assert shared.old.end <= shared.new.end
        assert shared.first < shared.end
        for one in (shared.old, shared.new):
            assert one.offset_bytes <= shared.begin_bytes < shared.end_bytes <= one.end_bytes
            assert one.first <= shared.first < shared.end <= one.end


def test_the_random_plans_have_all_that_there_is() -> None:
    seen: set[Kind] = set()
    pairs = 0
    for seed in SEEDS:
        picture = arena_map(*plan_seed(seed))
        seen |= {resident.kind for resident in picture.residents}
        pairs += len(picture.shared)
    assert seen >= {Kind.TENSOR, Kind.RING, Kind.SUMS, Kind.COUNTERS}
    assert pairs > 20


def test_whole_tensors_of_two_steps() -> None:
    program = tiny_program()
    picture = arena_map(program, tiny_memory(program))
    assert picture.residents == (
        Resident("x/in", Kind.TENSOR, 0, 4, 0, 1, (1, 1)),
        Resident("x/hidden", Kind.TENSOR, 16, 3, 0, 2, (1, 1)),
        Resident("x/out", Kind.TENSOR, 32, 2, 1, 2, (1, 1)),
    )
    assert picture.shared == ()
    assert [(s.first, s.end) for s in picture.stretches] == [(0, 1), (1, 2)]
    assert (picture.peak.turn, picture.peak.step, picture.peak.used_bytes) == (0, "x/0", 7)
    assert [r.name for r in picture.peak.residents] == ["x/in", "x/hidden"]


def test_bytes_in_common_count_once_at_the_peak() -> None:
    program = tiny_program()
    plan = tiny_memory(program)
    _, hidden, out = plan.places
    assert hidden is not None
    assert out is not None
    close = replace(plan, places=(plan.places[0], replace(hidden, offset_bytes=1), out))
    (shared,) = arena_map(program, close).shared
    assert (shared.begin_bytes, shared.end_bytes, shared.first, shared.end) == (1, 4, 0, 1)
    assert (shared.old.name, shared.new.name) == ("x/in", "x/hidden")
    peak = arena_map(program, close).peak
    assert (peak.turn, peak.used_bytes) == (1, 5), "3 bytes and 2 against 4 and 3 that share 3"


def test_the_output_of_sums_is_born_in_the_last_turn() -> None:
    program = tiny_program()
    plan = replace(
        tiny_memory(program),
        groups=(Group((0, 1), (), 1),),
        turns=(Turn(0, 1), Turn(1, 1), Turn(1, 1), Turn(1, 1)),
        accumulators=(None, Span(48, 8)),
    )
    lives = {r.name: (r.first, r.end) for r in residents(program, plan)}
    assert lives["sums of x/1"] == (1, 4)
    assert lives["x/hidden"] == (0, 4)
    assert lives["x/out"] == (3, 4)

"""``check`` accepts sound plans and refuses each kind of fault by name."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeserve.arena import (
    ArenaPlan,
    Buffer,
    Problem,
    check,
    live_bound_bytes,
    peak,
)
from edgeserve.errors import PlanError

PROBLEM = Problem(
    (
        Buffer("input", 0, 2, 64),
        Buffer("conv", 1, 3, 32),
        Buffer("pool", 2, 4, 48),
        Buffer("output", 3, 5, 16),
    )
)
PLAN = ArenaPlan(
    offsets_bytes=(0, 64, 0, 48),
    arena_bytes=96,
    lower_bound_bytes=96,
    exhausted=False,
    nodes=0,
)


def refused(plan: ArenaPlan, what: str, problem: Problem = PROBLEM) -> None:
    with pytest.raises(PlanError, match=what) as caught:
        check(problem, plan)
    assert "\n" not in caught.value.what
    assert caught.value.hint


def test_sound_plan_is_accepted() -> None:
    check(PROBLEM, PLAN)


def test_empty_problem_has_an_empty_plan() -> None:
    check(Problem(()), ArenaPlan((), 0, 0, False, 0))
    refused(ArenaPlan((), 16, 0, False, 0), "need 0", Problem(()))


def test_overlap_names_both_buffers_with_steps_and_bytes() -> None:
    refused(
        replace(PLAN, offsets_bytes=(0, 48, 0, 48)),
        re.escape(
            "buffer 'input' (steps [0, 2), bytes [0, 64)) overlaps "
            "buffer 'conv' (steps [1, 3), bytes [48, 80))"
        ),
    )


def test_overlap_of_one_aligned_unit_in_one_step() -> None:
    refused(replace(PLAN, offsets_bytes=(0, 64, 0, 32)), "'pool'.*overlaps.*'output'")


def test_same_place_for_two_live_buffers() -> None:
    refused(replace(PLAN, offsets_bytes=(0, 0, 48, 0)), "'input'.*overlaps.*'conv'")


def test_negative_offset() -> None:
    refused(replace(PLAN, offsets_bytes=(0, 64, -16, 48)), "'pool'.*before the arena")


def test_misaligned_offset() -> None:
    refused(replace(PLAN, offsets_bytes=(0, 64, 0, 56)), "'output'.*not aligned to 16")


def test_end_past_the_arena() -> None:
    refused(replace(PLAN, offsets_bytes=(0, 80, 0, 48)), "'conv'.*past the arena of 96")


def test_arena_larger_than_needed() -> None:
    refused(replace(PLAN, arena_bytes=112), "112 bytes but its buffers need 96")


def test_arena_is_rounded_to_the_alignment() -> None:
    problem = Problem((Buffer("odd", 0, 1, 5),))
    check(problem, ArenaPlan((0,), 16, 16, False, 0))
    refused(ArenaPlan((0,), 5, 5, False, 0), "5 bytes but its buffers need 16", problem)


def test_lower_bound_above_the_arena() -> None:
    refused(replace(PLAN, lower_bound_bytes=112), "lower bound of 112")


@pytest.mark.parametrize("offsets", [(0, 64, 0), (0, 64, 0, 48, 0), ()])
def test_wrong_number_of_offsets(offsets: tuple[int, ...]) -> None:
    refused(replace(PLAN, offsets_bytes=offsets), f"4 buffers have {len(offsets)} offsets")


@pytest.mark.parametrize(
    ("buffer", "what"),
    [
        (Buffer("never", 3, 3, 16), "'never' lives in no step"),
        (Buffer("backwards", 3, 2, 16), "'backwards' lives in no step"),
        (Buffer("less", 0, 1, -16), "'less' has -16 bytes"),
    ],
)
def test_malformed_buffer(buffer: Buffer, what: str) -> None:
    refused(ArenaPlan((0,), 16, 0, False, 0), what, Problem((buffer,)))


def test_malformed_alignment() -> None:
    refused(ArenaPlan((), 0, 0, False, 0), "alignment is 0", Problem((), alignment_bytes=0))


def test_empty_buffer_may_lie_inside_another() -> None:
    problem = Problem((Buffer("full", 0, 2, 64), Buffer("empty", 0, 2, 0)))
    check(problem, ArenaPlan((0, 16), 64, 64, False, 0))


def test_ten_thousand_buffers_with_one_fault() -> None:
    buffers = tuple(Buffer(f"b{i}", i, i + 300, 16) for i in range(10_000))
    offsets = [16 * (i % 300) for i in range(10_000)]
    problem = Problem(buffers)
    plan = ArenaPlan(tuple(offsets), 4800, 4800, False, 0)
    check(problem, plan)
    offsets[7_000] = offsets[7_001]
    refused(replace(plan, offsets_bytes=tuple(offsets)), "'b7000'|'b7001'", problem)


buffers = st.builds(
    lambda first, steps, size: Buffer("b", first, first + steps, size),
    st.integers(0, 6),
    st.integers(1, 4),
    st.integers(0, 5),
)


@given(st.lists(st.tuples(buffers, st.integers(0, 8)), max_size=8))
def test_check_agrees_with_looking_at_every_byte_of_every_step(
    placed: list[tuple[Buffer, int]],
) -> None:
    problem = Problem(tuple(buffer for buffer, _ in placed), alignment_bytes=1)
    offsets = tuple(offset for _, offset in placed)
    end = max((offset + buffer.size_bytes for buffer, offset in placed), default=0)
    used = [
        {(step, offset + byte) for step in range(b.first, b.end) for byte in range(b.size_bytes)}
        for b, offset in placed
    ]
    sound = all(one.isdisjoint(two) for one, two in combinations(used, 2))
    plan = ArenaPlan(offsets, end, 0, False, 0)
    if sound:
        check(problem, plan)
    else:
        refused(plan, "overlaps", problem)


def test_live_bound_and_peak() -> None:
    assert live_bound_bytes(PROBLEM) == 96
    assert peak(PROBLEM) == (1, (0, 1))


def test_peak_of_nothing() -> None:
    assert live_bound_bytes(Problem(())) == 0
    assert peak(Problem(())) == (0, ())


def test_peak_is_the_first_of_equals_and_sorted_by_size() -> None:
    problem = Problem(
        (
            Buffer("small", 0, 9, 16),
            Buffer("large", 2, 4, 64),
            Buffer("equal", 6, 8, 64),
            Buffer("twin", 2, 3, 16),
            Buffer("other", 6, 7, 16),
        )
    )
    assert peak(problem) == (2, (1, 0, 3))


def test_live_bound_rounds_each_size() -> None:
    problem = Problem((Buffer("a", 0, 1, 1), Buffer("b", 0, 1, 17)))
    assert live_bound_bytes(problem) == 48


def test_live_bound_equals_the_sum_in_the_fullest_step() -> None:
    rng = random.Random(5)
    for _ in range(50):
        some = tuple(
            Buffer(f"b{i}", first := rng.randrange(20), first + rng.randrange(1, 9), 16 + 16 * i)
            for i in range(rng.randrange(1, 12))
        )
        loads = [sum(b.size_bytes for b in some if b.first <= s < b.end) for s in range(30)]
        step, alive = peak(Problem(some))
        assert live_bound_bytes(Problem(some)) == max(loads)
        assert step == loads.index(max(loads))
        assert sum(some[i].size_bytes for i in alive) == max(loads)

"""The ring of frames in C, sanitized, against a deque: every answer, every counter, every byte."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.loop.ring_model import NEWEST, OLDEST, STOP, RingModel
from tests.told_runner import Told

NO_TIME = "rwp"
few = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

operations = st.lists(
    st.tuples(st.sampled_from("aaaabbffsrwp"), st.integers(0, 5000)), min_size=1, max_size=120
)


def run_both(
    told: Told, model: RingModel, steps: list[tuple[str, int]], frame_bytes: int
) -> tuple[list[str], list[str]]:
    """The runner's lines and those the model expects, up to the counters."""
    words: list[object] = [model.capacity, model.policy, model.deadline, frame_bytes, 6]
    now, expected = 0, []
    for what, ticks in steps:
        now += ticks if what in "abf" else 0
        argument = ticks if what == "s" else now
        words += [what] if what in NO_TIME else [what, argument]
        answer = getattr(model, what)(argument)
        expected += [] if answer is None else [answer]
    return told("loop", words), [*expected, model.counters()]


@few
@given(
    capacity=st.integers(1, 5),
    policy=st.sampled_from((OLDEST, NEWEST, STOP)),
    deadline=st.sampled_from((0, 1, 4000)),
    frame_bytes=st.sampled_from((0, 1, 13)),
    steps=operations,
)
def test_ring_does_what_the_model_does(
    told: Told,
    capacity: int,
    policy: int,
    deadline: int,
    frame_bytes: int,
    steps: list[tuple[str, int]],
) -> None:
    model = RingModel(capacity, policy, deadline)
    came, expected = run_both(told, model, steps, frame_bytes)
    assert came[: len(expected)] == expected
    wait, latency, *beats = came[len(expected) :]
    for line, seen in ((wait, model.waits), (latency, model.latencies)):
        require_percentiles(line, seen, fine=6)
    for room, beat in zip(range(0, 140, 20), beats, strict=True):
        text = model.heartbeat()[: max(0, room - 1)]
        assert beat == f"{len(text)}:{text}"


@few
@given(
    fine=st.integers(1, 8),
    values=st.lists(st.integers(0, 2**33) | st.integers(0, 300), min_size=1, max_size=200),
)
def test_percentiles_are_off_by_half_a_class_at_most(
    told: Told, fine: int, values: list[int]
) -> None:
    (line,) = told("histogram", [fine, len(values), *values])
    require_percentiles(line, [min(value, 2**32 - 1) for value in values], fine=fine)


@pytest.mark.parametrize("fine", [1, 3, 6])
def test_the_ends_of_all_octaves_lie_in_the_counters(told: Told, fine: int) -> None:
    values = sorted({max(0, 2**bit + d) for bit in range(33) for d in (-1, 0, 1)})
    (line,) = told("histogram", [fine, len(values), *values])
    assert line.split()[0] == str(len(values))
    assert line.split()[-1] == str(2**32 - 1)


def require_percentiles(line: str, values: list[int], *, fine: int) -> None:
    total, *shown, largest = map(int, line.split())
    assert (total, largest) == (len(values), max(values, default=0))
    for permille, value in zip((500, 950, 990), shown, strict=True):
        exact = sorted(values)[ceil(len(values) * permille / 1000) - 1] if values else 0
        assert abs(value - exact) <= exact / 2 ** (fine + 1)


@pytest.mark.parametrize(
    ("policy", "dropped", "finished", "most", "stopped"),
    # 12 frames of period 5 served in 6 ticks: 20 % too many for a ring of 1.
    [(OLDEST, 1, 11, 1, 0), (NEWEST, 1, 11, 1, 0), (STOP, 6, 6, 1, 1)],
)
def test_each_policy_by_hand(
    told: Told, policy: int, dropped: int, finished: int, most: int, stopped: int
) -> None:
    """Frame i comes at 5 (i + 1). Frames 0 to 4 are served from 5 to 35; when frame 6 comes at 35,
    frame 5 still waits. What waits or comes first gives way, or nothing is let in any more: then
    frames 6 to 11 are lost. The frame begun last of the others, at 59 or 65, is the last.
    """
    words: list[object] = [1, policy, 0, 4, 6]
    arrivals, ends = [5 * (i + 1) for i in range(12)], 0
    for now in range(5, 101):
        words += ["a", now] if now in arrivals else []
        if now == ends:
            words += ["f", now]
        if now >= ends:
            # Where no frame waits, what ends six ticks later is nothing.
            words += ["b", now]
            ends = now + 6
    came = [line.split() for line in told("loop", words)]
    counters = next(line for line in came if len(line) == 9)
    assert counters[0] == "12"
    assert (int(counters[1]), int(counters[3]), int(counters[5]), int(counters[8])) == (
        dropped,
        finished,
        most,
        stopped,
    )

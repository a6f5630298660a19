"""Decisions, the gate and sets of frames in C, sanitized, against what their headers promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.told_runner import Told

ONE = 65536
few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
WAITING, WHOLE, PATCHED, SKIPPED = range(4)
PREVIOUS, SKIP = range(2)


def decided(told: Told, frames: Sequence[tuple[int, ...]], **how: int) -> list[int]:
    """Decisions on frames of scores; without ``how``: at half, at once, no rest."""
    asked = {"shift": 0, "on": ONE // 2, "off": ONE // 2, "debounce": 1, "rest": 0} | how
    scores = [score for frame in frames for score in frame]
    *decisions, count = told("decide", [len(frames[0]), *asked.values(), len(frames), *scores])
    assert int(count) == sum(decision != "-1" for decision in decisions)
    return [int(decision) for decision in decisions]


def test_a_class_is_decided_on_once_while_it_is_seen(told: Told) -> None:
    frames = [(0, 0), (0, ONE), (0, ONE), (0, 0), (0, ONE)]
    assert decided(told, frames) == [-1, 1, -1, -1, 1]


def test_debounce_wants_frames_in_a_row(told: Told) -> None:
    frames = [(ONE,), (ONE,), (0,), (ONE,), (ONE,), (ONE,), (ONE,)]
    assert decided(told, frames, debounce=3) == [-1, -1, -1, -1, -1, 0, -1]


def test_hysteresis_holds_what_is_seen(told: Told) -> None:
    frames = [(40000,), (30000,), (40000,), (20000,), (40000,)]
    assert decided(told, frames, on=35000, off=25000) == [0, -1, -1, -1, 0]
    assert decided(told, frames, on=35000, off=35000) == [0, -1, 0, -1, 0]


def test_a_rest_delays_the_next_decision(told: Told) -> None:
    frames = [(ONE, 0), (0, ONE), (0, ONE), (0, ONE), (0, ONE)]
    assert decided(told, frames, rest=2) == [0, -1, -1, 1, -1]


def test_smoothing_moves_by_a_share_of_the_difference(told: Told) -> None:
    # 1/4 of the way each frame: 16384, 28672, 37888.
    assert decided(told, [(ONE,)] * 3, shift=2, on=37888, off=0) == [-1, -1, 0]
    assert decided(told, [(ONE,)] * 3, shift=2, on=37889, off=0) == [-1, -1, -1]


@few
@given(
    threshold=st.integers(0, 4),
    hold=st.integers(0, 3),
    scores=st.lists(st.integers(0, 5), min_size=1, max_size=50),
)
def test_the_gate_is_open_for_what_it_sees_and_some_frames_more(
    told: Told, threshold: int, hold: int, scores: list[int]
) -> None:
    *opened, counts = told("gate", [threshold, hold, len(scores), *scores])
    expected = [
        any(score >= threshold for score in scores[max(0, i - hold) : i + 1])
        for i in range(len(scores))
    ]
    assert opened == [str(int(is_open)) for is_open in expected]
    assert counts == f"{len(scores)} {sum(expected)}"


@dataclass
class SetModel:
    """The times of parts that are new, and of those in earlier sets."""

    count: int
    jitter: int
    timeout: int
    policy: int
    fresh: dict[int, int] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)
    since: int = 0
    missed: dict[int, int] = field(default_factory=dict)

    def offer(self, sensor: int, at: int) -> None:
        self.fresh[sensor] = at
        self.known.add(sensor)

    def poll(self, now: int) -> str:
        newest = max(self.fresh.values(), default=0)
        self.fresh = {s: at for s, at in self.fresh.items() if newest - at <= self.jitter}
        state = WAITING
        if len(self.fresh) == self.count:
            state = WHOLE
        elif now - self.since >= self.timeout:
            can = self.policy == PREVIOUS and self.fresh and len(self.known) == self.count
            state = PATCHED if can else SKIPPED
        if state != WAITING:
            self.missed = {
                s: 0 if s in self.fresh else self.missed.get(s, 0) + 1 for s in range(self.count)
            }
            self.fresh, self.since = {}, now
        hung = next((s for s in range(self.count) if self.missed.get(s, 0) >= 3), self.count)
        return f"{state} {hung}"


@few
@given(
    count=st.integers(1, 3),
    jitter=st.integers(0, 6),
    timeout=st.integers(1, 20),
    policy=st.sampled_from((PREVIOUS, SKIP)),
    steps=st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 6)), max_size=80),
)
def test_sets_are_whole_patched_or_skipped_as_the_model_says(
    told: Told,
    count: int,
    jitter: int,
    timeout: int,
    policy: int,
    steps: list[tuple[int, int]],
) -> None:
    model, now = SetModel(count, jitter, timeout, policy), 0
    words: list[object] = [count, jitter, timeout, policy]
    expected = []
    for sensor, ticks in steps:
        now += ticks
        if 0 <= sensor < count:
            words += ["o", sensor, now]
            model.offer(sensor, now)
        else:
            words += ["p", now]
            expected.append(model.poll(now))
    assert told("set", words)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("policy", "states"), [(PREVIOUS, [WHOLE, PATCHED, PATCHED, PATCHED]), (SKIP, [1, 3, 3, 3])]
)
def test_a_sensor_that_hangs_is_told_and_survived(
    told: Told, policy: int, states: list[int]
) -> None:
    words: list[object] = [2, 5, 100, policy, "o", 0, 10, "o", 1, 12, "p", 12]
    for round_ in (1, 2, 3):
        words += ["o", 0, 110 * round_, "p", 12 + 110 * round_]
    *polls, camera, hung, _ = [line.split() for line in told("set", words)]
    assert [int(state) for state, _ in polls] == states
    assert [int(sensor) for _, sensor in polls] == [2, 2, 2, 1]
    assert camera == ["0", "0", "0"]
    assert hung == ["3", "3" if policy == PREVIOUS else "0", "0"]

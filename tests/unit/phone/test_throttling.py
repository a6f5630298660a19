"""Onsets in generated runs, where the truth is known; and that one witness alone is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edgeserve.phone.throttling import (
    Observation,
    Step,
    Throttling,
    Witness,
    steps_of,
    throttling_of,
)

RUN_S = 900
TRACES = 200


@dataclass(frozen=True)
class Trace:
    """A run of inferences with noise, drift and stalls; ``onset_s`` None where nothing happens."""

    at_us: list[int]
    latency_us: list[int]
    onset_s: float | None
    step: float


def trace(seed: int) -> Trace:
    rng = np.random.default_rng(seed)
    step = float(rng.choice([0, 0, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5]))
    base_us, noise = rng.uniform(8e3, 60e3), rng.uniform(0.005, 0.05)
    drift = rng.uniform(-0.03, 0.08)
    onset_s = float(rng.uniform(60, RUN_S - 60)) if step else None
    count = int(RUN_S * 1e6 / base_us * 1.2)
    latency = base_us * (1 + noise * rng.standard_normal(count))
    latency *= 1 + (rng.random(count) < 0.01) * np.abs(rng.standard_normal(count)) * 1.5
    at_us: list[int] = []
    latency_us: list[int] = []
    now = 0.0
    for one in latency.tolist():  # plain floats: a tenth of the time
        if now >= RUN_S * 1e6:
            break
        one *= 1 + drift * now / (RUN_S * 1e6)
        one *= 1 + step * (onset_s is not None and now >= onset_s * 1e6)
        now += one
        at_us.append(int(now))
        latency_us.append(int(one))
    return Trace(at_us, latency_us, onset_s, step)


def test_onsets_are_found_within_five_seconds_and_nothing_else_is() -> None:
    found = large = alarms = 0
    for seed in range(TRACES):
        run = trace(seed)
        steps = steps_of(run.at_us, run.latency_us)
        alarms += any(run.onset_s is None or step.at_s < run.onset_s - 5 for step in steps)
        if run.onset_s is not None and run.step > 0.1:
            large += 1
            found += bool(steps) and abs(steps[0].at_s - run.onset_s) <= 5
    assert large >= TRACES // 3
    assert found >= 0.95 * large
    assert alarms < 0.01 * TRACES


def test_a_run_that_is_too_short_has_no_steps() -> None:
    assert steps_of(range(0, 5_000_000, 10_000), [10_000] * 500) == ()


def test_seconds_without_an_inference_are_no_step() -> None:
    at_us = [*range(0, 60_000_000, 50_000), *range(75_000_000, 120_000_000, 50_000)]
    assert steps_of(at_us, [50_000] * len(at_us)) == ()


@pytest.mark.parametrize(
    ("seen", "witnesses"),
    [
        ([Observation(100, 0, False), Observation(210, 2, False)], (Witness.STATUS,)),
        ([Observation(195, 0, True)], (Witness.CAP,)),
        ([Observation(205, 1, True)], (Witness.STATUS, Witness.CAP)),
    ],
)
def test_a_second_witness_confirms(seen: list[Observation], witnesses: tuple[Witness, ...]) -> None:
    step = Step(200, 0.3)
    assert throttling_of([Step(20, 0.1), step], seen) == Throttling(step, witnesses)


@pytest.mark.parametrize(
    "seen",
    [[], [Observation(200, 0, False)], [Observation(300, 3, True)], [Observation(200, None, None)]],
)
def test_one_witness_is_none(seen: list[Observation]) -> None:
    assert throttling_of([Step(200, 0.3)], seen) is None

"""The host's simulation against theory, against a deque, and against figures done by hand."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeserve.errors import ConfigError
from edgeserve.queueing.arrivals import Periodic, Random, Trace, arrival_times, read_trace
from edgeserve.queueing.forecast import Power, Scenario, forecast
from edgeserve.queueing.formulas import mean_wait_md1
from edgeserve.queueing.quantities import parse_hertz, parse_permille, parse_seconds
from edgeserve.queueing.simulation import Ring, WhenFull, needed_capacity, simulate
from tests.loop.ring_model import RingModel

SEED = 7


@given(
    arrivals=st.lists(st.integers(0, 300), min_size=1, max_size=60).map(sorted),
    service=st.lists(st.integers(1, 30), min_size=60, max_size=60),
    capacity=st.integers(1, 5),
    policy=st.sampled_from(list(WhenFull)),
    deadline=st.sampled_from((0, 10, 40)),
)
def test_simulation_is_the_deque_driven_tick_by_tick(
    arrivals: list[int], service: list[int], capacity: int, policy: WhenFull, deadline: int
) -> None:
    model = RingModel(capacity, list(WhenFull).index(policy), deadline)
    ends = 0
    services = iter(service)
    for now in range(3000):
        for _ in range(arrivals.count(now)):
            model.a(now)
        if model.hand and now == ends:
            model.f(now)
        if not model.hand and model.waiting:
            model.b(now)
            ends = now + next(services)
    seen = simulate(arrivals, service, Ring(capacity, policy, deadline))
    assert (seen.arrived, seen.dropped, seen.late) == (len(arrivals), model.dropped, model.late)
    assert (list(seen.waits), list(seen.latencies)) == (model.waits, model.latencies)
    assert (seen.most_waiting, seen.busy) == (model.most_waiting, model.busy)


@pytest.mark.parametrize("percent", [30, 50, 80])
def test_random_frames_wait_as_long_as_pollaczek_and_khinchine_say(percent: int) -> None:
    service, frames = 10_000, 200_000
    period = service * 100 // percent
    times = arrival_times(Random(period), frames, SEED)
    # The generator has the mean that it is to have, and its waits that of theory.
    assert times[-1] / frames == pytest.approx(period, rel=0.01)
    waits = simulate(times, repeat(service), Ring(None)).waits
    theory = mean_wait_md1(service, period)
    assert theory is not None
    assert sum(waits) / frames == pytest.approx(theory, rel=0.05)


def test_theory_has_no_wait_where_the_queue_grows() -> None:
    assert mean_wait_md1(10, 20) == 5
    assert mean_wait_md1(20, 20) is None


@given(period=st.integers(1, 10_000), spread=st.integers(0, 500), seed=st.integers(1, 2**32 - 1))
def test_late_and_early_frames_stay_in_order_and_in_bounds(
    period: int, spread: int, seed: int
) -> None:
    times = arrival_times(Periodic(period, spread), 50, seed)
    assert all(a <= b for a, b in pairwise(times))
    most = period * spread // 1000
    assert all(abs(at - (i + 1) * period) <= most for i, at in enumerate(times))


def test_a_ring_of_the_needed_size_drops_no_more_than_asked() -> None:
    service = [10_000] * 5000
    times = arrival_times(Random(12_000), 5000, SEED)
    for goal in (0.0, 0.001, 0.02):
        capacity = needed_capacity(times, service, goal)
        assert simulate(times, service, Ring(capacity)).dropped <= goal * 5000
        if capacity > 1:
            assert simulate(times, service, Ring(capacity - 1)).dropped > goal * 5000


def test_the_forecast_of_frames_on_time_is_done_by_hand() -> None:
    """A frame each 100 ticks, 25 of service, 40 allowed: never late, three quarters asleep."""
    scenario = Scenario(Periodic(100), (25,), Ring(2, deadline=40), 1000, False, frames=1000)
    seen = forecast(scenario, power=Power(80, 4, 1000))
    assert (seen.utilization, seen.drop_share, seen.late_share) == (0.25, 0, 0)
    assert (seen.wait_p99, seen.latency_p99, seen.ring_needed) == (0, 25, 1)
    # 1,000 services in 100,025 ticks.
    assert seen.duty == pytest.approx(25_000 / 100_025)
    assert seen.energy is not None
    assert seen.energy.mwh_per_hour == pytest.approx(seen.duty * 80 + (1 - seen.duty) * 4)
    assert seen.energy.life_h == pytest.approx(1000 / seen.energy.mwh_per_hour)


def test_measured_jitter_of_inference_is_part_of_the_simulation() -> None:
    scenario = Scenario(Periodic(100), (25, 150), Ring(9), 1000, False, frames=1000)
    seen = forecast(scenario)
    assert set(seen.outcome.latencies) - {25} != set()
    assert seen.utilization == 0.875


def test_a_trace_is_read_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "camera.txt"
    path.write_text("1000\n3000\n")
    trace = read_trace(path, 2_000_000)
    assert trace == Trace((2000, 6000))
    assert arrival_times(trace, 4, SEED) == (2000, 8000, 10000, 16000)


@pytest.mark.parametrize("text", ["", "-5\n", "12.5\n", "0\n0\n", "1" * 13, "é"])
def test_a_damaged_trace_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera.txt"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_trace(path, 1000)
    with pytest.raises(ConfigError):
        read_trace(tmp_path / "none.txt", 1000)


def test_quantities_are_read_strictly() -> None:
    assert parse_hertz("0.5Hz") == Fraction(1, 2)
    assert parse_hertz("16kHz") == 16_000
    assert parse_seconds("250us") == Fraction(1, 4000)
    assert parse_permille("2.5%") == 25
    assert parse_permille("random") is None
    for wrong in ("30", "0Hz", "-1Hz", "30 Hz", "1e3Hz", "nan"):
        with pytest.raises(ConfigError):
            parse_hertz(wrong)
    for wrong in ("4", "0ms", "4 ms", "4min"):
        with pytest.raises(ConfigError):
            parse_seconds(wrong)

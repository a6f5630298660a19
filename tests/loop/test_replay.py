"""The same arrivals through the ring on an emulated board and through the host's simulation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from math import ceil
from pathlib import Path

import pytest

from edgeserve.device.answers import LoopStats
from edgeserve.device.protocol import Dut
from edgeserve.errors import DeviceError
from edgeserve.queueing.arrivals import Arrivals, Periodic, Random, arrival_times
from edgeserve.queueing.simulation import Outcome, Ring, WhenFull, simulate
from tests.e2e.bench_images import build_image, two_layers

FRAMES, SEED, RING = 10_000, 0x2545F491, 64


@pytest.fixture(scope="module")
def dut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dut]:
    started = build_image(two_layers(), "mps2-an500", tmp_path_factory.mktemp("loop")).start()
    started.load(bytes(range(48)))
    yield started
    started.close()


@pytest.fixture(scope="module")
def service(dut: Dut) -> int:
    """Instructions of an inference: the same each time, on an input that does not change."""
    (count,) = set(dut.laps(5, 1).counts)
    return count


def both(
    dut: Dut, service: int, arrivals: Arrivals, ring: Ring, frames: int = FRAMES
) -> tuple[LoopStats, Outcome]:
    """What the board counts of a scenario, and what the host does."""
    assert not isinstance(arrivals, tuple)
    dut.start_loop(
        ring=ring.capacity or 0,
        when_full=ring.when_full,
        deadline=ring.deadline,
        frames=frames,
        period=arrivals.period,  # type: ignore[union-attr]
        spread_permille=arrivals.spread_permille if isinstance(arrivals, Periodic) else 1000,
        seed=SEED,
    )
    stats = dut.await_loop(100)
    return stats, simulate(arrival_times(arrivals, frames, SEED), repeat(service), ring)


def require_same(stats: LoopStats, outcome: Outcome) -> None:
    assert stats.state == "done"
    assert stats.damaged == 0
    assert (stats.arrived, stats.dropped, stats.late) == (
        outcome.arrived,
        outcome.dropped,
        outcome.late,
    )
    assert stats.inferred == len(outcome.waits)
    assert (stats.busy, stats.asleep) == (outcome.busy, outcome.asleep)
    assert stats.most_waiting == outcome.most_waiting
    assert stats.wait_max == max(outcome.waits)
    assert stats.latency_max == max(outcome.latencies)
    for shown, values in ((stats.wait_p99, outcome.waits), (stats.latency_p99, outcome.latencies)):
        exact = sorted(values)[ceil(0.99 * len(values)) - 1]
        assert abs(shown - exact) <= 0.01 * exact


@pytest.mark.parametrize("percent", [50, 80, 95, 120])
def test_board_and_simulation_agree_at_each_utilization(
    dut: Dut, service: int, percent: int
) -> None:
    period = round(service * 100 / percent)
    stats, outcome = both(dut, service, Random(period), Ring(RING, deadline=20 * service))
    require_same(stats, outcome)
    assert (outcome.dropped > 0) == (percent > 100)


@pytest.mark.parametrize("policy", list(WhenFull))
@pytest.mark.parametrize("spread", [0, 200])
def test_each_policy_at_a_fifth_too_many_frames(
    dut: Dut, service: int, policy: WhenFull, spread: int
) -> None:
    arrivals = Periodic(round(service / 1.2), spread)
    stats, outcome = both(dut, service, arrivals, Ring(8, policy, deadline=5 * service))
    require_same(stats, outcome)
    # Nothing was started anew on the way: the counters are those of all frames.
    assert stats.arrived == FRAMES
    if policy is WhenFull.STOP:
        assert stats.heartbeat.endswith(" stopped")
    else:
        assert abs(stats.dropped / FRAMES - (1 - 1 / 1.2)) < 0.01


def test_a_replay_is_stopped_on_the_way(dut: Dut, service: int) -> None:
    dut.start_loop(
        ring=4,
        when_full="oldest",
        deadline=0,
        frames=2**31,
        period=2 * service,
        spread_permille=0,
        seed=1,
    )
    assert dut.loop_stats().state == "running"
    dut.stop_loop()
    stats = dut.loop_stats()
    assert stats.state == "stopped"
    assert 0 < stats.arrived < 2**31
    assert stats.dropped == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"ring": 0},
        {"ring": 65},
        {"when_full": "all"},
        {"frames": 0},
        {"period": 0},
        {"spread_permille": 501},
        {"seed": 0},
    ],
)
def test_a_replay_that_cannot_be_is_refused(dut: Dut, wrong: dict[str, object]) -> None:
    right: dict[str, object] = {
        "ring": 4,
        "when_full": "oldest",
        "deadline": 0,
        "frames": 10,
        "period": 1000,
        "spread_permille": 0,
        "seed": 1,
    }
    with pytest.raises(DeviceError, match="refuses"):
        dut.start_loop(**(right | wrong))  # type: ignore[arg-type]


def test_the_same_on_the_host(tmp_path: Path) -> None:
    """Services differ from one to the next there: what is known of all of them must hold."""
    host = build_image(two_layers(), "host", tmp_path).start()
    try:
        host.load(bytes(48))
        host.start_loop(
            ring=4,
            when_full="newest",
            deadline=0,
            frames=500,
            period=1_000_000_000,
            spread_permille=0,
            seed=1,
        )
        stats = host.await_loop(60)
    finally:
        host.close()
    assert (stats.arrived, stats.inferred, stats.dropped, stats.damaged) == (500, 500, 0, 0)
    assert stats.busy + stats.asleep > 499_000_000_000

"""What a model will do as a sensor loop: load, waiting, losses, the ring it needs, and energy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from edgeserve.distribution import percentile
from edgeserve.errors import ConfigError
from edgeserve.queueing.arrivals import Arrivals, arrival_times, mean_interval
from edgeserve.queueing.formulas import mean_wait_md1, utilization
from edgeserve.queueing.simulation import (
    Outcome,
    Ring,
    Run,
    needed_capacity,
    resampled,
    simulate,
    simulate_frames,
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Frames and who serves them, in ticks of ``ticks_hz``.

    ``service`` are measured service times. Where ``virtual`` is true a tick is an instruction at a
    clock that the user chose, and nothing here is time.
    """

    arrivals: Arrivals
    service: tuple[int, ...]
    ring: Ring
    ticks_hz: int
    virtual: bool
    frames: int = 10_000
    seed: int = 1
    by_frame: bool = False
    """Whether frame i takes service i; else each takes a random one of them."""


@dataclass(frozen=True, slots=True)
class Power:
    """Of a board and its battery, as the user states them."""

    active_mw: float
    sleep_mw: float
    battery_mwh: float | None = None


@dataclass(frozen=True, slots=True)
class Energy:
    """An estimate: stated powers, weighted by the duty cycle. ``life_h`` None without a battery."""

    mwh_per_hour: float
    life_h: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Ticks and shares. ``md1_wait`` is None, as is ``ring_needed``, where the queue only grows."""

    utilization: float
    outcome: Outcome
    wait_p50: int
    wait_p99: int
    latency_p99: int
    md1_wait: float | None
    ring_needed: int | None
    drop_goal: float
    energy: Energy | None

    @property
    def drop_share(self) -> float:
        return self.outcome.dropped / self.outcome.arrived

    @property
    def mean_wait(self) -> float:
        return sum(self.outcome.waits) / len(self.outcome.waits)

    @property
    def late_share(self) -> float:
        """Of the frames that were inferred."""
        return self.outcome.late / max(1, len(self.outcome.latencies))

    @property
    def duty(self) -> float:
        return self.outcome.busy / max(1, self.outcome.busy + self.outcome.asleep)


def forecast(scenario: Scenario, drop_goal: float = 0.001, power: Power | None = None) -> Forecast:
    """Simulates a scenario, and states theory beside it. Raises ConfigError for a service of 0."""
    if not scenario.service or min(scenario.service) < 1:
        raise ConfigError("a service time must be at least one tick", hint="choose a faster clock")
    times = arrival_times(scenario.arrivals, scenario.frames, scenario.seed)
    service = scenario.service
    run: Run = simulate_frames
    if not scenario.by_frame:
        # A seed of its own: jitter of arrivals and of service are independent.
        seed = scenario.seed ^ 0xFFFFFFFF or 1
        service = tuple(islice(resampled(scenario.service, seed), scenario.frames))
        run = simulate
    outcome = run(times, service, scenario.ring)
    interval = mean_interval(scenario.arrivals)
    mean_service = sum(scenario.service) / len(scenario.service)
    load = utilization(mean_service, interval)
    duty = outcome.busy / max(1, outcome.busy + outcome.asleep)
    return Forecast(
        utilization=load,
        outcome=outcome,
        wait_p50=percentile(outcome.waits, 50).value,
        wait_p99=percentile(outcome.waits, 99).value,
        latency_p99=percentile(outcome.latencies, 99).value,
        md1_wait=mean_wait_md1(mean_service, interval),
        ring_needed=needed_capacity(times, service, drop_goal, run) if load < 1 else None,
        drop_goal=drop_goal,
        energy=None if power is None else _energy(power, duty),
    )


def _energy(power: Power, duty: float) -> Energy:
    mean_mw = duty * power.active_mw + (1 - duty) * power.sleep_mw
    has_life = power.battery_mwh is not None and mean_mw > 0
    life_h = power.battery_mwh / mean_mw if has_life and power.battery_mwh is not None else None
    return Energy(mean_mw, life_h)

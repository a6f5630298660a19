"""The forecast of a sensor loop, as text for people and as a JSON document for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from edgeserve.show.console import columns, draw, say

if TYPE_CHECKING:
    from edgeserve.device.answers import LoopStats
    from edgeserve.pipeline.loop import LoopAnswer
    from edgeserve.queueing.forecast import Forecast, Scenario

MOST_CLASSES = 5


def loop_json(answer: LoopAnswer) -> dict[str, Any]:
    """Every figure of the text, in ticks and shares."""
    from edgeserve.strict_json import to_json

    scenario, seen = answer.scenario, answer.forecast
    return {
        "model": answer.model,
        "board": answer.board,
        "service": {
            "source": answer.service.source,
            "ticks_hz": scenario.ticks_hz,
            "virtual": scenario.virtual,
            "samples": list(scenario.service),
        },
        "arrivals": to_json(scenario.arrivals),
        "ring": to_json(scenario.ring),
        "frames": scenario.frames,
        "seed": scenario.seed,
        "utilization": seen.utilization,
        "duty": seen.duty,
        "simulation": {
            "inferred": len(seen.outcome.latencies),
            "dropped": seen.outcome.dropped,
            "late": seen.outcome.late,
            "most_waiting": seen.outcome.most_waiting,
            "busy_ticks": seen.outcome.busy,
            "asleep_ticks": seen.outcome.asleep,
            "drop_share": seen.drop_share,
            "late_share": seen.late_share,
            "mean_wait_ticks": seen.mean_wait,
            "wait_p50_ticks": seen.wait_p50,
            "wait_p99_ticks": seen.wait_p99,
            "latency_p99_ticks": seen.latency_p99,
        },
        "md1": {"mean_wait_ticks": seen.md1_wait},
        "ring_needed": seen.ring_needed,
        "drop_goal": seen.drop_goal,
        "energy_estimate": None if seen.energy is None else to_json(seen.energy),
        "sensor": None
        if answer.sensed is None
        else {**to_json(answer.sensed), "inferred_frames": list(seen.outcome.served)},
        "emulated": None if answer.emulated is None else to_json(answer.emulated),
    }


def print_loop(answer: LoopAnswer) -> None:
    """Load, waiting, losses and the ring needed; the counts of a board's own ring beside them."""
    scenario, seen = answer.scenario, answer.forecast
    mean = sum(scenario.service) / len(scenario.service)
    kind = " (virtual: an instruction a tick, not time)" if scenario.virtual else ""
    say(f"{answer.model} on {answer.board} as a sensor loop{kind}")
    say(f"  inference      {_ticks(mean, scenario)}; {answer.service.source}")
    say(f"  utilization    {seen.utilization:.3f}, duty cycle {seen.duty:.3f}")
    if seen.utilization >= 1:
        say("  it does not keep up: the queue grows until frames are dropped")
    endless = "without end"
    theory = endless if seen.md1_wait is None else _ticks(seen.md1_wait, scenario)
    say(f"  mean wait      {_ticks(seen.mean_wait, scenario)} simulated; {theory} were frames to")
    say("                 come at random (M/D/1, Pollaczek-Khinchine)")
    needed = endless if seen.ring_needed is None else f"{seen.ring_needed} frames"
    say(f"  ring needed    {needed}, for at most {seen.drop_goal:g} of the frames dropped")
    _print_energy(seen)
    _print_sensor(answer)
    beside = [f"on {answer.board}"] if answer.emulated else []
    table = columns("of the frames", "simulated", *beside)
    for row in _rows(answer):
        table.add_row(*row)
    draw(table)


def _print_sensor(answer: LoopAnswer) -> None:
    run = answer.sensed
    if run is None:
        return
    say(f"  frames         {run.frames:,} of {run.source}, each inferred on {run.device}")
    counts = Counter(run.classes[frame] for frame in answer.forecast.outcome.served)
    told = ", ".join(f"{one} in {count:,}" for one, count in counts.most_common(MOST_CLASSES))
    say(f"  classes        {told} of those that were not dropped")


def _print_energy(seen: Forecast) -> None:
    if seen.energy is None:
        return
    life = "" if seen.energy.life_h is None else f"; the battery lasts {seen.energy.life_h:,.0f} h"
    say(
        f"  energy         {seen.energy.mwh_per_hour:.3f} mWh an hour{life} "
        "(estimate: stated powers and the duty cycle)"
    )


def _rows(answer: LoopAnswer) -> list[tuple[str, ...]]:
    seen, outcome, scenario = answer.forecast, answer.forecast.outcome, answer.scenario
    simulated = (
        f"{outcome.arrived:,}",
        f"{len(outcome.latencies):,}",
        f"{outcome.dropped:,}",
        f"{outcome.late:,}" if scenario.ring.deadline else "no deadline",
        str(outcome.most_waiting),
        _ticks(seen.wait_p50, scenario),
        _ticks(seen.wait_p99, scenario),
        _ticks(seen.latency_p99, scenario),
    )
    names = (
        *("arrived", "inferred", "dropped", "late", "most that waited"),
        *("wait p50", "wait p99", "latency p99"),
    )
    if answer.emulated is None:
        return list(zip(names, simulated, strict=True))
    return list(zip(names, simulated, _emulated(answer.emulated, scenario), strict=True))


def _emulated(stats: LoopStats, scenario: Scenario) -> tuple[str, ...]:
    return (
        f"{stats.arrived:,}",
        f"{stats.inferred:,}",
        f"{stats.dropped:,}",
        f"{stats.late:,}" if scenario.ring.deadline else "no deadline",
        str(stats.most_waiting),
        _ticks(stats.wait_p50, scenario),
        _ticks(stats.wait_p99, scenario),
        _ticks(stats.latency_p99, scenario),
    )


def _ticks(ticks: float, scenario: Scenario) -> str:
    """Time where ticks are time; else instructions, and what they are at the virtual clock."""
    milliseconds = ticks / scenario.ticks_hz * 1000
    if scenario.virtual:
        return f"{ticks:,.0f} instructions ({milliseconds:.3f} virtual ms)"
    return f"{milliseconds:.3f} ms"

"""A phone's measurement in text and JSON: distributions, never a mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeserve.show.console import say, shown_path
from edgeserve.show.measurement import print_energy

if TYPE_CHECKING:
    from edgeserve.distribution import Percentile
    from edgeserve.phone.record import PhoneMeasurement

_PERCENTS = (50.0, 90.0, 99.0, 99.9)
_MOST_OPERATORS = 10


def phone_json(measurement: PhoneMeasurement, file: Path) -> dict[str, Any]:
    """``bench --format json``: the record without its raw samples, and what they come to."""
    from edgeserve.distribution import outliers
    from edgeserve.phone.record import (
        late_frames,
        over_budget,
        set_jitter,
        set_latencies,
        skipped_frames,
    )
    from edgeserve.strict_json import to_json

    document: dict[str, Any] = to_json(measurement)
    for raw in ("samples_ns", "ends_ns", "slots", "sets", "sightings", "phases"):
        del document[raw]
    samples = measurement.samples_ns
    return {
        **document,
        "inferences": _inferences(measurement),
        "latency_ns": _percentiles(samples),
        "phases_ns": {one.name: _percentiles(one.samples_ns) for one in measurement.phases},
        "outliers": len(outliers(samples)) if samples else 0,
        "frame_sets": len(measurement.sets),
        "set_latency_ns": _percentiles(set_latencies(measurement)),
        "set_jitter_ns": _percentiles(set_jitter(measurement)),
        "over_jitter_budget": over_budget(measurement),
        "late_frames": late_frames(measurement),
        "skipped_frames": skipped_frames(measurement),
        "record": str(file),
    }


def _percentiles(samples: Sequence[int]) -> dict[str, Any]:
    from edgeserve.distribution import told_percentile
    from edgeserve.strict_json import to_json

    return {
        f"p{percent:g}": to_json(told_percentile(samples, percent)) if samples else None
        for percent in _PERCENTS
    }


def _inferences(measurement: PhoneMeasurement) -> int:
    tool = measurement.tool
    return tool.inference.count if tool is not None else len(measurement.samples_ns)


def print_phone(measurement: PhoneMeasurement, file: Path) -> None:
    """Percentiles, cold start, energy, heat, and what makes them less than they seem."""
    phone, asked = measurement.phone, measurement.asked
    threads = f", {asked.threads} threads" if asked.threads else ""
    say(
        f"{measurement.bundle} on {phone.model} (Android {phone.android}, {phone.soc}), "
        f"{asked.accelerator.value}{threads}"
    )
    _print_latency(measurement)
    _print_phases(measurement)
    _print_sets(measurement)
    _print_tool(measurement)
    _print_cold(measurement)
    if measurement.peak_bytes is not None:
        say(f"  peak memory {measurement.peak_bytes:>12,} bytes")
    _print_energy(measurement)
    _print_heat(measurement)
    for flag in measurement.flags:
        say(f"  flag: {flag.value}")
    for note in measurement.notes:
        say(f"  note: {note}")
    say(f"  recorded in {shown_path(file)}")


def _print_latency(measurement: PhoneMeasurement) -> None:
    from edgeserve.distribution import outliers
    from edgeserve.phone.record import late_frames, skipped_frames

    samples = measurement.samples_ns
    if not samples:
        return
    what = "passes" if measurement.phases else "inferences"
    _print_percentiles(samples, "", what)
    say(f"  {len(samples):,} {what}, {len(outliers(samples)):,} of them far from the rest")
    if measurement.asked.period_us:
        what = "frame sets" if measurement.sets else "frames"
        say(f"  {late_frames(measurement):,} {what} late, {skipped_frames(measurement):,} skipped")


def _print_percentiles(samples: Sequence[int], of: str, what: str) -> None:
    from edgeserve.distribution import LEAST_SAMPLES, told_percentile

    for percent in _PERCENTS:
        told = told_percentile(samples, percent)
        name = f"{of}p{percent:g}"
        if told is None:
            say(f"  {name:<10}    n/a   needs {LEAST_SAMPLES[percent]:,} {what}")
        else:
            say(f"  {name:<10}{told.value / 1e6:>7.3f} ms{_bounds(told)}")


def _print_phases(measurement: PhoneMeasurement) -> None:
    """Each phase of a pipeline and the whole, as percentiles. Those of phases do not add up."""
    if not measurement.phases:
        return
    percents = _PERCENTS[:3]
    heads = "".join(f"p{percent:g}".rjust(10) for percent in percents)
    say(f"  {'phase, in us':<14}{heads}")
    for phase in measurement.phases:
        say(_phase_row(phase.name, phase.samples_ns, percents))
    say(_phase_row("sum of a pass", measurement.samples_ns, percents))
    for one in measurement.absent:
        if one.field.startswith("phases."):
            say(f"    no {one.field.removeprefix('phases.')}: {one.reason}")


def _phase_row(name: str, samples: Sequence[int], percents: Sequence[float]) -> str:
    from edgeserve.distribution import told_percentile

    told = [told_percentile(samples, percent) for percent in percents]
    cells = ["n/a" if one is None else f"{one.value / 1e3:,.1f}" for one in told]
    return f"  {name:<14}{''.join(f'{cell:>10}' for cell in cells)}"


def _print_sets(measurement: PhoneMeasurement) -> None:
    from edgeserve.phone.record import over_budget, set_jitter, set_latencies

    asked, jitter = measurement.asked, set_jitter(measurement)
    if not measurement.sets:
        return
    say(f"  {len(measurement.sets):,} frame sets of {asked.streams}, each from first to last:")
    _print_percentiles(set_latencies(measurement), "  ", "frame sets")
    if not jitter:
        return
    say("  interval between frame sets, how far off:")
    _print_percentiles(jitter, "  ", "frame sets")
    if asked.jitter_us is not None:
        say(
            f"    {over_budget(measurement):,} of {len(jitter):,} intervals are off by more than "
            f"the budget of {asked.jitter_us / 1000:g} ms"
        )


def _print_tool(measurement: PhoneMeasurement) -> None:
    from edgeserve.phone.record import why_absent

    tool = measurement.tool
    if tool is None:
        return
    one = tool.inference
    say(f"  by benchmark_model, {one.count:,} inferences, no samples:")
    for name, ns in (
        ("mean", one.mean_ns),
        ("deviation", one.deviation_ns),
        ("least", one.least_ns),
        ("p5", one.p5_ns),
        ("median", one.median_ns),
        ("p95", one.p95_ns),
        ("most", one.most_ns),
    ):
        if ns is not None:
            say(f"    {name:<10}{ns / 1e6:>9.3f} ms")
    for delegate in tool.delegates:
        say(f"    delegate {delegate.name}: {delegate.coverage.value} executes the graph")
    if untold := why_absent(measurement, "fully_accelerated"):
        say(f"    {untold}")
    if tool.memory_overall_bytes is not None:
        say(f"    memory grew by about {tool.memory_overall_bytes:,} bytes, as the tool says")
    for row in sorted(tool.operators, key=lambda row: -row.mean_ns)[:_MOST_OPERATORS]:
        say(f"    {row.mean_ns / 1e6:>9.3f} ms  {row.kind}  {row.name}")


def _bounds(told: Percentile) -> str:
    if told.low is None or told.high is None:
        return "   too few inferences for an interval"
    return f"   95 % interval {told.low / 1e6:.3f} to {told.high / 1e6:.3f}"


def _print_cold(measurement: PhoneMeasurement) -> None:
    from statistics import median

    parts = ("process", "library", "load", "compile", "init", "first")
    told = []
    for part in parts:
        values = [getattr(cold, f"{part}_ns") for cold in measurement.cold]
        known = [value for value in values if value is not None]
        if known:
            told.append(f"{part} {median(known) / 1e6:.2f}")
        elif part == "process":
            told.append(f"{part} not known")
    say(f"  cold start in ms, median of {len(measurement.cold)}: {', '.join(told)}")


def _print_energy(measurement: PhoneMeasurement) -> None:
    from edgeserve.phone.record import why_absent

    energy = measurement.energy
    if energy is None:
        say(f"  energy not measured: {why_absent(measurement, 'energy')}")
        return
    print_energy(energy)


def _print_heat(measurement: PhoneMeasurement) -> None:
    skins = [s.skin_celsius for s in measurement.sightings if s.skin_celsius is not None]
    if skins:
        say(f"  skin {skins[0]:.1f} C at the start, {max(skins):.1f} at most")
    onset = measurement.throttled
    if onset is not None:
        say(
            f"  throttled from {onset.at_s:.0f} s on: latency +{onset.rise * 100:.0f} %, "
            f"{', '.join(onset.witnesses)}"
        )

"""A phone's measurement in text and JSON: distributions, never a mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeserve.show import say, shown_path

if TYPE_CHECKING:
    from edgeserve.distribution import Percentile
    from edgeserve.phone.record import PhoneMeasurement

_PERCENTS = (50.0, 90.0, 99.0, 99.9)


def phone_json(measurement: PhoneMeasurement, file: Path) -> dict[str, Any]:
    """``bench --format json``: the record without its raw samples, and what they come to."""
    from edgeserve.distribution import outliers, told_percentile
    from edgeserve.phone.record import late_frames, skipped_frames
    from edgeserve.strict_json import to_json

    document: dict[str, Any] = to_json(measurement)
    for raw in ("samples_ns", "ends_ns", "slots", "sightings"):
        del document[raw]
    samples = measurement.samples_ns
    return {
        **document,
        "inferences": len(samples),
        "latency_ns": {
            f"p{percent:g}": to_json(told_percentile(samples, percent)) if samples else None
            for percent in _PERCENTS
        },
        "outliers": len(outliers(samples)) if samples else 0,
        "late_frames": late_frames(measurement),
        "skipped_frames": skipped_frames(measurement),
        "record": str(file),
    }


def print_phone(measurement: PhoneMeasurement, file: Path) -> None:
    """Percentiles, cold start, energy, heat, and what makes them less than they seem."""
    phone, asked = measurement.phone, measurement.asked
    threads = f", {asked.threads} threads" if asked.threads else ""
    say(
        f"{measurement.bundle} on {phone.model} (Android {phone.android}, {phone.soc}), "
        f"{asked.accelerator.value}{threads}"
    )
    _print_latency(measurement)
    _print_cold(measurement)
    say(f"  peak memory {measurement.peak_bytes:>12,} bytes")
    _print_energy(measurement)
    _print_heat(measurement)
    for flag in measurement.flags:
        say(f"  flag: {flag.value}")
    for note in measurement.notes:
        say(f"  note: {note}")
    say(f"  recorded in {shown_path(file)}")


def _print_latency(measurement: PhoneMeasurement) -> None:
    from edgeserve.distribution import LEAST_SAMPLES, outliers, told_percentile
    from edgeserve.phone.record import late_frames, skipped_frames

    samples = measurement.samples_ns
    if not samples:
        return
    for percent in _PERCENTS:
        told = told_percentile(samples, percent)
        name = f"p{percent:g}"
        if told is None:
            say(f"  {name:<6}        n/a   needs {LEAST_SAMPLES[percent]:,} inferences")
        else:
            say(f"  {name:<6}{told.value / 1e6:>11.3f} ms{_bounds(told)}")
    say(f"  {len(samples):,} inferences, {len(outliers(samples)):,} of them far from the rest")
    if measurement.asked.period_us:
        say(f"  {late_frames(measurement):,} frames late, {skipped_frames(measurement):,} skipped")


def _bounds(told: Percentile) -> str:
    if told.low is None or told.high is None:
        return "   too few inferences for an interval"
    return f"   95 % interval {told.low / 1e6:.3f} to {told.high / 1e6:.3f}"


def _print_cold(measurement: PhoneMeasurement) -> None:
    from statistics import median

    parts = ("process", "library", "load", "compile", "first")
    told = []
    for part in parts:
        values = [getattr(cold, f"{part}_ns") for cold in measurement.cold]
        known = [value for value in values if value is not None]
        told.append(f"{part} {median(known) / 1e6:.2f}" if known else f"{part} not known")
    say(f"  cold start in ms, median of {len(measurement.cold)}: {', '.join(told)}")


def _print_energy(measurement: PhoneMeasurement) -> None:
    energy = measurement.energy
    if energy is None:
        say(f"  energy not measured: {measurement.energy_absent}")
        return
    coarse = ", coarse" if energy.coarse else ""
    say(f"  energy an inference, by {energy.meter}{coarse}:")
    for group in energy.groups:
        say(
            f"    {group.group:<8}{group.gross_mj:>10.3f} mJ, net {group.net_mj:.3f} "
            f"+- {group.plus_minus_mj:.3f}"
        )


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

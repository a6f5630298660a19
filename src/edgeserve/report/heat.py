"""What heat did to a run: latency, temperatures and caps on one axis of time."""

from __future__ import annotations

from collections.abc import Callable

from edgeserve.phone.record import PhoneMeasurement, Sighting
from edgeserve.phone.record_file import latest_of_setups, told_setup
from edgeserve.report.content import Block, Line, Section, Timeline, Tone
from edgeserve.report.recorded import Recorded
from edgeserve.report.wording import told_when

_BINS = 180
_LEAST_BINS = 3


def heat_section(seen: Recorded) -> Section:
    """A picture for each setup's last measurement that has sightings."""
    blocks: list[Block] = []
    for measurement in latest_of_setups(seen.phones).values():
        setup = f"{told_setup(measurement)}, {told_when(measurement.recorded_at)}"
        timeline = _timeline(measurement, setup)
        if timeline is None:
            blocks.append(Line(f"{setup}: too short for a picture over time.", Tone.QUIET))
        else:
            blocks.append(timeline)
        blocks.append(_onset(measurement, setup))
    if not blocks:
        blocks.append(
            Line(
                f"Not measured: edgeserve bench {seen.command_name} --device PHONE --scenario "
                "sustained watches a phone for 15 minutes.",
                Tone.QUIET,
            )
        )
    return Section("heat", "Heat", tuple(blocks))


def _onset(measurement: PhoneMeasurement, setup: str) -> Line:
    onset = measurement.throttled
    if onset is None:
        return Line(f"{setup}: no throttling was found.")
    return Line(
        f"{setup}: throttled from {onset.at_s:.0f} s on: latency +{onset.rise:.0%}, confirmed by "
        f"{', '.join(onset.witnesses)}.",
        Tone.BAD,
    )


def _timeline(measurement: PhoneMeasurement, caption: str) -> Timeline | None:
    latency = _medians(measurement)
    if len(latency) < _LEAST_BINS:
        return None
    onset = measurement.throttled
    return Timeline(
        caption=caption,
        latency_ms=latency,
        skin_celsius=_series(measurement, lambda one: one.skin_celsius),
        cpu_celsius=_series(measurement, lambda one: one.cpu_celsius),
        caps=_series(measurement, lambda one: one.lowest_cap),
        onset_s=None if onset is None else onset.at_s,
    )


def _series(
    measurement: PhoneMeasurement, told: Callable[[Sighting], float | None]
) -> tuple[tuple[float, float], ...]:
    return tuple(
        (one.at_s, value) for one in measurement.sightings if (value := told(one)) is not None
    )


def _medians(measurement: PhoneMeasurement) -> tuple[tuple[float, float], ...]:
    """(middle of the bin in s, median in ms): a bin a second, fewer where a run is long."""
    import numpy as np

    if not measurement.ends_ns:
        return ()
    ends = np.asarray(measurement.ends_ns, dtype=np.float64) / 1e9
    samples = np.asarray(measurement.samples_ns, dtype=np.float64) / 1e6
    width = max(1.0, float(ends[-1]) / _BINS)
    if ends[-1] < width * _LEAST_BINS:
        width = max(float(ends[-1]) / 10, 1e-3)
    bins = (ends / width).astype(np.int64)
    edges = np.flatnonzero(np.diff(bins)) + 1
    return tuple(
        (float((bins[first] + 0.5) * width), float(np.median(samples[first:last])))
        for first, last in zip((0, *edges), (*edges, len(bins)), strict=True)
    )

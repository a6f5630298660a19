"""How long an inference takes: the distribution of each measurement, never a mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeserve.distribution import Percentile, outliers, percentile
from edgeserve.measurement import Measurement, Unit
from edgeserve.phone.record import PhoneMeasurement, late_frames, skipped_frames
from edgeserve.phone.record_file import told_setup
from edgeserve.report.content import (
    Block,
    Cell,
    Distribution,
    Line,
    Percent,
    Section,
    Table,
    Tone,
    columns,
)
from edgeserve.report.recorded import Recorded
from edgeserve.report.wording import in_ns, told_range, told_when

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_PERCENTS = (50.0, 90.0, 99.0)
_MOST_ROWS = 20
_MOST_CHARTS = 6
_POINTS = 160
_SCALES = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))


def latency_section(seen: Recorded) -> Section:
    """A table of the last measurements, then a picture of each that has something to show."""
    runs = [_of_board(one) for one in seen.measurements]
    runs += [_of_phone(one) for one in seen.phones if one.samples_ns]
    runs.sort(key=lambda run: run.recorded_at, reverse=True)
    if not runs:
        line = f"Not measured: edgeserve bench {seen.command_name} --device D measures it."
        return Section("latency", "Latency", (Line(line, Tone.QUIET),))
    blocks: list[Block] = [_table(runs[:_MOST_ROWS])]
    if len(runs) > _MOST_ROWS:
        blocks.append(Line(f"{len(runs) - _MOST_ROWS} older ones are not shown.", Tone.QUIET))
    blocks += [Line(run.frames) for run in runs[:_MOST_ROWS] if run.frames]
    blocks += [Line(flag, Tone.BAD) for run in runs[:_MOST_ROWS] for flag in run.flags]
    varied = [run for run in runs if len(set(run.samples)) > 1]
    if any(run.unit is Unit.INSTRUCTIONS for run in runs):
        blocks.append(
            Line("An emulator counts executed instructions: they are not time.", Tone.QUIET)
        )
    blocks += [run.distribution() for run in varied[:_MOST_CHARTS]]
    return Section("latency", "Latency", tuple(blocks))


class _Run:
    """A measurement of either kind."""

    def __init__(
        self,
        recorded_at: str,
        device: str,
        unit: Unit,
        samples: Sequence[int],
        flags: tuple[str, ...] = (),
        frames: str = "",
    ) -> None:
        self.recorded_at, self.device, self.unit = recorded_at, device, unit
        self.samples, self.flags, self.frames = samples, flags, frames
        self.percents: list[Percentile] = [percentile(samples, p) for p in _PERCENTS]

    def row(self) -> tuple[Cell, ...]:
        size, unit = self._scale()
        cells: list[Cell] = [self.device, unit]
        for one in self.percents:
            cells += [self._told(one.value, size), self._interval(one, size)]
        return (
            *cells,
            f"{len(self.samples):,}",
            f"{len(outliers(self.samples)):,}",
            told_when(self.recorded_at),
        )

    def _told(self, value: int, size: float) -> str:
        return f"{value:,}" if in_ns(1, self.unit) is None else f"{value / size:,.4g}"

    def _interval(self, one: Percentile, size: float) -> str:
        if self.unit is Unit.INSTRUCTIONS and len(set(self.samples)) == 1:
            return "exact"
        low, high = (None if v is None else self._told(v, size) for v in (one.low, one.high))
        return told_range(low, high)

    def distribution(self) -> Distribution:
        """Points that a picture can tell apart, and the percentiles, in one unit."""
        import numpy as np

        size, unit = self._scale()
        ordered = np.sort(np.asarray(self.samples, dtype=np.float64))
        return Distribution(
            caption=f"{self.device}, {told_when(self.recorded_at)}",
            unit=unit,
            points=tuple(_points(ordered / size)),
            percents=tuple(
                Percent(
                    f"p{percent:g}",
                    one.value / size,
                    None if one.low is None else one.low / size,
                    None if one.high is None else one.high / size,
                )
                for percent, one in zip(_PERCENTS, self.percents, strict=True)
            ),
        )

    def _scale(self) -> tuple[float, str]:
        """How many of the samples' unit are one of the axis, and that one's name."""
        median = float(self.percents[0].value)
        as_time = in_ns(median, self.unit)
        if as_time is None:
            return 1.0, self.unit.value
        size, name = next((step for step in _SCALES if as_time >= step[0]), _SCALES[-1])
        return size / (in_ns(1.0, self.unit) or 1.0), name


def _points(ordered: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    """The empirical distribution, thinned where a line of a few hundred pixels could not show it.

    The slowest sample of all is always there.
    """
    import numpy as np

    count = len(ordered)
    ranks = np.unique(np.linspace(1, count, min(count, _POINTS)).round().astype(np.int64))
    return [(float(ordered[rank - 1]), float(rank / count)) for rank in ranks]


def _of_board(one: Measurement) -> _Run:
    place = one.place
    device = f"{place.board} (emulated)" if place.emulated else place.board
    return _Run(one.recorded_at, device, one.unit, one.samples)


def _of_phone(one: PhoneMeasurement) -> _Run:
    setup = told_setup(one)
    flags = tuple(f"{setup}, {told_when(one.recorded_at)}: {flag.value}" for flag in one.flags)
    frames = ""
    if one.asked.period_us:
        late, skipped = late_frames(one), skipped_frames(one)
        frames = f"{setup}, {told_when(one.recorded_at)}: {late:,} frames late, {skipped:,} skipped"
    return _Run(one.recorded_at, setup, Unit.NANOSECONDS, one.samples_ns, flags, frames)


def _table(runs: Sequence[_Run]) -> Table:
    titles = ["@device", "unit"]
    for percent in _PERCENTS:
        titles += [f"#p{percent:g}", "#95 % interval"]
    titles += ["#inferences", "#outliers", "!recorded"]
    return Table(columns(*titles), tuple(run.row() for run in runs), "latest first")

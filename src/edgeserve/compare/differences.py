"""What differs between two measurements of one kind of device, held against a budget.

The rule: something has regressed when the whole interval of its change lies above the budget, and
only then. What has no interval is told and not judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgeserve.compare.metric import Metric
from edgeserve.distribution import Change, percentile, percentile_change
from edgeserve.measurement import Measurement, Unit
from edgeserve.metering.meter import Energy, GroupEnergy
from edgeserve.phone.record import PhoneMeasurement
from edgeserve.phone.record_file import cold_starts_ns

_ROUNDING = 1e-9
"""A change of exactly the budget is within it, also where a quotient is rounded up."""


class Verdict(StrEnum):
    """What a change means. ``unjudged``: the interval straddles the budget, or there is none."""

    SAME = "the same"
    BETTER = "better"
    WITHIN = "within the budget"
    UNJUDGED = "not decided"
    REGRESSION = "REGRESSION"


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure before and after, in ``unit``. ``of`` is the group of an energy, else empty.

    ``change`` is None where there was 0 before; ``why`` says why a verdict is what it is, where
    that is not plain.
    """

    metric: Metric
    of: str
    unit: str
    before: float
    after: float
    change: Change | None
    verdict: Verdict
    why: str = ""

    @property
    def name(self) -> str:
        return f"{self.metric.value} {self.of}".rstrip()


def board_differences(
    before: Measurement, after: Measurement, budget: float, metrics: Collection[Metric]
) -> tuple[Difference, ...]:
    """Of two measurements on one kind of board, in one unit. ``budget`` is a share."""
    unit = before.unit
    rows = [
        *_percentiles(unit.value, before.samples, after.samples, budget, unit),
        _single(Metric.INIT, unit, before.init_count, after.init_count, budget),
        *_sizes(before, after, budget),
    ]
    if before.energy is not None and after.energy is not None:
        rows += _energies(before.energy, after.energy, budget)
    return tuple(row for row in rows if row.metric in metrics)


def phone_differences(
    before: PhoneMeasurement, after: PhoneMeasurement, budget: float, metrics: Collection[Metric]
) -> tuple[Difference, ...]:
    """Of two measurements of one setup of phones. ``budget`` is a share."""
    rows: list[Difference] = []
    if before.samples_ns and after.samples_ns:
        rows += _percentiles("ns", before.samples_ns, after.samples_ns, budget, Unit.NANOSECONDS)
    starts = cold_starts_ns(before), cold_starts_ns(after)
    if all(starts):
        rows.append(_of_samples(Metric.COLD_START, "ns", *starts, 50.0, budget))
    if before.peak_bytes is not None and after.peak_bytes is not None:
        peaks = before.peak_bytes, after.peak_bytes
        rows.append(_one_reading(Metric.PEAK_MEMORY, "bytes", *peaks))
    if before.energy is not None and after.energy is not None:
        rows += _energies(before.energy, after.energy, budget)
    return tuple(row for row in rows if row.metric in metrics)


def judge(change: Change | None, budget: float) -> Verdict:
    """The verdict on a change; None: something came to be where nothing was."""
    if change is None:
        return Verdict.REGRESSION
    if change.low is None or change.high is None:
        return Verdict.UNJUDGED
    if change.low > budget + _ROUNDING:
        return Verdict.REGRESSION
    if change.low == change.high == 0:
        return Verdict.SAME
    if change.high < 0:
        return Verdict.BETTER
    return Verdict.WITHIN if change.high <= budget + _ROUNDING else Verdict.UNJUDGED


def _percentiles(
    unit_name: str, before: Sequence[int], after: Sequence[int], budget: float, unit: Unit
) -> Iterator[Difference]:
    for metric, percent in ((Metric.P50, 50.0), (Metric.P90, 90.0), (Metric.P99, 99.0)):
        is_exact = unit is Unit.INSTRUCTIONS and len(set(before)) == len(set(after)) == 1
        if is_exact:
            yield _exact(metric, unit_name, before[0], after[0], budget)
        else:
            yield _of_samples(metric, unit_name, before, after, percent, budget)


def _of_samples(
    metric: Metric,
    unit: str,
    before: Sequence[int],
    after: Sequence[int],
    percent: float,
    budget: float,
) -> Difference:
    first, second = (percentile(samples, percent).value for samples in (before, after))
    try:
        change = percentile_change(before, after, percent)
    except ValueError:
        why = "it was 0 before, so there is no share of it"
        return Difference(metric, "", unit, first, second, None, Verdict.UNJUDGED, why)
    why = ""
    if change.low is None:
        counts = f"{len(before):,} and {len(after):,}"
        why = f"{counts} samples are too few for an interval"
    return Difference(metric, "", unit, first, second, change, judge(change, budget), why)


def _exact(metric: Metric, unit: str, before: float, after: float, budget: float) -> Difference:
    """Of what is the same each time that it is looked at."""
    share = None
    if before:
        share = after / before - 1
    elif not after:
        share = 0.0
    change = None if share is None else Change(share, share, share)
    why = "there was none before" if change is None else ""
    return Difference(metric, "", unit, before, after, change, judge(change, budget), why)


def _one_reading(metric: Metric, unit: str, before: float, after: float) -> Difference:
    """Of what was read once on either side, and may be another the next time."""
    change = Change(after / before - 1, None, None) if before else None
    why = "one reading each has no interval"
    return Difference(metric, "", unit, before, after, change, Verdict.UNJUDGED, why)


def _single(metric: Metric, unit: Unit, before: int, after: int, budget: float) -> Difference:
    if unit is Unit.INSTRUCTIONS:
        return _exact(metric, unit.value, before, after, budget)
    return _one_reading(metric, unit.value, before, after)


def _sizes(before: Measurement, after: Measurement, budget: float) -> Iterator[Difference]:
    for metric, first, second in (
        (Metric.ARENA, before.memory.arena_bytes, after.memory.arena_bytes),
        (
            Metric.TOUCHED,
            before.memory.arena_high_water_bytes,
            after.memory.arena_high_water_bytes,
        ),
        (
            Metric.STACK,
            before.memory.stack_high_water_bytes,
            after.memory.stack_high_water_bytes,
        ),
        (Metric.MODEL, before.subject.model_bytes, after.subject.model_bytes),
        (Metric.CODE, before.subject.code_bytes, after.subject.code_bytes),
        (Metric.FLASH, before.subject.flash_bytes, after.subject.flash_bytes),
    ):
        if first is not None and second is not None:
            yield _exact(metric, "bytes", first, second, budget)


def _energies(before: Energy, after: Energy, budget: float) -> Iterator[Difference]:
    """Groups that both have, by one and the same meter."""
    if before.meter != after.meter:
        return
    others = {group.group: group for group in after.groups}
    for group in before.groups:
        other = others.get(group.group)
        if other is not None:
            yield _energy(Metric.GROSS_ENERGY, group, other, budget)
            yield _energy(Metric.NET_ENERGY, group, other, budget)


def _energy(metric: Metric, first: GroupEnergy, second: GroupEnergy, budget: float) -> Difference:
    """Bounded by what the counter's age may hide on either side."""
    is_gross = metric is Metric.GROSS_ENERGY
    before = first.gross_mj if is_gross else first.net_mj
    after = second.gross_mj if is_gross else second.net_mj
    least, most = before - first.plus_minus_mj, before + first.plus_minus_mj
    if least <= 0:
        change = Change(after / before - 1, None, None) if before > 0 else None
        why = "the energy before may have been 0"
        unit = "mJ"
        return Difference(metric, first.group, unit, before, after, change, Verdict.UNJUDGED, why)
    low, high = after - second.plus_minus_mj, after + second.plus_minus_mj
    ends = [bound / other - 1 for bound in (low, high) for other in (least, most)]
    change = Change(after / before - 1, min(ends), max(ends))
    return Difference(metric, first.group, "mJ", before, after, change, judge(change, budget))

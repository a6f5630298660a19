"""What others say of the model beside what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from edgeserve.claims_file import UNITS, Claim, Dimension, Figure
from edgeserve.distribution import percentile
from edgeserve.measurement import Measurement, Unit, latest_of_devices
from edgeserve.phone.record import PhoneMeasurement, Scenario
from edgeserve.phone.record_file import cold_starts_ns, latest_of_setups, told_setup
from edgeserve.report.content import Block, Cell, Line, Mark, Section, Table, Tone, columns
from edgeserve.report.phases import pipeline_phases
from edgeserve.report.recorded import Recorded
from edgeserve.report.wording import in_ns

_PERCENTS = {Figure.P50: 50.0, Figure.P90: 90.0, Figure.P99: 99.0}
_MORE_IS_BETTER = frozenset({Figure.RATE, Figure.ACCURACY})
_DIMENSIONS = {Unit.INSTRUCTIONS: Dimension.INSTRUCTIONS, Unit.CYCLES: Dimension.CYCLES}


@dataclass(frozen=True, slots=True)
class Value:
    """A measured figure in the unit of its dimension that has the factor 1 in ``UNITS``."""

    where: str
    dimension: Dimension
    value: float
    low: float | None = None
    high: float | None = None


def claims_section(seen: Recorded) -> Section:
    """A row for each claim and device that it can be held against."""
    if not seen.claims:
        why = "There is no claims.toml in the bundle" if seen.claims is None else "It is empty"
        line = f"{why}: docs/REPORT.md describes it; --claims FILE takes another."
        return Section("claims", "Claims", (Line(line, Tone.QUIET),))
    rows = [row for claim in seen.claims for row in _rows(claim, seen)]
    titles = ("@claim", "!verdict", "#claimed", "#measured", "#95 % interval", "!figure", "@on")
    blocks: list[Block] = [
        Table(columns(*titles, "@source"), tuple(rows), "the claim beside the last measurement"),
        Line(
            "Met or missed: the interval lies wholly on one side of the claim. A single reading "
            "has no interval, and says so.",
            Tone.QUIET,
        ),
    ]
    return Section("claims", "Claims", tuple(blocks))


def _rows(claim: Claim, seen: Recorded) -> Iterator[tuple[Cell, ...]]:
    values = list(_values(claim, seen))
    if not values:
        yield _row(claim, Mark("not measured", Tone.QUIET), "", "", "")
    for value in values:
        if value.dimension is claim.dimension:
            low, high = (
                None if v is None else _in_unit(v, claim.unit) for v in (value.low, value.high)
            )
            measured = f"{_in_unit(value.value, claim.unit)} {claim.unit}"
            interval = "none" if low is None or high is None else f"{low} to {high}"
            yield _row(claim, verdict(claim, value), measured, interval, value.where)
        else:
            why = Mark(f"not comparable: {value.dimension}, not {claim.dimension}", Tone.QUIET)
            yield _row(claim, why, f"{value.value:,.0f} {value.dimension}", "", value.where)


def _row(claim: Claim, mark: Mark, measured: str, interval: str, where: str) -> tuple[Cell, ...]:
    claimed = f"{claim.value:g} {claim.unit}"
    figure = claim.figure.value
    return claim.name, mark, claimed, measured, interval, figure, where, claim.source


def verdict(claim: Claim, value: Value) -> Mark:
    """Whether a measured value of the claim's dimension bears the claim out."""
    sign = -1.0 if claim.figure in _MORE_IS_BETTER else 1.0
    limit = sign * claim.base_value
    if value.low is None or value.high is None:
        is_met = sign * value.value <= limit
        word = "met" if is_met else "missed"
        return Mark(f"{word} (one reading)", Tone.GOOD if is_met else Tone.BAD)
    low, high = sorted((sign * value.low, sign * value.high))
    if high <= limit:
        return Mark("met", Tone.GOOD)
    if low > limit:
        return Mark("missed", Tone.BAD)
    return Mark("not decided", Tone.QUIET)


def _in_unit(value: float, unit: str) -> str:
    return (
        f"{value / UNITS[unit][1]:,.4g}"
        if value < 1e4 * UNITS[unit][1]
        else (f"{value / UNITS[unit][1]:,.0f}")
    )


def _values(claim: Claim, seen: Recorded) -> Iterator[Value]:
    if claim.figure is Figure.ACCURACY:
        agreement = seen.facts.agreement
        if agreement is not None and agreement.int8_accuracy is not None:
            where = f"{agreement.samples} calibration samples"
            yield Value(where, Dimension.SHARE, agreement.int8_accuracy)
        return
    if claim.accelerator is None:
        for board in latest_of_devices(seen.measurements).values():
            if _names(claim, board.place.board, board.place.device):
                yield from _of_board(claim.figure, board)
    for phone in latest_of_setups(seen.phones).values():
        wanted = claim.accelerator in (None, phone.asked.accelerator.value)
        if wanted and _names(claim, phone.phone.model, phone.phone.product, phone.phone.serial):
            yield from _of_phone(claim.figure, phone)


def _names(claim: Claim, *names: str) -> bool:
    wanted = (claim.device or "").casefold()
    return any(wanted in name.casefold() for name in names)


def _of_board(figure: Figure, one: Measurement) -> Iterator[Value]:
    where, memory = one.place.board, one.memory
    yield from _of_samples(figure, where, one.unit, one.samples)
    sizes = {
        Figure.ARENA: memory.arena_bytes,
        Figure.STACK: memory.stack_high_water_bytes,
        Figure.MODEL: one.subject.model_bytes,
        Figure.CODE: one.subject.code_bytes,
    }
    size = sizes.get(figure)
    if size is not None:
        yield Value(where, Dimension.SIZE, size, size, size)


def _of_phone(figure: Figure, one: PhoneMeasurement) -> Iterator[Value]:
    where = told_setup(one)
    # What a pass takes, and its energy, are no inference's.
    is_pipeline = one.asked.scenario is Scenario.PIPELINE
    if one.samples_ns and not is_pipeline:
        yield from _of_samples(figure, where, Unit.NANOSECONDS, one.samples_ns)
    for phase in pipeline_phases(one):
        if phase.name == figure.value:
            yield _median(where, phase.samples_ns)
    if figure is Figure.COLD_START and (starts := cold_starts_ns(one)):
        yield _median(f"{where}: library to first inference", starts)
    if figure is Figure.PEAK_MEMORY and one.peak_bytes is not None:
        yield Value(where, Dimension.SIZE, one.peak_bytes)
    if is_pipeline:
        return
    if figure in (Figure.GROSS_ENERGY, Figure.NET_ENERGY) and one.energy is not None:
        groups = one.energy.groups
        is_gross = figure is Figure.GROSS_ENERGY
        value = sum(group.gross_mj if is_gross else group.net_mj for group in groups)
        margin = sum(group.plus_minus_mj for group in groups)
        parts = f"{where}: {' + '.join(group.group for group in groups)}"
        yield Value(parts, Dimension.ENERGY, value, value - margin, value + margin)


def _of_samples(
    figure: Figure, where: str, unit: Unit, samples: tuple[int, ...]
) -> Iterator[Value]:
    percent = _PERCENTS.get(figure)
    if percent is not None:
        yield _percentile(where, unit, samples, percent)
    if figure is Figure.RATE and unit not in _DIMENSIONS:
        one = _percentile(where, unit, samples, 50.0)
        yield Value(
            where,
            Dimension.RATE,
            1e9 / max(one.value, 1.0),
            None if one.high is None else 1e9 / max(one.high, 1.0),
            None if one.low is None else 1e9 / max(one.low, 1.0),
        )


def _percentile(where: str, unit: Unit, samples: tuple[int, ...], percent: float) -> Value:
    told = percentile(samples, percent)
    value, low, high = (
        None if one is None else (in_ns(one, unit) or float(one))
        for one in (told.value, told.low, told.high)
    )
    assert value is not None
    return Value(where, _DIMENSIONS.get(unit, Dimension.TIME), value, low, high)


def _median(where: str, samples: Iterable[int]) -> Value:
    given = tuple(samples)
    told = percentile(given, 50)
    return Value(where, Dimension.TIME, median(given), told.low, told.high)

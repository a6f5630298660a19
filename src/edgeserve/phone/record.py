"""The measurement of a model on a phone: raw samples, and what is needed to judge and repeat them.

``docs/FORMAT.md``, section 3, states the record. What was not measured is None, with the reason
beside it; derived numbers are functions of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from edgeserve.bundle import ToolVersion
from edgeserve.metering.meter import Energy
from edgeserve.phone.benchmark_model import ToolReport
from edgeserve.phone.harness import Accelerator, ColdStart, FrameSet

SCHEMA_VERSION = 2


class Scenario(StrEnum):
    """How inferences follow each other.

    ``single``: one behind the other, as MLPerf's SingleStream. ``sustained``: likewise for as long
    as heat needs. ``frames``: one at each tick of a frame rate, or not at all. ``multistream``: a
    set of them, one for each of several sensors, behind the other or at each tick, as MLPerf's
    MultiStream. ``pipeline``: a picture's whole way to answers, one behind the other. ``cold``:
    each in a fresh process.
    """

    SINGLE = "single"
    SUSTAINED = "sustained"
    FRAMES = "frames"
    MULTISTREAM = "multistream"
    PIPELINE = "pipeline"
    COLD = "cold"


class Runner(StrEnum):
    """What ran the model: our harness, or Google's tool, which keeps no samples."""

    HARNESS = "edgeserve harness"
    BENCHMARK_MODEL = "benchmark_model"


class Flag(StrEnum):
    """What makes a figure less than it seems; a record without flags may be published."""

    TOO_SHORT = "shorter than 60 s"
    TOO_FEW = "fewer than 1024 inferences"
    TOO_FEW_SETS = "fewer than 662 frame sets: their p99 is not known"
    UNSTEADY = "more than 1 % of the intervals between frame sets are off by more than the budget"
    NO_SAMPLES = "the runner keeps no samples: percentiles have no interval"
    WARM = "the phone was warm at the start"
    HOT = "the phone throttled"
    PARTLY_CPU = "part of the model ran on the CPU"
    ALL_CPU = "all of the model ran on the CPU"
    NOT_SETTLED = "latency had not settled when the measurement began"
    OUTPUT_DIFFERS = "the output differs from the host's"
    OUTPUT_UNCHECKED = "the output was not compared with the host's"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which phone: as it names itself. ``serial`` is how adb names it."""

    serial: str
    model: str
    product: str
    soc: str
    android: str
    build: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for; ``cores`` is a mask, None for all, ``threads`` 0 LiteRT's own choice.

    ``streams`` are the inferences of a frame set, and ``jitter_us`` how far the interval between
    two sets may be off; None where there are no sets, or no budget.
    """

    accelerator: Accelerator
    threads: int
    cores: int | None
    scenario: Scenario
    period_us: int | None
    streams: int | None = None
    jitter_us: int | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the phone said during the run: thermal status, temperatures, and the lowest share of its
    speed that a group of cores was allowed. None where it does not say.
    """

    at_s: float
    status: int | None
    skin_celsius: float | None
    cpu_celsius: float | None
    lowest_cap: float | None


@dataclass(frozen=True, slots=True)
class Onset:
    """When throttling began, by how much latency rose, and what confirmed it."""

    at_s: float
    rise: float
    witnesses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a pipeline's pass: what it took in each, in nanoseconds."""

    name: str
    samples_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A field of the record that is null or empty, and why."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class PhoneMeasurement:
    """One run on a phone. ``samples_ns`` are raw, in order; ``ends_ns`` when each ended, from the
    run's start; ``slots`` the period in which it ran, for ``frames`` and ``multistream``; ``sets``
    are the frame sets of the latter, each as many inferences as there are streams. Of ``pipeline``
    ``phases`` are what its samples are the sums of.

    ``tool`` is what a runner that keeps no samples says instead. What was not measured is null or
    empty, and ``absent`` says why.
    """

    schema: int
    recorded_at: str
    bundle: str
    model_sha256: str
    phone: Identity
    runner: Runner
    runtime: str
    asked: Asked
    fully_accelerated: bool | None
    input: str
    cold: tuple[ColdStart, ...]
    warmup: int
    samples_ns: tuple[int, ...]
    ends_ns: tuple[int, ...]
    slots: tuple[int, ...]
    sets: tuple[FrameSet, ...]
    tool: ToolReport | None
    peak_bytes: int | None
    energy: Energy | None
    sightings: tuple[Sighting, ...]
    throttled: Onset | None
    output_crc32: str | None
    flags: tuple[Flag, ...]
    absent: tuple[NotMeasured, ...]
    tools: tuple[ToolVersion, ...]
    notes: tuple[str, ...]
    phases: tuple[Phase, ...] = ()


def why_absent(measurement: PhoneMeasurement, field: str) -> str:
    """Why a field was not measured; empty where it was."""
    return next((one.reason for one in measurement.absent if one.field == field), "")


def skipped_frames(measurement: PhoneMeasurement) -> int:
    """Periods that no inference or frame set began in, because one before was not done."""
    slots = [one.slot for one in measurement.sets] or list(measurement.slots)
    return slots[-1] + 1 - len(slots) if slots and measurement.asked.period_us else 0


def late_frames(measurement: PhoneMeasurement) -> int:
    """Inferences, or frame sets where there are any, that took longer than the period."""
    period = (measurement.asked.period_us or 0) * 1000
    taken = set_latencies(measurement) or measurement.samples_ns
    return sum(one > period for one in taken) if period else 0


def set_latencies(measurement: PhoneMeasurement) -> tuple[int, ...]:
    """Nanoseconds of each frame set, from its first inference's input to its last one's output."""
    return tuple(one.end_ns - one.begin_ns for one in measurement.sets)


def set_jitter(measurement: PhoneMeasurement) -> tuple[int, ...]:
    """How far each interval between the ends of two sets is from what is due, in nanoseconds.

    Due is the period, times the periods between them; without a period the median interval.
    """
    sets = measurement.sets
    intervals = [after.end_ns - before.end_ns for before, after in pairwise(sets)]
    if not intervals:
        return ()
    period = (measurement.asked.period_us or 0) * 1000
    usual = sorted(intervals)[len(intervals) // 2]
    due = [
        (after.slot - before.slot) * period if period else usual for before, after in pairwise(sets)
    ]
    return tuple(abs(one - want) for one, want in zip(intervals, due, strict=True))


def over_budget(measurement: PhoneMeasurement) -> int:
    """Intervals between frame sets that are off by more than the budget; 0 without a budget."""
    budget_us = measurement.asked.jitter_us
    if budget_us is None:
        return 0
    return sum(one > budget_us * 1000 for one in set_jitter(measurement))

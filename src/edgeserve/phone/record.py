"""The measurement of a model on a phone: raw samples, and what is needed to judge and repeat them.

``docs/FORMAT.md``, section 3, states the record. What was not measured is None, with the reason
beside it; derived numbers are functions of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edgeserve.bundle import ToolVersion
from edgeserve.phone.harness import Accelerator, ColdStart
from edgeserve.phone.meter import Energy

SCHEMA_VERSION = 1


class Scenario(StrEnum):
    """How inferences follow each other.

    ``single``: one behind the other, as MLPerf's SingleStream. ``sustained``: likewise for as long
    as heat needs. ``frames``: one at each tick of a frame rate, or not at all. ``cold``: each in a
    fresh process.
    """

    SINGLE = "single"
    SUSTAINED = "sustained"
    FRAMES = "frames"
    COLD = "cold"


class Flag(StrEnum):
    """What makes a figure less than it seems; a record without flags may be published."""

    TOO_SHORT = "shorter than 60 s"
    TOO_FEW = "fewer than 1024 inferences"
    WARM = "the phone was warm at the start"
    HOT = "the phone throttled"
    PARTLY_CPU = "part of the model ran on the CPU"
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
    """What was asked for; ``cores`` is a mask, None for all, ``threads`` 0 LiteRT's own choice."""

    accelerator: Accelerator
    threads: int
    cores: int | None
    scenario: Scenario
    period_us: int | None


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
class PhoneMeasurement:
    """One run on a phone. ``samples_ns`` are raw, in order; ``ends_ns`` when each ended, from the
    run's start; ``slots`` the period in which it ran, for ``frames``.
    """

    schema: int
    recorded_at: str
    bundle: str
    model_sha256: str
    phone: Identity
    runtime: str
    asked: Asked
    fully_accelerated: bool
    input: str
    cold: tuple[ColdStart, ...]
    warmup: int
    samples_ns: tuple[int, ...]
    ends_ns: tuple[int, ...]
    slots: tuple[int, ...]
    peak_bytes: int
    energy: Energy | None
    energy_absent: str
    sightings: tuple[Sighting, ...]
    throttled: Onset | None
    output_crc32: str
    flags: tuple[Flag, ...]
    tools: tuple[ToolVersion, ...]
    notes: tuple[str, ...]


def skipped_frames(measurement: PhoneMeasurement) -> int:
    """Periods of a ``frames`` run that no inference began in, because one before was not done."""
    return measurement.slots[-1] + 1 - len(measurement.slots) if measurement.slots else 0


def late_frames(measurement: PhoneMeasurement) -> int:
    """Inferences of a ``frames`` run that took longer than the period."""
    period = (measurement.asked.period_us or 0) * 1000
    return sum(sample > period for sample in measurement.samples_ns) if period else 0

"""Measurements of the record types, made here: what a board or a phone could have said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeserve.bundle import ToolVersion
from edgeserve.measurement import Measurement, Memory, Place, StepCount, Subject, Unit
from edgeserve.metering.meter import Energy, GroupEnergy
from edgeserve.phone.harness import Accelerator, ColdStart
from edgeserve.phone.record import (
    Asked,
    Flag,
    Identity,
    NotMeasured,
    Onset,
    PhoneMeasurement,
    Runner,
    Scenario,
    Sighting,
)
from tests.tflite_builder import ModelBuilder

MS = 1_000_000


def small_model(name: str = "x") -> bytes:
    """A RELU of four elements from a tensor of this name to another one of it."""
    builder = ModelBuilder()
    x = builder.tensor(name, (1, 4), "int8", scale=0.5, zero_point=-3)
    y = builder.tensor(f"{name} out", (1, 4), "int8", scale=0.5, zero_point=-3)
    builder.op("RELU", [x], [y])
    return builder.finish([x], [y])


BOARD = Measurement(
    schema=3,
    recorded_at="2026-01-02T03:04:05Z",
    subject=Subject("digits", "ab" * 32, "cd" * 32, 12_000, 9_000, 30_000),
    place=Place("mps2-an500", "mps2-an500 (QEMU)", True, "CMSDK timer 0", "gcc 12", ("-O2",)),
    unit=Unit.INSTRUCTIONS,
    input="xorshift 0x12345678",
    warmup=1,
    samples=(1000,) * 10,
    init_count=500,
    steps=(StepCount(0, "conv", "CONV_2D", 600, 700), StepCount(1, "fc", "SOFTMAX", 0, 300)),
    memory=Memory(4096, 4000, (), 700, 512),
    energy=None,
    energy_absent="no meter was named",
    output_crc32="0123abcd",
    tools=(ToolVersion("edgeserve", "0.1.0"),),
    notes=(),
)


def on_board(**changes: object) -> Measurement:
    return replace(BOARD, **changes)  # type: ignore[arg-type]


def timed(samples: tuple[int, ...], **changes: object) -> Measurement:
    """On a physical board that counts nanoseconds."""
    place = Place("nucleo_h743zi2", "/dev/ttyACM0", False, "DWT", "gcc 12", ())
    return on_board(place=place, unit=Unit.NANOSECONDS, samples=samples, **changes)


def noisy(median_ns: int, count: int, seed: int = 1) -> tuple[int, ...]:
    """Latencies with a tail to the right, as phones have them."""
    rng = np.random.default_rng(seed)
    draws = median_ns * rng.lognormal(0.0, 0.05, count)
    return tuple(int(value) for value in draws)


PHONE = PhoneMeasurement(
    schema=2,
    recorded_at="2026-02-03T04:05:06Z",
    bundle="kws",
    model_sha256="ab" * 32,
    phone=Identity("1A2B3C", "Pixel 6", "oriole", "Tensor", "14", "build/1"),
    runner=Runner.HARNESS,
    runtime="LiteRT 2.3.0",
    asked=Asked(Accelerator.CPU, 2, None, Scenario.SINGLE, None),
    fully_accelerated=True,
    input="xorshift 0x12345678",
    cold=(
        ColdStart(31 * MS, 12 * MS, 4 * MS, 18 * MS, 9 * MS),
        ColdStart(29 * MS, 11 * MS, 4 * MS, 17 * MS, 8 * MS),
        ColdStart(33 * MS, 13 * MS, 5 * MS, 19 * MS, 10 * MS),
    ),
    warmup=20,
    samples_ns=noisy(5 * MS, 2000),
    ends_ns=tuple((i + 1) * 5 * MS for i in range(2000)),
    slots=(),
    sets=(),
    tool=None,
    peak_bytes=41_000_000,
    energy=Energy(
        "power rails (sysfs)",
        False,
        15.0,
        15.0,
        3000,
        (GroupEnergy("cpu", 4.2, 3.4, 0.3), GroupEnergy("memory", 1.1, 0.4, 0.1)),
    ),
    sightings=(Sighting(0.0, 0, 28.0, 40.0, 1.0), Sighting(5.0, 0, 28.6, 52.0, 1.0)),
    throttled=None,
    output_crc32="f7cb3257",
    flags=(),
    absent=(),
    tools=(ToolVersion("libLiteRt.so", "sha256 0123"),),
    notes=(),
)


def on_phone(**changes: object) -> PhoneMeasurement:
    return replace(PHONE, **changes)  # type: ignore[arg-type]


def no_energy(why: str) -> tuple[NotMeasured, ...]:
    return (NotMeasured("energy", why),)


def sustained() -> PhoneMeasurement:
    """Fifteen minutes in which the phone grows warm, and throttles after six."""
    onset_s, period = 360.0, 50 * MS
    starts = np.arange(18_000) * (period / 1e9)
    slow = np.where(starts > onset_s, 1.35, 1.0)
    samples = np.asarray(noisy(5 * MS, len(starts), seed=2)) * slow
    times = np.arange(0.0, 900.0, 5.0)
    return on_phone(
        recorded_at="2026-02-03T05:05:06Z",
        asked=replace(PHONE.asked, scenario=Scenario.SUSTAINED),
        samples_ns=tuple(int(s) for s in samples),
        ends_ns=tuple(int(s * 1e9) + 5 * MS for s in starts),
        energy=None,
        absent=no_energy("the phone lists no rail; it is charging, so the battery tells nothing"),
        sightings=tuple(
            Sighting(
                float(at),
                2 if at > onset_s else 0,
                28.0 + 14 * (1 - float(np.exp(-at / 300))),
                45.0 + 30 * (1 - float(np.exp(-at / 120))),
                0.72 if at > onset_s else 1.0,
            )
            for at in times
        ),
        throttled=Onset(362.0, 0.35, ("thermal status above 0", "frequency cap lowered")),
        flags=(Flag.HOT,),
    )

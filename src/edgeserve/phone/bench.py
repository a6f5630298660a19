"""A model measured on a phone: cool, quiet, warmed up, long enough, and put back as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from edgeserve import __version__
from edgeserve.absent import Absent
from edgeserve.bundle import ToolVersion
from edgeserve.device.adb import FOLDER, Adb
from edgeserve.device.runs import Limits
from edgeserve.errors import DeviceError
from edgeserve.metering.meter import Energy, Meter, energy_of
from edgeserve.phone.harness import (
    Accelerator,
    ColdStart,
    FrameSet,
    Harness,
    HarnessInfo,
    Sample,
    Told,
)
from edgeserve.phone.kind import PhoneKind
from edgeserve.phone.meter import meter_of
from edgeserve.phone.pipeline import Pipeline, require_right
from edgeserve.phone.plan import (
    LEAST_COUNT,
    LEAST_S,
    LEAST_SETS,
    Around,
    Files,
    Plan,
    Say,
    Subject,
)
from edgeserve.phone.record import (
    SCHEMA_VERSION,
    Asked,
    Flag,
    NotMeasured,
    Onset,
    Phase,
    PhoneMeasurement,
    Runner,
    Scenario,
    Sighting,
    over_budget,
    set_jitter,
)
from edgeserve.phone.settings import for_measuring
from edgeserve.phone.watch import cooled, identity_of, onset_of, require_abi, watched

SEED = 0x12345678
WARM_UP_LAPS, WARM_UP_S = 10, 2.0
SETTLED = 0.02
"""Warm-up goes on until the medians of two halves differ by no more than this share."""

MOST_WARM_UPS = 20
WARM_UP_MS = 600_000
"""What a batch of passes may take; their number ends it."""


def bench_phone(
    adb: Adb,
    kind: PhoneKind | None,
    files: Files,
    subject: Subject,
    plan: Plan,
    say: Say,
    tools: tuple[ToolVersion, ...] = (),
    meter: Meter | None = None,
) -> PhoneMeasurement:
    """Measures a model on a phone by a plan; ``meter`` takes the place of the phone's own.

    Raises DeviceError for a phone that fails or whose accelerator does not take the whole model
    (unless the plan allows that); then nothing is recorded, and the settings are back.
    """
    identity = identity_of(adb)
    require_abi(adb, files.harness)
    argv, undecoded = _command(adb, files, plan.asked), ""
    if files.around is not None:
        argv, undecoded = _with_picture(adb, argv, files.around)
    with for_measuring(adb, airplane=plan.airplane) as notes:
        flags = [] if cooled(adb, plan.wait_cool_s, say) else [Flag.WARM]
        colds = [_cold_start(adb, argv, say, i, plan) for i in range(plan.cold_starts)]
        with _started(adb, argv) as harness:
            info = harness.info()
            flags += _fallback(info, plan, adb.serial)
            data = subject.input_of()
            harness.fill(SEED, data)
            harness.run()
            output = harness.out(info.output_bytes)
            flags += _output_flags(subject, output)
            if subject.pipeline is not None:
                require_right(harness, info, subject.pipeline)
            warmup, settled = _warm_up(_batches(harness, plan.asked), say)
            flags += [] if settled else [Flag.NOT_SETTLED]
            counted = _energy(
                harness, meter or meter_of(adb, kind.rails if kind else ()), plan, say
            )
            run, sightings = _measure(adb, harness, plan, say)
            peak = harness.info().peak_bytes
    energy = counted()
    onset = onset_of(run.samples, sightings)
    record = PhoneMeasurement(
        schema=SCHEMA_VERSION,
        recorded_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        bundle=subject.bundle,
        model_sha256=subject.model_sha256,
        phone=identity,
        runner=Runner.HARNESS,
        runtime=f"LiteRT ({files.library.name}), {info.abi}",
        asked=plan.asked,
        fully_accelerated=info.fully_accelerated,
        input=f"xorshift 0x{SEED:08x}"
        if subject.pipeline is None
        else subject.pipeline.told(info.decoder),
        cold=tuple(colds) or (info.cold,),
        warmup=warmup,
        samples_ns=tuple(sample.ns for sample in run.samples),
        ends_ns=tuple(sample.end_ns for sample in run.samples),
        slots=tuple(sample.slot for sample in run.samples)
        if plan.asked.period_us or plan.asked.streams
        else (),
        sets=tuple(run.sets),
        tool=None,
        peak_bytes=peak,
        energy=None if isinstance(energy, Absent) else energy,
        sightings=sightings,
        throttled=onset,
        output_crc32=f"{run.crc:08x}",
        flags=(),
        absent=(
            *((NotMeasured("energy", energy.reason),) if isinstance(energy, Absent) else ()),
            *(_absent_phases(subject.pipeline, undecoded) if subject.pipeline else ()),
        ),
        tools=(ToolVersion("edgeserve", __version__), *tools),
        notes=notes,
        phases=tuple(Phase(name, tuple(taken)) for name, taken in run.phases.items()),
    )
    flags += _sample_flags(run, onset) + _set_flags(record)
    return replace(record, flags=tuple(dict.fromkeys(flags)))


def _command(adb: Adb, files: Files, asked: Asked) -> list[str]:
    program = adb.push(files.harness, executable=True)
    library, model = adb.push(files.library), adb.push(files.model)
    argv = [str(program), "--library", str(library), "--model", str(model)]
    argv += ["--accelerator", asked.accelerator.value]
    argv += ["--threads", str(asked.threads)] if asked.threads else []
    return [*(["taskset", f"{asked.cores:x}"] if asked.cores else []), *argv]


def _with_picture(adb: Adb, argv: list[str], around: Around) -> tuple[list[str], str]:
    """The command with a picture, and why it is not decoded; empty where it is."""
    argv = [*argv, "--pipeline", str(adb.push(around.pipeline))]
    reason = "the frame is given raw"
    if around.jpeg is not None:
        with_jpeg = [*argv, "--jpeg", str(adb.push(around.jpeg))]
        with _started(adb, with_jpeg) as harness:
            info = harness.info()
        if info.decoder is not None:
            return with_jpeg, ""
        reason = info.no_decoder
    return [*argv, "--frame", str(adb.push(around.frame))], reason


def _absent_phases(pipeline: Pipeline, undecoded: str) -> Iterator[NotMeasured]:
    if undecoded:
        yield NotMeasured("phases.decode", undecoded)
    if pipeline.back is None:
        yield NotMeasured("phases.postprocess", "the bundle declares no classes and no boxes")


@contextmanager
def _started(adb: Adb, argv: list[str]) -> Iterator[Harness]:
    log = FOLDER / "harness.log"
    harness = Harness(adb.open(argv, log=log), Limits(answer_s=60.0))
    try:
        try:
            harness.wait_ready(60.0)
        except DeviceError as error:
            lines = [line for line in adb.ask(f"tail -n 3 {log}").splitlines() if line.strip()]
            raise DeviceError(
                f"the harness does not start on {adb.serial}: {' | '.join(lines) or error.what}",
                hint="try --accelerator cpu; the model may ask for what this LiteRT has not",
            ) from None
        yield harness
    finally:
        harness.close()


def _cold_start(adb: Adb, argv: list[str], say: Say, index: int, plan: Plan) -> ColdStart:
    say(f"cold start {index + 1} of {plan.cold_starts}")
    with _started(adb, argv) as harness:
        return harness.info().cold


def _fallback(info: HarnessInfo, plan: Plan, serial: str) -> list[Flag]:
    if plan.asked.accelerator is Accelerator.CPU or info.fully_accelerated:
        return []
    if not plan.allow_fallback:
        raise DeviceError(
            f"{serial} runs part of {info.model} on its CPU, not on its "
            f"{plan.asked.accelerator.value}",
            hint="measure that all the same: --allow-fallback; or the CPU: --accelerator cpu",
        )
    return [Flag.PARTLY_CPU]


def _output_flags(subject: Subject, output: bytes) -> list[Flag]:
    if subject.output_matches is None:
        return [Flag.OUTPUT_UNCHECKED]
    return [] if subject.output_matches(output) else [Flag.OUTPUT_DIFFERS]


def _batches(harness: Harness, asked: Asked) -> Callable[[int], Sequence[int]]:
    """What runs so many times and tells what each took."""
    if asked.scenario is not Scenario.PIPELINE:
        return lambda count: harness.laps(count, 0).counts

    def passes(count: int) -> list[int]:
        taken: list[int] = []
        harness.passes(WARM_UP_MS, lambda _, phases: taken.append(sum(phases.values())), count)
        return taken

    return passes


def _warm_up(run: Callable[[int], Sequence[int]], say: Say) -> tuple[int, bool]:
    """Runs until latency has settled; how many inferences, and whether it did."""
    import numpy as np

    say("warming up")
    begin, counts = time.monotonic(), list(run(WARM_UP_LAPS))
    for _ in range(MOST_WARM_UPS):
        batch = run(max(WARM_UP_LAPS, len(counts) // 2))
        counts += batch
        first, last = np.median(counts[-2 * len(batch) : -len(batch)]), np.median(batch)
        if abs(last / first - 1) <= SETTLED and time.monotonic() - begin >= WARM_UP_S:
            return len(counts), True
    return len(counts), False


def _energy(
    harness: Harness, meter: Meter | Absent, plan: Plan, say: Say
) -> Callable[[], Energy | Absent]:
    """Counts at rest and under load; what it comes to is told when the run is over."""
    if not plan.idle_s:
        return lambda: Absent("not asked for")
    if isinstance(meter, Absent):
        absent = meter
        return lambda: absent
    found = meter
    say("energy while idle")
    idle = found.during(lambda: time.sleep(plan.idle_s))
    say("energy under load")
    run = _Run()
    loaded = found.during(lambda: run.go(harness, plan.idle_s, plan.asked))
    return lambda: energy_of(idle(), loaded(), len(run.samples), found)


@dataclass(slots=True)
class _Run:
    """Samples and frame sets on one time axis, however many commands they come from."""

    samples: list[Sample] = field(default_factory=list)
    sets: list[FrameSet] = field(default_factory=list)
    phases: dict[str, list[int]] = field(default_factory=dict)
    crc: int = 0

    def go(self, harness: Harness, seconds: float, asked: Asked) -> None:
        period_us = asked.period_us or 0
        slot = self.samples[-1].slot + 1 if self.samples else 0
        at = self.samples[-1].end_ns if self.samples else 0
        if period_us:  # ticks go on as if nothing had come between
            at = slot * period_us * 1000

        def add(told: Told) -> None:
            if isinstance(told, Sample):
                self.samples.append(replace(told, slot=told.slot + slot, end_ns=told.end_ns + at))
            else:
                begin, end = told.begin_ns + at, told.end_ns + at
                self.sets.append(FrameSet(told.slot + slot, begin, end))

        def add_pass(end_ns: int, phases: Mapping[str, int]) -> None:
            add(Sample(len(self.samples) - slot, end_ns, sum(phases.values())))
            for name, taken in phases.items():
                self.phases.setdefault(name, []).append(taken)

        duration_ms = round(seconds * 1000)
        if asked.scenario is Scenario.PIPELINE:
            self.crc = harness.passes(duration_ms, add_pass).output_crc
        else:
            self.crc = harness.sustain(duration_ms, period_us, add, asked.streams or 0)


def _measure(adb: Adb, harness: Harness, plan: Plan, say: Say) -> tuple[_Run, tuple[Sighting, ...]]:
    """The run, and what the phone said meanwhile."""
    run = _Run()
    if plan.asked.scenario is Scenario.COLD:
        run.crc = harness.run()
        return run, ()
    left_s = plan.duration_s
    with watched(adb, say) as seen:
        while left_s > 0:
            run.go(harness, left_s, plan.asked)
            count = len(run.sets) if plan.asked.streams else len(run.samples)
            # So long as the least count takes, by what the samples so far took.
            each_s = run.samples[-1].end_ns / 1e9 / count
            missing = plan.least_count - count
            left_s = max(0.1, missing * each_s) if missing > 0 else 0
    return run, tuple(seen)


def _sample_flags(run: _Run, onset: Onset | None) -> list[Flag]:
    if not run.samples:
        return []
    flags = [Flag.TOO_SHORT] if run.samples[-1].end_ns < LEAST_S * 1e9 * 0.99 else []
    flags += [Flag.TOO_FEW] if len(run.samples) < LEAST_COUNT else []
    return flags + ([Flag.HOT] if onset else [])


def _set_flags(record: PhoneMeasurement) -> list[Flag]:
    if record.asked.streams is None:
        return []
    flags = [Flag.TOO_FEW_SETS] if len(record.sets) < LEAST_SETS else []
    unsteady = over_budget(record) > 0.01 * len(set_jitter(record))
    return flags + ([Flag.UNSTEADY] if unsteady else [])

"""A model measured on a phone: cool, quiet, warmed up, long enough, and put back as it was."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from edgeserve import __version__
from edgeserve.bundle import ToolVersion
from edgeserve.device.adb import FOLDER, Adb
from edgeserve.device.runs import Limits
from edgeserve.errors import ConfigError, DeviceError
from edgeserve.phone.absent import Absent
from edgeserve.phone.cores import CAPS_COMMAND, parse_caps
from edgeserve.phone.harness import Accelerator, ColdStart, Harness, HarnessInfo, Sample
from edgeserve.phone.kind import PhoneKind
from edgeserve.phone.meter import Counted, Energy, Meter, energy_of, meter_of
from edgeserve.phone.record import (
    SCHEMA_VERSION,
    Asked,
    Flag,
    Identity,
    Onset,
    PhoneMeasurement,
    Scenario,
    Sighting,
)
from edgeserve.phone.settings import for_measuring
from edgeserve.phone.thermal import Sensor, parse_thermal
from edgeserve.phone.throttling import Observation, steps_of, throttling_of

SEED = 0x12345678
LEAST_S, LEAST_COUNT = 60.0, 1024
WARM_UP_LAPS, WARM_UP_S = 10, 2.0
SETTLED = 0.02
"""Warm-up goes on until the medians of two halves differ by no more than this share."""

MOST_WARM_UPS = 20
COOL_SKIN_C = 37.0
WATCH_S = 5.0
WAIT_COOL_S = 900.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Files:
    """What goes onto the phone, as files of this machine."""

    harness: Path
    library: Path
    model: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure. Times in seconds; ``cold_starts`` are fresh processes before the rest.

    ``wait_cool_s`` is how long the phone may take to cool down before the run begins anyway, with
    a flag. ``idle_s`` and as much load are what energy is counted over; 0 leaves energy out.
    """

    asked: Asked
    duration_s: float = LEAST_S
    least_count: int = LEAST_COUNT
    cold_starts: int = 3
    wait_cool_s: float = WAIT_COOL_S
    idle_s: float = 15.0
    allow_fallback: bool = False
    airplane: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and the output that the host's LiteRT gives; None where it is not known.

    ``input_of`` makes the seed's input of so many bytes.
    """

    bundle: str
    model_sha256: str
    input_of: Callable[[], bytes]
    output_matches: Callable[[bytes], bool] | None


def bench_phone(
    adb: Adb,
    kind: PhoneKind | None,
    files: Files,
    subject: Subject,
    plan: Plan,
    say: Say,
    tools: tuple[ToolVersion, ...] = (),
) -> PhoneMeasurement:
    """Measures a model on a phone by a plan.

    Raises DeviceError for a phone that fails or whose accelerator does not take the whole model
    (unless the plan allows that); then nothing is recorded, and the settings are back.
    """
    identity = _identity(adb)
    _require_abi(adb, files.harness)
    argv = _command(adb, files, plan.asked)
    with for_measuring(adb, airplane=plan.airplane) as notes:
        flags = [] if _cooled(adb, plan.wait_cool_s, say) else [Flag.WARM]
        colds = [_cold_start(adb, argv, say, i, plan) for i in range(plan.cold_starts)]
        with _started(adb, argv) as harness:
            info = harness.info()
            flags += _fallback(info, plan, adb.serial)
            data = subject.input_of()
            harness.fill(SEED, data)
            harness.run()
            output = harness.out(info.output_bytes)
            flags += _output_flags(subject, output)
            warmup, settled = _warm_up(harness, say)
            flags += [] if settled else [Flag.NOT_SETTLED]
            energy = _energy(adb, kind, harness, plan, say)
            samples, sightings, crc = _measure(adb, harness, plan, say)
            peak = harness.info().peak_bytes
    onset = _onset(samples, sightings)
    flags += _sample_flags(samples, onset)
    return PhoneMeasurement(
        schema=SCHEMA_VERSION,
        recorded_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        bundle=subject.bundle,
        model_sha256=subject.model_sha256,
        phone=identity,
        runtime=f"LiteRT ({files.library.name}), {info.abi}",
        asked=plan.asked,
        fully_accelerated=info.fully_accelerated,
        input=f"xorshift 0x{SEED:08x}",
        cold=tuple(colds) or (info.cold,),
        warmup=warmup,
        samples_ns=tuple(sample.ns for sample in samples),
        ends_ns=tuple(sample.end_ns for sample in samples),
        slots=tuple(sample.slot for sample in samples) if plan.asked.period_us else (),
        peak_bytes=peak,
        energy=None if isinstance(energy, Absent) else energy,
        energy_absent=energy.reason if isinstance(energy, Absent) else "",
        sightings=sightings,
        throttled=onset,
        output_crc32=f"{crc:08x}",
        flags=tuple(dict.fromkeys(flags)),
        tools=(ToolVersion("edgeserve", __version__), *tools),
        notes=notes,
    )


def _identity(adb: Adb) -> Identity:
    def ask(key: str) -> str:
        return adb.ask(f"getprop {key}").strip()

    return Identity(
        serial=adb.serial,
        model=ask("ro.product.model"),
        product=ask("ro.product.device"),
        soc=ask("ro.soc.model"),
        android=ask("ro.build.version.release"),
        build=ask("ro.build.fingerprint"),
    )


_MACHINES = {"arm64-v8a": 183, "x86_64": 62, "armeabi-v7a": 40}
"""ELF's e_machine by Android's ABI."""


def _require_abi(adb: Adb, harness: Path) -> None:
    abis = adb.ask("getprop ro.product.cpu.abilist").strip().split(",")
    with harness.open("rb") as file:
        machine = int.from_bytes(file.read(20)[18:20], "little")
    if not any(_MACHINES.get(abi) == machine for abi in abis):
        raise DeviceError(
            f"the harness is not for {adb.serial}, which runs {', '.join(abis) or 'no known ABI'}",
            hint="build it for that ABI: docs/PHONES.md tells how",
        )


def _command(adb: Adb, files: Files, asked: Asked) -> list[str]:
    program = adb.push(files.harness, executable=True)
    library, model = adb.push(files.library), adb.push(files.model)
    argv = [str(program), "--library", str(library), "--model", str(model)]
    argv += ["--accelerator", asked.accelerator.value]
    argv += ["--threads", str(asked.threads)] if asked.threads else []
    return [*(["taskset", f"{asked.cores:x}"] if asked.cores else []), *argv]


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


def _cooled(adb: Adb, wait_s: float, say: Say) -> bool:
    """Whether status is 0 and the skin cool; a phone that does not tell is taken for warm."""
    deadline = time.monotonic() + wait_s
    while True:
        reading = parse_thermal(adb.ask("dumpsys thermalservice"))
        if isinstance(reading, Absent):
            return False
        skin = reading.hottest(Sensor.SKIN)
        if reading.status == 0 and (skin is None or skin <= COOL_SKIN_C):
            return True
        if time.monotonic() + WATCH_S > deadline:
            return False
        say(f"waiting until the phone is cool: {skin} C, status {reading.status}")
        time.sleep(WATCH_S)


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


def _warm_up(harness: Harness, say: Say) -> tuple[int, bool]:
    """Runs until latency has settled; how many inferences, and whether it did."""
    import numpy as np

    say("warming up")
    begin, counts = time.monotonic(), list(harness.laps(WARM_UP_LAPS, 0).counts)
    for _ in range(MOST_WARM_UPS):
        batch = harness.laps(max(WARM_UP_LAPS, len(counts) // 2), 0).counts
        counts += batch
        first, last = np.median(counts[-2 * len(batch) : -len(batch)]), np.median(batch)
        if abs(last / first - 1) <= SETTLED and time.monotonic() - begin >= WARM_UP_S:
            return len(counts), True
    return len(counts), False


def _energy(
    adb: Adb, kind: PhoneKind | None, harness: Harness, plan: Plan, say: Say
) -> Energy | Absent:
    if not plan.idle_s:
        return Absent("not asked for")
    meter = meter_of(adb, kind.rails if kind else ())
    if isinstance(meter, Absent):
        return meter
    say("energy while idle")
    idle = _window(meter, lambda: time.sleep(plan.idle_s))
    say("energy under load")
    count = 0

    def load() -> None:
        def add(_sample: Sample) -> None:
            nonlocal count
            count += 1

        harness.sustain(round(plan.idle_s * 1000), plan.asked.period_us or 0, add)

    loaded = _window(meter, load)
    for window in (idle, loaded):
        if isinstance(window, Absent):
            return window
    assert not isinstance(idle, Absent)
    assert not isinstance(loaded, Absent)
    return energy_of(idle, loaded, count, meter)


def _window(meter: Meter, work: Callable[[], None]) -> tuple[Counted, Counted] | Absent:
    begin = meter.read()
    work()
    end = meter.read()
    if isinstance(begin, Absent):
        return begin
    return end if isinstance(end, Absent) else (begin, end)


def _measure(
    adb: Adb, harness: Harness, plan: Plan, say: Say
) -> tuple[list[Sample], tuple[Sighting, ...], int]:
    """Samples on one time axis, what the phone said meanwhile, and the last output's CRC-32."""
    if plan.asked.scenario is Scenario.COLD:
        return [], (), harness.run()
    samples: list[Sample] = []
    left_s, crc = plan.duration_s, 0
    with _watched(adb, say) as seen:
        while left_s > 0:
            begin_ns = samples[-1].end_ns if samples else 0
            first_slot = samples[-1].slot + 1 if samples else 0

            def add(sample: Sample, at: int = begin_ns, slot: int = first_slot) -> None:
                samples.append(replace(sample, slot=sample.slot + slot, end_ns=sample.end_ns + at))

            crc = harness.sustain(round(left_s * 1000), plan.asked.period_us or 0, add)
            left_s = 0 if len(samples) >= plan.least_count else _more_s(samples, plan)
    return samples, tuple(seen), crc


def _more_s(samples: list[Sample], plan: Plan) -> float:
    """Seconds until the least count is there, by what the samples so far took."""
    each_s = samples[-1].end_ns / 1e9 / len(samples)
    return max(0.1, (plan.least_count - len(samples)) * each_s)


@contextmanager
def _watched(adb: Adb, say: Say) -> Iterator[list[Sighting]]:
    """Asks the phone every few seconds how it is; the list grows until the block ends."""
    seen: list[Sighting] = []
    over = threading.Event()
    begin = time.monotonic()

    def watch() -> None:
        while not over.is_set():
            try:
                seen.append(_sighting(adb, time.monotonic() - begin))
            except DeviceError:
                return  # the run itself will tell
            say(_told(seen[-1]))
            over.wait(WATCH_S)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join(30.0)


def _sighting(adb: Adb, at_s: float) -> Sighting:
    thermal = parse_thermal(adb.ask("dumpsys thermalservice"))
    caps = parse_caps(adb.ask(CAPS_COMMAND))
    lowest = None if isinstance(caps, Absent) else min(c.allowed_khz / c.top_khz for c in caps)
    if isinstance(thermal, Absent):
        return Sighting(at_s, None, None, None, lowest)
    skin, cpu = thermal.hottest(Sensor.SKIN), thermal.hottest(Sensor.CPU)
    return Sighting(at_s, int(thermal.status), skin, cpu, lowest)


def _told(sighting: Sighting) -> str:
    skin = "" if sighting.skin_celsius is None else f", skin {sighting.skin_celsius:.1f} C"
    return f"measuring: {sighting.at_s:.0f} s{skin}"


def _onset(samples: list[Sample], sightings: tuple[Sighting, ...]) -> Onset | None:
    if not samples:
        return None
    steps = steps_of([s.end_ns // 1000 for s in samples], [s.ns for s in samples])
    usual = max((s.lowest_cap for s in sightings if s.lowest_cap is not None), default=None)
    seen = [
        Observation(
            s.at_s,
            s.status,
            None if s.lowest_cap is None or usual is None else s.lowest_cap < usual,
        )
        for s in sightings
    ]
    found = throttling_of(steps, seen)
    if found is None:
        return None
    witnesses = tuple(witness.value for witness in found.witnesses)
    return Onset(found.step.at_s, found.step.rise, witnesses)


def _sample_flags(samples: list[Sample], onset: Onset | None) -> list[Flag]:
    if not samples:
        return []
    flags = [Flag.TOO_SHORT] if samples[-1].end_ns < LEAST_S * 1e9 * 0.99 else []
    flags += [Flag.TOO_FEW] if len(samples) < LEAST_COUNT else []
    return flags + ([Flag.HOT] if onset else [])


def asked_of(
    accelerator: Accelerator,
    threads: int,
    cores: str | None,
    kind: PhoneKind | None,
    scenario: Scenario,
    frames_a_second: float | None,
) -> Asked:
    """What was asked for, checked. ``cores`` is a group of the phone's, or a mask in hexadecimal.

    Raises ConfigError.
    """
    if (scenario is Scenario.FRAMES) != (frames_a_second is not None):
        raise ConfigError(
            "the frames scenario and a frame rate belong together",
            hint="give both: --scenario frames --fps 30",
        )
    return Asked(
        accelerator=accelerator,
        threads=threads,
        cores=None if cores is None else _mask(cores, kind),
        scenario=scenario,
        period_us=None if frames_a_second is None else round(1e6 / frames_a_second),
    )


def _mask(cores: str, kind: PhoneKind | None) -> int:
    if kind is not None and cores in dict(kind.cores):
        return kind.mask(cores)
    try:
        mask = int(cores, 16)
    except ValueError:
        mask = 0
    if mask <= 0:
        groups = [name for name, _ in kind.cores] if kind else []
        raise ConfigError(
            f"{cores!r} names no cores",
            hint=f"give a mask such as f0{', or ' + ', '.join(groups) if groups else ''}",
        )
    return mask

"""A model measured by Google's own ``benchmark_model``, into the record that our harness fills.

The tool keeps no samples and shows no output: what is missing is null, with the reason beside it.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from edgeserve import __version__
from edgeserve.absent import Absent
from edgeserve.bundle import ToolVersion
from edgeserve.device.adb import Adb
from edgeserve.errors import DeviceError, NotFound
from edgeserve.metering.meter import Energy, Meter, energy_of
from edgeserve.phone.benchmark_model import (
    Coverage,
    Layout,
    ToolReport,
    layout_of,
    parse_benchmark_model,
)
from edgeserve.phone.harness import Accelerator, ColdStart
from edgeserve.phone.kind import PhoneKind
from edgeserve.phone.meter import meter_of
from edgeserve.phone.plan import LEAST_COUNT, LEAST_S, Plan, Say, Subject, Tool
from edgeserve.phone.record import (
    SCHEMA_VERSION,
    Flag,
    NotMeasured,
    PhoneMeasurement,
    Runner,
    Sighting,
)
from edgeserve.phone.settings import for_measuring
from edgeserve.phone.watch import cooled, identity_of, require_abi, watched

_DELEGATES = {
    (Layout.TFLITE, Accelerator.GPU): "GPU",
    (Layout.TFLITE, Accelerator.NPU): "NNAPI",
    (Layout.LITERT, Accelerator.GPU): "LITERT_",  # LITERT_CL, LITERT_WEBGPU
}
"""How the names of an accelerator's delegates begin."""

_FLAGS = {Accelerator.GPU: "--use_gpu=true", Accelerator.NPU: "--use_nnapi=true"}
_SPARE_S = 120.0
"""For loading, compiling and warming up, beside the run itself."""

_NO_SAMPLES = "benchmark_model keeps no samples"
_UNTOLD = "benchmark_model does not tell which delegate took what of the graph"
_ABSENT = (
    NotMeasured("samples_ns", _NO_SAMPLES),
    NotMeasured("ends_ns", _NO_SAMPLES),
    NotMeasured("throttled", f"{_NO_SAMPLES}: no latency to see it in"),
    NotMeasured("output_crc32", "benchmark_model does not show the output"),
    NotMeasured("peak_bytes", "benchmark_model tells what its memory grew by alone"),
)


def bench_by_tool(
    adb: Adb,
    kind: PhoneKind | None,
    tool: Tool,
    model: Path,
    subject: Subject,
    plan: Plan,
    say: Say,
    meter: Meter | None = None,
) -> PhoneMeasurement:
    """Measures a model on a phone by its plan's ``single`` or ``sustained``.

    Raises DeviceError for a phone or a tool that fails, and where the accelerator does not take
    the whole graph (unless the plan allows that); NotFound where the phone has no such tool. Then
    nothing is recorded, and the settings are back.
    """
    identity = identity_of(adb)
    argv = _command(adb, tool, model, plan)
    with for_measuring(adb, airplane=plan.airplane) as notes:
        flags = [] if cooled(adb, plan.wait_cool_s, say) else [Flag.WARM]
        colds = []
        for index in range(plan.cold_starts):
            say(f"cold start {index + 1} of {plan.cold_starts}")
            first = _run(adb, [*argv, *_SHORT], _SPARE_S)
            _fallback(first, plan, adb.serial)  # before minutes are spent on the wrong processor
            colds.append(_cold_start(first.report))
        say("measuring by benchmark_model")
        run = _measured(adb, argv, plan, meter or meter_of(adb, kind.rails if kind else ()), say)
    report = run.told.report
    flags += _fallback(run.told, plan, adb.serial)
    coverage = _coverage(run.told, plan.asked.accelerator)
    energy = run.energy()
    flags += [] if run.seconds >= LEAST_S else [Flag.TOO_SHORT]
    flags += [] if report.inference.count >= LEAST_COUNT else [Flag.TOO_FEW]
    flags += [Flag.NO_SAMPLES, Flag.OUTPUT_UNCHECKED]
    absent = [
        *_ABSENT,
        *([NotMeasured("energy", energy.reason)] if isinstance(energy, Absent) else []),
        *([NotMeasured("fully_accelerated", _UNTOLD)] if coverage is None else []),
    ]
    return PhoneMeasurement(
        schema=SCHEMA_VERSION,
        recorded_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        bundle=subject.bundle,
        model_sha256=subject.model_sha256,
        phone=identity,
        runner=Runner.BENCHMARK_MODEL,
        runtime=f"{run.told.layout.value}, in benchmark_model",
        asked=plan.asked,
        fully_accelerated=None if coverage is None else coverage is Coverage.COMPLETE,
        input="random, by benchmark_model",
        cold=tuple(colds) or (_cold_start(report),),
        warmup=report.warmup.count if report.warmup else 0,
        samples_ns=(),
        ends_ns=(),
        slots=(),
        sets=(),
        tool=report,
        peak_bytes=None,
        energy=None if isinstance(energy, Absent) else energy,
        sightings=run.sightings,
        throttled=None,
        output_crc32=None,
        flags=tuple(dict.fromkeys(flags)),
        absent=tuple(absent),
        tools=(
            ToolVersion("edgeserve", __version__),
            ToolVersion("benchmark_model", str(tool.place)),
        ),
        notes=(*notes, *_notes(plan, energy)),
    )


_SHORT = ("--num_runs=1", "--min_secs=0.001", "--warmup_runs=1", "--warmup_min_secs=0.001")
_PROFILING = ("--enable_op_profiling=true", "--use_profiler=true")
"""TensorFlow Lite's flag and LiteRT's: each tool warns of the one that it does not know."""


def _command(adb: Adb, tool: Tool, model: Path, plan: Plan) -> list[str]:
    if isinstance(tool.place, PurePosixPath) and not isinstance(tool.place, Path):
        program = tool.place
        libraries = ["env", f"LD_LIBRARY_PATH={program.parent}"]  # LiteRT's accelerators
        if adb.shell(f"[ -x {shlex.quote(str(program))} ]").code != 0:
            raise NotFound(
                f"{adb.serial} has no program {program}",
                hint="push it and make it executable, or give a file of this machine",
            )
    else:
        require_abi(adb, Path(tool.place))
        program, libraries = adb.push(Path(tool.place), executable=True), []
    asked = plan.asked
    argv = ["taskset", f"{asked.cores:x}"] if asked.cores else []
    argv += libraries
    argv += [str(program), f"--graph={adb.push(model)}"]
    argv += [f"--num_threads={asked.threads}"] if asked.threads else []
    argv += [_FLAGS[asked.accelerator]] if asked.accelerator in _FLAGS else []
    return argv


@dataclass(frozen=True, slots=True)
class _Told:
    """What a run of the tool tells, and whose tool it is."""

    layout: Layout
    report: ToolReport


@dataclass(frozen=True, slots=True)
class _Measured:
    told: _Told
    seconds: float
    sightings: tuple[Sighting, ...]
    energy: Callable[[], Energy | Absent]


def _measured(adb: Adb, argv: list[str], plan: Plan, meter: Meter | Absent, say: Say) -> _Measured:
    most_s = 10 * plan.duration_s
    more = [f"--num_runs={plan.least_count}", f"--min_secs={plan.duration_s:g}"]
    more += [f"--max_secs={most_s:g}", "--warmup_min_secs=2"]
    more += _PROFILING if plan.operators else []
    runs: list[_Told] = []

    def work() -> None:
        runs.append(_run(adb, [*argv, *more], most_s + _SPARE_S))

    counting = bool(plan.idle_s) and not isinstance(meter, Absent)
    if counting:
        assert not isinstance(meter, Absent)
        say("energy while idle")
        idle = meter.during(lambda: time.sleep(plan.idle_s))
    with watched(adb, say) as seen:
        begin = time.monotonic()
        if counting:
            assert not isinstance(meter, Absent)
            loaded = meter.during(work)
        else:
            work()
        seconds = time.monotonic() - begin
    (told,) = runs
    report = told.report
    count = report.inference.count + (report.warmup.count if report.warmup else 0)

    def energy() -> Energy | Absent:
        if isinstance(meter, Absent):
            return meter
        return energy_of(idle(), loaded(), count, meter) if counting else Absent("not asked for")

    ran_s = report.inference.mean_ns * report.inference.count / 1e9
    return _Measured(told, min(seconds, ran_s), tuple(seen), energy)


def _run(adb: Adb, argv: list[str], timeout_s: float) -> _Told:
    answer = adb.shell(" ".join(shlex.quote(part) for part in argv) + " 2>&1", timeout_s)
    report = parse_benchmark_model(answer.text)
    if isinstance(report, Absent) or answer.code != 0:
        told = report.reason if isinstance(report, Absent) else f"exit code {answer.code}"
        raise DeviceError(
            f"benchmark_model fails on {adb.serial}: {told}",
            hint="try --accelerator cpu; the model may ask for what this build has not",
        )
    return _Told(layout_of(answer.text), report)


def _cold_start(report: ToolReport) -> ColdStart:
    return ColdStart(None, None, None, None, first_ns=report.first_ns, init_ns=report.init_ns)


def _coverage(told: _Told, accelerator: Accelerator) -> Coverage | None:
    """What the accelerator's delegate took; nothing where the tool does not name it.

    The CPU takes what it is given: no delegate of another processor was asked for. None where
    LiteRT's tool names no delegate at all, whose lines not every build prints.
    """
    if accelerator is Accelerator.CPU:
        return Coverage.COMPLETE
    delegates = told.report.delegates
    if told.layout is Layout.LITERT and not delegates:
        return None
    begins = _DELEGATES[told.layout, accelerator]
    took = [one.coverage for one in delegates if one.name.startswith(begins)]
    return took[-1] if took else Coverage.NONE


def _fallback(told: _Told, plan: Plan, serial: str) -> list[Flag]:
    accelerator = plan.asked.accelerator
    if told.layout is Layout.LITERT and accelerator is Accelerator.NPU:
        raise DeviceError(
            "LiteRT 2's benchmark_model reaches an NPU by its vendor's libraries, which is not "
            "supported",
            hint="TensorFlow Lite's benchmark_model reaches it by NNAPI; or --accelerator gpu",
        )
    coverage = _coverage(told, accelerator)
    if coverage is Coverage.COMPLETE:
        return []
    if coverage is None:
        flags, what = [], f"{_UNTOLD}: {serial} may run all of it on its CPU"
    else:
        partly = coverage is Coverage.PARTIAL
        flags = [Flag.PARTLY_CPU if partly else Flag.ALL_CPU]
        what = f"{serial} runs {'part' if partly else 'all'} of the model on its CPU"
    if not plan.allow_fallback:
        raise DeviceError(
            f"{what}, not on its {accelerator.value}",
            hint="measure that all the same: --allow-fallback; or the CPU: --accelerator cpu",
        )
    return flags


def _notes(plan: Plan, energy: Energy | Absent) -> list[str]:
    notes = []
    if plan.operators:
        notes.append("operators were timed, which costs time itself")
    if not isinstance(energy, Absent):
        notes.append("energy an inference holds a share of the tool's start and warm-up")
    if plan.asked.accelerator is Accelerator.NPU:
        notes.append("the NPU was reached through NNAPI, which Android 15 deprecates")
    return notes

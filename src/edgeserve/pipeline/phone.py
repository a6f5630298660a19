"""What `bench` needs on a phone before it can measure: which phone, which files, which answer."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgeserve.bundle import ToolVersion
from edgeserve.bundle_store import PHONE_MEASUREMENTS_FILE, load_bundle
from edgeserve.cache import cache_root
from edgeserve.device.adb import Adb, adb_devices, the_device
from edgeserve.errors import ConfigError, MissingTool, NotFound
from edgeserve.measurement import append_record
from edgeserve.metering.meter import Meter
from edgeserve.metering.wish import MeterWish, wished_meter
from edgeserve.phone.bench import SEED, bench_phone
from edgeserve.phone.build import build_harness, find_ndk, take_library
from edgeserve.phone.host import host_answer, output_positions
from edgeserve.phone.kind import PhoneKind, load_phone, phone_ids
from edgeserve.phone.pipeline import Pipeline, pipeline_of
from edgeserve.phone.plan import Around, Files, Plan, Subject, Tool
from edgeserve.phone.record import PhoneMeasurement
from edgeserve.phone.record_file import folder_of_tflite
from edgeserve.phone.tool_bench import bench_by_tool
from edgeserve.strict_toml import read_toml

ANY_PHONE = "adb"
BENCH_FILE = Path("bench.toml")
ABI = "arm64-v8a"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone that is connected, and what is known of its kind."""

    adb: Adb
    kind: PhoneKind | None


def names_a_phone(device: str) -> bool:
    """Whether `--device` means a phone: a kind of phone, an alias of ours, or `adb[:SERIAL]`."""
    return device.split(":")[0] == ANY_PHONE or device in phone_ids() or device in dict(_aliases())


def find_phone(device: str) -> Phone:
    """The phone that `--device` means. Raises NotFound, ConfigError, MissingTool."""
    alias = dict(_aliases()).get(device)
    if alias is not None:
        return Phone(the_device(alias.serial), alias.kind)
    if device in phone_ids():
        return _of_kind(load_phone(device))
    adb = the_device(device.partition(":")[2] or None)
    product = adb.ask("getprop ro.product.device").strip()
    kinds = [kind for kind in map(load_phone, phone_ids()) if kind.product == product]
    return Phone(adb, kinds[0] if kinds else None)


def phone_files(model: Path, harness: Path | None, library: Path | None) -> Files:
    """What goes onto the phone. Raises MissingTool for what `setup android` has not made yet."""
    made = cache_root() / "android" / ABI
    files = Files(harness or made / "edgeserve_harness", library or made / "libLiteRt.so", model)
    for file in (files.harness, files.library):
        if not file.is_file():
            raise MissingTool(str(file), install="edgeserve setup android")
    return files


def setup_android(
    ndk: Path | None, aar: Path | None, sha256: str | None
) -> tuple[tuple[str, Path], ...]:
    """Builds the harness, and takes LiteRT out of an AAR where one is given: what was made.

    Raises MissingTool, ToolFailed, ConfigError.
    """
    target = cache_root() / "android" / ABI
    made = [("harness", build_harness(find_ndk(ndk), ABI, target))]
    if aar is not None:
        made.append(("LiteRT", take_library(aar, ABI, target, sha256)))
    return tuple(made)


def bench_on_phone(
    path: Path,
    phone: Phone,
    plan: Plan,
    say: Say,
    *,
    harness: Path | None = None,
    library: Path | None = None,
    tool: Tool | None = None,
    meter: MeterWish | None = None,
    picture: Path | None = None,
) -> tuple[PhoneMeasurement, Path]:
    """Measures a bundle or any ``.tflite`` on a phone; the record, and the file that it went to.

    ``tool`` takes the place of our harness, ``meter`` that of the phone's own meters. ``picture``
    is what the scenario pipeline begins with. Raises what ``bench_phone`` and ``bench_by_tool`` do,
    ModelError for a model that LiteRT refuses, ConfigError for a picture that does not suit.
    """
    model, folder = _model_and_folder(path)
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    job = _Job(path.stem, model, digest, phone, plan, say)
    pipeline = None if picture is None else _pipeline(path, model, picture)
    with wished_meter(meter) as found:
        if tool is None:
            measurement = _by_harness(job, phone_files(model, harness, library), found, pipeline)
        else:
            subject = Subject(job.name, digest, lambda: b"", None)
            measurement = bench_by_tool(
                phone.adb, phone.kind, tool, model, subject, plan, say, found
            )
    folder = folder or folder_of_tflite(path, digest)
    folder.mkdir(parents=True, exist_ok=True)
    append_record(folder / PHONE_MEASUREMENTS_FILE, measurement)
    return measurement, folder / PHONE_MEASUREMENTS_FILE


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    model: Path
    digest: str
    phone: Phone
    plan: Plan
    say: Say


def _pipeline(path: Path, model: Path, picture: Path) -> Pipeline:
    if not path.is_dir():
        raise ConfigError(
            f"{path} declares no camera: it is no bundle",
            hint="convert it with --preprocess FILE.toml, and give the bundle",
        )
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{picture}: {error.strerror}", hint="give a JPEG, or a frame as the camera sends it"
        ) from None
    return pipeline_of(load_bundle(path).facts, output_positions(model), picture.name, data)


@contextmanager
def _with_around(files: Files, pipeline: Pipeline | None) -> Iterator[Files]:
    """The files, and those of a pipeline as long as the context lasts, by names of ours."""
    if pipeline is None:
        yield files
        return
    with tempfile.TemporaryDirectory() as folder:
        around = Around(
            Path(folder, "pipeline.bin"),
            Path(folder, "picture.jpg") if pipeline.is_jpeg else None,
            Path(folder, "frame.raw"),
        )
        around.pipeline.write_bytes(pipeline.file())
        around.frame.write_bytes(pipeline.frame())
        if around.jpeg is not None:
            around.jpeg.write_bytes(pipeline.picture)
        yield replace(files, around=around)


def _by_harness(
    job: _Job, files: Files, meter: Meter | None, pipeline: Pipeline | None
) -> PhoneMeasurement:
    job.say("the host's answer")
    answer = host_answer(job.model, SEED)
    subject = Subject(
        bundle=job.name,
        model_sha256=job.digest,
        input_of=lambda: answer.input,
        output_matches=lambda output: answer.matches(output, job.plan.asked.accelerator),
        pipeline=pipeline,
    )
    tools = (ToolVersion(files.library.name, _digest(files.library)),)
    phone = job.phone
    with _with_around(files, pipeline) as all_files:
        return bench_phone(
            phone.adb, phone.kind, all_files, subject, job.plan, job.say, tools, meter
        )


@dataclass(frozen=True, slots=True)
class _Alias:
    serial: str
    kind: PhoneKind | None


def _aliases() -> tuple[tuple[str, _Alias], ...]:
    """The phones that ``bench.toml`` in this folder names; none without the file."""
    if not BENCH_FILE.exists():
        return ()
    table = read_toml(BENCH_FILE, hint="docs/PHONES.md describes bench.toml")
    phones = table.table("phones")
    found = []
    for name in phones.names():
        one = phones.table(name)
        kind = one.optional_text("kind")
        found.append((name, _Alias(one.text("serial"), load_phone(kind) if kind else None)))
        one.finish()
    phones.finish()
    table.finish()
    return tuple(found)


def _of_kind(kind: PhoneKind) -> Phone:
    devices = adb_devices()
    fitting = [device for device in devices if device.product == kind.product]
    if len(fitting) > 1:
        raise NotFound(
            f"{len(fitting)} phones of kind {kind.id} are connected: "
            f"{', '.join(device.serial for device in fitting)}",
            hint=f"name one: --device adb:{fitting[0].serial}",
        )
    if fitting:
        return Phone(the_device(fitting[0].serial), kind)
    connected = ", ".join(f"{d.serial} ({d.model or d.state})" for d in devices)
    raise NotFound(
        f"no {kind.name} is connected",
        hint=f"connected: {connected}; take that one: --device adb"
        if connected
        else "plug it in, allow USB debugging on it, then: adb devices",
    )


def _model_and_folder(path: Path) -> tuple[Path, Path | None]:
    if path.is_dir():
        bundle = load_bundle(path)
        return bundle.path / "model.tflite", bundle.path
    if not path.is_file():
        raise ConfigError(f"{path} does not exist", hint="give a bundle or a .tflite file")
    return path, None


def _digest(path: Path) -> str:
    return f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"

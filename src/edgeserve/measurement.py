"""The measurement: raw samples from one device, with everything needed to judge and repeat them.

``docs/FORMAT.md``, section 3, states the record. Derived numbers are functions here, never stored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from edgeserve.bundle import ToolVersion
from edgeserve.bundle_store import bundle_lock
from edgeserve.distribution import Percentile, percentile
from edgeserve.errors import ConfigError, ToolError
from edgeserve.metering.meter import Energy
from edgeserve.strict_json import load_json, to_json

SCHEMA_VERSION = 3
LOCK_WAIT_S = 10.0
Record = TypeVar("Record", bound="_Versioned")


class Unit(StrEnum):
    """What a count counts. Emulators give instructions, and nothing turns those into time."""

    INSTRUCTIONS = "instructions"
    CYCLES = "cycles"
    NANOSECONDS = "ns"
    MICROSECONDS = "us"


@dataclass(frozen=True, slots=True)
class StepCount:
    """What one step of the observed run took, the observer's own work left out."""

    step: int
    label: str
    kernel: str
    macs: int
    count: int


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured: the model by its hashes, and the image that holds it.

    ``code_bytes`` and ``flash_bytes`` are None where the image was not built here.
    """

    bundle: str
    model_sha256: str
    table_sha256: str
    model_bytes: int
    code_bytes: int | None
    flash_bytes: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where it ran. ``flags`` and ``compiler`` are those of the firmware, empty where unknown."""

    board: str
    device: str
    emulated: bool
    time_source: str
    compiler: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BankMemory:
    """A bank of the arena, by the memory region that it lies in: as planned, and as measured."""

    name: str
    size_bytes: int
    high_water_bytes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory on the device. High-water marks are measured, ``arena_bytes`` is what was planned.

    ``banks`` are the parts of an arena in several memories, none where it is one piece.
    ``stack_high_water_bytes`` is None where the device cannot see its stack.
    """

    arena_bytes: int
    arena_high_water_bytes: int
    banks: tuple[BankMemory, ...]
    stack_high_water_bytes: int | None
    bench_ram_bytes: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of ``bench``. ``samples`` are raw, one a lap, in order, in ``unit``.

    ``recorded_at`` is UTC in ISO 8601; ``output_crc32`` is of all outputs in order, eight hex
    digits, and equal to the oracle's: a measurement of wrong output is never recorded. ``energy``
    is None without an external meter, for the reason in ``energy_absent``.
    """

    schema: int
    recorded_at: str
    subject: Subject
    place: Place
    unit: Unit
    input: str
    warmup: int
    samples: tuple[int, ...]
    init_count: int
    steps: tuple[StepCount, ...]
    memory: Memory
    output_crc32: str
    energy: Energy | None
    energy_absent: str
    tools: tuple[ToolVersion, ...]
    notes: tuple[str, ...]


def per_inference(measurement: Measurement) -> int:
    """The median lap."""
    return percentile(measurement.samples, 50).value


def p50(measurement: Measurement) -> Percentile:
    """The 50th percentile of the laps."""
    return percentile(measurement.samples, 50)


def p90(measurement: Measurement) -> Percentile:
    """The 90th percentile of the laps."""
    return percentile(measurement.samples, 90)


def p99(measurement: Measurement) -> Percentile:
    """The 99th percentile of the laps."""
    return percentile(measurement.samples, 99)


DeviceKey = tuple[str, bool, Unit]
"""A board, whether it is emulated, and what it counts: measurements of one key are alike."""


def device_of(measurement: Measurement) -> DeviceKey:
    """What two measurements must share to be compared."""
    return measurement.place.board, measurement.place.emulated, measurement.unit


def latest_of_devices(measurements: Sequence[Measurement]) -> dict[DeviceKey, Measurement]:
    """The last measurement of each device, in the order of their first ones."""
    return {device_of(measurement): measurement for measurement in measurements}


def append_measurement(path: Path, measurement: Measurement) -> None:
    """Adds one line to a ``measurements.jsonl``; see ``append_record``."""
    append_record(path, measurement)


def append_record(path: Path, record: Any) -> None:
    """Adds one line to a file of records, whole or not at all; makes the file if need be.

    Raises ConfigError when the file's last line is cut, or another process holds the lock of its
    bundle (the folder that it lies in) for more than 10 s; ToolError when the disk refuses.
    """
    line = json.dumps(to_json(record), allow_nan=False, separators=(",", ":")) + "\n"
    try:
        with bundle_lock(path.parent, wait_s=LOCK_WAIT_S):
            _append(path, line.encode("ascii"))
    except OSError as error:
        raise ToolError(
            f"cannot write {path}: {error.strerror}", hint="the earlier measurements are unchanged"
        ) from None


def read_measurements(path: Path) -> tuple[Measurement, ...]:
    """All measurements of a file, oldest first; none when there is no file.

    Raises ConfigError, with the line's number, for anything but whole records of this schema.
    """
    measurements = read_records(path, Measurement, SCHEMA_VERSION)
    for number, measurement in enumerate(measurements, 1):
        if not measurement.samples:
            raise ConfigError(f"{path}:{number} has no samples", hint=_REMOVE)
    return measurements


def read_records(path: Path, kind: type[Record], schema: int) -> tuple[Record, ...]:
    """All records of a file that ``append_record`` wrote, oldest first; none without the file.

    Raises ConfigError as ``read_measurements`` does.
    """
    try:
        text = path.read_bytes().decode("ascii")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not ASCII text", hint=_REMOVE) from None
    if text and not text.endswith("\n"):
        raise ConfigError(f"{path}: the last line is cut", hint=_REMOVE)
    lines = text.split("\n")[:-1]
    return tuple(
        _parse(line, kind, schema, f"{path}:{number}") for number, line in enumerate(lines, 1)
    )


_REMOVE = "remove what is damaged; each line is one measurement"


class _Versioned(Protocol):
    @property
    def schema(self) -> int: ...


def _parse(line: str, kind: type[Record], schema: int, where: str) -> Record:
    record = load_json(kind, line, where=where)
    if record.schema != schema:
        raise ConfigError(
            f"{where} has schema {record.schema}, and this edgeserve reads {schema}",
            hint="measure again with this version",
        )
    return record


def _append(path: Path, line: bytes) -> None:
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            raise ConfigError(f"{path}: the last line is cut", hint=_REMOVE)
        try:
            written = os.write(fd, line)
            if written != len(line):
                raise OSError(0, "the disk is full")
            os.fsync(fd)
        except BaseException:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)

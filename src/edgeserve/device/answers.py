"""What a device answers: the values that its lines stand for, and the reading of ``es info``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgeserve.device.link import excerpt
from edgeserve.errors import DeviceError, ProtocolError

PROTOCOL_VERSION = 1
_MIN_COMMAND_BYTES = 80


@dataclass(frozen=True, slots=True)
class DeviceBank:
    """A bank of the arena: the memory region that it lies in, and its bytes."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What ``es info`` says of an image whose model is ready. Counts are in ``unit``.

    ``banks`` are those of an arena in several; none where it is one piece.
    """

    runtime: str
    model: str
    board: str
    sha256_prefix: str
    table_bytes: int
    arena_bytes: int
    steps: int
    inputs: int
    outputs: int
    fed_inputs: int
    input_bytes: int
    load_bytes: int
    keeps_state: bool
    init_count: int
    image_stack_high_water_bytes: int
    bench_ram_bytes: int
    adapter: str
    time_source: str
    ticks_hz: int
    unit: str
    command_bytes: int
    banks: tuple[DeviceBank, ...] = ()


@dataclass(frozen=True, slots=True)
class StepProfile:
    """The count of one step in the last observed run."""

    step: int
    kernel: str
    count: int


@dataclass(frozen=True, slots=True)
class MemoryMarks:
    """Measured by inferences over painted memory. ``stack_bytes`` is None where it is not seen.

    ``arena_bytes`` is the sum of ``bank_bytes``, which are there where the arena is in several.
    """

    arena_bytes: int
    guards_intact: bool
    stack_bytes: int | None
    bank_bytes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Laps:
    """Inferences timed one by one, with the CRC-32 of the outputs after the last."""

    counts: tuple[int, ...]
    output_crc: int


@dataclass(frozen=True, slots=True)
class Inferred:
    """The answer to the base protocol's ``infer``: its two time stamps and the output's values."""

    begin_us: int
    end_us: int
    results: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LoopStats:
    """What ``es loop stats`` says. Ticks are the board's unit, on the replay's virtual clock.

    Percentiles are the middles of classes, off by 0.8 % at most; ``damaged`` frames or outputs were
    not what they had to be. ``state`` is running, done, stopped or never started.
    """

    state: str
    arrived: int
    inferred: int
    dropped: int
    late: int
    most_waiting: int
    damaged: int
    busy: int
    asleep: int
    wait_p50: int
    wait_p95: int
    wait_p99: int
    wait_max: int
    latency_p50: int
    latency_p95: int
    latency_p99: int
    latency_max: int
    heartbeat: str


LOOP_KEYS = (
    *("state", "in", "inferred", "dropped", "late", "most-waiting", "damaged", "busy", "asleep"),
    *(f"{what}-{which}" for what in ("wait", "latency") for which in ("p50", "p95", "p99", "max")),
    "beat",
)
"""The facts of ``LoopStats``, in order."""


_NUMBERS = {
    "table": "table_bytes",
    "arena": "arena_bytes",
    "steps": "steps",
    "inputs": "inputs",
    "outputs": "outputs",
    "fed": "fed_inputs",
    "input-bytes": "input_bytes",
    "load-bytes": "load_bytes",
    "init": "init_count",
    "image-stack-high-water": "image_stack_high_water_bytes",
    "bench-ram": "bench_ram_bytes",
    "ticks-hz": "ticks_hz",
    "command-bytes": "command_bytes",
}
_TEXTS = {
    "runtime": "runtime",
    "model": "model",
    "board": "board",
    "sha256": "sha256_prefix",
    "adapter": "adapter",
    "time-source": "time_source",
    "unit": "unit",
}
_BANKS = ("bank-0", "bank-1", "bank-2", "bank-3")
_OTHER = ("protocol", "status", "state", "arena-high-water", "stack-high-water", *_BANKS)


def parse_info(lines: Sequence[str], name: str) -> DeviceInfo:
    """The facts in the lines of ``es info`` from the device ``name``.

    Raises ProtocolError for lines that are not the protocol's, DeviceError for a model that cannot
    run.
    """
    facts = _facts(lines, name)
    if facts.get("protocol") != str(PROTOCOL_VERSION):
        raise ProtocolError(
            f"{name} speaks protocol version {excerpt(facts.get('protocol', 'unknown'), 20)}, "
            f"and this edgeserve speaks {PROTOCOL_VERSION}",
            hint="build and flash the firmware again with this version",
        )
    if facts.get("status") != "ready":
        raise DeviceError(
            f"{name} has no model that can run: {facts.get('status', 'no status')[:100]}",
            hint="build and flash the firmware again",
        )
    try:
        info = DeviceInfo(
            **{field: _number(facts[key]) for key, field in _NUMBERS.items()},  # type: ignore[arg-type]
            **{field: facts[key] for key, field in _TEXTS.items()},  # type: ignore[arg-type]
            keeps_state={"kept": True, "none": False}[facts["state"]],
            banks=tuple(_bank(facts[key]) for key in _BANKS if key in facts),
        )
    except (KeyError, ValueError) as error:
        raise ProtocolError(
            f"{name}: `es info` is wrong about {excerpt(str(error.args[0]), 40)}",
            hint="check that the bench firmware is of this version of edgeserve",
        ) from None
    if info.command_bytes < _MIN_COMMAND_BYTES:
        raise ProtocolError(
            f"{name} takes commands of fewer than {_MIN_COMMAND_BYTES} characters",
            hint="check that the bench firmware is of this version of edgeserve",
        )
    return info


def _facts(lines: Sequence[str], name: str) -> dict[str, str]:
    known = {*_NUMBERS, *_TEXTS, *_OTHER}
    facts: dict[str, str] = {}
    for line in lines:
        if re.fullmatch(r"m-es-output-crc-[0-9a-f]{8}", line):
            continue
        match = re.fullmatch(r"m-es-([a-z0-9-]+)-\[([ -~]*)\]", line)
        if match is None or match[1] not in known or match[1] in facts:
            raise ProtocolError(
                f"{name} sends {excerpt(line)} where a fact was expected",
                hint="check that the bench firmware is of this version of edgeserve",
            )
        facts[match[1]] = match[2]
    return facts


def _bank(text: str) -> DeviceBank:
    name, _, size = text.rpartition(" ")
    return DeviceBank(name, _number(size))


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,20}", text):
        raise ValueError(text)
    return int(text)

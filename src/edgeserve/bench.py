"""One measurement of a model on a device, kept only when the device's answers are right."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import prod

from edgeserve import __version__
from edgeserve.absent import Absent
from edgeserve.board import Board, Kind
from edgeserve.bundle import ToolVersion
from edgeserve.closeness import TOLERANCE, distance, near_values, output_distance
from edgeserve.device.answers import DeviceInfo, StepProfile
from edgeserve.device.protocol import Dut
from edgeserve.device.qemu import qemu_version
from edgeserve.errors import ConfigError, DeviceError, ProtocolError, WrongOutput
from edgeserve.image import Image
from edgeserve.measurement import (
    SCHEMA_VERSION,
    BankMemory,
    Measurement,
    Memory,
    Place,
    StepCount,
    Subject,
    Unit,
)
from edgeserve.metering.meter import Energy, Meter, energy_of
from edgeserve.oracle import OracleAnswer, OracleProcess, open_oracle
from edgeserve.program import Oracle, Program, Role, Step
from edgeserve.stimulus import Stimulus
from edgeserve.table import ModelTable

DEFAULT_LAPS = 10
DEFAULT_WARMUP = 1
ENERGY_S = 15.0
_LAPS_A_COMMAND = 10
Progress = Callable[[str], None]
"""Told, in a few words, what begins."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is measured. ``image`` is None on a device whose firmware was not built here."""

    bundle: str
    model_tflite: bytes
    model_sha256: str
    program: Program
    table: ModelTable
    board: Board
    image: Image | None
    flags: tuple[str, ...] = ()


def bench(
    candidate: Candidate,
    dut: Dut,
    stimulus: Stimulus,
    *,
    laps: int = DEFAULT_LAPS,
    warmup: int = DEFAULT_WARMUP,
    tools: Sequence[ToolVersion] = (),
    now: datetime | None = None,
    progress: Progress | None = None,
    meter: Meter | None = None,
) -> Measurement:
    """Measures ``laps`` inferences on ``stimulus``, each step of one more, and the memory.

    ``dut`` is ready. The CRC-32 of every step and of the output after the last lap must be the
    oracle's: WrongOutput otherwise. With a ``meter``, energy is counted over 15 s in which the
    device waits for a command, and over 15 s of inferences. Float32 arithmetic counts as right
    within ``closeness.TOLERANCE``, and a note says how near it was. Raises DeviceError for a device
    that fails, is another board or holds another model; ModelError, MissingTool, ToolFailed or
    BrokenProof for the oracle.
    """
    say = progress or (lambda what: None)
    if laps < 1 or warmup < 0:
        raise ConfigError("bench needs at least one lap", hint="give --laps 1 or more")
    info = dut.require_table(candidate.table.sha256)
    unit = _unit(dut, info, candidate.board)
    stateful = any(value.role is Role.STATE for value in candidate.program.values)
    with open_oracle(candidate.model_tflite, candidate.program) as oracle:
        say("one observed inference")
        _give(dut, stimulus)
        output_crc = dut.run()
        first = oracle.run(stimulus.data)
        crcs, profile = dut.crcs(), dut.profile()
        check = _Check(candidate.program, dut, oracle, stimulus)
        check.require_steps(first, crcs)
        check.require_output(output_crc)
        say(f"{warmup} + {laps} inferences")
        dut.reset()
        measured = dut.laps(laps, warmup)
        if stateful:
            _run_again(oracle, stimulus, laps + warmup)
        check.require_output(measured.output_crc)
        counted = _energy(dut, meter, say)
        say("memory")
        marks = dut.memory()
        notes, oracle_version = oracle.notes, oracle.version
    if not marks.guards_intact:
        raise DeviceError(
            f"{dut.name}: an inference writes outside the arena",
            hint="this is a fault of the runtime: report it with the model",
        )
    energy = counted()
    return Measurement(
        schema=SCHEMA_VERSION,
        recorded_at=(now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        subject=_subject(candidate),
        place=_place(candidate, dut, info),
        unit=unit,
        input=stimulus.label,
        warmup=warmup,
        samples=measured.counts,
        init_count=info.init_count,
        steps=_steps(candidate.program, profile),
        memory=Memory(
            arena_bytes=info.arena_bytes,
            arena_high_water_bytes=marks.arena_bytes,
            banks=tuple(
                BankMemory(bank.name, bank.size_bytes, high_water)
                for bank, high_water in zip(info.banks, marks.bank_bytes, strict=True)
            ),
            stack_high_water_bytes=marks.stack_bytes,
            bench_ram_bytes=(candidate.image or info).bench_ram_bytes,
        ),
        output_crc32=f"{measured.output_crc:08x}",
        energy=None if isinstance(energy, Absent) else energy,
        energy_absent=energy.reason if isinstance(energy, Absent) else "",
        tools=(*_tools(candidate, oracle_version), *tools),
        notes=(*candidate.program.notes, *notes, *check.notes()),
    )


def _energy(dut: Dut, meter: Meter | None, say: Progress) -> Callable[[], Energy | Absent]:
    """Counts at rest and under load; what it comes to is told when everything has run."""
    if meter is None:
        return lambda: Absent("not asked for")
    found, count = meter, 0

    def load() -> None:
        nonlocal count
        end_s = time.monotonic() + ENERGY_S
        while time.monotonic() < end_s:
            count += len(dut.laps(_LAPS_A_COMMAND, 0).counts)

    say("energy at rest")
    rest = found.during(lambda: time.sleep(ENERGY_S))
    say("energy under load")
    loaded = found.during(load)
    return lambda: energy_of(rest(), loaded(), count, found)


def _give(dut: Dut, stimulus: Stimulus) -> None:
    dut.reset()
    if stimulus.seed is not None:
        dut.fill(stimulus.seed, stimulus.data)
    else:
        dut.load(stimulus.data)


def _unit(dut: Dut, info: DeviceInfo, board: Board) -> Unit:
    """The device's unit. An emulator must count instructions: what it calls time is none."""
    if info.board != board.id:
        raise DeviceError(
            f"{dut.name} is a {info.board}, not a {board.id}",
            hint=f"name the board that it is: --board {info.board}",
        )
    if info.unit not in [unit.value for unit in Unit]:
        raise ProtocolError(
            f"{dut.name} counts in {info.unit!r}, which is no unit that is known",
            hint="build and flash the firmware again",
        )
    unit = Unit(info.unit)
    if board.kind is Kind.EMULATED and unit is not Unit.INSTRUCTIONS:
        raise ProtocolError(
            f"{dut.name} is emulated and yet counts {unit}, which an emulator cannot know",
            hint="build the firmware again",
        )
    return unit


class _Check:
    """The device's answers against the oracle's, whose last inference was on the same input."""

    def __init__(
        self, program: Program, dut: Dut, oracle: OracleProcess, stimulus: Stimulus
    ) -> None:
        self._program = program
        self._dut = dut
        self._oracle = oracle
        self._stimulus = stimulus
        self._near = near_values(program)
        self._furthest = 0.0

    def require_steps(self, want: OracleAnswer, got: Sequence[int]) -> None:
        """WrongOutput unless every step has the CRC-32 of the oracle, or is near where that is
        enough. Runs the input again, from reset, for each of the latter.
        """
        compared = [step for step in self._program.steps if step.oracle is not None]
        for step, crc in zip(compared, want.crcs, strict=True):
            if got[step.index] != crc and not self._is_near(step):
                raise WrongOutput(
                    f"{self._dut.name}: step {step.index} ({step.kernel.name}, {step.label}) does "
                    f"not write what the oracle does (CRC-32 {got[step.index]:08x}, not {crc:08x})",
                    hint="edgeserve verify shows the bytes; nothing was recorded",
                )

    def require_output(self, crc: int) -> None:
        """WrongOutput unless the outputs as read out have this CRC-32 and are the oracle's."""
        outputs = self._program.outputs
        size = sum(prod(port.shape) * port.dtype.size_bytes for port in outputs)
        got = self._dut.out(size)
        want = b"".join(self._oracle.tensor_bytes(Oracle(port.tensor)) for port in outputs)
        far = output_distance(self._program, want, got)
        if far > TOLERANCE or zlib.crc32(got) != crc:
            raise WrongOutput(
                f"{self._dut.name}: the output is not the oracle's (CRC-32 {crc:08x}, not "
                f"{zlib.crc32(want):08x})",
                hint="edgeserve verify shows the bytes; nothing was recorded",
            )
        self._furthest = max(self._furthest, far)

    def notes(self) -> tuple[str, ...]:
        """What a reader has to know of steps that were not held to the oracle's bytes."""
        near = sum(step.output.value in self._near for step in self._program.steps)
        if not near:
            return ()
        return (
            f"{near} steps of float32 arithmetic are within {TOLERANCE:g} of the oracle's, the "
            f"furthest {self._furthest:.2g}, and need not be equal",
        )

    def _is_near(self, step: Step) -> bool:
        if step.output.value not in self._near or step.oracle is None:
            return False
        view = step.output
        row_bytes = view.w * view.c * self._program.values[view.value].dtype.size_bytes
        _give(self._dut, self._stimulus)
        got = self._dut.dump(step.index, 0, view.h, row_bytes)
        far = distance(self._oracle.tensor_bytes(step.oracle), got)
        self._furthest = max(self._furthest, far)
        return far <= TOLERANCE


def _run_again(oracle: OracleProcess, stimulus: Stimulus, runs: int) -> None:
    """Brings the oracle to the last of ``runs`` inferences from reset, all on one input."""
    for run in range(runs):
        oracle.run(stimulus.data, reset=run == 0)


def _steps(program: Program, profile: Sequence[StepProfile]) -> tuple[StepCount, ...]:
    return tuple(
        StepCount(step.index, step.label, step.kernel.name, step.macs, seen.count)
        for step, seen in zip(program.steps, profile, strict=True)
    )


def _subject(candidate: Candidate) -> Subject:
    image = candidate.image
    return Subject(
        bundle=candidate.bundle,
        model_sha256=candidate.model_sha256,
        table_sha256=candidate.table.sha256,
        model_bytes=image.model_bytes if image else len(candidate.table.data),
        code_bytes=image.code_bytes if image else None,
        flash_bytes=image.code_bytes + image.model_bytes + image.harness_bytes if image else None,
    )


def _place(candidate: Candidate, dut: Dut, info: DeviceInfo) -> Place:
    return Place(
        board=candidate.board.id,
        device=dut.name,
        emulated=candidate.board.kind is Kind.EMULATED,
        time_source=info.time_source,
        compiler=candidate.image.compiler if candidate.image else "",
        flags=candidate.flags,
    )


def _tools(candidate: Candidate, oracle_version: str) -> tuple[ToolVersion, ...]:
    emulator = candidate.board.emulator
    versions = [
        ToolVersion("edgeserve", __version__),
        ToolVersion("ai-edge-litert", oracle_version),
    ]
    if emulator is not None:
        versions.append(ToolVersion(emulator.program, qemu_version(emulator.program)))
    return tuple(versions)

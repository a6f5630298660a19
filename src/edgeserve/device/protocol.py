"""The device under test: the serial protocol's commands as typed calls.

``docs/FORMAT.md``, section 2, states the protocol. The grammar here is strict: a line that is not
what the protocol promises ends the conversation with one error, and every answer to an ``es``
command is held against the checksum that it ends with, so that a noisy line never becomes a wrong
number.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgeserve.device.answers import (
    DeviceInfo,
    Inferred,
    Laps,
    MemoryMarks,
    StepProfile,
    parse_info,
)
from edgeserve.device.link import Link, excerpt
from edgeserve.errors import DeviceError, ProtocolError, Timeout
from edgeserve.program import Program

READY_S = 15.0
PROBE_S = 1.0
QUIET_S = 0.2
SLOWEST_BYTES_A_SECOND = 8000
"""What is allowed for on the line; emulated UARTs take 12,000 and more."""

READY = "m-ready"
RESTARTED = "m-init-done"
_CHECK = re.compile(r"m-es-check-([0-9a-f]{8})")
_ROW_WANTED = re.compile(r"m-es-row-(\d{1,5})-(\d{1,5})")
_MAX_FACTS = 64


class RowSource(Protocol):
    """An input that a device asks for row by row; ``whole`` are the inputs that it has already."""

    whole: bytes

    def row(self, port: int, row: int) -> bytes | None:
        """The bytes of a row; None where there is no such row."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a device may take: to answer at all, for one inference, to show its output."""

    answer_s: float = 5.0
    inference_s: float = 60.0
    results_s: float = 10.0


def limits_for(program: Program, clock_hz: int | None) -> Limits:
    """Generous limits for a program: 100 cycles a multiplication at ``clock_hz``.

    An emulator (None) is taken for a core of 50 MHz: a tenth of what an idle machine gives.
    """
    hertz = clock_hz or 50_000_000
    output_bytes = sum(program.values[port.value].size_bytes for port in program.outputs)
    return Limits(
        inference_s=10.0 + program.macs * 100 / hertz,
        results_s=10.0 + output_bytes * 12 / SLOWEST_BYTES_A_SECOND,
    )


class Dut:
    """A device that speaks the protocol. Call ``wait_ready`` first; use one command at a time.

    Every method raises DeviceError (also as ProtocolError or Timeout) and nothing else; after that
    the conversation is over.
    """

    def __init__(self, link: Link, limits: Limits | None = None) -> None:
        self._link = link
        self._limits = limits or Limits()
        self._info: DeviceInfo | None = None
        self._input_crc: int | None = None

    @property
    def name(self) -> str:
        return self._link.name

    def close(self) -> None:
        """Ends the connection, and with it an emulator or process that was started for it."""
        self._link.close()

    # Starting.

    def wait_ready(self, wait_s: float = READY_S) -> str:
        """Waits until the device answers, whether it just starts or is idle; returns its name.

        The command is sent again every second, as a board that starts may lose it.
        """
        deadline = time.monotonic() + wait_s
        excuses: list[DeviceError] = []
        for probes in range(1, int(wait_s / PROBE_S) + 2):
            # The first % ends whatever an earlier, broken conversation left in the device's buffer.
            self._link.send("%name%")
            name = self._await_name(min(deadline, time.monotonic() + PROBE_S), excuses)
            if name is not None:
                if probes > 1:
                    self._drain(deadline)
                return name
            if time.monotonic() >= deadline:
                break
        raise excuses[0]

    def info(self) -> DeviceInfo:
        """The device's facts. DeviceError when its model could not be readied."""
        lines = self._command("es info", max_lines=_MAX_FACTS)
        self._info = parse_info(lines, self.name)
        return self._info

    def require_table(self, sha256: str) -> DeviceInfo:
        """The device's facts; DeviceError unless the model on it is the table of that SHA-256."""
        info = self.info()
        if not sha256.startswith(info.sha256_prefix):
            raise DeviceError(
                f"{self.name} holds another model: {info.model} (table {info.sha256_prefix}, "
                f"wanted {sha256[: len(info.sha256_prefix)]})",
                hint="put this bundle's firmware on the device: edgeserve flash",
            )
        return info

    # Input.

    def load(self, data: bytes) -> None:
        """Sends the bytes of all inputs, one after the other, in chunks of the device's size."""
        (line,) = self._expect_count(self._command(f"es load {len(data)}"), 1)
        self._match(rf"m-\[Expecting {len(data)} bytes\]", line)
        chunk = (self._known().command_bytes - len("db ") - 2) // 2
        for start in range(0, len(data), chunk):
            last = start + chunk >= len(data)
            lines = self._command(f"db {data[start : start + chunk].hex()}")
            if lines != (("m-load-done",) if last else ()):
                raise self._unexpected(lines, "loading the input")
        self._input_crc = zlib.crc32(data)

    def fill(self, seed: int, expected: bytes) -> None:
        """Lets the device make the input of a seed; ``expected`` are the bytes that this gives."""
        (line,) = self._expect_count(self._command(f"es fill {seed}", idle_s=self._fill_s()), 1)
        self._match("m-es-fill-done", line)
        self._input_crc = zlib.crc32(expected)

    def reset(self) -> None:
        """Puts the state kept between inferences back to its start."""
        (line,) = self._expect_count(self._command("es reset"), 1)
        self._match("m-es-reset-done", line)

    # Runs.

    def stream(self, row_ms: int) -> None:
        """From the next run on the device asks for rows, and waits ``row_ms`` for each character.

        An emulated board's milliseconds are virtual.
        """
        (line,) = self._expect_count(self._command(f"es stream {row_ms}"), 1)
        self._match("m-es-stream-on", line)

    def stop_stream(self) -> None:
        """Rows come from the loaded input again."""
        (line,) = self._expect_count(self._command("es rows"), 1)
        self._match("m-es-stream-off", line)

    def run(self, rows: RowSource | None = None) -> int:
        """One observed inference; the CRC-32 of all outputs in order.

        ``rows`` answers a device that streams. ProtocolError when the input that it ran on is not
        the one that was given.
        """
        sent = None if rows is None else _SentRows(rows)
        lines = self._command("es run", idle_s=3 * self._limits.inference_s, rows=sent)
        done, input_crc, output_crc = self._expect_count(lines, 3)
        self._match("m-es-run-done", done)
        self._require_input(input_crc, self._input_crc if sent is None else sent.crc)
        return self._hex(r"m-es-output-crc-([0-9a-f]{8})", output_crc)

    def crcs(self) -> tuple[int, ...]:
        """The CRC-32 of what each step wrote in the last observed run."""
        steps = self._known().steps
        lines = self._expect_count(self._command("es crc", max_lines=steps), steps)
        return tuple(
            self._hex(rf"m-es-crc-{step}-([0-9a-f]{{8}})", line) for step, line in enumerate(lines)
        )

    def profile(self) -> tuple[StepProfile, ...]:
        """The count of each step in the last observed run."""
        steps = self._known().steps
        lines = self._expect_count(self._command("es prof", max_lines=steps), steps)
        matches = [
            self._match(rf"m-es-step-{step}-\[([ -~]*)\]-(\d{{1,20}})", line)
            for step, line in enumerate(lines)
        ]
        return tuple(StepProfile(i, m[1], int(m[2])) for i, m in enumerate(matches))

    def laps(self, count: int, warmup: int) -> Laps:
        """``count`` inferences timed one by one after ``warmup`` others, all on the same input."""
        lines = self._command(
            f"es lap {count} {warmup}",
            idle_s=self._idle_s(max(1, warmup)),
            max_lines=count + 6,
        )
        lines = self._expect_count(lines, count + 6)
        head, laps, tail = lines[:3], lines[3 : 3 + count], lines[3 + count :]
        self._expect_start(head, count, warmup)
        counts = tuple(
            int(self._match(rf"m-es-lap-{i}-(\d{{1,20}})", line)[1]) for i, line in enumerate(laps)
        )
        self._match("m-infer-done", tail[0])
        self._require_input(tail[1], self._input_crc)
        return Laps(counts, self._hex(r"m-es-output-crc-([0-9a-f]{8})", tail[2]))

    def infer(self, count: int, warmup: int) -> Inferred:
        """The base protocol's measurement of ``count`` inferences together."""
        lines = self._command(
            f"infer {count} {warmup}", idle_s=self._idle_s(max(count, warmup)), max_lines=8
        )
        lines = self._expect_count(lines, 8)
        self._expect_start(lines[:3], count, warmup)
        begin, end = (int(self._match(r"m-lap-us-(\d{1,20})", line)[1]) for line in lines[3:5])
        self._match("m-infer-done", lines[5])
        results = self._results(lines[6])
        self._hex(r"m-es-output-crc-([0-9a-f]{8})", lines[7])
        return Inferred(begin, end, results)

    def results(self) -> tuple[float, ...]:
        """The real values of all outputs, as the device shows them (three decimals)."""
        (line,) = self._expect_count(self._command("results", idle_s=self._limits.results_s), 1)
        return self._results(line)

    def out(self, size_bytes: int) -> bytes:
        """The bytes of all outputs, one after the other; there must be ``size_bytes`` of them."""
        lines = self._command("es out", max_lines=size_bytes + 1)
        data = bytearray()
        for line in lines:
            match = self._match(r"m-es-out-(\d{1,20})-((?:[0-9a-f]{2})+)", line)
            if int(match[1]) != len(data):
                raise self._unexpected((line,), f"byte {len(data)} of the output")
            data += bytes.fromhex(match[2])
        if len(data) != size_bytes:
            raise ProtocolError(
                f"{self.name} sends {len(data)} bytes of output, the model has {size_bytes}",
                hint="the firmware does not suit this model: build and flash it again",
            )
        return bytes(data)

    def dump(self, step: int, row0: int, rows: int, row_bytes: int) -> bytes:
        """Runs again; the bytes of rows ``[row0, row0 + rows)`` as the step wrote them."""
        lines = self._command(
            f"es dump {step} {row0} {rows}",
            idle_s=self._idle_s(2),
            max_lines=rows * row_bytes + 1,
        )
        if not lines:
            raise self._unexpected(lines, "the rows of a step")
        data: dict[int, bytearray] = {row: bytearray() for row in range(row0, row0 + rows)}
        for line in lines[:-1]:
            match = self._match(
                rf"m-es-dump-{step}-(\d{{1,20}})-(\d{{1,20}})-((?:[0-9a-f]{{2}})+)", line
            )
            row = data.get(int(match[1]))
            if row is None or len(row) != int(match[2]):
                raise self._unexpected((line,), f"rows {row0} to {row0 + rows - 1}")
            row += bytes.fromhex(match[3])
        self._match("m-es-dump-done", lines[-1])
        if any(len(row) != row_bytes for row in data.values()):
            raise ProtocolError(
                f"{self.name} sends rows of step {step} that are not {row_bytes} bytes long",
                hint="the firmware does not suit this model: build and flash it again",
            )
        return b"".join(data.values())

    def memory(self) -> MemoryMarks:
        """High-water marks of arena and stack by two inferences over painted memory."""
        lines = self._command("es memory", idle_s=self._idle_s(3))
        count = len(self._known().banks)
        arena, guards, stack, *banks = self._expect_count(lines, 3 + count)
        stack_bytes = int(self._match(r"m-es-stack-high-water-(\d{1,20})", stack)[1])
        return MemoryMarks(
            arena_bytes=int(self._match(r"m-es-arena-high-water-(\d{1,20})", arena)[1]),
            guards_intact=self._match(r"m-es-arena-guards-\[(ok|broken)\]", guards)[1] == "ok",
            stack_bytes=stack_bytes or None,
            bank_bytes=tuple(
                int(self._match(rf"m-es-bank-high-water-{bank}-(\d{{1,20}})", line)[1])
                for bank, line in enumerate(banks)
            ),
        )

    # The conversation.

    def _command(
        self,
        text: str,
        *,
        idle_s: float = 0.0,
        max_lines: int = 16,
        rows: _SentRows | None = None,
    ) -> tuple[str, ...]:
        """Sends a command; the lines of its answer without the last, ``m-ready``.

        Each line is awaited for ``answer_s`` and ``idle_s`` more, ``max_lines`` of them at most.
        Rows that the device asks for are sent, and are no lines of the answer.
        """
        checked = text.startswith("es ")
        self._link.send(f"{text}%")
        idle_s += self._limits.answer_s + len(text) / SLOWEST_BYTES_A_SECOND
        lines: list[str] = []
        asked: list[str] = []
        while True:
            try:
                line = self._link.read_line(time.monotonic() + idle_s)
            except DeviceError as error:
                # A device that faults says so in one line, and is silent after it.
                raise (
                    self._stopped(lines[-1]) if lines and _is_refusal(lines[-1]) else error
                ) from None
            if line == READY:
                break
            self._require_sane(line, text)
            if rows is not None and (wanted := _ROW_WANTED.fullmatch(line)):
                self._send_row(rows, int(wanted[1]), int(wanted[2]))
                asked.append(line)
                continue
            lines.append(line)
            if len(lines) > max_lines + 2:  # an error line and the check line come on top
                raise self._unexpected((line,), f"the end of the answer to {text!r}")
        if checked:
            lines = self._without_check(text, [*asked, *lines])[len(asked) :]
        self._require_no_refusal(text, lines)
        return tuple(lines)

    def _send_row(self, rows: _SentRows, port: int, row: int) -> None:
        data = rows.take(port, row)
        if data is None:
            raise ProtocolError(
                f"{self.name} asks for row {row} of input {port}, which does not exist",
                hint="the firmware does not suit this model: build and flash it again",
            )
        self._link.send(f"{data.hex()}%")

    def _require_sane(self, line: str, command: str) -> None:
        if line == RESTARTED:
            raise ProtocolError(
                f"{self.name} restarted while it answered {excerpt(command)}",
                hint="look for a crash, a watchdog or a weak power supply",
            )
        if not line.startswith(("m-", "e-[")):
            raise self._unexpected((line,), f"the answer to {excerpt(command)}")

    def _without_check(self, command: str, lines: Sequence[str]) -> list[str]:
        match = _CHECK.fullmatch(lines[-1]) if lines else None
        if match is None:
            self._require_no_refusal(command, lines)
            raise ProtocolError(
                f"{self.name}: the answer to {excerpt(command)} is not complete", hint=_NOISE
            )
        told = "".join(f"{line}\n" for line in (command, *lines[:-1]))
        if zlib.crc32(told.encode()) != int(match[1], 16):
            raise ProtocolError(
                f"{self.name}: the answer to {excerpt(command)} was damaged on the line",
                hint=_NOISE,
            )
        return list(lines[:-1])

    def _stopped(self, line: str) -> DeviceError:
        return DeviceError(
            f"{self.name} stopped: {_reason(line)}",
            hint="this is a fault of the firmware: reset the device; report it with the model",
        )

    def _require_no_refusal(self, command: str, lines: Sequence[str]) -> None:
        for line in lines:
            if _is_refusal(line):
                raise DeviceError(
                    f"{self.name} refuses {excerpt(command, 30)}: {_reason(line)}",
                    hint="if that is unexpected, reset the device and try again",
                )

    def _await_name(self, deadline: float, excuses: list[DeviceError]) -> str | None:
        """The name, once ``m-name`` and ``m-ready`` came; None when they did not.

        The best reason so far is the one element of ``excuses``: what was said beats silence.
        """
        name: str | None = None
        while True:
            try:
                line = self._link.read_line(deadline)
            except Timeout as error:
                if not excuses or isinstance(excuses[0], Timeout):
                    excuses[:] = [error]
                return None
            match = re.fullmatch(r"m-name-dut-\[([ -~]*)\]", line)
            if match:
                name = match[1]
            elif line == READY and name is not None:
                return name
            elif _is_refusal(line):
                excuses[:] = [self._stopped(line)]
            elif line and not line.startswith("m-"):
                excuses[:] = [self._babble(line)]
            if time.monotonic() >= deadline:
                excuses[:] = excuses or [self._babble(line)]
                return None

    def _babble(self, line: str) -> ProtocolError:
        return ProtocolError(
            f"{self.name} does not speak edgeserve's protocol: it sends {excerpt(line)}",
            hint="check the baud rate; put the bench firmware on the device (edgeserve flash)",
        )

    def _drain(self, deadline: float) -> None:
        """Reads away the answers to earlier probes."""
        while time.monotonic() < deadline:
            try:
                self._link.read_line(time.monotonic() + QUIET_S)
            except Timeout:
                return
        raise ProtocolError(f"{self.name} does not stop talking", hint="reset the device")

    # Grammar.

    def _expect_count(self, lines: Sequence[str], count: int) -> tuple[str, ...]:
        if len(lines) != count:
            raise self._unexpected(lines[-1:], f"{count} lines, not {len(lines)}")
        return tuple(lines)

    def _expect_start(self, lines: Sequence[str], count: int, warmup: int) -> None:
        self._match(f"m-warmup-start-{warmup}", lines[0])
        self._match("m-warmup-done", lines[1])
        self._match(f"m-infer-start-{count}", lines[2])

    def _match(self, pattern: str, line: str) -> re.Match[str]:
        match = re.fullmatch(pattern, line)
        if match is None:
            raise self._unexpected((line,), "a line of another form")
        return match

    def _hex(self, pattern: str, line: str) -> int:
        return int(self._match(pattern, line)[1], 16)

    def _results(self, line: str) -> tuple[float, ...]:
        number = r"-?(?:\d+\.\d{3}|inf)|nan"
        match = self._match(rf"m-results-\[((?:{number})(?:,(?:{number}))*|)\]", line)
        return tuple(float(text) for text in match[1].split(",") if text)

    def _require_input(self, line: str, given_crc: int | None) -> None:
        crc = self._hex(r"m-es-input-crc-([0-9a-f]{8})", line)
        if given_crc is not None and crc != given_crc:
            raise ProtocolError(f"{self.name}: the input was damaged on the line", hint=_NOISE)

    def _unexpected(self, lines: Sequence[str], wanted: str) -> ProtocolError:
        came = excerpt(lines[0]) if lines else "nothing"
        return ProtocolError(
            f"{self.name} sends {came} where {wanted} was expected",
            hint="check that the bench firmware is of this version of edgeserve, and the line",
        )

    def _known(self) -> DeviceInfo:
        return self._info or self.info()

    def _idle_s(self, inferences: int) -> float:
        return inferences * self._limits.inference_s + self._limits.results_s

    def _fill_s(self) -> float:
        return self._known().input_bytes / SLOWEST_BYTES_A_SECOND


class _SentRows:
    """What a run was given: the inputs that lay there whole, then each row as it was asked for."""

    def __init__(self, rows: RowSource) -> None:
        self._rows = rows
        self.crc = zlib.crc32(rows.whole)

    def take(self, port: int, row: int) -> bytes | None:
        data = self._rows.row(port, row)
        self.crc = zlib.crc32(data or b"", self.crc)
        return data


def _is_refusal(line: str) -> bool:
    return line.startswith("e-[")


def _reason(line: str) -> str:
    return line.removeprefix("e-[").removesuffix("]")[:100]


_NOISE = "use a shorter cable or a lower baud rate, then run the command again"

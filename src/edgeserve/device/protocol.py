"""The device under test: the commands of bench firmware as typed calls."""

from __future__ import annotations

import re
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import NamedTuple, Protocol

from edgeserve.device.answers import (
    LOOP_KEYS,
    DeviceInfo,
    Inferred,
    LoopStats,
    MemoryMarks,
    StepProfile,
    parse_info,
)
from edgeserve.device.conversation import SLOWEST_BYTES_A_SECOND
from edgeserve.device.link import Link
from edgeserve.device.runs import Limits, Runs
from edgeserve.errors import DeviceError, ProtocolError, Refused, Timeout
from edgeserve.program import Program

_ROW_WANTED = re.compile(r"m-es-row-(\d{1,5})-(\d{1,5})")
_ARRIVALS_WANTED = re.compile(r"m-es-arrivals-(\d{1,10})-(\d{1,3})")
_ARRIVALS_AT_ONCE = 16
"""At most in a block of a trace that a device asks for."""

_BLOCK_MS = 600_000
"""For a character of a block: virtual on an emulated board, where it is a few seconds."""

_MAX_FACTS = 64
_BETWEEN_LOOKS_S = 0.2


class RowSource(Protocol):
    """An input that a device asks for row by row; ``whole`` are the inputs that it has already."""

    whole: bytes

    def row(self, port: int, row: int) -> bytes | None:
        """The bytes of a row; None where there is no such row."""


class Arrival(NamedTuple):
    """A frame of a recorded trace, in the device's unit: when it arrives, and what its inference
    takes; 0: what it takes when the device runs the model.
    """

    at: int
    ticks: int = 0


def arrivals_block(first: int, arrivals: Sequence[Arrival]) -> bytes:
    """Arrivals from number ``first`` on, as a device takes them."""
    block = struct.pack("<I", first) + b"".join(struct.pack("<QQ", *one) for one in arrivals)
    return block + struct.pack("<I", zlib.crc32(block))


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


class Dut(Runs):
    """A device that speaks the protocol. Call ``wait_ready`` first; use one command at a time."""

    def __init__(self, link: Link, limits: Limits | None = None) -> None:
        super().__init__(link, limits)
        self._info: DeviceInfo | None = None

    # The model.

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
        lines = self._command(
            "es run",
            idle_s=3 * self._limits.inference_s,
            take=None if sent is None else lambda line: self._send_row(sent, line),
        )
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

    # The sensor loop.

    def start_loop(
        self,
        *,
        ring: int,
        when_full: str,
        deadline: int,
        frames: int,
        period: int,
        spread_permille: int,
        seed: int,
    ) -> None:
        """Starts a replay: ``frames`` arrivals, each an inference on the loaded input unless it is
        dropped. ``period`` and ``deadline`` are in the board's unit, on a virtual clock.
        """
        self._set_loop(ring, when_full, deadline)
        command = f"es loop start {frames} {period} {spread_permille} {seed}"
        (line,) = self._expect_count(self._command(command), 1)
        self._match("m-es-loop-started", line)

    def trace_loop(
        self,
        *,
        ring: int,
        when_full: str,
        deadline: int,
        arrivals: Sequence[Arrival],
        asked: Callable[[int], None] = lambda first: None,
    ) -> LoopStats:
        """Replays a recorded trace to its end, handed over block by block as the device asks for
        it; ``asked`` is told how many arrivals were handed over before. The counters.
        """
        self._set_loop(ring, when_full, deadline)
        runs = any(not arrival.ticks for arrival in arrivals)
        try:
            lines = self._command(
                f"es loop trace {len(arrivals)} {_BLOCK_MS}",
                idle_s=self._idle_s(ring + _ARRIVALS_AT_ONCE) if runs else 0.0,
                take=lambda line: self._send_arrivals(arrivals, line, asked),
            )
        except Refused as error:
            if not error.reason.startswith("usage: "):
                raise
            raise DeviceError(
                f"{self.name} has firmware that cannot replay a recorded trace",
                hint="build and flash the firmware again with this version",
            ) from error
        (line,) = self._expect_count(lines, 1)
        self._match("m-es-loop-traced", line)
        return self.loop_stats()

    def stop_loop(self) -> None:
        """Ends a replay where it is."""
        (line,) = self._expect_count(self._command("es loop stop", idle_s=self._idle_s(1)), 1)
        self._match("m-es-loop-stopped", line)

    def loop_stats(self) -> LoopStats:
        """What the replay has counted so far. DeviceError where none was ever started."""
        lines = self._command("es loop stats", idle_s=self._idle_s(1), max_lines=len(LOOP_KEYS))
        lines = self._expect_count(lines, len(LOOP_KEYS))
        texts = [
            self._match(rf"m-es-loop-{key}-\[([ -~]*)\]", line)[1]
            for key, line in zip(LOOP_KEYS, lines, strict=True)
        ]
        if not all(text.isdigit() for text in texts[1:-1]):
            raise self._unexpected(lines, "the counters of the loop")
        values = [texts[0], *map(int, texts[1:-1]), texts[-1]]
        names = [field.name for field in fields(LoopStats)]
        return LoopStats(**dict(zip(names, values, strict=True)))  # type: ignore[arg-type]

    def await_loop(self, wait_s: float) -> LoopStats:
        """The counters when the replay has come to its end. Raises Timeout when it does not."""
        deadline = time.monotonic() + wait_s
        while (stats := self.loop_stats()).state == "running":
            if time.monotonic() > deadline:
                raise Timeout(
                    f"{self.name} still replays after {wait_s:.0f} s",
                    hint="replay fewer frames",
                )
            time.sleep(_BETWEEN_LOOKS_S)
        return stats

    def _set_loop(self, ring: int, when_full: str, deadline: int) -> None:
        (line,) = self._expect_count(self._command(f"es loop set {ring} {when_full} {deadline}"), 1)
        self._match("m-es-loop-set", line)

    def _send_arrivals(
        self, arrivals: Sequence[Arrival], line: str, asked: Callable[[int], None]
    ) -> bool:
        wanted = _ARRIVALS_WANTED.fullmatch(line)
        if wanted is None:
            return False
        first, count = int(wanted[1]), int(wanted[2])
        if not 0 < count <= min(_ARRIVALS_AT_ONCE, len(arrivals) - first):
            raise ProtocolError(
                f"{self.name} asks for {count} arrivals from {first} on, of {len(arrivals)}",
                hint="check that the bench firmware is of this version of edgeserve, and the line",
            )
        asked(first)
        self._link.send(f"{arrivals_block(first, arrivals[first : first + count]).hex()}%")
        return True

    def _send_row(self, rows: _SentRows, line: str) -> bool:
        wanted = _ROW_WANTED.fullmatch(line)
        if wanted is None:
            return False
        port, row = int(wanted[1]), int(wanted[2])
        data = rows.take(port, row)
        if data is None:
            raise ProtocolError(
                f"{self.name} asks for row {row} of input {port}, which does not exist",
                hint="the firmware does not suit this model: build and flash it again",
            )
        self._link.send(f"{data.hex()}%")
        return True

    def _known(self) -> DeviceInfo:
        return self._info or self.info()

    def _command_bytes(self) -> int:
        return self._known().command_bytes

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

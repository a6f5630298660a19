"""What every device does with a model: takes an input, runs on it, gives the output back."""

from __future__ import annotations

import zlib
from abc import abstractmethod
from dataclasses import dataclass

from edgeserve.device.answers import Laps
from edgeserve.device.conversation import ANSWER_S, Conversation
from edgeserve.device.link import Link
from edgeserve.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a device may take: to answer at all, for one inference, to show its output."""

    answer_s: float = ANSWER_S
    inference_s: float = 60.0
    results_s: float = 10.0


class Runs(Conversation):
    """Inferences, one command at a time."""

    def __init__(self, link: Link, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        super().__init__(link, self._limits.answer_s)
        self._input_crc: int | None = None

    @abstractmethod
    def _command_bytes(self) -> int:
        """The size of the device's buffer for a command."""

    def load(self, data: bytes) -> None:
        """Sends the bytes of all inputs, one after the other, in chunks of the device's size."""
        (line,) = self._expect_count(self._command(f"es load {len(data)}"), 1)
        self._match(rf"m-\[Expecting {len(data)} bytes\]", line)
        chunk = (self._command_bytes() - len("db ") - 2) // 2
        for start in range(0, len(data), chunk):
            last = start + chunk >= len(data)
            lines = self._command(f"db {data[start : start + chunk].hex()}")
            if lines != (("m-load-done",) if last else ()):
                raise self._unexpected(lines, "loading the input")
        self._input_crc = zlib.crc32(data)

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

    def _idle_s(self, inferences: int) -> float:
        return inferences * self._limits.inference_s + self._limits.results_s

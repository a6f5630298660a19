"""Simulated links: a device that says what a test wrote down, and a wire that damages bytes."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Sequence
from random import Random

from edgeserve.device.link import LineAssembler, Link
from edgeserve.errors import DeviceError, Timeout


class SimulatedLink:
    """Answers each expected command with its lines, ``es`` commands with their checksum too.

    Without ``with_checksum`` the lines are sent as they are. Any command that is not expected is an
    AssertionError. ``boot`` lines wait before the first command. An answer of None is silence,
    ``gone`` a device that vanishes after its last answer.
    """

    def __init__(
        self,
        script: Iterable[tuple[str, Sequence[str] | None]],
        *,
        boot: Sequence[str] = (),
        gone: bool = False,
        with_checksum: bool = True,
    ) -> None:
        self._script = list(script)
        self._lines = list(boot)
        self._gone = gone
        self._with_checksum = with_checksum
        self.closed = False

    @property
    def name(self) -> str:
        return "simulated"

    def send(self, text: str) -> None:
        assert self._script, f"nothing is expected, and {text!r} was sent"
        command, answer = self._script.pop(0)
        assert text == f"{command}%"
        if answer is None:
            return
        self._lines += with_check(command, answer) if self._with_checksum else answer

    def read_line(self, deadline: float) -> str:
        if self._lines:
            return self._lines.pop(0)
        if self._gone and not self._script:
            raise DeviceError("simulated went away while it was in use")
        assert deadline - time.monotonic() < 60, "a wait without a bound"
        raise Timeout("simulated does not answer")

    def close(self) -> None:
        self.closed = True


def with_check(command: str, answer: Sequence[str]) -> list[str]:
    """The lines of an answer that ends with ``m-ready``, its checksum put in where it belongs."""
    lines = list(answer)
    if command.startswith("es ") and lines and lines[-1] == "m-ready":
        told = "".join(f"{line}\n" for line in (command, *lines[:-1]))
        lines.insert(-1, f"m-es-check-{zlib.crc32(told.encode()):08x}")
    return lines


class SimulatedNoise:
    """A link whose wire drops, doubles or corrupts single bytes, both ways, once ``active``."""

    def __init__(self, inner: Link, random: Random, rate: float) -> None:
        self._inner = inner
        self._random = random
        self._rate = rate
        self._lines = LineAssembler(inner.name)
        self.active = False
        self.damaged = 0

    @property
    def name(self) -> str:
        return self._inner.name

    def send(self, text: str) -> None:
        # What is not ASCII any more still goes out: as the character that a UART would make of it.
        self._inner.send("".join(chr(b & 0x7F) for b in self._noisy(text.encode())))

    def read_line(self, deadline: float) -> str:
        while (line := self._lines.take()) is None:
            self._lines.feed(self._noisy(self._inner.read_line(deadline).encode() + b"\r\n"))
        return line

    def close(self) -> None:
        self._inner.close()

    def _noisy(self, data: bytes) -> bytes:
        if not self.active:
            return data
        out = bytearray()
        for byte in data:
            if self._random.random() >= self._rate:
                out.append(byte)
                continue
            self.damaged += 1
            kind = self._random.randrange(3)
            if kind == 0:
                continue
            out += (
                bytes((byte, byte))
                if kind == 1
                else bytes((byte ^ 1 << self._random.randrange(8),))
            )
        return bytes(out)

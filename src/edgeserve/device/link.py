"""A link: lines out to a device, lines in from it, whatever wire lies between."""

from __future__ import annotations

import time
from typing import Protocol

from edgeserve.errors import ProtocolError, Timeout

MAX_LINE_BYTES = 4 << 20
"""The `results` of half a million outputs; a longer line is noise."""


class Link(Protocol):
    """An open connection. ``name`` is for messages; all methods raise DeviceError alone."""

    @property
    def name(self) -> str: ...

    def send(self, text: str) -> None:
        """Sends ASCII text as it stands. DeviceError when the device is gone or takes nothing."""

    def read_line(self, deadline: float) -> str:
        """The next line without its end; bytes that are not printable ASCII are spelled in hex.

        ``deadline`` is a value of ``time.monotonic()``. Raises Timeout when it passes first,
        another DeviceError when the device is gone.
        """

    def close(self) -> None:
        """Ends the connection; may be called twice, and never raises."""


class LineAssembler:
    """Cuts a stream of bytes into lines; carriage returns at their ends are dropped."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pending = bytearray()
        self._scanned = 0

    def feed(self, data: bytes) -> None:
        self._pending += data

    def take(self) -> str | None:
        """The next whole line, or None. ProtocolError when a line does not end."""
        end = self._pending.find(b"\n", self._scanned)
        if end < 0:
            self._scanned = len(self._pending)
            if self._scanned > MAX_LINE_BYTES:
                raise ProtocolError(
                    f"{self._name} sends a line without an end: {excerpt(self.partial)}",
                    hint="check the baud rate and that this is the right port",
                )
            return None
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        self._scanned = 0
        return spell(line.rstrip(b"\r"))

    @property
    def partial(self) -> str:
        """The beginning of a line that has no end yet."""
        return spell(self._pending[:80])


def silence(name: str, assembler: LineAssembler) -> Timeout:
    """The error for a deadline that passed while a line was waited for."""
    partial = assembler.partial
    heard = f"; the last it sent was {excerpt(partial)}" if partial else ""
    return Timeout(
        f"{name} does not answer{heard}",
        hint="reset the device; check that it runs edgeserve's bench firmware",
    )


def spell(data: bytes | bytearray) -> str:
    """ASCII text in which every byte that is not printable is spelled in hex, as Python does."""
    return "".join(chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}" for b in data)


def excerpt(text: str, limit: int = 60) -> str:
    """A quoted piece of a line for a message."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def seconds_left(deadline: float) -> float:
    """Seconds until a value of ``time.monotonic()``; 0 when it has passed."""
    return max(0.0, deadline - time.monotonic())

"""What ``--sensor`` names: a rate, a recording, or the serial line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from edgeserve.errors import ConfigError

BAUD = 115_200
_BITS_A_CHARACTER = 10
_BYTES_A_COMMAND = 509
"""What the host puts into one ``db`` command of 1,023 characters."""

_AROUND_A_COMMAND = len("db %" + "m-ready\r\n")
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Synthetic:
    """Frames at a rate (``30Hz``), of the loaded input."""

    rate: str


@dataclass(frozen=True, slots=True)
class FromFile:
    """A recording, replayed at its own times."""

    path: Path


@dataclass(frozen=True, slots=True)
class FromProtocol:
    """The host sends each frame over the serial line, as fast as that carries them."""

    baud: int

    def interval_us(self, frame_bytes: int) -> int:
        """Microseconds from frame to frame: the characters alone, estimated, no answer awaited."""
        commands = -(-frame_bytes // _BYTES_A_COMMAND)
        characters = 2 * frame_bytes + _AROUND_A_COMMAND * (1 + commands)
        return -(-characters * _BITS_A_CHARACTER * _MICROSECONDS // self.baud)


Sensor: TypeAlias = Synthetic | FromFile | FromProtocol


def parse_sensor(text: str) -> Sensor:
    """``synthetic:30Hz``, ``file:PATH``, ``protocol`` or ``protocol:BAUD``. Raises ConfigError."""
    kind, _, rest = text.partition(":")
    if kind == "synthetic" and rest:
        return Synthetic(rest)
    if kind == "file" and rest:
        return FromFile(Path(rest))
    if kind == "protocol" and re.fullmatch(r"|[1-9]\d{2,6}", rest):
        return FromProtocol(int(rest) if rest else BAUD)
    raise ConfigError(
        f"{text[:60]!r} is no sensor",
        hint="write synthetic:30Hz, file:recording.npz (or .csv, .wav), or protocol:115200",
    )

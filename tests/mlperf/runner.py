"""What MLCommons' runner sends to a device and takes from its answers, restated from its protocol.

Its regular expressions, its bytes a line, its end of an answer: a line in which ``m-ready`` stands.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from edgeserve.device.link import Link

BYTES_A_LINE = 31
BYTES_A_LINE_BY_INTERFACE = 26
"""Where an interface board is between runner and device, as in energy mode."""

ANSWER_S = 60.0
"""Far longer than the runner waits for a line (5 s): a machine of tests may be busy."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """``elapsed_us`` is None where there are no stamps on the line, as in energy mode."""

    results: tuple[float, ...]
    elapsed_us: int | None


class Runner:
    """The runner's side of a line."""

    def __init__(self, link: Link, *, bytes_a_line: int = BYTES_A_LINE) -> None:
        self._link = link
        self._bytes_a_line = bytes_a_line
        self.transcript: list[str] = []
        self.greeting = self._until_ready()

    def _until_ready(self) -> list[str]:
        lines: list[str] = []
        while not lines or "m-ready" not in lines[-1]:
            lines.append(self._link.read_line(time.monotonic() + ANSWER_S))
        self.transcript += lines
        return lines

    def command(self, text: str) -> list[str]:
        self.transcript.append(f"> {text}%")
        self._link.send(f"{text}%")
        return self._until_ready()

    def identify(self) -> dict[str, str]:
        """``name``, ``profile`` and ``model``."""
        found: dict[str, str] = {}
        for line in (*self.command("name"), *self.command("profile")):
            named = re.match(r"^m-(name)-dut-\[([^]]+)]$", line)
            match = named or re.match(r"^m-(model|profile)-\[([^]]+)]$", line)
            if match:
                found[match[1]] = match[2]
        return found

    def load(self, data: bytes) -> list[str]:
        """The answer to the last line of data."""
        answer = self.command(f"db load {len(data)}")
        assert answer == [f"m-[Expecting {len(data)} bytes]", "m-ready"]
        for at in range(0, len(data), self._bytes_a_line):
            answer = self.command(f"db {data[at : at + self._bytes_a_line].hex()}")
        return answer

    def infer(self, count: int, warm_ups: int) -> Inferred:
        results: tuple[float, ...] = ()
        stamps: list[int] = []
        for line in self.command(f"infer {count} {warm_ups}"):
            if match := re.match(r"^m-results-\[([^]]+)\]$", line):
                results = tuple(float(text) for text in match[1].split(",") if text.strip())
            elif match := re.match(r"^m-lap-us-([0-9]+)$", line):
                stamps.append(int(match[1]))
        return Inferred(results, stamps[1] - stamps[0] if len(stamps) == 2 else None)

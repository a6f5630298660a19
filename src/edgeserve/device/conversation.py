"""A conversation in the protocol's lines: commands out, whole and undamaged answers in.

``docs/FORMAT.md``, section 2, states the framing. The grammar here is strict: a line that is not
what the protocol promises ends the conversation with one error, and every answer to an ``es``
command is held against the checksum that it ends with, so that a noisy line never becomes a wrong
number.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Sequence

from edgeserve.device.link import Link, excerpt
from edgeserve.errors import DeviceError, ProtocolError, Refused, Timeout

READY_S = 15.0
PROBE_S = 1.0
QUIET_S = 0.2
ANSWER_S = 5.0
SLOWEST_BYTES_A_SECOND = 8000
"""What is allowed for on the line; emulated UARTs take 12,000 and more."""

READY = "m-ready"
RESTARTED = "m-init-done"
_CHECK = re.compile(r"m-es-check-([0-9a-f]{8})")


class Conversation:
    """The commands that every device has, and what those of a kind of device are made of.

    Every method raises DeviceError (also as ProtocolError or Timeout) and nothing else; after that
    the conversation is over. ``answer_s`` is how long a device may take to answer at all.
    """

    def __init__(self, link: Link, answer_s: float = ANSWER_S) -> None:
        self._link = link
        self.answer_s = answer_s

    @property
    def name(self) -> str:
        return self._link.name

    def close(self) -> None:
        """Ends the connection, and with it an emulator or process that was started for it."""
        self._link.close()

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

    def _command(
        self,
        text: str,
        *,
        idle_s: float = 0.0,
        max_lines: int = 16,
        take: Callable[[str], bool] | None = None,
    ) -> tuple[str, ...]:
        """Sends a command; the lines of its answer without the last, ``m-ready``.

        Each line is awaited for ``answer_s`` and ``idle_s`` more, ``max_lines`` of them at most.
        What ``take`` takes (it returns True) as it comes is no line of the answer.
        """
        self._link.send(f"{text}%")
        idle_s += self.answer_s + len(text) / SLOWEST_BYTES_A_SECOND
        lines: list[str] = []
        crc, last = zlib.crc32(f"{text}\n".encode()), ""  # of all lines before the last
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
            crc, last = zlib.crc32(last.encode(), crc), f"{line}\n"
            if take is not None and take(line):
                continue
            lines.append(line)
            if len(lines) > max_lines + 2:  # an error line and the check line come on top
                raise self._unexpected((line,), f"the end of the answer to {text!r}")
        if text.startswith("es "):
            self._require_check(text, lines, crc)
            del lines[-1]
        self._require_no_refusal(text, lines)
        return tuple(lines)

    def _require_sane(self, line: str, command: str) -> None:
        if line == RESTARTED:
            raise ProtocolError(
                f"{self.name} restarted while it answered {excerpt(command)}",
                hint="look for a crash, a watchdog or a weak power supply",
            )
        if not line.startswith(("m-", "e-[")):
            raise self._unexpected((line,), f"the answer to {excerpt(command)}")

    def _require_check(self, command: str, lines: Sequence[str], crc: int) -> None:
        match = _CHECK.fullmatch(lines[-1]) if lines else None
        if match is None:
            self._require_no_refusal(command, lines)
            raise ProtocolError(
                f"{self.name}: the answer to {excerpt(command)} is not complete", hint=NOISE
            )
        if crc != int(match[1], 16):
            raise ProtocolError(
                f"{self.name}: the answer to {excerpt(command)} was damaged on the line",
                hint=NOISE,
            )

    def _stopped(self, line: str) -> DeviceError:
        return DeviceError(
            f"{self.name} stopped: {_reason(line)}",
            hint="this is a fault of the firmware: reset the device; report it with the model",
        )

    def _require_no_refusal(self, command: str, lines: Sequence[str]) -> None:
        for line in lines:
            if _is_refusal(line):
                raise Refused(
                    f"{self.name} refuses {excerpt(command, 30)}: {_reason(line)}",
                    reason=_reason(line),
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
            raise ProtocolError(f"{self.name}: the input was damaged on the line", hint=NOISE)

    def _unexpected(self, lines: Sequence[str], wanted: str) -> ProtocolError:
        came = excerpt(lines[0]) if lines else "nothing"
        return ProtocolError(
            f"{self.name} sends {came} where {wanted} was expected",
            hint="check that the bench firmware is of this version of edgeserve, and the line",
        )


def _is_refusal(line: str) -> bool:
    return line.startswith("e-[")


def _reason(line: str) -> str:
    return line.removeprefix("e-[").removesuffix("]")[:100]


NOISE = "use a shorter cable or a lower baud rate, then run the command again"

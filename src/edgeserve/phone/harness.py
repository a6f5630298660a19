"""The harness on a phone: LiteRT's commands as typed calls."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from edgeserve.device.link import Link
from edgeserve.device.runs import Limits, Runs
from edgeserve.errors import ProtocolError, WrongOutput

_FACT = re.compile(r"m-es-([a-z0-9-]+)-\[([ -~]*)\]")
_SET = re.compile(r"m-es-set-(\d{1,20})-(\d{1,20})-(\d{1,20})")
_PHASES = re.compile(r"m-es-phases-\[([a-z ]+)\]")
_PASS = re.compile(r"m-es-pass-(\d{1,20})((?:-\d{1,20})+)")
_AT = re.compile(r"m-es-at-(\d{1,20})-(\d{1,20})-(\d{1,20})")


class Accelerator(StrEnum):
    """Where LiteRT is asked to run a model."""

    CPU = "cpu"
    GPU = "gpu"
    NPU = "npu"


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Nanoseconds of a start in a fresh process, part by part; None for a part that is not told.

    ``init_ns`` is library, load and compile together, where a runner does not tell them apart.
    """

    process_ns: int | None
    library_ns: int | None
    load_ns: int | None
    compile_ns: int | None
    first_ns: int
    init_ns: int | None = None


@dataclass(frozen=True, slots=True)
class HarnessInfo:
    """What ``es info`` says of the harness and of the model in it.

    With a pipeline ``decoder`` is the library that decodes, or None for a reason.
    """

    model: str
    abi: str
    asked: Accelerator
    fully_accelerated: bool
    threads: int
    input_bytes: int
    output_bytes: int
    cold: ColdStart
    peak_bytes: int
    command_bytes: int
    decoder: str | None = None
    no_decoder: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One inference of a sustained run: its period, when it ended, and what it took."""

    slot: int
    end_ns: int
    ns: int


@dataclass(frozen=True, slots=True)
class FrameSet:
    """Inferences of several sensors' frames that belong together: its period, first and last."""

    slot: int
    begin_ns: int
    end_ns: int


Told: TypeAlias = Sample | FrameSet
PassTold: TypeAlias = Callable[[int, Mapping[str, int]], None]
"""Takes when a pass ended, and the nanoseconds of each of its phases by name, in their order."""


@dataclass(frozen=True, slots=True)
class PassesEnd:
    """CRC-32s of what the last pass of a command went through."""

    frame_crc: int
    input_crc: int
    output_crc: int
    answers_crc: int


class Harness(Runs):
    """A harness that has started. Errors as of ``Conversation``."""

    def __init__(self, link: Link, limits: Limits | None = None) -> None:
        super().__init__(link, limits)
        self._info: HarnessInfo | None = None
        self._passes: PassesEnd | None = None

    def info(self) -> HarnessInfo:
        """Its facts; the memory peak is that up to now."""
        facts: dict[str, str] = {}
        for line in self._command("es info", max_lines=40):
            match = self._match(_FACT.pattern, line)
            facts[match[1]] = match[2]
        try:
            self._info = _info(facts)
        except (KeyError, ValueError) as error:
            raise ProtocolError(
                f"{self.name}: the harness does not tell {error}",
                hint="it is of another version: remove it from the phone and run again",
            ) from None
        return self._info

    def fill(self, seed: int, expected: bytes) -> None:
        """Lets the phone make the input of a seed; ``expected`` are the bytes that this gives."""
        (line,) = self._expect_count(self._command(f"es fill {seed}"), 1)
        self._match("m-es-fill-done", line)
        self._input_crc = zlib.crc32(expected)

    def run(self) -> int:
        """One inference; the CRC-32 of all outputs in order."""
        lines = self._command("es run", idle_s=self._limits.inference_s)
        done, input_crc, output_crc = self._expect_count(lines, 3)
        self._match("m-es-run-done", done)
        self._require_input(input_crc, self._input_crc)
        return self._hex(r"m-es-output-crc-([0-9a-f]{8})", output_crc)

    def sustain(
        self, duration_ms: int, period_us: int, each: Callable[[Told], None], streams: int = 0
    ) -> int:
        """Runs for so long, each inference told to ``each`` as it ends; the output's CRC-32.

        With a period (0: none) one inference begins at each of its multiples, or not at all when
        the one before has not ended by then. With ``streams`` (0: none) a set of so many takes the
        place of one inference, and is told behind its inferences.
        """
        count = sets = 0

        def take(line: str) -> bool:
            nonlocal count, sets
            if match := _AT.fullmatch(line):
                each(Sample(int(match[1]), int(match[2]), int(match[3])))
                count += 1
            elif streams and (match := _SET.fullmatch(line)):
                each(FrameSet(int(match[1]), int(match[2]), int(match[3])))
                sets += 1
            return match is not None

        lines = self._command(
            f"es sustain {duration_ms} {period_us}{f' {streams}' if streams else ''}",
            idle_s=self._limits.inference_s * max(1, streams) + period_us / 1e6,
            take=take,
        )
        done, input_crc, output_crc = self._expect_count(lines, 3)
        self._match(f"m-es-sustain-done-{count}", done)
        if count != sets * streams and streams:
            raise self._unexpected((done,), f"{streams} inferences a set")
        self._require_input(input_crc, self._input_crc)
        return self._hex(r"m-es-output-crc-([0-9a-f]{8})", output_crc)

    def passes(self, duration_ms: int, each: PassTold, most: int = 0) -> PassesEnd:
        """Runs the pipeline for so long, or so many times (0: no limit), once at least.

        Raises WrongOutput where frame or input are not those of ``require_passes``.
        """
        names: list[str] = []
        count = 0

        def take(line: str) -> bool:
            nonlocal count
            if not names and (match := _PHASES.fullmatch(line)):
                names.extend(match[1].split())
                return True
            match = _PASS.fullmatch(line)
            if match is None:
                return False
            parts = [int(part) for part in match[2].split("-")[1:]]
            if len(parts) != len(names):
                raise self._unexpected((line,), f"{len(names)} phases")
            each(int(match[1]), dict(zip(names, parts, strict=True)))
            count += 1
            return True

        lines = self._command(
            f"es pipeline {duration_ms}{f' {most}' if most else ''}",
            idle_s=self._limits.inference_s,
            take=take,
        )
        done, *crcs = self._expect_count(lines, 5)
        self._match(f"m-es-pipeline-done-{count}", done)
        told = PassesEnd(
            *(
                self._hex(rf"m-es-{what}-crc-([0-9a-f]{{8}})", line)
                for what, line in zip(("frame", "input", "output", "answers"), crcs, strict=True)
            )
        )
        wanted = self._passes or told
        if (told.frame_crc, told.input_crc) != (wanted.frame_crc, wanted.input_crc):
            raise WrongOutput(
                f"{self.name} makes different inputs of one picture",
                hint="the measurement does not count; report it with the bundle and the picture",
            )
        return told

    def require_passes(self, wanted: PassesEnd) -> None:
        """From now on every pass must go through this frame and this input."""
        self._passes = wanted
        self._input_crc = wanted.input_crc

    def frame(self, size_bytes: int) -> bytes:
        """The frame that the last pass had, of ``size_bytes``."""
        data = bytearray()

        def take(line: str) -> bool:
            match = re.fullmatch(r"m-es-frame-(\d{1,20})-((?:[0-9a-f]{2})+)", line)
            if match is None or int(match[1]) != len(data):
                return False
            data.extend(bytes.fromhex(match[2]))
            return True

        self._expect_count(self._command("es frame", take=take), 0)
        if len(data) != size_bytes:
            raise self._unexpected((), f"a frame of {size_bytes} bytes")
        return bytes(data)

    def operators(self) -> tuple[str, ...]:
        """LiteRT's own account of its operators, as it words it."""
        lines = self._command("es prof", idle_s=self._limits.inference_s, max_lines=5000)
        return tuple(self._match(r"m-es-prof-\[([ -~]*)\]", line)[1] for line in lines)

    def _command_bytes(self) -> int:
        return (self._info or self.info()).command_bytes


def _info(facts: dict[str, str]) -> HarnessInfo:
    def number(key: str) -> int:
        return int(facts[key])

    return HarnessInfo(
        model=facts["model"],
        abi=facts["abi"],
        asked=Accelerator(facts["asked"]),
        fully_accelerated={"yes": True, "no": False}[facts["fully-accelerated"]],
        threads=number("threads"),
        input_bytes=number("input-bytes"),
        output_bytes=number("output-bytes"),
        cold=ColdStart(
            process_ns=number("cold-process") or None,
            library_ns=number("cold-library"),
            load_ns=number("cold-load"),
            compile_ns=number("cold-compile"),
            first_ns=number("cold-first"),
        ),
        peak_bytes=number("peak-bytes"),
        command_bytes=number("command-bytes"),
        decoder=facts.get("decoder") or None,
        no_decoder=facts.get("no-decoder", ""),
    )

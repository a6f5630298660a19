"""Where the time of a phone goes: the cold start part by part, and the phases of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edgeserve.phone.record import PhoneMeasurement
from edgeserve.phone.record_file import latest_of_setups, told_setup
from edgeserve.report.content import Block, Line, Section, Span, Table, Tone, columns
from edgeserve.report.recorded import Recorded
from edgeserve.report.wording import told_ns

_COLD_PARTS = ("process", "library", "load", "compile", "first")


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a sequence, as often as it was measured."""

    name: str
    samples_ns: tuple[int, ...]

    @property
    def median_ns(self) -> float:
        return median(self.samples_ns)


def cold_phases(measurement: PhoneMeasurement) -> tuple[Phase, ...]:
    """The parts of a start in a fresh process that were told, in their order."""
    parts = []
    for name in _COLD_PARTS:
        told = [getattr(cold, f"{name}_ns") for cold in measurement.cold]
        samples = tuple(value for value in told if value is not None)
        if samples:
            parts.append(Phase("first inference" if name == "first" else name, samples))
    return tuple(parts)


def pipeline_phases(measurement: PhoneMeasurement) -> tuple[Phase, ...]:
    """The phases around an inference, where the record has them."""
    return tuple(Phase(one.name, one.samples_ns) for one in measurement.phases if one.samples_ns)


def phases_section(seen: Recorded) -> Section:
    """A waterfall of the cold start and one of the pipeline, for each setup's last measurement."""
    blocks: list[Block] = []
    latest = tuple(latest_of_setups(seen.phones).values())
    for measurement in latest:
        setup = told_setup(measurement)
        cold, pipeline = cold_phases(measurement), pipeline_phases(measurement)
        if cold:
            starts = len(measurement.cold)
            blocks.append(_waterfall(cold, f"cold start on {setup}: medians of {starts}"))
        if not measurement.samples_ns:
            blocks += [Line(f"{setup}: {flag.value}", Tone.BAD) for flag in measurement.flags]
        if pipeline:
            blocks.append(_waterfall(pipeline, f"an inference on {setup}: medians"))
    if not any(map(pipeline_phases, latest)):
        blocks.append(
            Line(
                "No phases around an inference (decode, resize, ...) are recorded."
                if latest
                else "No cold start and no phases are recorded: "
                f"edgeserve bench {seen.command_name} --device PHONE measures a cold start.",
                Tone.QUIET,
            )
        )
    return Section("phases", "Where the time goes", tuple(blocks))


def _waterfall(phases: Sequence[Phase], caption: str) -> Table:
    """Bars that begin where the one before ends. Medians of parts are not parts of a median."""
    total = sum(phase.median_ns for phase in phases)
    rows, at = [], 0.0
    for phase in phases:
        share = phase.median_ns / total if total else 0.0
        rows.append((phase.name, told_ns(phase.median_ns), Span(at, at + share), f"{share:.0%}"))
        at += share
    whole = ("sum of medians", told_ns(total), Span(0.0, 1.0), "100%")
    return Table(columns("!phase", "#median", "|", "#share"), (*rows, whole), caption)

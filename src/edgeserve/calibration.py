"""Time of an inference on a board, by what measured models took there for each instruction.

An estimate of instructions becomes one of time by a single factor, fitted to measurements that the
user gives. It knows nothing of caches, wait states or clocks but what those measurements hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgeserve.board import Board, Kind
from edgeserve.errors import ConfigError
from edgeserve.measurement import Measurement, Unit, per_inference

_ENOUGH_TO_LEAVE_ONE_OUT = 3
_LARGE_STEP = 0.05
"""Steps below this share of their run say more of their overhead than of their kernel."""


class Judged(StrEnum):
    """How the error of a factor was found."""

    LEAVE_ONE_OUT = "leave one out"
    RESIDUAL = "residual"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Run:
    """A measured model. ``estimated_instructions`` are of the same table's steps.

    ``step_ns`` is what an instruction took in the steps that are a twentieth of the run or more:
    the least and the most, or None where the record has no steps.
    """

    model: str
    table_sha256: str
    recorded_at: str
    measured_ns: float
    estimated_instructions: int
    step_ns: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class TimeEstimate:
    """An estimate, never a measurement. ``error`` is the largest ``|estimate / measured - 1|`` of
    the runs: each by the factor of all others from three models on, by its own factor with two
    (``judged``), None with one, which cannot judge itself.
    """

    ns: float
    ns_an_instruction: float
    error: float | None
    judged: Judged
    runs: tuple[Run, ...]


def run_of(
    model: str,
    table_sha256: str,
    estimates: Sequence[int],
    measurements: Sequence[Measurement],
    board: Board,
) -> Run:
    """The last run of a model on a physical board of this kind.

    ``estimates`` are the instructions of each step of the table. Raises ConfigError for a board
    that is no hardware, where there is no such run, where its counts are no time or none at all,
    and where another table was measured.
    """
    if board.kind is not Kind.PHYSICAL:
        raise ConfigError(
            f"{board.id} is {board.kind}: only a physical board calibrates an estimate of time",
            hint="name the board that was measured with --board",
        )
    taken = [m for m in measurements if m.place.board == board.id and not m.place.emulated]
    if not taken:
        raise ConfigError(
            f"{model} was never measured on {board.id}",
            hint=f"run edgeserve bench {model} --device PORT --board {board.id}",
        )
    last = taken[-1]
    if last.subject.table_sha256 != table_sha256:
        raise ConfigError(
            f"{model} was measured on {board.id} as another table than it has now",
            hint="measure it again: the plan, the options or edgeserve changed since",
        )
    scale = _ns_a_count(last.unit, board)
    if per_inference(last) == 0 or sum(estimates) == 0:
        raise ConfigError(f"{model} took no time on {board.id}", hint="measure a larger model")
    return Run(
        model=model,
        table_sha256=table_sha256,
        recorded_at=last.recorded_at,
        measured_ns=per_inference(last) * scale,
        estimated_instructions=sum(estimates),
        step_ns=_of_steps(last, estimates, scale),
    )


def estimate_time(instructions: int, runs: Sequence[Run]) -> TimeEstimate:
    """The time of so many estimated instructions. Two runs of one table count as one, the last.

    ``runs`` must not be empty, and their figures above zero.
    """
    told = tuple({run.table_sha256: run for run in runs}.values())
    factor = _factor(told)
    error, judged = _judge(told, factor)
    return TimeEstimate(instructions * factor, factor, error, judged, told)


def _factor(runs: Sequence[Run]) -> float:
    """The k that minimises the sum of ``(k * instructions / ns - 1)**2``: least squares of relative
    errors, so that a large model weighs no more than a small one.
    """
    ratios = [run.estimated_instructions / run.measured_ns for run in runs]
    return sum(ratios) / sum(ratio * ratio for ratio in ratios)


def _judge(runs: Sequence[Run], factor: float) -> tuple[float | None, Judged]:
    if len(runs) == 1:
        return None, Judged.UNKNOWN
    if len(runs) < _ENOUGH_TO_LEAVE_ONE_OUT:
        return max(_error(run, factor) for run in runs), Judged.RESIDUAL
    others = ([one for one in runs if one is not run] for run in runs)
    errors = (_error(run, _factor(rest)) for run, rest in zip(runs, others, strict=True))
    return max(errors), Judged.LEAVE_ONE_OUT


def _error(run: Run, factor: float) -> float:
    return abs(run.estimated_instructions * factor / run.measured_ns - 1)


def _ns_a_count(unit: Unit, board: Board) -> float:
    """Cycles are time where the port of the board leaves its clock at a rate that the file says."""
    if unit is Unit.NANOSECONDS:
        return 1.0
    if unit is Unit.MICROSECONDS:
        return 1000.0
    ticks_hz = dict(board.constants).get("ticks_hz")
    if unit is Unit.CYCLES and ticks_hz:
        return 1e9 / ticks_hz
    raise ConfigError(
        f"{board.id} was measured in {unit}, which are no time",
        hint="a board file with ticks_hz in [constants] says how many cycles a second has",
    )


def _of_steps(
    measured: Measurement, estimates: Sequence[int], scale: float
) -> tuple[float, float] | None:
    whole = sum(step.count for step in measured.steps)
    rates = [
        step.count * scale / estimates[step.step]
        for step in measured.steps
        if step.count >= _LARGE_STEP * whole
        and step.step < len(estimates)
        and estimates[step.step] > 0
    ]
    return (min(rates), max(rates)) if rates else None

"""An estimate of time in text: always called one, with what it is fitted to and its error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgeserve.calibration import Judged

if TYPE_CHECKING:
    from edgeserve.board import Board
    from edgeserve.calibration import TimeEstimate


def told_time(board: Board, estimate: TimeEstimate) -> Iterator[str]:
    """The estimate, its error, and the runs that it is fitted to."""
    yield (
        f"estimate of time on {board.id}: {_milliseconds(estimate.ns)} an inference, "
        f"{estimate.ns_an_instruction:.3g} ns an instruction; {_error(estimate)}"
    )
    for run in estimate.runs:
        steps = ""
        if run.step_ns is not None:
            steps = f", {run.step_ns[0]:.3g} to {run.step_ns[1]:.3g} ns in its large steps"
        yield (
            f"  by {run.model}: {_milliseconds(run.measured_ns)} measured {run.recorded_at} for "
            f"{run.estimated_instructions:,} estimated instructions{steps}"
        )


def _error(estimate: TimeEstimate) -> str:
    if estimate.error is None:
        return "its error is not known: one measured model cannot say it"
    share = f"{100 * estimate.error:.1f} %"
    if estimate.judged is Judged.LEAVE_ONE_OUT:
        return f"off by {share} at most on {len(estimate.runs)} models, each left out of the fit"
    return f"off by {share} at most on the {len(estimate.runs)} models that it is fitted to"


def _milliseconds(ns: float) -> str:
    return f"{ns / 1e6:,.3f} ms"

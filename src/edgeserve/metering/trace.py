"""Power over time, as an instrument has sampled it, integrated over windows by trapezoids."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from edgeserve.absent import Absent
from edgeserve.metering.meter import GroupWindow, Window

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]

_BLOCKS = 10
_STUDENT = 2.262
"""Of 95 % at nine degrees of freedom: the blocks less one."""

_LONGEST_GAP = 0.1
"""Of a window, without a sample in it."""

DEVICE = "device"
"""What an instrument in the supply's line measures."""


@dataclass(frozen=True, slots=True)
class PowerTrace:
    """Samples in order of time: seconds (float64, never falling) and watts (float64), as many."""

    at_s: Floats
    watts: Floats


def trace_of(at_s: Floats, watts: Floats) -> PowerTrace | Absent:
    """A trace, checked: finite, in order, two samples or more."""
    import numpy as np

    if len(at_s) < 2:
        return Absent("the recording has fewer than two samples")
    if not (np.isfinite(at_s).all() and np.isfinite(watts).all()):
        return Absent("the recording has a value that is no number")
    if (np.diff(at_s) < 0).any():
        return Absent("the recording's time goes back")
    return PowerTrace(at_s, watts)


def energy_j(trace: PowerTrace, begin_s: float, end_s: float) -> float:
    """Joules between two times within the trace, by trapezoids; power is linear between samples."""
    import numpy as np

    inside = (trace.at_s > begin_s) & (trace.at_s < end_s)
    at_s = np.concatenate(([begin_s], trace.at_s[inside], [end_s]))
    edges = np.interp([begin_s, end_s], trace.at_s, trace.watts)
    watts = np.concatenate((edges[:1], trace.watts[inside], edges[1:]))
    return float(np.sum(np.diff(at_s) * (watts[1:] + watts[:-1])) / 2)


def window_of(
    trace: PowerTrace, begin_s: float, end_s: float, slack_s: float, group: str = DEVICE
) -> Window | Absent:
    """What a group took between two times that are known to ``slack_s``.

    Power is averaged over the window less the slack at either end, so that nothing of before or
    after is in it, and taken for the whole window's. The uncertainty is twice the standard error
    (Student's t, 95 %) of the means of ten equal parts. Absent where the trace does not cover the
    window, or has a gap of a tenth of it.
    """
    import numpy as np

    first, last = begin_s + slack_s, end_s - slack_s
    if last - first <= slack_s:
        return Absent(
            f"a window of {end_s - begin_s:.1f} s is too short for {slack_s:g} s of slack"
        )
    if trace.at_s[0] > first or trace.at_s[-1] < last:
        return Absent("the recording does not cover the run: check start= and when it was stopped")
    inside = trace.at_s[(trace.at_s >= first) & (trace.at_s <= last)]
    gap_s = float(np.max(np.diff(np.concatenate(([first], inside, [last])))))
    if gap_s > _LONGEST_GAP * (last - first):
        return Absent(f"the recording has a gap of {gap_s:.2f} s")
    edges = np.linspace(first, last, _BLOCKS + 1)
    means = np.array([energy_j(trace, a, b) / (b - a) for a, b in pairwise(edges)])
    scale = (end_s - begin_s) * 1e6
    error_w = _STUDENT * float(np.std(means, ddof=1)) / _BLOCKS**0.5
    taken = GroupWindow(group, float(np.mean(means)) * scale, error_w * scale)
    return Window(end_s - begin_s, (taken,))

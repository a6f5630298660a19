"""When a phone began to slow down: a change in latency that a second witness confirms.

Latencies become one median a second, and PELT with a least-squares cost finds where their level
changes (R. Killick et al., "Optimal detection of changepoints with a linear computational cost",
2012; the implementation is ruptures'). A level that drifts is cut into pieces by it as well, so a
cut counts only where latency is higher just behind it than just before it, by a stated share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from edgeserve.errors import MissingTool

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SECOND_US = 1_000_000
LEAST_STEP = 0.06
"""The least rise of the median, as a share of it, that is called a step."""

_WINDOW_S = 20
_LEAST_PIECE_S = 5
_PENALTY = 8.0
"""In units of the noise's variance times the logarithm of the trace's length."""

WITNESS_WINDOW_S = 30.0
"""How far from the step in latency the second witness may speak."""


class Witness(StrEnum):
    """What confirms that a step in latency is throttling."""

    STATUS = "thermal status above 0"
    CAP = "frequency cap lowered"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a phone said at a time of the run, in seconds from its start."""

    at_s: float
    status: int | None
    capped: bool | None


@dataclass(frozen=True, slots=True)
class Step:
    """A rise in latency: when, and by which share of the median before."""

    at_s: float
    rise: float


@dataclass(frozen=True, slots=True)
class Throttling:
    """The first step in latency that is confirmed, with what confirmed it."""

    step: Step
    witnesses: tuple[Witness, ...]


def steps_of(at_us: Sequence[int], latency_us: Sequence[int]) -> tuple[Step, ...]:
    """All rises of a run's latencies; ``at_us`` is when each inference ended, never falling.

    Raises MissingTool where ruptures is not installed.
    """
    import numpy as np

    level = _by_second(np.asarray(at_us), np.asarray(latency_us, dtype=float))
    if len(level) < 2 * _LEAST_PIECE_S:
        return ()
    rises = ((cut, _rise(level, cut)) for cut in _cuts(level))
    return tuple(Step(float(cut), rise) for cut, rise in rises if rise >= LEAST_STEP)


def throttling_of(steps: Sequence[Step], seen: Sequence[Observation]) -> Throttling | None:
    """The first step that the phone's own status or caps confirm; None without two witnesses."""
    for step in steps:
        near = [o for o in seen if abs(o.at_s - step.at_s) <= WITNESS_WINDOW_S]
        witnesses = [Witness.STATUS] if any(o.status for o in near) else []
        witnesses += [Witness.CAP] if any(o.capped for o in near) else []
        if witnesses:
            return Throttling(step, tuple(witnesses))
    return None


def _by_second(
    at_us: npt.NDArray[np.int64], latency_us: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The median latency of each second; a second without any has that of the one before."""
    import numpy as np

    second = (at_us - at_us[0]) // SECOND_US
    seen = latency_us[np.lexsort((latency_us, second))]
    edges = np.searchsorted(second, np.arange(int(second[-1]) + 2))
    first, count = edges[:-1], np.diff(edges)
    middle = [seen[first + np.maximum(count - 1 + odd, 0) // 2] for odd in (0, 1)]
    latest = np.maximum.accumulate(np.where(count > 0, np.arange(len(count)), 0))
    level: npt.NDArray[np.float64] = ((middle[0] + middle[1]) / 2)[latest]
    return level


def _cuts(level: npt.NDArray[np.float64]) -> Sequence[int]:
    import numpy as np

    ruptures = _ruptures()
    # Differences of neighbours see the noise alone, whatever the level does.
    noise = 1.4826 * float(np.median(np.abs(np.diff(level)))) / np.sqrt(2)
    variance = max(noise, 1e-3 * float(np.median(level))) ** 2
    search = ruptures.KernelCPD(kernel="linear", min_size=_LEAST_PIECE_S)
    cuts = search.fit(level.reshape(-1, 1)).predict(pen=_PENALTY * variance * np.log(len(level)))
    return [int(cut) for cut in cuts[:-1]]


def _rise(level: npt.NDArray[np.float64], cut: int) -> float:
    import numpy as np

    before = float(np.median(level[max(0, cut - _WINDOW_S) : cut]))
    behind = float(np.median(level[cut : cut + _WINDOW_S]))
    return behind / before - 1


def _ruptures() -> Any:
    try:
        import ruptures
    except ImportError:
        raise MissingTool("ruptures", install="pip install 'edgeserve[phone]'") from None
    return ruptures

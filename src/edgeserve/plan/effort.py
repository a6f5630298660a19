"""What the planner asks of kernels: scratch bytes, rows at once, instructions of a turn.

The instructions are estimates from counts under the emulator (``edgeserve.cost``). They steer the
choice between plans of the same bytes; a figure that is off costs speed, never correctness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from edgeserve.cost.table import costs_of
from edgeserve.program import Step
from edgeserve.rows import rows_at_once

ByStep: TypeAlias = Callable[[Step], int]


@dataclass(frozen=True, slots=True)
class KernelModel:
    """``scratch_bytes`` of a step's turns; ``rows_at_once``: a kernel may still read what its last
    so many output rows need while it writes them; ``instructions`` of a turn of so many rows of a
    step's so many, of its output or, where it accumulates, of its input.
    """

    scratch_bytes: ByStep
    rows_at_once: ByStep
    instructions: Callable[[Step, int, int], int]


def _stated_scratch(step: Step) -> int:
    return step.scratch_bytes


def _one_row(_step: Step) -> int:
    return 1


@cache
def kernels_on(core: str) -> KernelModel:
    """The kernels of a program on a core: what the steps themselves say, and what they cost there.

    Raises ConfigError for a core of which nothing is known.
    """
    return KernelModel(_stated_scratch, rows_at_once, costs_of(core).turn)


REFERENCE = kernels_on("cortex-m7")
"""Where no board is meant."""

NO_SCRATCH = KernelModel(lambda _step: 0, _one_row, REFERENCE.instructions)
"""For comparing methods: activations alone."""

"""``costs.json``: what the work of each kernel takes on each core, and estimates by it.

Counts are executed instructions, and words loaded and stored, as the emulator sees them. They are
not time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edgeserve.cost.features import FEATURES
from edgeserve.cost.work import Turn, Work
from edgeserve.errors import ConfigError
from edgeserve.program import Step
from edgeserve.rewrite import one_row

COSTS_FILE = Path(__file__).with_name("costs.json")
THOUSAND = 1000
"""Coefficients are in thousandths of an instruction or word, errors in thousandths."""

_STAND_INS = {
    "esp32-lx6": "lx106",
    "esp32-lx7": "lx106",
    "host": "cortex-m7",
    "cortex-m0plus": "cortex-m0",
    "cortex-m85": "cortex-m55",
    "rv32imac": "rv32imc",
    "rv32imafc": "rv32imc",
}
"""Cores that no emulator here has, and the measured one that is taken for each."""

_ROUGH: Mapping[str, int] = {"turn": 150, "element": 6, "mac": 2}
"""Instructions of a kernel that was never measured on a core."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients of features, in thousandths, and how far estimates by them are off on shapes
    that the fit has not seen: the median and the worst of ``|estimate / count - 1|``, in
    thousandths.
    """

    coefficients: Mapping[str, int]
    median_error: int
    worst_error: int

    @property
    def errors(self) -> tuple[float, float]:
        """Median and worst, as shares."""
        return self.median_error / THOUSAND, self.worst_error / THOUSAND

    def of(self, work: Work) -> int:
        """The estimate for some work."""
        total = sum(self.coefficients.get(name, 0) * count for name, count in work.items())
        return total // THOUSAND


@dataclass(frozen=True, slots=True)
class KernelCost:
    """A kernel on a core: fitted to ``samples`` counts and judged by ``held_out`` others."""

    samples: int
    held_out: int
    instructions: Fit
    words: Fit


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of a step's turns. ``fit`` is None for a kernel that was never measured: a rough guess, which
    knows no words.
    """

    instructions: int
    words: int
    fit: KernelCost | None


@dataclass(frozen=True)
class Costs:
    """The table of one core. ``core`` was measured; ``stands_for`` is the core that it is taken
    for, the same one but where no emulator has that.
    """

    core: str
    stands_for: str
    compiler: str
    kernels: Mapping[str, KernelCost]

    def knows(self, step: Step) -> bool:
        """Whether the step's kernel was measured."""
        return self._cost(step) is not None

    def turn(self, step: Step, rows: int, units: int) -> int:
        """Estimated instructions of a turn of ``rows`` of a step's ``units`` rows: of its output
        or, where it accumulates, of its input.
        """
        return self._turn(step, rows, units).instructions

    def whole(self, step: Step) -> Estimate:
        """Of a step that computes all its rows at once."""
        return self._turn(step, step.output.h, step.output.h)

    def turns(self, step: Step, rows: tuple[int, ...]) -> Estimate:
        """Of all turns of a step, by the rows of each."""
        units = sum(rows)
        if units == 0:
            return Estimate(0, 0, self._cost(step))
        counts = {n: rows.count(n) for n in sorted(set(rows))}
        seen = [(self._turn(step, n, units), count) for n, count in counts.items()]
        return Estimate(
            sum(one.instructions * count for one, count in seen),
            sum(one.words * count for one, count in seen),
            self._cost(step),
        )

    def _cost(self, step: Step) -> KernelCost | None:
        return self.kernels.get(type(step.params).SOURCE)

    def _turn(self, step: Step, rows: int, units: int) -> Estimate:
        along = one_row(step) if rows == units else None
        if along is not None:
            step, rows, units = along, 1, 1
        cost = self._cost(step)
        if cost is None:
            return Estimate(_rough(step, rows, units), 0, None)
        work = FEATURES[type(step.params)](Turn(step, rows, units))
        return Estimate(cost.instructions.of(work), cost.words.of(work), cost)


def _rough(step: Step, rows: int, units: int) -> int:
    elements = max(operand.h * operand.w * operand.c for operand in (*step.inputs[:1], step.output))
    work = elements * _ROUGH["element"] + step.macs * _ROUGH["mac"]
    return _ROUGH["turn"] + work * rows // units


@cache
def costs_of(core: str) -> Costs:
    """The table of a core, or of the one that stands for it. Raises ConfigError for others."""
    measured = _STAND_INS.get(core, core)
    cores = json.loads(COSTS_FILE.read_text(encoding="utf-8"))["cores"]
    if measured not in cores:
        raise ConfigError(
            f"no costs of kernels are known for core {core!r}",
            hint=f"known: {', '.join(sorted({*cores, *_STAND_INS}))}",
        )
    entry = cores[measured]
    return Costs(
        core=measured,
        stands_for=core,
        compiler=entry["compiler"],
        kernels={name: _kernel(kernel) for name, kernel in entry["kernels"].items()},
    )


def _kernel(entry: Mapping[str, Any]) -> KernelCost:
    return KernelCost(
        samples=entry["samples"],
        held_out=entry["held_out"],
        instructions=Fit(**entry["instructions"]),
        words=Fit(**entry["words"]),
    )

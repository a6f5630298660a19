"""ADD and SUB by a table of the second input: what the kernel asks for, and the table.

The generic kernel scales the second input by a multiplication that rounds twice. It has 256 values:
they lie in the table, with the first input's offset, all doubled so that a multiplication that
keeps the upper half rounds where the reference does. Ties go away from zero by the sign of the sum:
where it is not that of the rounded product, the product is 0, and no tie.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgeserve.kernels.portable import AddParams
from edgeserve.kernels.record import Blob
from edgeserve.kernels.tuned import AddByTableParams
from edgeserve.program import Operand, Program, Step

LEFT_SHIFT = 20
"""Inputs are scaled up by so many bits before they meet, as the reference does it."""
LEAST_ELEMENTS = 1024
"""Below, the table is more flash than its speed is worth."""
_INT32 = 1 << 31


def addition_by_table(_program: Program, step: Step) -> Step | None:
    """The step with a table; None for another operator, shapes that are broadcast, few elements,
    and for what leaves a range.
    """
    p, output = step.params, step.output
    if not isinstance(p, AddParams) or any(_view(o) != _view(output) for o in step.inputs):
        return None
    exponent = -p.output_shift
    if output.h * output.w * output.c < LEAST_ELEMENTS or exponent < 1:
        return None
    if p.factor_1 != 1 << LEFT_SHIFT - 1:
        return None
    table = doubled(p)
    addend = (p.output_zero_point << exponent) + (1 << exponent - 1)
    # Half of the greatest magnitude of a sum: what a multiplier below one leaves of twice a sum.
    most = 128 * (1 << LEFT_SHIFT) + int(np.abs(table).max())
    if most >= _INT32 or most + abs(addend) >= _INT32:
        return None
    params = AddByTableParams(
        multiplier=p.output_multiplier,
        addend=addend,
        exponent=exponent,
        act_min=p.act_min,
        act_max=p.act_max,
        table=Blob(table.astype("<i4").tobytes(), f"scaled values for {step.label}"),
    )
    return replace(step, params=params)


def doubled(p: AddParams) -> npt.NDArray[np.int64]:
    """By the bits of an int8: twice ``factor_2`` times its scaled value, plus ``offset_1``."""
    values = [bits - 256 if bits >= 128 else bits for bits in range(256)]
    scaled = [
        _scaled((value + p.offset_2) << LEFT_SHIFT, p.multiplier_2, -p.shift_2) for value in values
    ]
    return 2 * (p.factor_2 * np.array(scaled, np.int64) + p.offset_1)


def _scaled(value: int, multiplier: int, right: int) -> int:
    """``value * multiplier / 2**(31 + right)``, rounded twice: up, then ties away from zero."""
    high = value * multiplier + (1 << 30) >> 31
    nudge = (1 << right >> 1) - (1 if high < 0 and right > 0 else 0)
    return high + nudge >> right


def _view(operand: Operand) -> tuple[int, int, int]:
    return operand.h, operand.w, operand.c

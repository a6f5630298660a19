"""Look-up steps that the step before can do on the way, so that they need not be steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from edgeserve.graph import DType
from edgeserve.kernels.portable import (
    AddParams,
    AveragePoolParams,
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    LookUpParams,
    MaxPoolParams,
    MulParams,
    TransposeConvParams,
)
from edgeserve.kernels.record import Params
from edgeserve.program import Folded, Program, Role, Step, without_dead_values

CLAMPING = (
    AddParams,
    AveragePoolParams,
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    MaxPoolParams,
    MulParams,
    TransposeConvParams,
)
"""Kernels that end with a clamp to [act_min, act_max]."""

Absorb: TypeAlias = Callable[[Step, LookUpParams], Params | None]
"""The parameters with which a step writes what a look-up step behind it would; None: it cannot."""


def absorbed(program: Program, absorb: Absorb, why: str) -> Program:
    """The program without the look-up steps that the step before can do.

    A step is only asked about the sole reader of an activation that is no output of the model.
    ``why`` says what became of the tensors between. The same program where nothing changes.
    """
    reads = Counter(operand.value for step in program.steps for operand in step.inputs)
    kept = {port.value for port in program.outputs}
    steps: list[Step] = []
    moved: list[int] = []
    folded: list[Folded] = []
    writer_of: dict[int, int] = {}
    for step in program.steps:
        source = step.inputs[0].value if step.inputs else -1
        position = writer_of.get(source, -1)
        both = None
        if position >= 0 and reads[source] == 1 and source not in kept:
            both = _both(program, steps[position], step, absorb)
        if both is None:
            position = len(steps)
            steps.append(replace(step, index=position))
        else:
            before, steps[position] = steps[position], both
            if before.oracle is not None:
                folded.append(Folded(before.oracle.tensor, before.label, position, why))
        moved.append(position)
        writer_of[step.output.value] = position
    if len(steps) == len(program.steps):
        return program
    earlier = (replace(f, step=None if f.step is None else moved[f.step]) for f in program.folded)
    return without_dead_values(replace(program, steps=tuple(steps), folded=(*earlier, *folded)))


def _both(program: Program, before: Step, step: Step, absorb: Absorb) -> Step | None:
    """The step before, writing what the look-up step would."""
    if not isinstance(step.params, LookUpParams):
        return None
    if program.values[before.output.value].role is not Role.ACTIVATION:
        return None
    if isinstance(before.params, CLAMPING) and not _is_int8(program, before, step):
        return None
    params = absorb(before, step.params)
    if params is None:
        return None
    return replace(
        before,
        label=step.label,
        params=params,
        output=replace(before.output, value=step.output.value),
        oracle=step.oracle,
    )


def _is_int8(program: Program, *steps: Step) -> bool:
    return all(program.values[step.output.value].dtype is DType.INT8 for step in steps)


def clamped(params: Params, table: LookUpParams, low: int, high: int) -> Params | None:
    """Parameters whose clamp does what the table makes of int8 elements from ``low`` to ``high``.

    The step writes no others with ``params``. None where the table is no clamp on them.
    """
    if not isinstance(params, CLAMPING):
        return None
    elements = memoryview(table.table.data).cast("b")
    least, most = elements[low & 0xFF], elements[high & 0xFF]
    if any(elements[x & 0xFF] != min(max(x, least), most) for x in range(low, high + 1)):
        return None
    act_min, act_max = (min(max(x, least), most) for x in (params.act_min, params.act_max))
    return replace(params, act_min=act_min, act_max=act_max)

"""Other views of the same bytes, so that more steps can run row by row.

No byte changes its place or its value: a step may look at the same elements as other rows and
columns as long as it computes the same of them.
"""

from __future__ import annotations

from dataclasses import replace

from edgeserve.kernels import (
    AddParams,
    AveragePoolParams,
    ConcatenationParams,
    Conv2dParams,
    DepthwiseParams,
    ExtremumParams,
    LookUpParams,
    MaxPoolParams,
    MulParams,
    Params,
    PreluParams,
    ResizeBilinearParams,
    ResizeNearestParams,
    TransposeConvParams,
)
from edgeserve.program import Operand, Program, Role, Step

_ELEMENTWISE = (AddParams, ExtremumParams, LookUpParams, MulParams, PreluParams)


def columns_as_rows(program: Program) -> Program:
    """Signals of a single row, (1, w, c), seen as w rows of one column where a step allows it.

    The same program where there is nothing to turn. Weights keep their bytes: a kernel of one row
    has the same order as one of one column.
    """
    steps = tuple(map(_turned, program.steps))
    return program if steps == program.steps else replace(program, steps=steps)


def _turned(step: Step) -> Step:
    operands = (*step.inputs, step.output)
    if any(operand.h != 1 for operand in operands) or step.output.w == 1:
        return step
    params = _turned_params(step.params)
    if params is None:
        return step
    inputs = tuple(map(_turned_operand, step.inputs))
    return replace(step, params=params, inputs=inputs, output=_turned_operand(step.output))


def _turned_operand(operand: Operand) -> Operand:
    return replace(operand, h=operand.w, w=operand.h)


def _turned_params(params: Params) -> Params | None:
    """The record with rows and columns exchanged; None where it has no such twin."""
    match params:
        case Conv2dParams() | DepthwiseParams() as p if p.kernel_h == 1 and p.pad_top == 0:
            return replace(
                p,
                kernel_h=p.kernel_w,
                kernel_w=p.kernel_h,
                stride_h=p.stride_w,
                stride_w=p.stride_h,
                dilation_h=p.dilation_w,
                dilation_w=p.dilation_h,
                pad_top=p.pad_left,
                pad_left=p.pad_top,
            )
        case AveragePoolParams() | MaxPoolParams() | TransposeConvParams() as p if (
            p.kernel_h == 1 and p.pad_top == 0
        ):
            return replace(
                p,
                kernel_h=p.kernel_w,
                kernel_w=p.kernel_h,
                stride_h=p.stride_w,
                stride_w=p.stride_h,
                pad_top=p.pad_left,
                pad_left=p.pad_top,
            )
        case ResizeNearestParams() | ResizeBilinearParams() as p:
            return replace(p, rows=p.columns, columns=p.rows)
        case ConcatenationParams() | AddParams() | ExtremumParams() | LookUpParams() as p:
            return p
        case MulParams() | PreluParams() as p:
            return p
        case _:
            return None


def rows_of_makers(program: Program) -> Program:
    """Elementwise steps look at the rows in which their first input was made.

    Without this a RELU behind a RESHAPE would need its whole input. Steps with an input that is
    broadcast keep their views. The same program where there is nothing to change.
    """
    made: dict[int, Operand] = {}
    steps = []
    for step in program.steps:
        seen = _like_maker(program, step, made)
        made[seen.output.value] = seen.output
        steps.append(seen)
    changed = tuple(steps)
    return program if changed == program.steps else replace(program, steps=changed)


def _like_maker(program: Program, step: Step, made: dict[int, Operand]) -> Step:
    output = step.output
    if not isinstance(step.params, _ELEMENTWISE):
        return step
    if any((o.h, o.w, o.c) != (output.h, output.w, output.c) for o in step.inputs):
        return step
    moving = [o.value for o in step.inputs if program.values[o.value].role is Role.ACTIVATION]
    view = next((made[value] for value in moving if value in made), output)
    return replace(
        step,
        inputs=tuple(replace(o, h=view.h, w=view.w, c=view.c) for o in step.inputs),
        output=replace(output, h=view.h, w=view.w, c=view.c),
    )

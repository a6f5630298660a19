"""Other views of the same bytes, so that more steps can run row by row.

No byte changes its place or its value: a step may look at the same elements as other rows and
columns as long as it computes the same of them.
"""

from __future__ import annotations

from dataclasses import replace

from edgeserve.kernels.portable import (
    AddParams,
    AveragePoolParams,
    ConcatenationParams,
    Conv2dParams,
    DepthwiseParams,
    DequantizeParams,
    ExtremumParams,
    LookUpParams,
    MaxPoolParams,
    MulParams,
    PreluParams,
    QuantizeParams,
    ResizeBilinearParams,
    ResizeNearestParams,
    SoftmaxParams,
    TransposeConvParams,
)
from edgeserve.kernels.record import Params
from edgeserve.program import Operand, Program, Role, Step
from edgeserve.rows import Accumulate, Reach, SameRow, Whole, reaches
from edgeserve.stream_plan import Place, StreamPlan

_WINDOWS = (
    AveragePoolParams,
    Conv2dParams,
    DepthwiseParams,
    MaxPoolParams,
    TransposeConvParams,
)
_ELEMENTWISE = (AddParams, ExtremumParams, LookUpParams, MulParams, PreluParams)
_BY_ELEMENT = (*_ELEMENTWISE, DequantizeParams, QuantizeParams)
_FASTER_IN_ONE_ROW = (Conv2dParams, DepthwiseParams, *_ELEMENTWISE)


def in_rows(program: Program) -> Program:
    """The program seen so that as many of its steps as possible can run row by row."""
    return rows_of_makers(columns_as_rows(program))


def columns_as_rows(program: Program) -> Program:
    """Signals of a single row, (1, w, c), seen as w rows of one column where a step allows it.

    The same program where there is nothing to turn. Weights keep their bytes: a kernel of one row
    has the same order as one of one column.
    """
    steps = tuple(map(_as_column, program.steps))
    return program if steps == program.steps else replace(program, steps=steps)


def _as_column(step: Step) -> Step:
    p = step.params
    if step.output.w == 1 or any(operand.h != 1 for operand in (*step.inputs, step.output)):
        return step
    if isinstance(p, _WINDOWS) and (p.kernel_h, p.pad_top) != (1, 0):
        return step
    return _exchanged(step) or step


def one_row(step: Step) -> Step | None:
    """A step on rows of one column as it computes faster when it computes all at once: along a row.

    None where it has no such twin, or would not be faster. Rows are set out one by one, and what
    neighbours in a row share is set out once. In one row a step that is not elementwise may need
    all of its input until all of its output is written.
    """
    p = step.params
    if not isinstance(p, _FASTER_IN_ONE_ROW) or step.scratch_bytes or step.output.h == 1:
        return None
    if any(operand.w != 1 for operand in (*step.inputs, step.output)):
        return None
    if isinstance(p, _WINDOWS) and (p.kernel_w, p.pad_left) != (1, 0):
        return None
    return _exchanged(step)


def along_rows(program: Program) -> Program:
    """The program with every step along a row that may be."""
    steps = tuple(one_row(step) or step for step in program.steps)
    return program if steps == program.steps else replace(program, steps=steps)


def as_planned(program: Program, plan: StreamPlan, along: Program | None = None) -> Program:
    """The program with each step that computes alone and at once in the faster view.

    ``along`` has these, by default those of ``along_rows``: a kernel that is made for a core is
    chosen anew for the other view. The plan stays as it is: in the arena no byte changes its place.
    A step whose output lies over rows that it still reads keeps them, and so does one that would
    need more scratch.
    """
    along = along or along_rows(program)
    alone = {index for group in plan.groups if group.rows_per_turn is None for index in group.steps}
    steps = tuple(
        twin if step.index in alone and _fits(program, plan, twin) else step
        for step, twin in zip(program.steps, along.steps, strict=True)
    )
    return program if steps == program.steps else replace(program, steps=steps)


def _fits(program: Program, plan: StreamPlan, twin: Step) -> bool:
    scratch = plan.scratch[twin.index]
    if twin.scratch_bytes > (scratch.size_bytes if scratch else 0):
        return False
    target = plan.places[twin.output.value]
    assert target is not None
    sources = [
        (plan.places[o.value], r) for o, r in zip(twin.inputs, reaches(program, twin), strict=True)
    ]
    return all(source is None or _is_clear(source, target, reach) for source, reach in sources)


def _is_clear(source: Place, target: Place, reach: Reach) -> bool:
    """Whether a single row of the target can be written without spoiling what is still read."""
    distance = source.offset_bytes - target.offset_bytes
    if isinstance(reach, SameRow) and reach.lag_bytes is not None and distance >= reach.lag_bytes:
        return True
    return distance >= target.size_bytes or -distance >= source.size_bytes


def _exchanged(step: Step) -> Step | None:
    """The step with rows and columns exchanged; None where its kernel has no such twin."""
    params = _exchanged_params(step.params)
    if params is None:
        return None
    inputs = tuple(map(_exchanged_operand, step.inputs))
    return replace(step, params=params, inputs=inputs, output=_exchanged_operand(step.output))


def _exchanged_operand(operand: Operand) -> Operand:
    return replace(operand, h=operand.w, w=operand.h)


def _exchanged_params(params: Params) -> Params | None:
    match params:
        case Conv2dParams() | DepthwiseParams() as p:
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
        case AveragePoolParams() | MaxPoolParams() | TransposeConvParams() as p:
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
        case ConcatenationParams() | SoftmaxParams():
            return params
        case p if isinstance(p, _BY_ELEMENT):
            return p
        case _:
            return None


def rows_of_makers(program: Program) -> Program:
    """Elementwise steps look at the rows in which their first input was made.

    Without this a RELU behind a RESHAPE would need its whole input. What no step makes, an input of
    the model, is seen in the rows in which the result is read. Steps with an input that is
    broadcast keep their views. The same program where there is nothing to change.
    """
    read = _rows_of_readers(program)
    made: dict[int, Operand] = {}
    steps = []
    for step in program.steps:
        seen = _like_maker(program, step, made, read)
        made[seen.output.value] = seen.output
        steps.append(seen)
    changed = tuple(steps)
    return program if changed == program.steps else replace(program, steps=changed)


def _rows_of_readers(program: Program) -> dict[int, Operand]:
    """How the first reader of each value sees it; elementwise ones as their own readers do.

    A reader that takes any rows, into sums or as a whole, has no say.
    """
    read: dict[int, Operand] = {}
    for step in reversed(program.steps):
        for operand, reach in zip(step.inputs, reaches(program, step), strict=True):
            if isinstance(reach, Accumulate | Whole):
                continue
            view = read.get(step.output.value, operand) if _by_element(step) else operand
            read[operand.value] = view
    return read


def _by_element(step: Step) -> bool:
    """Whether each output element is made of the input elements at its place."""
    shape = step.output.h, step.output.w, step.output.c
    return isinstance(step.params, _BY_ELEMENT) and all(
        (o.h, o.w, o.c) == shape for o in step.inputs
    )


def _like_maker(
    program: Program, step: Step, made: dict[int, Operand], read: dict[int, Operand]
) -> Step:
    if not _by_element(step):
        return step
    moving = [o.value for o in step.inputs if program.values[o.value].role is Role.ACTIVATION]
    view = next((made[value] for value in moving if value in made), None)
    if view is None:
        view = read.get(step.output.value, step.output)
    return replace(
        step,
        inputs=tuple(_seen_as(operand, view) for operand in step.inputs),
        output=_seen_as(step.output, view),
    )


def _seen_as(operand: Operand, view: Operand) -> Operand:
    return replace(operand, h=view.h, w=view.w, c=view.c)

"""How each step reads the rows of its inputs while it writes the rows of its output.

A step writes rows top to bottom. Which input rows an output row needs decides how a chain of steps
can run row by row, and where an output may be written over input rows that nothing needs any more.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from edgeserve.kernels.floats import (
    BinaryFloatParams,
    Conv2dFloatParams,
    DepthwiseFloatParams,
    FullyConnectedFloatParams,
    MeanFloatParams,
    PoolFloatParams,
    SoftmaxFloatParams,
    UnaryFloatParams,
)
from edgeserve.kernels.portable import (
    AddParams,
    ArgMaxParams,
    AveragePoolParams,
    ConcatenationParams,
    Conv2dParams,
    CopyParams,
    DepthwiseParams,
    DequantizeParams,
    ExtremumParams,
    FullyConnectedParams,
    GatherParams,
    LookUpParams,
    LstmParams,
    MaxPoolParams,
    MulParams,
    PadParams,
    PreluParams,
    QuantizeParams,
    ReduceParams,
    ReducePixelsParams,
    ResizeBilinearParams,
    ResizeNearestParams,
    SoftmaxParams,
    SvdfParams,
    TransposeConvParams,
)
from edgeserve.kernels.sixteen import (
    Add16Params,
    AveragePool16Params,
    Conv2d16Params,
    Depthwise16Params,
    Dequantize16Params,
    FullyConnected16Params,
    MaxPool16Params,
    Mean16Params,
    Mul16Params,
    Quantize16Params,
    Rescale16Params,
    Sigmoid16Params,
    Softmax16Params,
)
from edgeserve.kernels.tuned import (
    WINOGRAD_ROWS,
    AddByTableParams,
    ConvLanesParams,
    ConvPairsParams,
    ConvVectorsParams,
    ConvWinogradParams,
    DepthwiseColumnsParams,
    DepthwisePairsParams,
    DepthwiseVectorsParams,
    FullyConnectedBlocksParams,
    FullyConnectedPairsParams,
    FullyConnectedWideParams,
)
from edgeserve.program import Operand, Program, Role, Step

ACCUMULATOR_BYTES = 4
"""Of one int32 sum."""
COLUMN_ROWS = 3
"""Of the window that a depthwise convolution by columns has."""


@dataclass(frozen=True, slots=True)
class Window:
    """Output row r reads ``reach`` input rows from ``r * stride - pad`` on, where they exist."""

    stride: int
    pad: int
    reach: int


@dataclass(frozen=True, slots=True)
class RowMap:
    """Output row r reads the input rows ``[first[r], end[r])``; none where both are equal."""

    first: tuple[int, ...]
    end: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SameRow:
    """Output row r reads input row r alone.

    ``lag_bytes`` is set where the row's bytes are read in order, each before the output byte
    ``lag_bytes`` further on in its row is written: then the output may lie over the input. None
    where a row is written while any byte of its input row may still be needed.
    """

    lag_bytes: int | None


@dataclass(frozen=True, slots=True)
class Accumulate:
    """The step can take the input in any number of runs, first byte to last, into sums of
    ``accumulator_bytes``, and writes its output, a single row, behind the last. Each run is a
    multiple of ``run_bytes``.
    """

    accumulator_bytes: int
    run_bytes: int = 1

    def takes(self, h: int, row_bytes: int) -> bool:
        """Whether the sums can grow with rows of that length: with one alone they need not."""
        return h > 1 and row_bytes % self.run_bytes == 0


@dataclass(frozen=True, slots=True)
class Whole:
    """Every output row may read all of the input."""


Reach: TypeAlias = Window | RowMap | SameRow | Accumulate | Whole

_WHOLE = Whole()


def reaches(program: Program, step: Step) -> tuple[Reach, ...]:
    """One reach an input of the step, in terms of the rows of the step's own operands.

    Constants and state are ``Whole``: they lie still. Raises TypeError on parameters of no kernel.
    """
    found = _by_kernel(program, step)
    return tuple(
        reach if program.values[operand.value].role is Role.ACTIVATION else _WHOLE
        for reach, operand in zip(found, step.inputs, strict=True)
    )


def rows_at_once(step: Step) -> int:
    """Output rows of a turn that the kernel may compute before it writes the first of them."""
    match step.params:
        case DepthwisePairsParams() | DepthwiseVectorsParams() as p:
            return p.rows_at_once
        case ConvWinogradParams():
            return WINOGRAD_ROWS
        case _:
            return 1


def rows_read(reach: Reach, row: int, in_h: int) -> tuple[int, int]:
    """The half-open range of input rows, within ``[0, in_h)``, that output row ``row`` reads."""
    match reach:
        case Window(stride, pad, span):
            first = row * stride - pad
            return _clamped(first, first + span, in_h)
        case RowMap(first_rows, end_rows):
            return _clamped(first_rows[row], end_rows[row], in_h)
        case SameRow():
            return row, row + 1
        case Accumulate() | Whole():
            return 0, in_h
    assert_never(reach)


def needed_rows(reach: Reach, out_h: int, in_h: int) -> tuple[int, ...]:
    """For n in [0, out_h]: how many input rows, from the top, the first n output rows need."""
    needed = [0]
    for row in range(out_h):
        first, end = rows_read(reach, row, in_h)
        needed.append(max(needed[-1], end) if end > first else needed[-1])
    return tuple(needed)


def freed_rows(reach: Reach, out_h: int, in_h: int) -> tuple[int, ...]:
    """For n in [0, out_h]: how many input rows, from the top, no output row from n on reads."""
    freed = [in_h]
    for row in reversed(range(out_h)):
        first, end = rows_read(reach, row, in_h)
        freed.append(min(freed[-1], first) if end > first else freed[-1])
    return tuple(reversed(freed))


def _clamped(first: int, end: int, in_h: int) -> tuple[int, int]:
    first = min(max(first, 0), in_h)
    return first, max(first, min(end, in_h))


def _by_kernel(program: Program, step: Step) -> tuple[Reach, ...]:
    match step.params:
        case (
            Conv2dParams()
            | ConvPairsParams()
            | ConvVectorsParams()
            | DepthwiseParams()
            | DepthwisePairsParams()
            | DepthwiseVectorsParams()
        ) as p:
            reach = (p.kernel_h - 1) * p.dilation_h + 1
            return (Window(p.stride_h, p.pad_top, reach),)
        case ConvLanesParams() as p:
            return (Window(p.stride_h, p.pad_top, (p.kernel_h - 1) * p.dilation_h + 1),)
        case DepthwiseColumnsParams() as p:
            return (Window(p.stride_h, p.pad_top, COLUMN_ROWS),)
        case ConvWinogradParams() as p:
            return (Window(1, p.pad_top, 3),)
        case (
            Conv2d16Params() | Depthwise16Params() | Conv2dFloatParams() | DepthwiseFloatParams()
        ) as p:
            return (Window(p.stride_h, p.pad_top, (p.kernel_h - 1) * p.dilation_h + 1),)
        case MaxPool16Params() | AveragePool16Params() | PoolFloatParams() as p:
            return (Window(p.stride_h, p.pad_top, p.kernel_h),)
        case Mean16Params() | MeanFloatParams():
            return (_WHOLE,)
        case (
            FullyConnected16Params()
            | Softmax16Params()
            | FullyConnectedFloatParams()
            | SoftmaxFloatParams()
        ):
            return (_same_rows(step, step.inputs[0]),)
        case Quantize16Params() | Dequantize16Params() | Rescale16Params() | Sigmoid16Params():
            return (_resized(program, step),)
        case Add16Params() | Mul16Params() | BinaryFloatParams():
            return tuple(_elementwise(operand, step.output) for operand in step.inputs)
        case AveragePoolParams() as p:
            return (_average_pool(p, step),)
        case MaxPoolParams() as p:
            return (Window(p.stride_h, p.pad_top, p.kernel_h),)
        case TransposeConvParams() as p:
            return (_transpose_conv(p, step.inputs[0], step.output),)
        case (
            FullyConnectedParams()
            | FullyConnectedPairsParams()
            | FullyConnectedBlocksParams()
            | FullyConnectedWideParams()
        ):
            return (_sums(step) if step.output.h == 1 else SameRow(None),)
        case ReducePixelsParams():
            return (_sums(step, run_bytes=step.output.c),)
        case ReduceParams():
            return (_WHOLE,)
        case SoftmaxParams() | ArgMaxParams() | QuantizeParams() | DequantizeParams():
            return (_same_rows(step, step.inputs[0]),)
        case LookUpParams() | UnaryFloatParams():
            return (SameRow(0),)
        case AddParams() | AddByTableParams() | MulParams() | ExtremumParams() | PreluParams():
            return tuple(_elementwise(operand, step.output) for operand in step.inputs)
        case ConcatenationParams():
            return _concatenation(step, program.values[step.output.value].dtype.size_bytes)
        case CopyParams() as p:
            return (_copy(p, step.output),)
        case PadParams() as p:
            return (_pad(p, step),)
        case GatherParams():
            return (_same_rows(step, step.inputs[0]), _WHOLE)
        case ResizeNearestParams() as p:
            rows = [row for (row,) in struct.iter_unpack("<H", p.rows.data)]
            return (RowMap(tuple(rows), tuple(row + 1 for row in rows)),)
        case ResizeBilinearParams() as p:
            places = list(struct.iter_unpack("<HHi", p.rows.data))
            first = tuple(min(low, high) for low, high, _ in places)
            return (RowMap(first, tuple(max(low, high) + 1 for low, high, _ in places)),)
        case SvdfParams() | LstmParams():
            return (_same_rows(step, step.inputs[0]), *[_WHOLE] * (len(step.inputs) - 1))
        case _:
            raise TypeError(f"no row rule for {type(step.params).__name__}")


def _same_rows(step: Step, operand: Operand) -> Reach:
    return SameRow(None) if operand.h == step.output.h else _WHOLE


def _resized(program: Program, step: Step) -> Reach:
    """In place where an element stays as long as it is."""
    before, after = (program.values[o.value].dtype for o in (step.inputs[0], step.output))
    return SameRow(0 if before.size_bytes == after.size_bytes else None)


def _sums(step: Step, run_bytes: int = 1) -> Accumulate:
    return Accumulate(ACCUMULATOR_BYTES * step.output.w * step.output.c, run_bytes)


def _average_pool(p: AveragePoolParams, step: Step) -> Reach:
    """A window that is the whole image can be summed up."""
    source = step.inputs[0]
    if (
        (step.output.h, step.output.w) == (1, 1)
        and (p.pad_top, p.pad_left) == (0, 0)
        and (p.kernel_h >= source.h and p.kernel_w >= source.w)
    ):
        return _sums(step)
    return Window(p.stride_h, p.pad_top, p.kernel_h)


def _transpose_conv(p: TransposeConvParams, source: Operand, output: Operand) -> RowMap:
    """Input row i reaches the output rows ``[i * stride - pad, i * stride - pad + kernel)``."""
    first, end = [], []
    for row in range(output.h):
        at = row + p.pad_top
        low = max(0, -(-(at - p.kernel_h + 1) // p.stride_h))
        high = min(source.h, at // p.stride_h + 1)
        first.append(min(low, source.h))
        end.append(max(high, min(low, source.h)))
    return RowMap(tuple(first), tuple(end))


def _elementwise(operand: Operand, output: Operand) -> Reach:
    if operand.h != output.h:
        return _WHOLE
    broadcast = (operand.w, operand.c) != (output.w, output.c)
    return SameRow(None if broadcast else 0)


def _concatenation(step: Step, element_bytes: int) -> tuple[Reach, ...]:
    """With a single pixel a row, each input's row is moved as it stands, one after the other."""
    found: list[Reach] = []
    before = 0
    for operand in step.inputs:
        found.append(SameRow(before if step.output.w == step.output.h == 1 else None))
        before += operand.c * element_bytes
    return tuple(found)


def _copy(p: CopyParams, output: Operand) -> RowMap:
    rows = [p.first_row + row * p.row_step for row in range(output.h)]
    return RowMap(tuple(rows), tuple(row + 1 for row in rows))


def _pad(p: PadParams, step: Step) -> Reach:
    if p.inner[0] != step.inputs[0].h:
        return _WHOLE
    first, end = [], []
    for row in range(step.output.h):
        at = min(max(row - p.before[0], 0), p.inner[0])
        first.append(at)
        inside = p.before[0] <= row < p.before[0] + p.inner[0]
        end.append(at + 1 if inside else at)
    return RowMap(tuple(first), tuple(end))

"""Operators that leave out dimensions: MEAN, SUM, REDUCE_MAX, ARG_MAX.

Formulas: QuantizedMeanOrSum of tensorflow/lite/kernels/internal/reference/reduce.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from edgeserve.graph import DType, Op, OpKind, ReduceOptions, Tensor
from edgeserve.kernels.portable import (
    ArgMaxParams,
    ReduceMode,
    ReduceParams,
    ReducePixelsParams,
)
from edgeserve.lower.box import Box, dense_strides
from edgeserve.lower.builder import MAX_EXTENT, REQUANTIZE_HINT, Builder, same_quant
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.requant import Requant, requant

_DIMS = 3

_MODES = {
    OpKind.MEAN: ReduceMode.SUM,
    OpKind.SUM: ReduceMode.SUM_UNSIGNED,
    OpKind.REDUCE_MAX: ReduceMode.MAX,
}
"""The reference runs SUM's uint8 code on int8 too, with the zero points of the int8 tensors."""


def mean_requant(factor: Requant, count: int) -> Requant:
    """The factor divided by ``count``: exact in 64 bits, then cut off, as in QuantizedMeanOrSum."""
    shift = min(count.bit_length() - 1, 32, 31 + factor.shift)
    return Requant((factor.multiplier << shift) // count, factor.shift - shift)


def _reduce(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need_dtype(op, source, DType.INT8)
    b.need_dtype(op, output, DType.INT8)
    kept, reduced = boxes(b, op, source, output)
    count = prod(reduced.dims)
    in_quant, out_quant = b.quant(op, source), b.quant(op, output)
    mode = _MODES[op.kind]
    if mode is ReduceMode.MAX:
        b.need(
            op,
            same_quant(source, output),
            "its input is quantized unlike its output",
            hint=REQUANTIZE_HINT,
        )
    scale = requant(in_quant.scale / out_quant.scale)
    if op.kind is OpKind.MEAN:
        scale = mean_requant(scale, count)
    if op.kind is OpKind.SUM:
        b.note(
            f"SUM writing {output.name!r}: LiteRT's reference takes the int8 elements for uint8, "
            "and so does this step; a MEAN with the output's scale adapted does not"
        )
    params = ReduceParams(
        mode=mode,
        kept_dims=kept.dims,
        kept_strides=kept.strides,
        reduced_dims=reduced.dims,
        reduced_strides=reduced.strides,
        start=(-in_quant.zero_point * count + 2**31) % 2**32 - 2**31,
        multiplier=scale.multiplier,
        shift=scale.shift,
        output_zero_point=out_quant.zero_point,
    )
    rows = kept.dims[0]
    view = (rows, 1, output.elements // rows)
    by_channel = _is_by_channel(kept, reduced)
    b.step(
        op,
        _over_pixels(params) if by_channel else params,
        [b.operand(source, 1, 1, source.elements)],
        output,
        view,
    )


def _over_pixels(p: ReduceParams) -> ReducePixelsParams:
    """The same reduction without boxes; a maximum is a number as it is."""
    is_max, is_unsigned = p.mode == ReduceMode.MAX, p.mode == ReduceMode.SUM_UNSIGNED
    return ReducePixelsParams(
        mode=p.mode,
        start=-128 if is_max else p.start,
        multiplier=p.multiplier,
        shift=p.shift,
        output_zero_point=0 if is_max else p.output_zero_point,
        low=0 if is_unsigned else -128,
        high=255 if is_unsigned else 127,
    )


def _is_by_channel(kept: Box, reduced: Box) -> bool:
    """Whether all but the innermost dimension is reduced."""
    return (
        kept.dims[:2] == reduced.dims[:2] == (1, 1)
        and (kept.dims[2] == 1 or kept.strides[2] == 1)
        and (reduced.dims[2] == 1 or reduced.strides[2] == kept.dims[2])
    )


def boxes(b: Builder, op: Op, source: Tensor, output: Tensor) -> tuple[Box, Box]:
    """The kept and the reduced dimensions, each merged to three."""
    assert isinstance(op.options, ReduceOptions)
    given = b.integers(op, 1, "axes")
    rank = len(source.shape)
    b.need(
        op,
        all(-rank <= axis < rank for axis in given),
        f"axes {list(given)[:8]} are not among {rank} dimensions",
    )
    axes = {axis % rank for axis in given}
    kept_shape = tuple(
        1 if axis in axes else extent
        for axis, extent in enumerate(source.shape)
        if op.options.keep_dims or axis not in axes
    )
    b.need(
        op,
        kept_shape == output.shape,
        f"its output has shape {list(output.shape)}, its input asks for {list(kept_shape)}",
    )
    strides = dense_strides(source.shape)
    kept = _three(b, op, source.shape, strides, [a for a in range(rank) if a not in axes])
    reduced = _three(b, op, source.shape, strides, sorted(axes))
    b.need(op, kept.dims[0] <= MAX_EXTENT, f"it keeps {kept.dims[0]} rows")
    return kept, reduced


def _three(
    b: Builder, op: Op, shape: Sequence[int], strides: Sequence[int], axes: Sequence[int]
) -> Box:
    box = Box(tuple(shape[a] for a in axes), tuple(strides[a] for a in axes)).merged()
    fill = _DIMS - len(box.dims)
    b.need(op, fill >= 0, f"it reduces {list(shape)} in more than {_DIMS} separate groups")
    return Box((*[1] * fill, *box.dims), (*[0] * fill, *box.strides))


def _arg_max(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need_dtype(op, source, DType.INT8)
    b.need_dtype(op, output, DType.INT32, DType.INT64)
    given = b.integers(op, 1, "axis")
    rank = len(source.shape)
    b.need(
        op,
        len(given) == 1 and -rank <= given[0] < rank,
        f"axis {list(given)[:8]} is not one of {rank} dimensions",
    )
    axis = given[0] % rank
    before, after = source.shape[:axis], source.shape[axis + 1 :]
    b.need(
        op,
        (*before, *after) == output.shape,
        f"its output has shape {list(output.shape)}, not {[*before, *after]}",
    )
    rows, inner = prod(before), prod(after)
    b.need(op, rows <= MAX_EXTENT, f"it looks at {rows} rows")
    params = ArgMaxParams(axis=source.shape[axis], inner=inner)
    operand = b.operand(source, rows, 1, source.shape[axis] * inner)
    b.step(op, params, [operand], output, (rows, 1, inner))


LOWERINGS: Lowerings = {
    OpKind.MEAN: _reduce,
    OpKind.SUM: _reduce,
    OpKind.REDUCE_MAX: _reduce,
    OpKind.ARG_MAX: _arg_max,
}

"""Operators that are strided copies: output element i is input element start + i·strides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgeserve.graph import (
    AxisOptions,
    BlockOptions,
    Op,
    OpKind,
    SplitOptions,
    StridedSliceOptions,
    Tensor,
)
from edgeserve.kernels.portable import CopyParams
from edgeserve.lower.box import BOX_DIMS, Box, dense_strides
from edgeserve.lower.builder import MAX_EXTENT, STATIC_HINT, Builder
from edgeserve.lower.lowering import Lowerings
from edgeserve.program import Operand


def emit_copy(b: Builder, op: Op, source: Tensor, output: Tensor, box: Box) -> None:
    """``output`` is the box of elements of ``source``: an alias, a constant, or a step."""
    b.need_dtype(op, output, source.dtype)
    least, most = box.reach()
    b.need(
        op,
        box.elements == output.elements and least >= 0 and most < source.elements,
        f"it takes {list(box.dims)} elements of {list(source.shape)} for {list(output.shape)}",
    )
    if box.is_whole(source.elements):
        b.alias(output, source, op, f"{op.kind.value} keeps the bytes of {source.name}")
    elif source.data is not None:
        b.fold_constant(op, output, _picked(source, box), "known before the model runs")
    else:
        params, operand = copy_step(b, op, source, box, by_rows=_has_rows(output, box))
        b.step(op, params, [operand], output, rows_view(output, params.dims[0]))


def copy_step(
    b: Builder, op: Op, source: Tensor, box: Box, *, by_rows: bool
) -> tuple[CopyParams, Operand]:
    """The record and the input of a COPY; ``dims[0]`` of the record are the output's rows.

    ``by_rows``: the second dimension of the box becomes the rows. A box of too many dimensions
    gives its first one.
    """
    inner, rows, row_stride = box.merged(), 1, 0
    if by_rows:
        rows, row_stride = box.dims[1], box.strides[1]
        inner = Box(box.dims[2:], box.strides[2:], box.start).merged()
    elif len(inner.dims) >= BOX_DIMS and inner.dims[0] <= MAX_EXTENT:
        rows, row_stride = inner.dims[0], inner.strides[0]
        inner = Box(inner.dims[1:], inner.strides[1:], box.start)
    b.need(
        op,
        len(inner.dims) < BOX_DIMS,
        f"it moves elements along {len(inner.dims) + (rows > 1)} dimensions",
        hint="split the operator into simpler ones",
    )
    operand, first_row, row_step = _source_rows(b, source, inner, rows, row_stride)
    row = operand.w * operand.c
    fill = BOX_DIMS - 1 - len(inner.dims)
    params = CopyParams(
        first_row=first_row,
        row_step=row_step,
        start=inner.start - first_row * row,
        dims=(rows, *[1] * fill, *inner.dims),
        strides=(row_stride - row_step * row, *[0] * fill, *inner.strides),
    )
    return params, operand


def _source_rows(
    b: Builder, source: Tensor, inner: Box, rows: int, row_stride: int
) -> tuple[Operand, int, int]:
    """The input, its first row and row step where output rows read one each; else as one row."""
    shape = source.shape
    if rows > 1 and len(shape) == 4 and shape[0] == 1 and max(shape[1:3]) <= MAX_EXTENT:
        row = shape[2] * shape[3]
        least, most = inner.reach()
        if row_stride % row == 0 and row_stride != 0 and least // row == most // row:
            operand = b.operand(source, shape[1], shape[2], shape[3])
            return operand, least // row, row_stride // row
    return b.operand(source, 1, 1, source.elements), 0, 0


def _has_rows(output: Tensor, box: Box) -> bool:
    """Whether the second dimension of the box are rows of [1, h, w, c], or equal groups of them."""
    shape = output.shape
    return (
        len(shape) == 4
        and shape[0] == box.dims[0] == 1
        and len(box.dims) > 2
        and shape[1] % box.dims[1] == 0
        and box.dims[1] <= MAX_EXTENT
    )


def rows_view(output: Tensor, rows: int) -> tuple[int, int, int]:
    """(h, w, c) of a tensor as a step sees it that goes through it in ``rows`` rows."""
    shape = output.shape
    if len(shape) == 4 and shape[:2] == (1, rows) and shape[2] <= MAX_EXTENT:
        return rows, shape[2], shape[3]
    return rows, 1, output.elements // rows


def _picked(source: Tensor, box: Box) -> bytes:
    size = source.dtype.size_bytes
    flat = np.frombuffer(source.data or b"", np.dtype(f"V{size}"))
    strides = tuple(stride * size for stride in box.strides)
    return np.lib.stride_tricks.as_strided(flat[box.start :], box.dims, strides).tobytes()


def _transpose(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    order = b.integers(op, 1, "permutation")
    rank = len(source.shape)
    axes = tuple(axis + rank if axis < 0 else axis for axis in order)
    b.need(op, sorted(axes) == list(range(rank)), f"{list(order)} does not permute {rank} axes")
    strides = dense_strides(source.shape)
    dims = tuple(source.shape[axis] for axis in axes)
    b.need_shape(op, output, dims)
    emit_copy(b, op, source, output, Box(dims, tuple(strides[axis] for axis in axes)))


def _slice(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    begin, size = b.integers(op, 1, "begin"), b.integers(op, 2, "size")
    rank = len(source.shape)
    b.need(op, len(begin) == len(size) == rank, f"begin and size do not have {rank} numbers")
    shape = source.shape
    sizes = tuple(
        extent - at if count == -1 else count
        for extent, at, count in zip(shape, begin, size, strict=True)
    )
    b.need(
        op,
        all(
            at >= 0 and 0 < n <= extent - at
            for extent, at, n in zip(shape, begin, sizes, strict=True)
        ),
        f"begin {list(begin)}, size {list(size)} leave {list(shape)}",
    )
    b.need_shape(op, output, sizes)
    emit_copy(b, op, source, output, _sub_box(shape, begin, sizes))


def _sub_box(shape: Sequence[int], begin: Sequence[int], sizes: Sequence[int]) -> Box:
    strides = dense_strides(shape)
    start = sum(at * stride for at, stride in zip(begin, strides, strict=True))
    return Box(tuple(sizes), strides, start)


@dataclass(frozen=True, slots=True)
class _Range:
    """``count`` indices from ``first`` on by ``step``; ``drops``: the dimension disappears."""

    first: int
    count: int
    step: int
    drops: bool = False


def _strided_slice(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    lists = [b.integers(op, 1, "begin"), b.integers(op, 2, "end"), b.integers(op, 3, "strides")]
    lengths = {len(numbers) for numbers in lists}
    b.need(op, len(lengths) == 1 and max(lengths) <= 31, "begin, end and strides differ in length")
    dims: list[int] = []
    strides: list[int] = []
    start = 0
    source_strides = dense_strides(source.shape)
    for axis, taken in _ranges(b, op, source.shape, lists):
        stride = 0 if axis is None else source_strides[axis]
        start += taken.first * stride
        if not taken.drops:
            dims.append(taken.count)
            strides.append(taken.step * stride)
    b.need_shape(op, output, dims)
    emit_copy(b, op, source, output, Box(tuple(dims), tuple(strides), start))


def _ranges(
    b: Builder, op: Op, shape: Sequence[int], lists: Sequence[Sequence[int]]
) -> Iterator[tuple[int | None, _Range]]:
    """For each dimension of the spec: the source's axis (None for a new one) and what it takes."""
    assert isinstance(op.options, StridedSliceOptions)
    masks = op.options
    begin, end, strides = lists
    positions = range(len(begin))
    ellipses = [i for i in positions if masks.ellipsis_mask >> i & 1]
    added = [i for i in positions if masks.new_axis_mask >> i & 1 and i not in ellipses]
    hidden = len(shape) + len(added) + len(ellipses) - len(begin)
    b.need(op, len(ellipses) == 0 or (len(ellipses) == 1 and hidden > 0), "its ellipsis is empty")
    axis = 0
    for i in positions:
        if i in ellipses:
            for _ in range(hidden):
                yield axis, _Range(0, shape[axis], 1)
                axis += 1
        elif i in added:
            yield None, _Range(0, 1, 1)
        else:
            b.need(op, axis < len(shape), f"it indexes more than {len(shape)} dimensions")
            last = end[i] + begin[i] if masks.offset else end[i]
            yield axis, _taken(b, op, i, shape[axis], begin[i], last, strides[i])
            axis += 1
    for rest in range(axis, len(shape)):
        yield rest, _Range(0, shape[rest], 1)


def _taken(b: Builder, op: Op, i: int, extent: int, begin: int, end: int, stride: int) -> _Range:
    """What position ``i`` of the spec takes of a dimension (StartForAxis, EndForAxis)."""
    assert isinstance(op.options, StridedSliceOptions)
    b.need(op, stride != 0, "a stride is 0")
    first = begin + extent if begin < 0 else begin
    if op.options.shrink_axis_mask >> i & 1:
        b.need(
            op,
            0 <= first < extent and stride > 0 and not op.options.begin_mask >> i & 1,
            f"it takes index {begin} of {extent}",
        )
        return _Range(first, 1, 1, drops=True)
    low, high = (0, extent) if stride > 0 else (-1, extent - 1)
    first = min(max(first, low), high)
    if op.options.begin_mask >> i & 1:
        first = 0 if stride > 0 else extent - 1
    last = min(max(end + extent if end < 0 else end, low), high)
    if op.options.end_mask >> i & 1:
        last = extent if stride > 0 else -1
    count = len(range(first, last, stride))
    b.need(op, count > 0, f"it takes nothing of dimension {i}", hint=STATIC_HINT)
    return _Range(first, count, stride)


def _split(b: Builder, op: Op) -> None:
    assert isinstance(op.options, SplitOptions)
    source = b.tensor(op.inputs[1])
    axis = b.axis(op, b.integers(op, 0, "axis"), len(source.shape))
    extent, count = source.shape[axis], op.options.count
    b.need(op, extent % count == 0, f"{extent} does not split into {count} equal parts")
    _emit_parts(b, op, source, axis, [extent // count] * count)


def _split_v(b: Builder, op: Op) -> None:
    source = b.tensor(op.inputs[0])
    sizes = list(b.integers(op, 1, "sizes"))
    axis = b.axis(op, b.integers(op, 2, "axis"), len(source.shape))
    extent = source.shape[axis]
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = extent - (sum(sizes) + 1)
    b.need(
        op,
        len(sizes) == len(op.outputs) and min(sizes) > 0 and sum(sizes) == extent,
        f"{extent} does not split into {sizes[:8]} for {len(op.outputs)} outputs",
    )
    _emit_parts(b, op, source, axis, sizes)


def _emit_parts(b: Builder, op: Op, source: Tensor, axis: int, sizes: Sequence[int]) -> None:
    begin = [0] * len(source.shape)
    for position, size in enumerate(sizes):
        shape = (*source.shape[:axis], size, *source.shape[axis + 1 :])
        output = b.output(op, position)
        b.need_shape(op, output, shape)
        emit_copy(b, op, source, output, _sub_box(source.shape, begin, shape))
        begin[axis] += size


def _unpack(b: Builder, op: Op) -> None:
    assert isinstance(op.options, AxisOptions)
    source = b.tensor(op.inputs[0])
    axis = b.axis(op, (op.options.axis,), len(source.shape))
    b.need(
        op,
        source.shape[axis] == len(op.outputs),
        f"it unpacks {source.shape[axis]} into {len(op.outputs)} outputs",
    )
    shape = (*source.shape[:axis], *source.shape[axis + 1 :])
    strides = dense_strides(source.shape)
    kept = (*strides[:axis], *strides[axis + 1 :])
    for position in range(len(op.outputs)):
        output = b.output(op, position)
        b.need_shape(op, output, shape)
        emit_copy(b, op, source, output, Box(shape, kept, position * strides[axis]))


def _space_to_depth(b: Builder, op: Op) -> None:
    assert isinstance(op.options, BlockOptions)
    source, output, block = b.tensor(op.inputs[0]), b.output(op), op.options.block_size
    n, h, w, c = _nhwc(b, op, source)
    b.need(op, h % block == 0 and w % block == 0, f"{h} x {w} has no blocks of {block}")
    b.need_shape(op, output, (n, h // block, w // block, c * block * block))
    dims = (n, h // block, w // block, block, block, c)
    strides = (h * w * c, block * w * c, block * c, w * c, c, 1)
    emit_copy(b, op, source, output, Box(dims, strides))


def _depth_to_space(b: Builder, op: Op) -> None:
    assert isinstance(op.options, BlockOptions)
    source, output, block = b.tensor(op.inputs[0]), b.output(op), op.options.block_size
    n, h, w, c = _nhwc(b, op, source)
    b.need(op, c % (block * block) == 0, f"{c} channels have no blocks of {block}")
    inner = c // (block * block)
    b.need_shape(op, output, (n, h * block, w * block, inner))
    dims = (n, h, block, w, block, inner)
    strides = (h * w * c, w * c, block * inner, c, inner, 1)
    emit_copy(b, op, source, output, Box(dims, strides))


def _nhwc(b: Builder, op: Op, tensor: Tensor) -> tuple[int, int, int, int]:
    b.need(
        op, len(tensor.shape) == 4, f"its input has shape {list(tensor.shape)}, not [n, h, w, c]"
    )
    n, h, w, c = tensor.shape
    return n, h, w, c


LOWERINGS: Lowerings = {
    OpKind.TRANSPOSE: _transpose,
    OpKind.SLICE: _slice,
    OpKind.STRIDED_SLICE: _strided_slice,
    OpKind.SPLIT: _split,
    OpKind.SPLIT_V: _split_v,
    OpKind.UNPACK: _unpack,
    OpKind.SPACE_TO_DEPTH: _space_to_depth,
    OpKind.DEPTH_TO_SPACE: _depth_to_space,
}

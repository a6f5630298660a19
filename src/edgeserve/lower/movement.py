"""Operators that move elements without computing on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from edgeserve.graph import (
    Activation,
    AxisOptions,
    BlockOptions,
    DType,
    Op,
    OpKind,
    SplitOptions,
    StridedSliceOptions,
    Tensor,
)
from edgeserve.kernels import ConcatenationParams, CopyParams, GatherParams, PadParams
from edgeserve.lower.box import Box, dense_strides
from edgeserve.lower.builder import MAX_EXTENT, REQUANTIZE_HINT, Builder
from edgeserve.lower.lowering import Lowerings
from edgeserve.program import Operand

_DIMS = 6
"""Of a box in the records of COPY and PAD; the first are the rows of the output."""

_STATIC_HINT = "make the sizes of the model fixed before converting"


# Strided copies.


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
        b.step(op, params, [operand], output, _view(output, params.dims[0]))


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
    elif len(inner.dims) >= _DIMS and inner.dims[0] <= MAX_EXTENT:
        rows, row_stride = inner.dims[0], inner.strides[0]
        inner = Box(inner.dims[1:], inner.strides[1:], box.start)
    b.need(
        op,
        len(inner.dims) < _DIMS,
        f"it moves elements along {len(inner.dims) + (rows > 1)} dimensions",
        hint="split the operator into simpler ones",
    )
    operand, first_row, row_step = _source_rows(b, source, inner, rows, row_stride)
    row = operand.w * operand.c
    fill = _DIMS - 1 - len(inner.dims)
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


def _view(output: Tensor, rows: int) -> tuple[int, int, int]:
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
    _need_shape(b, op, output, dims)
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
    _need_shape(b, op, output, sizes)
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
    _need_shape(b, op, output, dims)
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
    b.need(op, count > 0, f"it takes nothing of dimension {i}", hint=_STATIC_HINT)
    return _Range(first, count, stride)


def _split(b: Builder, op: Op) -> None:
    assert isinstance(op.options, SplitOptions)
    source = b.tensor(op.inputs[1])
    axis = _axis(b, op, b.integers(op, 0, "axis"), len(source.shape))
    extent, count = source.shape[axis], op.options.count
    b.need(op, extent % count == 0, f"{extent} does not split into {count} equal parts")
    _emit_parts(b, op, source, axis, [extent // count] * count)


def _split_v(b: Builder, op: Op) -> None:
    source = b.tensor(op.inputs[0])
    sizes = list(b.integers(op, 1, "sizes"))
    axis = _axis(b, op, b.integers(op, 2, "axis"), len(source.shape))
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
        _need_shape(b, op, output, shape)
        emit_copy(b, op, source, output, _sub_box(source.shape, begin, shape))
        begin[axis] += size


def _unpack(b: Builder, op: Op) -> None:
    assert isinstance(op.options, AxisOptions)
    source = b.tensor(op.inputs[0])
    axis = _axis(b, op, (op.options.axis,), len(source.shape))
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
        _need_shape(b, op, output, shape)
        emit_copy(b, op, source, output, Box(shape, kept, position * strides[axis]))


def _space_to_depth(b: Builder, op: Op) -> None:
    assert isinstance(op.options, BlockOptions)
    source, output, block = b.tensor(op.inputs[0]), b.output(op), op.options.block_size
    n, h, w, c = _nhwc(b, op, source)
    b.need(op, h % block == 0 and w % block == 0, f"{h} x {w} has no blocks of {block}")
    _need_shape(b, op, output, (n, h // block, w // block, c * block * block))
    dims = (n, h // block, w // block, block, block, c)
    strides = (h * w * c, block * w * c, block * c, w * c, c, 1)
    emit_copy(b, op, source, output, Box(dims, strides))


def _depth_to_space(b: Builder, op: Op) -> None:
    assert isinstance(op.options, BlockOptions)
    source, output, block = b.tensor(op.inputs[0]), b.output(op), op.options.block_size
    n, h, w, c = _nhwc(b, op, source)
    b.need(op, c % (block * block) == 0, f"{c} channels have no blocks of {block}")
    inner = c // (block * block)
    _need_shape(b, op, output, (n, h * block, w * block, inner))
    dims = (n, h, block, w, block, inner)
    strides = (h * w * c, w * c, block * inner, c, inner, 1)
    emit_copy(b, op, source, output, Box(dims, strides))


# Joining.


def _concatenation(b: Builder, op: Op) -> None:
    assert isinstance(op.options, AxisOptions)
    output = b.output(op)
    sources = [b.tensor(index) for index in op.inputs]
    axis = _axis(b, op, (op.options.axis,), len(output.shape))
    b.need(
        op,
        op.options.activation is Activation.NONE,
        "it has an activation fused into it",
        hint="put the activation behind the operator in the source model",
    )
    for source in sources:
        b.need(
            op,
            len(source.shape) == len(output.shape)
            and source.shape[:axis] == output.shape[:axis]
            and source.shape[axis + 1 :] == output.shape[axis + 1 :],
            f"{list(source.shape)} is no part of {list(output.shape)} along axis {axis}",
        )
    total = sum(source.shape[axis] for source in sources)
    b.need(op, total == output.shape[axis], f"its parts have {total} along axis {axis}")
    _join(b, op, sources, axis)


def _pack(b: Builder, op: Op) -> None:
    assert isinstance(op.options, AxisOptions)
    output = b.output(op)
    sources = [b.tensor(index) for index in op.inputs]
    axis = _axis(b, op, (op.options.axis,), len(output.shape))
    part = (*output.shape[:axis], *output.shape[axis + 1 :])
    b.need(
        op,
        output.shape[axis] == len(sources) and all(source.shape == part for source in sources),
        f"its inputs do not stack to {list(output.shape)} along axis {axis}",
    )
    _join(b, op, sources, axis)


def _join(b: Builder, op: Op, sources: Sequence[Tensor], axis: int) -> None:
    """One row after the other; LiteRT wants equal int8 quantization, so that bytes can be moved."""
    output = b.output(op)
    for source in sources:
        b.need_dtype(op, source, output.dtype)
        b.need(
            op,
            output.dtype not in (DType.INT8, DType.UINT8) or same_quant(source, output),
            f"input {source.name!r} is quantized unlike the output",
            hint=REQUANTIZE_HINT,
        )
    if len(sources) == 1:
        b.alias(output, sources[0], op, f"{op.kind.value} of one tensor")
        return
    h, w = _pixels(b, op, output.shape, axis)
    operands = [b.operand(source, h, w, source.elements // (h * w)) for source in sources]
    view = (h, w, output.elements // (h * w))
    b.step(op, ConcatenationParams(), operands, output, view)


def _pixels(b: Builder, op: Op, shape: Sequence[int], axis: int) -> tuple[int, int]:
    """(h, w) whose product is the number of runs before ``axis``; an image keeps its rows."""
    splits = [axis, *range(axis - 1, -1, -1)]
    if len(shape) == 4 and shape[0] == 1 and axis >= 2:
        splits.insert(0, 2)
    for split in splits:
        h, w = prod(shape[:split]), prod(shape[split:axis])
        if max(h, w) <= MAX_EXTENT:
            return h, w
    runs = prod(shape[:axis])
    h = next(h for h in range(MAX_EXTENT, 0, -1) if runs % h == 0)
    if runs // h <= MAX_EXTENT:
        return h, runs // h
    raise b.unsupported(op, f"it joins {list(shape)} in too many runs")


# Padding.


def _pad(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need_dtype(op, source, DType.INT8, DType.INT32, DType.FLOAT32)
    b.need_dtype(op, output, source.dtype)
    numbers = b.integers(op, 1, "paddings")
    rank = len(source.shape)
    b.need(op, len(numbers) == 2 * rank, f"its paddings are not pairs for {rank} dimensions")
    before, after = numbers[::2], numbers[1::2]
    b.need(op, min(numbers, default=0) >= 0, "a padding is negative")
    _need_shape(
        b,
        op,
        output,
        [e + first + last for e, first, last in zip(source.shape, before, after, strict=True)],
    )
    if source.shape == output.shape:
        b.alias(output, source, op, "it pads by nothing")
        return
    value = _pad_value(b, op, source, output)
    by_rows = rank == 4 and output.shape[0] == 1 and max(output.shape[1:3]) <= MAX_EXTENT
    rows = (output.shape[1], before[1], source.shape[1]) if by_rows else (1, 0, 1)
    first = 2 if by_rows else 0
    boxes = _pad_boxes(output.shape[first:], before[first:], source.shape[first:])
    b.need(op, len(boxes) < _DIMS, f"it pads {len(boxes)} dimensions")
    boxes = [rows, *[(1, 0, 1)] * (_DIMS - 1 - len(boxes)), *boxes]
    params = PadParams(
        value=value,
        dims=tuple(box[0] for box in boxes),
        before=tuple(box[1] for box in boxes),
        inner=tuple(box[2] for box in boxes),
    )
    b.step(op, params, [b.operand(source, *_view(source, rows[2]))], output, _view(output, rows[0]))


def _pad_boxes(
    dims: Sequence[int], before: Sequence[int], inner: Sequence[int]
) -> list[tuple[int, int, int]]:
    """(extent, before, inner) by dimension; one that is not padded joins the one before it."""
    boxes: list[tuple[int, int, int]] = []
    for extent, first, inside in zip(dims, before, inner, strict=True):
        if boxes and extent == inside:
            boxes[-1] = (boxes[-1][0] * extent, boxes[-1][1] * extent, boxes[-1][2] * extent)
        else:
            boxes.append((extent, first, inside))
    return boxes


def _pad_value(b: Builder, op: Op, source: Tensor, output: Tensor) -> int:
    """The bits of the value that surrounds the input: the zero point, or PADV2's constant."""
    given = b.input(op, 2)
    if output.dtype is DType.INT8:
        b.need(
            op,
            same_quant(source, output),
            "its input is quantized unlike its output",
            hint=REQUANTIZE_HINT,
        )
    if given is None:
        return b.quant(op, output).zero_point & 0xFF if output.dtype is DType.INT8 else 0
    b.need_dtype(op, given, output.dtype)
    b.need(
        op,
        given.elements == 1 and (output.dtype is not DType.INT8 or same_quant(given, output)),
        f"its value {given.name!r} is not one element quantized like the output",
    )
    return int.from_bytes(b.constant(op, given, "padding value").tobytes(), "little")


# Gathering.


def _gather(b: Builder, op: Op) -> None:
    assert isinstance(op.options, AxisOptions)
    source, indices, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    b.need_dtype(op, output, source.dtype)
    b.need(
        op,
        indices.dtype is DType.INT32,
        f"its indices {indices.name!r} are {indices.dtype}, the kernel takes int32",
        hint="cast the indices to int32 in the source model",
    )
    b.need(op, op.options.batch_dims == 0, "it has batch dimensions")
    axis = _axis(b, op, (op.options.axis,), len(source.shape))
    extent = source.shape[axis]
    _need_shape(b, op, output, (*source.shape[:axis], *indices.shape, *source.shape[axis + 1 :]))
    if indices.data is not None:
        values = b.constant(op, indices, "indices").astype(np.int64)
        inside = int(values.min()) >= 0 and int(values.max()) < extent
        b.need(op, inside, f"an index is outside {extent}")
    rows, inner = prod(source.shape[:axis]), prod(source.shape[axis + 1 :])
    b.need(op, rows <= MAX_EXTENT, f"it gathers in {rows} runs")
    params = GatherParams(
        axis=extent, inner_bytes=inner * source.dtype.size_bytes, indices=indices.elements
    )
    operands = [
        b.operand(source, rows, 1, extent * inner),
        b.operand(indices, 1, 1, indices.elements),
    ]
    b.step(op, params, operands, output, (rows, 1, indices.elements * inner))


# Questions that they share.


def _axis(b: Builder, op: Op, given: Sequence[int], rank: int) -> int:
    b.need(
        op,
        len(given) == 1 and -rank <= given[0] < rank,
        f"axis {list(given)[:8]} is not one of {rank} dimensions",
    )
    return given[0] % rank


def same_quant(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors mean the same by the same bytes."""
    if a.quant is None or b.quant is None:
        return a.quant is b.quant
    return a.quant.scales == b.quant.scales and a.quant.zero_points == b.quant.zero_points


def _nhwc(b: Builder, op: Op, tensor: Tensor) -> tuple[int, int, int, int]:
    b.need(
        op, len(tensor.shape) == 4, f"its input has shape {list(tensor.shape)}, not [n, h, w, c]"
    )
    n, h, w, c = tensor.shape
    return n, h, w, c


def _need_shape(b: Builder, op: Op, output: Tensor, wanted: Sequence[int]) -> None:
    b.need(
        op,
        tuple(wanted) == output.shape,
        f"its output {output.name!r} has shape {list(output.shape)}, its inputs ask for "
        f"{list(wanted)}",
        hint=_STATIC_HINT,
    )


LOWERINGS: Lowerings = {
    OpKind.TRANSPOSE: _transpose,
    OpKind.SLICE: _slice,
    OpKind.STRIDED_SLICE: _strided_slice,
    OpKind.SPLIT: _split,
    OpKind.SPLIT_V: _split_v,
    OpKind.UNPACK: _unpack,
    OpKind.SPACE_TO_DEPTH: _space_to_depth,
    OpKind.DEPTH_TO_SPACE: _depth_to_space,
    OpKind.CONCATENATION: _concatenation,
    OpKind.PACK: _pack,
    OpKind.PAD: _pad,
    OpKind.PADV2: _pad,
    OpKind.GATHER: _gather,
}

"""Operators that move, join and cut values, in MIL."""

from __future__ import annotations

from typing import Any

from edgeserve.convert.coreml.values import Building
from edgeserve.graph import AxisOptions, BlockOptions, Op, OpKind, StridedSliceOptions


def reshaped(b: Building, op: Op) -> Any:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the file says what comes out."""
    return b.mb.reshape(x=b.value(op, 0), shape=list(b.output(op).shape))


def transposed(b: Building, op: Op) -> Any:
    """TRANSPOSE."""
    return b.mb.transpose(x=b.value(op, 0), perm=list(b.integers(op, 1)))


def padded(b: Building, op: Op) -> Any:
    """PAD, PADV2."""
    filler = float(b.constant(op, 2).reshape(())) if op.kind is OpKind.PADV2 else 0.0
    around = list(b.integers(op, 1))
    return b.mb.pad(x=b.value(op, 0), pad=around, mode="constant", constant_val=filler)


def concatenated(b: Building, op: Op) -> Any:
    """CONCATENATION."""
    options = op.options
    assert isinstance(options, AxisOptions)
    values = [b.value(op, slot) for slot in range(len(op.inputs))]
    made = b.mb.concat(values=values, axis=options.axis)
    return b.activated(op, made, options.activation)


def packed(b: Building, op: Op) -> Any:
    """PACK."""
    options = op.options
    assert isinstance(options, AxisOptions)
    values = [b.value(op, slot) for slot in range(len(op.inputs))]
    return b.mb.stack(values=values, axis=options.axis)


def unpacked(b: Building, op: Op) -> tuple[Any, ...]:
    """UNPACK."""
    options = op.options
    assert isinstance(options, AxisOptions)
    parts = b.mb.split(x=b.value(op, 0), num_splits=len(op.outputs), axis=options.axis)
    parts = parts if isinstance(parts, tuple | list) else (parts,)
    return tuple(b.mb.squeeze(x=part, axes=[options.axis]) for part in parts)


def split(b: Building, op: Op) -> tuple[Any, ...]:
    """SPLIT (axis, value), SPLIT_V (value, sizes, axis)."""
    by_sizes = op.kind is OpKind.SPLIT_V
    (axis,) = b.integers(op, 2 if by_sizes else 0)
    rank = len(b.output(op).shape)
    sizes = [b.graph.tensors[index].shape[axis % rank] for index in op.outputs]
    value = b.value(op, 0 if by_sizes else 1)
    if len(sizes) == 1:
        return (value,)
    return tuple(b.mb.split(x=value, split_sizes=sizes, axis=axis % rank))


def cut(b: Building, op: Op) -> Any:
    """SLICE: begins and sizes; -1 is what is left."""
    whole, begins = b.tensor(op, 0).shape, b.integers(op, 1)
    sizes = b.output(op).shape
    ends = [begin + size for begin, size in zip(begins, sizes, strict=True)]
    return b.mb.slice_by_index(
        x=b.value(op, 0), begin=list(begins), end=ends, stride=[1] * len(whole)
    )


def cut_by_strides(b: Building, op: Op) -> Any:
    """STRIDED_SLICE by forward strides."""
    options, shape = op.options, b.tensor(op, 0).shape
    assert isinstance(options, StridedSliceOptions)
    begins, ends, strides = (b.integers(op, slot) for slot in (1, 2, 3))
    if options.ellipsis_mask or options.new_axis_mask or options.offset or min(strides) < 1:
        raise b.refused(op, "it has an ellipsis, a new axis, an offset or goes backwards")
    first, last, squeezed = [], [], []
    for axis, extent in enumerate(shape):
        bit = 1 << axis
        if axis >= len(begins):
            begin, end = 0, extent
        else:
            begin = 0 if options.begin_mask & bit else _inside(begins[axis], extent)
            end = extent if options.end_mask & bit else _inside(ends[axis], extent)
        squeezed.append(bool(options.shrink_axis_mask & bit))
        first.append(begin)
        last.append(begin + 1 if squeezed[-1] else end)
    steps = [*strides, *[1] * (len(shape) - len(strides))]
    made = b.mb.slice_by_index(x=b.value(op, 0), begin=first, end=last, stride=steps)
    if any(squeezed):
        made = b.mb.reshape(x=made, shape=list(b.output(op).shape))
    return made


def _inside(index: int, extent: int) -> int:
    return min(max(index + extent if index < 0 else index, 0), extent)


def depth_to_space(b: Building, op: Op) -> Any:
    """DEPTH_TO_SPACE of one image, in reshapes, whose order of elements is beyond doubt."""
    assert isinstance(op.options, BlockOptions)
    block = op.options.block_size
    _, height, width, _ = b.tensor(op, 0).shape
    channels = b.output(op).shape[3]
    apart = b.mb.reshape(x=b.value(op, 0), shape=[height, width, block, block, channels])
    woven = b.mb.transpose(x=apart, perm=[0, 2, 1, 3, 4])
    return b.mb.reshape(x=woven, shape=list(b.output(op).shape))


def space_to_depth(b: Building, op: Op) -> Any:
    """SPACE_TO_DEPTH of one image, likewise."""
    assert isinstance(op.options, BlockOptions)
    block = op.options.block_size
    _, height, width, channels = b.tensor(op, 0).shape
    rows = [height // block, block, width // block, block, channels]
    apart = b.mb.reshape(x=b.value(op, 0), shape=rows)
    woven = b.mb.transpose(x=apart, perm=[0, 2, 1, 3, 4])
    return b.mb.reshape(x=woven, shape=list(b.output(op).shape))

"""Bounds of every value of a program, for all inputs, by the device's own arithmetic.

Each kernel has a rule that follows its arithmetic channel by channel, or none: then its output may
be all that its type holds. Bounds are always sound; where the channels that a step reads do not
depend on each other they are reached, too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from edgeserve.kernels.portable import (
    AddParams,
    AveragePoolParams,
    ConcatenationParams,
    Conv2dParams,
    CopyParams,
    DepthwiseParams,
    ExtremumMode,
    ExtremumParams,
    FullyConnectedParams,
    LookUpParams,
    MaxPoolParams,
    MulParams,
    PadParams,
    PreluParams,
    ReduceMode,
    ReduceParams,
    ReducePixelsParams,
    ResizeBilinearParams,
    ResizeNearestParams,
    TransposeConvParams,
)
from edgeserve.narrow.bounds import (
    MOST_CHANNELS,
    RANGE,
    Bounds,
    Ints,
    exactly,
    extremes,
    whole,
)
from edgeserve.narrow.fixed import requantized, requantized_once, written
from edgeserve.narrow.windows import (
    conv_sums,
    dense_sums,
    depthwise_sums,
    places,
    transpose_conv_sums,
)
from edgeserve.program import Program, Role, Step, Value
from edgeserve.weights import channel_rows

BoundsOfValues = tuple[Bounds | None, ...]
"""By index; None for types of more than a byte."""

_BETWEEN_ONE = 1024
"""Of the fractions of RESIZE_BILINEAR."""


def propagate(program: Program) -> BoundsOfValues:
    """The bounds of each value: of inputs and state all of their type, of constants themselves."""
    found: list[Bounds | None] = [_given(value) for value in program.values]
    for step in program.steps:
        value = program.values[step.output.value]
        if value.role is not Role.ACTIVATION or value.dtype not in RANGE:
            continue
        sources = [found[operand.value] for operand in step.inputs]
        known = [source for source in sources if source is not None]
        made = None
        if len(known) == len(sources) and _can_be_followed(program, step):
            made = _by_kernel(program, step, known)
        if made is not None:
            low, high = RANGE[value.dtype]
            assert low <= made.low.min() <= made.high.max() <= high, step.label
            found[value.index] = made
    return tuple(found)


def _can_be_followed(program: Program, step: Step) -> bool:
    """Whether a host can hold bounds of all channels, or elements where a rule wants those."""
    counts = [operand.c for operand in (*step.inputs, step.output)]
    if isinstance(step.params, CopyParams | PadParams | ReduceParams | ReducePixelsParams):
        counts += [program.values[o.value].elements for o in (*step.inputs, step.output)]
    return max(counts) <= MOST_CHANNELS


def _given(value: Value) -> Bounds | None:
    if value.role is Role.CONSTANT and value.dtype in RANGE:
        assert value.data is not None
        return exactly(np.frombuffer(value.data, np.dtype(value.dtype.value)))
    return whole(value.dtype)


def _by_kernel(program: Program, step: Step, sources: Sequence[Bounds]) -> Bounds | None:
    """Bounds of what a step writes; None: it may be all of its type."""
    seen = [one.seen(operand.c) for one, operand in zip(sources, step.inputs, strict=True)]
    match step.params:
        case Conv2dParams() as p:
            return _twice_rounded(p, conv_sums(p, step, seen[0]))
        case DepthwiseParams() as p:
            return _twice_rounded(p, depthwise_sums(p, step, seen[0]))
        case TransposeConvParams() as p:
            return _twice_rounded(p, transpose_conv_sums(p, step, seen[0]))
        case FullyConnectedParams() as p:
            view = step.inputs[0]
            return _once_rounded(p, dense_sums(p, step, sources[0].seen(view.w * view.c)))
        case AveragePoolParams() | MaxPoolParams() as p:
            return _pool(p, step, seen[0])
        case ReduceParams() as p:
            return _reduce(p, step, _elements(program, step, sources[0]))
        case ReducePixelsParams() as p:
            return _reduce_pixels(p, step, _elements(program, step, sources[0]))
        case LookUpParams() as p:
            return _look_up(program, step, p, seen[0])
        case AddParams() as p:
            return _add(p, *seen)
        case MulParams() as p:
            return _mul(p, *seen)
        case ExtremumParams() as p:
            pick = np.maximum if p.mode == ExtremumMode.MAXIMUM else np.minimum
            return Bounds(*(pick(*ends) for ends in zip(*map(_ends, seen), strict=True)))
        case PreluParams() as p:
            return _prelu(p, *seen)
        case CopyParams() as p:
            return _copy(p, step, _elements(program, step, sources[0]))
        case ConcatenationParams():
            return Bounds(*(np.concatenate(ends) for ends in zip(*map(_ends, seen), strict=True)))
        case PadParams() as p:
            return _pad(program, step, p, _elements(program, step, sources[0]))
        case ResizeNearestParams():
            return seen[0]
        case ResizeBilinearParams() as p:
            return seen[0] if _never_beyond(p) else None
        case _:
            return None


def _ends(bounds: Bounds) -> tuple[Ints, Ints]:
    return bounds.low, bounds.high


def _elements(program: Program, step: Step, source: Bounds) -> Bounds:
    """The bounds of the first input, element by element."""
    return source.seen(program.values[step.inputs[0].value].elements)


def _twice_rounded(p: Conv2dParams | DepthwiseParams | TransposeConvParams, acc: Bounds) -> Bounds:
    channels = channel_rows(p.channels)
    scaled = requantized(acc, channels["multiplier"], channels["shift"])
    return written(scaled, p.output_zero_point, p.act_min, p.act_max)


def _once_rounded(p: FullyConnectedParams, acc: Bounds) -> Bounds:
    channels = channel_rows(p.channels)
    scaled = requantized_once(acc, channels["multiplier"], channels["shift"])
    return written(scaled, p.output_zero_point, p.act_min, p.act_max)


def _pool(p: AveragePoolParams | MaxPoolParams, step: Step, source: Bounds) -> Bounds:
    """A mean and a maximum lie between the least and the greatest of what they are of."""
    if places(p, step.inputs[0], step.output).some_empty:
        source = source.with_also(0 if isinstance(p, AveragePoolParams) else -128)
    return source.clamped(p.act_min, p.act_max)


def _reduce_pixels(p: ReducePixelsParams, step: Step, source: Bounds) -> Bounds | None:
    if p.mode == ReduceMode.SUM_UNSIGNED:
        return None
    ends = [end.reshape(-1, step.output.c) for end in _ends(source)]
    is_max = p.mode == ReduceMode.MAX
    reduced = Bounds(*(end.max(axis=0) if is_max else p.start + end.sum(axis=0) for end in ends))
    return written(requantized(reduced, p.multiplier, p.shift), p.output_zero_point, p.low, p.high)


def _reduce(p: ReduceParams, step: Step, source: Bounds) -> Bounds | None:
    if p.mode == ReduceMode.SUM_UNSIGNED:
        return None
    dims, strides = (*p.kept_dims, *p.reduced_dims), (*p.kept_strides, *p.reduced_strides)
    ends = [_box(end, 0, dims, strides) for end in _ends(source)]
    if p.mode == ReduceMode.MAX:
        return Bounds(*(end.max(axis=(3, 4, 5)).reshape(-1) for end in ends)).seen(step.output.c)
    sums = Bounds(*(p.start + end.sum(axis=(3, 4, 5)).reshape(-1) for end in ends))
    scaled = requantized(sums.seen(step.output.c), p.multiplier, p.shift)
    return written(scaled, p.output_zero_point, -128, 127)


def _look_up(program: Program, step: Step, p: LookUpParams, source: Bounds) -> Bounds:
    """The least and greatest entry of the part of the table between the bounds."""
    first, last = RANGE[program.values[step.inputs[0].value].dtype]
    dtype = np.dtype(program.values[step.output.value].dtype.value)
    table = np.frombuffer(p.table.data, dtype).astype(np.int64)[np.arange(first, last + 1) & 0xFF]
    before = np.tri(256, k=-1, dtype=bool)
    least = np.minimum.accumulate(np.where(before, 255, table), axis=1)
    most = np.maximum.accumulate(np.where(before, -128, table), axis=1)
    span = (source.low - first, source.high - first)
    return Bounds(least[span], most[span])


def _add(p: AddParams, a: Bounds, b: Bounds) -> Bounds:
    shifted = Bounds(*((end + p.offset_2) << 20 for end in _ends(b)))
    second = requantized(shifted, p.multiplier_2, p.shift_2)
    first = extremes([end * p.factor_1 + p.offset_1 for end in _ends(a)])
    second = extremes([end * p.factor_2 for end in _ends(second)])
    sums = Bounds(first.low + second.low, first.high + second.high)
    scaled = requantized(sums, p.output_multiplier, p.output_shift)
    return written(scaled, p.output_zero_point, p.act_min, p.act_max)


def _mul(p: MulParams, a: Bounds, b: Bounds) -> Bounds:
    scaled = requantized(
        _products(a, p.offset_1, b, p.offset_2), p.output_multiplier, p.output_shift
    )
    return written(scaled, p.output_zero_point, p.act_min, p.act_max)


def _products(a: Bounds, offset_1: int, b: Bounds, offset_2: int) -> Bounds:
    """A product of two that are bounded is extreme where both are."""
    return extremes([(x + offset_1) * (y + offset_2) for x in _ends(a) for y in _ends(b)])


def _prelu(p: PreluParams, source: Bounds, slopes: Bounds) -> Bounds:
    """Bounds of the part that is not negative and of the part that is, where there are such."""
    low, high = (end + p.input_offset for end in _ends(source))
    upper = Bounds(np.maximum(low, 0), np.maximum(high, 0))
    lower = _products(Bounds(np.minimum(low, -1), np.minimum(high, -1)), 0, slopes, p.alpha_offset)
    above = written(
        requantized(upper, p.positive_multiplier, p.positive_shift), p.output_zero_point, -128, 127
    )
    below = written(
        requantized(lower, p.negative_multiplier, p.negative_shift), p.output_zero_point, -128, 127
    )
    both = extremes([*_ends(above), *_ends(below)])
    return Bounds(
        np.where(high < 0, below.low, np.where(low >= 0, above.low, both.low)),
        np.where(high < 0, below.high, np.where(low >= 0, above.high, both.high)),
    )


def _copy(p: CopyParams, step: Step, source: Bounds) -> Bounds:
    row = step.inputs[0].w * step.inputs[0].c
    start, strides = p.first_row * row + p.start, (p.row_step * row + p.strides[0], *p.strides[1:])
    ends = (_box(end, start, p.dims, strides).reshape(-1) for end in _ends(source))
    return Bounds(*ends).seen(step.output.c)


def _box(elements: Ints, start: int, dims: Sequence[int], strides: Sequence[int]) -> Ints:
    """A view of the elements ``start + sum(index * stride)``."""
    in_bytes = tuple(stride * elements.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(elements[start:], tuple(dims), in_bytes)


def _pad(program: Program, step: Step, p: PadParams, source: Bounds) -> Bounds:
    dtype = np.dtype(program.values[step.output.value].dtype.value)
    value = int(np.array(p.value & 0xFF, np.uint8).view(dtype))
    inside = tuple(slice(at, at + n) for at, n in zip(p.before, p.inner, strict=True))
    ends = []
    for end in _ends(source):
        padded = np.full(p.dims, value, np.int64)
        padded[inside] = end.reshape(p.inner)
        ends.append(padded.reshape(-1))
    return Bounds(*ends).seen(step.output.c)


def _never_beyond(p: ResizeBilinearParams) -> bool:
    """Whether each output pixel lies between input pixels: some grids look beyond the last ones."""
    return all(
        low == high or 0 <= fraction <= _BETWEEN_ONE
        for blob in (p.rows, p.columns)
        for low, high, fraction in struct.iter_unpack("<HHi", blob.data)
    )

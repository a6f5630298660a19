"""Sums over windows, of which some leave the image: bounds over every place that a window takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeserve.kernels import (
    AveragePoolParams,
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    MaxPoolParams,
    TransposeConvParams,
)
from edgeserve.narrow.bounds import Bounds, Flags, Ints
from edgeserve.program import Operand, Step
from edgeserve.weights import (
    Weights,
    channel_rows,
    conv_weights,
    dense_weights,
    depthwise_weights,
    transpose_conv_weights,
)

Windowed = Conv2dParams | DepthwiseParams | AveragePoolParams | MaxPoolParams


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The ways in which windows lie over an image: [way, tap], whether the tap is inside."""

    rows: Flags
    columns: Flags

    @property
    def all_inside(self) -> bool:
        return bool(self.rows.all() and self.columns.all())

    @property
    def some_empty(self) -> bool:
        """Whether a window may lie outside altogether."""
        return not (self.rows.any(axis=1).all() and self.columns.any(axis=1).all())


def places(p: Windowed, source: Operand, output: Operand) -> Places:
    """The ways in which the windows of a convolution or a pool lie over its input."""
    dilation = (1, 1)
    if isinstance(p, Conv2dParams | DepthwiseParams):
        dilation = p.dilation_h, p.dilation_w
    at_row = _taps(output.h, p.stride_h, p.pad_top, p.kernel_h, dilation[0])
    at_column = _taps(output.w, p.stride_w, p.pad_left, p.kernel_w, dilation[1])
    return Places(
        _ways((at_row >= 0) & (at_row < source.h)),
        _ways((at_column >= 0) & (at_column < source.w)),
    )


def transposed_places(p: TransposeConvParams, source: Operand, output: Operand) -> Places:
    """The same of the taps through which input pixels reach an output pixel."""
    return Places(
        _ways(_hits(output.h, p.stride_h, p.pad_top, p.kernel_h, source.h)),
        _ways(_hits(output.w, p.stride_w, p.pad_left, p.kernel_w, source.w)),
    )


def _taps(outputs: int, stride: int, pad: int, kernel: int, dilation: int) -> Ints:
    """[output, tap]: the input row or column that a tap reads."""
    first = np.arange(outputs, dtype=np.int64)[:, None] * stride - pad
    return first + np.arange(kernel, dtype=np.int64) * dilation


def _hits(outputs: int, stride: int, pad: int, kernel: int, extent: int) -> Flags:
    at = np.arange(outputs)[:, None] + pad - np.arange(kernel)
    hits: Flags = (at % stride == 0) & (at >= 0) & (at // stride < extent)
    return hits


def _ways(inside: Flags) -> Flags:
    ways: Flags = np.unique(inside, axis=0)
    return ways


def conv_sums(p: Conv2dParams, step: Step, source: Bounds) -> Bounds:
    """Bounds of CONV_2D's accumulators, output channel by channel."""
    view, out_c = step.inputs[0], step.output.c
    lie = places(p, view, step.output)
    weights = conv_weights(p, view.c, out_c)
    low, high = _products(weights, source)
    pads = np.zeros(view.c, np.int64) if lie.all_inside else pad_elements(p, view.c)
    return _over_places(channel_rows(p.channels)["bias"], low, high, _dot(weights, pads), lie)


def depthwise_sums(p: DepthwiseParams, step: Step, source: Bounds) -> Bounds:
    """Bounds of DEPTHWISE_CONV_2D's accumulators."""
    view = step.inputs[0]
    lie = places(p, view, step.output)
    weights = depthwise_weights(p).transpose(2, 0, 1).astype(np.int64)
    ends = [np.repeat(end, p.multiplier)[:, None, None] for end in (source.low, source.high)]
    products = [weights * end for end in ends]
    pads = np.zeros(view.c, np.int64) if lie.all_inside else pad_elements(p, view.c)
    outside = weights * np.repeat(pads, p.multiplier)[:, None, None]
    low, high = np.minimum(*products), np.maximum(*products)
    return _over_places(channel_rows(p.channels)["bias"], low, high, outside, lie)


def transpose_conv_sums(p: TransposeConvParams, step: Step, source: Bounds) -> Bounds:
    """Bounds of TRANSPOSE_CONV's accumulators; a tap that nothing reaches adds nothing."""
    weights = transpose_conv_weights(p, step.output.c)
    zero_point = p.input_zero_point
    low, high = _products(weights, Bounds(source.low - zero_point, source.high - zero_point))
    lie = transposed_places(p, step.inputs[0], step.output)
    biases = channel_rows(p.channels)["bias"]
    return _over_places(biases, low, high, np.zeros_like(low), lie)


def dense_sums(p: FullyConnectedParams, step: Step, source: Bounds) -> Bounds:
    """Bounds of FULLY_CONNECTED's accumulators."""
    low, high = _products(dense_weights(p, step.output.c), source)
    biases = channel_rows(p.channels)["bias"]
    return Bounds(low + biases, high + biases)


def pad_elements(p: Conv2dParams | DepthwiseParams, channels: int) -> Ints:
    """What stands for a pixel outside the image; only where some window leaves it."""
    return np.frombuffer(p.pads.data, np.int8, channels).astype(np.int64)


def _products(weights: Weights, source: Bounds) -> tuple[Ints, Ints]:
    """Least and greatest sum of weights [..., c] times elements of each channel of their group.

    For each weight the end of the bounds that its sign asks for.
    """
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    return (
        _dot(positive, source.low) + _dot(negative, source.high),
        _dot(positive, source.high) + _dot(negative, source.low),
    )


def _dot(weights: Weights, elements: Ints) -> Ints:
    """[out_c, ...] sums over the last dimension of weights; each group of output channels has its
    own of the elements. In doubles, which hold all such sums.
    """
    depth = weights.shape[-1]
    groups = len(elements) // depth
    by_group = weights.reshape(groups, -1, depth).astype(np.float64)
    sums = by_group @ elements.reshape(groups, depth, 1).astype(np.float64)
    exact: Ints = sums.reshape(weights.shape[:-1]).astype(np.int64)
    return exact


def _over_places(biases: Ints, low: Ints, high: Ints, outside: Ints, lie: Places) -> Bounds:
    """Bounds of ``bias + sum over taps``: inside the image ``low`` to ``high``, else ``outside``.

    All three are [out_c, kernel_h, kernel_w].
    """
    start = biases + outside.sum(axis=(1, 2))
    least = _at_each(low - outside, lie).min(axis=1)
    most = _at_each(high - outside, lie).max(axis=1)
    return Bounds(start + least, start + most)


def _at_each(taps: Ints, lie: Places) -> Ints:
    """[out_c, way]: sums of the taps [out_c, kernel_h, kernel_w] that are inside."""
    by_rows = np.tensordot(taps, lie.rows.astype(np.int64), axes=(1, 1))
    both = np.tensordot(by_rows, lie.columns.astype(np.int64), axes=(1, 1))
    sums: Ints = both.reshape(len(taps), -1)
    return sums

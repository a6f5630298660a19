"""Sums over windows, of which some leave the image: bounds over every place that a window takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeserve.kernels.portable import (
    AveragePoolParams,
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    MaxPoolParams,
    TransposeConvParams,
)
from edgeserve.narrow.bounds import Bounds, Ints
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
    """The ways in which windows lie over an image: [way, 2], the half-open range of taps inside."""

    rows: Ints
    columns: Ints
    taps: tuple[int, int]
    """Of a window: its height and width."""

    @property
    def all_inside(self) -> bool:
        return all(
            bool((ways == (0, taps)).all())
            for ways, taps in zip((self.rows, self.columns), self.taps, strict=True)
        )

    @property
    def some_empty(self) -> bool:
        """Whether a window may lie outside altogether."""
        return any(bool((ways[:, 0] >= ways[:, 1]).any()) for ways in (self.rows, self.columns))


def places(p: Windowed, source: Operand, output: Operand) -> Places:
    """The ways in which the windows of a convolution or a pool lie over its input."""
    dilation_h, dilation_w = 1, 1
    if isinstance(p, Conv2dParams | DepthwiseParams):
        dilation_h, dilation_w = p.dilation_h, p.dilation_w
    return Places(
        _ways(np.arange(output.h) * p.stride_h - p.pad_top, dilation_h, p.kernel_h, source.h),
        _ways(np.arange(output.w) * p.stride_w - p.pad_left, dilation_w, p.kernel_w, source.w),
        (p.kernel_h, p.kernel_w),
    )


def _ways(start: Ints, dilation: int, kernel: int, extent: int) -> Ints:
    """[way, 2]: ranges of taps inside [0, extent) of windows that begin at ``start``."""
    first = np.clip(-(start // dilation), 0, kernel)
    end = np.clip(-((start - extent) // dilation), first, kernel)
    ways: Ints = np.unique(np.stack([first, end], axis=1), axis=0)
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
    """Bounds of TRANSPOSE_CONV's accumulators, where any tap may reach no input pixel.

    Which taps do so at once is not looked at: these bounds are sound, and wider than they must be.
    """
    zero_point = p.input_zero_point
    distance = Bounds(source.low - zero_point, source.high - zero_point)
    low, high = _products(transpose_conv_weights(p, step.output.c), distance)
    biases = channel_rows(p.channels)["bias"]
    return Bounds(
        biases + np.minimum(low, 0).sum(axis=(1, 2)), biases + np.maximum(high, 0).sum(axis=(1, 2))
    )


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
    """[out_c, way]: sums of the taps [out_c, kernel_h, kernel_w] that are inside.

    Sums of rectangles, each from four sums that begin at the first tap.
    """
    before = np.pad(taps, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    by_rows = before[:, lie.rows[:, 1]] - before[:, lie.rows[:, 0]]
    sums: Ints = by_rows[:, :, lie.columns[:, 1]] - by_rows[:, :, lie.columns[:, 0]]
    return sums.reshape(len(taps), -1)

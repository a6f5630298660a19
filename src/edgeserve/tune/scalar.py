"""Dense layers for cores without SIMD: what their kernels ask for, and the order of their weights.

A convolution computes three output pixels by two multiplications: elements a, b and c lie in the
words ``a + 2**21 * b`` and ``c + 2**10 * b``, and with the same weight for all three so do their
sums. The lower 21 bits of a word are its own sum as long as that is an int21, and what both words
know of b's makes it whole. The host cuts a window's taps in runs for which every sum is one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeserve.kernels.portable import Conv2dParams, DepthwiseParams, FullyConnectedParams
from edgeserve.kernels.record import Blob
from edgeserve.kernels.tuned import (
    LANES_BLOCK,
    ConvLanesParams,
    DepthwiseColumnsParams,
    FullyConnectedBlocksParams,
)
from edgeserve.program import Program, Step
from edgeserve.tune.convolution import channels_of
from edgeserve.tune.scale import FloorScale, floor_scale_of, floor_scale_once

LANE_LIMIT = 1 << 20
"""``-LANE_LIMIT <= sum < LANE_LIMIT`` of a run of taps."""
LEAST_RUN = 4
"""Shorter runs are not worth their taking apart."""
MOST_TAPS = 1024
"""Of a window: two words each are the kernel's scratch."""
BLOCK = 8
"""Output channels of a fully connected layer whose weights lie together."""
_BELOW = -2
_WINDOW, _STRIDES = 3, (1, 2)
_INT8_MIN, _INT8_MAX = -128, 127

Matrix: TypeAlias = npt.NDArray[np.int64]
"""[out_c, taps], taps in the order of the window."""
Requantize: TypeAlias = Callable[[int, int, int, int, int], FloorScale | None]


def convolution_by_lanes(_program: Program, step: Step) -> Step | None:
    """The step by three pixels at a time; None for another operator and for what leaves a range.

    A depthwise convolution of a single input channel is a convolution as well.
    """
    p, source = step.params, step.inputs[0]
    match p:
        case Conv2dParams() if p.weight_c == source.c:
            weights = np.array([c.taps.reshape(-1) for c in channels_of(p, step.output.c)])
        case DepthwiseParams() if source.c == 1:
            weights = _by_channel(p.weights.data, step.output.c)
        case _:
            return None
    run = longest_run(weights)
    scales = scales_of(weights, p.channels.data, p.output_zero_point, floor_scale_of)
    if scales is None or run < min(LEAST_RUN, weights.shape[1]) or weights.shape[1] > MOST_TAPS:
        return None
    params = ConvLanesParams(
        kernel_h=p.kernel_h,
        kernel_w=p.kernel_w,
        stride_h=p.stride_h,
        stride_w=p.stride_w,
        dilation_h=p.dilation_h,
        dilation_w=p.dilation_w,
        pad_top=p.pad_top,
        pad_left=p.pad_left,
        pad=int.from_bytes(p.pads.data[:1], "little", signed=True),
        act_min=p.act_min,
        act_max=p.act_max,
        below=_BELOW if p.act_min < p.output_zero_point else 0,
        run=run,
        weights=Blob(in_blocks(weights, LANES_BLOCK), p.weights.note),
        scales=Blob(scales, p.channels.note),
    )
    sizes = (source.h, source.w, source.c), (step.output.h, step.output.w)
    return replace(step, params=params, scratch_bytes=params.scratch_bytes(*sizes))


def depthwise_by_columns(_program: Program, step: Step) -> Step | None:
    """The step by columns of 3x3 windows; None for others and for what leaves a range."""
    p = step.params
    if (
        not isinstance(p, DepthwiseParams)
        or (p.kernel_h, p.kernel_w) != (_WINDOW, _WINDOW)
        or (p.multiplier, p.dilation_h, p.dilation_w) != (1, 1, 1)
        or p.stride_w not in _STRIDES
    ):
        return None
    weights = _by_channel(p.weights.data, step.output.c)
    scales = scales_of(weights, p.channels.data, p.output_zero_point, floor_scale_of)
    if scales is None:
        return None
    params = DepthwiseColumnsParams(
        stride_h=p.stride_h,
        stride_w=p.stride_w,
        pad_top=p.pad_top,
        pad_left=p.pad_left,
        pad=int.from_bytes(p.pads.data[:1], "little", signed=True),
        act_min=p.act_min,
        act_max=p.act_max,
        below=_BELOW if p.act_min < p.output_zero_point else 0,
        weights=Blob(weights.astype(np.int8).tobytes(), p.weights.note),
        scales=Blob(scales, p.channels.note),
    )
    return replace(step, params=params)


def fully_connected_by_blocks(_program: Program, step: Step) -> Step | None:
    """The step by blocks of channels; None for another operator and for what leaves a range."""
    p = step.params
    if not isinstance(p, FullyConnectedParams):
        return None
    weights = np.frombuffer(p.weights.data, np.int8).astype(np.int64).reshape(step.output.c, -1)
    scales = scales_of(weights, p.channels.data, p.output_zero_point, floor_scale_once)
    if scales is None:
        return None
    params = FullyConnectedBlocksParams(
        act_min=p.act_min,
        act_max=p.act_max,
        weights=Blob(in_blocks(weights, BLOCK), p.weights.note),
        scales=Blob(scales, p.channels.note),
    )
    return replace(step, params=params)


def _by_channel(data: bytes, out_c: int) -> Matrix:
    """Weights of a depthwise convolution, which lie tap by tap."""
    return np.frombuffer(data, np.int8).astype(np.int64).reshape(-1, out_c).T


def scales_of(
    weights: Matrix, channels: bytes, zero_point: int, requantize: Requantize
) -> bytes | None:
    """The scale of each channel, or None where one is not exact for all inputs."""
    below, above = _reach(weights)
    data = b""
    for row, low, high in zip(struct.iter_unpack("<iii", channels), below, above, strict=True):
        bias, multiplier, shift = row
        scale = requantize(bias + low, bias + high, multiplier, shift, zero_point)
        if scale is None:
            return None
        data += struct.pack("<4i", bias, scale.multiplier, scale.addend, scale.exponent)
    return data


def _reach(weights: Matrix) -> tuple[Sequence[int], Sequence[int]]:
    """The least and greatest sum of each channel over all int8 inputs."""
    low, high = weights * _INT8_MIN, weights * _INT8_MAX
    return (
        np.minimum(low, high).sum(axis=1).tolist(),
        np.maximum(low, high).sum(axis=1).tolist(),
    )


def longest_run(weights: Matrix) -> int:
    """Taps of the longest run of which, wherever it begins at a multiple of itself, all sums stay
    below ``LANE_LIMIT``. The window is cut as evenly as that allows.
    """
    taps = weights.shape[1]
    for count in range(1, taps + 1):
        run = -(-taps // count)
        run = min(taps, -(-run // LEAST_RUN) * LEAST_RUN)
        if all(_is_lane(weights[:, first : first + run]) for first in range(0, taps, run)):
            return int(run)
    return 0


def _is_lane(weights: Matrix) -> bool:
    below, above = _reach(weights)
    return min(below) >= -LANE_LIMIT and max(above) < LANE_LIMIT


def in_blocks(weights: Matrix, channels: int) -> bytes:
    """[out_c / channels][taps][channels], the last block with no more fours than it needs."""
    data = b""
    for first in range(0, len(weights), channels):
        block = weights[first : first + channels]
        filled = np.pad(block, ((0, -len(block) % LANES_BLOCK), (0, 0)))
        data += filled.T.astype(np.int8).tobytes()
    return data

"""Kernels for cores with MVE: what they need proven, and their weight streams.

A vector holds sixteen int8, and one instruction multiplies two of them and adds up the products in
32 bits: that is exact for every layer. What is left to prove is the short form of the
requantization (``tune/scale.py``), and that a window has a form that the kernel reads.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgeserve.kernels.portable import Conv2dParams, DepthwiseParams, FullyConnectedParams
from edgeserve.kernels.record import Blob
from edgeserve.kernels.tuned import (
    VECTOR_BYTES,
    ConvVectorsParams,
    DepthwiseVectorsParams,
    vector_bytes,
)
from edgeserve.program import Program, Step
from edgeserve.tune.convolution import MOST_TAPS, Channel, channels_of, settled
from edgeserve.tune.scale import Scale

LEAST_CHANNELS, MOST_CHANNELS = 2, 16384
"""Of a convolution: it writes two at a time, and four pixels' lie in 16 bits of bytes."""
SIDE = 4
"""Rows and columns of a depthwise window that a vector has room for."""
TILE_PIXELS = 24
"""Output pixels of a depthwise row whose columns are set out at a time; by stride 2 half of it."""
SMALL_TILE_PIXELS = 8
"""The same where scratch is short."""
MOST_ASIDE_BYTES = 512
"""Of an input row that is copied, so that it need not outlive the output row over it."""
LEAST_DEPTH = 32
"""Of a fully connected layer: below, four channels at a time are requantized too often."""

Weights = npt.NDArray[np.int8]


def convolution_by_vectors(_program: Program, step: Step) -> Step | None:
    """The step by vectors along its windows; None for another operator and for what leaves a
    range. A depthwise convolution of one channel is one of them.
    """
    p = step.params
    if isinstance(p, DepthwiseParams) and step.inputs[0].c == 1:
        channels = _channels_of_one(p)
    elif isinstance(p, Conv2dParams) and step.inputs[0].c == p.weight_c:
        channels = channels_of(p, step.output.c)
    else:
        return None
    is_whole = p.dilation_w == 1 or p.kernel_w == 1
    taps = p.kernel_h * p.kernel_w * step.inputs[0].c
    if not (is_whole and taps <= MOST_TAPS and LEAST_CHANNELS <= step.output.c <= MOST_CHANNELS):
        return None
    stream = convolution_stream([settled(channel, p) for channel in channels], p.output_zero_point)
    if stream is None:
        return None
    params = ConvVectorsParams(
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
        negatives=int(p.act_min < p.output_zero_point),
        stream=Blob(stream, p.weights.note),
    )
    return replace(step, params=params, scratch_bytes=params.scratch_bytes(step.inputs[0].c))


def _channels_of_one(p: DepthwiseParams) -> list[Channel]:
    """The output channels of a depthwise layer that all read the one input channel."""
    weights = np.frombuffer(p.weights.data, np.int8).astype(np.int64)
    by_channel = weights.reshape(p.kernel_h, p.kernel_w, -1).transpose(2, 0, 1)
    table = struct.iter_unpack("<iii", p.channels.data)
    return [Channel(taps, *numbers) for taps, numbers in zip(by_channel, table, strict=True)]


def convolution_stream(channels: Sequence[Channel], zero_point: int) -> bytes | None:
    """Two channels after two; the last of an odd number of them with the one before once more.
    None where one leaves a range.
    """
    scales = [channel.scale(zero_point) for channel in channels]
    firsts = [min(first, len(channels) - 2) for first in range(0, len(channels), 2)]
    stream = b""
    for first in firsts:
        taps, numbers = [], b""
        for channel, scale in zip(channels[first : first + 2], scales[first:], strict=False):
            if scale is None:
                return None
            flat = channel.taps.astype(np.int8).reshape(-1)
            filled = np.pad(flat, (0, vector_bytes(len(flat)) - len(flat)))
            taps.append(filled.reshape(-1, VECTOR_BYTES))
            numbers += _numbers(channel.bias, scale, -scale.exponent)
        stream += np.stack(taps, axis=1).tobytes() + numbers
    return stream


def _numbers(bias: int, scale: Scale, shift: int) -> bytes:
    return struct.pack("<iiii", bias, scale.multiplier, scale.addend, shift)


def depthwise_by_vectors(_program: Program, step: Step) -> Step | None:
    """The step by a window at a time; None for another operator, for larger windows and for what
    leaves a range.
    """
    p = step.params
    if not isinstance(p, DepthwiseParams) or p.multiplier != 1 or not _fits_a_vector(p):
        return None
    weights = np.frombuffer(p.weights.data, np.int8).reshape(p.kernel_h, p.kernel_w, -1)
    stream = depthwise_stream(p, weights)
    if stream is None:
        return None
    params = DepthwiseVectorsParams(
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
        negatives=int(p.act_min < p.output_zero_point),
        tile_w=TILE_PIXELS // p.stride_w,
        sets_aside=0,
        stream=Blob(stream, p.weights.note),
    )
    is_short = params.by_two and _row_bytes(step) <= MOST_ASIDE_BYTES
    return _with(step, replace(params, sets_aside=int(is_short)))


def with_few_columns(step: Step) -> Step:
    """A depthwise step by vectors with less scratch; any other as it is."""
    if not isinstance(step.params, DepthwiseVectorsParams):
        return step
    tile_w = SMALL_TILE_PIXELS // step.params.stride_w
    return _with(step, replace(step.params, tile_w=tile_w))


def _with(step: Step, params: DepthwiseVectorsParams) -> Step:
    scratch_bytes = params.scratch_bytes(_row_bytes(step), step.output.w)
    return replace(step, params=params, scratch_bytes=scratch_bytes)


def _row_bytes(step: Step) -> int:
    return step.inputs[0].w * step.inputs[0].c


def _fits_a_vector(p: DepthwiseParams) -> bool:
    """By stride 1 a vector holds two windows each way."""
    if (p.stride_h, p.stride_w, p.dilation_h, p.dilation_w) == (1, 1, 1, 1):
        return max(p.kernel_h, p.kernel_w) < SIDE
    is_whole = p.dilation_w == 1 or p.kernel_w == 1
    return p.stride_w == 2 and is_whole and max(p.kernel_h, p.kernel_w) <= SIDE


def depthwise_stream(p: DepthwiseParams, weights: Weights) -> bytes | None:
    """All channels one after the other, or None where the requantization of one is not exact.

    ``weights``: [kernel_h, kernel_w, c].
    """
    filled = np.zeros((weights.shape[2], SIDE, SIDE), np.int8)
    filled[:, : p.kernel_w, : p.kernel_h] = weights.transpose(2, 1, 0)
    table = struct.iter_unpack("<iii", p.channels.data)
    stream = b""
    for window, numbers in zip(filled, table, strict=True):
        channel = Channel(window.astype(np.int64), *numbers)
        scale = channel.scale(p.output_zero_point)
        if scale is None:
            return None
        stream += _numbers(channel.bias, scale, scale.exponent) + bytes(4) + window.tobytes()
    return stream


def long_rows_as_lowered(_program: Program, step: Step) -> Step | None:
    """A fully connected layer of long rows as it is: the kernel for the core reads the portable
    one's weights, and no other folder is asked. Shorter rows have little to gain from vectors, and
    the kernels for the DSP extension have the shorter requantization.
    """
    depth = step.inputs[0].w * step.inputs[0].c
    is_long = isinstance(step.params, FullyConnectedParams) and depth >= LEAST_DEPTH
    return step if is_long else None

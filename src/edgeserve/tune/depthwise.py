"""DEPTHWISE_CONV_2D by pairs of rows: what the kernel needs proven, and its weight stream."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgeserve.kernels.portable import DepthwiseParams
from edgeserve.kernels.record import Blob
from edgeserve.kernels.tuned import DepthwisePairsParams, DepthwiseReluParams
from edgeserve.program import Program, Step
from edgeserve.tune.scale import Scale, scale_of

LEAST_CHANNELS = 4
"""The kernel reads four neighbouring bytes of a pixel at a time."""
TILE_BYTES = 896
"""Of scratch for the columns that are packed at a time: 26 pixels by stride 1, 8 by stride 2. With
more columns at a time there are fewer to pack twice: 0.8 % of vww_96 for another 700 bytes.
"""
MOST_ASIDE_BYTES = 512
"""Of an input row that is copied, so that it need not outlive the output row over it."""
_INT8_MIN, _INT8_MAX = -128, 127

Weights = npt.NDArray[np.int8]
"""[kernel_h, kernel_w, c]."""


def depthwise_by_pairs(_program: Program, step: Step) -> Step | None:
    """The step on pairs of rows; None for another operator and for what leaves a range."""
    p = step.params
    if not isinstance(p, DepthwiseParams) or p.multiplier != 1 or step.output.c < LEAST_CHANNELS:
        return None
    weights = np.frombuffer(p.weights.data, np.int8).reshape(p.kernel_h, p.kernel_w, -1)
    stream = _stream(p, weights)
    if stream is None:
        return None
    negatives = int(p.act_min < p.output_zero_point)
    kind = DepthwiseReluParams if _is_relu(p) and not negatives else DepthwisePairsParams
    params = kind(
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
        negatives=negatives,
        tile_w=2,
        sets_aside=0,
        stream=Blob(stream, p.weights.note),
    )
    row_bytes = step.inputs[0].w * step.inputs[0].c
    is_short = params.by_two and p.stride_h == 1 and row_bytes <= MOST_ASIDE_BYTES
    params = replace(params, tile_w=_fitting(params), sets_aside=int(is_short))
    scratch_bytes = params.scratch_bytes(row_bytes, step.output.w)
    return replace(step, params=params, scratch_bytes=scratch_bytes)


def _is_relu(p: DepthwiseParams) -> bool:
    """Whether the kernel for 3x3 windows without negatives computes such windows."""
    return (p.kernel_h, p.kernel_w, p.dilation_w) == (3, 3, 1) and p.stride_w <= 2


def _fitting(params: DepthwisePairsParams) -> int:
    """Output pixels whose columns fill no more than ``TILE_BYTES``; even, as they go two by two."""
    pixels = 2
    while params.columns_bytes(pixels + 2) <= TILE_BYTES:
        pixels += 2
    return pixels


def _stream(p: DepthwiseParams, weights: Weights) -> bytes | None:
    """All channels one after the other, or None where the requantization of one is not exact."""
    words = _words(weights)
    wide = weights.reshape(-1, weights.shape[2]).astype(np.int64)
    below = np.minimum(wide * _INT8_MIN, wide * _INT8_MAX).sum(axis=0).tolist()
    above = np.maximum(wide * _INT8_MIN, wide * _INT8_MAX).sum(axis=0).tolist()
    stream = b""
    table = struct.iter_unpack("<iii", p.channels.data)
    for channel, (bias, multiplier, shift) in enumerate(table):
        least, most = bias + below[channel], bias + above[channel]
        scale = scale_of(least, most, multiplier, shift, p.output_zero_point)
        if scale is None:
            return None
        stream += words[channel].tobytes() + _numbers(bias, scale)
    return stream


def _numbers(bias: int, scale: Scale) -> bytes:
    return struct.pack("<iiii", 2 * bias, scale.multiplier, scale.addend, scale.exponent)


def _words(weights: Weights) -> Weights:
    """[c, words, 4]: two pairs of rows a word, the first in bytes 0 and 2."""
    kernel_h, _, c = weights.shape
    upper = list(range(0, kernel_h, 2))
    if kernel_h % 2:
        upper[-1] -= 1
    above = np.concatenate([np.zeros_like(weights[:1]), weights])
    pairs = np.stack([above[[row + 1 for row in upper]], weights[[row + 1 for row in upper]]])
    flat = pairs.reshape(2, -1, c)
    fill = np.zeros((2, flat.shape[1] % 2, c), np.int8)
    by_word = np.concatenate([flat, fill], axis=1).reshape(2, -1, 2, c)
    return np.ascontiguousarray(by_word.transpose(3, 1, 0, 2)).reshape(c, -1, 4)

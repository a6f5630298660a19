"""CONV_2D 3x3 by Winograd's F(2x2, 3x3): the proofs that the kernel asks for, and its stream.

16 multiplications make four outputs instead of 36. With whole numbers it is exact: the weights are
transformed by twice the usual matrix, so that the outputs are four times the sums. Transformed
weights and inputs are int16 whatever they are, and what wraps on the way wraps back. So only the
outputs have a range to prove, and the requantization, which takes the factor of four into account
(``es_conv_winograd`` in es_kernels.h).
"""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np

from edgeserve.kernels.portable import Conv2dParams
from edgeserve.kernels.record import Blob
from edgeserve.kernels.tuned import QUAD, ConvWinogradParams
from edgeserve.program import Program, Step
from edgeserve.tune.convolution import Channel, Weights, channels_of, is_within, settled
from edgeserve.tune.scale import Scale

_WINDOW = 3
_TRANSFORM = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]])
"""Twice Winograd's G."""
_ORDER = [1, 2, 0, 3]
"""Of the rows and columns of transformed weights in the stream."""
_MOST_EXPONENT = 31


def convolution_by_winograd(_program: Program, step: Step) -> Step | None:
    """The step by Winograd's method; None for another operator and for what leaves a range."""
    p, source, output = step.params, step.inputs[0], step.output
    if not isinstance(p, Conv2dParams) or source.c != p.weight_c:
        return None
    window = (p.kernel_h, p.kernel_w, p.stride_h, p.stride_w, p.dilation_h, p.dilation_w)
    if window != (_WINDOW, _WINDOW, 1, 1, 1, 1) or source.c % QUAD or output.c % 2:
        return None
    channels = [settled(channel, p) for channel in channels_of(p, output.c)]
    scales = [scale_of(channel, p.output_zero_point) for channel in channels]
    stream = b""
    for first in range(0, output.c, 2):
        scale_0, scale_1 = scales[first : first + 2]
        if scale_0 is None or scale_1 is None:
            return None
        stream += pair_of(channels[first], channels[first + 1], scale_0, scale_1)
    params = ConvWinogradParams(
        pad_top=p.pad_top,
        pad_left=p.pad_left,
        act_min=p.act_min,
        act_max=p.act_max,
        negatives=int(p.act_min < p.output_zero_point),
        stream=Blob(stream, p.weights.note),
        pads=p.pads,
    )
    return replace(step, params=params, scratch_bytes=params.scratch_bytes(source.c))


def scale_of(channel: Channel, zero_point: int) -> Scale | None:
    """What the kernel makes of four times the sum; None where that is not exact."""
    least, most = channel.sums
    half = channel.scale(zero_point)
    if half is None or not is_within(30, least, most) or half.exponent == _MOST_EXPONENT:
        return None
    # One bit more is kept: the sum of two floors of halves is the floor of half of all.
    scale = Scale(half.multiplier, 2 * half.addend + 1, half.exponent + 1)
    ends = [scale.addend + (4 * value * scale.multiplier >> 32) for value in (least, most)]
    return scale if is_within(32, ends[0] - 2, ends[1]) else None


def pair_of(channel_0: Channel, channel_1: Channel, scale_0: Scale, scale_1: Scale) -> bytes:
    """Two output channels in the stream."""
    both = np.stack([transformed(channel_0.taps), transformed(channel_1.taps)])
    # [out, row, column, quad, i, parity] -> [column, row, quad, parity, out, i]
    elements = both.reshape(2, 4, 4, -1, 2, 2).transpose(2, 1, 3, 5, 0, 4)
    ordered = elements[_ORDER][:, _ORDER]
    return b"".join(
        (
            ordered.astype("<i2").tobytes(),
            struct.pack("<ii", 4 * channel_0.bias, 4 * channel_1.bias),
            struct.pack("<iii", scale_0.multiplier, scale_0.addend, scale_0.exponent),
            struct.pack("<iii", scale_1.multiplier, scale_1.addend, scale_1.exponent),
        )
    )


def transformed(taps: Weights) -> Weights:
    """[3, 3 * in_c] weights as [4, 4, in_c]: ``G g G'`` of each input channel."""
    window = taps.reshape(_WINDOW, _WINDOW, -1)
    by_rows = np.tensordot(_TRANSFORM, window, axes=(1, 0))
    return np.tensordot(_TRANSFORM, by_rows, axes=(1, 1)).swapaxes(0, 1)

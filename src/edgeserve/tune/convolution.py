"""CONV_2D by pairs of output channels: the proofs that the kernel asks for, and its weight stream.

A pair of weights is the int16 ``w0 + 256 * w1``, so that one multiplication serves both channels:
the sums come out as ``sum_0 + 256 * sum_1``, and a second chain gives ``sum_0`` alone. Scales lie
in a form that a rounding multiplication and one shift apply (``es_conv_pairs`` in es_kernels.h).
Both are exact inside ranges, and whether a layer stays in them is known here: the weights and all
inputs that can be are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgeserve.kernels import Blob, Conv2dParams, ConvPairsParams
from edgeserve.program import Program, Step

LANES = 4
"""Output channels that lie interleaved in the weights of the generic kernel."""
QUAD = 4
"""Taps that the kernel takes at a time; their words hold taps 0 and 2, then 1 and 3."""
_QUAD_ORDER = (0, 2, 1, 3)
TILE_PIXELS = 3

TWICE_LIMIT = 1 << 30
"""Twice a sum is an int32: ``-TWICE_LIMIT <= sum < TWICE_LIMIT``."""
PAIR_LIMIT = 1 << 23
"""256 times the second channel's sum is an int32."""
_INT8, _INT16, _INT32 = (-128, 127), (-(1 << 15), (1 << 15) - 1), (-(1 << 31), (1 << 31) - 1)

Weights = npt.NDArray[np.int64]
"""[out_c, kernel_h, kernel_w * in_c]: of each output channel the taps of each kernel row."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What an output channel's sum starts from and becomes, and the range that it cannot leave."""

    bias: int
    multiplier: int
    shift: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Scale:
    """``(addend + [-1 if negative] + ((2 * sum * multiplier + 2**31) >> 32)) >> exponent``."""

    multiplier: int
    addend: int
    exponent: int


NO_SCALE = Scale(0, 0, 1)
"""Of the channel that fills up the last pair."""


def convolution_by_pairs(program: Program, step: Step) -> Step | None:
    """The step on channel pairs; None for another operator and for what leaves a range."""
    p = step.params
    if not isinstance(p, Conv2dParams) or step.inputs[0].c != p.weight_c:
        return None
    weights = weights_of(p, step.output.c)
    channels = channels_of(p, weights)
    scales = [s for c in channels if (s := scale_of(c, p.output_zero_point)) is not None]
    stream = stream_of(weights, channels, scales) if len(scales) == len(channels) else None
    if stream is None:
        return None
    params = ConvPairsParams(
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
    tuned = replace(step, params=params)
    return replace(tuned, scratch_bytes=scratch_bytes(tuned, params))


def weights_of(p: Conv2dParams, out_c: int) -> Weights:
    """The weights of a layer without groups, out of the order of the generic kernel."""
    taps = p.kernel_h * p.kernel_w * p.weight_c
    data = np.frombuffer(p.weights.data, np.int8).astype(np.int64)
    whole = out_c // LANES * LANES
    blocks = data[: whole * taps].reshape(-1, taps, LANES).swapaxes(1, 2)
    matrix = np.concatenate([blocks.reshape(whole, taps), data[whole * taps :].reshape(-1, taps)])
    return matrix.reshape(out_c, p.kernel_h, p.kernel_w * p.weight_c)


def channels_of(p: Conv2dParams, weights: Weights) -> list[Channel]:
    """Each channel with the least and greatest sum over all inputs that int8 can hold."""
    low, high = _INT8
    least = np.minimum(weights * low, weights * high).sum(axis=(1, 2))
    most = np.maximum(weights * low, weights * high).sum(axis=(1, 2))
    table = struct.iter_unpack("<iii", p.channels.data)
    return [
        Channel(bias, multiplier, shift, bias + int(below), bias + int(above))
        for (bias, multiplier, shift), below, above in zip(table, least, most, strict=True)
    ]


def scale_of(channel: Channel, zero_point: int) -> Scale | None:
    """The channel's requantization in the kernel's form, or None where that is not exact.

    ``y = (sum * multiplier + 2**30) >> 31`` is halved ``exponent`` times, to nearest, ties away
    from zero: ``(y + 2**(exponent - 1) - [1 if y < 0]) >> exponent``. The sign of the sum does for
    that of y: where y is 0, the one makes no difference.
    """
    if not -TWICE_LIMIT <= channel.least <= channel.most < TWICE_LIMIT:
        return None
    exponent = -channel.shift
    lowest, highest = (_high_product(s, channel.multiplier) for s in (channel.least, channel.most))
    half = 1 << max(exponent - 1, 0)
    if channel.multiplier == 0 or (exponent >= 1 and -half < lowest and highest < half):
        # Nothing but zero can come out.
        return Scale(0, 2 * zero_point + 1, 1)
    addend = (2 * zero_point + 1) * half
    low, high = _INT32
    if exponent < 1 or addend + lowest - 1 < low or addend + highest > high:
        return None
    return Scale(channel.multiplier, addend, exponent)


def _high_product(value: int, multiplier: int) -> int:
    return (value * multiplier + (1 << 30)) >> 31


def stream_of(weights: Weights, channels: list[Channel], scales: list[Scale]) -> bytes | None:
    """The stream of all pairs, or None where a pair leaves a range."""
    words = _taps_in_order(weights)
    stream = b""
    for first in range(0, len(channels), 2):
        second = first + 1
        if second == len(channels):
            other, scale, taps = 0, NO_SCALE, np.zeros_like(words[first])
        else:
            channel = channels[second]
            if channel.least < -PAIR_LIMIT or channel.most >= PAIR_LIMIT:
                return None
            other, scale, taps = channel.bias, scales[second], words[second]
        both = words[first] + 256 * taps
        low, high = _INT16
        if both.min() < low or both.max() > high:
            return None
        stream += _pair(channels[first].bias, other, both, scales[first], scale)
    return stream


def _taps_in_order(weights: Weights) -> Weights:
    """[out_c, taps]: whole quads of each kernel row, then what is left of all rows, as quads."""
    out_c, _, run = weights.shape
    whole = run // QUAD * QUAD
    left = weights[:, :, whole:].reshape(out_c, -1)
    fill = np.zeros((out_c, -left.shape[1] % QUAD), np.int64)
    taps = np.concatenate([weights[:, :, :whole].reshape(out_c, -1), left, fill], axis=1)
    return taps.reshape(out_c, -1, QUAD)[:, :, _QUAD_ORDER].reshape(out_c, -1)


def _pair(bias_0: int, bias_1: int, both: Weights, scale_0: Scale, scale_1: Scale) -> bytes:
    together = (bias_0 + 256 * bias_1) & 0xFFFFFFFF
    return (
        struct.pack("<iI", bias_0, together)
        + both.astype("<i2").tobytes()
        + struct.pack("<iiii", scale_0.multiplier, scale_0.addend, *_two(scale_1))
        + struct.pack("<I", scale_0.exponent | scale_1.exponent << 8)
    )


def _two(scale: Scale) -> tuple[int, int]:
    return scale.multiplier, scale.addend


def scratch_bytes(step: Step, p: ConvPairsParams) -> int:
    """A tile of three windows as int16, three windows' left-over taps, and, where windows leave the
    image or skip columns, one padded kernel row.
    """
    source, output = step.inputs[0], step.output
    run = p.kernel_w * source.c
    leftover = -(-(run % QUAD * p.kernel_h) // QUAD) * QUAD
    taps = run // QUAD * QUAD * p.kernel_h + leftover
    rows = _stays_inside(source.h, output.h, p.stride_h, p.kernel_h, p.dilation_h, p.pad_top)
    columns = _stays_inside(source.w, output.w, p.stride_w, p.kernel_w, p.dilation_w, p.pad_left)
    is_plain = rows and columns and (p.dilation_w == 1 or p.kernel_w == 1)
    return TILE_PIXELS * (2 * taps + leftover) + (0 if is_plain else run)


def _stays_inside(
    extent: int, outputs: int, stride: int, kernel: int, dilation: int, pad: int
) -> bool:
    return pad == 0 and (outputs - 1) * stride + (kernel - 1) * dilation < extent

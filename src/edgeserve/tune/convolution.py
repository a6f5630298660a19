"""CONV_2D by pairs of output channels: the proofs that the kernel asks for, and its weight stream.

A pair of weights is the int16 ``w0 + 256 * w1``, so that one multiplication serves both channels:
the sums come out as ``sum_0 + 256 * sum_1``, and a second chain gives ``sum_0`` alone. Scales lie
in a form that a rounding multiplication and one shift apply (``es_conv_pairs`` in es_kernels.h).
Both are exact inside ranges, and whether a layer stays in them is known here: the weights are, and
all that an int8 input can be. The range of the second channel is the smaller one; where only the
first one of a pair is in it, the pair stands in reverse, and the kernel puts its results in order.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgeserve.kernels.portable import Conv2dParams, DepthwiseParams
from edgeserve.kernels.record import Blob
from edgeserve.kernels.tuned import (
    QUAD,
    SMALL_TILE_PIXELS,
    TILE_PIXELS,
    ConvPairsParams,
    quads_of_row,
)
from edgeserve.program import Program, Step
from edgeserve.tune.scale import Scale, scale_of

INTERLEAVED = 4
"""Output channels that lie interleaved in the weights of the generic kernel."""
MOST_TAPS = (1 << 24) - 1
"""Of a window: far more than a device holds; with it no product of the kernel leaves 32 bits."""
_QUAD_ORDER = (0, 2, 1, 3)
"""A quad of a kernel row lies as taps 0 and 2, then 1 and 3."""
_INT8_MIN, _INT8_MAX = -128, 127
_IN_REVERSE = 1 << 31
"""Of a pair's word of exponents."""

Weights = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Channel:
    """An output channel: ``taps`` [kernel_h, kernel_w * in_c], what its sum starts from and what
    ``es_requantize`` makes of it.
    """

    taps: Weights
    bias: int
    multiplier: int
    shift: int

    @property
    def sums(self) -> tuple[int, int]:
        """The least and greatest sum over all int8 inputs."""
        low, high = self.taps * _INT8_MIN, self.taps * _INT8_MAX
        least, most = np.minimum(low, high).sum(), np.maximum(low, high).sum()
        return self.bias + int(least), self.bias + int(most)

    def scale(self, zero_point: int) -> Scale | None:
        """What the kernel makes of the sum instead, where it can."""
        return scale_of(*self.sums, self.multiplier, self.shift, zero_point)


def is_within(bits: int, least: int, most: int) -> bool:
    """Whether a range is one of signed integers of so many bits."""
    limit = 1 << (bits - 1)
    return -limit <= least and most < limit


def convolution_by_pairs(program: Program, step: Step) -> Step | None:
    """The step on channel pairs; None for another operator and for what leaves a range."""
    p = step.params
    if not isinstance(p, Conv2dParams) or step.inputs[0].c != p.weight_c:
        return None
    if p.kernel_h * p.kernel_w * p.weight_c > MOST_TAPS:
        return None
    pairs = pairs_of(channels_of(p, step.output.c), p)
    if pairs is None:
        return None
    # The kernel puts pairs in order only where it minds negative sums, which costs a little.
    negatives = p.act_min < p.output_zero_point or any(pair.is_reversed for pair in pairs)
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
        negatives=int(negatives),
        tile_pixels=TILE_PIXELS,
        stream=Blob(b"".join(pair.data for pair in pairs), p.weights.note),
    )
    return _with(step, params)


def with_small_tile(step: Step) -> Step:
    """A step on channel pairs with less scratch; any other as it is."""
    if not isinstance(step.params, ConvPairsParams):
        return step
    return _with(step, replace(step.params, tile_pixels=SMALL_TILE_PIXELS))


def _with(step: Step, params: ConvPairsParams) -> Step:
    source, output = step.inputs[0], step.output
    scratch_bytes = params.scratch_bytes((source.h, source.w, source.c), (output.h, output.w))
    return replace(step, params=params, scratch_bytes=scratch_bytes)


def channels_of(p: Conv2dParams, out_c: int) -> list[Channel]:
    """The channels of a layer without groups, out of the order of the generic kernel."""
    count = p.kernel_h * p.kernel_w * p.weight_c
    data = np.frombuffer(p.weights.data, np.int8).astype(np.int64)
    whole = out_c // INTERLEAVED * INTERLEAVED
    blocks = data[: whole * count].reshape(-1, count, INTERLEAVED).swapaxes(1, 2)
    left = data[whole * count :].reshape(-1, count)
    weights = np.concatenate([blocks.reshape(whole, count), left])
    rows = weights.reshape(out_c, p.kernel_h, p.kernel_w * p.weight_c)
    table = struct.iter_unpack("<iii", p.channels.data)
    return [Channel(taps, *numbers) for taps, numbers in zip(rows, table, strict=True)]


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair as the stream has it."""

    data: bytes
    is_reversed: bool = False


def pairs_of(channels: Sequence[Channel], p: Conv2dParams) -> list[Pair] | None:
    """All pairs, or None where a channel or a pair leaves a range."""
    pairs = []
    for first in range(0, len(channels), 2):
        two = [settled(channel, p) for channel in channels[first : first + 2]]
        if len(two) == 1:
            # Behind the last channel, which is so never the second of its pair.
            two.append(silent(channels[first], 0))
        pair = pair_of(two[0], two[1], p.output_zero_point)
        if pair is None:
            return None
        pairs.append(pair)
    return pairs


def settled(channel: Channel, p: Conv2dParams | DepthwiseParams) -> Channel:
    """A channel that is the same for every input, without the weights and the sums that made it."""
    least, most = channel.sums
    if channel.shift > 0 or not is_within(32, least, most):
        return channel
    ends = [requantized(s, channel.multiplier, channel.shift) for s in (least, most)]
    if not is_within(31, *ends):
        return channel
    outputs = {min(max(y + p.output_zero_point, p.act_min), p.act_max) for y in ends}
    # Multipliers are not negative: what lies between the ends comes out between theirs.
    if len(outputs) > 1:
        return channel
    return silent(channel, outputs.pop() - p.output_zero_point)


def silent(channel: Channel, value: int) -> Channel:
    """A channel without weights that gives ``value`` before its zero point is added."""
    return Channel(np.zeros_like(channel.taps), 4 * value, 1 << 30, -1)


def requantized(value: int, multiplier: int, shift: int) -> int:
    """``es_requantize`` where no more than an int32 is needed on the way; shift <= 0."""
    y = (value * multiplier + (1 << 30)) >> 31
    half = 1 << -shift >> 1
    return (y + half - (half > 0 and y < 0)) >> -shift


def pair_of(channel_0: Channel, channel_1: Channel, zero_point: int) -> Pair | None:
    """A pair as it stands, or else in reverse; None where both leave a range."""
    data = _record(channel_0, channel_1, zero_point)
    if data is not None:
        return Pair(data)
    data = _record(channel_1, channel_0, zero_point, _IN_REVERSE)
    return None if data is None else Pair(data, is_reversed=True)


def _record(
    channel_0: Channel, channel_1: Channel, zero_point: int, flags: int = 0
) -> bytes | None:
    """A pair in the stream, or None where it leaves a range: the second sum must be an int24, and
    both weights together an int16. ``flags`` stand beside the exponents.
    """
    scale_0, scale_1 = channel_0.scale(zero_point), channel_1.scale(zero_point)
    both = in_order(channel_0.taps) + 256 * in_order(channel_1.taps)
    is_exact = is_within(24, *channel_1.sums) and is_within(16, int(both.min()), int(both.max()))
    if scale_0 is None or scale_1 is None or not is_exact:
        return None
    return b"".join(
        (
            struct.pack("<iI", channel_0.bias, (channel_0.bias + 256 * channel_1.bias) % (1 << 32)),
            both.astype("<i2").tobytes(),
            struct.pack("<ii", scale_0.multiplier, scale_0.addend),
            struct.pack("<ii", scale_1.multiplier, scale_1.addend),
            struct.pack("<I", scale_0.exponent | scale_1.exponent << 8 | flags),
        )
    )


def in_order(taps: Weights) -> Weights:
    """A channel's taps as the stream has them: the quads of each kernel row, then what is left of
    all rows; filled up with zeros.
    """
    kernel_h, run = taps.shape
    row_quads, row_left = quads_of_row(kernel_h, run)
    filled = np.pad(taps, ((0, 0), (0, max(0, QUAD * row_quads - run))))
    quads = filled[:, : QUAD * row_quads].reshape(-1, QUAD)[:, _QUAD_ORDER].reshape(-1)
    left = taps[:, run - row_left :].reshape(-1)
    return np.concatenate([quads, left, np.zeros(-len(left) % QUAD, np.int64)])

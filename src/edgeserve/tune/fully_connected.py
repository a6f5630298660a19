"""FULLY_CONNECTED by pairs of output channels: what the kernel asks for, and its weights' order.

A pair of weights is the int16 ``w0 + 256 * w1``. One multiplication by an element serves both
channels: the sum is ``sum_0 + 256 * sum_1``, and a second chain over the lower bytes gives
``sum_0``. That is exact as long as ``sum_1`` is an int24. Whether it always is, is known here: the
weights and all inputs that can be are. Where it is not, the kernel takes shorter runs.

The kernel rounds ties up, the reference away from zero: it is for layers in which no sum can fall
on a tie. A product has few bits below those of its multiplier, which are seldom all zero.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgeserve.kernels.portable import FullyConnectedParams
from edgeserve.kernels.record import Blob
from edgeserve.kernels.tuned import FullyConnectedPairsParams
from edgeserve.program import Program, Step
from edgeserve.tune.scale import least_tie

BLOCK, QUAD = 4, 4
"""Output channels and taps that lie together."""
WIDE = 128
"""Longer rows come in whole quads."""
SUM_LIMIT = 1 << 23
"""What an odd channel's sum must not reach, in magnitude."""
LOWEST = 128
"""The magnitude of the least int8."""
_LEAST_SHIFT, _MOST_SHIFT = -25, -2
"""Powers of two for which both exponents, ``-2 - shift`` and 8 more, are 0 to 31."""

Matrix = npt.NDArray[np.int64]
"""[out_c, depth]."""


def fully_connected_by_pairs(_program: Program, step: Step) -> Step | None:
    """The step on channel pairs; None for another operator and for what leaves a range."""
    p = step.params
    if not isinstance(p, FullyConnectedParams):
        return None
    depth, out_c = step.inputs[0].w * step.inputs[0].c, step.output.c
    if out_c < BLOCK or (depth > WIDE and depth % QUAD):
        return None
    weights = np.frombuffer(p.weights.data, np.int8).astype(np.int64).reshape(out_c, depth)
    rows = list(struct.iter_unpack("<iii", p.channels.data))
    if not all(_LEAST_SHIFT <= shift <= _MOST_SHIFT for _, _, shift in rows):
        return None
    biases = np.abs([bias for bias, _, _ in rows])
    stream = paired(weights)
    if stream is None or biases.max() >= SUM_LIMIT:
        return None
    reach = biases + LOWEST * np.abs(weights).sum(axis=1)
    if not all(most < least_tie(*row[1:]) for most, row in zip(reach, rows, strict=True)):
        return None
    params = FullyConnectedPairsParams(
        output_zero_point=p.output_zero_point,
        act_min=p.act_min,
        act_max=p.act_max,
        is_long=int(reach.max() >= SUM_LIMIT),
        weights=Blob(stream, p.weights.note),
        blocks=Blob(_blocks(rows), p.channels.note),
    )
    return replace(step, params=params)


def paired(weights: Matrix) -> bytes | None:
    """The weights in the kernel's order; None where a pair is no int16."""
    out_c, depth = weights.shape
    padded = np.zeros((-(-out_c // BLOCK) * BLOCK, -(-depth // QUAD) * QUAD), np.int64)
    padded[:out_c, :depth] = weights
    pairs = padded[0::2] + 256 * padded[1::2]
    if pairs.min() < -(1 << 15):
        return None
    # [block, pair, quad, i, parity] -> [block, quad, pair, parity, i]
    shape = (padded.shape[0] // BLOCK, BLOCK // 2, padded.shape[1] // QUAD, 2, 2)
    stream: bytes = pairs.reshape(shape).transpose(0, 2, 1, 4, 3).astype("<i2").tobytes()
    return stream


def _blocks(rows: list[tuple[int, ...]]) -> bytes:
    """Of each four channels where their sums start, then a multiplier and exponent each."""
    rows = [*rows, *[(0, 0, _MOST_SHIFT)] * (-len(rows) % BLOCK)]
    data = b""
    for first in range(0, len(rows), BLOCK):
        (b0, *_), (b1, *_), (b2, *_), (b3, *_) = block = rows[first : first + BLOCK]
        starts = (b0, b0 + 256 * b1, b2, b2 + 256 * b3)
        data += struct.pack("<4I", *(start & 0xFFFFFFFF for start in starts))
        for index, (_, multiplier, shift) in enumerate(block):
            data += struct.pack("<ii", multiplier, _MOST_SHIFT - shift + 8 * (index % 2))
    return data

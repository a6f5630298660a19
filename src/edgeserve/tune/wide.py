"""FULLY_CONNECTED with weights of 16 bits: twice the flash, and nothing to unpack.

A word of weights is two taps of one channel, as the multiplication takes them: four channels share
each two taps of the input. The kernel rounds ties up, the reference away from zero: like the one by
pairs it is for layers in which no sum can fall on a tie. The output's zero point, doubled and with
one half, is added before the only shift.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from edgeserve.kernels.portable import FullyConnectedParams
from edgeserve.kernels.record import Blob
from edgeserve.kernels.tuned import FullyConnectedWideParams
from edgeserve.program import Program, Step
from edgeserve.tune.fully_connected import BLOCK, LOWEST, QUAD, WIDE, Matrix
from edgeserve.tune.scale import least_tie

_INT32 = 1 << 31
_LEAST_SHIFT, _MOST_SHIFT = -32, -2
"""Powers of two for which the exponent, ``-1 - shift``, is 1 to 31."""
_NO_CHANNEL = (0, 0, _MOST_SHIFT)


def fully_connected_with_wide_weights(_program: Program, step: Step) -> Step | None:
    """The step with weights of 16 bits; None for another operator and for what leaves a range."""
    p = step.params
    if not isinstance(p, FullyConnectedParams):
        return None
    depth, out_c = step.inputs[0].w * step.inputs[0].c, step.output.c
    if out_c < BLOCK or (depth > WIDE and depth % QUAD):
        return None
    weights = np.frombuffer(p.weights.data, np.int8).astype(np.int64).reshape(out_c, depth)
    rows = list(struct.iter_unpack("<iii", p.channels.data))
    reach = np.abs([bias for bias, _, _ in rows]) + LOWEST * np.abs(weights).sum(axis=1)
    if not all(
        is_exact(int(most), multiplier, shift, p.output_zero_point)
        for most, (_, multiplier, shift) in zip(reach, rows, strict=True)
    ):
        return None
    params = FullyConnectedWideParams(
        act_min=p.act_min,
        act_max=p.act_max,
        weights=Blob(widened(weights), p.weights.note),
        blocks=Blob(b"".join(_blocks(rows, p.output_zero_point)), p.channels.note),
    )
    return replace(step, params=params)


def is_exact(most: int, multiplier: int, shift: int, zero_point: int) -> bool:
    """Whether the kernel's form is what the reference makes of all sums up to ``most``."""
    if multiplier < 0 or not _LEAST_SHIFT <= shift <= _MOST_SHIFT or most >= _INT32:
        return False
    scaled = (most * multiplier >> 32) + 1
    return most < least_tie(multiplier, shift) and scaled + abs(addend(shift, zero_point)) < _INT32


def addend(shift: int, zero_point: int) -> int:
    """Zero point and half, doubled and scaled up to where the shift takes them back."""
    return (2 * zero_point + 1) << (-2 - shift)


def widened(weights: Matrix) -> bytes:
    """The weights in the kernel's order."""
    out_c, depth = weights.shape
    padded = np.zeros((-(-out_c // BLOCK) * BLOCK, -(-depth // QUAD) * QUAD), np.int64)
    padded[:out_c, :depth] = weights
    # [block, channel, quad, i, parity] -> [block, quad, parity, channel, i]
    shape = (padded.shape[0] // BLOCK, BLOCK, padded.shape[1] // QUAD, 2, 2)
    stream: bytes = padded.reshape(shape).transpose(0, 2, 4, 1, 3).astype("<i2").tobytes()
    return stream


def _blocks(rows: Sequence[tuple[int, ...]], zero_point: int) -> Iterator[bytes]:
    """Of each four channels the biases, then multiplier, addend and exponent of each."""
    filled = [*rows, *[_NO_CHANNEL] * (-len(rows) % BLOCK)]
    for first in range(0, len(filled), BLOCK):
        block = filled[first : first + BLOCK]
        yield struct.pack("<4i", *(bias for bias, _, _ in block))
        for _, multiplier, shift in block:
            yield struct.pack("<iii", multiplier, addend(shift, zero_point), -1 - shift)

"""Features of the kernels that take more flash to be faster."""

from __future__ import annotations

from edgeserve.cost.work import Turn, Work, blocks_of
from edgeserve.kernels.tuned import (
    QUAD,
    WINOGRAD_ROWS,
    ConvWinogradParams,
    FullyConnectedWideParams,
)

_BLOCK_COLUMNS = 4
"""Output columns of two tiles of Winograd's method side by side."""
_TOGETHER = 8
"""Quads of input channels that the multiplications take at a time."""
_WIDE_TAPS = 128
"""Rows up to so long are widened once for all blocks."""


def conv_winograd(turn: Turn) -> Work:
    """Blocks of two tiles; a last row alone costs as much as two."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, ConvWinogradParams)
    blocks = -(-turn.rows // WINOGRAD_ROWS) * -(-step.output.w // _BLOCK_COLUMNS)
    quads, pairs = step.inputs[0].c // QUAD, blocks * (step.output.c // 2)
    return {
        "turn": 1,
        "block": blocks,
        "spread quad": blocks * quads,
        "pair": pairs,
        "pair quad": pairs * quads,
        "pass": pairs * (quads // _TOGETHER),
        "negative": pairs * int(p.negatives != 0),
    }


def fully_connected_wide(turn: Turn) -> Work:
    """Blocks of four channels by quads of taps; longer rows are read as bytes."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, FullyConnectedWideParams)
    blocks = blocks_of(step.output.c)
    taps = turn.share(step.macs // step.output.c)
    kind = "sum " if turn.sums else "" if taps <= _WIDE_TAPS * turn.rows else "long "
    return {
        "turn": 1,
        f"{kind}row": turn.rows,
        f"{kind}block": blocks * (turn.rows if turn.sums else 1),
        f"{kind}quad": blocks * taps // QUAD,
        f"{kind}tap": taps,
    }

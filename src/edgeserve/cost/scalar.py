"""Features of the kernels for cores without SIMD."""

from __future__ import annotations

from edgeserve.cost.work import LANES, Turn, Work, axes_of, axis, clamps
from edgeserve.kernels.tuned import (
    LANES_BLOCK,
    LANES_PIXELS,
    ConvLanesParams,
    DepthwiseColumnsParams,
)

_BLOCK = 8
"""Output channels that a fully connected layer computes together."""


def conv_lanes(turn: Turn) -> Work:
    """Tiles of three pixels: packing, then each block of four channels, run by run of taps."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, ConvLanesParams)
    source, output = step.inputs[0], step.output
    taps = p.kernel_h * p.kernel_w * source.c
    pixels = turn.rows * output.w
    tiles, blocks = -(-pixels // LANES_PIXELS), -(-output.c // LANES_BLOCK)
    down, across = axes_of(step, p, (p.dilation_h, p.dilation_w))
    apart = p.dilation_w > 1 and p.kernel_w > 1
    beside = output.w if apart else across.leaving
    gathered = across.taps - (output.w - beside) * p.kernel_w
    runs = -(-taps // p.run)
    return {
        "turn": 1,
        "row": turn.rows,
        "tile": tiles,
        "tile row": tiles * p.kernel_h,
        "tile tap": tiles * taps,
        "pixel": pixels,
        "padded pixel": turn.rows * beside,
        "padded row": turn.rows * beside * p.kernel_h,
        "padded tap": turn.rows * gathered * p.kernel_h * source.c,
        "outside": turn.share((p.kernel_h * down.count - down.taps) * output.w),
        "outside tap": turn.share((p.kernel_h * down.count - down.taps) * output.w)
        * p.kernel_w
        * source.c,
        "block": tiles * blocks,
        "run": tiles * blocks * (runs - 1),
        "tap": tiles * blocks * taps,
        "output": pixels * output.c,
        "negative": pixels * output.c * int(p.below != 0),
    }


def depthwise_columns(turn: Turn) -> Work:
    """Each channel of a row, column by column."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, DepthwiseColumnsParams)
    source, output = step.inputs[0], step.output
    across = axis(source.w, output.w, 3, p.stride_w, p.pad_left)
    channels = turn.rows * output.c
    return {
        "turn": 1,
        "row": turn.rows,
        "channel": channels,
        f"pixel by {p.stride_w}": channels * output.w,
        "column beside": channels * across.leaving,
        "negative": channels * output.w * int(p.below != 0),
    }


def fully_connected_blocks(turn: Turn) -> Work:
    """Blocks of eight channels, the last maybe of four."""
    step = turn.step
    source, out_c = step.inputs[0], step.output.c
    whole, left = divmod(out_c, _BLOCK)
    halves = int(0 < left <= LANES)
    blocks = whole + int(left > LANES)
    kind, run = "", source.w * source.c
    outputs = turn.rows * out_c
    if turn.sums:
        kind, run, outputs = "sum ", source.h * run // turn.units, turn.share(out_c)
    return {
        "turn": 1,
        f"{kind}row": turn.rows,
        f"{kind}block": turn.rows * blocks,
        f"{kind}half block": turn.rows * halves,
        f"{kind}tap of block": turn.rows * blocks * run,
        f"{kind}tap of half block": turn.rows * halves * run,
        f"{kind}output": outputs,
        "clamped": outputs * clamps(step.params),
    }

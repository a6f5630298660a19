"""Features of the kernels for cores with MVE."""

from __future__ import annotations

from edgeserve.cost.work import Turn, Work, axes_of, clamps
from edgeserve.kernels.tuned import (
    VECTOR_BYTES,
    VECTOR_PIXELS,
    ConvVectorsParams,
    DepthwiseVectorsParams,
)

_UNROLLED = 4
"""Vectors that a pass of the multiplying loop takes; the first stands before it."""


def conv_vectors(turn: Turn) -> Work:
    """Fours of pixels, their windows copied or read in place, then all pairs of channels."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, ConvVectorsParams)
    source, output = step.inputs[0], step.output
    down, across = axes_of(step, p, (p.dilation_h, p.dilation_w))
    vectors = -(-p.kernel_h * p.kernel_w * source.c // VECTOR_BYTES)
    run = p.kernel_w * source.c
    pixels = turn.rows * output.w
    aligned = turn.rows * (output.w // VECTOR_PIXELS)
    # What is left of rows runs on from one to the next, and so do the fours behind it.
    ragged = 0 if output.w % VECTOR_PIXELS == 0 else -(-pixels // VECTOR_PIXELS) - aligned
    fours = aligned + ragged
    pairs = -(-output.c // 2)
    in_place = (p.kernel_h, p.kernel_w, p.pad_top, p.pad_left) == (1, 1, 0, 0)
    copied = ragged * VECTOR_PIXELS if in_place else fours * VECTOR_PIXELS
    edges = turn.rows * across.leaving + turn.share(down.leaving * across.count)
    return {
        "turn": 1,
        "row": turn.rows,
        "four": fours,
        "ragged four": ragged,
        "four copied": 0 if in_place else fours,
        "odd four": fours * (output.c % 2),
        "pair": fours * pairs,
        "vector of pair": fours * pairs * vectors,
        "pass": fours * pairs * ((vectors + _UNROLLED - 2) // _UNROLLED),
        "negative": p.negatives * fours * pairs,
        "window": copied,
        "run": copied * p.kernel_h,
        "long run": copied * p.kernel_h if run > VECTOR_BYTES else 0,
        "vector of run": copied * p.kernel_h * -(-run // VECTOR_BYTES),
        "edge": edges,
        "edge run": edges * p.kernel_h,
        "edge vector": edges * vectors,
    }


def depthwise_vectors(turn: Turn) -> Work:
    """Tiles of a row or of two rows at once: sixteen channels set out, then one by one."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, DepthwiseVectorsParams)
    source, output = step.inputs[0], step.output
    rows_together, pixels_together = (2, 2) if p.by_two else (1, 4)
    calls = -(-turn.rows // rows_together)
    widths = [min(p.tile_w, output.w - x) for x in range(0, output.w, p.tile_w)]
    tiles, groups = len(widths), -(-output.c // VECTOR_BYTES)
    columns = sum((width - 1) * p.stride_w + p.kernel_w for width in widths)
    whole = sum(width // pixels_together for width in widths)
    parts = sum(width % pixels_together > 0 for width in widths)
    single = turn.rows % 2 if p.by_two else 0
    fours = (whole + parts) * output.c
    return {
        "turn": 1,
        "call": calls,
        "tile": calls * tiles,
        "group": calls * tiles * groups,
        "column": calls * columns * groups,
        "channel": calls * tiles * output.c,
        "four": calls * fours,
        "part of four": calls * parts * output.c,
        "negative": calls * fours * p.negatives,
        "four of single row": single * fours,
        "channel of single row": single * tiles * output.c,
        "aside": p.sets_aside * (turn.rows // 2) * source.w * source.c,
        "clamped": turn.rows * output.w * output.c * clamps(p),
        "clamped row": turn.rows * clamps(p),
    }

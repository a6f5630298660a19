"""Features of the kernels that are made for cores with SMLAD."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from edgeserve.cost.work import Turn, Work, axes_of, axis, blocks_of, clamps
from edgeserve.kernels.tuned import (
    QUAD,
    TILE_PIXELS,
    WINOGRAD_ROWS,
    ConvPairsParams,
    ConvWinogradParams,
    DepthwisePairsParams,
    DepthwiseReluParams,
    FullyConnectedPairsParams,
    FullyConnectedWideParams,
    quads_of_row,
)
from edgeserve.program import Step

_UNROLLED = {3: 8, 2: 2, 1: 2}
"""Quads that a pass of the multiplying loop takes, by the pixels of a tile of three."""
_UNROLLED_SMALL = 4
"""The same of tiles of two."""
_WINOGRAD_COLUMNS = 4
"""Output columns of two tiles of Winograd's method side by side."""
_WIDE_TAPS, _PASS_QUADS, _WORTH_WIDENING = 128, 8, 4
"""A dense layer's input of so many elements is widened, once for so many blocks of channels."""


@dataclass(frozen=True, slots=True)
class _Tiles:
    """How the pixels of some rows fall into tiles.

    ``plain`` tiles read neighbouring bytes; the others are packed pixel by pixel: ``windows`` of
    them. ``mixed[n]`` has so many tiles of n + 1 pixels.
    """

    plain: int
    windows: int
    mixed: tuple[int, int, int]


@cache
def _tiles(width: int, first: int, end: int, rows: int, pixels: int) -> _Tiles:
    """The walk of ``es_pairs_rows``: columns ``[first, end)`` are plain."""
    plain = windows = x = y = 0
    mixed = [0, 0, 0]
    while y < rows:
        if pixels == TILE_PIXELS and first <= x <= end - TILE_PIXELS:
            tiles = (end - x) // TILE_PIXELS
            plain, x = plain + tiles, x + tiles * TILE_PIXELS
        left = (rows - y) * width - x
        taken = min(pixels, left)
        # What is left of a row may be plain again from the next row on: one tile at a time.
        if taken > 0:
            mixed[taken - 1] += 1
            windows += taken
        y, x = y + (x + taken) // width, (x + taken) % width
        if taken == 0:
            break
    return _Tiles(plain, windows, (mixed[0], mixed[1], mixed[2]))


def conv_pairs(turn: Turn) -> Work:
    """Tiles of pixels: packing, then all pairs of channels of each."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, ConvPairsParams)
    source, output = step.inputs[0], step.output
    row_quads, row_left = quads_of_row(p.kernel_h, p.kernel_w * source.c)
    left = p.kernel_h * row_left
    quads = p.kernel_h * row_quads - (-left // QUAD)
    tiles = _tiles_of(turn, p, -(-(QUAD * row_quads + row_left) // source.c))
    down, across = axes_of(step, p, (p.dilation_h, p.dilation_w))
    apart = p.dilation_w > 1 and p.kernel_w > 1
    padded = turn.rows * (output.w if apart else across.leaving)
    outside = p.kernel_h * down.count - down.taps
    pixels = turn.rows * output.w
    all_tiles = tiles.plain + sum(tiles.mixed)
    incomplete = max(clamps(p), output.c % 2)
    work = {
        "turn": 1,
        "row": turn.rows,
        "plain tile": tiles.plain,
        "plain tile of bands": tiles.plain * down.leaving // output.h,
        "plain row": tiles.plain * p.kernel_h,
        "plain row outside": tiles.plain * outside // output.h,
        "plain quad": tiles.plain * p.kernel_h * row_quads,
        "plain leftover": tiles.plain * left,
        "window": tiles.windows,
        "window row": tiles.windows * p.kernel_h,
        "window of bands": tiles.windows * down.leaving // output.h,
        "window row outside": tiles.windows * outside // output.h,
        "window quad": tiles.windows * p.kernel_h * row_quads,
        "window leftover": tiles.windows * left,
        "padded row": padded * p.kernel_h,
        "padded word": padded * p.kernel_h * (p.kernel_w * source.c // 4),
        "padded piece": padded * p.kernel_h * (p.kernel_w if apart else 1),
        "incomplete tile": all_tiles * incomplete,
        "odd tile": all_tiles * (output.c % 2),
        "completed": pixels * output.c * incomplete,
    }
    pairs = -(-output.c // 2)
    threes = tiles.plain + tiles.mixed[2]
    work["negative"] = p.negatives * threes * pairs
    if p.tile_pixels < TILE_PIXELS:
        small = sum(tiles.mixed) * pairs
        passes = -(-(quads - 1) // _UNROLLED_SMALL)
        return {**work, "small": small, "small quad": small * quads, "small pass": small * passes}
    for count, number in ((3, threes), (2, tiles.mixed[1]), (1, tiles.mixed[0])):
        passes = -(-(quads - 1) // _UNROLLED[count])
        work[f"pair of {count}"] = number * pairs
        work[f"quad of {count}"] = number * pairs * quads
        work[f"pass of {count}"] = number * pairs * passes
        work[f"product of {count}"] = number
    return work


def _tiles_of(turn: Turn, p: ConvPairsParams, reach: int) -> _Tiles:
    """``reach``: columns of the input that the windows of a plain pixel read."""
    source, output = turn.step.inputs[0], turn.step.output
    window = (p.kernel_h, p.kernel_w, p.stride_h, p.stride_w, p.pad_top, p.pad_left)
    if window == (1, 1, 1, 1, 0, 0):
        return _tiles(turn.rows * output.w, 0, turn.rows * output.w, 1, p.tile_pixels)
    room = source.w + p.pad_left - reach
    if room < 0 or (p.dilation_w > 1 and p.kernel_w > 1):
        return _tiles(output.w, 0, 0, turn.rows, p.tile_pixels)
    first, end = -(-p.pad_left // p.stride_w), min(room // p.stride_w + 1, output.w)
    return _tiles(output.w, first, end, turn.rows, p.tile_pixels)


def depthwise_pairs(turn: Turn) -> Work:
    """Two rows of a 3x3 window at once, or one of another: four channels packed at a time."""
    p = turn.step.params
    assert isinstance(p, DepthwisePairsParams)
    if not p.by_two:
        return {**_of_all_windows(turn, p), **_of_any_window(turn, p)}
    shared = _of_all_windows(turn, p)
    return {**shared, **_rows_3x3(turn, p, 2, shared["call"])}


def depthwise_relu(turn: Turn) -> Work:
    """Tiles of a row or of two rows at once."""
    p = turn.step.params
    assert isinstance(p, DepthwiseReluParams)
    shared = _of_all_windows(turn, p)
    singles = turn.rows % 2 if p.by_two else turn.rows
    doubles = _rows_3x3(turn, p, 2, shared["call"] - singles)
    return {**shared, **doubles, **_rows_3x3(turn, p, 1, singles)}


def _of_all_windows(turn: Turn, p: DepthwisePairsParams) -> Work:
    source, output = turn.step.inputs[0], turn.step.output
    return {
        "turn": 1,
        "call": -(-turn.rows // (2 if p.by_two else 1)),
        "aside": p.sets_aside * (turn.rows // 2) * source.w * source.c,
        "clamped": turn.rows * output.w * output.c * clamps(p),
    }


def _rows_3x3(turn: Turn, p: DepthwisePairsParams, rows: int, count: int) -> Work:
    """``count`` times so many rows at once."""
    step, c = turn.step, turn.step.output.c
    seen = p.kernel_h + (rows - 1) * p.stride_h
    tiles, columns, pairs, odd = _tiles_across(step, p)
    down, across = axes_of(step, p, (p.dilation_h, 1))
    kind = f"{rows} by {p.stride_w}"
    groups = count * blocks_of(c)
    outside = groups * down.leaving * columns // max(1, step.output.h)
    return {
        f"tile of {rows}": count * tiles,
        f"packing of {seen}": groups * tiles,
        f"column of {seen}": groups * columns,
        "beside": (count if tiles > 1 else 1) * across.leaving * p.stride_w,
        f"outside of {rows}": outside,
        f"channel {kind}": count * tiles * c,
        f"two pixels {kind}": count * pairs * c,
        f"last pixel {kind}": count * odd * c,
    }


def _tiles_across(step: Step, p: DepthwisePairsParams) -> tuple[int, int, int, int]:
    """Of a row: tiles, input columns packed for them, pairs of pixels, and pixels left of pairs."""
    tiles = columns = pairs = odd = 0
    for x in range(0, step.output.w, p.tile_w):
        pixels = min(p.tile_w, step.output.w - x)
        left = x * p.stride_w - p.pad_left
        end = left + (pixels - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 1
        columns += max(0, min(end, step.inputs[0].w) - max(left, 0))
        tiles, pairs, odd = tiles + 1, pairs + pixels // 2, odd + pixels % 2
    return tiles, columns, pairs, odd


def _of_any_window(turn: Turn, p: DepthwisePairsParams) -> Work:
    step, c = turn.step, turn.step.output.c
    tiles, columns, _, _ = _tiles_across(step, p)
    fours = sum(
        -(-min(p.tile_w, step.output.w - x) // 4) for x in range(0, step.output.w, p.tile_w)
    )
    pairs = -(-p.kernel_h // 2) * p.kernel_w
    packed = p.kernel_h if 3 <= p.kernel_h <= 5 else 0
    down = axis(step.inputs[0].h, step.output.h, p.kernel_h, p.stride_h, p.pad_top, p.dilation_h)
    groups = turn.rows * blocks_of(c)
    by_pairs = 0 if packed else -(-p.kernel_h // 2)
    return {
        "any tile": turn.rows * tiles,
        "any taps placed": pairs,
        "any group": groups * tiles,
        f"any column of {packed}": groups * columns * max(1, by_pairs),
        f"any row of {packed}": groups * tiles * by_pairs,
        "any outside": turn.share(down.leaving * blocks_of(c) * columns),
        "any channel": turn.rows * tiles * c,
        "any weights": turn.rows * tiles * c * pairs,
        "any four pixels": turn.rows * fours * c,
        "any four pixels' tap": turn.rows * fours * c * pairs,
        "any pixel": turn.rows * step.output.w * c,
    }


def fully_connected(turn: Turn) -> Work:
    """Blocks of four channels by quads of taps, which are widened first where that pays; weights
    of pairs and wide ones alike.
    """
    step, p = turn.step, turn.step.params
    assert isinstance(p, FullyConnectedPairsParams | FullyConnectedWideParams)
    is_long = isinstance(p, FullyConnectedPairsParams) and p.is_long
    source, out_c = step.inputs[0], step.output.c
    depth = source.w * source.c
    if turn.sums:
        run = source.h * depth // turn.units
        sums = {"sum row": turn.rows, "sum output": turn.share(out_c)}
        # Runs begin and end inside a quad where rows are no whole quads.
        ragged = 0 if run % QUAD == 0 else min(run, QUAD)
        sums["sum ragged tap"] = turn.rows * ragged * out_c
        return {"turn": 1, **sums, **_blocks("sum ", turn.rows, run - ragged, out_c)}
    kind = "long " if is_long else ""
    outputs = turn.rows * out_c
    return {
        "turn": 1,
        f"{kind}row": turn.rows,
        f"{kind}output": outputs if is_long else turn.rows * (out_c % 4 > 0),
        "clamped": outputs * clamps(p),
        **_blocks(kind, turn.rows, depth, out_c),
    }


def _blocks(kind: str, rows: int, taps: int, out_c: int) -> Work:
    quads, blocks = -(-taps // QUAD), blocks_of(out_c)
    wide = taps % QUAD > 0 or (taps <= _WIDE_TAPS and out_c // 4 >= _WORTH_WIDENING)
    form = "halves" if wide else "bytes"
    ragged = quads % _PASS_QUADS > 0
    return {
        f"{kind}widened quad": rows * quads if wide else 0,
        f"{kind}block": rows * blocks,
        f"{kind}block with a rest": rows * blocks if ragged else 0,
        f"{kind}quad of {form}": rows * blocks * quads,
        f"{kind}pass": rows * blocks * (quads // _PASS_QUADS),
        f"{kind}single quad": rows * blocks * (quads % _PASS_QUADS),
    }


def conv_winograd(turn: Turn) -> Work:
    """Blocks of two tiles; a last row alone costs as much as two."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, ConvWinogradParams)
    blocks = -(-turn.rows // WINOGRAD_ROWS) * -(-step.output.w // _WINOGRAD_COLUMNS)
    quads, pairs = step.inputs[0].c // QUAD, blocks * (step.output.c // 2)
    return {
        "turn": 1,
        "block": blocks,
        "spread quad": blocks * quads,
        "pair": pairs,
        "pair quad": pairs * quads,
        "pass": pairs * (quads // _PASS_QUADS),
        "negative": pairs * int(p.negatives != 0),
    }

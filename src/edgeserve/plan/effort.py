"""What kernels ask for and cost: scratch bytes, rows at once, instructions of a turn.

The figures were measured on a Cortex-M7 (executed instructions, real layer shapes). They steer the
choice between plans of the same bytes; a figure that is off costs speed, never correctness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from edgeserve.kernels import (
    LANES_BLOCK,
    LANES_PIXELS,
    QUAD,
    WINOGRAD_ROWS,
    AddByTableParams,
    AddParams,
    AveragePoolParams,
    Conv2dParams,
    ConvLanesParams,
    ConvPairsParams,
    ConvWinogradParams,
    DepthwiseColumnsParams,
    DepthwisePairsParams,
    DepthwiseParams,
    FullyConnectedBlocksParams,
    FullyConnectedPairsParams,
    FullyConnectedParams,
    FullyConnectedWideParams,
    MaxPoolParams,
    ReduceParams,
    TransposeConvParams,
    quads_of_row,
)
from edgeserve.program import Step
from edgeserve.rewrite import one_row
from edgeserve.rows import rows_at_once

ByStep: TypeAlias = Callable[[Step], int]

TURN_INSTRUCTIONS = 150
"""Of the loop's dispatch, the adapter, and a kernel's way in and out."""

_TILE_PIXELS = 3
_TILE_SHARES = (0, 9, 13, 17)
"""Instructions for a tile of 0 to 3 pixels by two channels and four taps."""

_PAIR_SHARES = (0, 23, 34, 45)
"""Instructions for a pair of channels of such a tile beside its taps."""
_PACK_TILE, _PACK_ROW, _PACK_QUAD, _PACK_LEFTOVER, _PACK_PADDED = 90, 15, 12, 25, 90
"""Instructions for the packing of a tile: as such, for each kernel row, for each quad of taps, for
each tap that quads leave of a row; and for a kernel row of a pixel at the image's sides.
"""
_LANES = 4
_COLUMN_PER_ROW, _COLUMN_PER_TAP, _COLUMN_PER_ELEMENTWISE = 80, 8, 20
"""To set out a window of a row of one pixel, and each row of it for four channels. Portable kernels
take five times as much, as they do for all else.
"""

_CONV_PER_MAC, _DEPTHWISE_PER_MAC, _SINGLE_ROW = (87, 100), (200, 100), (130, 100)
_BLOCK_CHANNELS, _BLOCK_INSTRUCTIONS = 4, 40
_WIDE_BLOCK = 32
"""Of a block of channels with wide weights beside its taps."""
_WIDE_TAPS, _WIDE_PER_TAP, _LONG_PER_TAP = 128, (36, 10), (41, 10)
"""Of a block of channels of a fully connected layer by pairs: few taps are widened, once for all
blocks, and the taps of longer rows as they are read.
"""
_BLOCK_W = 4
"""Output columns of two tiles side by side."""
_BLOCK_TAKEN, _SPREAD_QUAD = 300, 315
_ELEMENT, _ELEMENT_QUAD, _ELEMENT_PASS = 9, 10, 3
_WINOGRAD_PAIR, _WINOGRAD_NEGATIVES = 260, 32
"""Of two tiles: to find them; to transform four input channels; of two output channels each element
beside its input channels, for each four of these, and for each further eight times four; then to
transform back and requantize, and what signs take more of it.
"""
_COLUMN, _COLUMN_ROW = {3: 17, 4: 20, 5: 30}, 7
"""Instructions to pack a column of four channels, by the rows that are seen."""
_GROUP, _CHANNEL = 100, 38
_TILES = {(1, 1): (29, 18), (1, 2): (30, 18), (2, 1): (52, 33), (2, 2): (59, 36)}
"""Instructions for two pixels of a 3x3 window and for a single one, by rows and stride."""
_ANY_FOUR, _ANY_PAIR, _ANY_WEIGHTS = 115, 11, 8
"""Of a window of any size: for four pixels, for each pair of taps in them, to widen a pair."""
_LANES_TILE, _LANES_ROW, _LANES_PACK = 80, 60, 11
"""Instructions on RV32IMC for a tile of three pixels: as such, for each kernel row and each tap."""
_LANES_FOUR, _LANES_RUN, _LANES_TAP = 220, 100, 23
"""Of four channels of a tile: as such, for each run of taps, for each tap."""
_COLUMNS_CHANNEL, _COLUMNS_PIXEL = 80, (43, 55)
"""Of a channel's row of 3x3 windows: as such, and for each pixel by strides of 1 and 2."""
_EIGHT, _EIGHT_PER_TAP = 130, 27
"""Of eight channels of a fully connected layer: as such, and for each tap."""
_ADD_PER_ELEMENT, _POOL_PER_ELEMENT, _OTHER_PER_ELEMENT = 10, 1, 6


@dataclass(frozen=True, slots=True)
class KernelModel:
    """``scratch_bytes`` of a step's turns; ``rows_at_once``: a kernel may still read what its last
    so many output rows need while it writes them; ``instructions`` of a turn of so many rows.
    """

    scratch_bytes: ByStep
    rows_at_once: ByStep
    instructions: Callable[[Step, int, int], int]


def turn_instructions(step: Step, rows: int, units: int) -> int:
    """Estimated instructions of one turn: ``rows`` of ``units`` rows, of the output or, where the
    step accumulates, of the input.
    """
    return _in_image(step, rows, units) + (_in_column(step) * rows if rows < units else 0)


def _in_column(step: Step) -> int:
    """What a row of one pixel costs beside the same pixel in a row that is computed at once."""
    if one_row(step) is None:
        return 0
    if not isinstance(step.params, Conv2dParams | DepthwiseParams):
        return _COLUMN_PER_ELEMENTWISE
    blocks = -(-step.output.c // _LANES)
    return _COLUMN_PER_ROW + _COLUMN_PER_TAP * blocks * (step.params.kernel_h - 1)


def _in_image(step: Step, rows: int, units: int) -> int:
    output = step.output
    match step.params:
        case Conv2dParams() | TransposeConvParams():
            return TURN_INSTRUCTIONS + _convolution(step, rows)
        case ConvPairsParams() as p:
            return TURN_INSTRUCTIONS + _convolution_by_pairs(step, p, rows)
        case ConvWinogradParams() as p:
            return TURN_INSTRUCTIONS + _winograd(step, p, rows)
        case DepthwiseParams():
            return TURN_INSTRUCTIONS + _depthwise(step, rows)
        case DepthwisePairsParams() as p:
            return TURN_INSTRUCTIONS + _depthwise_pairs(step, p, rows)
        case FullyConnectedParams():
            return TURN_INSTRUCTIONS + step.macs * rows // units
        case FullyConnectedPairsParams():
            return TURN_INSTRUCTIONS + _pairs(step, rows, units)
        case ConvLanesParams() as p:
            return TURN_INSTRUCTIONS + _convolution_by_lanes(step, p, rows)
        case DepthwiseColumnsParams() as p:
            pixel = output.w * _COLUMNS_PIXEL[p.stride_w - 1]
            return TURN_INSTRUCTIONS + rows * output.c * (_COLUMNS_CHANNEL + pixel)
        case FullyConnectedBlocksParams():
            taps = step.macs // output.c * rows // units
            return TURN_INSTRUCTIONS + -(-output.c // 8) * (_EIGHT + taps * _EIGHT_PER_TAP)
        case FullyConnectedWideParams():
            return TURN_INSTRUCTIONS + _wide(step, rows, units)
        case AddParams() | AddByTableParams():
            per_element = _ADD_PER_ELEMENT
        case AveragePoolParams() | MaxPoolParams() | ReduceParams():
            source = step.inputs[0]
            elements = source.h * source.w * source.c
            return TURN_INSTRUCTIONS + elements * _POOL_PER_ELEMENT * rows // units
        case _:
            per_element = _OTHER_PER_ELEMENT
    return TURN_INSTRUCTIONS + rows * output.w * output.c * per_element


def _pairs(step: Step, rows: int, units: int) -> int:
    blocks = -(-step.output.c // _BLOCK_CHANNELS)
    taps = step.macs // step.output.c * rows // units
    times, over = _WIDE_PER_TAP if taps <= _WIDE_TAPS * rows else _LONG_PER_TAP
    return blocks * (_BLOCK_INSTRUCTIONS + taps * times // over)


def _wide(step: Step, rows: int, units: int) -> int:
    """Taps of a block of four channels, 11 instructions for 4 taps, 13 where they are bytes."""
    blocks = -(-step.output.c // _BLOCK_CHANNELS)
    taps = step.macs // step.output.c * rows // units
    per_quad, widening = (11, 6) if taps <= _WIDE_TAPS * rows else (13, 0)
    return blocks * _WIDE_BLOCK + (blocks * per_quad + widening) * taps // QUAD


def _convolution(step: Step, rows: int) -> int:
    output = step.output
    tiles, rest = divmod(rows * output.w, _TILE_PIXELS)
    shares = tiles * _TILE_SHARES[_TILE_PIXELS] + _TILE_SHARES[rest]
    times, over = _CONV_PER_MAC
    per_pixel = step.macs // (output.h * output.w)
    return per_pixel * shares * _TILE_PIXELS * times // (_TILE_SHARES[_TILE_PIXELS] * over)


def _convolution_by_pairs(step: Step, p: ConvPairsParams, rows: int) -> int:
    source, output = step.inputs[0], step.output
    tiles, rest = divmod(rows * output.w, _TILE_PIXELS)
    row_quads, row_left = quads_of_row(p.kernel_h, p.kernel_w * source.c)
    leftovers = p.kernel_h * row_left
    quads = p.kernel_h * row_quads - (-leftovers // QUAD)
    shares = [quads * taps + pair for taps, pair in zip(_TILE_SHARES, _PAIR_SHARES, strict=True)]
    # The loop takes eight quads at a time and two instructions each time.
    if p.tile_pixels < _TILE_PIXELS:
        return _by_small_tiles(step, p, rows * output.w, quads)
    pairs = -(-output.c // 2) * (tiles * (shares[_TILE_PIXELS] + quads // 4) + shares[rest])
    packing = _PACK_TILE + _PACK_ROW * p.kernel_h + _PACK_QUAD * quads + _PACK_LEFTOVER * leftovers
    read = (output.w - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 1
    sides = max(0, -(-(read - source.w) // p.stride_w))
    return pairs + (tiles + (rest > 0)) * packing + rows * sides * p.kernel_h * _PACK_PADDED


def _convolution_by_lanes(step: Step, p: ConvLanesParams, rows: int) -> int:
    """A tile that is not full costs as much as one that is."""
    taps = p.kernel_h * p.kernel_w * step.inputs[0].c
    packing = _LANES_TILE + p.kernel_h * _LANES_ROW + taps * _LANES_PACK
    four = _LANES_FOUR + -(-taps // p.run) * _LANES_RUN + taps * _LANES_TAP
    tiles = -(-rows * step.output.w // LANES_PIXELS)
    return tiles * (packing + -(-step.output.c // LANES_BLOCK) * four)


def _by_small_tiles(step: Step, p: ConvPairsParams, pixels: int, quads: int) -> int:
    """Each pixel is packed by itself; the loop takes four quads at a time."""
    tiles, count = -(-pixels // p.tile_pixels), p.tile_pixels
    per_pair = quads * _TILE_SHARES[count] + _PAIR_SHARES[count] + quads // 2
    packing = _PACK_TILE + 2 * _PACK_ROW * p.kernel_h + _PACK_QUAD * quads
    return -(-step.output.c // 2) * tiles * per_pair + pixels * packing


def _winograd(step: Step, p: ConvWinogradParams, rows: int) -> int:
    """Blocks of two tiles; a last row alone costs as much as two."""
    blocks = -(-rows // WINOGRAD_ROWS) * -(-step.output.w // _BLOCK_W)
    quads = step.inputs[0].c // QUAD
    elements = 16 * (_ELEMENT + _ELEMENT_QUAD * quads + _ELEMENT_PASS * (quads // 8))
    pair = elements + _WINOGRAD_PAIR + (_WINOGRAD_NEGATIVES if p.negatives else 0)
    return blocks * (_BLOCK_TAKEN + _SPREAD_QUAD * quads + step.output.c // 2 * pair)


def _depthwise(step: Step, rows: int) -> int:
    times, over = _DEPTHWISE_PER_MAC
    per_row = step.macs * times // (step.output.h * over)
    more, than = _SINGLE_ROW
    return rows // 2 * 2 * per_row + rows % 2 * per_row * more // than


def _depthwise_pairs(step: Step, p: DepthwisePairsParams, rows: int) -> int:
    """Pairs of rows where they are computed together, and the rows left."""
    pairs, single = divmod(rows, 2) if p.by_two else (0, rows)
    groups = -(-step.output.c // 4)
    return groups * (pairs * _four_channels(step, p, 2) + single * _four_channels(step, p, 1))


def _four_channels(step: Step, p: DepthwisePairsParams, rows: int) -> int:
    """Of one row, or of two that are computed together: packing, then each channel."""
    width, source = step.output.w, step.inputs[0]
    seen = p.kernel_h + (rows - 1) * p.stride_h
    packing = _GROUP + source.w * _COLUMN.get(seen, _COLUMN_ROW * seen)
    if (p.kernel_h, p.kernel_w, p.dilation_w) == (3, 3, 1) and p.stride_w <= 2:
        pixels, odd = divmod(width, 2)
        tile, last = _TILES[rows, p.stride_w]
        return packing + 4 * (_CHANNEL + pixels * tile + odd * last)
    pairs = -(-p.kernel_h // 2) * p.kernel_w
    fours = -(-width // 4) * (_ANY_FOUR + _ANY_PAIR * pairs)
    return packing + 4 * (_CHANNEL + _ANY_WEIGHTS * pairs + fours)


def _stated_scratch(step: Step) -> int:
    return step.scratch_bytes


def _one_row(_step: Step) -> int:
    return 1


REFERENCE = KernelModel(_stated_scratch, rows_at_once, turn_instructions)
"""The kernels of the program: what the steps themselves say."""

NO_SCRATCH = KernelModel(lambda _step: 0, _one_row, turn_instructions)
"""For comparing methods: activations alone."""

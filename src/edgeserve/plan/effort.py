"""What kernels ask for and cost: scratch bytes, rows at once, instructions of a turn.

The figures of ``FAST`` were measured on a Cortex-M7 (executed instructions, real layer shapes): a
convolution computes tiles of three pixels and two channels with its input packed to int16, a
depthwise convolution pairs of rows. They steer the choice between plans of the same bytes; a figure
that is off costs speed, never correctness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from edgeserve.kernels import (
    AddParams,
    AveragePoolParams,
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    MaxPoolParams,
    ReduceParams,
    TransposeConvParams,
)
from edgeserve.program import Step
from edgeserve.rewrite import one_row

ByStep: TypeAlias = Callable[[Step], int]

TURN_INSTRUCTIONS = 150
"""Of the loop's dispatch, the adapter, and a kernel's way in and out."""

_TILE_PIXELS = 3
_TILE_SHARES = (0, 9, 13, 17)
"""Instructions for a tile of 0 to 3 pixels by two channels and four taps."""

_LANES = 4
_COLUMN_PER_ROW, _COLUMN_PER_TAP, _COLUMN_PER_ELEMENTWISE = 80, 8, 20
"""To set out a window of a row of one pixel, and each row of it for four channels. Portable kernels
take five times as much, as they do for all else.
"""

_CONV_PER_MAC, _DEPTHWISE_PER_MAC, _SINGLE_ROW = (87, 100), (200, 100), (130, 100)
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
        case DepthwiseParams():
            return TURN_INSTRUCTIONS + _depthwise(step, rows)
        case FullyConnectedParams():
            return TURN_INSTRUCTIONS + step.macs * rows // units
        case AddParams():
            per_element = _ADD_PER_ELEMENT
        case AveragePoolParams() | MaxPoolParams() | ReduceParams():
            source = step.inputs[0]
            elements = source.h * source.w * source.c
            return TURN_INSTRUCTIONS + elements * _POOL_PER_ELEMENT * rows // units
        case _:
            per_element = _OTHER_PER_ELEMENT
    return TURN_INSTRUCTIONS + rows * output.w * output.c * per_element


def _convolution(step: Step, rows: int) -> int:
    output = step.output
    tiles, rest = divmod(rows * output.w, _TILE_PIXELS)
    shares = tiles * _TILE_SHARES[_TILE_PIXELS] + _TILE_SHARES[rest]
    times, over = _CONV_PER_MAC
    per_pixel = step.macs // (output.h * output.w)
    return per_pixel * shares * _TILE_PIXELS * times // (_TILE_SHARES[_TILE_PIXELS] * over)


def _depthwise(step: Step, rows: int) -> int:
    times, over = _DEPTHWISE_PER_MAC
    per_row = step.macs * times // (step.output.h * over)
    more, than = _SINGLE_ROW
    return rows // 2 * 2 * per_row + rows % 2 * per_row * more // than


def _stated_scratch(step: Step) -> int:
    return step.scratch_bytes


def _one_row(_step: Step) -> int:
    return 1


def _packing_scratch(step: Step) -> int:
    """One int16 tile of three windows; the packed column pairs of a depthwise row."""
    match step.params:
        case Conv2dParams() as p:
            return 6 * p.kernel_h * p.kernel_w * p.weight_c
        case DepthwiseParams():
            return 32 * (step.output.w + step.output.w % 2)
        case _:
            return step.scratch_bytes


REFERENCE = KernelModel(_stated_scratch, _one_row, turn_instructions)
"""The portable kernels: what the steps themselves say, one row at a time."""

FAST = KernelModel(_packing_scratch, _one_row, turn_instructions)
"""The kernels for cores with SMLAD. Whole layers overlap at the distance of one row: a kernel that
computes two rows at once must hold back the second until nothing needs what it is written over.
"""

NO_SCRATCH = KernelModel(lambda _step: 0, _one_row, turn_instructions)
"""For comparing methods: activations alone."""

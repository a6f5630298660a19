"""Steps that their neighbours do on the way: padding before a convolution, a clamp after a step.

A PAD is folded when each of its readers is a convolution, which pads by itself, and would take
the same value for what lies outside the image. A look-up step is folded when its table is a clamp
on all that the step before can write, as a RELU with equal scales is.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeserve.absorb import CLAMPING, absorbed, clamped
from edgeserve.graph import DType, Op, OpKind, Tensor
from edgeserve.kernels.portable import LookUpParams
from edgeserve.kernels.record import Params
from edgeserve.lower.builder import Builder
from edgeserve.program import Program, Step

_PADS = (OpKind.PAD, OpKind.PADV2)
_VIEWS = (OpKind.EXPAND_DIMS, OpKind.RESHAPE)
_PADDING_READERS = (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D)


@dataclass(frozen=True, slots=True)
class PaddedSource:
    """What a convolution really reads: ``tensor`` of h x w, with rows and columns put before it."""

    tensor: Tensor
    h: int
    w: int
    top: int = 0
    left: int = 0


def padded_source(b: Builder, tensor: Tensor) -> PaddedSource:
    """The source of a convolution whose input is ``tensor`` ([1, h, w, c]), seen through a PAD."""
    writer = b.writer(tensor.index)
    if writer is not None and writer.kind in _VIEWS:
        writer = b.writer(b.tensor(writer.inputs[0]).index)
    folded = None if writer is None else _folded_pad(b, writer)
    return folded or PaddedSource(tensor, tensor.shape[1], tensor.shape[2])


def is_folded_pad(b: Builder, op: Op) -> bool:
    """Whether the operator is a PAD that needs no step, or lies between one and its reader."""
    if op.kind in _VIEWS:
        writer = b.writer(b.tensor(op.inputs[0]).index)
        return writer is not None and writer.kind in _PADS and is_folded_pad(b, writer)
    return _folded_pad(b, op) is not None


def fold_pads(b: Builder) -> None:
    """Records each folded PAD's tensor with its first reader's step; for when all is lowered."""
    for op in b.graph.ops:
        if is_folded_pad(b, op):
            b.fold(b.output(op), b.step_behind(op), "the convolution pads by itself")


def _folded_pad(b: Builder, op: Op) -> PaddedSource | None:
    """The source behind a PAD that can be folded; None for everything else, malformed PADs too."""
    if op.kind not in _PADS:
        return None
    source, paddings, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    if not (source.dtype is output.dtype is DType.INT8) or paddings.data is None:
        return None
    if source.quant is None or source.quant != output.quant or len(source.quant.scales) != 1:
        return None
    if len(source.shape) not in (3, 4) or paddings.dtype not in (DType.INT32, DType.INT64):
        return None
    if paddings.elements != 2 * len(source.shape) or not _is_value(b, op, source.quant.zero_point):
        return None
    pairs = b.integers(op, 1, "paddings")
    batch, *rows, (left, right), channels = zip(pairs[::2], pairs[1::2], strict=True)
    if batch != (0, 0) or channels != (0, 0) or min(pairs) < 0:
        return None
    n, *heights, w, c = source.shape
    (top, bottom), h = (rows[0], heights[0]) if rows else ((0, 0), 1)
    padded = (n, *(height + top + bottom for height in heights), w + left + right, c)
    if output.shape != padded or not _reaches_convolutions(b, output):
        return None
    return PaddedSource(source, h, w, top, left)


def _reaches_convolutions(b: Builder, output: Tensor) -> bool:
    """Whether convolutions alone read what a PAD writes: an image, or a signal seen as one."""
    if output.index in b.graph.outputs:
        return False
    if len(output.shape) == 4:
        return _only_pads(b, output)
    image = (output.shape[0], 1, *output.shape[1:])
    readers = b.readers(output.index)
    return bool(readers) and all(
        reader.kind in _VIEWS
        and reader.inputs[0] == output.index
        and b.output(reader).shape == image
        and b.output(reader).dtype is output.dtype
        and b.output(reader).quant == output.quant
        and b.output(reader).index not in b.graph.outputs
        and _only_pads(b, b.output(reader))
        for reader in readers
    )


def _only_pads(b: Builder, output: Tensor) -> bool:
    readers = b.readers(output.index)
    return bool(readers) and all(
        reader.kind in _PADDING_READERS
        and reader.inputs.index(output.index) == 0
        and reader.inputs.count(output.index) == 1
        for reader in readers
    )


def _is_value(b: Builder, op: Op, zero_point: int) -> bool:
    """Whether PAD's implied, or PADV2's given, value is the zero point."""
    if op.kind is OpKind.PAD:
        return True
    value = b.input(op, 2)
    return (
        value is not None
        and value.dtype is DType.INT8
        and value.data == zero_point.to_bytes(1, "little", signed=True)
    )


def fold_clamps(program: Program) -> Program:
    """The program without look-up steps that the clamp of the step before can do."""
    return absorbed(program, _clamped, "the step clamps its results as it writes them")


def _clamped(before: Step, table: LookUpParams) -> Params | None:
    if not isinstance(before.params, CLAMPING):
        return None
    return clamped(before.params, table, before.params.act_min, before.params.act_max)

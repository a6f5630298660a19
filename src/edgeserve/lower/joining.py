"""Operators that lay several tensors side by side: CONCATENATION and PACK."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from edgeserve.graph import Activation, AxisOptions, DType, Op, OpKind, Tensor
from edgeserve.kernels.portable import ConcatenationParams
from edgeserve.lower.builder import MAX_EXTENT, REQUANTIZE_HINT, Builder, same_quant
from edgeserve.lower.lowering import Lowerings


def _concatenation(b: Builder, op: Op) -> None:
    assert isinstance(op.options, AxisOptions)
    output = b.output(op)
    sources = [b.tensor(index) for index in op.inputs]
    axis = b.axis(op, (op.options.axis,), len(output.shape))
    b.need(
        op,
        op.options.activation is Activation.NONE,
        "it has an activation fused into it",
        hint="put the activation behind the operator in the source model",
    )
    for source in sources:
        b.need(
            op,
            len(source.shape) == len(output.shape)
            and source.shape[:axis] == output.shape[:axis]
            and source.shape[axis + 1 :] == output.shape[axis + 1 :],
            f"{list(source.shape)} is no part of {list(output.shape)} along axis {axis}",
        )
    total = sum(source.shape[axis] for source in sources)
    b.need(op, total == output.shape[axis], f"its parts have {total} along axis {axis}")
    _join(b, op, sources, axis)


def _pack(b: Builder, op: Op) -> None:
    assert isinstance(op.options, AxisOptions)
    output = b.output(op)
    sources = [b.tensor(index) for index in op.inputs]
    axis = b.axis(op, (op.options.axis,), len(output.shape))
    part = (*output.shape[:axis], *output.shape[axis + 1 :])
    b.need(
        op,
        output.shape[axis] == len(sources) and all(source.shape == part for source in sources),
        f"its inputs do not stack to {list(output.shape)} along axis {axis}",
    )
    _join(b, op, sources, axis)


def _join(b: Builder, op: Op, sources: Sequence[Tensor], axis: int) -> None:
    """One row after the other; LiteRT wants equal quantization, so that bytes can be moved."""
    output = b.output(op)
    for source in sources:
        b.need_dtype(op, source, output.dtype)
        b.need(
            op,
            output.dtype not in (DType.INT8, DType.UINT8, DType.INT16)
            or same_quant(source, output),
            f"input {source.name!r} is quantized unlike the output",
            hint=REQUANTIZE_HINT,
        )
    if len(sources) == 1:
        b.alias(output, sources[0], op, f"{op.kind.value} of one tensor")
        return
    h, w = _pixels(b, op, output.shape, axis)
    operands = [b.operand(source, h, w, source.elements // (h * w)) for source in sources]
    view = (h, w, output.elements // (h * w))
    b.step(op, ConcatenationParams(), operands, output, view)


def _pixels(b: Builder, op: Op, shape: Sequence[int], axis: int) -> tuple[int, int]:
    """(h, w) whose product is the number of runs before ``axis``; an image keeps its rows."""
    splits = [axis, *range(axis - 1, -1, -1)]
    if len(shape) == 4 and shape[0] == 1 and axis >= 2:
        splits.insert(0, 2)
    for split in splits:
        h, w = prod(shape[:split]), prod(shape[split:axis])
        if max(h, w) <= MAX_EXTENT:
            return h, w
    runs = prod(shape[:axis])
    h = next(h for h in range(MAX_EXTENT, 0, -1) if runs % h == 0)
    if runs // h <= MAX_EXTENT:
        return h, runs // h
    raise b.unsupported(op, f"it joins {list(shape)} in too many runs")


LOWERINGS: Lowerings = {
    OpKind.CONCATENATION: _concatenation,
    OpKind.PACK: _pack,
}

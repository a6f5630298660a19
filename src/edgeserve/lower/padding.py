"""Operators that surround a tensor with one value: PAD and PADV2."""

from __future__ import annotations

from collections.abc import Sequence

from edgeserve.graph import DType, Op, OpKind, Tensor
from edgeserve.kernels.portable import PadParams
from edgeserve.lower.box import BOX_DIMS
from edgeserve.lower.builder import MAX_EXTENT, REQUANTIZE_HINT, Builder, same_quant
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.movement import rows_view
from edgeserve.lower.requant import RANGE


def _pad(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need_dtype(op, source, DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)
    b.need_dtype(op, output, source.dtype)
    numbers = b.integers(op, 1, "paddings")
    rank = len(source.shape)
    b.need(op, len(numbers) == 2 * rank, f"its paddings are not pairs for {rank} dimensions")
    before, after = numbers[::2], numbers[1::2]
    b.need(op, min(numbers, default=0) >= 0, "a padding is negative")
    b.need_shape(
        op,
        output,
        [e + first + last for e, first, last in zip(source.shape, before, after, strict=True)],
    )
    if source.shape == output.shape:
        b.alias(output, source, op, "it pads by nothing")
        return
    value = _pad_value(b, op, source, output)
    by_rows = rank == 4 and output.shape[0] == 1 and max(output.shape[1:3]) <= MAX_EXTENT
    rows = (output.shape[1], before[1], source.shape[1]) if by_rows else (1, 0, 1)
    first = 2 if by_rows else 0
    boxes = _pad_boxes(output.shape[first:], before[first:], source.shape[first:])
    b.need(op, len(boxes) < BOX_DIMS, f"it pads {len(boxes)} dimensions")
    boxes = [rows, *[(1, 0, 1)] * (BOX_DIMS - 1 - len(boxes)), *boxes]
    params = PadParams(
        value=value,
        dims=tuple(box[0] for box in boxes),
        before=tuple(box[1] for box in boxes),
        inner=tuple(box[2] for box in boxes),
    )
    b.step(
        op,
        params,
        [b.operand(source, *rows_view(source, rows[2]))],
        output,
        rows_view(output, rows[0]),
    )


def _pad_boxes(
    dims: Sequence[int], before: Sequence[int], inner: Sequence[int]
) -> list[tuple[int, int, int]]:
    """(extent, before, inner) by dimension; one that is not padded joins the one before it."""
    boxes: list[tuple[int, int, int]] = []
    for extent, first, inside in zip(dims, before, inner, strict=True):
        if boxes and extent == inside:
            boxes[-1] = (boxes[-1][0] * extent, boxes[-1][1] * extent, boxes[-1][2] * extent)
        else:
            boxes.append((extent, first, inside))
    return boxes


def _pad_value(b: Builder, op: Op, source: Tensor, output: Tensor) -> int:
    """The bits of the value that surrounds the input: the zero point, or PADV2's constant."""
    given = b.input(op, 2)
    is_quantized = output.dtype in RANGE
    if is_quantized:
        b.need(
            op,
            same_quant(source, output),
            "its input is quantized unlike its output",
            hint=REQUANTIZE_HINT,
        )
    if given is None:
        return b.quant(op, output).zero_point & 0xFF if is_quantized else 0
    b.need_dtype(op, given, output.dtype)
    b.need(
        op,
        given.elements == 1 and (not is_quantized or same_quant(given, output)),
        f"its value {given.name!r} is not one element quantized like the output",
    )
    return int.from_bytes(b.constant(op, given, "padding value").tobytes(), "little")


LOWERINGS: Lowerings = {
    OpKind.PAD: _pad,
    OpKind.PADV2: _pad,
}

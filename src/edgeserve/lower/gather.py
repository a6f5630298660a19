"""GATHER: the one operator that finds out on the device what it moves."""

from __future__ import annotations

from math import prod

import numpy as np

from edgeserve.graph import AxisOptions, DType, Op, OpKind
from edgeserve.kernels.portable import GatherParams
from edgeserve.lower.builder import MAX_EXTENT, Builder
from edgeserve.lower.lowering import Lowerings


def _gather(b: Builder, op: Op) -> None:
    assert isinstance(op.options, AxisOptions)
    source, indices, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    b.need_dtype(op, output, source.dtype)
    b.need(
        op,
        indices.dtype is DType.INT32,
        f"its indices {indices.name!r} are {indices.dtype}, the kernel takes int32",
        hint="cast the indices to int32 in the source model",
    )
    b.need(op, op.options.batch_dims == 0, "it has batch dimensions")
    axis = b.axis(op, (op.options.axis,), len(source.shape))
    extent = source.shape[axis]
    b.need_shape(op, output, (*source.shape[:axis], *indices.shape, *source.shape[axis + 1 :]))
    if indices.data is not None:
        values = b.constant(op, indices, "indices").astype(np.int64)
        inside = int(values.min()) >= 0 and int(values.max()) < extent
        b.need(op, inside, f"an index is outside {extent}")
    rows, inner = prod(source.shape[:axis]), prod(source.shape[axis + 1 :])
    b.need(op, rows <= MAX_EXTENT, f"it gathers in {rows} runs")
    params = GatherParams(
        axis=extent, inner_bytes=inner * source.dtype.size_bytes, indices=indices.elements
    )
    operands = [
        b.operand(source, rows, 1, extent * inner),
        b.operand(indices, 1, 1, indices.elements),
    ]
    b.step(op, params, operands, output, (rows, 1, indices.elements * inner))


LOWERINGS: Lowerings = {
    OpKind.GATHER: _gather,
}

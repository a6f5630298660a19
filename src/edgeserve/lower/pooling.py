"""AVERAGE_POOL_2D and MAX_POOL_2D.

Like LiteRT's kernels they do not rescale: where the scales of input and output differ, the file is
taken at its word and the bytes are the reference's.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeserve.graph import DType, Op, OpKind, PoolOptions
from edgeserve.kernels.portable import AveragePoolParams, MaxPoolParams
from edgeserve.lower.activation import fused_range
from edgeserve.lower.builder import Builder
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.window import Walk, need_shape, need_walk

_MAX_WINDOW = 1 << 23
"""Elements whose sum surely fits an int32."""


@dataclass(frozen=True, slots=True)
class PoolWalks:
    """Where the windows of a pool lie; ``view`` is the output's (h, w, c)."""

    top: int
    left: int
    view: tuple[int, int, int]


def pool_walks(b: Builder, op: Op, max_window: int) -> PoolWalks:
    """The walks of a pool whose window has at most ``max_window`` elements, or UnsupportedOp."""
    assert isinstance(op.options, PoolOptions)
    o = op.options
    h, w, c = b.spatial(op, b.tensor(op.inputs[0]))
    rows, columns = Walk(o.filter_h, o.stride_h), Walk(o.filter_w, o.stride_w)
    out_h, out_w = rows.outputs(h, o.padding), columns.outputs(w, o.padding)
    need_shape(b, op, (1, out_h, out_w, c))
    need_walk(b, op, "rows", rows, h, out_h)
    need_walk(b, op, "columns", columns, w, out_w)
    b.need(
        op,
        o.filter_h * o.filter_w <= max_window,
        f"its window of {o.filter_h} x {o.filter_w} elements may overflow their sum",
    )
    return PoolWalks(
        rows.padding_before(h, out_h), columns.padding_before(w, out_w), (out_h, out_w, c)
    )


def _pool(b: Builder, op: Op, kind: type[AveragePoolParams | MaxPoolParams]) -> None:
    assert isinstance(op.options, PoolOptions)
    o = op.options
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need_dtype(op, source, DType.INT8)
    b.need_dtype(op, output, DType.INT8)
    walks = pool_walks(b, op, _MAX_WINDOW)
    low, high = fused_range(b, op, o.activation, b.quant(op, output))
    params = kind(
        kernel_h=o.filter_h,
        kernel_w=o.filter_w,
        stride_h=o.stride_h,
        stride_w=o.stride_w,
        pad_top=walks.top,
        pad_left=walks.left,
        act_min=low,
        act_max=high,
    )
    b.step(op, params, [b.operand(source, *source.shape[1:])], output, walks.view)


def _average_pool(b: Builder, op: Op) -> None:
    _pool(b, op, AveragePoolParams)


def _max_pool(b: Builder, op: Op) -> None:
    _pool(b, op, MaxPoolParams)


LOWERINGS: Lowerings = {
    OpKind.AVERAGE_POOL_2D: _average_pool,
    OpKind.MAX_POOL_2D: _max_pool,
}

"""Lowering: from what the model says (Graph) to what the device will do (Program)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgeserve.errors import UnsupportedOp
from edgeserve.graph import DType, Graph, Op
from edgeserve.lower import (
    alias,
    convolution,
    edge,
    elementwise,
    floats,
    fold,
    fully_connected,
    gather,
    joining,
    movement,
    padding,
    pooling,
    recurrent,
    reduction,
    resize,
    sixteen,
    softmax,
)
from edgeserve.lower.builder import Builder
from edgeserve.lower.layout import settle_transposes
from edgeserve.lower.lowering import Lowerings
from edgeserve.program import Program
from edgeserve.rewrite import in_rows

LOWERINGS: Lowerings = {
    **alias.LOWERINGS,
    **convolution.LOWERINGS,
    **edge.LOWERINGS,
    **elementwise.LOWERINGS,
    **fully_connected.LOWERINGS,
    **gather.LOWERINGS,
    **joining.LOWERINGS,
    **movement.LOWERINGS,
    **padding.LOWERINGS,
    **pooling.LOWERINGS,
    **recurrent.LOWERINGS,
    **reduction.LOWERINGS,
    **resize.LOWERINGS,
    **softmax.LOWERINGS,
}

BY_DTYPE: Mapping[DType, Lowerings] = {
    DType.INT16: sixteen.LOWERINGS,
    DType.FLOAT32: floats.LOWERINGS,
}
"""What operators become whose first input has another type than int8."""


def _lowering(builder: Builder, op: Op) -> Callable[[Builder, Op], None] | None:
    first = builder.input(op, 0)
    wide = {} if first is None else BY_DTYPE.get(first.dtype, {})
    return wide.get(op.kind) or LOWERINGS.get(op.kind)


def lower(graph: Graph) -> Program:
    """The program of a graph, seen so that as many steps as possible can run row by row.

    Raises ModelError (UnsupportedOp) naming operator, tensor, reason and remedy.
    """
    settled = settle_transposes(graph)
    builder = Builder(settled.graph, settled.oracles)
    for op in settled.graph.ops:
        if fold.is_folded_pad(builder, op):
            continue
        lowering = _lowering(builder, op)
        if lowering is None:
            raise UnsupportedOp(
                op.kind.value,
                settled.graph.tensors[op.outputs[0]].name,
                "the runtime has no kernel for it",
                hint="replace the operator in the source model",
            )
        lowering(builder, op)
    fold.fold_pads(builder)
    for index, op in settled.folded:
        why = "it is read in the layout of what it was transposed from"
        builder.fold(graph.tensors[index], builder.step_behind(op), why)
    return in_rows(fold.fold_clamps(builder.finish()))

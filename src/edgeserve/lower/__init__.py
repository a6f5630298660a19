"""Lowering: from what the model says (Graph) to what the device will do (Program)."""

from __future__ import annotations

from edgeserve.errors import UnsupportedOp
from edgeserve.graph import Graph
from edgeserve.lower import fully_connected
from edgeserve.lower.builder import Builder
from edgeserve.lower.lowering import Lowerings
from edgeserve.program import Program

LOWERINGS: Lowerings = {**fully_connected.LOWERINGS}


def lower(graph: Graph) -> Program:
    """The program of a graph.

    Raises ModelError (UnsupportedOp) naming operator, tensor, reason and remedy.
    """
    builder = Builder(graph)
    for op in graph.ops:
        if op.kind not in LOWERINGS:
            raise UnsupportedOp(
                op.kind.value,
                graph.tensors[op.outputs[0]].name,
                "the runtime has no kernel for it",
                hint="replace the operator in the source model",
            )
        LOWERINGS[op.kind](builder, op)
    return builder.finish()

"""Checks that every tensor of a graph is written once, before it is read."""

from __future__ import annotations

from edgeserve.errors import ModelError
from edgeserve.graph import Graph, Op, Tensor
from edgeserve.tflite.wording import damaged, shown


def check_dataflow(graph: Graph) -> None:
    """Raises ModelError unless the operators can run in their order.

    Whatever an operator reads is a constant, a variable, an input of the model, or the output of an
    earlier operator; nothing is written twice; inputs and outputs of the model are there, are
    distinct, and each output is written by an operator. Indices must be in range.
    """
    _check_ends(graph)
    _check_order(graph)
    _check_lengths(graph)


def _check_ends(graph: Graph) -> None:
    for ends, what in ((graph.inputs, "input"), (graph.outputs, "output")):
        if not ends:
            raise damaged("the model", f"it has no {what}s")
        if len(set(ends)) != len(ends):
            raise damaged("the model", f"it names one tensor as {what} twice")
    for index in graph.inputs:
        tensor = graph.tensors[index]
        if tensor.data is not None or tensor.is_variable:
            raise damaged(f"input {shown(tensor.name)}", "it is a constant or a variable")


def _check_order(graph: Graph) -> None:
    inputs = frozenset(graph.inputs)
    written: set[int] = set()
    given = {t.index for t in graph.tensors if t.data is not None or t.is_variable} | inputs
    for op in graph.ops:
        for index in op.inputs:
            if index is not None and index not in given and index not in written:
                raise _read_too_early(graph, op, graph.tensors[index])
        for index in op.outputs:
            if index in given or index in written:
                raise _written_twice(op, graph.tensors[index], is_input=index in inputs)
            written.add(index)
    for index in graph.outputs:
        if index not in written:
            name = shown(graph.tensors[index].name)
            raise damaged(f"output {name}", "no operator writes it")


def _read_too_early(graph: Graph, op: Op, tensor: Tensor) -> ModelError:
    where = f"operator {op.index} {op.kind}"
    what = f"it reads tensor {tensor.index} {shown(tensor.name)}"
    writer = next((o for o in graph.ops if tensor.index in o.outputs), None)
    if writer is None:
        return damaged(where, f"{what}, which has no data and which nothing writes")
    return damaged(where, f"{what} before operator {writer.index} {writer.kind} writes it")


def _written_twice(op: Op, tensor: Tensor, *, is_input: bool) -> ModelError:
    where = f"operator {op.index} {op.kind}"
    if is_input:
        why = "an input of the model"
    elif tensor.data is not None:
        why = "a constant"
    elif tensor.is_variable:
        why = "a variable"
    else:
        why = "written already"
    return damaged(where, f"it writes tensor {tensor.index} {shown(tensor.name)}, which is {why}")


def _check_lengths(graph: Graph) -> None:
    """Only tensors that serve as intermediates, never as values, may have a length of 0."""
    carriers = {index for op in graph.ops for index in op.intermediates}
    values = {index for op in graph.ops for index in (*op.inputs, *op.outputs)}
    for tensor in graph.tensors:
        if 0 in tensor.shape and (tensor.index in values or tensor.index not in carriers):
            raise ModelError(
                f"tensor {tensor.index} {shown(tensor.name)}: "
                f"its shape {list(tensor.shape)} has no elements",
                hint="fix every dimension to at least 1 before converting the model",
            )

"""Operators at the edges of a model that the caller does instead: the file without them.

A float32 input behind which a QUANTIZE stands becomes the int8 tensor that it writes, an output
that a DEQUANTIZE writes the int8 tensor that it reads, and an input that is transposed first the
tensor in the other layout. Everything after this, the reference included, knows only the new file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from struct import pack_into, unpack_from

from edgeserve.errors import ModelError
from edgeserve.graph import DType, Graph, Op, OpKind, Tensor
from edgeserve.tflite import schema
from edgeserve.tflite.flatbuffer import Numbers, Source, Table
from edgeserve.tflite.reader import MAX_TABLES, open_model, read_model

_WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A model file, and a line for each operator that was dropped from it."""

    model_tflite: bytes
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Cut:
    """An operator at an edge: the tensor ``old`` of the inputs or outputs becomes ``new``."""

    op: Op
    old: int
    new: int
    is_input: bool
    note: str


def without_float_edges(model_tflite: bytes) -> Trimmed:
    """The model whose caller hands in and takes out integers where it now has float32.

    The same bytes and no notes where there is no such edge. Raises ModelError for a damaged file.
    """
    return _trimmed(model_tflite, lambda graph: [*_quantized_inputs(graph), *_outputs(graph)])


def without_input_transposes(model_tflite: bytes) -> Trimmed:
    """The model whose caller hands in an input in the layout to which it is transposed first.

    The same bytes and no notes where there is no such input. Raises ModelError for a damaged file.
    """
    return _trimmed(model_tflite, _transposed_inputs)


def _trimmed(model_tflite: bytes, find: Callable[[Graph], Iterable[_Cut]]) -> Trimmed:
    graph = read_model(model_tflite, name="model")
    cuts = list(find(graph))
    if not cuts:
        return Trimmed(model_tflite, ())
    data = bytearray(model_tflite)
    model = open_model(Source(model_tflite))
    (subgraph,) = model.tables(schema.Model.SUBGRAPHS, "subgraph", most=1)
    for cut in cuts:
        ports = schema.SubGraph.INPUTS if cut.is_input else schema.SubGraph.OUTPUTS
        _rename(data, subgraph, ports, cut)
    _drop_operators(data, subgraph, {cut.op.index for cut in cuts})
    _forget_signatures(data, model)
    trimmed = bytes(data)
    _check(graph, read_model(trimmed, name="model"), cuts)
    return Trimmed(trimmed, tuple(cut.note for cut in cuts))


def _quantized_inputs(graph: Graph) -> Iterator[_Cut]:
    for old in graph.inputs:
        op = _only_reader(graph, old)
        if op is None or op.kind is not OpKind.QUANTIZE:
            continue
        new = graph.tensors[op.outputs[0]]
        if graph.tensors[old].dtype is DType.FLOAT32 and _is_integer(new):
            note = f"input {graph.tensors[old].name!r} is handed in as {_meaning(new)}"
            yield _Cut(op, old, new.index, True, f"{note}: its QUANTIZE is left to the caller")


def _outputs(graph: Graph) -> Iterator[_Cut]:
    written = {index: op for op in graph.ops for index in op.outputs}
    read = {index for op in graph.ops for index in op.inputs}
    for old in graph.outputs:
        op = written.get(old)
        if op is None or op.kind is not OpKind.DEQUANTIZE or old in read:
            continue
        new = graph.tensors[op.inputs[0] or 0]
        if _is_integer(new) and new.data is None and new.index not in graph.outputs:
            note = f"output {graph.tensors[old].name!r} is handed out as {_meaning(new)}"
            yield _Cut(op, old, new.index, False, f"{note}: its DEQUANTIZE is left to the caller")


def _transposed_inputs(graph: Graph) -> Iterator[_Cut]:
    for old in graph.inputs:
        op = _only_reader(graph, old)
        if op is None or op.kind is not OpKind.TRANSPOSE:
            continue
        before, after = graph.tensors[old], graph.tensors[op.outputs[0]]
        if before.dtype is after.dtype and after.index not in graph.outputs:
            note = (
                f"input {before.name!r} is handed in as {list(after.shape)}, "
                f"not {list(before.shape)}: its TRANSPOSE is left to the caller"
            )
            yield _Cut(op, old, after.index, True, note)


def _only_reader(graph: Graph, tensor: int) -> Op | None:
    """The one operator that reads an input of the model; None where others or the caller do."""
    readers = [op for op in graph.ops if tensor in op.inputs]
    if len(readers) != 1 or tensor in graph.outputs or graph.inputs.count(tensor) != 1:
        return None
    (op,) = readers
    return op if op.outputs[0] not in graph.outputs else None


def _is_integer(tensor: Tensor) -> bool:
    return tensor.dtype is DType.INT8 and tensor.quant is not None and len(tensor.quant.scales) == 1


def _meaning(tensor: Tensor) -> str:
    assert tensor.quant is not None
    return f"int8 (scale {tensor.quant.scale:.9g}, zero point {tensor.quant.zero_point})"


def _rename(data: bytearray, subgraph: Table, ports: Numbers[int], cut: _Cut) -> None:
    target = subgraph.target(ports)
    assert target is not None, "the reader has found inputs and outputs"
    (length,) = unpack_from("<I", data, target)
    for at in range(target + _WORD_BYTES, target + _WORD_BYTES * (length + 1), _WORD_BYTES):
        if unpack_from("<i", data, at) == (cut.old,):
            pack_into("<i", data, at, cut.new)


def _drop_operators(data: bytearray, subgraph: Table, dropped: set[int]) -> None:
    """The operators that are left move up in their vector; the tables stay where they are."""
    target = subgraph.target(schema.SubGraph.OPERATORS)
    assert target is not None, "the reader has found operators"
    tables = subgraph.tables(schema.SubGraph.OPERATORS, "operator", most=MAX_TABLES)
    kept = [table.position for index, table in enumerate(tables) if index not in dropped]
    pack_into("<I", data, target, len(kept))
    for at, position in zip(count(target + _WORD_BYTES, _WORD_BYTES), kept, strict=False):
        pack_into("<I", data, at, position - at)


def _forget_signatures(data: bytearray, model: Table) -> None:
    """They name the old tensors; an interpreter finds inputs and outputs without them."""
    target = model.target(schema.Model.SIGNATURE_DEFS)
    if target is not None:
        pack_into("<I", data, target, 0)


def _check(before: Graph, after: Graph, cuts: Sequence[_Cut]) -> None:
    """The file says what was meant: vectors may share their bytes."""
    new = {cut.old: cut.new for cut in cuts}
    kept = [op.outputs for op in before.ops if op not in [cut.op for cut in cuts]]
    if (
        after.inputs != tuple(new.get(index, index) for index in before.inputs)
        or after.outputs != tuple(new.get(index, index) for index in before.outputs)
        or [op.outputs for op in after.ops] != kept
    ):
        raise ModelError(
            "the file shares parts that would have to differ without its edges",
            hint="convert the source model again, or leave its edges as they are",
        )

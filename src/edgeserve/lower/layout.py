"""Transposes that need no step: a model of NCHW origin keeps the layout that its kernels have.

A TRANSPOSE is not done where it stands. What reads its output sees its source through the
permutation as long as it can: elementwise operators, concatenations, paddings and reductions
compute in the source's layout, a fully connected layer reads its weights in another order, and a
second TRANSPOSE cancels the first. It is done in front of the first reader that needs its bytes.
The graph stays as it was unless fewer bytes are moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TypeAlias

import numpy as np

from edgeserve.graph import (
    Activation,
    AxisOptions,
    DType,
    FullyConnectedOptions,
    Graph,
    NoOptions,
    Op,
    OpKind,
    ReduceOptions,
    Tensor,
)
from edgeserve.lower.builder import same_quant
from edgeserve.program import Oracle

Axes: TypeAlias = tuple[int, ...]

_UNARY = (
    OpKind.DEQUANTIZE,
    OpKind.HARD_SWISH,
    OpKind.LEAKY_RELU,
    OpKind.LOGISTIC,
    OpKind.QUANTIZE,
    OpKind.RELU,
    OpKind.RELU6,
    OpKind.RELU_N1_TO_1,
    OpKind.TANH,
)
_BINARY = (
    OpKind.ADD,
    OpKind.MAXIMUM,
    OpKind.MINIMUM,
    OpKind.MUL,
    OpKind.PRELU,
    OpKind.SUB,
)
_REDUCING = (OpKind.MEAN, OpKind.REDUCE_MAX, OpKind.SUM)


@dataclass(frozen=True, slots=True)
class Settled:
    """A graph with its transposes where they must be.

    ``oracles`` says of each new tensor which tensor of the file it reproduces. ``folded`` names
    tensors of the file that nothing computes, each with the operator that takes its place.
    """

    graph: Graph
    oracles: Mapping[int, Oracle] = field(default_factory=dict)
    folded: tuple[tuple[int, Op], ...] = ()


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor that is ``source`` (an index of the new graph) transposed by ``axes``.

    ``flat``: and then reshaped to one row.
    """

    source: int
    axes: Axes
    flat: bool = False


def settle_transposes(graph: Graph) -> Settled:
    """The graph with as few bytes moved by TRANSPOSE as the rules above find."""
    if all(op.kind is not OpKind.TRANSPOSE for op in graph.ops):
        return Settled(graph)
    settling = _Settling(graph)
    for op in graph.ops:
        settling.add(op)
    settled = settling.finished()
    better = _moved_bytes(settled.graph) < _moved_bytes(graph)
    return settled if better else Settled(graph)


def _moved_bytes(graph: Graph) -> int:
    total = 0
    for op in graph.ops:
        axes = _permutation(graph.tensors, op)
        if axes is not None:
            source = graph.tensors[_index(op.inputs[0])]
            total += source.size_bytes * _is_move(source.shape, axes)
    return total


def _is_move(shape: Sequence[int], axes: Axes) -> bool:
    """Whether elements change their places: dimensions of length 1 do not count."""
    kept = [axis for axis in axes if shape[axis] != 1]
    return kept != sorted(kept)


def _permutation(tensors: Sequence[Tensor], op: Op) -> Axes | None:
    """The axes of a sound TRANSPOSE of what is computed while the model runs; else None."""
    if op.kind is not OpKind.TRANSPOSE:
        return None
    source, order = (tensors[_index(i)] for i in op.inputs[:2])
    output, rank = tensors[op.outputs[0]], len(source.shape)
    if source.data is not None or order.data is None or order.elements != rank:
        return None
    if order.dtype not in (DType.INT32, DType.INT64) or output.dtype is not source.dtype:
        return None
    if not same_quant(source, output):
        return None
    axes = tuple(axis + rank if axis < 0 else axis for axis in _integers(order))
    if sorted(axes) != list(range(rank)) or output.shape != _picked(source.shape, axes):
        return None
    return axes


def _index(tensor: int | None) -> int:
    assert tensor is not None, "the reader has checked arity"
    return tensor


def _integers(tensor: Tensor) -> Axes:
    form = "<i4" if tensor.dtype is DType.INT32 else "<i8"
    return tuple(int(value) for value in np.frombuffer(tensor.data or b"", form))


def _picked(values: Sequence[int], axes: Axes) -> Axes:
    return tuple(values[axis] for axis in axes)


def _inverse(axes: Axes) -> Axes:
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _without(axes: Axes, dropped: Sequence[int]) -> Axes:
    """The permutation of the axes that are left when some of the source are dropped."""
    left = [axis for axis in axes if axis not in dropped]
    return tuple(sorted(left).index(axis) for axis in left)


class _Settling:
    """The new graph under construction. Tensors of the file keep their indices."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors = list(graph.tensors)
        self.ops: list[Op] = []
        self.oracles: dict[int, Oracle] = {}
        self.views: dict[int, _View] = {}
        self._folded: dict[int, Op] = {}
        self._done: set[int] = set()
        self._writer = {index: op for op in graph.ops for index in op.outputs}
        self._read = {index for op in graph.ops for index in op.inputs}

    def add(self, op: Op) -> None:
        """Appends what an operator comes to."""
        axes = _permutation(self.tensors, op)
        if axes is not None:
            self._add_transpose(op, axes)
        elif not _rule_of(op.kind)(self, op):
            self._plain(op)
        for index in op.outputs:
            if self._lasts(index):
                self._materialized(index, op)

    def finished(self) -> Settled:
        graph = replace(self.graph, tensors=tuple(self.tensors), ops=tuple(self.ops))
        made = {index for op in self.ops for index in op.outputs}
        named = {oracle.tensor for oracle in self.oracles.values()}
        folded = tuple(
            (index, self._last(op))
            for index, op in self._folded.items()
            if index not in made | named
        )
        return Settled(graph, self.oracles, folded)

    def _last(self, op: Op) -> Op:
        """What takes an operator's place where it is folded itself."""
        while op.outputs[0] in self._folded and op.kind in (OpKind.TRANSPOSE, OpKind.RESHAPE):
            op = self._folded[op.outputs[0]]
        return op

    def seen(self, op: Op, position: int = 0) -> _View | None:
        """The view that an input is, None where it is what the file says."""
        index = op.inputs[position] if position < len(op.inputs) else None
        return None if index is None else self.views.get(index)

    def shape(self, view: _View) -> Axes:
        """Of the tensor that is viewed."""
        return self.tensors[view.source].shape

    def _add_transpose(self, op: Op, axes: Axes) -> None:
        source = _index(op.inputs[0])
        before = self.seen(op)
        if before is not None and before.flat:
            source, before = self._materialized(source, op), None
        if before is not None:
            self.fold(op, source)
            axes = _picked(before.axes, axes)
            source = before.source
        self.views[op.outputs[0]] = _View(source, axes)

    def _plain(self, op: Op) -> None:
        """The operator as it stands, on tensors as the file has them."""
        inputs = tuple(
            None if index is None else self._materialized(index, op) for index in op.inputs
        )
        self.ops.append(replace(op, inputs=inputs))

    def _materialized(self, index: int, reader: Op) -> int:
        """The tensor to read for ``index`` in its own layout."""
        view = self.views.get(index)
        if view is None or index in self._done:
            return index
        if view.axes == tuple(range(len(view.axes))) and not view.flat and not self._lasts(index):
            self._folded.setdefault(index, reader)
            return view.source
        self._done.add(index)
        writer = self._writer[index]
        if view.flat:
            self._plain(writer)
        else:
            order = self.constant(f"order of {self.tensors[index].name}", DType.INT32, view.axes)
            moved = replace(writer, kind=OpKind.TRANSPOSE, options=NoOptions())
            self.ops.append(replace(moved, inputs=(view.source, order), outputs=(index,)))
        return index

    def _lasts(self, index: int) -> bool:
        """Whether a tensor is there for its own sake: as an output, or because nothing reads it."""
        return index in self.graph.outputs or index not in self._read

    def fold(self, op: Op, *indices: int | None) -> None:
        """The operator does without these tensors, as far as they are views."""
        for index in indices:
            if index is not None and index in self.views:
                self._folded.setdefault(index, op)

    def constant(self, name: str, dtype: DType, values: Sequence[int]) -> int:
        """A new list of integers."""
        form = "<i4" if dtype is DType.INT32 else "<i8"
        data = np.array(values, form).tobytes()
        return self.new(Tensor(0, name, (len(values),), dtype, data=data))

    def new(self, tensor: Tensor) -> int:
        """A new tensor; its index."""
        self.tensors.append(replace(tensor, index=len(self.tensors)))
        return len(self.tensors) - 1

    def sink(self, op: Op, inputs: Sequence[int | None], axes: Axes) -> None:
        """Appends the operator on other ``inputs``: its output is what it makes, transposed."""
        output = self.tensors[op.outputs[0]]
        sunk = replace(op, inputs=tuple(inputs))
        if axes != tuple(range(len(axes))):
            back = _inverse(axes)
            made = self.new(replace(output, shape=_picked(output.shape, back)))
            self.oracles[made] = Oracle(output.index, back)
            self.views[output.index] = _View(made, axes)
            sunk = replace(sunk, outputs=(made,))
        self.fold(sunk, *op.inputs)
        self.ops.append(sunk)

    def constant_through(self, tensor: Tensor, axes: Axes) -> int | None:
        """A constant operand as it meets the source of a view; None where it cannot."""
        rank = len(axes)
        if tensor.data is None or len(tensor.shape) > rank or not _has_one_scale(tensor):
            return None
        shape = (1,) * (rank - len(tensor.shape)) + tensor.shape
        width = tensor.dtype.size_bytes
        back = _inverse(axes)
        data = np.frombuffer(tensor.data, np.dtype(f"V{width}")).reshape(shape).transpose(back)
        return self.new(replace(tensor, shape=_picked(shape, back), data=data.tobytes()))


_Rule: TypeAlias = Callable[[_Settling, Op], bool]
"""Appends the operator behind its views; False when it must read its inputs as they are."""


def _rule_of(kind: OpKind) -> _Rule:
    return _RULES.get(kind, lambda _settling, _op: False)


def _has_one_scale(tensor: Tensor) -> bool:
    return tensor.quant is None or len(tensor.quant.scales) == 1


def _unary(s: _Settling, op: Op) -> bool:
    view = s.seen(op)
    if view is None or view.flat or not _keeps_shape(s, op):
        return False
    s.sink(op, (view.source,), view.axes)
    return True


def _keeps_shape(s: _Settling, op: Op) -> bool:
    source, output = s.tensors[_index(op.inputs[0])], s.tensors[op.outputs[0]]
    return source.shape == output.shape


def _binary(s: _Settling, op: Op) -> bool:
    """Both inputs are views by the same axes, or one is a constant."""
    views = [s.seen(op, position) for position in (0, 1)]
    view = views[0] or views[1]
    output = s.tensors[op.outputs[0]]
    if view is None or view.flat or output.shape != _picked(s.shape(view), view.axes):
        return False
    inputs = []
    for position, other in enumerate(views):
        tensor = s.tensors[_index(op.inputs[position])]
        if other is None:
            inputs.append(s.constant_through(tensor, view.axes))
        elif other.flat or other.axes != view.axes or tensor.shape != output.shape:
            return False
        else:
            inputs.append(other.source)
    if None in inputs:
        return False
    s.sink(op, inputs, view.axes)
    return True


def _concatenation(s: _Settling, op: Op) -> bool:
    assert isinstance(op.options, AxisOptions)
    views = [s.seen(op, position) for position in range(len(op.inputs))]
    first = views[0]
    if first is None or any(v is None or v.flat or v.axes != first.axes for v in views):
        return False
    rank = len(first.axes)
    axis = op.options.axis
    if not -rank <= axis < rank or op.options.activation is not Activation.NONE:
        return False
    options = replace(op.options, axis=first.axes[axis % rank])
    if len(s.tensors[op.outputs[0]].shape) != rank:
        return False
    s.sink(replace(op, options=options), [v.source for v in views if v is not None], first.axes)
    return True


def _pad(s: _Settling, op: Op) -> bool:
    view = s.seen(op)
    pairs = s.tensors[_index(op.inputs[1])]
    output = s.tensors[op.outputs[0]]
    if view is None or view.flat or pairs.data is None:
        return False
    rank = len(view.axes)
    if pairs.dtype not in (DType.INT32, DType.INT64) or pairs.elements != 2 * rank:
        return False
    if len(output.shape) != rank:
        return False
    numbers = np.array(_integers(pairs)).reshape(rank, 2)[list(_inverse(view.axes))]
    moved = s.new(replace(pairs, shape=(rank, 2), data=numbers.astype(_form(pairs)).tobytes()))
    s.sink(op, (view.source, moved, *op.inputs[2:]), view.axes)
    return True


def _form(tensor: Tensor) -> str:
    return "<i4" if tensor.dtype is DType.INT32 else "<i8"


def _reduce(s: _Settling, op: Op) -> bool:
    """Over the same dimensions of the source, wherever they lie in it."""
    assert isinstance(op.options, ReduceOptions)
    view = s.seen(op)
    given = s.tensors[_index(op.inputs[1])]
    output = s.tensors[op.outputs[0]]
    if view is None or view.flat or given.data is None:
        return False
    rank = len(view.axes)
    numbers = _integers(given) if given.dtype in (DType.INT32, DType.INT64) else ()
    if not numbers or any(not -rank <= axis < rank for axis in numbers):
        return False
    dropped = sorted({view.axes[axis % rank] for axis in numbers})
    axes = view.axes if op.options.keep_dims else _without(view.axes, dropped)
    if len(output.shape) != len(axes):
        return False
    inputs = (view.source, s.constant(given.name, DType.INT32, dropped))
    s.sink(op, inputs, axes)
    return True


def _reshape(s: _Settling, op: Op) -> bool:
    """To one row: what comes next may be a fully connected layer."""
    view = s.seen(op)
    output = s.tensors[op.outputs[0]]
    if view is None or view.flat or output.shape != (1, prod(s.shape(view))):
        return False
    if op.outputs[0] in s.graph.outputs or (len(op.inputs) > 1 and not _is_row(s, op, output)):
        return False
    s.views[output.index] = replace(view, flat=True)
    s.fold(op, op.inputs[0])
    return True


def _is_row(s: _Settling, op: Op, output: Tensor) -> bool:
    shape = s.tensors[_index(op.inputs[1])]
    if shape.data is None or shape.dtype not in (DType.INT32, DType.INT64):
        return False
    return _integers(shape) in (output.shape, (-1, output.elements), (1, -1))


def _fully_connected(s: _Settling, op: Op) -> bool:
    """One row in, its weights in the order of the source."""
    assert isinstance(op.options, FullyConnectedOptions)
    view = s.seen(op)
    weights = s.tensors[_index(op.inputs[1])]
    if view is None or weights.data is None or weights.dtype is not DType.INT8:
        return False
    shape = s.shape(view)
    if len(weights.shape) != 2 or weights.shape[1] != prod(shape) or op.options.shuffled_weights:
        return False
    matrix = np.frombuffer(weights.data, np.int8).reshape(-1, *_picked(shape, view.axes))
    back = [0, *(1 + axis for axis in _inverse(view.axes))]
    moved = s.new(replace(weights, data=matrix.transpose(back).tobytes()))
    s.fold(op, op.inputs[0])
    s.ops.append(replace(op, inputs=(view.source, moved, *op.inputs[2:])))
    return True


_RULES: Mapping[OpKind, _Rule] = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_REDUCING, _reduce),
    **dict.fromkeys((OpKind.PAD, OpKind.PADV2), _pad),
    OpKind.CONCATENATION: _concatenation,
    OpKind.FULLY_CONNECTED: _fully_connected,
    OpKind.RESHAPE: _reshape,
}

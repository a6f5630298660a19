"""The program under construction: values, aliases, steps, and the questions that lowering asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeserve.errors import ModelError, UnsupportedOp
from edgeserve.graph import DType, Graph, Op, Quant, Tensor
from edgeserve.kernels.record import Params
from edgeserve.program import Folded, Operand, Oracle, Port, Program, Role, Step, Value

REPLACE_HINT = "convert the model again, or replace the operator in the source model"
REQUANTIZE_HINT = (
    "export the model again with full-integer int8 quantization (int8 weights and activations), "
    "or let `edgeserve convert` quantize the float model"
)
STATIC_HINT = "make the sizes of the model fixed before converting"

MAX_EXTENT = (1 << 16) - 1
"""Of h and w in the model table."""

MAX_LIST = 4096
"""Lists of axes, sizes and indices are read this far: none that makes sense is longer."""

_NUMPY: dict[DType, np.dtype[Any]] = {
    DType.INT8: np.dtype("<i1"),
    DType.UINT8: np.dtype("<u1"),
    DType.INT16: np.dtype("<i2"),
    DType.INT32: np.dtype("<i4"),
    DType.INT64: np.dtype("<i8"),
    DType.FLOAT16: np.dtype("<f2"),
    DType.FLOAT32: np.dtype("<f4"),
    DType.BOOL: np.dtype("?"),
}


class Builder:
    """Grows a program out of a graph, operator by operator, in the graph's order."""

    def __init__(self, graph: Graph, oracles: Mapping[int, Oracle] | None = None) -> None:
        """``oracles`` of tensors that the file does not have."""
        self.graph = graph
        self._oracles = oracles or {}
        self._tensors = list(graph.tensors)
        self._values: list[Value] = []
        self._steps: list[Step] = []
        self._folded: list[Folded] = []
        self._notes: list[str] = []
        self._value_of: dict[int, int] = {}
        self._readers: dict[int, list[Op]] = {}
        self._writer = {index: op for op in graph.ops for index in op.outputs}
        for op in graph.ops:
            for index in op.inputs:
                if index is not None:
                    self._readers.setdefault(index, []).append(op)
        for index in graph.inputs:
            self._new_value(graph.tensors[index])

    # What the graph says.

    def tensor(self, index: int | None) -> Tensor:
        assert index is not None, "the reader has checked arity"
        return self._tensors[index]

    def input(self, op: Op, position: int) -> Tensor | None:
        """An input tensor, or None where an optional one is absent."""
        if position >= len(op.inputs) or op.inputs[position] is None:
            return None
        return self.tensor(op.inputs[position])

    def output(self, op: Op, position: int = 0) -> Tensor:
        return self.tensor(op.outputs[position])

    def readers(self, tensor: int) -> tuple[Op, ...]:
        """The operators that read a tensor."""
        return tuple(self._readers.get(tensor, ()))

    def writer(self, tensor: int) -> Op | None:
        """The operator that writes a tensor, None for inputs and constants."""
        return self._writer.get(tensor)

    def constant(self, op: Op, tensor: Tensor, role: str) -> npt.NDArray[np.generic]:
        """A constant tensor's elements in its shape, or UnsupportedOp when it is computed."""
        if tensor.data is None:
            raise self.unsupported(
                op,
                f"its {role} ({tensor.name!r}) is computed while the model runs, not constant",
                hint="freeze that tensor into the model before converting",
            )
        return np.frombuffer(tensor.data, _NUMPY[tensor.dtype]).reshape(tensor.shape)

    def integers(self, op: Op, position: int, role: str) -> tuple[int, ...]:
        """The elements of a constant int32 or int64 input, or UnsupportedOp."""
        tensor = self.tensor(op.inputs[position])
        self.need_dtype(op, tensor, DType.INT32, DType.INT64)
        values = self.constant(op, tensor, role)
        return tuple(int(value) for value in values.reshape(-1)[: MAX_LIST + 1])

    def quant(self, op: Op, tensor: Tensor) -> Quant:
        """Per-tensor quantization, or UnsupportedOp."""
        if tensor.quant is None or len(tensor.quant.scales) != 1:
            raise self.unsupported(
                op,
                f"tensor {tensor.name!r} ({tensor.dtype}) has no per-tensor quantization",
                hint=REQUANTIZE_HINT,
            )
        return tensor.quant

    def need_dtype(self, op: Op, tensor: Tensor, *allowed: DType) -> None:
        """UnsupportedOp unless the tensor has one of the types."""
        if tensor.dtype not in allowed:
            names = " or ".join(allowed)
            legacy = " (the legacy uint8 quantization)" if tensor.dtype is DType.UINT8 else ""
            raise self.unsupported(
                op,
                f"tensor {tensor.name!r} is {tensor.dtype}{legacy}, the kernel takes {names}",
                hint=REQUANTIZE_HINT,
            )

    def need(self, op: Op, condition: bool, why: str, *, hint: str = REPLACE_HINT) -> None:
        """UnsupportedOp unless the condition holds."""
        if not condition:
            raise self.unsupported(op, why, hint=hint)

    def need_shape(self, op: Op, output: Tensor, wanted: Sequence[int]) -> None:
        """UnsupportedOp unless the output has the shape that the inputs ask for."""
        self.need(
            op,
            tuple(wanted) == output.shape,
            f"its output {output.name!r} has shape {list(output.shape)}, its inputs ask for "
            f"{list(wanted)}",
            hint=STATIC_HINT,
        )

    def axis(self, op: Op, given: Sequence[int], rank: int) -> int:
        """The one axis that is ``given``, counted from the front; UnsupportedOp when it is none."""
        self.need(
            op,
            len(given) == 1 and -rank <= given[0] < rank,
            f"axis {list(given)[:8]} is not one of {rank} dimensions",
        )
        return given[0] % rank

    def spatial(self, op: Op, tensor: Tensor) -> tuple[int, int, int]:
        """(h, w, c) of an NHWC tensor with batch 1."""
        if len(tensor.shape) != 4 or tensor.shape[0] != 1:
            raise self.unsupported(
                op,
                f"tensor {tensor.name!r} has shape {list(tensor.shape)}, not [1, h, w, c]",
                hint="export the model with batch size 1",
            )
        _, h, w, c = tensor.shape
        return h, w, c

    def unsupported(self, op: Op, why: str, *, hint: str = REPLACE_HINT) -> UnsupportedOp:
        return UnsupportedOp(op.kind.value, self.output(op).name, why, hint=hint)

    # What the program gains.

    def operand(self, tensor: Tensor, h: int, w: int, c: int) -> Operand:
        """The tensor's value seen as h rows of w * c; a constant becomes a value on first use."""
        if h * w * c != tensor.elements:
            raise ValueError(f"{tensor.name}: {h} x {w} x {c} does not view {tensor.shape}")
        if tensor.index not in self._value_of:
            self._new_value(tensor)
        return Operand(self._value_of[tensor.index], h, w, c)

    def flat(self, tensor: Tensor) -> Operand:
        """The tensor as rows for elementwise work: NHWC rows where it has them, else one row."""
        shape = tensor.shape
        if len(shape) == 4 and shape[0] == 1 and max(shape[1:3]) <= MAX_EXTENT:
            return self.operand(tensor, shape[1], shape[2], shape[3])
        return self.operand(tensor, 1, 1, tensor.elements)

    def alias(self, target: Tensor, source: Tensor, op: Op, why: str) -> None:
        """``target`` has the bytes of ``source``: no step."""
        if source.data is not None:
            self.fold_constant(op, target, source.data, why)
            return
        if source.index not in self._value_of:
            self._new_value(source)
        self._value_of[target.index] = self._value_of[source.index]
        writer = next(
            (
                s.index
                for s in reversed(self._steps)
                if s.output.value == self._value_of[source.index]
            ),
            None,
        )
        self.fold(target, writer, why)

    def fold_constant(self, op: Op, target: Tensor, data: bytes, why: str) -> None:
        """``target`` is known before the model runs: the operators after it see a constant.

        Raises UnsupportedOp where it is an output of the model: outputs lie in the arena.
        """
        if target.index in self.graph.outputs:
            raise self.unsupported(
                op,
                "this output of the model is a constant",
                hint="remove it from the model's outputs",
            )
        self._tensors[target.index] = replace(target, data=data)
        self.fold(target, None, why)

    def fold(self, tensor: Tensor, step: int | None, why: str) -> None:
        """Records a source tensor that no step writes."""
        self._folded.append(Folded(self._oracle(tensor).tensor, tensor.name, step, why))

    def _oracle(self, tensor: Tensor) -> Oracle:
        return self._oracles.get(tensor.index, Oracle(tensor.index))

    def step_of(self, op: Op) -> int | None:
        """The first step that an operator was lowered to, None before that or when it has none."""
        return next((step.index for step in self._steps if step.op == op.index), None)

    def step_behind(self, op: Op) -> int | None:
        """The step of an operator or, where it was folded itself, of the first one behind it."""
        readers = self.readers(op.outputs[0])
        while self.step_of(op) is None and readers:
            op = readers[0]
            readers = self.readers(op.outputs[0])
        return self.step_of(op)

    def note(self, text: str) -> None:
        """A one-line remark for the user."""
        self._notes.append(text)

    def state(self, tensor: Tensor, *, fill: int = 0) -> int:
        """The value that keeps a variable tensor between inferences; its index."""
        if tensor.index not in self._value_of:
            self._new_value(tensor, role=Role.STATE, fill=fill)
        return self._value_of[tensor.index]

    def scratch_value(self, name: str, dtype: DType, elements: int) -> int:
        """A value that no source tensor stands for; its index."""
        self._values.append(Value(len(self._values), name, dtype, elements))
        return self._values[-1].index

    def step(
        self,
        op: Op,
        params: Params,
        inputs: Sequence[Operand],
        output: Tensor,
        view: tuple[int, int, int],
        *,
        macs: int = 0,
        scratch_bytes: int = 0,
    ) -> None:
        """Appends the step that writes ``output``, seen as ``view`` = (h, w, c)."""
        out = self.operand(output, *view)
        oracle = self._oracle(output)
        self._append(op, output.name, params, inputs, out, oracle, macs, scratch_bytes)

    def preparing_step(
        self, op: Op, label: str, params: Params, inputs: Sequence[Operand], output: Operand
    ) -> None:
        """Appends a step whose output no source tensor stands for."""
        self._append(op, label, params, inputs, output, None, 0, 0)

    def _append(
        self,
        op: Op,
        label: str,
        params: Params,
        inputs: Sequence[Operand],
        output: Operand,
        oracle: Oracle | None,
        macs: int,
        scratch_bytes: int,
    ) -> None:
        self._steps.append(
            Step(
                index=len(self._steps),
                op=op.index,
                label=label,
                params=params,
                inputs=tuple(inputs),
                output=output,
                oracle=oracle,
                macs=macs,
                scratch_bytes=scratch_bytes,
            )
        )

    def _new_value(self, tensor: Tensor, *, role: Role | None = None, fill: int = 0) -> None:
        if tensor.dtype is DType.FLOAT16 or (tensor.is_variable and role is not Role.STATE):
            what = "a float16 tensor" if tensor.dtype is DType.FLOAT16 else "a variable"
            raise ModelError(
                f"tensor {tensor.name!r} is {what}, which no kernel reads here",
                hint=REQUANTIZE_HINT,
            )
        if role is None:
            role = Role.ACTIVATION if tensor.data is None else Role.CONSTANT
        self._value_of[tensor.index] = len(self._values)
        self._values.append(
            Value(
                index=len(self._values),
                name=tensor.name,
                dtype=tensor.dtype,
                elements=prod(tensor.shape),
                role=role,
                data=tensor.data,
                fill=fill,
            )
        )

    def finish(self) -> Program:
        return Program(
            name=self.graph.name,
            values=tuple(self._values),
            steps=tuple(self._steps),
            inputs=tuple(self._port(index) for index in self.graph.inputs),
            outputs=tuple(self._port(index) for index in self.graph.outputs),
            folded=tuple(self._folded),
            notes=(*self.graph.notes, *self._notes),
        )

    def _port(self, index: int) -> Port:
        tensor = self.graph.tensors[index]
        quant = tensor.quant if tensor.quant and len(tensor.quant.scales) == 1 else None
        return Port(
            tensor.name, self._value_of[index], tensor.shape, tensor.dtype, quant, tensor.index
        )


def same_quant(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors mean the same by the same bytes."""
    if a.quant is None or b.quant is None:
        return a.quant is b.quant
    return a.quant.scales == b.quant.scales and a.quant.zero_points == b.quant.zero_points

"""A MIL program while it is built: the values so far, by the tensors of the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import UnsupportedOp
from edgeserve.graph import Activation, DType, Graph, Op, OpKind, Tensor

TO_NCHW = (0, 3, 1, 2)
TO_NHWC = (0, 2, 3, 1)

_HINT = "replace the operator in the model, or leave this part of it to the app"


@dataclass(slots=True)
class Building:
    """``mb`` is coremltools' builder; ``made`` has the MIL variable of each tensor."""

    mb: Any
    graph: Graph
    made: dict[int, Any] = field(default_factory=dict)

    def tensor(self, op: Op, slot: int) -> Tensor:
        """The tensor in an operator's input slot, which must be there."""
        index = op.inputs[slot] if slot < len(op.inputs) else None
        if index is None:
            raise self.refused(op, f"input {slot} is absent")
        return self.graph.tensors[index]

    def output(self, op: Op) -> Tensor:
        return self.graph.tensors[op.outputs[0]]

    def value(self, op: Op, slot: int) -> Any:
        """The MIL variable, or the numpy constant, in an input slot."""
        tensor = self.tensor(op, slot)
        if tensor.index in self.made:
            return self.made[tensor.index]
        return self.constant(op, slot)

    def constant(self, op: Op, slot: int) -> NDArray[Any]:
        """The numbers of a constant input; UnsupportedOp where it is computed."""
        tensor = self.tensor(op, slot)
        known = self.made.get(tensor.index)
        if isinstance(known, np.ndarray):
            return known
        if tensor.data is None:
            raise self.refused(op, f"input {slot} is computed, and Core ML takes a constant")
        return constant_of(tensor)

    def integers(self, op: Op, slot: int) -> tuple[int, ...]:
        """A constant input of integers, flat."""
        return tuple(int(number) for number in self.constant(op, slot).reshape(-1))

    def has(self, op: Op, slot: int) -> bool:
        return slot < len(op.inputs) and op.inputs[slot] is not None

    def refused(self, op: Op, why: str) -> UnsupportedOp:
        return UnsupportedOp(str(op.kind), self.output(op).name, why, hint=_HINT)

    def activated(self, op: Op, value: Any, activation: Activation) -> Any:
        """The value behind a fused activation."""
        match activation:
            case Activation.NONE:
                return value
            case Activation.RELU:
                return self.mb.relu(x=value)
            case Activation.RELU6:
                return self.mb.relu6(x=value)
            case Activation.RELU_N1_TO_1:
                return self.mb.clip(x=value, alpha=-1.0, beta=1.0)
            case Activation.TANH:
                return self.mb.tanh(x=value)
            case Activation.SIGN_BIT:
                raise self.refused(op, "its fused activation SIGN_BIT is not in Core ML")

    def channels_first(self, value: Any) -> Any:
        return self.mb.transpose(x=value, perm=list(TO_NCHW))

    def channels_last(self, value: Any) -> Any:
        return self.mb.transpose(x=value, perm=list(TO_NHWC))


def constant_of(tensor: Tensor) -> NDArray[Any]:
    """The numbers of a constant tensor; float16 widened to float32."""
    assert tensor.data is not None
    kind = np.dtype(tensor.dtype.value).newbyteorder("<")
    numbers = np.frombuffer(tensor.data, kind).reshape(tensor.shape)
    wanted = np.float32 if tensor.dtype is DType.FLOAT16 else np.dtype(tensor.dtype.value)
    return np.ascontiguousarray(numbers, wanted)


def is_widened_constant(graph: Graph, op: Op) -> bool:
    """Whether an operator only widens float16 weights, as TFLite's float16 files do."""
    source = None if op.inputs[0] is None else graph.tensors[op.inputs[0]]
    return (
        op.kind is OpKind.DEQUANTIZE
        and source is not None
        and source.data is not None
        and source.dtype is DType.FLOAT16
    )

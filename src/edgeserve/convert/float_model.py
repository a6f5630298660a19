"""What a float model must be before it is quantized."""

from __future__ import annotations

import numpy as np

from edgeserve.convert.calibration import InputSpec
from edgeserve.errors import ConversionError
from edgeserve.graph import DType, Graph, OpKind
from edgeserve.tflite.reader import read_model

_INTEGERS = frozenset({DType.INT8, DType.UINT8, DType.INT16})


def read_float_model(float_tflite: bytes, *, name: str) -> Graph:
    """The graph of a float32 model.

    Raises ConversionError where it is quantized in part, takes integers, has a batch other than 1
    or weights that are NaN or Inf; ModelError and UnsupportedOp as ``read_model`` does.
    """
    graph = read_model(float_tflite, name=name)
    _require_plain_floats(graph)
    _require_inputs(graph)
    _require_finite_constants(graph)
    return graph


def is_quantized(graph: Graph) -> bool:
    """Whether any operator writes int8 or int16."""
    wanted = (DType.INT8, DType.INT16)
    return any(graph.tensors[index].dtype in wanted for op in graph.ops for index in op.outputs)


def input_specs(graph: Graph) -> tuple[InputSpec, ...]:
    """The inputs as calibration data must suit them."""
    return tuple(InputSpec(graph.tensors[i].name, graph.tensors[i].shape) for i in graph.inputs)


def unsound_weights(name: str) -> ConversionError:
    """The error for weights that hold NaN or Inf."""
    return ConversionError(
        f"weights {name!r} hold NaN or Inf",
        hint="training has diverged: save the model from before that",
    )


def _require_plain_floats(graph: Graph) -> None:
    for op in graph.ops:
        read = [graph.tensors[index] for index in op.inputs if index is not None]
        halves = [tensor.name for tensor in read if tensor.dtype is DType.FLOAT16]
        stored = [tensor.name for tensor in read if tensor.data and tensor.dtype in _INTEGERS]
        if halves or stored:
            what = "float16" if halves else "integer"
            raise ConversionError(
                f"the model is quantized in part: {(halves or stored)[0]!r} is {what}, and "
                "activations are float32",
                hint="export it once more as plain float32, without any optimization",
            )


def _require_inputs(graph: Graph) -> None:
    for index in graph.inputs:
        tensor = graph.tensors[index]
        if tensor.dtype is not DType.FLOAT32:
            raise ConversionError(
                f"input {tensor.name!r} is {tensor.dtype}, and only float32 inputs are converted",
                hint="let the model take float32 and do the look-up or cast outside it",
            )
        if not tensor.shape or tensor.shape[0] != 1:
            shape = ", ".join(str(extent) for extent in tensor.shape)
            raise ConversionError(
                f"input {tensor.name!r} has shape ({shape}): its first extent must be a batch of 1",
                hint="export the model for one sample at a time",
            )


def _require_finite_constants(graph: Graph) -> None:
    """Padding by -Inf, as pools have it in front, is meant so."""
    paddings = {op.inputs[2] for op in graph.ops if op.kind is OpKind.PADV2}
    for tensor in graph.tensors:
        if tensor.data is None or tensor.dtype is not DType.FLOAT32 or tensor.index in paddings:
            continue
        if not np.isfinite(np.frombuffer(tensor.data, "<f4")).all():
            raise unsound_weights(tensor.name)

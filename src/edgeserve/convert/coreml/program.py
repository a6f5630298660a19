"""A MIL program of a float graph, operator by operator.

Every source becomes a float ``.tflite`` first, so this is the one way from any of them to Core ML.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeserve.convert.coreml import shapes, windows
from edgeserve.convert.coreml.values import TO_NHWC, Building, is_widened_constant
from edgeserve.errors import ConversionError, UnsupportedOp
from edgeserve.graph import (
    ActivationOptions,
    DType,
    Graph,
    LeakyReluOptions,
    Op,
    OpKind,
    ReduceOptions,
    SoftmaxOptions,
)
from edgeserve.identifier import c_identifier
from edgeserve.postprocess.declaration import Activation as Ending
from edgeserve.preprocess.declaration import ImageInput, Layout


@dataclass(frozen=True, slots=True)
class Edges:
    """What the package does around the model: ``picture`` makes its one input of an image's pixels,
    ``ending`` probabilities of its one output.
    """

    picture: ImageInput | None = None
    ending: Ending = Ending.NONE


@dataclass(frozen=True, slots=True)
class Names:
    """Of the program's inputs and outputs, in the order of the graph's."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def names_of(graph: Graph) -> Names:
    """The tensors' names as identifiers, each once."""
    given = [graph.tensors[index].name for index in (*graph.inputs, *graph.outputs)]
    names: list[str] = []
    for name in given:
        wanted, number = c_identifier(name), 2
        candidate = wanted
        while candidate in names:
            candidate, number = f"{wanted}_{number}", number + 1
        names.append(candidate)
    return Names(tuple(names[: len(graph.inputs)]), tuple(names[len(graph.inputs) :]))


def build_program(graph: Graph, edges: Edges, opset: Any) -> Any:
    """The ``Program`` of coremltools for ``graph``, all in float32, of the operator set ``opset``.

    Raises UnsupportedOp for an operator, and ConversionError for an input or output that is not
    float32.
    """
    from coremltools.converters.mil.mil import Builder, Function, Program, types

    _require_float(graph)
    names = names_of(graph)
    places = {
        name: Builder.placeholder(_input_shape(graph, index, edges), dtype=types.fp32)
        for name, index in zip(names.inputs, graph.inputs, strict=True)
    }
    program = Program()
    with Function(places, opset_version=opset) as function:
        building = Building(Builder, graph)
        for name, index in zip(names.inputs, graph.inputs, strict=True):
            value = function.inputs[name]
            if edges.picture is not None:
                value = _from_pixels(Builder, value, edges.picture, graph.tensors[index].shape)
            building.made[index] = value
        for op in graph.ops:
            _add(building, op)
        function.set_outputs(
            [
                Builder.identity(x=_ended(building, index, edges.ending), name=name)
                for name, index in zip(names.outputs, graph.outputs, strict=True)
            ]
        )
    program.add_function("main", function)
    return program


def _require_float(graph: Graph) -> None:
    for index in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[index]
        if tensor.dtype is not DType.FLOAT32:
            raise ConversionError(
                f"{tensor.name!r} is {tensor.dtype}, and Core ML packages are made of float models",
                hint="give the model before it was quantized: Keras, a SavedModel, a float .tflite",
            )


def _input_shape(graph: Graph, index: int, edges: Edges) -> tuple[int, ...]:
    if edges.picture is None:
        return graph.tensors[index].shape
    front = edges.picture
    return (1, front.colour.channels, front.out_height, front.out_width)


def _from_pixels(mb: Any, pixels: Any, front: ImageInput, shape: tuple[int, ...]) -> Any:
    """``(pixel - mean) * scale``, in the layout and shape of the model's input."""
    value = pixels
    if any(front.mean):
        value = mb.sub(x=value, y=_per_channel(front.mean))
    if any(factor != 1.0 for factor in front.scale):
        value = mb.mul(x=value, y=_per_channel(front.scale))
    if front.layout is Layout.NHWC:
        value = mb.transpose(x=value, perm=list(TO_NHWC))
    return value if tuple(value.shape) == shape else mb.reshape(x=value, shape=list(shape))


def _per_channel(numbers: tuple[float, ...]) -> Any:
    return np.asarray(numbers, np.float32).reshape(1, -1, 1, 1)


def _ended(b: Building, index: int, ending: Ending) -> Any:
    value = b.made.get(index)
    if value is None or isinstance(value, np.ndarray):
        name = b.graph.tensors[index].name
        raise ConversionError(f"output {name!r} does not depend on any input")
    match ending:
        case Ending.NONE:
            return value
        case Ending.SOFTMAX:
            return b.mb.softmax(x=value, axis=-1)
        case Ending.SIGMOID:
            return b.mb.sigmoid(x=value)


Handler = Callable[[Building, Op], Any]


def _add(b: Building, op: Op) -> None:
    """Appends what computes the outputs of ``op``."""
    if is_widened_constant(b.graph, op):
        b.made[op.outputs[0]] = b.constant(op, 0)
        return
    handler = _HANDLERS.get(op.kind)
    if handler is None:
        raise b.refused(op, "it has no counterpart here in Core ML")
    made = handler(b, op)
    outputs = made if isinstance(made, tuple) else (made,)
    for index, value in zip(op.outputs, outputs, strict=True):
        wanted = b.graph.tensors[index].shape
        if tuple(value.shape) != wanted:
            raise UnsupportedOp(
                str(op.kind),
                b.graph.tensors[index].name,
                f"it gives {tuple(value.shape)} where the file says {wanted}",
            )
        b.made[index] = value


def _binary(name: str) -> Handler:
    def handler(b: Building, op: Op) -> Any:
        made = getattr(b.mb, name)(x=b.value(op, 0), y=b.value(op, 1))
        if isinstance(op.options, ActivationOptions):
            return b.activated(op, made, op.options.activation)
        return made

    return handler


def _unary(name: str, **fixed: float) -> Handler:
    return lambda b, op: getattr(b.mb, name)(x=b.value(op, 0), **fixed)


def _reduction(name: str) -> Handler:
    def handler(b: Building, op: Op) -> Any:
        assert isinstance(op.options, ReduceOptions)
        axes = list(b.integers(op, 1))
        keep = op.options.keep_dims
        return getattr(b.mb, name)(x=b.value(op, 0), axes=axes, keep_dims=keep)

    return handler


def _softmax(b: Building, op: Op) -> Any:
    assert isinstance(op.options, SoftmaxOptions)
    value = b.value(op, 0)
    if op.options.beta != 1.0:
        value = b.mb.mul(x=value, y=np.float32(op.options.beta))
    return b.mb.softmax(x=value, axis=-1)


def _leaky_relu(b: Building, op: Op) -> Any:
    assert isinstance(op.options, LeakyReluOptions)
    return b.mb.leaky_relu(x=b.value(op, 0), alpha=op.options.alpha)


def _prelu(b: Building, op: Op) -> Any:
    """A slope an element or channel: ``max(x, 0) + slope * min(x, 0)``."""
    value, slopes = b.value(op, 0), b.constant(op, 1)
    below = b.mb.minimum(x=value, y=np.float32(0))
    return b.mb.add(x=b.mb.relu(x=value), y=b.mb.mul(x=below, y=slopes))


def _hard_swish(b: Building, op: Op) -> Any:
    """``x * relu6(x + 3) / 6``."""
    value = b.value(op, 0)
    gate = b.mb.relu6(x=b.mb.add(x=value, y=np.float32(3)))
    return b.mb.mul(x=b.mb.mul(x=value, y=gate), y=np.float32(1 / 6))


_HANDLERS: dict[OpKind, Handler] = {
    OpKind.ADD: _binary("add"),
    OpKind.AVERAGE_POOL_2D: windows.pool,
    OpKind.CONCATENATION: shapes.concatenated,
    OpKind.CONV_2D: windows.convolution,
    OpKind.DEPTHWISE_CONV_2D: windows.depthwise,
    OpKind.DEPTH_TO_SPACE: shapes.depth_to_space,
    OpKind.EXPAND_DIMS: shapes.reshaped,
    OpKind.FULLY_CONNECTED: windows.fully_connected,
    OpKind.HARD_SWISH: _hard_swish,
    OpKind.LEAKY_RELU: _leaky_relu,
    OpKind.LOGISTIC: _unary("sigmoid"),
    OpKind.MAXIMUM: _binary("maximum"),
    OpKind.MAX_POOL_2D: windows.pool,
    OpKind.MEAN: _reduction("reduce_mean"),
    OpKind.MINIMUM: _binary("minimum"),
    OpKind.MUL: _binary("mul"),
    OpKind.PACK: shapes.packed,
    OpKind.PAD: shapes.padded,
    OpKind.PADV2: shapes.padded,
    OpKind.PRELU: _prelu,
    OpKind.REDUCE_MAX: _reduction("reduce_max"),
    OpKind.RELU: _unary("relu"),
    OpKind.RELU6: _unary("relu6"),
    OpKind.RELU_N1_TO_1: _unary("clip", alpha=-1.0, beta=1.0),
    OpKind.RESHAPE: shapes.reshaped,
    OpKind.RESIZE_BILINEAR: windows.resize_bilinear,
    OpKind.RESIZE_NEAREST_NEIGHBOR: windows.resize_nearest,
    OpKind.SLICE: shapes.cut,
    OpKind.SOFTMAX: _softmax,
    OpKind.SPACE_TO_DEPTH: shapes.space_to_depth,
    OpKind.SPLIT: shapes.split,
    OpKind.SPLIT_V: shapes.split,
    OpKind.SQUEEZE: shapes.reshaped,
    OpKind.STRIDED_SLICE: shapes.cut_by_strides,
    OpKind.SUB: _binary("sub"),
    OpKind.SUM: _reduction("reduce_sum"),
    OpKind.TANH: _unary("tanh"),
    OpKind.TRANSPOSE: shapes.transposed,
    OpKind.TRANSPOSE_CONV: windows.transposed_convolution,
    OpKind.UNPACK: shapes.unpacked,
}

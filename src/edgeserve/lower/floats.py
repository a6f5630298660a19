"""Operators on float32.

Sums grow in the order of LiteRT's reference, but neither how a core and a compiler round on the
way nor exp() is prescribed: outputs are the reference's within a tolerance (``closeness``).
"""

from __future__ import annotations

import math

import numpy as np

from edgeserve.graph import (
    Activation,
    ActivationOptions,
    ConvOptions,
    DepthwiseOptions,
    DType,
    FullyConnectedOptions,
    Op,
    OpKind,
    PoolOptions,
    SoftmaxOptions,
    Tensor,
)
from edgeserve.kernels.floats import (
    BinaryFloatParams,
    BinaryFunction,
    Conv2dFloatParams,
    DepthwiseFloatParams,
    FullyConnectedFloatParams,
    MeanFloatParams,
    PoolFloatParams,
    SoftmaxFloatParams,
    UnaryFloatParams,
    UnaryFunction,
)
from edgeserve.kernels.record import Blob
from edgeserve.lower.builder import MAX_EXTENT, Builder
from edgeserve.lower.convolution import depthwise_weights, grouped_weights, place
from edgeserve.lower.elementwise import emit_binary
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.pooling import pool_walks
from edgeserve.lower.reduction import boxes
from edgeserve.lower.sixteen import dense_shape, emit_elementwise, emit_windows
from edgeserve.lower.softmax import view_of

_MOST = float(np.finfo(np.float32).max)
_MAX_WINDOW = 1 << 24
"""Elements whose count a float32 holds exactly."""

_RANGES = {
    Activation.NONE: (-_MOST, _MOST),
    Activation.RELU: (0.0, _MOST),
    Activation.RELU6: (0.0, 6.0),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
}
"""CalculateActivationRange of float."""

_CLAMPS = {
    OpKind.RELU: (0.0, math.inf),
    OpKind.RELU6: (0.0, 6.0),
    OpKind.RELU_N1_TO_1: (-1.0, 1.0),
}
_FUNCTIONS = {
    OpKind.ADD: BinaryFunction.ADD,
    OpKind.SUB: BinaryFunction.SUB,
    OpKind.MUL: BinaryFunction.MUL,
}


def _fused(b: Builder, op: Op, activation: Activation) -> tuple[float, float]:
    """The least and greatest float that an operator with this activation may write."""
    b.need(
        op,
        activation in _RANGES,
        f"it has {activation.name} fused into it, which no float kernel does",
        hint="put the activation behind the operator in the source model",
    )
    return _RANGES[activation]


def _need_floats(b: Builder, op: Op, *tensors: Tensor) -> None:
    for tensor in tensors:
        b.need_dtype(op, tensor, DType.FLOAT32)


def _constants(b: Builder, op: Op, out_c: int) -> tuple[Blob, Blob]:
    """Weights in the order of the file, and a bias for each output channel."""
    weights, bias = b.tensor(op.inputs[1]), b.input(op, 2)
    _need_floats(b, op, b.tensor(op.inputs[0]), weights, b.output(op))
    b.constant(op, weights, "weight tensor")
    values = np.zeros(out_c, "<f4")
    if bias is not None:
        _need_floats(b, op, bias)
        b.need(op, bias.elements == out_c, f"it has {bias.elements} biases for {out_c} channels")
        values = b.constant(op, bias, "bias").reshape(out_c).astype("<f4")
    return (
        Blob(weights.data or b"", f"weights {weights.name}"),
        Blob(values.tobytes(), f"biases {b.output(op).name}"),
    )


def _conv2d(b: Builder, op: Op) -> None:
    assert isinstance(op.options, ConvOptions)
    o = op.options
    source, weights = b.tensor(op.inputs[0]), b.tensor(op.inputs[1])
    out_c, kernel_h, kernel_w, weight_c = grouped_weights(b, op)
    placed = place(b, op, (source, weights), o, out_c)
    constants = _constants(b, op, out_c)
    low, high = _fused(b, op, o.activation)
    params = Conv2dFloatParams(
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride_h=o.stride_h,
        stride_w=o.stride_w,
        dilation_h=o.dilation_h,
        dilation_w=o.dilation_w,
        pad_top=placed.top,
        pad_left=placed.left,
        act_min=low,
        act_max=high,
        weight_c=weight_c,
        weights=constants[0],
        biases=constants[1],
    )
    emit_windows(b, op, params, placed)


def _depthwise(b: Builder, op: Op) -> None:
    assert isinstance(op.options, DepthwiseOptions)
    o = op.options
    source, weights = b.tensor(op.inputs[0]), b.tensor(op.inputs[1])
    kernel_h, kernel_w, out_c, multiplier = depthwise_weights(b, op)
    placed = place(b, op, (source, weights), o, out_c)
    constants = _constants(b, op, out_c)
    low, high = _fused(b, op, o.activation)
    params = DepthwiseFloatParams(
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride_h=o.stride_h,
        stride_w=o.stride_w,
        dilation_h=o.dilation_h,
        dilation_w=o.dilation_w,
        pad_top=placed.top,
        pad_left=placed.left,
        act_min=low,
        act_max=high,
        multiplier=multiplier,
        weights=constants[0],
        biases=constants[1],
    )
    emit_windows(b, op, params, placed)


def _fully_connected(b: Builder, op: Op) -> None:
    assert isinstance(op.options, FullyConnectedOptions)
    source, output = b.tensor(op.inputs[0]), b.output(op)
    rows, depth, out_c = dense_shape(b, op)
    weights, biases = _constants(b, op, out_c)
    low, high = _fused(b, op, op.options.activation)
    params = FullyConnectedFloatParams(act_min=low, act_max=high, weights=weights, biases=biases)
    operand = b.operand(source, rows, 1, depth)
    b.step(op, params, [operand], output, (rows, 1, out_c), macs=rows * depth * out_c)


def _pool(b: Builder, op: Op) -> None:
    assert isinstance(op.options, PoolOptions)
    o = op.options
    source, output = b.tensor(op.inputs[0]), b.output(op)
    _need_floats(b, op, source, output)
    walk = pool_walks(b, op, _MAX_WINDOW)
    low, high = _fused(b, op, o.activation)
    params = PoolFloatParams(
        kernel_h=o.filter_h,
        kernel_w=o.filter_w,
        stride_h=o.stride_h,
        stride_w=o.stride_w,
        pad_top=walk.top,
        pad_left=walk.left,
        act_min=low,
        act_max=high,
        is_max=int(op.kind is OpKind.MAX_POOL_2D),
    )
    b.step(op, params, [b.operand(source, *source.shape[1:])], output, walk.view)


def _mean(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    _need_floats(b, op, source, output)
    kept, reduced = boxes(b, op, source, output)
    params = MeanFloatParams(
        kept_dims=kept.dims,
        kept_strides=kept.strides,
        reduced_dims=reduced.dims,
        reduced_strides=reduced.strides,
    )
    rows = kept.dims[0]
    view = (rows, 1, output.elements // rows)
    b.step(op, params, [b.operand(source, 1, 1, source.elements)], output, view)


def _binary(b: Builder, op: Op) -> None:
    assert isinstance(op.options, ActivationOptions)
    first, second, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    _need_floats(b, op, first, second, output)
    low, high = _fused(b, op, op.options.activation)
    params = BinaryFloatParams(function=_FUNCTIONS[op.kind], act_min=low, act_max=high)
    emit_binary(b, op, params, (first, second), output)


def _unary(b: Builder, op: Op) -> None:
    _need_floats(b, op, b.tensor(op.inputs[0]), b.output(op))
    function, (low, high) = UnaryFunction.CLAMP, _CLAMPS.get(op.kind, (0.0, 0.0))
    if op.kind not in _CLAMPS:
        function = UnaryFunction.TANH if op.kind is OpKind.TANH else UnaryFunction.LOGISTIC
    emit_elementwise(b, op, UnaryFloatParams(function=function, low=low, high=high))


def _softmax(b: Builder, op: Op) -> None:
    assert isinstance(op.options, SoftmaxOptions)
    source, output = b.tensor(op.inputs[0]), b.output(op)
    _need_floats(b, op, source, output)
    b.need(op, len(source.shape) >= 1, "it has a scalar input")
    b.need_shape(op, output, source.shape)
    view = view_of(source.shape)
    b.need(op, view[0] <= MAX_EXTENT, f"{view[0]} rows are too many")
    params = SoftmaxFloatParams(beta=op.options.beta)
    b.step(op, params, [b.operand(source, *view)], output, view)


LOWERINGS: Lowerings = {
    OpKind.CONV_2D: _conv2d,
    OpKind.DEPTHWISE_CONV_2D: _depthwise,
    OpKind.FULLY_CONNECTED: _fully_connected,
    OpKind.AVERAGE_POOL_2D: _pool,
    OpKind.MAX_POOL_2D: _pool,
    OpKind.MEAN: _mean,
    OpKind.ADD: _binary,
    OpKind.SUB: _binary,
    OpKind.MUL: _binary,
    OpKind.RELU: _unary,
    OpKind.RELU6: _unary,
    OpKind.RELU_N1_TO_1: _unary,
    OpKind.LOGISTIC: _unary,
    OpKind.TANH: _unary,
    OpKind.SOFTMAX: _softmax,
}

"""Operators on int16 activations with int8 weights (int16x8), whose zero points are all 0.

Multipliers are made as for int8. Sums of products are int64 and rounded once: those of
convolutions by a multiplier of 16 bits, those of FULLY_CONNECTED by a double. What needs no such
sum is rounded twice, on int32, as for int8.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from edgeserve.graph import (
    ActivationOptions,
    ConvOptions,
    DepthwiseOptions,
    DType,
    FullyConnectedOptions,
    LeakyReluOptions,
    Op,
    OpKind,
    PoolOptions,
    Quant,
    SoftmaxOptions,
    Tensor,
)
from edgeserve.kernels.record import Blob, Params
from edgeserve.kernels.sixteen import (
    Add16Params,
    AveragePool16Params,
    Conv2d16Params,
    Depthwise16Params,
    FullyConnected16Params,
    MaxPool16Params,
    Mean16Params,
    Mul16Params,
    Rescale16Params,
    Sigmoid16Params,
    Softmax16Params,
)
from edgeserve.lower import tables_16
from edgeserve.lower.activation import fused_range
from edgeserve.lower.builder import MAX_EXTENT, REQUANTIZE_HINT, Builder
from edgeserve.lower.convolution import (
    Placement,
    depthwise_weights,
    grouped_weights,
    place,
    weight_factors,
)
from edgeserve.lower.elementwise import emit_binary, float32_factor
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.pooling import pool_walks
from edgeserve.lower.reduction import boxes, mean_requant
from edgeserve.lower.requant import RANGE, Requant, activation_range, float32, requant
from edgeserve.lower.softmax import view_of

LEFT_SHIFT = 15
"""ADD and SUB scale their inputs up by 2^15 before they meet."""

_MAX_WINDOW = 1 << 15
_MAX_COUNT = 1 << 16
"""Elements whose sum surely fits an int32: of a window with its rounding, of a MEAN."""

_LEAST = -(1 << 15)
"""Of an int16."""

_DOUBLE_BITS = 53
"""Of the mantissa of a double."""

_MAX_DEPTH = (1 << 16) - 1
"""Elements of a SOFTMAX whose exponentials surely fit an int32."""


def quant_16(b: Builder, op: Op, tensor: Tensor) -> Quant:
    """The quantization of an int16 activation, or UnsupportedOp."""
    b.need_dtype(op, tensor, DType.INT16)
    quant = b.quant(op, tensor)
    b.need(
        op,
        quant.zero_point == 0,
        f"its int16 tensor {tensor.name!r} has zero point {quant.zero_point}, not 0",
        hint=REQUANTIZE_HINT,
    )
    return quant


# Sums of products.


@dataclass(frozen=True, slots=True)
class _Sums:
    """What the sums of each output channel start from, and their way to the output's scale."""

    biases: tuple[int, ...]
    factors: tuple[float, ...]


def _sums(b: Builder, op: Op, axis: int) -> _Sums:
    """Of an operator whose weights have their output channels along ``axis``.

    UnsupportedOp where a sum could leave what LiteRT's arithmetic holds.
    """
    source, weights, bias = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.input(op, 2)
    b.need_dtype(op, weights, DType.INT8)
    out_c = weights.shape[axis]
    in_scale, out_scale = quant_16(b, op, source).scale, quant_16(b, op, b.output(op)).scale
    factors = weight_factors(b, op, weights, out_c, in_scale, out_scale)
    biases = [0] * out_c
    if bias is not None:
        b.need_dtype(op, bias, DType.INT64)
        b.need(op, bias.elements == out_c, f"it has {bias.elements} biases for {out_c} channels")
        biases = b.constant(op, bias, "bias").reshape(out_c).tolist()
    matrix = np.moveaxis(b.constant(op, weights, "weight tensor").astype(np.int64), axis, 0)
    most = np.abs(matrix).reshape(out_c, -1).sum(axis=1) * -_LEAST
    for taps, start, factor in zip(most.tolist(), biases, factors, strict=True):
        largest = taps + abs(start)
        b.need(
            op,
            largest < 1 << 47 and largest * factor < 2.0**31,
            f"a sum of {largest:.3g} by a factor of {factor:.3g} is beyond fixed point",
            hint=REQUANTIZE_HINT,
        )
    return _Sums(tuple(biases), tuple(factors))


def _channels(b: Builder, op: Op, axis: int) -> Blob:
    """{int64 bias, int32 multiplier, int32 shift}: MultiplyByQuantizedMultiplier of an int64, which
    cuts the multiplier down to 16 bits.
    """
    sums = _sums(b, op, axis)
    rows = []
    for bias, factor in zip(sums.biases, sums.factors, strict=True):
        scale = requant(factor)
        b.need(
            op,
            scale.shift < 8,
            f"its scales give a factor of {factor:g}, beyond fixed point",
            hint=REQUANTIZE_HINT,
        )
        fits = scale.multiplier < 0x7FFF0000
        multiplier = (scale.multiplier + (1 << 15)) >> 16 if fits else 0x7FFF
        rows.append(struct.pack("<qii", bias, multiplier, 15 - scale.shift))
    return Blob(b"".join(rows), f"channels {b.output(op).name}", 8)


def _dense_channels(b: Builder, op: Op) -> Blob:
    """{int64 bias, int64 multiplier, int32 shift, int32 0}: the reference scales a sum by a double,
    of which no bit is lost.
    """
    sums = _sums(b, op, 0)
    rows = []
    for bias, factor in zip(sums.biases, sums.factors, strict=True):
        mantissa, exponent = math.frexp(factor)
        shift = _DOUBLE_BITS - exponent
        b.need(
            op,
            1 <= shift <= 127,
            f"its scales give a factor of {factor:g}, beyond fixed point",
            hint=REQUANTIZE_HINT,
        )
        rows.append(struct.pack("<qqii", bias, int(math.ldexp(mantissa, _DOUBLE_BITS)), shift, 0))
    return Blob(b"".join(rows), f"channels {b.output(op).name}", 8)


def _weights(b: Builder, op: Op) -> Blob:
    """The weights in the order of the file."""
    weights = b.tensor(op.inputs[1])
    b.constant(op, weights, "weight tensor")
    return Blob(weights.data or b"", f"weights {weights.name}", 1)


def _conv2d(b: Builder, op: Op) -> None:
    assert isinstance(op.options, ConvOptions)
    o = op.options
    source, weights, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    out_c, kernel_h, kernel_w, weight_c = grouped_weights(b, op)
    placed = place(b, op, (source, weights), o, out_c)
    channels = _channels(b, op, 0)
    low, high = fused_range(b, op, o.activation, b.quant(op, output), DType.INT16)
    params = Conv2d16Params(
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
        weights=_weights(b, op),
        channels=channels,
    )
    emit_windows(b, op, params, placed)


def _depthwise(b: Builder, op: Op) -> None:
    assert isinstance(op.options, DepthwiseOptions)
    o = op.options
    source, weights, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    kernel_h, kernel_w, out_c, multiplier = depthwise_weights(b, op)
    placed = place(b, op, (source, weights), o, out_c)
    channels = _channels(b, op, 3)
    low, high = fused_range(b, op, o.activation, b.quant(op, output), DType.INT16)
    params = Depthwise16Params(
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
        weights=_weights(b, op),
        channels=channels,
    )
    emit_windows(b, op, params, placed)


def emit_windows(b: Builder, op: Op, params: Params, placed: Placement) -> None:
    """The step of a convolution of elements that are wider than a byte."""
    source, output = placed.source, b.output(op)
    b.step(
        op,
        params,
        [b.operand(source.tensor, source.h, source.w, source.tensor.shape[-1])],
        output,
        (placed.out_h, placed.out_w, output.shape[3]),
        macs=placed.out_h * placed.out_w * b.tensor(op.inputs[1]).elements,
    )


def _fully_connected(b: Builder, op: Op) -> None:
    assert isinstance(op.options, FullyConnectedOptions)
    source, output = b.tensor(op.inputs[0]), b.output(op)
    rows, depth, out_c = dense_shape(b, op)
    channels = _dense_channels(b, op)
    low, high = fused_range(b, op, op.options.activation, b.quant(op, output), DType.INT16)
    params = FullyConnected16Params(
        act_min=low, act_max=high, weights=_weights(b, op), channels=channels
    )
    operand = b.operand(source, rows, 1, depth)
    b.step(op, params, [operand], output, (rows, 1, out_c), macs=rows * depth * out_c)


def dense_shape(b: Builder, op: Op) -> tuple[int, int, int]:
    """(rows, inputs, outputs) of a FULLY_CONNECTED, or UnsupportedOp."""
    assert isinstance(op.options, FullyConnectedOptions)
    source, weights, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    b.need(op, not op.options.shuffled_weights, "its weights are in the shuffled format")
    b.need(op, len(weights.shape) == 2, f"its weights have shape {list(weights.shape)}")
    out_c, depth = weights.shape
    rows = source.elements // depth
    b.need(
        op,
        rows * depth == source.elements and output.elements == rows * out_c and rows <= MAX_EXTENT,
        f"input {list(source.shape)} and weights {list(weights.shape)} do not give "
        f"{list(output.shape)}",
    )
    return rows, depth, out_c


# Windows and sums without weights.


def _pool(b: Builder, op: Op, kind: type[AveragePool16Params | MaxPool16Params]) -> None:
    assert isinstance(op.options, PoolOptions)
    o = op.options
    source, output = b.tensor(op.inputs[0]), b.output(op)
    quant_16(b, op, source)
    low, high = fused_range(b, op, o.activation, quant_16(b, op, output), DType.INT16)
    walk = pool_walks(b, op, _MAX_WINDOW)
    params = kind(
        kernel_h=o.filter_h,
        kernel_w=o.filter_w,
        stride_h=o.stride_h,
        stride_w=o.stride_w,
        pad_top=walk.top,
        pad_left=walk.left,
        act_min=low,
        act_max=high,
    )
    b.step(op, params, [b.operand(source, *source.shape[1:])], output, walk.view)


def _average_pool(b: Builder, op: Op) -> None:
    _pool(b, op, AveragePool16Params)


def _max_pool(b: Builder, op: Op) -> None:
    _pool(b, op, MaxPool16Params)


def _mean(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    kept, reduced = boxes(b, op, source, output)
    count = math.prod(reduced.dims)
    b.need(op, count <= _MAX_COUNT, f"a sum of {count} elements may overflow")
    in_scale, out_scale = quant_16(b, op, source).scale, quant_16(b, op, output).scale
    scale = mean_requant(requant(in_scale / out_scale), count)
    params = Mean16Params(
        kept_dims=kept.dims,
        kept_strides=kept.strides,
        reduced_dims=reduced.dims,
        reduced_strides=reduced.strides,
        multiplier=scale.multiplier,
        shift=scale.shift,
    )
    rows = kept.dims[0]
    view = (rows, 1, output.elements // rows)
    b.step(op, params, [b.operand(source, 1, 1, source.elements)], output, view)


# Element by element.


def _add(b: Builder, op: Op) -> None:
    assert isinstance(op.options, ActivationOptions)
    first, second, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    b.need(
        op,
        not op.options.pot_scale_int16,
        "its int16 form is the one for scales that are powers of two",
        hint=REQUANTIZE_HINT,
    )
    sign_1, sign_2 = 1, -1 if op.kind is OpKind.SUB else 1
    if quant_16(b, op, second).scale > quant_16(b, op, first).scale:
        first, second, sign_1, sign_2 = second, first, sign_2, sign_1
    out_quant = quant_16(b, op, output)
    twice = 2.0 * b.quant(op, first).scale
    scale_2 = requant(b.quant(op, second).scale / twice)
    scale_out = requant(twice / ((1 << LEFT_SHIFT) * out_quant.scale))
    b.need(
        op,
        scale_out.shift <= 0,
        f"its output scale {out_quant.scale:g} is too small for its inputs'",
        hint=REQUANTIZE_HINT,
    )
    low, high = fused_range(b, op, op.options.activation, out_quant, DType.INT16)
    params = Add16Params(
        factor_1=sign_1 * (1 << LEFT_SHIFT - 1),
        factor_2=sign_2,
        multiplier_2=scale_2.multiplier,
        shift_2=scale_2.shift,
        output_multiplier=scale_out.multiplier,
        output_shift=scale_out.shift,
        act_min=low,
        act_max=high,
    )
    emit_binary(b, op, params, (first, second), output)


def _mul(b: Builder, op: Op) -> None:
    assert isinstance(op.options, ActivationOptions)
    first, second, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    quants = quant_16(b, op, first), quant_16(b, op, second)
    out_quant = quant_16(b, op, output)
    scale = requant(float32_factor(b, op, quants, out_quant))
    low, high = fused_range(b, op, op.options.activation, out_quant, DType.INT16)
    params = Mul16Params(multiplier=scale.multiplier, shift=scale.shift, act_min=low, act_max=high)
    emit_binary(b, op, params, (first, second), output)


def emit_elementwise(b: Builder, op: Op, params: Params) -> None:
    """The step of an operator that makes one element of each."""
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need(op, source.shape == output.shape, "its output has another shape than its input")
    operand, target = b.flat(source), b.flat(output)
    b.step(op, params, [operand], output, (target.h, target.w, target.c))


def _relu(b: Builder, op: Op) -> None:
    """QuantizedReluX: a float32 factor."""
    quant, out_quant = quant_16(b, op, b.tensor(op.inputs[0])), quant_16(b, op, b.output(op))
    factor = requant(float32(quant.scale / out_quant.scale))
    low, high = activation_range(tables_16.ACTIVATION_OF[op.kind], out_quant, DType.INT16)
    emit_elementwise(b, op, _rescale(factor, factor, low, high))


def _leaky_relu(b: Builder, op: Op) -> None:
    """QuantizeLeakyRelu: both factors are float32 products."""
    assert isinstance(op.options, LeakyReluOptions)
    b.need(op, op.options.alpha >= 0, f"its slope {op.options.alpha:g} is negative")
    quant, out_quant = quant_16(b, op, b.tensor(op.inputs[0])), quant_16(b, op, b.output(op))
    in_scale, out_scale = np.float32(quant.scale), np.float32(out_quant.scale)
    positive = requant(float(in_scale / out_scale))
    negative = requant(float(in_scale * np.float32(op.options.alpha) / out_scale))
    emit_elementwise(b, op, _rescale(positive, negative, *RANGE[DType.INT16]))


def _rescale(positive: Requant, negative: Requant, low: int, high: int) -> Rescale16Params:
    return Rescale16Params(
        input_zero_point=0,
        output_zero_point=0,
        positive_multiplier=positive.multiplier,
        positive_shift=positive.shift,
        negative_multiplier=negative.multiplier,
        negative_shift=negative.shift,
        act_min=low,
        act_max=high,
    )


def _sigmoid(b: Builder, op: Op) -> None:
    quant, out_quant = quant_16(b, op, b.tensor(op.inputs[0])), quant_16(b, op, b.output(op))
    b.need(
        op,
        out_quant.scale == 1 / 32768,
        f"its output scale is {out_quant.scale:g}, not 1/32768",
        hint=REQUANTIZE_HINT,
    )
    is_tanh = op.kind is OpKind.TANH
    multiplier, shift = tables_16.sigmoid_input(quant.scale, is_tanh=is_tanh)
    b.need(
        op,
        shift < 31 and multiplier < 1 << 16,
        f"its input scale {quant.scale:g} is beyond fixed point",
        hint=REQUANTIZE_HINT,
    )
    table = Blob(tables_16.sigmoid(), "logistic of i / 24", 2)
    params = Sigmoid16Params(is_tanh=int(is_tanh), multiplier=multiplier, shift=shift, table=table)
    emit_elementwise(b, op, params)


def _softmax(b: Builder, op: Op) -> None:
    assert isinstance(op.options, SoftmaxOptions)
    source, output = b.tensor(op.inputs[0]), b.output(op)
    quant, out_quant = quant_16(b, op, source), quant_16(b, op, output)
    b.need(op, len(source.shape) >= 1, "it has a scalar input")
    b.need_shape(op, output, source.shape)
    b.need(
        op,
        abs(out_quant.scale - 1 / 32768) <= 0.001 / 32768,
        f"its output has scale {out_quant.scale:g}, not 1/32768",
        hint=REQUANTIZE_HINT,
    )
    b.need(op, source.shape[-1] <= _MAX_DEPTH, f"{source.shape[-1]} elements overflow its sum")
    scale = requant(quant.scale * op.options.beta / (10.0 / 65535.0))
    view = view_of(source.shape)
    b.need(op, view[0] <= MAX_EXTENT, f"{view[0]} rows are too many")
    params = Softmax16Params(
        multiplier=scale.multiplier,
        shift=scale.shift,
        exponentials=Blob(tables_16.exponentials(), "exp(x), x from -10 to 0", 2),
        reciprocals=Blob(tables_16.reciprocals(), "1 / (1 + x), x from 0 to 1", 2),
    )
    b.step(op, params, [b.operand(source, *view)], output, view)


LOWERINGS: Lowerings = {
    OpKind.CONV_2D: _conv2d,
    OpKind.DEPTHWISE_CONV_2D: _depthwise,
    OpKind.FULLY_CONNECTED: _fully_connected,
    OpKind.AVERAGE_POOL_2D: _average_pool,
    OpKind.MAX_POOL_2D: _max_pool,
    OpKind.MEAN: _mean,
    OpKind.ADD: _add,
    OpKind.SUB: _add,
    OpKind.MUL: _mul,
    OpKind.RELU: _relu,
    OpKind.RELU6: _relu,
    OpKind.RELU_N1_TO_1: _relu,
    OpKind.LEAKY_RELU: _leaky_relu,
    OpKind.LOGISTIC: _sigmoid,
    OpKind.TANH: _sigmoid,
    OpKind.SOFTMAX: _softmax,
}

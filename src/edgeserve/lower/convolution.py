"""CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV.

Multipliers are products in double of the float32 scales (PopulateConvolutionQuantizationParams),
for one scale as for one a channel. All three round twice (``es_requantize``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgeserve.graph import (
    Activation,
    ConvOptions,
    DepthwiseOptions,
    DType,
    Op,
    OpKind,
    Quant,
    Tensor,
    TransposeConvOptions,
)
from edgeserve.kernels.portable import Conv2dParams, DepthwiseParams, TransposeConvParams
from edgeserve.kernels.record import Blob, channel_table
from edgeserve.lower.activation import fused_range
from edgeserve.lower.builder import REQUANTIZE_HINT, Builder
from edgeserve.lower.fold import PaddedSource, padded_source
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.requant import Requant, requant
from edgeserve.lower.window import MAX_FIELD, Walk, need_shape, need_walk
from edgeserve.weights import Weights, interleaved

Sums = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Layer:
    """What all three have: checked tensors, and the way from accumulator to output."""

    source: Tensor
    weights: Tensor
    output: Tensor
    in_quant: Quant
    out_quant: Quant
    matrix: Weights
    biases: Sums
    requants: tuple[Requant, ...]
    act_min: int
    act_max: int

    def channels(self, biases: Sums) -> Blob:
        """The channel table with these biases, wrapped as the device's sums wrap."""
        wrapped = (biases & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
        return channel_table(
            wrapped.tolist(),
            [r.multiplier for r in self.requants],
            [r.shift for r in self.requants],
            f"channels {self.output.name}",
        )


def _layer(
    b: Builder,
    op: Op,
    tensors: tuple[Tensor, Tensor, Tensor | None],
    channel_axis: int,
    activation: Activation,
) -> _Layer:
    source, weights, bias = tensors
    output = b.output(op)
    for tensor in (source, weights, output):
        b.need_dtype(op, tensor, DType.INT8)
    b.need(op, len(weights.shape) == 4, f"its weights have shape {list(weights.shape)}")
    out_c = weights.shape[channel_axis]
    in_quant, out_quant = b.quant(op, source), b.quant(op, output)
    low, high = fused_range(b, op, activation, out_quant)
    return _Layer(
        source=source,
        weights=weights,
        output=output,
        in_quant=in_quant,
        out_quant=out_quant,
        matrix=b.constant(op, weights, "weight tensor").astype(np.int8, copy=False),
        biases=_biases(b, op, bias, out_c),
        requants=tuple(
            requant(factor)
            for factor in weight_factors(b, op, weights, out_c, in_quant.scale, out_quant.scale)
        ),
        act_min=low,
        act_max=high,
    )


def _biases(b: Builder, op: Op, bias: Tensor | None, out_c: int) -> Sums:
    if bias is None:
        return np.zeros(out_c, np.int64)
    b.need_dtype(op, bias, DType.INT32)
    b.need(op, bias.elements == out_c, f"it has {bias.elements} biases for {out_c} channels")
    return b.constant(op, bias, "bias").astype(np.int64).reshape(out_c)


def weight_factors(
    b: Builder, op: Op, weights: Tensor, out_c: int, in_scale: float, out_scale: float
) -> list[float]:
    """From the scale of a sum to that of the output, for each output channel; or UnsupportedOp."""
    quant = weights.quant
    if quant is None or len(quant.scales) not in (1, out_c):
        raise b.unsupported(
            op,
            f"its weights {weights.name!r} have no scale for each of {out_c} channels",
            hint=REQUANTIZE_HINT,
        )
    b.need(op, set(quant.zero_points) == {0}, "its weights have a zero point", hint=REQUANTIZE_HINT)
    scales = quant.scales * out_c if len(quant.scales) == 1 else quant.scales
    factors = [in_scale * scale / out_scale for scale in scales]
    b.need(
        op,
        max(factors) < 2.0**30,
        f"its scales give a factor of {max(factors):g}, beyond fixed point",
        hint=REQUANTIZE_HINT,
    )
    return factors


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the windows of a convolution lie over what it really reads."""

    source: PaddedSource
    out_h: int
    out_w: int
    top: int
    left: int
    leaves: bool
    """Whether some window reads outside the image."""


def place(
    b: Builder,
    op: Op,
    tensors: tuple[Tensor, Tensor],
    o: ConvOptions | DepthwiseOptions,
    out_c: int,
) -> Placement:
    """The placement of windows as large as the second tensor, the weights, over the first."""
    source_tensor, weights = tensors
    h, w, _ = b.spatial(op, source_tensor)
    _, kernel_h, kernel_w, _ = weights.shape
    rows = Walk(kernel_h, o.stride_h, o.dilation_h)
    columns = Walk(kernel_w, o.stride_w, o.dilation_w)
    out_h, out_w = rows.outputs(h, o.padding), columns.outputs(w, o.padding)
    need_shape(b, op, (1, out_h, out_w, out_c))
    source = padded_source(b, source_tensor)
    top = source.top + rows.padding_before(h, out_h)
    left = source.left + columns.padding_before(w, out_w)
    need_walk(b, op, "rows", rows, h + top, out_h)
    need_walk(b, op, "columns", columns, w + left, out_w)
    leaves = rows.leaves(source.h, out_h, top) or columns.leaves(source.w, out_w, left)
    return Placement(source, out_h, out_w, top, left, leaves)


def grouped_weights(b: Builder, op: Op) -> tuple[int, int, int, int]:
    """(out_c, kernel_h, kernel_w, weight_c) of a CONV_2D whose weights divide the input's channels
    into groups of ``weight_c``; or UnsupportedOp.
    """
    weights = b.tensor(op.inputs[1])
    b.need(op, len(weights.shape) == 4, f"its weights have shape {list(weights.shape)}")
    out_c, kernel_h, kernel_w, weight_c = weights.shape
    _, _, c = b.spatial(op, b.tensor(op.inputs[0]))
    b.need(
        op,
        c % weight_c == 0 and out_c % (c // weight_c) == 0,
        f"weights {list(weights.shape)} do not divide {c} input channels into groups",
    )
    return out_c, kernel_h, kernel_w, weight_c


def depthwise_weights(b: Builder, op: Op) -> tuple[int, int, int, int]:
    """(kernel_h, kernel_w, out_c, multiplier) of a DEPTHWISE_CONV_2D; or UnsupportedOp."""
    weights = b.tensor(op.inputs[1])
    b.need(op, len(weights.shape) == 4, f"its weights have shape {list(weights.shape)}")
    ones, kernel_h, kernel_w, out_c = weights.shape
    _, _, c = b.spatial(op, b.tensor(op.inputs[0]))
    b.need(
        op,
        ones == 1 and out_c % c == 0,
        f"weights {list(weights.shape)} are not [1, h, w, a multiple of {c} channels]",
    )
    return kernel_h, kernel_w, out_c, out_c // c


def _conv2d(b: Builder, op: Op) -> None:
    assert isinstance(op.options, ConvOptions)
    o = op.options
    bias = b.input(op, 2)
    b.need(
        op,
        bias is not None,
        "it has no bias, which LiteRT's reference kernel refuses",
        hint="give the layer a bias before converting",
    )
    layer = _layer(b, op, (b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), bias), 0, o.activation)
    out_c, _, _, _ = grouped_weights(b, op)
    _convolve(b, op, layer, place(b, op, (layer.source, layer.weights), o, out_c), o)


def _one_channel(b: Builder, op: Op, layer: _Layer, placed: Placement, o: DepthwiseOptions) -> None:
    """All output channels read the only channel that there is, as those of a convolution do."""
    _convolve(b, op, replace(layer, matrix=layer.matrix.transpose(3, 1, 2, 0)), placed, o)


def _convolve(
    b: Builder, op: Op, layer: _Layer, placed: Placement, o: ConvOptions | DepthwiseOptions
) -> None:
    """The convolution of a layer whose matrix is [out_c, kernel_h, kernel_w, weight_c]."""
    c = layer.source.shape[3]
    out_c, kernel_h, kernel_w, weight_c = layer.matrix.shape
    weights = interleaved(layer.matrix, c // weight_c, f"weights {layer.weights.name}")
    zero_point = layer.in_quant.zero_point
    sums = layer.matrix.reshape(out_c, -1).sum(axis=1, dtype=np.int64)
    params = Conv2dParams(
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride_h=o.stride_h,
        stride_w=o.stride_w,
        dilation_h=o.dilation_h,
        dilation_w=o.dilation_w,
        pad_top=placed.top,
        pad_left=placed.left,
        output_zero_point=layer.out_quant.zero_point,
        act_min=layer.act_min,
        act_max=layer.act_max,
        weight_c=weight_c,
        weights=weights,
        channels=layer.channels(layer.biases - zero_point * sums),
        pads=_pads(layer, c) if placed.leaves else weights,
    )
    _step(b, op, layer, placed, params)


def _depthwise(b: Builder, op: Op) -> None:
    assert isinstance(op.options, DepthwiseOptions)
    o = op.options
    tensors = (b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.input(op, 2))
    layer = _layer(b, op, tensors, 3, o.activation)
    kernel_h, kernel_w, out_c, multiplier = depthwise_weights(b, op)
    placed = place(b, op, (layer.source, layer.weights), o, out_c)
    if layer.source.shape[3] == 1:
        _one_channel(b, op, layer, placed, o)
        return
    weights = Blob(layer.matrix.tobytes(), f"weights {layer.weights.name}")
    zero_point = layer.in_quant.zero_point
    sums = layer.matrix.reshape(-1, out_c).sum(axis=0, dtype=np.int64)
    params = DepthwiseParams(
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride_h=o.stride_h,
        stride_w=o.stride_w,
        dilation_h=o.dilation_h,
        dilation_w=o.dilation_w,
        pad_top=placed.top,
        pad_left=placed.left,
        output_zero_point=layer.out_quant.zero_point,
        act_min=layer.act_min,
        act_max=layer.act_max,
        multiplier=multiplier,
        weights=weights,
        channels=layer.channels(layer.biases - zero_point * sums),
        pads=_pads(layer, layer.source.shape[3]) if placed.leaves else weights,
    )
    _step(b, op, layer, placed, params)


def _pads(layer: _Layer, channels: int) -> Blob:
    """One pixel outside the image."""
    element = layer.in_quant.zero_point.to_bytes(1, "little", signed=True)
    return Blob(element * channels, f"padding {layer.source.name}")


def _step(
    b: Builder, op: Op, layer: _Layer, placed: Placement, params: Conv2dParams | DepthwiseParams
) -> None:
    source = placed.source
    b.step(
        op,
        params,
        [b.operand(source.tensor, source.h, source.w, source.tensor.shape[-1])],
        layer.output,
        (placed.out_h, placed.out_w, layer.output.shape[3]),
        macs=placed.out_h * placed.out_w * layer.weights.elements,
    )


def _transpose_conv(b: Builder, op: Op) -> None:
    assert isinstance(op.options, TransposeConvOptions)
    o = op.options
    tensors = (b.tensor(op.inputs[2]), b.tensor(op.inputs[1]), b.input(op, 3))
    layer = _layer(b, op, tensors, 0, o.activation)
    h, w, c = b.spatial(op, layer.source)
    out_c, kernel_h, kernel_w, in_c = layer.weights.shape
    b.need(op, in_c == c, f"weights {list(layer.weights.shape)} do not read {c} input channels")
    shape = b.integers(op, 0, "output shape")
    b.need(op, len(shape) == 4, f"its output shape is {list(shape)}")
    need_shape(b, op, (1, shape[1], shape[2], out_c))
    b.need(op, shape[0] == 1 and shape[3] == out_c, f"its output shape is {list(shape)}")
    out_h, out_w = shape[1], shape[2]
    rows, columns = Walk(kernel_h, o.stride_h), Walk(kernel_w, o.stride_w)
    b.need(
        op,
        (rows.outputs(out_h, o.padding), columns.outputs(out_w, o.padding)) == (h, w),
        f"input {list(layer.source.shape)} does not belong to output {list(shape)}",
    )
    need_walk(b, op, "rows", rows, out_h, h)
    need_walk(b, op, "columns", columns, out_w, w)
    top, left = rows.padding_before(out_h, h), columns.padding_before(out_w, w)
    b.need(op, max(top, left) <= MAX_FIELD, f"its padding {top}, {left} is beyond the kernel")
    params = TransposeConvParams(
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride_h=o.stride_h,
        stride_w=o.stride_w,
        pad_top=top,
        pad_left=left,
        input_zero_point=layer.in_quant.zero_point,
        output_zero_point=layer.out_quant.zero_point,
        act_min=layer.act_min,
        act_max=layer.act_max,
        weights=interleaved(layer.matrix, 1, f"weights {layer.weights.name}"),
        channels=layer.channels(layer.biases),
    )
    b.step(
        op,
        params,
        [b.operand(layer.source, h, w, c)],
        layer.output,
        (out_h, out_w, out_c),
        macs=h * w * layer.weights.elements,
    )


LOWERINGS: Lowerings = {
    OpKind.CONV_2D: _conv2d,
    OpKind.DEPTHWISE_CONV_2D: _depthwise,
    OpKind.TRANSPOSE_CONV: _transpose_conv,
}

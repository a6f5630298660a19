"""FULLY_CONNECTED: each row of the input is one vector."""

from __future__ import annotations

from math import isfinite

import numpy as np
import numpy.typing as npt

from edgeserve.graph import DType, FullyConnectedOptions, Op, OpKind, Tensor
from edgeserve.kernels.portable import FullyConnectedParams
from edgeserve.kernels.record import Blob, channel_table
from edgeserve.lower.activation import fused_range
from edgeserve.lower.builder import REQUANTIZE_HINT, Builder
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.requant import requant


def _fully_connected(b: Builder, op: Op) -> None:
    assert isinstance(op.options, FullyConnectedOptions)
    source, weights, bias = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.input(op, 2)
    output = b.output(op)
    b.need_dtype(op, source, DType.INT8)
    b.need_dtype(op, weights, DType.INT8)
    b.need_dtype(op, output, DType.INT8)
    b.need(op, not op.options.shuffled_weights, "its weights are in the shuffled format")
    b.need(op, len(weights.shape) == 2, f"its weights have shape {list(weights.shape)}")
    out_c, depth = weights.shape
    rows = source.elements // depth
    b.need(
        op,
        rows * depth == source.elements and output.elements == rows * out_c,
        f"input {list(source.shape)} and weights {list(weights.shape)} do not give "
        f"{list(output.shape)}",
    )
    in_quant, out_quant = b.quant(op, source), b.quant(op, output)
    matrix = b.constant(op, weights, "weight matrix").astype(np.int64)
    scales = _weight_scales(b, op, weights)
    factors = _factors(in_quant.scale, scales, out_quant.scale, out_c)
    b.need(
        op, all(map(isfinite, factors)), "its scales have no finite product", hint=REQUANTIZE_HINT
    )
    biases = _biases(b, op, bias, out_c) - in_quant.zero_point * matrix.sum(axis=1)
    requants = [requant(factor) for factor in factors]
    low, high = fused_range(b, op, op.options.activation, out_quant)
    params = FullyConnectedParams(
        output_zero_point=out_quant.zero_point,
        act_min=low,
        act_max=high,
        weights=Blob(weights.data or b"", f"weights {weights.name}"),
        channels=channel_table(
            [wrap_int32(int(bias)) for bias in biases],
            [r.multiplier for r in requants],
            [r.shift for r in requants],
            f"channels {output.name}",
        ),
    )
    b.step(
        op,
        params,
        [b.operand(source, rows, 1, depth)],
        output,
        (rows, 1, out_c),
        macs=rows * depth * out_c,
    )


def _weight_scales(b: Builder, op: Op, weights: Tensor) -> tuple[float, ...]:
    """One scale, or one an output channel."""
    quant = weights.quant
    if quant is None or (len(quant.scales) > 1 and quant.axis != 0):
        raise b.unsupported(
            op, f"its weights {weights.name!r} have no scale a channel", hint=REQUANTIZE_HINT
        )
    b.need(op, set(quant.zero_points) == {0}, "its weights have a zero point", hint=REQUANTIZE_HINT)
    return quant.scales


def _biases(b: Builder, op: Op, bias: Tensor | None, out_c: int) -> npt.NDArray[np.int64]:
    if bias is None:
        return np.zeros(out_c, np.int64)
    b.need_dtype(op, bias, DType.INT32)
    b.need(
        op,
        bias.elements == out_c,
        f"its bias {bias.name!r} has {bias.elements} elements for {out_c} outputs",
    )
    return b.constant(op, bias, "bias").astype(np.int64).reshape(out_c)


def wrap_int32(value: int) -> int:
    """The int32 that the device's wrapping arithmetic makes of an integer."""
    return (value + 2**31) % 2**32 - 2**31


def _factors(
    in_scale: float, weight_scales: tuple[float, ...], out_scale: float, out_c: int
) -> list[float]:
    """Per output channel; one scale is shared. The product is one of doubles in both cases, as in
    PopulateConvolutionQuantizationParams.
    """
    scales = weight_scales * out_c if len(weight_scales) == 1 else weight_scales
    return [in_scale * scale / out_scale for scale in scales]


LOWERINGS: Lowerings = {OpKind.FULLY_CONNECTED: _fully_connected}

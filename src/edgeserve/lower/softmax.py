"""SOFTMAX over the last dimension."""

from __future__ import annotations

import math

from edgeserve.graph import DType, Op, OpKind, SoftmaxOptions
from edgeserve.kernels.portable import SoftmaxParams
from edgeserve.lower.builder import MAX_EXTENT, REQUANTIZE_HINT, Builder
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.requant import requant

_INTEGER_BITS = 5
"""Of the scaled differences, Q5.26."""

_MAX_DEPTH = (1 << 12) - 1
"""Ones that the sum of exponentials, Q12.19, can hold."""

_OUTPUT_SCALE, _OUTPUT_ZERO_POINT = 1 / 256, -128


def _softmax(b: Builder, op: Op) -> None:
    assert isinstance(op.options, SoftmaxOptions)
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need_dtype(op, source, DType.INT8)
    b.need_dtype(op, output, DType.INT8)
    b.need(op, len(source.shape) >= 1, "it has a scalar input")
    b.need(
        op,
        source.shape == output.shape,
        f"input {list(source.shape)} does not give {list(output.shape)}",
    )
    quant = b.quant(op, output)
    b.need(
        op,
        quant.zero_point == _OUTPUT_ZERO_POINT
        and abs(quant.scale - _OUTPUT_SCALE) <= 0.001 * _OUTPUT_SCALE,
        f"its output has scale {quant.scale:g}, zero point {quant.zero_point}, not 1/256, -128",
        hint=REQUANTIZE_HINT,
    )
    depth = source.shape[-1]
    b.need(op, depth <= _MAX_DEPTH, f"{depth} elements overflow its sum ({_MAX_DEPTH} do not)")
    view = view_of(source.shape)
    b.need(op, view[0] <= MAX_EXTENT, f"{view[0]} rows are too many")
    params = _params(b, op, op.options.beta, b.quant(op, source).scale)
    b.step(op, params, [b.operand(source, *view)], output, view)


def view_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(h, w, c) of a tensor whose innermost dimension is one distribution."""
    if len(shape) == 4 and shape[0] == 1:
        return shape[1], shape[2], shape[3]
    return math.prod(shape[:-1]), 1, shape[-1]


def _params(b: Builder, op: Op, beta: float, in_scale: float) -> SoftmaxParams:
    """PreprocessSoftmaxScaling and CalculateInputRadius of TensorFlow Lite."""
    factor = min(beta * in_scale * (1 << (31 - _INTEGER_BITS)), (1 << 31) - 1.0)
    b.need(
        op,
        factor > 1.0,
        f"beta {beta:g} times scale {in_scale:g} is too small for fixed point",
        hint=REQUANTIZE_HINT,
    )
    scaling = requant(factor)
    radius = ((1 << _INTEGER_BITS) - 1) * (1 << (31 - _INTEGER_BITS)) / (1 << scaling.shift)
    return SoftmaxParams(
        input_multiplier=scaling.multiplier,
        input_left_shift=scaling.shift,
        diff_min=-math.floor(radius),
    )


LOWERINGS: Lowerings = {OpKind.SOFTMAX: _softmax}

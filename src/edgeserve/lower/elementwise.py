"""Operators that compute element by element: on two inputs, or on one by a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgeserve.graph import ActivationOptions, DType, LeakyReluOptions, Op, OpKind, Quant, Tensor
from edgeserve.kernels.portable import (
    AddParams,
    ExtremumMode,
    ExtremumParams,
    LookUpParams,
    MulParams,
    PreluParams,
)
from edgeserve.kernels.record import Blob, Params
from edgeserve.lower import tables
from edgeserve.lower.activation import fused_range
from edgeserve.lower.box import Box, dense_strides
from edgeserve.lower.builder import MAX_EXTENT, REQUANTIZE_HINT, Builder
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.movement import copy_step
from edgeserve.lower.requant import float32, requant
from edgeserve.program import Operand

View = tuple[int, int, int]

LEFT_SHIFT = 20
"""ADD and SUB scale their inputs up by 2^20 before they meet."""


# On two inputs.


def _add(b: Builder, op: Op) -> None:
    """Both inputs are brought to twice the greater scale, times 2^-20: for one that is a shift."""
    assert isinstance(op.options, ActivationOptions)
    first, second, output = _int8_operands(b, op)
    sign_1, sign_2 = 1, -1 if op.kind is OpKind.SUB else 1
    if b.quant(op, second).scale > b.quant(op, first).scale:
        first, second, sign_1, sign_2 = second, first, sign_2, sign_1
    quant_1, quant_2, out_quant = b.quant(op, first), b.quant(op, second), b.quant(op, output)
    twice = 2.0 * quant_1.scale
    scale_2 = requant(quant_2.scale / twice)
    scale_out = requant(twice / ((1 << LEFT_SHIFT) * out_quant.scale))
    b.need(
        op,
        scale_out.shift <= 0,
        f"its output scale {out_quant.scale:g} is too small for its inputs' {quant_1.scale:g}",
        hint=REQUANTIZE_HINT,
    )
    low, high = fused_range(b, op, op.options.activation, out_quant)
    factor_1 = sign_1 * (1 << LEFT_SHIFT - 1)
    params = AddParams(
        factor_1=factor_1,
        offset_1=-quant_1.zero_point * factor_1,
        factor_2=sign_2,
        offset_2=-quant_2.zero_point,
        multiplier_2=scale_2.multiplier,
        shift_2=scale_2.shift,
        output_zero_point=out_quant.zero_point,
        output_multiplier=scale_out.multiplier,
        output_shift=scale_out.shift,
        act_min=low,
        act_max=high,
    )
    emit_binary(b, op, params, (first, second), output)


def _mul(b: Builder, op: Op) -> None:
    assert isinstance(op.options, ActivationOptions)
    first, second, output = _int8_operands(b, op)
    quant_1, quant_2, out_quant = b.quant(op, first), b.quant(op, second), b.quant(op, output)
    low, high = fused_range(b, op, op.options.activation, out_quant)
    scale = requant(float32_factor(b, op, (quant_1, quant_2), out_quant))
    params = MulParams(
        offset_1=-quant_1.zero_point,
        offset_2=-quant_2.zero_point,
        output_zero_point=out_quant.zero_point,
        output_multiplier=scale.multiplier,
        output_shift=scale.shift,
        act_min=low,
        act_max=high,
    )
    emit_binary(b, op, params, (first, second), output)


def _extremum(b: Builder, op: Op) -> None:
    first, second, output = _int8_operands(b, op)
    mode = ExtremumMode.MAXIMUM if op.kind is OpKind.MAXIMUM else ExtremumMode.MINIMUM
    emit_binary(b, op, ExtremumParams(mode=mode), (first, second), output)


def _prelu(b: Builder, op: Op) -> None:
    source, slopes, output = _int8_operands(b, op)
    in_quant, slope_quant, out_quant = b.quant(op, source), b.quant(op, slopes), b.quant(op, output)
    b.need(op, source.shape == output.shape, "its output has another shape than its input")
    positive = requant(float32_factor(b, op, (in_quant,), out_quant))
    negative = requant(float32_factor(b, op, (in_quant, slope_quant), out_quant))
    params = PreluParams(
        input_offset=-in_quant.zero_point,
        alpha_offset=-slope_quant.zero_point,
        output_zero_point=out_quant.zero_point,
        positive_multiplier=positive.multiplier,
        positive_shift=positive.shift,
        negative_multiplier=negative.multiplier,
        negative_shift=negative.shift,
    )
    emit_binary(b, op, params, (source, slopes), output)


def _int8_operands(b: Builder, op: Op) -> tuple[Tensor, Tensor, Tensor]:
    first, second, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    for tensor in (first, second, output):
        b.need_dtype(op, tensor, DType.INT8)
    return first, second, output


def float32_factor(b: Builder, op: Op, inputs: Sequence[Quant], output: Quant) -> float:
    """The product of the inputs' scales over the output's, rounded to float32 at each step."""
    with np.errstate(all="ignore"):
        factor = np.float32(inputs[0].scale)
        for quant in inputs[1:]:
            factor = factor * np.float32(quant.scale)
        factor = factor / np.float32(output.scale)
    b.need(op, math.isfinite(float(factor)), "its scales overflow", hint=REQUANTIZE_HINT)
    return float(factor)


def emit_binary(
    b: Builder, op: Op, params: Params, sources: Sequence[Tensor], output: Tensor
) -> None:
    """The step of an operator on two inputs, which are broadcast."""
    shape = _broadcast_shape(b, op, [source.shape for source in sources])
    b.need(
        op,
        shape == output.shape,
        f"its inputs broadcast to {list(shape)}, its output has {list(output.shape)}",
    )
    views = _views(shape, [source.shape for source in sources])
    if views is None:
        operands = [_whole(b, op, source, output) for source in sources]
        b.step(op, params, operands, output, (1, 1, output.elements))
        return
    *in_views, out_view = views
    operands = [b.operand(source, *view) for source, view in zip(sources, in_views, strict=True)]
    b.step(op, params, operands, output, out_view)


def _broadcast_shape(b: Builder, op: Op, shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    rank = max(len(shape) for shape in shapes)
    padded = [_padded(shape, rank) for shape in shapes]
    for extents in zip(*padded, strict=True):
        b.need(
            op,
            len(set(extents) - {1}) <= 1,
            f"its inputs {[list(shape) for shape in shapes]} do not broadcast",
        )
    return tuple(max(extents) for extents in zip(*padded, strict=True))


def _padded(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    return (*[1] * (rank - len(shape)), *shape)


def _views(shape: Sequence[int], sources: Sequence[Sequence[int]]) -> list[View] | None:
    """Each input and the output as (h, w, c) with extents of 1 broadcast; None when three do
    not suffice.

    Images keep their rows; otherwise neighbouring dimensions that broadcast alike are one.
    """
    padded = [_padded(source, len(shape)) for source in sources]
    if len(shape) == 4 and shape[0] == 1 and max(shape[1:3]) <= MAX_EXTENT:
        return [(h, w, c) for _, h, w, c in (*padded, tuple(shape))]
    groups: list[list[int]] = []
    last: tuple[bool, ...] | None = None
    for axis, extent in enumerate(shape):
        alike = tuple(source[axis] != 1 for source in padded)
        extents = [*(source[axis] for source in padded), extent]
        if extent == 1:
            continue
        if alike == last:
            groups[-1] = [a * e for a, e in zip(groups[-1], extents, strict=True)]
        else:
            groups.append(extents)
        last = alike
    if len(groups) > 3 or any(group[-1] > MAX_EXTENT for group in groups[:-1]):
        return None
    groups = [[1] * (len(padded) + 1)] * (3 - len(groups)) + groups
    return [(h, w, c) for h, w, c in zip(*groups, strict=True)]


def _whole(b: Builder, op: Op, source: Tensor, output: Tensor) -> Operand:
    """The input as large as the output: a step makes it so where it is not."""
    if source.elements == output.elements:
        return b.operand(source, 1, 1, source.elements)
    padded = _padded(source.shape, len(output.shape))
    strides = tuple(
        0 if extent == 1 else stride
        for extent, stride in zip(padded, dense_strides(padded), strict=True)
    )
    box = Box(output.shape, strides)
    params, operand = copy_step(b, op, source, box, by_rows=False)
    name = f"{source.name} broadcast for {output.name}"
    value = b.scratch_value(name, source.dtype, output.elements)
    rows = params.dims[0]
    b.preparing_step(op, name, params, [operand], Operand(value, rows, 1, box.elements // rows))
    return Operand(value, 1, 1, box.elements)


# By a table.


def emit_table(b: Builder, op: Op, table: bytes) -> None:
    """The output is the input looked up; an alias where every element stays as it is."""
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need(op, source.shape == output.shape, "its output has another shape than its input")
    if source.dtype is output.dtype and tables.is_identity(table):
        b.alias(output, source, op, f"{op.kind.value} changes no element")
    elif source.data is not None:
        b.fold_constant(op, output, source.data.translate(table), "known before the model runs")
    else:
        operand, target = b.flat(source), b.flat(output)
        params = LookUpParams(table=Blob(table, f"table of {output.name}", 1))
        b.step(op, params, [operand], output, (target.h, target.w, target.c))


def _by_table(
    function: Callable[[Builder, Op, Quant, Quant], bytes],
) -> Callable[[Builder, Op], None]:
    def lowering(b: Builder, op: Op) -> None:
        source, output = b.tensor(op.inputs[0]), b.output(op)
        b.need_dtype(op, source, DType.INT8)
        b.need_dtype(op, output, DType.INT8)
        in_quant, out_quant = b.quant(op, source), b.quant(op, output)
        _need_sane_scales(b, op, in_quant, out_quant)
        emit_table(b, op, function(b, op, in_quant, out_quant))

    return lowering


def _need_sane_scales(b: Builder, op: Op, in_quant: Quant, out_quant: Quant) -> None:
    """Float32 arithmetic on the scales must neither overflow nor lose them."""
    ratio = in_quant.scale / out_quant.scale
    b.need(
        op,
        1e-30 < out_quant.scale < 1e30 and in_quant.scale < 1e30 and ratio < 2**30,
        f"its scales {in_quant.scale:g} and {out_quant.scale:g} are too far apart",
        hint=REQUANTIZE_HINT,
    )


def _logistic(b: Builder, op: Op, in_quant: Quant, out_quant: Quant) -> bytes:
    b.need(
        op,
        out_quant.scale == 1 / 256,
        f"its output scale is {out_quant.scale:g}, not 1/256",
        hint=REQUANTIZE_HINT,
    )
    return tables.logistic(in_quant, out_quant)


def _tanh(b: Builder, op: Op, in_quant: Quant, out_quant: Quant) -> bytes:
    return tables.tanh(in_quant, out_quant)


def _relu(low: float, high: float) -> Callable[[Builder, Op, Quant, Quant], bytes]:
    def table(b: Builder, op: Op, in_quant: Quant, out_quant: Quant) -> bytes:
        b.need(
            op,
            6.0 / out_quant.scale < 2**31,
            f"its output scale {out_quant.scale:g} is too small",
            hint=REQUANTIZE_HINT,
        )
        return tables.relu(in_quant, out_quant, low, high)

    return table


def _leaky_relu(b: Builder, op: Op, in_quant: Quant, out_quant: Quant) -> bytes:
    assert isinstance(op.options, LeakyReluOptions)
    alpha = op.options.alpha
    b.need(
        op,
        float32(in_quant.scale * abs(alpha)) / out_quant.scale < 2**30,
        f"its slope {alpha:g} is too steep for its scales",
    )
    return tables.leaky_relu(in_quant, out_quant, alpha)


def _hard_swish(b: Builder, op: Op, in_quant: Quant, out_quant: Quant) -> bytes:
    b.need(
        op,
        in_quant.scale / 128 <= out_quant.scale and in_quant.scale < 1e4,
        f"its output scale {out_quant.scale:g} is too small for its input's {in_quant.scale:g}",
        hint=REQUANTIZE_HINT,
    )
    return tables.hard_swish(in_quant, out_quant)


LOWERINGS: Lowerings = {
    OpKind.ADD: _add,
    OpKind.SUB: _add,
    OpKind.MUL: _mul,
    OpKind.MAXIMUM: _extremum,
    OpKind.MINIMUM: _extremum,
    OpKind.PRELU: _prelu,
    OpKind.LOGISTIC: _by_table(_logistic),
    OpKind.TANH: _by_table(_tanh),
    OpKind.RELU: _by_table(_relu(0.0, math.inf)),
    OpKind.RELU6: _by_table(_relu(0.0, 6.0)),
    OpKind.RELU_N1_TO_1: _by_table(_relu(-1.0, 1.0)),
    OpKind.LEAKY_RELU: _by_table(_leaky_relu),
    OpKind.HARD_SWISH: _by_table(_hard_swish),
}

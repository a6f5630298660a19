"""QUANTIZE and DEQUANTIZE: between float32 and integers, and among integers."""

from __future__ import annotations

import numpy as np

from edgeserve.graph import DType, Op, OpKind, Tensor
from edgeserve.kernels.portable import DequantizeParams, QuantizeParams
from edgeserve.kernels.sixteen import Dequantize16Params, Quantize16Params, Rescale16Params
from edgeserve.lower import tables
from edgeserve.lower.builder import REQUANTIZE_HINT, Builder
from edgeserve.lower.elementwise import emit_table
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.requant import requant
from edgeserve.lower.sixteen import emit_elementwise, quant_16

_RANGE = {DType.INT8: (-128, 127), DType.UINT8: (0, 255), DType.INT16: (-32768, 32767)}


def _quantize(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need_dtype(op, output, *_RANGE)
    b.need_dtype(op, source, DType.FLOAT32, *_RANGE)
    b.need(op, source.shape == output.shape, "its output has another shape than its input")
    if source.dtype is not DType.FLOAT32:
        in_quant, out_quant = b.quant(op, source), b.quant(op, output)
        b.need(
            op,
            in_quant.scale / out_quant.scale < 2**30,
            f"its scales {in_quant.scale:g} and {out_quant.scale:g} are too far apart",
            hint=REQUANTIZE_HINT,
        )
        if DType.INT16 in (source.dtype, output.dtype):
            _rescale(b, op, source, output)
            return
        emit_table(b, op, tables.rescaled(in_quant, out_quant, source.dtype, output.dtype))
        return
    quant = quant_16(b, op, output) if output.dtype is DType.INT16 else b.quant(op, output)
    low, high = _RANGE[output.dtype]
    kind = Quantize16Params if output.dtype is DType.INT16 else QuantizeParams
    params = kind(scale=quant.scale, zero_point=quant.zero_point, low=low, high=high)
    operand, target = b.flat(source), b.flat(output)
    b.step(op, params, [operand], output, (target.h, target.w, target.c))


def _rescale(b: Builder, op: Op, source: Tensor, output: Tensor) -> None:
    """From or to int16 (Requantize): the factor is a double."""
    for tensor in (source, output):
        b.need_dtype(op, tensor, DType.INT8, DType.INT16)
    in_quant, out_quant = b.quant(op, source), b.quant(op, output)
    scale = requant(in_quant.scale / out_quant.scale)
    low, high = _RANGE[output.dtype]
    params = Rescale16Params(
        input_zero_point=in_quant.zero_point,
        output_zero_point=out_quant.zero_point,
        positive_multiplier=scale.multiplier,
        positive_shift=scale.shift,
        negative_multiplier=scale.multiplier,
        negative_shift=scale.shift,
        act_min=low,
        act_max=high,
    )
    emit_elementwise(b, op, params)


def _dequantize(b: Builder, op: Op) -> None:
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need_dtype(op, output, DType.FLOAT32)
    b.need(op, source.shape == output.shape, "its output has another shape than its input")
    if source.data is not None:
        b.fold_constant(op, output, _dequantized(b, op, source), "known before the model runs")
        return
    b.need_dtype(op, source, DType.INT8, DType.INT16)
    is_wide = source.dtype is DType.INT16
    quant = quant_16(b, op, source) if is_wide else b.quant(op, source)
    params = (Dequantize16Params if is_wide else DequantizeParams)(
        scale=quant.scale, zero_point=quant.zero_point
    )
    operand, target = b.flat(source), b.flat(output)
    b.step(op, params, [operand], output, (target.h, target.w, target.c))


def _dequantized(b: Builder, op: Op, source: Tensor) -> bytes:
    """The float32 bytes of a constant."""
    b.need_dtype(op, source, DType.INT8, DType.FLOAT16)
    values = b.constant(op, source, "input")
    if source.dtype is DType.FLOAT16:
        return values.astype(np.float32).tobytes()
    quant = b.quant(op, source)
    return (
        (np.float32(quant.scale) * (values.astype(np.int32) - quant.zero_point))
        .astype(np.float32)
        .tobytes()
    )


LOWERINGS: Lowerings = {OpKind.QUANTIZE: _quantize, OpKind.DEQUANTIZE: _dequantize}

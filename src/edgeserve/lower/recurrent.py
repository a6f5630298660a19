"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM: operators that keep state between inferences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeserve.graph import Activation, DType, LstmOptions, Op, OpKind, SvdfOptions, Tensor
from edgeserve.kernels.portable import LstmParams, SvdfParams
from edgeserve.kernels.record import Blob
from edgeserve.lower.builder import REQUANTIZE_HINT, Builder
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.requant import Requant, float32, requant
from edgeserve.program import Operand

_EXPORT_HINT = "export the layer again with TensorFlow's full-integer quantization of Keras layers"
_MAX_EXTENT = 0xFFFF
"""Of an LSTM's cells and inputs: what the device's checks allow."""

Integers = npt.NDArray[np.int64]


def _svdf(b: Builder, op: Op) -> None:
    assert isinstance(op.options, SvdfOptions)
    source, feature, time = (b.tensor(op.inputs[i]) for i in range(3))
    bias, state, output = b.input(op, 3), b.tensor(op.inputs[4]), b.output(op)
    for tensor in (source, feature, output):
        b.need_dtype(op, tensor, DType.INT8)
    for tensor in (time, state):
        b.need_dtype(op, tensor, DType.INT16)
    b.need(
        op,
        op.options.activation is Activation.RELU,
        f"its fused activation is {op.options.activation.name}, the integer kernel has RELU alone",
        hint="build the layer with RELU",
    )
    b.need(op, state.is_variable, f"its state {state.name!r} is not a variable")
    rank = op.options.rank
    filters, memory = _matrix_shape(b, op, time, "time weights")
    _, depth = _matrix_shape(b, op, feature, "feature weights")
    batch = source.elements // depth
    units = filters // rank
    b.need(
        op,
        feature.shape == (filters, depth)
        and source.shape == (batch, depth)
        and filters == units * rank
        and state.elements == batch * filters * memory
        and output.shape == (batch, units),
        f"input {list(source.shape)}, feature weights {list(feature.shape)}, time weights "
        f"{list(time.shape)}, state {list(state.shape)} and rank {rank} do not give "
        f"{list(output.shape)}",
    )
    offsets = -b.quant(op, source).zero_point * _weights(b, op, feature, "feature weights").sum(1)
    _weights(b, op, time, "time weights")
    biases = _biases(b, op, bias, units)
    state_scale, out_quant = b.quant(op, state).scale, b.quant(op, output)
    to_state = _requant(b, op, b.quant(op, source).scale * b.quant(op, feature).scale / state_scale)
    to_output = _requant(b, op, state_scale * b.quant(op, time).scale / out_quant.scale)
    params = SvdfParams(
        rank=rank,
        memory=memory,
        state_multiplier=to_state.multiplier,
        state_shift=to_state.shift,
        output_multiplier=to_output.multiplier,
        output_shift=to_output.shift,
        output_zero_point=out_quant.zero_point,
        weights_feature=Blob(feature.data or b"", f"feature weights {feature.name}"),
        weights_time=Blob(time.data or b"", f"time weights {time.name}"),
        offsets=_int32_blob(offsets, f"offsets {output.name}"),
        biases=_int32_blob(biases, f"biases {output.name}"),
    )
    b.step(
        op,
        params,
        [b.operand(source, batch, 1, depth), _state(b, op, state, batch)],
        output,
        (batch, 1, units),
        macs=batch * filters * (depth + memory),
    )


@dataclass(frozen=True, slots=True)
class _Gate:
    """One gate of an LSTM: (cells, inputs) and (cells, cells) weights, and (cells) biases."""

    weights: Tensor
    recurrent: Tensor
    bias: Tensor | None


_FORGET, _CELL, _OUTPUT, _INPUT = (2, 6, 13), (3, 7, 14), (4, 8, 15), (1, 5, 12)
"""Input positions of each gate's weights, recurrent weights and bias."""
_PEEPHOLES, _PROJECTION, _LAYER_NORM = range(9, 12), range(16, 18), range(20, 24)
_OUTPUT_STATE, _CELL_STATE = 18, 19
_HIDDEN = 4
"""Of the five intermediates: the quantization of the cell's output before a projection."""
_GATE_SCALE = 2.0**-12


def _lstm(b: Builder, op: Op) -> None:
    options = op.options
    assert isinstance(options, LstmOptions)
    _refuse_variants(b, op, options)
    source, output = b.tensor(op.inputs[0]), b.output(op)
    output_state, cell_state = (b.tensor(op.inputs[i]) for i in (_OUTPUT_STATE, _CELL_STATE))
    for tensor in (source, output, output_state):
        b.need_dtype(op, tensor, DType.INT8)
    b.need_dtype(op, cell_state, DType.INT16)
    for tensor in (output_state, cell_state):
        b.need(op, tensor.is_variable, f"its state {tensor.name!r} is not a variable")
    gates = _gates(b, op)
    cells, depth = _matrix_shape(b, op, gates[0].weights, "weights")
    steps = _time_steps(b, op, source, options)
    b.need(
        op,
        source.shape[2] == depth
        and output.shape == (*source.shape[:2], cells)
        and output_state.elements == cell_state.elements == cells,
        f"input {list(source.shape)}, weights {list(gates[0].weights.shape)} and states "
        f"{list(output_state.shape)} and {list(cell_state.shape)} do not give {list(output.shape)}",
    )
    b.need(
        op,
        max(cells, depth) <= _MAX_EXTENT,
        f"it has {cells:,} cells of {depth:,} inputs, at most {_MAX_EXTENT:,} of each are run",
    )
    params = _lstm_params(b, op, gates, depth, cells)
    sequence = b.operand(source, steps, 1, depth)
    states = [_state(b, op, tensor, 1) for tensor in (output_state, cell_state)]
    macs = steps * len(gates) * cells * (depth + cells)
    b.step(op, params, [sequence, *states], output, (steps, 1, cells), macs=macs)


def _refuse_variants(b: Builder, op: Op, options: LstmOptions) -> None:
    def present(positions: range) -> bool:
        return any(b.input(op, position) is not None for position in positions)

    hint = "use a plain LSTM layer, as Keras makes it"
    b.need(op, not present(_PEEPHOLES), "it has peephole connections", hint=hint)
    b.need(op, not present(_PROJECTION), "it has a projection", hint=hint)
    b.need(op, not present(_LAYER_NORM), "it has layer normalization", hint=hint)
    b.need(
        op,
        options.activation is Activation.TANH,
        f"its activation is {options.activation.name}, the integer kernel has TANH alone",
        hint=hint,
    )
    b.need(op, options.cell_clip >= 0, f"its cell clip {options.cell_clip} is negative")
    b.need(op, options.proj_clip >= 0, f"its projection clip {options.proj_clip} is negative")


def _gates(b: Builder, op: Op) -> tuple[_Gate, ...]:
    """In the order of the kernel; the input gate, the last, may be coupled to the forget gate."""
    coupled = b.input(op, _INPUT[0]) is None
    absent = [b.input(op, position) is None for position in _INPUT]
    b.need(op, all(absent) or not any(absent), "its input gate is incomplete")
    gates = []
    for weights, recurrent, bias in (_FORGET, _CELL, _OUTPUT) + (() if coupled else (_INPUT,)):
        gate = _Gate(
            b.tensor(op.inputs[weights]), b.tensor(op.inputs[recurrent]), b.input(op, bias)
        )
        gates.append(gate)
    return tuple(gates)


def _time_steps(b: Builder, op: Op, source: Tensor, options: LstmOptions) -> int:
    """The length of the sequence; with one batch both layouts are the same bytes."""
    shape = source.shape
    b.need(op, len(shape) == 3, f"its input has shape {list(shape)}, not [batch, time, features]")
    steps, batch = (shape[0], shape[1]) if options.time_major else (shape[1], shape[0])
    b.need(op, batch == 1, f"its batch is {batch}", hint="export the model with batch size 1")
    return steps


def _lstm_params(
    b: Builder, op: Op, gates: tuple[_Gate, ...], depth: int, cells: int
) -> LstmParams:
    """Scales are multiplied in float32 (PopulateQuantizedLstmParams8x8_16)."""
    source, output = b.tensor(op.inputs[0]), b.output(op)
    in_quant = b.quant(op, source)
    state_quant = b.quant(op, b.tensor(op.inputs[_OUTPUT_STATE]))
    b.need(
        op,
        len(op.intermediates) == 5,
        f"it has {len(op.intermediates)} intermediate tensors, not the 5 that say its scales",
        hint=_EXPORT_HINT,
    )
    hidden_quant = b.quant(op, b.tensor(op.intermediates[_HIDDEN]))
    hidden = _requant(b, op, float32(2.0**-15 / hidden_quant.scale * 2.0**-15))
    weights = [_weights_of(b, op, gate.weights, (cells, depth)) for gate in gates]
    recurrent = [_weights_of(b, op, gate.recurrent, (cells, cells)) for gate in gates]
    biases = [
        (
            _biases(b, op, gate.bias, cells) - in_quant.zero_point * w.sum(axis=1),
            -state_quant.zero_point * r.sum(axis=1),
        )
        for gate, w, r in zip(gates, weights, recurrent, strict=True)
    ]
    from_input = [_gate_requant(b, op, g.weights, in_quant.scale) for g in gates]
    from_state = [_gate_requant(b, op, g.recurrent, state_quant.scale) for g in gates]
    cell_scale_log2 = _cell_scale_log2(b, op)
    return LstmParams(
        gates=len(gates),
        cell_scale_log2=cell_scale_log2,
        cell_clip=_cell_clip(b, op),
        input_multipliers=_four(r.multiplier for r in from_input),
        input_shifts=_four(r.shift for r in from_input),
        recurrent_multipliers=_four(r.multiplier for r in from_state),
        recurrent_shifts=_four(r.shift for r in from_state),
        hidden_multiplier=hidden.multiplier,
        hidden_shift=hidden.shift,
        hidden_zero_point=hidden_quant.zero_point,
        weights=_cellwise(weights, f"weights {output.name}"),
        recurrent=_cellwise(recurrent, f"recurrent weights {output.name}"),
        biases=_int32_blob(np.array(biases).transpose(2, 0, 1), f"biases {output.name}"),
    )


def _gate_requant(b: Builder, op: Op, weights: Tensor, scale: float) -> Requant:
    product = float32(b.quant(op, weights).scale * scale)
    return _requant(b, op, float32(product / _GATE_SCALE))


def _cell_scale_log2(b: Builder, op: Op) -> int:
    """CheckedLog2 of the cell state's scale, in the range where the integer tanh is defined."""
    scale = b.quant(op, b.tensor(op.inputs[_CELL_STATE])).scale
    exact = math.log2(scale)
    log2 = round(exact)
    b.need(
        op,
        abs(exact - log2) < 1e-3 and -15 <= log2 <= -9,
        f"its cell state's scale {scale} is not a power of two from 2^-15 to 2^-9",
        hint=_EXPORT_HINT,
    )
    return log2


def _cell_clip(b: Builder, op: Op) -> int:
    """The clip in units of the cell state, truncated; 0 means none."""
    assert isinstance(op.options, LstmOptions)
    scale = b.quant(op, b.tensor(op.inputs[_CELL_STATE])).scale
    return int(min(float32(op.options.cell_clip / scale), 32767.0))


def _weights_of(b: Builder, op: Op, tensor: Tensor, shape: tuple[int, int]) -> Integers:
    b.need_dtype(op, tensor, DType.INT8)
    b.need(
        op,
        tensor.shape == shape,
        f"its weights {tensor.name!r} have shape {list(tensor.shape)}, not {list(shape)}",
    )
    return _weights(b, op, tensor, "weights")


def _weights(b: Builder, op: Op, tensor: Tensor, role: str) -> Integers:
    """Constant weights with one scale and no zero point."""
    b.need(
        op,
        b.quant(op, tensor).zero_point == 0,
        f"its {role} ({tensor.name!r}) have a zero point",
        hint=REQUANTIZE_HINT,
    )
    return b.constant(op, tensor, role).astype(np.int64)


def _biases(b: Builder, op: Op, tensor: Tensor | None, count: int) -> Integers:
    if tensor is None:
        return np.zeros(count, np.int64)
    b.need_dtype(op, tensor, DType.INT32)
    b.need(op, tensor.shape == (count,), f"its bias {tensor.name!r} has shape {list(tensor.shape)}")
    return b.constant(op, tensor, "bias").astype(np.int64)


def _matrix_shape(b: Builder, op: Op, tensor: Tensor, role: str) -> tuple[int, int]:
    b.need(op, len(tensor.shape) == 2, f"its {role} have shape {list(tensor.shape)}, not 2-D")
    rows, columns = tensor.shape
    return rows, columns


def _state(b: Builder, op: Op, tensor: Tensor, rows: int) -> Operand:
    """A variable tensor that the kernel writes, reset as ResetVariableTensor does it."""
    fill = b.quant(op, tensor).zero_point % 256 if tensor.dtype is DType.INT8 else 0
    return Operand(b.state(tensor, fill=fill), rows, 1, tensor.elements // rows)


def _requant(b: Builder, op: Op, factor: float) -> Requant:
    b.need(op, math.isfinite(factor), "its scales have no finite product", hint=REQUANTIZE_HINT)
    return requant(factor)


def _four(values: Iterable[int]) -> tuple[int, ...]:
    """One value a gate, 0 for the gate that a coupled LSTM does not have."""
    given = tuple(values)
    return given + (0,) * (4 - len(given))


def _cellwise(matrices: list[Integers], note: str) -> Blob:
    """[gate][cell][column] as int8 [cell][gate][column]."""
    return Blob(np.stack(matrices, axis=1).astype(np.int8).tobytes(), note)


def _int32_blob(values: Integers, note: str) -> Blob:
    """Integers as int32, wrapped like the device's arithmetic."""
    return Blob(values.astype(np.uint64).astype("<u4").tobytes(), note)


LOWERINGS: Lowerings = {OpKind.SVDF: _svdf, OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM: _lstm}

"""A program with fewer channels: narrower values, smaller weights, corrected biases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeserve.kernels.portable import (
    ConcatenationParams,
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    TransposeConvParams,
)
from edgeserve.kernels.record import Blob, Params
from edgeserve.narrow.bounds import Bounds, Flags, Ints
from edgeserve.narrow.channels import Kept, is_mixing, kept_channels
from edgeserve.narrow.propagation import BoundsOfValues
from edgeserve.narrow.windows import places
from edgeserve.program import (
    Channels,
    Folded,
    Operand,
    Oracle,
    Program,
    Step,
    Value,
    without_steps,
)
from edgeserve.weights import (
    Weights,
    channel_rows,
    conv_weights,
    dense_weights,
    depthwise_weights,
    interleaved,
    transpose_conv_weights,
)


def without_dead_channels(program: Program, bounds: BoundsOfValues) -> Program:
    """The program without channels that are constant or that nothing reads.

    The inputs and outputs of the model keep their shapes.
    """
    kept = kept_channels(program, bounds)
    if all(kept.of(value.index).all() for value in program.values):
        return program
    gone = {step.index for step in program.steps if not kept.of(step.output.value).any()}
    folded = [
        _gone(step, step.oracle, kept, bounds)
        for step in program.steps
        if step.index in gone and step.oracle is not None
    ]
    narrowed = replace(
        program,
        values=tuple(_narrow_value(value, kept) for value in program.values),
        steps=tuple(
            step if step.index in gone else _narrow_step(step, kept, bounds)
            for step in program.steps
        ),
        folded=(*program.folded, *folded),
    )
    return without_steps(narrowed, gone)


def _gone(step: Step, oracle: Oracle, kept: Kept, bounds: BoundsOfValues) -> Folded:
    channels = _channels(step.output.value, kept, bounds)
    why = "no output depends on it"
    if channels is not None and channels.constants:
        known = len(channels.constants) == channels.total
        why = "it is the same for every input" if known else f"{why} where it is not constant"
    return Folded(oracle.tensor, step.label, None, why, oracle.axes, channels)


def _channels(value: int, kept: Kept, bounds: BoundsOfValues) -> Channels | None:
    """What is left of a value, and what is known of the rest; None for types without bounds."""
    flags, made = kept.of(value), bounds[value]
    if made is None:
        return None
    own = made.seen(len(flags))
    dead = np.flatnonzero(own.constant & ~flags)
    constants = tuple(zip(dead.tolist(), own.low[dead].tolist(), strict=True))
    return Channels(len(flags), tuple(np.flatnonzero(flags).tolist()), constants)


def _narrow_value(value: Value, kept: Kept) -> Value:
    flags = kept.of(value.index)
    if flags.all():
        return value
    channels = Channels(len(flags), tuple(np.flatnonzero(flags).tolist()), ())
    data = None if value.data is None else channels.of(value.data)
    elements = value.elements // channels.total * len(channels.kept)
    return replace(value, elements=elements, data=data)


def _narrow_operand(operand: Operand, kept: Kept) -> Operand:
    flags = kept.of(operand.value)
    return replace(operand, c=operand.c // len(flags) * int(flags.sum()))


def _narrow_inputs(step: Step, kept: Kept) -> tuple[Operand, ...]:
    """Only a concatenation can do without one of its inputs."""
    operands = tuple(_narrow_operand(operand, kept) for operand in step.inputs)
    if isinstance(step.params, ConcatenationParams):
        return tuple(operand for operand in operands if operand.c > 0)
    assert all(operand.c > 0 for operand in operands), step.label
    return operands


def _narrow_step(step: Step, kept: Kept, bounds: BoundsOfValues) -> Step:
    operands = (*step.inputs, step.output)
    if all(kept.of(operand.value).all() for operand in operands):
        return step
    params = _narrow_params(step, kept, bounds)
    before, after = (weight_bytes(one) for one in (step.params, params))
    oracle = step.oracle
    if oracle is not None and not kept.of(step.output.value).all():
        oracle = replace(oracle, channels=_channels(step.output.value, kept, bounds))
    return replace(
        step,
        params=params,
        inputs=_narrow_inputs(step, kept),
        output=_narrow_operand(step.output, kept),
        oracle=oracle,
        macs=step.macs * after // before if before else step.macs,
    )


def weight_bytes(params: Params) -> int:
    """The weights of a layer; 0 for kernels that have none, or whose weights stay as they are."""
    match params:
        case Conv2dParams() | DepthwiseParams() | FullyConnectedParams() | TransposeConvParams():
            return len(params.weights.data)
        case _:
            return 0


def _narrow_params(step: Step, kept: Kept, bounds: BoundsOfValues) -> Params:
    """The step's parameters with fewer channels; those of other kernels do not depend on them."""
    match step.params:
        case Conv2dParams() as p if is_mixing(step):
            return _narrow_conv(p, step, kept, bounds)
        case DepthwiseParams() as p:
            return _narrow_depthwise(p, step, kept)
        case FullyConnectedParams() as p:
            return _narrow_dense(p, step, kept, bounds)
        case TransposeConvParams() as p:
            made, read = kept.seen(step.output), kept.seen(step.inputs[0])
            matrix = transpose_conv_weights(p, step.output.c)[made][..., read]
            weights = interleaved(matrix, 1, p.weights.note)
            return replace(p, weights=weights, channels=_table(p.channels, made))
        case _:
            return step.params


def _narrow_conv(p: Conv2dParams, step: Step, kept: Kept, bounds: BoundsOfValues) -> Conv2dParams:
    view, made, read = step.inputs[0], kept.seen(step.output), kept.seen(step.inputs[0])
    matrix = conv_weights(p, view.c, step.output.c)[made]
    weights = interleaved(matrix[..., read], 1, p.weights.note)
    return replace(
        p,
        weight_c=int(read.sum()),
        weights=weights,
        channels=_table(p.channels, made, _taken_over(matrix, read, bounds[view.value])),
        pads=_pads(p, step, read, weights),
    )


def _narrow_depthwise(p: DepthwiseParams, step: Step, kept: Kept) -> DepthwiseParams:
    made, read = kept.seen(step.output), kept.seen(step.inputs[0])
    weights = Blob(depthwise_weights(p)[..., made].tobytes(), p.weights.note)
    return replace(
        p,
        multiplier=int(made.sum()) // int(read.sum()),
        weights=weights,
        channels=_table(p.channels, made),
        pads=_pads(p, step, read, weights),
    )


def _narrow_dense(
    p: FullyConnectedParams, step: Step, kept: Kept, bounds: BoundsOfValues
) -> FullyConnectedParams:
    view, made = step.inputs[0], kept.seen(step.output)
    read = np.tile(kept.seen(view), view.w)
    matrix = dense_weights(p, step.output.c)[made]
    return replace(
        p,
        weights=Blob(matrix[:, read].tobytes(), p.weights.note),
        channels=_table(p.channels, made, _taken_over(matrix, read, bounds[view.value])),
    )


def _taken_over(matrix: Weights, read: Flags, source: Bounds | None) -> Ints:
    """What constant input channels that are no longer read add to each output channel's sums."""
    assert source is not None, "these kernels read int8"
    own = source.seen(len(read))
    dead = ~read & own.constant
    taps = matrix[..., dead].astype(np.int64) * own.low[dead]
    sums: Ints = taps.reshape(len(matrix), -1).sum(axis=1)
    return sums


def _table(blob: Blob, made: Flags, more: Ints | int = 0) -> Blob:
    """The channel table of some channels, with more in their biases, which wrap."""
    rows = channel_rows(blob)[made].copy()
    biases = rows["bias"].astype(np.int64) + more
    rows["bias"] = (biases & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    return replace(blob, data=rows.tobytes())


def _pads(p: Conv2dParams | DepthwiseParams, step: Step, read: Flags, weights: Blob) -> Blob:
    """A pixel outside the image; the weights' own bytes where no window leaves it."""
    if places(p, step.inputs[0], step.output).all_inside:
        return weights
    return replace(p.pads, data=np.frombuffer(p.pads.data, np.int8)[read].tobytes())

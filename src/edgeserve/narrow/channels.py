"""Which channels of each value the device must compute.

A channel is needed when an output of the model depends on it, unless it is constant and each step
that reads it can take the constant into its biases. Needs are found backwards from the outputs, and
as some kernels have the same channels in and out, also forwards, until nothing changes.
"""

from __future__ import annotations

from math import gcd, lcm

import numpy as np

from edgeserve.kernels.portable import (
    AddParams,
    AveragePoolParams,
    ConcatenationParams,
    Conv2dParams,
    DepthwiseParams,
    ExtremumParams,
    FullyConnectedParams,
    LookUpParams,
    MaxPoolParams,
    MulParams,
    PreluParams,
    ReducePixelsParams,
    ResizeBilinearParams,
    ResizeNearestParams,
    TransposeConvParams,
)
from edgeserve.narrow.bounds import MOST_CHANNELS, RANGE, Bounds, Flags
from edgeserve.narrow.propagation import BoundsOfValues
from edgeserve.narrow.windows import pad_elements, places
from edgeserve.program import Operand, Program, Role, Step
from edgeserve.weights import conv_weights, dense_weights, transpose_conv_weights

_ALIKE = (
    AddParams,
    AveragePoolParams,
    ExtremumParams,
    LookUpParams,
    MaxPoolParams,
    MulParams,
    PreluParams,
    ResizeBilinearParams,
    ResizeNearestParams,
)
"""Kernels whose output channel c is made of input channel c alone."""


class Kept:
    """The channels of each value that are needed, as far as is known.

    A value's channels are what all views of it have in common; where there are too many, one.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        counts = [0] * len(program.values)
        for step in program.steps:
            for operand in (*step.inputs, step.output):
                counts[operand.value] = gcd(counts[operand.value], operand.c)
        self._flags = [
            np.zeros(count if 0 < count <= MOST_CHANNELS else 1, np.bool_) for count in counts
        ]
        for port in (*program.inputs, *program.outputs):
            self._flags[port.value][:] = True
        for value in program.values:
            if value.role is Role.STATE:
                self._flags[value.index][:] = True
        self.grew = False

    def of(self, value: int) -> Flags:
        return self._flags[value]

    def seen(self, operand: Operand) -> Flags:
        """The channels of a view that are needed."""
        flags = self._flags[operand.value]
        return np.tile(flags, operand.c // len(flags))

    def need(self, operand: Operand, channels: Flags) -> None:
        """Some channels of a view are needed; the flags may also be of several pixels, as one."""
        flags = self._flags[operand.value]
        needed = np.asarray(channels.reshape(-1, len(flags)).any(axis=0))
        if self._program.values[operand.value].dtype not in RANGE:
            needed = np.full(len(flags), needed.any())
        if (needed & ~flags).any():
            flags |= needed
            self.grew = True

    def need_all(self, operand: Operand) -> None:
        self.need(operand, np.ones(len(self._flags[operand.value]), np.bool_))

    def need_as(self, operand: Operand, other: Operand) -> None:
        """What is needed of one view is needed of the same channels of another."""
        count = lcm(len(self._flags[operand.value]), len(self._flags[other.value]))
        self.need(operand, np.resize(self._flags[other.value], count))

    def need_alike(self, one: Operand, other: Operand) -> None:
        """Two views are of the same channels."""
        self.need_as(one, other)
        self.need_as(other, one)


def kept_channels(program: Program, bounds: BoundsOfValues) -> Kept:
    """The least channels that must be kept for the program's outputs to stay as they are."""
    kept = Kept(program)
    readable = [_Reader(step, bounds) if is_mixing(step) else None for step in program.steps]
    while True:
        kept.grew = False
        for step, reader in zip(reversed(program.steps), reversed(readable), strict=True):
            if kept.of(step.output.value).any() or _keeps_state(program, step):
                _visit(kept, step, reader)
        if not kept.grew:
            return kept


def is_mixing(step: Step) -> bool:
    """Whether each output channel is a sum over all input channels."""
    if isinstance(step.params, Conv2dParams):
        return step.params.weight_c == step.inputs[0].c
    return isinstance(step.params, FullyConnectedParams | TransposeConvParams)


def _keeps_state(program: Program, step: Step) -> bool:
    return any(program.values[operand.value].role is Role.STATE for operand in step.inputs)


class _Reader:
    """What a mixing step reads of its input for given output channels."""

    def __init__(self, step: Step, bounds: BoundsOfValues) -> None:
        source = bounds[step.inputs[0].value]
        assert source is not None, "these kernels read int8"
        view = step.inputs[0]
        match step.params:
            case Conv2dParams() as p:
                weights = conv_weights(p, view.c, step.output.c)
            case TransposeConvParams() as p:
                weights = transpose_conv_weights(p, step.output.c)
            case FullyConnectedParams() as p:
                weights = dense_weights(p, step.output.c)
            case _:
                raise TypeError(step.params)
        taps = weights.reshape(step.output.c, -1, weights.shape[-1])
        self._reads = (taps != 0).any(axis=1)
        self._reads &= ~foldable(step, source.seen(weights.shape[-1]))

    def needs(self, outputs: Flags) -> Flags:
        """Input channels; at least one, as there is no kernel without."""
        needed: Flags = self._reads[outputs].any(axis=0)
        needed[0] |= not needed.any()
        return needed


def foldable(step: Step, source: Bounds) -> Flags:
    """Which channels of a mixing step's input its biases can stand for.

    They are constant, and whatever stands for them outside the image is the same.
    """
    match step.params:
        case Conv2dParams() as p:
            inside = places(p, step.inputs[0], step.output).all_inside
            outside = source.low if inside else pad_elements(p, source.count)
        case TransposeConvParams() as p:
            outside = np.full(source.count, p.input_zero_point)
        case _:
            outside = source.low
    able: Flags = source.constant & (source.low == outside)
    return able


def _visit(kept: Kept, step: Step, reader: _Reader | None) -> None:
    """What a step that is needed asks of its inputs and, where they are alike, of its output."""
    output = step.output
    if reader is not None:
        kept.need(step.inputs[0], reader.needs(kept.seen(output)))
        return
    match step.params:
        case DepthwiseParams() as p:
            _visit_depthwise(kept, step, p.multiplier)
        case ConcatenationParams() if output.c <= MOST_CHANNELS:
            _visit_concatenation(kept, step)
        case ReducePixelsParams() if _divides(kept, step):
            kept.need_alike(step.inputs[0], output)
        case _ if isinstance(step.params, _ALIKE):
            _visit_alike(kept, step)
        case _:
            for operand in (*step.inputs, output):
                kept.need_all(operand)


def _divides(kept: Kept, step: Step) -> bool:
    """Whether an input's channels are the output's, not those of a pixel across it."""
    return step.output.c % len(kept.of(step.inputs[0].value)) == 0


def _visit_depthwise(kept: Kept, step: Step, multiplier: int) -> None:
    """An input channel has ``multiplier`` output channels; all inputs have as many."""
    source, output = step.inputs[0], step.output
    used = np.asarray(kept.seen(output).reshape(-1, multiplier).any(axis=1))
    kept.need(source, used)
    if source.c > 1:
        kept.need(output, np.repeat(kept.seen(source), multiplier))


def _visit_concatenation(kept: Kept, step: Step) -> None:
    ends = np.cumsum([operand.c for operand in step.inputs])[:-1]
    for operand, part in zip(step.inputs, np.split(kept.seen(step.output), ends), strict=True):
        kept.need(operand, part)
    kept.need(step.output, np.concatenate([kept.seen(operand) for operand in step.inputs]))


def _visit_alike(kept: Kept, step: Step) -> None:
    """All operands have the same channels but those with one that serves for all."""
    for operand in step.inputs:
        if operand.c == step.output.c:
            kept.need_alike(operand, step.output)
        else:
            kept.need_all(operand)

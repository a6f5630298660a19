"""Steps that their neighbours do on the way: padding before a convolution, a clamp after a step.

A PAD is folded when each of its readers is a convolution, which pads by itself, and would take
the same value for what lies outside the image. A look-up step is folded when its table is a clamp
on all that the step before can write, as a RELU with equal scales is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from edgeserve.graph import DType, Op, OpKind, Tensor
from edgeserve.kernels import (
    AddParams,
    AveragePoolParams,
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    LookUpParams,
    MaxPoolParams,
    MulParams,
    TransposeConvParams,
)
from edgeserve.lower.builder import Builder
from edgeserve.program import Folded, Operand, Port, Program, Role, Step

_PADS = (OpKind.PAD, OpKind.PADV2)
_VIEWS = (OpKind.EXPAND_DIMS, OpKind.RESHAPE)
_PADDING_READERS = (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D)
_CLAMPING = (
    AddParams,
    AveragePoolParams,
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    MaxPoolParams,
    MulParams,
    TransposeConvParams,
)
"""Kernels that end with a clamp to [act_min, act_max]."""


@dataclass(frozen=True, slots=True)
class PaddedSource:
    """What a convolution really reads: ``tensor`` of h x w, with rows and columns put before it."""

    tensor: Tensor
    h: int
    w: int
    top: int = 0
    left: int = 0


def padded_source(b: Builder, tensor: Tensor) -> PaddedSource:
    """The source of a convolution whose input is ``tensor`` ([1, h, w, c]), seen through a PAD."""
    writer = b.writer(tensor.index)
    if writer is not None and writer.kind in _VIEWS:
        writer = b.writer(b.tensor(writer.inputs[0]).index)
    folded = None if writer is None else _folded_pad(b, writer)
    return folded or PaddedSource(tensor, tensor.shape[1], tensor.shape[2])


def is_folded_pad(b: Builder, op: Op) -> bool:
    """Whether the operator is a PAD that needs no step, or lies between one and its reader."""
    if op.kind in _VIEWS:
        writer = b.writer(b.tensor(op.inputs[0]).index)
        return writer is not None and writer.kind in _PADS and is_folded_pad(b, writer)
    return _folded_pad(b, op) is not None


def fold_pads(b: Builder) -> None:
    """Records each folded PAD's tensor with its first reader's step; for when all is lowered."""
    for op in b.graph.ops:
        if is_folded_pad(b, op):
            b.fold(b.output(op), b.step_behind(op), "the convolution pads by itself")


def _folded_pad(b: Builder, op: Op) -> PaddedSource | None:
    """The source behind a PAD that can be folded; None for everything else, malformed PADs too."""
    if op.kind not in _PADS:
        return None
    source, paddings, output = b.tensor(op.inputs[0]), b.tensor(op.inputs[1]), b.output(op)
    if not (source.dtype is output.dtype is DType.INT8) or paddings.data is None:
        return None
    if source.quant is None or source.quant != output.quant or len(source.quant.scales) != 1:
        return None
    if len(source.shape) not in (3, 4) or paddings.dtype not in (DType.INT32, DType.INT64):
        return None
    if paddings.elements != 2 * len(source.shape) or not _is_value(b, op, source.quant.zero_point):
        return None
    pairs = b.integers(op, 1, "paddings")
    batch, *rows, (left, right), channels = zip(pairs[::2], pairs[1::2], strict=True)
    if batch != (0, 0) or channels != (0, 0) or min(pairs) < 0:
        return None
    n, *heights, w, c = source.shape
    (top, bottom), h = (rows[0], heights[0]) if rows else ((0, 0), 1)
    padded = (n, *(height + top + bottom for height in heights), w + left + right, c)
    if output.shape != padded or not _reaches_convolutions(b, output):
        return None
    return PaddedSource(source, h, w, top, left)


def _reaches_convolutions(b: Builder, output: Tensor) -> bool:
    """Whether convolutions alone read what a PAD writes: an image, or a signal seen as one."""
    if output.index in b.graph.outputs:
        return False
    if len(output.shape) == 4:
        return _only_pads(b, output)
    image = (output.shape[0], 1, *output.shape[1:])
    readers = b.readers(output.index)
    return bool(readers) and all(
        reader.kind in _VIEWS
        and reader.inputs[0] == output.index
        and b.output(reader).shape == image
        and b.output(reader).dtype is output.dtype
        and b.output(reader).quant == output.quant
        and b.output(reader).index not in b.graph.outputs
        and _only_pads(b, b.output(reader))
        for reader in readers
    )


def _only_pads(b: Builder, output: Tensor) -> bool:
    readers = b.readers(output.index)
    return bool(readers) and all(
        reader.kind in _PADDING_READERS
        and reader.inputs.index(output.index) == 0
        and reader.inputs.count(output.index) == 1
        for reader in readers
    )


def _is_value(b: Builder, op: Op, zero_point: int) -> bool:
    """Whether PAD's implied, or PADV2's given, value is the zero point."""
    if op.kind is OpKind.PAD:
        return True
    value = b.input(op, 2)
    return (
        value is not None
        and value.dtype is DType.INT8
        and value.data == zero_point.to_bytes(1, "little", signed=True)
    )


def fold_clamps(program: Program) -> Program:
    """The program without look-up steps that the clamp of the step before can do."""
    reads = Counter(operand.value for step in program.steps for operand in step.inputs)
    kept = {port.value for port in program.outputs}
    steps: list[Step] = []
    moved: list[int] = []
    folded: list[Folded] = []
    writer_of: dict[int, int] = {}
    for step in program.steps:
        source = step.inputs[0].value if step.inputs else -1
        position = writer_of.get(source, -1)
        clamped = None
        if position >= 0 and reads[source] == 1 and source not in kept:
            clamped = _clamped(program, steps[position], step)
        if clamped is None:
            position = len(steps)
            steps.append(replace(step, index=position))
        else:
            before, steps[position] = steps[position], clamped
            if before.oracle is not None:
                why = "the step clamps its results as it writes them"
                folded.append(Folded(before.oracle.tensor, before.label, position, why))
        moved.append(position)
        writer_of[step.output.value] = position
    if len(steps) == len(program.steps):
        return program
    earlier = (replace(f, step=None if f.step is None else moved[f.step]) for f in program.folded)
    return _without_dead_values(replace(program, steps=tuple(steps), folded=(*earlier, *folded)))


def _clamped(program: Program, before: Step, step: Step) -> Step | None:
    """The step before, writing what the look-up step would, if the table is a clamp to it."""
    into, out_of = program.values[before.output.value], program.values[step.output.value]
    if not isinstance(step.params, LookUpParams) or not isinstance(before.params, _CLAMPING):
        return None
    if not (into.dtype is out_of.dtype is DType.INT8 and into.role is Role.ACTIVATION):
        return None
    table = memoryview(step.params.table.data).cast("b")
    written = range(before.params.act_min, before.params.act_max + 1)
    low, high = table[written[0] & 0xFF], table[written[-1] & 0xFF]
    if any(table[x & 0xFF] != min(max(x, low), high) for x in written):
        return None
    return replace(
        before,
        label=step.label,
        params=replace(before.params, act_min=low, act_max=high),
        output=replace(before.output, value=step.output.value),
        oracle=step.oracle,
    )


def _without_dead_values(program: Program) -> Program:
    """The program with only the values that a step or a port uses, numbered anew."""
    used = {operand.value for s in program.steps for operand in (*s.inputs, s.output)}
    used |= {port.value for port in (*program.inputs, *program.outputs)}
    values = [v for v in program.values if v.index in used or v.role is Role.STATE]
    number = {value.index: position for position, value in enumerate(values)}

    def renumbered(operand: Operand) -> Operand:
        return replace(operand, value=number[operand.value])

    def moved(port: Port) -> Port:
        return replace(port, value=number[port.value])

    return replace(
        program,
        values=tuple(replace(value, index=number[value.index]) for value in values),
        steps=tuple(
            replace(
                step,
                inputs=tuple(renumbered(operand) for operand in step.inputs),
                output=renumbered(step.output),
            )
            for step in program.steps
        ),
        inputs=tuple(moved(port) for port in program.inputs),
        outputs=tuple(moved(port) for port in program.outputs),
    )

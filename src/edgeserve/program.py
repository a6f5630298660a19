"""The program: what the device will do, step by step, before anything has an address.

Every step writes one value by one kernel. Values are the writable tensors of the device
(activations and state kept between inferences) and its constant tensors. Reshapes are gone: an
operand views the bytes of a value as ``h`` dense rows of ``w * c`` elements, and each step views
them as it likes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum

from edgeserve.graph import DType, Quant
from edgeserve.kernels.record import KernelId, Params


class Role(Enum):
    """How long a value's bytes must last."""

    ACTIVATION = "activation"
    STATE = "state"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Value:
    """Bytes that steps read and write: ``data`` is a constant's, ``fill`` a state's reset byte."""

    index: int
    name: str
    dtype: DType
    elements: int
    role: Role = Role.ACTIVATION
    data: bytes | None = None
    fill: int = 0

    @property
    def size_bytes(self) -> int:
        return self.elements * self.dtype.size_bytes


@dataclass(frozen=True, slots=True)
class Operand:
    """A value seen as ``h`` rows of ``w * c`` dense elements, which are all of its elements."""

    value: int
    h: int
    w: int
    c: int


@dataclass(frozen=True, slots=True)
class Channels:
    """What is left of a source tensor of ``total`` channels of one byte, the innermost dimension.

    Element i is of channel ``i % total``. ``kept`` are those that the device computes, rising.
    ``constants`` has (channel, element) of those that are the same for every input, as the host has
    proven; nothing reads the others.
    """

    total: int
    kept: tuple[int, ...]
    constants: tuple[tuple[int, int], ...]

    def of(self, data: bytes) -> bytes:
        """The kept channels' bytes of the whole tensor's."""
        count = len(self.kept)
        kept = bytearray(len(data) // self.total * count)
        for position, channel in enumerate(self.kept):
            kept[position::count] = data[channel :: self.total]
        return bytes(kept)

    def broken(self, data: bytes) -> tuple[int, ...]:
        """The channels that are not, in the whole tensor's bytes, what has been proven of them."""
        pixels = len(data) // self.total
        return tuple(
            channel
            for channel, element in self.constants
            if data[channel :: self.total] != bytes([element & 0xFF]) * pixels
        )


@dataclass(frozen=True, slots=True)
class Oracle:
    """The tensor of the source file (by index) whose elements a step reproduces, or a part of them.

    The step writes it transposed by ``axes``, as numpy understands them; empty: as it is. Of that
    ``channels`` says what is left; None: all.
    """

    tensor: int
    axes: tuple[int, ...] = ()
    channels: Channels | None = None

    def of(self, data: bytes) -> bytes:
        """What the step writes, of the bytes of the whole tensor in the order of ``axes``."""
        return data if self.channels is None else self.channels.of(data)


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a kernel. ``op`` is the index of the source operator; ``label`` is for people.

    ``oracle`` is None only for a step that prepares an operand of the next one (``label`` says so).
    """

    index: int
    op: int
    label: str
    params: Params
    inputs: tuple[Operand, ...]
    output: Operand
    oracle: Oracle | None
    macs: int = 0
    scratch_bytes: int = 0

    @property
    def kernel(self) -> KernelId:
        return self.params.KERNEL


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the model as the caller sees it."""

    name: str
    value: int
    shape: tuple[int, ...]
    dtype: DType
    quant: Quant | None
    tensor: int


@dataclass(frozen=True, slots=True)
class Folded:
    """A source tensor that no step writes as such; ``step`` covers it (None: no step need do so).

    ``channels`` says what has been proven of it, in the order of ``axes``.
    """

    tensor: int
    name: str
    step: int | None
    why: str
    axes: tuple[int, ...] = ()
    channels: Channels | None = None


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What was left out of the step that writes a source tensor: each figure before and after.

    The channels are the tensor's as the step sees it; a step that is gone keeps none.
    """

    tensor: str
    kernel: KernelId
    channels: tuple[int, int]
    weight_bytes: tuple[int, int]
    macs: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Program:
    """A whole model. Steps are in an order that can be executed as it stands."""

    name: str
    values: tuple[Value, ...]
    steps: tuple[Step, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    folded: tuple[Folded, ...]
    notes: tuple[str, ...] = ()
    narrowings: tuple[Narrowing, ...] = ()

    @property
    def macs(self) -> int:
        return sum(step.macs for step in self.steps)


def claims(program: Program) -> tuple[Oracle, ...]:
    """The source tensors of which not everything is on the device, with what has been proven."""
    oracles = [step.oracle for step in program.steps if step.oracle is not None]
    parts: tuple[Oracle | Folded, ...] = (*oracles, *program.folded)
    return tuple(
        Oracle(part.tensor, part.axes, part.channels) for part in parts if part.channels is not None
    )


def channels_left(program: Program) -> dict[int, Channels]:
    """By source tensor, what is left of those of which not everything is on the device."""
    return {c.tensor: c.channels for c in claims(program) if c.channels is not None}


def without_steps(program: Program, gone: Collection[int]) -> Program:
    """The program without some of its steps, by index, and without the values that only they use.

    Folded tensors that such a step covered are covered by none.
    """
    left = [step for step in program.steps if step.index not in gone]
    number = {step.index: position for position, step in enumerate(left)}
    folded = (
        replace(one, step=None if one.step is None else number.get(one.step))
        for one in program.folded
    )
    return without_dead_values(
        replace(
            program,
            steps=tuple(replace(step, index=number[step.index]) for step in left),
            folded=tuple(folded),
        )
    )


def without_dead_values(program: Program) -> Program:
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


def lifetimes(program: Program) -> tuple[tuple[int, int] | None, ...]:
    """The half-open range of steps in which each value must exist; None for constants.

    Model inputs are alive from step 0, outputs to the end, state always. A model without steps (all
    reshapes) has one moment.
    """
    end = max(1, len(program.steps))
    first: dict[int, int] = {port.value: 0 for port in program.inputs}
    last: dict[int, int] = {port.value: end for port in program.outputs}
    for step in program.steps:
        first.setdefault(step.output.value, step.index)
        for operand in (*step.inputs, step.output):
            last[operand.value] = max(last.get(operand.value, 0), step.index + 1)
    ranges: list[tuple[int, int] | None] = []
    for value in program.values:
        if value.role is Role.CONSTANT:
            ranges.append(None)
        elif value.role is Role.STATE:
            ranges.append((0, end))
        else:
            ranges.append((first[value.index], last.get(value.index, first[value.index] + 1)))
    return tuple(ranges)

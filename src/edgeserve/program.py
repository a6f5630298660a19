"""The program: what the device will do, step by step, before anything has an address.

Every step writes one value by one kernel. Values are the writable tensors of the device
(activations and state kept between inferences) and its constant tensors. Reshapes are gone: an
operand views the bytes of a value as ``h`` dense rows of ``w * c`` elements, and each step views
them as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgeserve.graph import DType, Quant
from edgeserve.kernels import KernelId, Params


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
class Oracle:
    """The tensor of the source file (by index) whose elements a step reproduces.

    The step writes it transposed by ``axes``, as numpy understands them; empty: as it is.
    """

    tensor: int
    axes: tuple[int, ...] = ()


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
    """A source tensor that no step writes as such; ``step`` covers it (None: an input does)."""

    tensor: int
    name: str
    step: int | None
    why: str


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

    @property
    def macs(self) -> int:
        return sum(step.macs for step in self.steps)


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

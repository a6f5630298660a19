"""What features of kernels are made of: shares of a step's rows, blocks of channels, windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from edgeserve.kernels.record import Params
from edgeserve.program import Step

Work: TypeAlias = Mapping[str, int]
"""How often a turn does each thing that costs: the name of a feature, and its count."""

LANES = 4
"""Output channels that the portable kernels compute together."""


class Windowed(Protocol):
    """The parameters of a kernel whose output pixels each see a window of the input."""

    @property
    def kernel_h(self) -> int: ...
    @property
    def kernel_w(self) -> int: ...
    @property
    def stride_h(self) -> int: ...
    @property
    def stride_w(self) -> int: ...
    @property
    def pad_top(self) -> int: ...
    @property
    def pad_left(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """The next ``rows`` of a step's ``units`` rows: of its output or, where the step accumulates,
    of its input.
    """

    step: Step
    rows: int
    units: int

    @property
    def sums(self) -> bool:
        """Whether the step takes its input row by row into sums."""
        return self.step.output.h == 1 and self.rows < self.units

    def share(self, whole: int) -> int:
        """The turn's part of what the step does in all: an average over its rows."""
        return whole * self.rows // self.units


@dataclass(frozen=True, slots=True)
class Axis:
    """How windows lie along one axis: output positions in all, those whose window leaves the image,
    and taps inside the image, summed over all positions.
    """

    count: int
    leaving: int
    taps: int


def axis(extent: int, count: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> Axis:
    """``count`` windows of ``kernel`` taps over ``extent`` elements."""
    leaving = taps = 0
    for index in range(count):
        first = index * stride - pad
        inside = sum(0 <= first + k * dilation < extent for k in range(kernel))
        leaving += inside < kernel
        taps += inside
    return Axis(count, leaving, taps)


def axes_of(step: Step, p: Windowed, dilation: tuple[int, int] = (1, 1)) -> tuple[Axis, Axis]:
    """Vertical, then horizontal."""
    source, output = step.inputs[0], step.output
    return (
        axis(source.h, output.h, p.kernel_h, p.stride_h, p.pad_top, dilation[0]),
        axis(source.w, output.w, p.kernel_w, p.stride_w, p.pad_left, dilation[1]),
    )


def blocks_of(channels: int) -> int:
    """Blocks of four channels, the last maybe of fewer."""
    return -(-channels // LANES)


def clamps(p: Params) -> int:
    """1 where the kernel's clamp is not that of int8."""
    return int((getattr(p, "act_min", -128), getattr(p, "act_max", 127)) != (-128, 127))

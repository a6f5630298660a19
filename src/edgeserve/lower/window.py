"""How a window walks over an axis: how many outputs it makes, and where the first one looks."""

from __future__ import annotations

from dataclasses import dataclass

from edgeserve.graph import Op, Padding
from edgeserve.lower.builder import Builder

MAX_FIELD = (1 << 16) - 1
"""Of kernel, stride, dilation and padding in a parameter record."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A window of ``kernel`` taps, ``dilation`` apart, that moves by ``stride``."""

    kernel: int
    stride: int
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Elements from the first tap to the last, both included."""
        return (self.kernel - 1) * self.dilation + 1

    def outputs(self, extent: int, padding: Padding) -> int:
        """Output extent: TensorFlow Lite's ComputeOutSize. Not positive: the window is too long."""
        room = extent if padding is Padding.SAME else extent - self.reach + 1
        return -(-room // self.stride)

    def padding_before(self, extent: int, outputs: int) -> int:
        """Elements before the first that the first window covers; the odd one comes at the end."""
        return max(0, (outputs - 1) * self.stride + self.reach - extent) // 2

    def leaves(self, extent: int, outputs: int, before: int) -> bool:
        """Whether some window reads outside [0, extent)."""
        return before > 0 or (outputs - 1) * self.stride + self.reach > extent


def need_walk(b: Builder, op: Op, axis: str, walk: Walk, extent: int, outputs: int) -> None:
    """UnsupportedOp unless the walk fits the parameter record and the kernels' 31 bits."""
    fields = (walk.kernel, walk.stride, walk.dilation)
    b.need(
        op,
        min(fields) >= 1
        and max(*fields, extent) <= MAX_FIELD
        and (outputs + 1) * walk.stride + (walk.kernel + 1) * walk.dilation < 2**31 - 1,
        f"its {axis} (kernel {walk.kernel}, stride {walk.stride}, dilation {walk.dilation} over "
        f"{extent} elements) exceeds the kernel's range",
        hint="no target of edgeserve can run such a layer",
    )


def need_shape(b: Builder, op: Op, shape: tuple[int, ...]) -> None:
    """UnsupportedOp unless the output has this shape."""
    output = b.output(op)
    b.need(
        op,
        output.shape == shape and min(shape) >= 1,
        f"its inputs and options give shape {list(shape)}, the file says {list(output.shape)}",
        hint="convert the model again: the file contradicts itself",
    )

"""Boxes: elements that lie at constant strides, and the fewest dimensions that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

BOX_DIMS = 6
"""Of a box in the records of COPY and PAD; the first are the rows of the output."""


@dataclass(frozen=True, slots=True)
class Box:
    """Elements ``start + sum(index * stride)``, in order of their indices, the last the fastest."""

    dims: tuple[int, ...]
    strides: tuple[int, ...]
    start: int = 0

    @property
    def elements(self) -> int:
        return prod(self.dims)

    def merged(self) -> Box:
        """The same elements with no dimension of length 1 and no two that could be one."""
        dims: list[int] = []
        strides: list[int] = []
        for extent, stride in zip(self.dims, self.strides, strict=True):
            if extent == 1:
                continue
            if dims and strides[-1] == extent * stride:
                dims[-1] *= extent
                strides[-1] = stride
            else:
                dims.append(extent)
                strides.append(stride)
        return Box(tuple(dims), tuple(strides), self.start)

    def is_whole(self, elements: int) -> bool:
        """Whether these are all of ``elements`` dense elements, in their order."""
        merged = self.merged()
        return merged.start == 0 and (
            (merged.dims, merged.strides) == ((elements,), (1,))
            or (elements == 1 and not merged.dims)
        )

    def reach(self) -> tuple[int, int]:
        """The least and the greatest element."""
        steps = [(d - 1) * s for d, s in zip(self.dims, self.strides, strict=True)]
        return (
            self.start + sum(step for step in steps if step < 0),
            self.start + sum(step for step in steps if step > 0),
        )


def dense_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a dense tensor, in elements."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))

"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR: the input pixels that each output pixel reads.

Formulas: tensorflow/lite/kernels/internal/reference/resize_nearest_neighbor.h (float32) and
ResizeBilinearInteger of resize_bilinear.h (integers in 1/1024).
"""

from __future__ import annotations

import struct

import numpy as np

from edgeserve.graph import DType, Op, OpKind, ResizeOptions, Tensor
from edgeserve.kernels.portable import ResizeBilinearParams, ResizeNearestParams
from edgeserve.kernels.record import Blob
from edgeserve.lower.builder import MAX_EXTENT, Builder
from edgeserve.lower.lowering import Lowerings
from edgeserve.lower.requant import round_half_away

ONE = 1024
FRACTIONS = range(-512, 1537)
"""What the bilinear kernel's sums have room for."""


def nearest(in_extent: int, out_extent: int, options: ResizeOptions) -> list[int]:
    """The input index of each output index."""
    corners = options.align_corners and out_extent > 1
    scale = np.float32(in_extent - corners) / np.float32(out_extent - corners)
    offset = np.float32(0.5 if options.half_pixel_centers else 0.0)
    indices = []
    for position in range(out_extent):
        place = float((np.float32(position) + offset) * scale)
        index = round_half_away(place) if options.align_corners else int(np.floor(place))
        indices.append(min(index, in_extent - 1))
    return indices


def between(in_extent: int, out_extent: int, options: ResizeOptions) -> list[tuple[int, int, int]]:
    """(low, high, fraction) of each output index: ``fraction`` / 1024 of the way to high."""
    corners = options.align_corners and out_extent > 1
    spans = out_extent - corners
    scale = (ONE * (in_extent - corners) + spans // 2) // spans
    places = []
    for position in range(out_extent):
        place = position * scale
        if options.half_pixel_centers:
            place += scale // 2 - ONE // 2
        low = max(place // ONE if place >= 0 else 0, 0)
        over = place + ONE - 1
        high = min(over // ONE if over >= 0 else -(-over // ONE), in_extent - 1)
        places.append((low, high, place - ONE * low))
    return places


def _resize_nearest(b: Builder, op: Op) -> None:
    source, output, options = _checked(b, op)
    (in_h, in_w, c), (h, w, _) = b.spatial(op, source), b.spatial(op, output)
    params = ResizeNearestParams(
        rows=_indices(nearest(in_h, h, options), f"rows of {output.name}"),
        columns=_indices(nearest(in_w, w, options), f"columns of {output.name}"),
    )
    b.step(op, params, [b.operand(source, in_h, in_w, c)], output, (h, w, c))


def _resize_bilinear(b: Builder, op: Op) -> None:
    source, output, options = _checked(b, op)
    b.need_dtype(op, source, DType.INT8)
    (in_h, in_w, c), (h, w, _) = b.spatial(op, source), b.spatial(op, output)
    params = ResizeBilinearParams(
        rows=_places(b, op, between(in_h, h, options), in_h, f"rows of {output.name}"),
        columns=_places(b, op, between(in_w, w, options), in_w, f"columns of {output.name}"),
    )
    b.step(op, params, [b.operand(source, in_h, in_w, c)], output, (h, w, c))


def _checked(b: Builder, op: Op) -> tuple[Tensor, Tensor, ResizeOptions]:
    assert isinstance(op.options, ResizeOptions)
    source, output = b.tensor(op.inputs[0]), b.output(op)
    b.need_dtype(op, output, source.dtype)
    size = b.integers(op, 1, "size")
    in_h, in_w, c = b.spatial(op, source)
    h, w, out_c = b.spatial(op, output)
    b.need(
        op,
        size == (h, w) and c == out_c and max(h, w, in_h, in_w) <= MAX_EXTENT,
        f"it resizes {list(source.shape)} to {list(size)}, its output is {list(output.shape)}",
    )
    b.need(
        op,
        not (op.options.align_corners and op.options.half_pixel_centers),
        "it asks for both align_corners and half_pixel_centers",
    )
    return source, output, op.options


def _indices(indices: list[int], note: str) -> Blob:
    return Blob(struct.pack(f"<{len(indices)}H", *indices), note)


def _places(
    b: Builder, op: Op, places: list[tuple[int, int, int]], in_extent: int, note: str
) -> Blob:
    """Rounded scales can lead past the last pixel; the reference would read beyond its input."""
    b.need(
        op,
        all(
            0 <= low < in_extent and high >= 0 and fraction in FRACTIONS
            for low, high, fraction in places
        ),
        f"{len(places)} positions over {in_extent} cannot be told apart in 1/1024",
        hint="resize in two steps",
    )
    return Blob(b"".join(struct.pack("<HHi", *place) for place in places), note)


LOWERINGS: Lowerings = {
    OpKind.RESIZE_NEAREST_NEIGHBOR: _resize_nearest,
    OpKind.RESIZE_BILINEAR: _resize_bilinear,
}

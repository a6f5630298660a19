"""RESHAPE, SQUEEZE, EXPAND_DIMS: other shapes for the same bytes, without a step."""

from __future__ import annotations

from math import prod

from edgeserve.graph import Op, OpKind, SqueezeOptions, Tensor
from edgeserve.lower.builder import Builder
from edgeserve.lower.lowering import Lowerings


def _reshape(b: Builder, op: Op) -> None:
    source = b.tensor(op.inputs[0])
    if b.input(op, 1) is not None:
        wanted = _resolved(b.integers(op, 1, "shape"), source.elements)
        _need_shape(b, op, wanted)
    _alias(b, op, source)


def _squeeze(b: Builder, op: Op) -> None:
    assert isinstance(op.options, SqueezeOptions)
    source = b.tensor(op.inputs[0])
    rank = len(source.shape)
    axes = {axis + rank if axis < 0 else axis for axis in op.options.axes}
    if not axes:
        axes = {axis for axis, extent in enumerate(source.shape) if extent == 1}
    b.need(
        op,
        all(0 <= axis < rank and source.shape[axis] == 1 for axis in axes),
        f"it squeezes axes {sorted(axes)} of {list(source.shape)}",
    )
    _need_shape(b, op, tuple(e for axis, e in enumerate(source.shape) if axis not in axes))
    _alias(b, op, source)


def _expand_dims(b: Builder, op: Op) -> None:
    source = b.tensor(op.inputs[0])
    axes = b.integers(op, 1, "axis")
    rank = len(source.shape) + 1
    b.need(
        op,
        len(axes) == 1 and -rank <= axes[0] < rank,
        f"it inserts axis {list(axes)} into {list(source.shape)}",
    )
    at = axes[0] % rank
    _need_shape(b, op, (*source.shape[:at], 1, *source.shape[at:]))
    _alias(b, op, source)


def _resolved(shape: tuple[int, ...], elements: int) -> tuple[int, ...]:
    """The shape with its one -1 replaced, or the shape itself where there is nothing to replace."""
    known = prod(extent for extent in shape if extent != -1)
    if shape.count(-1) != 1 or known <= 0:
        return shape
    return tuple(elements // known if extent == -1 else extent for extent in shape)


def _need_shape(b: Builder, op: Op, wanted: tuple[int, ...]) -> None:
    output = b.output(op)
    b.need(
        op,
        wanted == output.shape,
        f"its output has shape {list(output.shape)}, its inputs ask for {list(wanted)}",
        hint="fix every dimension of the model before converting",
    )


def _alias(b: Builder, op: Op, source: Tensor) -> None:
    output = b.output(op)
    b.need_dtype(op, output, source.dtype)
    b.need(
        op,
        source.elements == output.elements,
        f"it makes {list(output.shape)} of {list(source.shape)}",
    )
    b.alias(output, source, op, f"{op.kind.value} keeps the bytes of {source.name}")


LOWERINGS: Lowerings = {
    OpKind.RESHAPE: _reshape,
    OpKind.SQUEEZE: _squeeze,
    OpKind.EXPAND_DIMS: _expand_dims,
}

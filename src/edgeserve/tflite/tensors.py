"""The tensors of a subgraph with their constants and quantization, each fact checked."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, prod
from typing import Final

from edgeserve.errors import ModelError
from edgeserve.graph import DType, Quant, Tensor
from edgeserve.tflite import schema
from edgeserve.tflite.flatbuffer import Source, Span, Table
from edgeserve.tflite.wording import damaged, shown

MAX_RANK: Final = 8
MAX_TENSOR_BYTES: Final = (1 << 31) - 1

FIXED_SHAPE_HINT: Final = "fix the batch and the input shape (batch 1) before converting the model"

_DTYPES: Final = {schema.TENSOR_TYPES.index(dtype.name): dtype for dtype in DType}

_ZERO_POINT_RANGES: Final = {
    DType.INT8: range(-(1 << 7), 1 << 7),
    DType.UINT8: range(1 << 8),
    DType.INT16: range(-(1 << 15), 1 << 15),
    DType.INT32: range(-(1 << 31), 1 << 31),
    DType.INT64: range(-(1 << 63), 1 << 63),
}
"""Of the types that quantization means something for."""


class Constants:
    """The buffers of a model, inside the FlatBuffer or behind it, as bytes.

    Tensors that name the same run of bytes share one object, and all distinct runs together may not
    be longer than the file, which bounds the memory.
    """

    __slots__ = ("_buffers", "_left_bytes", "_runs", "_source")

    def __init__(self, source: Source, buffers: tuple[Table, ...]) -> None:
        self._source = source
        self._buffers = buffers
        self._left_bytes = len(source.data)
        self._runs: dict[Span, bytes] = {}

    def data_of(self, index: int, where: str) -> bytes | None:
        """The bytes of buffer ``index``, None when it is empty. Raises ModelError."""
        if index == schema.NO_BUFFER:
            return None
        if index >= len(self._buffers):
            raise damaged(where, f"buffer {index} is not in the file")
        span = self._span(self._buffers[index], where)
        return None if span is None else self._run(span, where)

    def _span(self, buffer: Table, where: str) -> Span | None:
        buffer = buffer.called(f"{where}: {buffer.where}")
        inside = buffer.span(schema.Buffer.DATA)
        if inside is not None and inside.size_bytes:
            return inside
        outside = Span(buffer.scalar(schema.Buffer.OFFSET), buffer.scalar(schema.Buffer.SIZE))
        if outside.start < schema.LEAST_DATA_OFFSET_BYTES or outside.size_bytes == 0:
            return None
        if outside.start + outside.size_bytes > len(self._source.data):
            buffer.fail("its data runs past the end of the file")
        return outside

    def _run(self, span: Span, where: str) -> bytes:
        run = self._runs.get(span)
        if run is None:
            self._left_bytes -= span.size_bytes
            if self._left_bytes < 0:
                raise damaged(where, "its data overlaps that of other tensors")
            run = self._source.data[span.start : span.start + span.size_bytes]
            self._runs[span] = run
        return run


@dataclass(frozen=True, slots=True)
class ReadTensor:
    """A tensor, and whether its quantized dimension was outside its rank and taken as 0."""

    tensor: Tensor
    axis_taken_as_0: bool


def tensor_name(table: Table) -> str:
    """The name of a tensor as the file has it, empty when it has none. Raises ModelError."""
    return table.string(schema.Tensor.NAME) or ""


def read_tensor(table: Table, index: int, constants: Constants) -> ReadTensor:
    """Tensor ``index`` of the subgraph. Raises ModelError.

    Lengths of 0 pass here: the tensors that only carry an operator's quantization have them.
    """
    name = tensor_name(table)
    table = table.called(f"tensor {index} {shown(name)}")
    _refuse_storage(table)
    dtype = _dtype(table)
    shape = _shape(table, dtype)
    quant, axis_taken_as_0 = _quant(table, shape, dtype)
    is_variable = table.scalar(schema.Tensor.IS_VARIABLE)
    data = constants.data_of(table.scalar(schema.Tensor.BUFFER), table.where)
    tensor = Tensor(index, name, shape, dtype, quant, data, is_variable)
    _check_data(table, tensor)
    return ReadTensor(tensor, axis_taken_as_0)


def refuse_open_shape(table: Table, tensor: Tensor) -> None:
    """Refuses a model input whose shape, apart from the batch, is left open. Raises ModelError.

    Converters write 1 for an open length; a plan made for that would be of no use to anybody.
    """
    signature = table.numbers(schema.Tensor.SHAPE_SIGNATURE)
    for axis, length in enumerate(signature):
        if axis > 0 and length < 0:
            raise ModelError(
                f"input {shown(tensor.name)}: dimension {axis} of its shape is not fixed",
                hint=FIXED_SHAPE_HINT,
            )


def _refuse_storage(table: Table) -> None:
    if table.has(schema.Tensor.SPARSITY.slot):
        raise ModelError(
            f"{table.where} is stored sparse, which is not supported",
            hint="convert the model without sparsity",
        )
    if table.scalar(schema.Tensor.EXTERNAL_BUFFER):
        raise ModelError(
            f"{table.where}: its data lies in another file, which is not supported",
            hint="export the model as one .tflite file",
        )


def _dtype(table: Table) -> DType:
    number = table.scalar(schema.Tensor.TYPE)
    dtype = _DTYPES.get(number)
    if dtype is not None:
        return dtype
    if not 0 <= number < len(schema.TENSOR_TYPES):
        table.fail(f"its type {number} is not in the schema")
    raise ModelError(
        f"{table.where} has type {schema.TENSOR_TYPES[number]}, which is not supported",
        hint="quantize the model to full INT8; tensors may be " + ", ".join(sorted(DType)),
    )


def _shape(table: Table, dtype: DType) -> tuple[int, ...]:
    shape = table.numbers(schema.Tensor.SHAPE)
    if len(shape) > MAX_RANK:
        table.fail(f"it has {len(shape):,} dimensions; at most {MAX_RANK} are read")
    if -1 in shape:
        raise ModelError(
            f"{table.where}: dimension {shape.index(-1)} of its shape is not fixed",
            hint=FIXED_SHAPE_HINT,
        )
    if any(length < 0 for length in shape):
        table.fail(f"its shape {list(shape)} is impossible")
    if prod(shape) * dtype.size_bytes > MAX_TENSOR_BYTES:
        table.fail(f"its shape {list(shape)} asks for more than {MAX_TENSOR_BYTES:,} bytes")
    signature = table.numbers(schema.Tensor.SHAPE_SIGNATURE)
    if signature and len(signature) != len(shape):
        table.fail(f"shape_signature has {len(signature):,} dimensions, its shape {len(shape)}")
    return shape


def _quant(table: Table, shape: tuple[int, ...], dtype: DType) -> tuple[Quant | None, bool]:
    """The quantization, and whether its axis was outside the rank and taken as 0.

    It is taken so where 0 is all that it can mean: one scale, or one dimension (old converters gave
    biases the axis of their weights).
    """
    given = table.table(schema.Tensor.QUANTIZATION)
    if given is None:
        return None, False
    given = given.called(table.where)
    if given.scalar(schema.Quantization.DETAILS_TYPE):
        raise ModelError(
            f"{table.where} has custom or blockwise quantization, which is not supported",
            hint="quantize the model per tensor or per channel",
        )
    scales = given.numbers(schema.Quantization.SCALE)
    if not scales or dtype not in _ZERO_POINT_RANGES:
        return None, False
    zero_points = given.numbers(schema.Quantization.ZERO_POINT)
    _check_values(given, scales, zero_points, dtype)
    axis = given.scalar(schema.Quantization.QUANTIZED_DIMENSION)
    outside = not 0 <= axis < max(len(shape), 1)
    if outside and len(scales) > 1 and len(shape) > 1:
        given.fail(f"quantized_dimension {axis} is not one of its {len(shape)} dimensions")
    axis = 0 if outside else axis
    _check_channels(given, len(scales), shape, axis)
    return Quant(scales, zero_points, axis), outside


def _check_values(
    given: Table, scales: tuple[float, ...], zero_points: tuple[int, ...], dtype: DType
) -> None:
    if len(scales) != len(zero_points):
        given.fail(f"it has {len(scales):,} scales and {len(zero_points):,} zero points")
    for scale in scales:
        if not (isfinite(scale) and scale > 0):
            given.fail(f"its scale {scale} is not a positive number")
    allowed = _ZERO_POINT_RANGES[dtype]
    for zero_point in zero_points:
        if zero_point not in allowed:
            given.fail(f"its zero point {zero_point} does not fit {dtype}")


def _check_channels(given: Table, count: int, shape: tuple[int, ...], axis: int) -> None:
    length = shape[axis] if shape else 1
    if count not in (1, length):
        given.fail(f"it has {count:,} scales for {length:,} channels")


def _check_data(table: Table, tensor: Tensor) -> None:
    if tensor.data is None:
        return
    if tensor.is_variable:
        table.fail("it is a variable and has constant data")
    if len(tensor.data) != tensor.size_bytes:
        table.fail(
            f"its data has {len(tensor.data):,} bytes, its shape {list(tensor.shape)} "
            f"of {tensor.dtype} asks for {tensor.size_bytes:,}"
        )

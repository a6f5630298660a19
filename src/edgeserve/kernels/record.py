"""Parameter records: their ids, the types of their fields, and how they become bytes.

A parameter record is a C struct of little-endian fields, described by a dataclass whose annotations
give each field's width. The struct in ``firmware/kernels/es_kernels*.h`` must have the same layout;
a test compiles it and compares every offset. Fields are ordered so that no padding is needed
anywhere but at the end, where the record is rounded up to four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Annotated, ClassVar, get_args, get_origin, get_type_hints

KERNEL_SET_VERSION = 1

I8 = Annotated[int, "b"]
U8 = Annotated[int, "B"]
I16 = Annotated[int, "h"]
U16 = Annotated[int, "H"]
I32 = Annotated[int, "i"]
U32 = Annotated[int, "I"]
F32 = Annotated[float, "f"]
Dims3 = Annotated[tuple[int, ...], "3I"]
Dims6 = Annotated[tuple[int, ...], "6I"]
Strides3 = Annotated[tuple[int, ...], "3i"]
Strides6 = Annotated[tuple[int, ...], "6i"]
Gates4 = Annotated[tuple[int, ...], "4i"]


@dataclass(frozen=True, slots=True)
class Blob:
    """Constant bytes in the model table; the record holds their offset from the table's start."""

    data: bytes
    note: str
    alignment_bytes: int = 4


NO_BLOB = Blob(b"", "absent")
"""Encoded as offset 0, which no blob can have: the table starts with its header."""


class KernelId(IntEnum):
    """Ids are forever: a model in the field names its kernels by them."""

    CONV_2D = 1
    DEPTHWISE_CONV_2D = 2
    FULLY_CONNECTED = 3
    TRANSPOSE_CONV = 4
    AVERAGE_POOL_2D = 5
    MAX_POOL_2D = 6
    REDUCE = 7
    SOFTMAX = 8
    LOOK_UP = 9
    ADD = 10
    MUL = 11
    EXTREMUM = 12
    PRELU = 13
    COPY = 14
    CONCATENATION = 15
    PAD = 16
    GATHER = 17
    RESIZE_NEAREST = 18
    RESIZE_BILINEAR = 19
    ARG_MAX = 20
    QUANTIZE = 21
    DEQUANTIZE = 22
    SVDF = 23
    LSTM = 24
    CONV_PAIRS = 25
    DEPTHWISE_PAIRS = 26
    REDUCE_PIXELS = 27
    FULLY_CONNECTED_PAIRS = 30
    ADD_BY_TABLE = 31
    CONV_VECTORS = 40
    DEPTHWISE_VECTORS = 41
    CONV_LANES = 48
    DEPTHWISE_COLUMNS = 49
    FULLY_CONNECTED_BLOCKS = 50
    CONV_2D_16 = 60
    DEPTHWISE_16 = 61
    FULLY_CONNECTED_16 = 62
    AVERAGE_POOL_16 = 63
    MAX_POOL_16 = 64
    MEAN_16 = 65
    ADD_16 = 66
    MUL_16 = 67
    SOFTMAX_16 = 68
    SIGMOID_16 = 69
    RESCALE_16 = 70
    QUANTIZE_16 = 71
    DEQUANTIZE_16 = 72
    FULLY_CONNECTED_WIDE = 32
    CONV_WINOGRAD = 33
    DEPTHWISE_RELU = 34
    CONV_2D_FLOAT = 80
    DEPTHWISE_FLOAT = 81
    FULLY_CONNECTED_FLOAT = 82
    POOL_FLOAT = 83
    MEAN_FLOAT = 84
    BINARY_FLOAT = 85
    UNARY_FLOAT = 86
    SOFTMAX_FLOAT = 87


def channel_table(
    biases: Sequence[int], multipliers: Sequence[int], shifts: Sequence[int], note: str
) -> Blob:
    """One ``es_channel_t`` {int32 bias, int32 multiplier, int32 shift} for each output channel.

    ``multiplier`` is Q31 and ``shift`` the power of two to the left (negative: right), as TFLite's
    QuantizeMultiplier makes them.
    """
    rows = zip(biases, multipliers, shifts, strict=True)
    return Blob(b"".join(struct.pack("<iii", *row) for row in rows), note)


@dataclass(frozen=True, slots=True)
class Params:
    """Base of all parameter records."""

    KERNEL: ClassVar[KernelId]
    SOURCE: ClassVar[str]
    """Stem of the source files in ``firmware/kernels/<isa>/`` and ``firmware/adapters/``."""
    SYMBOL: ClassVar[str]
    """The ``es_kernel_t`` that the adapter defines."""


def field_formats(params: type[Params]) -> tuple[tuple[str, str], ...]:
    """(field, ``struct`` format) in the order of the record; a blob is a uint32 offset."""
    hints = get_type_hints(params, include_extras=True)
    formats = []
    for field in fields(params):
        hint = hints[field.name]
        formats.append((field.name, get_args(hint)[1] if get_origin(hint) is Annotated else "I"))
    return tuple(formats)


def record_bytes(params: type[Params]) -> int:
    """Size of the record in the model table, a multiple of four."""
    return -(-struct.calcsize("<" + "".join(f for _, f in field_formats(params))) // 4) * 4


def encode(params: Params, offset_of: Callable[[Blob], int]) -> bytes:
    """The record's bytes; ``offset_of`` tells where in the table a blob lies."""
    record = b""
    for name, form in field_formats(type(params)):
        value = getattr(params, name)
        if isinstance(value, Blob):
            value = offset_of(value) if value.data else 0
        values = value if isinstance(value, tuple) else (value,)
        record += struct.pack("<" + form, *values)
    return record.ljust(record_bytes(type(params)), b"\0")


def blobs(params: Params) -> tuple[Blob, ...]:
    """The blobs of a record that are present, in field order."""
    values = (getattr(params, field.name) for field in fields(params))
    return tuple(value for value in values if isinstance(value, Blob) and value.data)

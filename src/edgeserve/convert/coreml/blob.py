"""The file of weights in a package, ``weights/weight.bin``, read by what it says of itself.

A header of 64 bytes (u32 count of blobs, u32 version 2), then blobs. Each begins at a multiple of
64 with a record of 64 bytes: u32 0xDEADBEEF, u32 type, u64 bytes, u64 offset of the data.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import ConversionError

_VERSION = 2
_SENTINEL = 0xDEADBEEF
_RECORD = struct.Struct("<IIQQ")
_HEADER_BYTES = 64
_TYPES = {1: "<f2", 2: "<f4", 3: "|u1", 4: "|i1", 6: "<i2", 7: "<u2", 8: "<i4", 9: "<u4"}


@dataclass(frozen=True, slots=True)
class Blobs:
    """The bytes of the file; every access is checked against its length."""

    data: bytes

    def read(self, offset: int, kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """The numbers of the blob at ``offset``.

        Raises ConversionError where it lies outside the file, or is not of that type or size.
        """
        if not _HEADER_BYTES <= offset <= len(self.data) - _RECORD.size or offset % 64:
            raise _damaged(f"a blob at {offset} is outside the file of {len(self.data)} bytes")
        sentinel, code, size, start = _RECORD.unpack_from(self.data, offset)
        if sentinel != _SENTINEL:
            raise _damaged(f"what lies at {offset} is no blob")
        if _TYPES.get(code) != kind.str or size != kind.itemsize * int(np.prod(shape)):
            raise _damaged(
                f"the blob at {offset} has {size} bytes of type {code}, not {shape} of {kind}"
            )
        if start < offset + _HEADER_BYTES or start + size > len(self.data):
            raise _damaged(f"the blob at {offset} reaches beyond the file")
        return np.frombuffer(self.data[start : start + size], kind).reshape(shape)


def read_blobs(data: bytes) -> Blobs:
    """The file of weights; ConversionError where its header is another."""
    if len(data) < _HEADER_BYTES or struct.unpack_from("<I", data, 4) != (_VERSION,):
        raise _damaged(f"its header is not of version {_VERSION}")
    return Blobs(data)


def _damaged(why: str) -> ConversionError:
    return ConversionError(f"the weights that coremltools wrote cannot be read back: {why}")

"""The input generator that the host and the bench firmware share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from edgeserve.errors import ConfigError
from edgeserve.graph import DType
from edgeserve.program import Port

FIRST_SEED = 0x12345678
_GOLDEN = 0x9E3779B9
_U32 = 0xFFFFFFFF


def xorshift32(seed: int) -> Iterator[int]:
    """Marsaglia's xorshift32 (13, 17, 5): the states after ``seed``, which must not be 0."""
    if not 0 < seed <= _U32:
        raise ConfigError(f"{seed} is no seed", hint="give a number from 1 to 4294967295")
    x = seed
    while True:
        x ^= x << 13 & _U32
        x ^= x >> 17
        x ^= x << 5 & _U32
        yield x


def seeds(count: int) -> tuple[int, ...]:
    """``count`` different seeds: 0x12345678 + i * 0x9E3779B9 modulo 2**32, 1 in place of 0."""
    return tuple((FIRST_SEED + i * _GOLDEN) & _U32 or 1 for i in range(count))


def xorshift_input(ports: Sequence[Port], seed: int) -> bytes:
    """The bytes of all inputs, one after the other: one draw an element, its low byte as int8.

    float32 elements are that int8 / 128, wider integers the int8 widened.
    """
    draws = xorshift32(seed)
    return b"".join(_fill(port, draws) for port in ports)


def _fill(port: Port, draws: Iterator[int]) -> bytes:
    elements = int(np.prod(port.shape, dtype=np.int64))
    low = np.fromiter((x & 0xFF for x in islice(draws, elements)), np.uint8, elements)
    signed = low.view(np.int8)
    if port.dtype is DType.FLOAT32:
        return (signed.astype("<f4") / np.float32(128)).astype("<f4").tobytes()
    if port.dtype.size_bytes == 1:
        return low.tobytes()
    return signed.astype(np.dtype(port.dtype.value).newbyteorder("<")).tobytes()

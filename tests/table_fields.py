"""Where fields of a model table are, for tests that read or spoil them."""

from __future__ import annotations

import struct

from edgeserve.table import OPERAND, STEP

TOTAL_BYTES, BANK_BYTES, OPERAND_COUNT, RECORDS = 8, 12, 34, 48
"""Offsets in the header."""
STEP_OPERANDS, STEP_PARAMS, STEP_SCRATCH_BYTES = 2, 8, 16
"""Offsets in a step."""
OPERAND_DEPTH = 12


def u32_at(data: bytes | bytearray, offset: int) -> int:
    (value,) = struct.unpack_from("<I", data, offset)
    return int(value)


def u16_at(data: bytes | bytearray, offset: int) -> int:
    (value,) = struct.unpack_from("<H", data, offset)
    return int(value)


def step_at(data: bytes | bytearray, step: int) -> int:
    """Where the record of a step is."""
    operands = u16_at(data, OPERAND_COUNT) * OPERAND.size
    return u32_at(data, RECORDS) + operands + step * STEP.size


def operand_at(data: bytes | bytearray, step: int, index: int) -> int:
    """Where the record of a step's operand is."""
    first = u16_at(data, step_at(data, step) + STEP_OPERANDS)
    return u32_at(data, RECORDS) + (first + index) * OPERAND.size

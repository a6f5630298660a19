"""Where fields of a model table are, for tests that read or spoil them."""

from __future__ import annotations

import struct

from edgeserve.table import OPERAND, PORT, STEP, TURN

TOTAL_BYTES, BANK_BYTES, OPERAND_COUNT, STEP_COUNT, TURN_COUNT, RECORDS = 8, 12, 34, 36, 44, 48
BANK_COUNT = 58
"""Offsets in the header."""
STEP_OPERANDS, STEP_PARAMS, STEP_SCRATCH_BYTES = 2, 8, 16
"""Offsets in a step."""
OPERAND_DEPTH, PORT_OPERAND = 12, 12


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


def port_operand(data: bytes | bytearray, port: int) -> int:
    """The operand of a port: of the inputs, then of the outputs."""
    turns = step_at(data, u16_at(data, STEP_COUNT))
    ports = turns + u32_at(data, TURN_COUNT) * TURN.size
    return u16_at(data, ports + port * PORT.size + PORT_OPERAND)

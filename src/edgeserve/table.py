"""The model table: a program and its memory plan as the bytes that the runtime reads.

``docs/FORMAT.md`` states every record. The C side is ``firmware/runtime/es_table.h``.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from edgeserve.arena import align_up
from edgeserve.errors import ModelError
from edgeserve.graph import DType
from edgeserve.kernels import KERNEL_SET_VERSION, Blob, blobs, encode
from edgeserve.memory import MemoryPlan
from edgeserve.program import Operand, Port, Program, Role, Step

MAGIC = 0x314D5345
FORMAT_VERSION = 1
HEADER = struct.Struct("<IHHIII6H8I32s64s")
STEP = struct.Struct("<HHIIIIHH")
OPERAND = struct.Struct("<IIIHHHBB")
TURN = struct.Struct("<HH")
PORT = struct.Struct("<IIIfiIIBBH")
STATE = struct.Struct("<III")
SHA256_OFFSET = 64
NO_COUNTER = 0xFFFF

DTYPE_CODE = {
    DType.INT8: 0,
    DType.UINT8: 1,
    DType.INT16: 2,
    DType.INT32: 3,
    DType.INT64: 4,
    DType.FLOAT32: 5,
    DType.BOOL: 6,
}
_U16 = 0xFFFF
_U32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Section:
    """A run of the table that one comment describes."""

    offset: int
    end: int
    note: str


@dataclass(frozen=True, slots=True)
class ModelTable:
    """The finished bytes (a multiple of 16) and what each part of them is."""

    data: bytes
    sections: tuple[Section, ...]
    sha256: str


class _Writer:
    """Grows the table front to back; equal blobs share their bytes."""

    def __init__(self) -> None:
        self.data = bytearray(HEADER.size)
        self.sections: list[Section] = [Section(0, HEADER.size, "header")]
        self._blobs: dict[tuple[bytes, int], int] = {}

    def add(self, data: bytes, note: str, alignment_bytes: int = 4) -> int:
        offset = align_up(len(self.data), alignment_bytes)
        self.data += b"\0" * (offset - len(self.data)) + data
        self.sections.append(Section(offset, len(self.data), note))
        return offset

    def blob(self, blob: Blob) -> int:
        key = (blob.data, blob.alignment_bytes)
        if key not in self._blobs:
            self._blobs[key] = self.add(blob.data, blob.note, blob.alignment_bytes)
        return self._blobs[key]


def write_table(program: Program, memory: MemoryPlan) -> ModelTable:
    """Lays out the table. Same program and plan: same bytes.

    Raises ModelError when an extent does not fit its field.
    """
    writer = _Writer()
    name = writer.add(program.name.encode() + b"\0", "name", 1)
    constants = {
        value.index: writer.add(value.data or b"", f"constant {value.name}", 16)
        for value in program.values
        if value.role is Role.CONSTANT
    }
    for step in program.steps:
        for blob in blobs(step.params):
            writer.blob(blob)
    steps = b"".join(_step(writer, program, memory, constants, step) for step in program.steps)
    steps_offset = writer.add(steps, "steps")
    turns = b"".join(TURN.pack(step.index, step.output.h) for step in program.steps)
    schedule = writer.add(turns, "schedule")
    inputs = _ports(writer, memory, program.inputs, "inputs")
    outputs = _ports(writer, memory, program.outputs, "outputs")
    states = [value for value in program.values if value.role is Role.STATE]
    state_records = b"".join(
        STATE.pack(memory.value_offset(s.index), s.size_bytes, s.fill) for s in states
    )
    states_offset = writer.add(state_records, "states")
    writer.data += b"\0" * (align_up(len(writer.data)) - len(writer.data))
    if len(program.steps) >= NO_COUNTER or len(writer.data) > _U32:
        raise ModelError(
            f"{program.name}: {len(program.steps)} steps in {len(writer.data):,} bytes exceed the "
            "model table",
            hint="split the model",
        )
    HEADER.pack_into(
        writer.data,
        0,
        MAGIC,
        FORMAT_VERSION,
        KERNEL_SET_VERSION,
        len(writer.data),
        memory.arena_bytes,
        0,
        0,
        len(program.steps),
        len(program.inputs),
        len(program.outputs),
        len(states),
        0,
        inputs,
        outputs,
        states_offset,
        steps_offset,
        schedule,
        len(program.steps),
        0,
        name,
        b"",
        b"",
    )
    digest = hashlib.sha256(writer.data).digest()
    writer.data[SHA256_OFFSET : SHA256_OFFSET + 32] = digest
    return ModelTable(bytes(writer.data), tuple(writer.sections), digest.hex())


def _step(
    writer: _Writer, program: Program, memory: MemoryPlan, constants: dict[int, int], step: Step
) -> bytes:
    records = b"".join(
        _operand(program, memory, constants, operand) for operand in (*step.inputs, step.output)
    )
    operands = writer.add(records, f"operands of step {step.index}")
    params = writer.add(encode(step.params, writer.blob), f"parameters of step {step.index}")
    return STEP.pack(
        step.kernel,
        len(step.inputs),
        operands,
        params,
        memory.scratch_offset(step.index),
        step.scratch_bytes,
        NO_COUNTER,
        0,
    )


def _operand(
    program: Program, memory: MemoryPlan, constants: dict[int, int], operand: Operand
) -> bytes:
    value = program.values[operand.value]
    constant = value.role is Role.CONSTANT
    offset = constants[value.index] if constant else memory.value_offset(value.index)
    row_bytes = operand.w * operand.c * value.dtype.size_bytes
    if max(operand.h, operand.w) > _U16 or max(operand.c, row_bytes) > _U32:
        raise ModelError(
            f"tensor {value.name!r}: {operand.h} x {operand.w} x {operand.c} exceeds the table",
            hint="no target of edgeserve can hold such a tensor",
        )
    return OPERAND.pack(
        offset,
        row_bytes,
        operand.c,
        operand.w,
        operand.h,
        operand.h,
        DTYPE_CODE[value.dtype],
        1 if constant else 0,
    )


def _ports(writer: _Writer, memory: MemoryPlan, ports: tuple[Port, ...], note: str) -> int:
    records = b""
    for port in ports:
        elements = 1
        for extent in port.shape:
            elements *= extent
        dims = writer.add(struct.pack(f"<{len(port.shape)}I", *port.shape), f"shape of {port.name}")
        name = writer.add(port.name.encode() + b"\0", f"name of {port.name}", 1)
        records += PORT.pack(
            memory.value_offset(port.value),
            elements * port.dtype.size_bytes,
            elements,
            port.quant.scale if port.quant else 0.0,
            port.quant.zero_point if port.quant else 0,
            dims,
            name,
            DTYPE_CODE[port.dtype],
            len(port.shape),
            0,
        )
    return writer.add(records, note)

"""The model table: a program and its plan as the bytes that the runtime reads.

``docs/FORMAT.md`` states every record. The C side is ``firmware/runtime/es_table.h``.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from math import prod

from edgeserve.arena import align_up
from edgeserve.errors import ModelError
from edgeserve.graph import DType
from edgeserve.kernels.record import KERNEL_SET_VERSION, Blob, blobs, encode
from edgeserve.program import Operand, Port, Program, Role, Step
from edgeserve.stream_plan import MOST_FED, Action, BankUse, Feed, Place, StreamPlan, Turn

MAGIC = 0x314D5345
FORMAT_VERSION = 2
ONE_BANK_FORMAT = 1
"""Of a table whose arena is one bank: it has no bank record."""
HEADER = struct.Struct("<IHHIII6H8I32s64s")
BANKS = struct.Struct("<4I")
MOST_BANKS = 4
BANK_SHIFT = 30
"""An arena address has the bank from this bit on, and the offset in the bank below."""
STEP = struct.Struct("<HHIIIIHH")
OPERAND = struct.Struct("<IIIHHHBB")
TURN = struct.Struct("<HH")
PORT = struct.Struct("<IIIfiIIBBHI")
STATE = struct.Struct("<III")
SHA256_OFFSET = 64
NO_COUNTER = 0xFFFF
ACCUMULATES = 1
"""Flag of a step."""
FEED_BIT = 0x8000
"""In a turn's step: the low bits are the index of an input."""

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
    """The finished bytes (a multiple of 16), what each part of them is, and the banks of the arena
    that it asks for: one where the plan was not made for any.
    """

    data: bytes
    sections: tuple[Section, ...]
    sha256: str
    banks: tuple[BankUse, ...]

    @property
    def arena_bytes(self) -> int:
        """The arena that it asks for, all banks together."""
        return sum(bank.size_bytes for bank in self.banks)


class _Writer:
    """Grows the table front to back; equal blobs share their bytes."""

    def __init__(self, banks: bytes) -> None:
        self.data = bytearray(HEADER.size) + banks
        self.sections: list[Section] = [Section(0, len(self.data), "header")]
        self._blobs: dict[tuple[bytes, int], int] = {}

    def add(self, data: bytes, note: str, alignment_bytes: int = 4) -> int:
        offset = align_up(len(self.data), alignment_bytes)
        self.data += b"\0" * (offset - len(self.data)) + data
        self.sections.append(Section(offset, len(self.data), note))
        return offset

    def add_chained(self, data: bytes, shared_bytes: int, note: str) -> int:
        """Adds data whose first ``shared_bytes`` are the last ones that were added."""
        offset = len(self.data) - shared_bytes
        self.data += data[shared_bytes:]
        self.sections.append(Section(offset, len(self.data), note))
        return offset

    def blob(self, blob: Blob) -> int:
        key = (blob.data, blob.alignment_bytes)
        if key not in self._blobs:
            self._blobs[key] = self.add(blob.data, blob.note, blob.alignment_bytes)
        return self._blobs[key]


def write_table(program: Program, plan: StreamPlan) -> ModelTable:
    """Lays out the table. Same program and plan: same bytes.

    Raises ModelError when an extent does not fit its field, ValueError for a plan that no table can
    hold: of another program, with a ring that a step sees as other rows, or with more fed inputs or
    banks than there can be.
    """
    if len(plan.places) != len(program.values) or len(plan.scratch) != len(program.steps):
        raise ValueError("the plan is of another program")
    layout = _Layout(program, plan)
    writer = layout.writer
    name = writer.add(program.name.encode() + b"\0", "name", 1)
    layout.add_constants()
    steps = layout.add_steps()
    schedule = writer.add(b"".join(map(_turn, plan.turns)), "schedule")
    inputs = layout.add_ports(program.inputs, "inputs", _fed(plan))
    outputs = layout.add_ports(program.outputs, "outputs", frozenset())
    states = layout.add_states()
    writer.data += b"\0" * (align_up(len(writer.data)) - len(writer.data))
    if len(program.steps) >= FEED_BIT or len(writer.data) > _U32:
        raise ModelError(
            f"{program.name}: {len(program.steps)} steps in {len(writer.data):,} bytes exceed the "
            "model table",
            hint="split the model",
        )
    HEADER.pack_into(
        writer.data,
        0,
        MAGIC,
        FORMAT_VERSION if len(plan.banks) > 1 else ONE_BANK_FORMAT,
        KERNEL_SET_VERSION,
        len(writer.data),
        plan.banks[0].size_bytes if plan.banks else plan.arena_bytes,
        0,
        0,
        len(program.steps),
        len(program.inputs),
        len(program.outputs),
        sum(value.role is Role.STATE for value in program.values),
        sum(counter is not None for counter in plan.counters),
        inputs,
        outputs,
        states,
        steps,
        schedule,
        len(plan.turns),
        layout.address(plan.counters_span.offset_bytes),
        name,
        b"",
        b"",
    )
    digest = hashlib.sha256(writer.data).digest()
    writer.data[SHA256_OFFSET : SHA256_OFFSET + 32] = digest
    return ModelTable(
        bytes(writer.data), tuple(writer.sections), digest.hex(), plan.banks or (plan.one_bank,)
    )


def _turn(action: Action) -> bytes:
    match action:
        case Turn(step, rows):
            return TURN.pack(step, rows)
        case Feed(port, rows):
            return TURN.pack(FEED_BIT | port, rows)


def _bank_record(plan: StreamPlan) -> bytes:
    """The bytes of all banks but the first; empty where there is no other."""
    if len(plan.banks) > MOST_BANKS or any(b.size_bytes >> BANK_SHIFT for b in plan.banks):
        raise ValueError(f"{len(plan.banks)} banks, or one of them, exceed the model table")
    further = [bank.size_bytes for bank in plan.banks[1:]]
    return BANKS.pack(*further, *[0] * (MOST_BANKS - len(further))) if further else b""


def _fed(plan: StreamPlan) -> frozenset[int]:
    """The indices of the inputs that are fed by rows."""
    fed = frozenset(action.port for action in plan.turns if isinstance(action, Feed))
    if any(port >= MOST_FED for port in fed):
        raise ValueError(f"inputs from {MOST_FED} on cannot be fed by rows")
    return fed


class _Layout:
    """Records of a program's parts, at the addresses of a plan."""

    def __init__(self, program: Program, plan: StreamPlan) -> None:
        self.program = program
        self.plan = plan
        self.writer = _Writer(_bank_record(plan))
        self._starts = plan.bank_starts
        self._constants: dict[int, int] = {}

    def address(self, offset_bytes: int) -> int:
        """The arena address of an offset."""
        bank = self.plan.bank_at(offset_bytes)
        return bank << BANK_SHIFT | offset_bytes - self._starts[bank]

    def add_constants(self) -> None:
        """Constant operands, then all that parameters name."""
        for value in self.program.values:
            if value.role is Role.CONSTANT:
                offset = self.writer.add(value.data or b"", f"constant {value.name}", 16)
                self._constants[value.index] = offset
        for step in self.program.steps:
            for blob in blobs(step.params):
                self.writer.blob(blob)

    def add_steps(self) -> int:
        """Parameters, then operands, then the steps themselves."""
        program = self.program
        params = [self._params(step) for step in program.steps]
        operands: list[int] = []
        made = b""
        for step in program.steps:
            records = self._operands(step)
            # A step that reads what the one before wrote, in the same view, shares its record.
            shared = OPERAND.size if records[0] == made else 0
            note = f"operands of step {step.index}"
            operands.append(
                self.writer.add_chained(b"".join(records), shared, note)
                if shared
                else self.writer.add(b"".join(records), note)
            )
            made = records[-1]
        records = [
            self._step(step, *offsets)
            for step, *offsets in zip(program.steps, operands, params, strict=True)
        ]
        return self.writer.add(b"".join(records), "steps")

    def _params(self, step: Step) -> int:
        data = encode(step.params, self.writer.blob)
        return self.writer.add(data, f"parameters of step {step.index}")

    def _operands(self, step: Step) -> list[bytes]:
        """The records of a step's inputs and, last, its output."""
        if self.plan.accumulators[step.index] is not None:
            return [self._summed(step.inputs[0]), self._operand(step.output)]
        return [*map(self._operand, step.inputs), self._operand(step.output)]

    def _step(self, step: Step, operands: int, params: int) -> bytes:
        sums, scratch = self.plan.accumulators[step.index], self.plan.scratch[step.index]
        if sums is not None and (scratch is not None or len(step.inputs) != 1):
            raise ValueError(f"step {step.index} cannot accumulate")
        span = sums or scratch
        counter = self.plan.counters[step.index]
        return STEP.pack(
            step.kernel,
            len(step.inputs),
            operands,
            params,
            self.address(span.offset_bytes) if span else 0,
            span.size_bytes if span else 0,
            NO_COUNTER if counter is None else counter,
            0 if sums is None else ACCUMULATES,
        )

    def _place(self, value: int) -> Place:
        place = self.plan.places[value]
        if place is None:
            raise ValueError(f"value {value} has no place")
        return place

    def _operand(self, operand: Operand) -> bytes:
        """An operand as its step sees it; a ring must have been made of the same rows."""
        value = self.program.values[operand.value]
        row_bytes = operand.w * operand.c * value.dtype.size_bytes
        if value.role is Role.CONSTANT:
            return self._record(operand, self._constants[value.index], operand.h, row_bytes)
        place = self._place(value.index)
        depth = operand.h
        if place.depth < place.h:
            if (place.h, place.row_bytes) != (operand.h, row_bytes):
                raise ValueError(f"tensor {value.name!r} is a ring of other rows than a step sees")
            depth = place.depth
        return self._record(operand, self.address(place.offset_bytes), depth, row_bytes)

    def _summed(self, operand: Operand) -> bytes:
        """An input as rows of its place: sums do not care where a row ends."""
        place = self._place(operand.value)
        element_bytes = self.program.values[operand.value].dtype.size_bytes
        rows = Operand(operand.value, place.h, 1, place.row_bytes // element_bytes)
        return self._record(rows, self.address(place.offset_bytes), place.depth, place.row_bytes)

    def _record(self, operand: Operand, offset: int, depth: int, row_bytes: int) -> bytes:
        value = self.program.values[operand.value]
        if max(operand.h, operand.w) > _U16 or max(operand.c, row_bytes) > _U32:
            raise ModelError(
                f"tensor {value.name!r}: {operand.h} x {operand.w} x {operand.c} exceeds the model "
                "table",
                hint="no target of edgeserve can hold such a tensor",
            )
        return OPERAND.pack(
            offset,
            row_bytes,
            operand.c,
            operand.w,
            operand.h,
            depth,
            DTYPE_CODE[value.dtype],
            1 if value.role is Role.CONSTANT else 0,
        )

    def add_ports(self, ports: tuple[Port, ...], note: str, fed: frozenset[int]) -> int:
        records = [self._port(port, index in fed) for index, port in enumerate(ports)]
        return self.writer.add(b"".join(records), note)

    def _port(self, port: Port, fed: bool) -> bytes:
        elements = prod(port.shape)
        dims = struct.pack(f"<{len(port.shape)}I", *port.shape)
        place = self._place(port.value)
        if not fed and place.depth < place.h:
            raise ValueError(f"{port.name!r} is not whole in the arena")
        rows = 0
        if fed:
            record = self._summed(Operand(port.value, 1, 1, elements))
            rows = self.writer.add(record, f"operands of {port.name}")
        return PORT.pack(
            self.address(place.offset_bytes),
            elements * port.dtype.size_bytes,
            elements,
            port.quant.scale if port.quant else 0.0,
            port.quant.zero_point if port.quant else 0,
            self.writer.add(dims, f"shape of {port.name}"),
            self.writer.add(port.name.encode() + b"\0", f"name of {port.name}", 1),
            DTYPE_CODE[port.dtype],
            len(port.shape),
            0,
            rows,
        )

    def add_states(self) -> int:
        records = [
            STATE.pack(
                self.address(self._place(value.index).offset_bytes), value.size_bytes, value.fill
            )
            for value in self.program.values
            if value.role is Role.STATE
        ]
        return self.writer.add(b"".join(records), "states")

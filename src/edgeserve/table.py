"""The model table: a program and its plan as the bytes that the runtime reads.

``docs/FORMAT.md`` states every record. The C side is ``firmware/runtime/es_table.h``.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from edgeserve.arena import align_up
from edgeserve.errors import ModelError
from edgeserve.graph import DType
from edgeserve.kernels.record import KERNEL_SET_VERSION, Blob, blobs, encode
from edgeserve.program import Operand, Port, Program, Role, Step
from edgeserve.stream_plan import MOST_FED, Action, BankUse, Feed, Place, StreamPlan, Turn

MAGIC = 0x314D5345
FORMAT_VERSION = 5
HEADER = struct.Struct("<IHHI4II6HIIIHH32s64s")
MOST_BANKS = 4
BANK_SHIFT = 30
"""An arena address has the bank from this bit on, and the offset in the bank below."""
MOST_BANK_BYTES = (1 << BANK_SHIFT) - 16
"""So that where a bank ends is an address of 32 bits."""
STEP = struct.Struct("<HHHHIIIHH")
OPERAND = struct.Struct("<IIHHHBB")
TURN = struct.Struct("<HH")
PORT = struct.Struct("<fiIHBB")
STATE = struct.Struct("<III")
SHA256_OFFSET = 60
TABLE_LIMIT = 1 << 31
"""A table is shorter."""
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

    def __init__(self) -> None:
        self.data = bytearray(HEADER.size)
        self.sections: list[Section] = [Section(0, len(self.data), "header")]
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
    writer.add(program.name.encode() + b"\0", "name", 1)
    layout.add_constants()
    params = layout.add_params()
    records = layout.add_records(params)
    # The last byte is zero, so every text has an end, and behind parameters there is room for the
    # longest that a kernel can have.
    used = len(writer.data)
    needed = max(used + 1, max(params, default=0) + HEADER.size)
    writer.data += b"\0" * (align_up(needed) - used)
    _check_counts(program, layout)
    asked = _bank_bytes(plan)
    HEADER.pack_into(
        writer.data,
        0,
        MAGIC,
        FORMAT_VERSION,
        KERNEL_SET_VERSION,
        len(writer.data),
        *asked,
        *[0] * (MOST_BANKS - len(asked)),
        0,
        0,
        len(layout.views),
        len(program.steps),
        len(program.inputs),
        len(program.outputs),
        sum(value.role is Role.STATE for value in program.values),
        len(plan.turns),
        records,
        layout.address(plan.counters_span.offset_bytes),
        sum(counter is not None for counter in plan.counters),
        len(asked),
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


def _check_counts(program: Program, layout: _Layout) -> None:
    steps, operands, table_bytes = len(program.steps), len(layout.views), len(layout.writer.data)
    if steps >= FEED_BIT or operands > _U16 or table_bytes >= TABLE_LIMIT:
        raise ModelError(
            f"{program.name}: {steps} steps with {operands} operands in {table_bytes:,} bytes "
            "exceed the model table",
            hint="split the model",
        )


def _bank_bytes(plan: StreamPlan) -> list[int]:
    """What the table asks for in each bank."""
    if len(plan.banks) > MOST_BANKS or any(b.size_bytes > MOST_BANK_BYTES for b in plan.banks):
        raise ValueError(f"{len(plan.banks)} banks, or one of them, exceed the model table")
    return [bank.size_bytes for bank in plan.banks] or [plan.arena_bytes]


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
        self.writer = _Writer()
        self.views = _Views()
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

    def add_params(self) -> list[int]:
        """The parameters of all steps: where each lies."""
        return [
            self.writer.add(
                encode(step.params, self.writer.blob), f"parameters of step {step.index}"
            )
            for step in self.program.steps
        ]

    def add_records(self, params: list[int]) -> int:
        """Where the records begin: operands, steps, turns, ports and states in one run."""
        program, fed = self.program, _fed(self.plan)
        runs = [self.views.add_run(self._operands(step)) for step in program.steps]
        inputs = [self._port_view(port, index in fed) for index, port in enumerate(program.inputs)]
        outputs = [self._port_view(port, False) for port in program.outputs]
        steps = [
            self._step(step, self.views.index_of(run), offset)
            for step, run, offset in zip(program.steps, runs, params, strict=True)
        ]
        input_records = [
            self._port(port, view, index in fed)
            for index, (port, view) in enumerate(zip(program.inputs, inputs, strict=True))
        ]
        output_records = [
            self._port(port, view, False)
            for port, view in zip(program.outputs, outputs, strict=True)
        ]
        first = self.writer.add(b"".join(self.views.records()), "operands")
        self.writer.add(b"".join(steps), "steps")
        self.writer.add(b"".join(map(_turn, self.plan.turns)), "schedule")
        self.writer.add(b"".join(input_records), "inputs")
        self.writer.add(b"".join(output_records), "outputs")
        self.writer.add(b"".join(self._states()), "states")
        return first

    def _operands(self, step: Step) -> list[bytes]:
        """The records of a step's inputs and, last, its output."""
        if self.plan.accumulators[step.index] is None:
            return [*map(self._operand, step.inputs), self._operand(step.output)]
        # Sums do not care where a row ends: the view of whoever wrote it will do.
        summed = self._rows_of_place(step.inputs[0].value)
        return [self.views.with_rows_of(summed), self._operand(step.output)]

    def _step(self, step: Step, operands: int, params: int) -> bytes:
        sums, scratch = self.plan.accumulators[step.index], self.plan.scratch[step.index]
        if sums is not None and (scratch is not None or len(step.inputs) != 1):
            raise ValueError(f"step {step.index} cannot accumulate")
        span = sums or scratch
        counter = self.plan.counters[step.index]
        return STEP.pack(
            step.kernel,
            operands,
            len(step.inputs),
            0,
            params,
            self.address(span.offset_bytes) if span else 0,
            span.size_bytes if span else 0,
            0 if sums is None else ACCUMULATES,
            0 if counter is None else 1 + counter,
        )

    def _place(self, value: int) -> Place:
        place = self.plan.places[value]
        if place is None:
            raise ValueError(f"value {value} has no place")
        return place

    def _operand(self, operand: Operand) -> bytes:
        """An operand as its step sees it; a ring must have been made of the same rows."""
        value = self.program.values[operand.value]
        if value.role is Role.CONSTANT:
            return self._record(operand, self._constants[value.index], operand.h)
        place = self._place(value.index)
        depth = operand.h
        if place.depth < place.h:
            row_bytes = operand.w * operand.c * value.dtype.size_bytes
            if (place.h, place.row_bytes) != (operand.h, row_bytes):
                raise ValueError(f"tensor {value.name!r} is a ring of other rows than a step sees")
            depth = place.depth
        return self._record(operand, self.address(place.offset_bytes), depth)

    def _rows_of_place(self, value: int) -> bytes:
        """A tensor as the rows of its place, whatever their cut."""
        place = self._place(value)
        element_bytes = self.program.values[value].dtype.size_bytes
        rows = Operand(value, place.h, 1, place.row_bytes // element_bytes)
        return self._record(rows, self.address(place.offset_bytes), place.depth)

    def _record(self, operand: Operand, offset: int, depth: int) -> bytes:
        value = self.program.values[operand.value]
        row_bytes = operand.w * operand.c * value.dtype.size_bytes
        if max(operand.h, operand.w) > _U16 or row_bytes > _U32:
            raise ModelError(
                f"tensor {value.name!r}: {operand.h} x {operand.w} x {operand.c} exceeds the model "
                "table",
                hint="no target of edgeserve can hold such a tensor",
            )
        return OPERAND.pack(
            offset,
            operand.c,
            operand.w,
            operand.h,
            depth,
            DTYPE_CODE[value.dtype],
            1 if value.role is Role.CONSTANT else 0,
        )

    def _port_view(self, port: Port, fed: bool) -> _Spot:
        """The operand that is this tensor: one of a step's, if there is any."""
        place = self._place(port.value)
        if not fed and place.depth < place.h:
            raise ValueError(f"{port.name!r} is not whole in the arena")
        return self.views.add_tensor(self._rows_of_place(port.value), by_rows=fed)

    def _port(self, port: Port, view: _Spot, fed: bool) -> bytes:
        shape = struct.pack(f"<{len(port.shape)}I", *port.shape)
        return PORT.pack(
            port.quant.scale if port.quant else 0.0,
            port.quant.zero_point if port.quant else 0,
            self.writer.add(shape + port.name.encode() + b"\0", f"shape and name of {port.name}"),
            self.views.index_of(view),
            len(port.shape),
            int(fed),
        )

    def _states(self) -> list[bytes]:
        return [
            STATE.pack(
                self.address(self._place(value.index).offset_bytes), value.size_bytes, value.fill
            )
            for value in self.program.values
            if value.role is Role.STATE
        ]


_Spot: TypeAlias = tuple[int, int]
"""A chain of operand records, and a place in it."""


class _Views:
    """The operands of all steps: each has a run of them, which shares what it can.

    A run that begins as a chain of runs ends goes on there, so in a chain of layers each tensor
    stands once.
    """

    def __init__(self) -> None:
        self._chains: list[list[bytes]] = []

    def __len__(self) -> int:
        return sum(map(len, self._chains))

    def add_run(self, run: list[bytes]) -> _Spot:
        for index, links in reversed(tuple(enumerate(self._chains))):
            for shared in range(len(run), 0, -1):
                if links[-shared:] == run[:shared]:
                    links += run[shared:]
                    return index, len(links) - len(run)
        self._chains.append(list(run))
        return len(self._chains) - 1, 0

    def add_tensor(self, record: bytes, *, by_rows: bool) -> _Spot:
        """A tensor in any cut of its elements, or in its own rows: those that turns feed."""
        same = _rows if by_rows else _tensor
        for index, links in enumerate(self._chains):
            for place, other in enumerate(links):
                if same(other) == same(record):
                    return index, place
        return self.add_run([record])

    def with_rows_of(self, record: bytes) -> bytes:
        """The same rows in whatever cut they end a chain, so that a run can go on there."""
        ends = (links[-1] for links in reversed(self._chains))
        return next((end for end in ends if _rows(end) == _rows(record)), record)

    def index_of(self, spot: _Spot) -> int:
        """The index in ``records``, as long as no run is added."""
        index, place = spot
        return sum(map(len, self._chains[:index])) + place

    def records(self) -> Iterator[bytes]:
        return chain.from_iterable(self._chains)


def _rows(record: bytes) -> tuple[int, ...]:
    """An operand but for how its rows are cut into pixels."""
    offset, c, w, *rest = OPERAND.unpack(record)
    return offset, c * w, *rest


def _tensor(record: bytes) -> tuple[int, ...]:
    """An operand but for how its elements are cut, where a whole tensor, into rows and pixels."""
    offset, row, h, depth, *rest = _rows(record)
    return (offset, row * h, 0, 0, *rest) if depth == h else (offset, row, h, depth, *rest)

"""Memory plans in TensorFlow Lite Micro's own form: offsets that a ``.tflite`` file carries.

TFLM plans its arena on the device, greedily. A file whose metadata holds an entry
``OfflineMemoryAllocation`` spares it that: the entry's buffer is a list of little-endian int32, the
format's version, the subgraph, the number of its tensors, and for each of them an offset from the
start of the arena's head, or -1 to leave it to TFLM. Source: "Offline planned tensor allocations"
in TFLM's ``docs/memory_management.md``.

The plan is of whole tensors as the file has them, which is what TFLM executes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import pack_into

from edgeserve.arena import (
    ALIGNMENT_BYTES,
    ArenaPlan,
    Buffer,
    Problem,
    align_up,
    check,
)
from edgeserve.errors import ModelError, PlanError
from edgeserve.file_swap import write_where_asked
from edgeserve.graph import Graph, Tensor
from edgeserve.plan import plan_arena, plan_greedily
from edgeserve.tflite import schema
from edgeserve.tflite.flatbuffer import Source, Table
from edgeserve.tflite.reader import MAX_TABLES, open_model, read_model

METADATA_NAME = "OfflineMemoryAllocation"
FORMAT_VERSION = 1
LEFT_TO_TFLM = -1

_MAX_OFFSET = (1 << 31) - 1
_FRONT_ALIGNMENT_BYTES = 64
"""What lies behind the new front keeps its alignment; the schema asks for 16 at most."""


@dataclass(frozen=True, slots=True)
class OfflinePlan:
    """Where TFLM shall put a model's tensors.

    ``offsets_bytes`` are by tensor index; tensors that TFLM keeps elsewhere (constants, variables)
    are not in it. ``greedy_bytes`` is the arena head that TFLM's own planner needs for the same
    tensors. Both leave out the scratch of TFLM's kernels, which it places by itself.
    """

    offsets_bytes: Mapping[int, int]
    plan: ArenaPlan
    greedy_bytes: int

    @property
    def arena_bytes(self) -> int:
        return self.plan.arena_bytes


def offline_plan(graph: Graph) -> OfflinePlan:
    """Plan a model's tensors, alive as TFLM has it, as small as the search can.

    An input lives from before the first operator, an output until after the last, and within an
    operator all its tensors are alive. Raises PlanError when the arena is beyond int32.
    """
    lives = _lives(graph)
    problem = Problem(tuple(_buffer(graph.tensors[index], lives[index]) for index in lives))
    plan = plan_arena(problem)
    check(problem, plan)
    if plan.arena_bytes > _MAX_OFFSET:
        raise PlanError(
            f"the tensors need {plan.arena_bytes:,} bytes, and TFLM's offsets end at 2 GiB",
            hint="no microcontroller has that much memory: make the model smaller",
        )
    # Among equal sizes TFLM places the tensor that comes last in the file first.
    greedy = plan_greedily(Problem(problem.buffers[::-1]))
    return OfflinePlan(
        offsets_bytes=dict(zip(lives, plan.offsets_bytes, strict=True)),
        plan=plan,
        greedy_bytes=greedy.arena_bytes,
    )


def _buffer(tensor: Tensor, life: tuple[int, int]) -> Buffer:
    return Buffer(tensor.name, *life, align_up(tensor.size_bytes))


def _lives(graph: Graph) -> dict[int, tuple[int, int]]:
    """The half-open lifetime of each tensor in the arena's head; operator ``i`` is time ``i + 1``.

    Constants lie in the file, variables in the arena's tail, and tensors that nothing reads or
    writes (LSTM's quantization records) have no bytes.
    """
    lives: dict[int, tuple[int, int]] = {}

    def use(index: int | None, time: int) -> None:
        if index is not None and _is_planned(graph.tensors[index]):
            first, end = lives.get(index, (time, time))
            lives[index] = first, max(end, time + 1)

    for index in graph.inputs:
        use(index, 0)
    for time, op in enumerate(graph.ops, start=1):
        for tensor in (*op.inputs, *op.outputs):
            use(tensor, time)
    for index in graph.outputs:
        use(index, len(graph.ops))
    return dict(sorted(lives.items()))


def _is_planned(tensor: Tensor) -> bool:
    return tensor.data is None and not tensor.is_variable and tensor.size_bytes > 0


def annotate(model_tflite: bytes, offsets: Mapping[int, int]) -> bytes:
    """The model with an ``OfflineMemoryAllocation`` that puts tensor ``i`` at ``offsets[i]``.

    Tensors without an offset are left to TFLM. An allocation that the file has already is replaced.
    Every byte of the given file is in the result, behind a new root table: a FlatBuffer's offsets
    point forward only, so a longer list of buffers has to lie in front of the buffers. Raises
    ModelError for a damaged file and for one that keeps constants behind the FlatBuffer, where TFLM
    does not look; ValueError for an offset that is negative, not aligned, or of no tensor.
    """
    graph = read_model(model_tflite, name="model")
    for index, offset in offsets.items():
        if not 0 <= index < len(graph.tensors):
            raise ValueError(f"tensor {index} is not in the file")
        if not 0 <= offset <= _MAX_OFFSET or offset % ALIGNMENT_BYTES:
            raise ValueError(f"{offset} is no offset for tensor {index}")
    model = open_model(Source(model_tflite))
    _refuse_unknown_fields(model)
    given = (offsets.get(index, LEFT_TO_TFLM) for index in range(len(graph.tensors)))
    numbers = (FORMAT_VERSION, 0, len(graph.tensors), *given)
    return _front(model, _inside_buffers(model), _other_metadata(model), numbers) + model_tflite


def write_annotated(destination: Path, model_tflite: bytes, planned: OfflinePlan) -> None:
    """Write the model with its plan inside to ``destination``, whole or not at all.

    Raises what ``annotate`` does, and ConfigError when the disk refuses.
    """
    write_where_asked(destination, annotate(model_tflite, planned.offsets_bytes))


def _refuse_unknown_fields(model: Table) -> None:
    for slot in range(schema.Model.SIGNATURE_DEFS.slot + 1, model.slots()):
        if model.has(slot):
            raise ModelError(
                f"the model has a field of a later schema (slot {slot}), which cannot be kept",
                hint="annotate a file in the schema of LiteRT 2.3.0",
            )


def _inside_buffers(model: Table) -> list[int]:
    """The positions of the model's buffers, none of which has its data behind the FlatBuffer."""
    buffers = list(model.tables(schema.Model.BUFFERS, "buffer", most=MAX_TABLES))
    if not buffers:
        model.fail("it has no buffers")
    for buffer in buffers:
        if buffer.scalar(schema.Buffer.OFFSET) >= schema.LEAST_DATA_OFFSET_BYTES:
            raise ModelError(
                f"{buffer.where} has its data behind the FlatBuffer, where TFLM does not look",
                hint="convert the model again without the option for files beyond 2 GB",
            )
    return [buffer.position for buffer in buffers]


def _other_metadata(model: Table) -> list[int]:
    """The positions of the model's metadata entries but an allocation."""
    entries = model.tables(schema.Model.METADATA, "metadata entry", most=MAX_TABLES)
    return [e.position for e in entries if e.string(schema.Metadata.NAME) != METADATA_NAME]


_KEPT = (
    schema.Model.OPERATOR_CODES,
    schema.Model.SUBGRAPHS,
    schema.Model.DESCRIPTION,
    schema.Model.METADATA_BUFFER,
    schema.Model.SIGNATURE_DEFS,
)
_MODEL_SLOTS = 8
_HEADER_BYTES = 8
_WORD_BYTES = 4


class _Front:
    """The bytes in front of a file, laid out from the first to the last.

    ``reserve`` gives places; when all are given, offsets are written, since they point forward.
    """

    def __init__(self) -> None:
        self.size_bytes = _HEADER_BYTES

    def reserve(self, size_bytes: int, alignment_bytes: int = _WORD_BYTES) -> int:
        at = align_up(self.size_bytes, alignment_bytes)
        self.size_bytes = at + size_bytes
        return at


def _front(
    model: Table, buffers: Sequence[int], metadata: Sequence[int], numbers: Sequence[int]
) -> bytes:
    """The header, a root table, and all that is new, to be put before the whole given file.

    ``buffers`` and ``metadata`` are positions of tables in the given file.
    """
    name = METADATA_NAME.encode()
    layout = _Front()
    root_vtable = layout.reserve(4 + 2 * _MODEL_SLOTS)
    root = layout.reserve(_WORD_BYTES * (1 + _MODEL_SLOTS))
    all_buffers = layout.reserve(_WORD_BYTES * (len(buffers) + 2))
    all_metadata = layout.reserve(_WORD_BYTES * (len(metadata) + 2))
    entry_vtable = layout.reserve(8)
    entry = layout.reserve(12)
    buffer_vtable = layout.reserve(6)
    buffer = layout.reserve(8)
    text = layout.reserve(_WORD_BYTES + len(name) + 1)
    # The schema aligns the numbers themselves, which follow their count, to 16.
    layout.reserve(_WORD_BYTES)
    data = layout.reserve(_WORD_BYTES * len(numbers), ALIGNMENT_BYTES) - _WORD_BYTES
    shift = layout.reserve(0, _FRONT_ALIGNMENT_BYTES)

    front = bytearray(shift)
    pack_into("<I4s", front, 0, root, schema.FILE_IDENTIFIER)
    _pack_root(front, root_vtable, root, model, all_buffers, all_metadata)
    _pack_tables(front, all_buffers, [*(at + shift for at in buffers), buffer])
    _pack_tables(front, all_metadata, [*(at + shift for at in metadata), entry])
    pack_into("<4H", front, entry_vtable, 8, 12, 4, 8)
    pack_into("<iII", front, entry, entry - entry_vtable, text - (entry + 4), len(buffers))
    pack_into("<3H", front, buffer_vtable, 6, 8, 4)
    pack_into("<iI", front, buffer, buffer - buffer_vtable, data - (buffer + 4))
    pack_into(f"<I{len(name)}s", front, text, len(name), name)
    pack_into(f"<I{len(numbers)}i", front, data, len(numbers) * _WORD_BYTES, *numbers)
    return bytes(front)


def _pack_root(
    front: bytearray, vtable: int, root: int, model: Table, buffers: int, metadata: int
) -> None:
    """Every field of the given root, by its slot; an absent one has 0 in the vtable."""
    targets = {schema.Model.BUFFERS.slot: buffers, schema.Model.METADATA.slot: metadata}
    for field in _KEPT:
        target = model.target(field)
        if target is not None:
            targets[field.slot] = target + len(front)
    version = schema.Model.VERSION.slot
    table_bytes = _WORD_BYTES * (1 + _MODEL_SLOTS)
    places = [_WORD_BYTES * (1 + slot) for slot in range(_MODEL_SLOTS)]
    entries = [p if s == version or s in targets else 0 for s, p in enumerate(places)]
    pack_into(f"<{2 + _MODEL_SLOTS}H", front, vtable, 4 + 2 * _MODEL_SLOTS, table_bytes, *entries)
    pack_into("<i", front, root, root - vtable)
    pack_into("<I", front, root + places[version], schema.SCHEMA_VERSION)
    for slot, target in targets.items():
        at = root + places[slot]
        pack_into("<I", front, at, target - at)


def _pack_tables(front: bytearray, at: int, targets: Sequence[int]) -> None:
    """A vector of tables at ``at``."""
    pack_into("<I", front, at, len(targets))
    for place, target in enumerate(targets, start=1):
        here = at + _WORD_BYTES * place
        pack_into("<I", front, here, target - here)

"""The model table as it is written: what records share."""

from __future__ import annotations

from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.table import HEADER, OPERAND, write_table
from edgeserve.tflite.reader import read_model
from tests.kernels.streamed import summing
from tests.table_fields import (
    OPERAND_COUNT,
    STEP_OPERANDS,
    STEP_PARAMS,
    TOTAL_BYTES,
    operand_at,
    port_operand,
    step_at,
    u16_at,
    u32_at,
)
from tests.tflite_builder import ModelBuilder


def first_operand(data: bytes, step: int) -> int:
    """The index of a step's first operand."""
    return u16_at(data, step_at(data, step) + STEP_OPERANDS)


def test_a_step_shares_the_record_of_what_the_step_before_wrote() -> None:
    program = lower(read_model(summing("AVERAGE_POOL_2D", (1, 4, 3, 5)), name="chain"))
    plan = whole_plan(program)
    data = write_table(program, plan).data
    first, second = (first_operand(data, step) for step in range(2))
    made, read = program.steps[0].output, program.steps[1].inputs[0]
    assert (made.h, made.w, made.c) == (read.h, read.w, read.c)
    assert second == first + 1
    place = plan.places[read.value]
    assert place is not None
    assert OPERAND.unpack_from(data, operand_at(data, 1, 0))[:4] == (
        place.offset_bytes,
        read.c,
        read.w,
        read.h,
    )


def test_another_view_of_the_same_bytes_has_its_own_record() -> None:
    program = lower(read_model(summing("FULLY_CONNECTED", (1, 4, 3, 5)), name="views"))
    data = write_table(program, whole_plan(program)).data
    first, second = (first_operand(data, step) for step in range(2))
    made, read = program.steps[0].output, program.steps[1].inputs[0]
    assert (made.h, made.w, made.c) != (read.h, read.w, read.c)
    assert second == first + 2


def test_behind_parameters_there_is_room_for_the_longest_that_a_kernel_can_have() -> None:
    for kind in ("AVERAGE_POOL_2D", "FULLY_CONNECTED"):
        program = lower(read_model(summing(kind, (1, 4, 3, 5)), name="short"))
        data = write_table(program, whole_plan(program)).data
        for step in range(len(program.steps)):
            params = u32_at(data, step_at(data, step) + STEP_PARAMS)
            assert params + HEADER.size <= len(data)
        assert len(data) % 16 == 0
        assert u32_at(data, TOTAL_BYTES) == len(data)
        assert data[-1] == 0


def block() -> bytes:
    """x -> pool -> pool -> add of both pools: the skip is read again behind what follows it."""
    b = ModelBuilder()
    extents = (1, 4, 4, 3)
    x, first, second, y = (
        b.tensor(name, extents, "int8", scale=0.05, zero_point=3) for name in "xpqy"
    )
    window = {"padding": "SAME", "strideW": 1, "strideH": 1, "filterWidth": 2, "filterHeight": 2}
    b.op("MAX_POOL_2D", [x], [first], window)
    b.op("MAX_POOL_2D", [first], [second], window)
    b.op("ADD", [second, first], [y], version=2)
    b.op(
        "MAX_POOL_2D",
        [first],
        [z := b.tensor("z", extents, "int8", scale=0.05, zero_point=3)],
        window,
    )
    b.op(
        "ADD", [y, z], [out := b.tensor("out", extents, "int8", scale=0.1, zero_point=3)], version=2
    )
    return b.finish([x], [out])


def test_runs_of_operands_overlap_wherever_a_chain_ends_in_what_they_begin_with() -> None:
    """x p q | q p y | p z | y z out: the last goes on behind y, past the run between them."""
    program = lower(read_model(block(), name="block"))
    data = write_table(program, whole_plan(program)).data
    runs = [len(step.inputs) + 1 for step in program.steps]
    assert runs == [2, 2, 3, 2, 3]
    first = [first_operand(data, step) for step in range(5)]
    assert first == [0, 1, 2, 7, 4]
    assert u16_at(data, OPERAND_COUNT) == 9


def test_a_port_names_an_operand_that_a_step_has() -> None:
    """Or one of another tensor, where that had its memory and its extents before."""
    program = lower(read_model(block(), name="block"))
    data = write_table(program, whole_plan(program)).data
    seen = (operand_at(data, 0, 0), operand_at(data, 4, 2))
    for port, operand in enumerate(seen):
        named = operand_at(data, 0, 0) + port_operand(data, port) * OPERAND.size
        assert data[named : named + OPERAND.size] == data[operand : operand + OPERAND.size]


def test_the_name_stands_behind_the_header() -> None:
    program = lower(read_model(block(), name="block of pools"))
    data = write_table(program, whole_plan(program)).data
    assert data[HEADER.size :].startswith(b"block of pools\0")

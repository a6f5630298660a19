"""The model table as it is written: what records share."""

from __future__ import annotations

from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.table import HEADER, OPERAND, write_table
from edgeserve.tflite.reader import read_model
from tests.kernels.streamed import summing
from tests.table_fields import (
    STEP_OPERANDS,
    STEP_PARAMS,
    TOTAL_BYTES,
    operand_at,
    step_at,
    u16_at,
    u32_at,
)


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

"""The model table as it is written: what records share."""

from __future__ import annotations

import struct

from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.table import OPERAND, STEP, write_table
from edgeserve.tflite.reader import read_model
from tests.kernels.streamed import summing

STEPS = 44
"""Offset in the header."""


def test_a_step_shares_the_record_of_what_the_step_before_wrote() -> None:
    program = lower(read_model(summing("AVERAGE_POOL_2D", (1, 4, 3, 5)), name="chain"))
    plan = whole_plan(program)
    data = write_table(program, plan).data
    (steps,) = struct.unpack_from("<I", data, STEPS)
    first, second = (STEP.unpack_from(data, steps + i * STEP.size)[2] for i in range(2))
    made, read = program.steps[0].output, program.steps[1].inputs[0]
    assert (made.h, made.w, made.c) == (read.h, read.w, read.c)
    assert second == first + OPERAND.size
    place = plan.places[read.value]
    assert place is not None
    assert OPERAND.unpack_from(data, second)[:5] == (
        place.offset_bytes,
        read.w * read.c,
        read.c,
        read.w,
        read.h,
    )


def test_another_view_of_the_same_bytes_has_its_own_record() -> None:
    program = lower(read_model(summing("FULLY_CONNECTED", (1, 4, 3, 5)), name="views"))
    data = write_table(program, whole_plan(program)).data
    (steps,) = struct.unpack_from("<I", data, STEPS)
    first, second = (STEP.unpack_from(data, steps + i * STEP.size)[2] for i in range(2))
    made, read = program.steps[0].output, program.steps[1].inputs[0]
    assert (made.h, made.w, made.c) != (read.h, read.w, read.c)
    assert second == first + 2 * OPERAND.size

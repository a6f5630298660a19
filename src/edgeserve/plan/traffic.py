"""How many bytes of each buffer an inference reads and writes: what slow memory is paid for.

An estimate that steers where buffers go, in whole rows: a window reads each of its rows once an
output row, whatever its kernel keeps in registers.
"""

from __future__ import annotations

from edgeserve.kernels.portable import CopyParams
from edgeserve.program import Operand, Program, Role, Step
from edgeserve.rows import Accumulate, Reach, Whole, reaches, rows_read


def value_traffic(program: Program) -> dict[int, int]:
    """Bytes read and written of each value (index). The caller writes inputs and reads outputs."""
    traffic = {value.index: 0 for value in program.values}
    for port in (*program.inputs, *program.outputs):
        traffic[port.value] += program.values[port.value].size_bytes
    for step in program.steps:
        traffic[step.output.value] += program.values[step.output.value].size_bytes
        for operand, reach in zip(step.inputs, reaches(program, step), strict=True):
            value = program.values[operand.value]
            traffic[value.index] += _read_bytes(program, step, operand, reach)
            if value.role is Role.STATE:
                traffic[value.index] += value.size_bytes
    return traffic


def _read_bytes(program: Program, step: Step, operand: Operand, reach: Reach) -> int:
    """What a step reads of an input, each row as often as it is; a copy reads what it writes."""
    if isinstance(step.params, CopyParams):
        return program.values[step.output.value].size_bytes
    if isinstance(reach, Accumulate | Whole):
        return program.values[operand.value].size_bytes
    row_bytes = operand.w * operand.c * program.values[operand.value].dtype.size_bytes
    ranges = (rows_read(reach, row, operand.h) for row in range(step.output.h))
    return row_bytes * sum(end - first for first, end in ranges)


def scratch_traffic(scratch_bytes: int, rows: int) -> int:
    """Scratch is written and read once an output row."""
    return 2 * scratch_bytes * rows


def sums_traffic(sums_bytes: int, rows: int) -> int:
    """Sums are read and written once an input row."""
    return 2 * sums_bytes * rows


def counter_traffic(turns: int) -> int:
    """A uint16 is read and written once a turn."""
    return 4 * turns

"""A program of two fully connected steps, made by hand, and what it must compute."""

from __future__ import annotations

from collections.abc import Sequence

from edgeserve.arena import ArenaPlan
from edgeserve.graph import DType, Quant
from edgeserve.kernels.portable import FullyConnectedParams
from edgeserve.kernels.record import Blob, channel_table
from edgeserve.memory import memory_problem
from edgeserve.program import Operand, Oracle, Port, Program, Step, Value
from edgeserve.stream_plan import StreamPlan

WEIGHTS = (
    ((1, -2, 3, -4), (5, 6, -7, 8), (-9, 10, 11, -12)),
    ((100, -50, 25), (-128, 127, 1)),
)
BIASES = ((10, -20, 30), (400, -500))
HALF = 1 << 30
"""The Q31 multiplier 0.5; with shift -3 a sixteenth."""
SHIFT = -3
ZERO_POINT = -7


def tiny_program(
    name: str = "tiny", *, tensor: str = "x", input_dtype: DType = DType.INT8
) -> Program:
    """``tensor`` begins every name of a tensor in it."""
    return Program(
        name=name,
        values=(
            Value(0, f"{tensor}/in", input_dtype, 4),
            Value(1, f"{tensor}/hidden", DType.INT8, 3),
            Value(2, f"{tensor}/out", DType.INT8, 2),
        ),
        steps=(_step(0, tensor, 4, 3), _step(1, tensor, 3, 2)),
        inputs=(Port(f"{tensor}/in", 0, (1, 4), input_dtype, Quant((0.5,), (-1,)), 0),),
        outputs=(Port(f"{tensor}/out", 2, (1, 2), DType.INT8, Quant((0.25,), (ZERO_POINT,)), 2),),
        folded=(),
    )


def tiny_memory(program: Program) -> StreamPlan:
    """Buffers one after the other, so that the plan is the same whatever the planner does."""
    problem = memory_problem(program)
    offsets = []
    end = 0
    for buffer in problem.problem.buffers:
        offsets.append(end)
        end += buffer.size_bytes
    return problem.placed(ArenaPlan(tuple(offsets), end, 32, False, 0))


def tiny_steps(values: Sequence[int]) -> list[list[int]]:
    """What the two steps write for an input, by plain integers."""
    outputs = []
    for weights, biases in zip(WEIGHTS, BIASES, strict=True):
        sums = [
            bias + sum(w * v for w, v in zip(row, values, strict=True))
            for row, bias in zip(weights, biases, strict=True)
        ]
        values = [max(-128, min(127, ((acc + 8) >> 4) + ZERO_POINT)) for acc in sums]
        outputs.append(list(values))
    return outputs


def _step(index: int, tensor: str, depth: int, outputs: int) -> Step:
    weights = bytes(w & 0xFF for row in WEIGHTS[index] for w in row)
    params = FullyConnectedParams(
        output_zero_point=ZERO_POINT,
        act_min=-128,
        act_max=127,
        weights=Blob(weights, f"weights of {tensor}"),
        channels=channel_table(
            BIASES[index], [HALF] * outputs, [SHIFT] * outputs, f"channels of {tensor}"
        ),
    )
    return Step(
        index=index,
        op=index,
        label=f"{tensor}/{index}",
        params=params,
        inputs=(Operand(index, 1, 1, depth),),
        output=Operand(index + 1, 1, 1, outputs),
        oracle=Oracle(index + 1),
        macs=depth * outputs,
    )

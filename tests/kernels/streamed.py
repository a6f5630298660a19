"""Plans that let programs run row by row, for tests of kernels on rings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeserve.arena import ALIGNMENT_BYTES, align_up
from edgeserve.banks import Bank
from edgeserve.kernels.portable import CopyParams
from edgeserve.plan.order import orders_of
from edgeserve.plan.stream import tasks_of
from edgeserve.plan.streaming import Method, feedable, plan_groups
from edgeserve.program import Operand, Port, Program, Step, Value
from edgeserve.stream_plan import StreamPlan
from tests.tflite_builder import ModelBuilder

SUMMING = ("FULLY_CONNECTED", "AVERAGE_POOL_2D", "MEAN", "SUM", "REDUCE_MAX")
"""Operators that can take up their input row by row."""


def in_one_group(program: Program, rows: int, *, fed: bool = True) -> StreamPlan:
    """All steps take turns of ``rows`` rows; every input that can be fed is, unless not ``fed``."""
    method = Method(feeds=feedable(program) if fed else (), node_budget=400)
    order = orders_of(program)[0]
    tasks = tasks_of(program, order, method.feeds, method.kernels)
    return plan_groups(program, order, [(len(tasks), rows)], method)


def in_small_banks(program: Program, plan: StreamPlan, rows: int) -> StreamPlan:
    """All steps in turns of ``rows`` rows, in up to four banks, of which the last alone could hold
    all of ``plan``.
    """
    quarter = align_up(plan.arena_bytes // 4)
    sizes = (quarter, quarter, align_up(plan.arena_bytes // 2 - ALIGNMENT_BYTES), 1 << 20)
    banks = tuple(Bank(f"bank {i}", size, i + 1) for i, size in enumerate(sizes))
    method = Method(feeds=feedable(program), node_budget=400, banks=banks)
    order = orders_of(program)[0]
    tasks = tasks_of(program, order, method.feeds, method.kernels)
    return plan_groups(program, order, [(len(tasks), rows)], method)


def with_copies(program: Program) -> Program:
    """The program with a copy of each output behind it, so that its own outputs may be rings."""
    values, steps, outputs = list(program.values), list(program.steps), []
    made = {step.output.value: step for step in program.steps}
    for port in program.outputs:
        view = made[port.value].output
        copy = replace(values[port.value], index=len(values), name=f"copy of {port.name}")
        values.append(copy)
        steps.append(_copy_of(len(steps), port, view, copy))
        outputs.append(replace(port, value=copy.index))
    return replace(program, values=tuple(values), steps=tuple(steps), outputs=tuple(outputs))


def _copy_of(index: int, port: Port, view: Operand, copy: Value) -> Step:
    row = view.w * view.c
    params = CopyParams(
        first_row=0,
        row_step=1,
        start=0,
        dims=(view.h, 1, 1, 1, 1, row),
        strides=(0, 0, 0, 0, 0, 1),
    )
    return Step(
        index=index,
        op=index,
        label=f"copy of {port.name}",
        params=params,
        inputs=(view,),
        output=replace(view, value=copy.index),
        oracle=None,
    )


def summing(kind: str, shape: tuple[int, int, int, int]) -> bytes:
    """A look-up, then one of ``SUMMING``."""
    b = ModelBuilder()
    x = b.tensor("x", shape, "int8", scale=0.05, zero_point=-2)
    v = b.tensor("v", shape, "int8", scale=1 / 128, zero_point=0)
    b.op("TANH", [x], [v])
    rng = np.random.default_rng(shape)
    if kind == "FULLY_CONNECTED":
        depth = int(np.prod(shape))
        w = b.tensor("w", (7, depth), "int8", scale=0.01, data=rng.integers(-127, 128, (7, depth)))
        c = b.tensor("c", (7,), "int32", scale=0.01 / 128, data=rng.integers(-2000, 2000, (7,)))
        y = b.tensor("y", (1, 7), "int8", scale=0.05, zero_point=4)
        b.op(kind, [v, w, c], [y], {})
    elif kind == "AVERAGE_POOL_2D":
        y = b.tensor("y", (1, 1, 1, shape[3]), "int8", scale=1 / 128, zero_point=0)
        options = {"strideH": shape[1], "strideW": shape[2], "padding": "VALID"}
        b.op(
            kind,
            [v],
            [y],
            {**options, "filterHeight": shape[1], "filterWidth": shape[2]},
        )
    else:
        scale = {"MEAN": 0.004, "SUM": 0.3, "REDUCE_MAX": 1 / 128}[kind]
        y = b.tensor("y", (1, shape[3]), "int8", scale=scale, zero_point=0)
        axes = b.tensor("axes", (2,), "int32", data=np.array([1, 2]))
        b.op(kind, [v, axes], [y], {"keepDims": False})
    return b.finish([x], [y])

"""Plans that let programs run row by row, for tests of kernels on rings."""

from __future__ import annotations

from dataclasses import replace

from edgeserve.kernels import CopyParams
from edgeserve.plan.order import orders_of
from edgeserve.plan.stream import tasks_of
from edgeserve.plan.streaming import Method, plan_groups
from edgeserve.program import Operand, Port, Program, Step, Value
from edgeserve.stream_plan import StreamPlan


def feeds_of(program: Program) -> tuple[int, ...]:
    """The inputs that can be fed by rows: those that some step reads and that are no output."""
    outputs = {port.value for port in program.outputs}
    read = {operand.value for step in program.steps for operand in step.inputs}
    return tuple(
        index
        for index, port in enumerate(program.inputs)
        if port.value in read and port.value not in outputs
    )


def in_one_group(program: Program, rows: int, *, fed: bool = True) -> StreamPlan:
    """All steps take turns of ``rows`` rows; every input that can be fed is, unless not ``fed``."""
    method = Method(feeds=feeds_of(program) if fed else (), node_budget=400)
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

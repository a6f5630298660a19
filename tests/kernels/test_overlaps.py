"""An output may lie over rows of its input that are needed no more: exactly as far as it may.

The planner overlaps tensors by what ``edgeserve.rows`` says of a kernel's reads and writes. Here
each kernel runs with its output at that very distance from its input, and at others beyond.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from edgeserve.arena import align_up
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Operand, Program, Role
from edgeserve.rows import Accumulate, Reach, SameRow, Whole, freed_rows, reaches, rows_at_once
from edgeserve.stream_plan import Place, Span, StreamPlan
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import forms_of, random_inputs
from tests.kernels.float_models import float_models
from tests.kernels.host_runner import ES_OK, HostRunner
from tests.kernels.small_models import small_models
from tests.kernels.test_convolution import Case, conv2d, depthwise, depthwise_cases, walked
from tests.kernels.test_pooling import POOLS, pool
from tests.kernels.wide_models import wide_models
from tests.tflite_builder import ModelBuilder

FURTHER = (0, 1, 2, 3, 5, 15, 16, 17, 64)
"""Bytes beyond the least distance: that a kernel moves words must not show."""


def concatenation(channels: tuple[int, ...]) -> bytes:
    """Vectors one behind the other, which may lie where they go."""
    b = ModelBuilder()
    inputs = [
        b.tensor(f"x{i}", (1, 1, 1, c), "int8", scale=0.05, zero_point=-2)
        for i, c in enumerate(channels)
    ]
    y = b.tensor("y", (1, 1, 1, sum(channels)), "int8", scale=0.05, zero_point=-2)
    b.op("CONCATENATION", inputs, [y], {"axis": 3})
    return b.finish(inputs, [y])


def elementwise(kind: str, shape: tuple[int, ...], second: tuple[int, ...]) -> bytes:
    b = ModelBuilder()
    scale = 0.05
    x = b.tensor("x", shape, "int8", scale=scale, zero_point=-2)
    other = b.tensor("x2", second, "int8", scale=scale, zero_point=-2)
    y = b.tensor("y", shape, "int8", scale=scale, zero_point=-2)
    b.op(kind, [x, other], [y], {})
    return b.finish([x, other], [y])


def models() -> Iterator[tuple[str, bytes]]:
    yield from small_models().items()
    yield "CONV_2D of fours", conv2d(Case(9, 6, 4, 4))
    relu = Case(9, 6, 5, 5, activation="RELU", zero_points=(3, -128))
    yield "DEPTHWISE_CONV_2D with RELU", depthwise(relu)
    yield from wide_models().items()
    yield from float_models().items()
    for channels in ((3, 5), (1, 16, 7), (33, 20, 1, 40)):
        yield f"CONCATENATION of {channels}", concatenation(channels)
    for kind in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"):
        for second in ((1, 5, 4, 7), (1, 5, 4, 1), (1, 5, 1, 7), (1, 1, 1, 1)):
            yield f"{kind} {second}", elementwise(kind, (1, 5, 4, 7), second)
        yield f"{kind} of a long row", elementwise(kind, (1, 1, 1, 67), (1, 1, 1, 67))
    for shape in ((1, 9, 13, 11), (1, 1, 1, 1027)):
        yield f"ADD of many {shape}", elementwise("ADD", shape, shape)
    for case in [*walked()[::3]]:
        yield f"CONV_2D {case}", conv2d(case)
    for case in depthwise_cases()[::7]:
        yield f"DEPTHWISE_CONV_2D {case}", depthwise(case)
    for kind in POOLS:
        for kernel, stride in ((2, 1), (3, 2), (2, 3)):
            yield (
                f"{kind} {kernel} {stride}",
                pool(kind, (7, 5, 3), (kernel, 2), (stride, 1), "SAME"),
            )


def programs() -> list[Program]:
    found = [lower(read_model(model, name=name)) for name, model in models()]
    single = [program for program in found if len(program.steps) == 1]
    return [form for program in single for form in forms_of(program)]


def row_bytes(program: Program, operand: Operand) -> int:
    return operand.w * operand.c * program.values[operand.value].dtype.size_bytes


def least_distance_bytes(program: Program, index: int, reach: Reach) -> int:
    """How far above the output input ``index`` of the only step must begin, at least."""
    (step,) = program.steps
    source, output = step.inputs[index], step.output
    in_row, out_row = row_bytes(program, source), row_bytes(program, output)
    freed = freed_rows(reach, output.h, source.h)
    at_once = rows_at_once(step)
    needs = []
    for row in range(output.h):
        first = row - row % at_once
        if freed[first] == source.h:
            continue
        if isinstance(reach, SameRow) and reach.lag_bytes is not None:
            needs.append(reach.lag_bytes + row * (out_row - in_row))
        else:
            needs.append((row + 1) * out_row - freed[first] * in_row)
    return max(needs, default=0)


def overlapping(program: Program, distances: dict[int, int]) -> StreamPlan:
    """The inputs ``distances`` bytes above the start of the output, all others apart."""
    (step,) = program.steps
    plan = whole_plan(program)
    base = align_up(max(0, -min(distances.values())))
    offsets = {step.inputs[index].value: base + far for index, far in distances.items()}
    offsets[step.output.value] = base
    end = max(align_up(at + program.values[value].size_bytes) for value, at in offsets.items())
    places: list[Place | None] = []
    for value, place in zip(program.values, plan.places, strict=True):
        if place is None:
            places.append(None)
            continue
        if value.index not in offsets:
            offsets[value.index] = end
            end += align_up(value.size_bytes)
        places.append(replace(place, offset_bytes=offsets[value.index]))
    scratch = None
    if step.scratch_bytes:
        scratch = Span(end, step.scratch_bytes)
        end += align_up(step.scratch_bytes)
    return replace(plan, places=tuple(places), scratch=(scratch,), arena_bytes=end)


def movable(program: Program) -> Iterator[tuple[int, Reach]]:
    """The inputs that the output may overlap: each read by one operand alone."""
    (step,) = program.steps
    values = [operand.value for operand in step.inputs]
    for index, reach in enumerate(reaches(program, step)):
        value = program.values[values[index]]
        if value.role is Role.ACTIVATION and values.count(value.index) == 1:
            yield index, reach


def runs_alike(runner: HostRunner, program: Program, plan: StreamPlan) -> bool:
    rng = np.random.default_rng(9)
    arrays = [random_inputs(program, rng) for _ in range(2)]
    table = write_table(program, plan)
    data = [b"".join(array.tobytes() for array in one) for one in arrays]
    ran = runner.run_table(table.data, data, 1)
    return ran.status == ES_OK and ran.steps == runner.run(program, arrays)


def test_an_output_may_overlap_its_dead_input_rows(runner: HostRunner) -> None:
    overlapped, in_place = set(), set()
    for program in programs():
        (step,) = program.steps
        for index, reach in movable(program):
            least = least_distance_bytes(program, index, reach)
            element_bytes = program.values[step.inputs[index].value].dtype.size_bytes
            for further in FURTHER:
                distance = align_up(least + further, element_bytes)
                plan = overlapping(program, {index: distance})
                assert runs_alike(runner, program, plan), f"{program.name}, {index}: {distance}"
            if least < row_bytes(program, step.output) * step.output.h:
                overlapped.add(step.kernel)
            if isinstance(reach, SameRow) and reach.lag_bytes is not None:
                in_place.add(step.kernel)
    always_whole = {
        KernelId.REDUCE,
        KernelId.REDUCE_PIXELS,
        KernelId.LSTM,
        KernelId.SVDF,
        KernelId.MEAN_16,
        KernelId.MEAN_FLOAT,
    }
    assert overlapped >= set(KernelId) - always_whole, set(KernelId) - overlapped
    assert in_place == {
        KernelId.BINARY_FLOAT,
        KernelId.UNARY_FLOAT,
        KernelId.ADD_16,
        KernelId.MUL_16,
        KernelId.RESCALE_16,
        KernelId.SIGMOID_16,
        KernelId.LOOK_UP,
        KernelId.ADD,
        KernelId.ADD_BY_TABLE,
        KernelId.MUL,
        KernelId.EXTREMUM,
        KernelId.PRELU,
        KernelId.CONCATENATION,
    }


def test_one_byte_closer_is_too_close_in_place(runner: HostRunner) -> None:
    """What the tests above would see of a kernel that writes before it has read."""
    tried = noticed = 0
    for program in programs():
        for index, reach in movable(program):
            if not isinstance(reach, SameRow) or reach.lag_bytes is None:
                continue
            # The output begins a byte above its input: arena offsets cannot be negative.
            plan = overlapping(program, {index: reach.lag_bytes})
            places = [p and replace(p, offset_bytes=p.offset_bytes + 16) for p in plan.places]
            value = program.steps[0].inputs[index].value
            place = places[value]
            assert place is not None
            places[value] = replace(place, offset_bytes=place.offset_bytes - 1)
            moved = replace(plan, places=tuple(places), arena_bytes=plan.arena_bytes + 16)
            tried += 1
            noticed += not runs_alike(runner, program, moved)
    assert tried > 20
    assert noticed >= tried * 0.8, f"{noticed} of {tried}"


@pytest.mark.parametrize("channels", [(3, 5), (16, 16), (1, 16, 7), (33, 20, 1, 40), (5, 1, 1, 64)])
def test_vectors_may_lie_where_they_are_concatenated(
    runner: HostRunner, channels: tuple[int, ...]
) -> None:
    program = lower(read_model(concatenation(channels), name="vectors"))
    starts = {i: sum(channels[:i]) for i in range(len(channels))}
    assert runs_alike(runner, program, overlapping(program, starts))


def test_every_reach_of_a_moving_input_is_tried() -> None:
    kinds = {type(reach) for program in programs() for _, reach in movable(program)}
    assert kinds >= {SameRow, Accumulate, Whole}

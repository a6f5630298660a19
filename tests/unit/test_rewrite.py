"""Other views must read the same elements with the same weights for the same outputs."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from edgeserve.kernels.portable import (
    AddParams,
    ArgMaxParams,
    AveragePoolParams,
    Conv2dParams,
    DepthwiseParams,
    LookUpParams,
)
from edgeserve.plan.streaming import Method, Objective, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.program import Program, Step
from edgeserve.rewrite import columns_as_rows, in_rows, rows_of_makers
from tests.random_programs import Growing, make_params


def taps(step: Step) -> set[tuple[int, int, int]]:
    """(output element, input element, tap) of all products of a window's first channels."""
    p: Any = step.params
    source, output = step.inputs[0], step.output
    found = set()
    for y in range(output.h):
        for x in range(output.w):
            for ky in range(p.kernel_h):
                for kx in range(p.kernel_w):
                    row = y * p.stride_h - p.pad_top + ky * getattr(p, "dilation_h", 1)
                    column = x * p.stride_w - p.pad_left + kx * getattr(p, "dilation_w", 1)
                    if 0 <= row < source.h and 0 <= column < source.w:
                        tap = ky * p.kernel_w + kx
                        pixel = (row * source.w + column) * source.c
                        found.add(((y * output.w + x) * output.c, pixel, tap))
    return found


@pytest.mark.parametrize("kind", [Conv2dParams, DepthwiseParams, AveragePoolParams])
def test_a_turned_window_makes_the_same_products(kind: type[Any]) -> None:
    turned = 0
    for seed in range(30):
        growing = Growing(Random(seed))
        source = growing.input((1, 17, 3))
        growing.windowed(kind, source)
        program = growing.finished()
        after = columns_as_rows(program)
        if after is not program:
            turned += 1
            assert after.steps[0].output.h == program.steps[0].output.w
            assert taps(after.steps[0]) == taps(program.steps[0])
    assert turned > 20


def signal(length: int) -> Program:
    """A chain on a signal of one row, with a skip around a convolution."""
    growing = Growing(Random(0))
    value = growing.input((1, length, 4))
    for _ in range(3):
        params = make_params(
            Conv2dParams,
            weight_c=4,
            kernel_h=1,
            kernel_w=3,
            stride_h=1,
            stride_w=1,
            dilation_h=1,
            dilation_w=1,
            pad_left=1,
        )
        wide = growing.step(params, [(value, (1, length, 4))], (1, length, 16))
        wide = growing.step(
            make_params(LookUpParams), [(wide, (1, 1, length * 16))], (1, 1, length * 16)
        )
        params = make_params(
            Conv2dParams,
            weight_c=16,
            kernel_h=1,
            kernel_w=1,
            stride_h=1,
            stride_w=1,
            dilation_h=1,
            dilation_w=1,
        )
        back = growing.step(params, [(wide, (1, length, 16))], (1, length, 4))
        view = (1, length, 4)
        value = growing.step(make_params(AddParams), [(value, view), (back, view)], view)
    return growing.finished()


def test_a_signal_streams_along_its_columns() -> None:
    program = signal(60)
    turned = rows_of_makers(columns_as_rows(program))
    method = Method(Objective.SIZE, extra_percent=1_000)
    before, after = plan_stream(program, method), plan_stream(turned, method)
    check_stream_plan(turned, after)
    assert after.arena_bytes < before.arena_bytes // 2


def test_what_no_step_makes_is_seen_as_it_is_read() -> None:
    """Two look-ups on a flat input, then a convolution along it: all three stream."""
    growing = Growing(Random(0))
    flat = (1, 1, 80)
    source = growing.input(flat)
    value = growing.step(make_params(LookUpParams), [(source, flat)], flat)
    value = growing.step(make_params(LookUpParams), [(value, flat)], flat)
    given = {"kernel_h": 1, "kernel_w": 3, "stride_h": 1, "stride_w": 1, "pad_left": 1}
    params = make_params(Conv2dParams, **given, dilation_h=1, dilation_w=1)
    growing.step(params, [(value, (1, 20, 4))], (1, 20, 4))
    program = in_rows(growing.finished())
    assert [(s.output.h, s.output.w, s.output.c) for s in program.steps] == [(20, 1, 4)] * 3
    assert (program.steps[0].inputs[0].h, program.steps[0].inputs[0].c) == (20, 4)


def test_what_has_rows_already_is_left_alone() -> None:
    growing = Growing(Random(0))
    source = growing.input((5, 4, 3))
    growing.look_up(growing.conv2d(source))
    program = growing.finished()
    assert columns_as_rows(program) is program
    assert rows_of_makers(program) is program


def test_a_step_without_a_turned_twin_keeps_its_view() -> None:
    growing = Growing(Random(0))
    source = growing.input((1, 9, 3))
    growing.step(make_params(ArgMaxParams), [(source, (1, 9, 3))], (1, 9, 3))
    program = growing.finished()
    assert columns_as_rows(program) is program

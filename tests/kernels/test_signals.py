"""Signals, images of a single row: streamed along their columns, at once along the row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.plan.streaming import Method, Objective, feedable, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.program import Program
from edgeserve.rewrite import along_rows, as_planned
from edgeserve.stream_plan import StreamPlan
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.kernels.streamed import in_one_group
from tests.tflite_builder import ModelBuilder

LENGTH = 61
QUANT = {"scale": 0.05, "zero_point": -2}


class SignalModel(ModelBuilder):
    """x [1, LENGTH, 6], then layers on [1, 1, length, channels]."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(11)
        self.x = self.tensor("x", (1, LENGTH, 6), "int8", scale=0.05, zero_point=-2)
        self.shape = (1, 1, LENGTH, 6)
        self.y = self.made("expanded", self.shape)
        axis = self.tensor("axis", (), "int32", data=np.array(1))
        self.op("EXPAND_DIMS", [self.x, axis], [self.y])

    def causal(self, before: int, kind: str = "EXPAND_DIMS") -> None:
        """Zeros before the signal, put there while it has three dimensions."""
        _, _, length, c = self.shape
        flat = self.made("squeezed", (1, length, c))
        self.op("SQUEEZE", [self.y], [flat], {"squeezeDims": [1]})
        pairs = self.tensor("pairs", (3, 2), "int32", data=np.array([[0, 0], [before, 0], [0, 0]]))
        padded = self.made("padded", (1, length + before, c))
        self.op("PAD", [flat, pairs], [padded])
        self.shape = (1, 1, length + before, c)
        self.y = self.made("image", self.shape)
        to = np.array(1 if kind == "EXPAND_DIMS" else self.shape)
        self.op(kind, [padded, self.tensor("to", to.shape, "int32", data=to)], [self.y])

    def made(self, name: str, shape: tuple[int, ...]) -> int:
        return self.tensor(name, shape, "int8", scale=0.05, zero_point=-2)

    def layer(
        self,
        name: str,
        out_c: int,
        taps: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        padding: str = "SAME",
    ) -> None:
        """A convolution; depthwise where ``out_c`` is 0."""
        length, c = self.shape[2:]
        shape = (out_c, 1, taps, c) if out_c else (1, 1, taps, c)
        w = self.tensor(
            name + "w", shape, "int8", scale=0.01, data=self.rng.integers(-127, 128, shape)
        )
        biases = self.rng.integers(-2000, 2000, (out_c or c,))
        b = self.tensor(name + "b", biases.shape, "int32", scale=0.0005, data=biases)
        if padding == "VALID":
            length -= (taps - 1) * dilation
        shape = (1, 1, -(-length // stride), out_c or c)
        y = self.made(name, shape)
        options = {
            "padding": padding,
            "strideH": stride,
            "strideW": stride,
            "dilationHFactor": 1,
            "dilationWFactor": dilation,
            "fusedActivationFunction": "RELU6",
        }
        if not out_c:
            options["depthMultiplier"] = 1
        self.op("CONV_2D" if out_c else "DEPTHWISE_CONV_2D", [self.y, w, b], [y], options)
        self.y, self.shape = y, shape

    def step(self, kind: str, name: str, *others: int) -> None:
        y = self.made(name, self.shape)
        self.op(kind, [self.y, *others], [y])
        self.y = y


def signal_model() -> bytes:
    """Two blocks with a skip, a squeeze, a look-up that sees the signal flat, and a mean."""
    b = SignalModel()
    b.layer("first", 8, 5)
    skip = b.y
    b.layer("deep", 0, 7, dilation=2)
    b.layer("point", 8, 1)
    b.step("ADD", "sum", skip)
    b.layer("half", 12, 3, stride=2)
    squeezed = b.made("squeezed", (1, *b.shape[2:]))
    b.op("SQUEEZE", [b.y], [squeezed], {"squeezeDims": [1]})
    curve = b.made("curve", (1, *b.shape[2:]))
    b.op("HARD_SWISH", [squeezed], [curve])
    axis = b.tensor("along", (1,), "int32", data=np.array([1]))
    mean = b.made("mean", (1, 12))
    b.op("MEAN", [curve, axis], [mean], {"keepDims": False})
    return b.finish([b.x], [mean])


def by_objective(objective: Objective) -> Callable[[Program], StreamPlan]:
    def plan(program: Program) -> StreamPlan:
        method = Method(objective, feeds=feedable(program), extra_percent=1_000)
        return plan_stream(program, method if objective is Objective.SIZE else Method(objective))

    return plan


@pytest.mark.parametrize("objective", Objective)
def test_every_objective_equals_the_reference(runner: HostRunner, objective: Objective) -> None:
    assert_conforms(runner, signal_model(), plan=by_objective(objective))


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_turns_of_columns_equal_the_reference(runner: HostRunner, rows: int) -> None:
    program = assert_conforms(
        runner, signal_model(), plan=lambda program: in_one_group(program, rows)
    )
    assert in_one_group(program, rows).streamed_steps >= 6


def test_whole_layers_compute_along_one_row(runner: HostRunner) -> None:
    program = assert_conforms(runner, signal_model())
    moved = (KernelId.CONV_2D, KernelId.DEPTHWISE_CONV_2D, KernelId.ADD, KernelId.LOOK_UP)
    assert {step.output.h for step in program.steps if step.kernel in moved} == {1}


def test_streaming_takes_far_less_than_whole_signals() -> None:
    program = lower(read_model(signal_model(), name="signal"))
    plan = by_objective(Objective.SIZE)(program)
    check_stream_plan(program, plan)
    assert plan.arena_bytes < whole_plan(program).arena_bytes // 2


def test_an_output_over_its_input_keeps_its_rows() -> None:
    """What is moved over rows that a single row would still read is left in rows."""
    program = lower(read_model(signal_model(), name="signal"))
    plan = whole_plan(program)
    first = program.steps[0]
    apart = as_planned(program, plan)
    assert apart.steps[0].output.h == 1
    places = list(plan.places)
    source = places[first.inputs[0].value]
    target = places[first.output.value]
    assert source is not None
    assert target is not None
    places[first.output.value] = replace(target, offset_bytes=source.offset_bytes + 16)
    over = as_planned(program, replace(plan, places=tuple(places)))
    assert over.steps[0] == first


@pytest.mark.parametrize("kind", ["EXPAND_DIMS", "RESHAPE"])
@pytest.mark.parametrize("out_c", [5, 0])
def test_causal_padding_of_a_signal_is_the_convolution_s(
    runner: HostRunner, kind: str, out_c: int
) -> None:
    b = SignalModel()
    b.layer("first", 8, 1)
    b.causal(4, kind)
    b.layer("second", out_c, 3, dilation=2, padding="VALID")
    program = assert_conforms(runner, b.finish([b.x], [b.y]), plan=by_objective(Objective.SIZE))
    assert KernelId.PAD not in {step.kernel for step in program.steps}
    assert {f.name: f.step for f in program.folded} == {
        "expanded": None,
        "squeezed": 0,
        "padded": 1,
        "image": 1,
    }


def test_causal_padding_that_others_read_keeps_its_step(runner: HostRunner) -> None:
    b = SignalModel()
    b.layer("first", 8, 1)
    b.causal(4)
    image = b.y
    b.layer("second", 5, 5, padding="VALID")
    program = assert_conforms(runner, b.finish([b.x], [b.y, image]))
    assert KernelId.PAD in {step.kernel for step in program.steps}


def test_a_twin_that_needs_more_scratch_than_was_planned_is_not_used() -> None:
    """Kernels made for a core are chosen for both views, and may pack more of a longer row."""
    program = lower(read_model(signal_model(), name="signal"))
    plan = whole_plan(program)
    along = along_rows(program)
    greedy = replace(along, steps=tuple(replace(s, scratch_bytes=64) for s in along.steps))
    assert as_planned(program, plan, along).steps[0].output.h == 1
    assert as_planned(program, plan, greedy) is program

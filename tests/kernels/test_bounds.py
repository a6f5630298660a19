"""Bounds of every value hold for what the C kernels write, and are no wider than they must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeserve.graph import DType
from edgeserve.kernels.portable import Conv2dParams, DepthwiseParams, FullyConnectedParams
from edgeserve.lower import lower
from edgeserve.narrow.bounds import Bounds
from edgeserve.narrow.fixed import requantized
from edgeserve.narrow.propagation import BoundsOfValues, propagate
from edgeserve.program import Port, Program, Role, Step, Value
from edgeserve.tflite.reader import read_model
from edgeserve.weights import conv_weights, dense_weights, depthwise_weights
from tests.kernels.conformance import Array, random_inputs
from tests.kernels.host_runner import HostRunner
from tests.kernels.random_models import random_model
from tests.kernels.small_models import small_models
from tests.kernels.test_models import MODELS
from tests.tflite_builder import ModelBuilder

Inputs = list[Array]
SOAKED_VALUES = 1_000_000


def lowered(model: bytes) -> Program:
    return lower(read_model(model, name="case"))


def elements_of(program: Program, step: Step, data: bytes) -> npt.NDArray[np.int64]:
    """[pixel, channel] of what a step wrote."""
    dtype = np.dtype(program.values[step.output.value].dtype.value)
    return np.frombuffer(data, dtype).reshape(-1, step.output.c).astype(np.int64)


def assert_within(
    runner: HostRunner, program: Program, bounds: BoundsOfValues, inputs: Sequence[Inputs]
) -> int:
    """Every element of every step is within its bounds; how many were looked at."""
    seen = 0
    for written in runner.run(program, inputs):
        for step, data in zip(program.steps, written, strict=True):
            made = bounds[step.output.value]
            if made is None:
                continue
            elements = elements_of(program, step, data)
            own = made.seen(step.output.c)
            wrong = (elements < own.low) | (elements > own.high)
            assert not wrong.any(), f"{step.label}: {int(wrong.sum())} elements out of bounds"
            seen += elements.size
    return seen


def filled(program: Program, element: int) -> Inputs:
    return [
        np.full(port.shape, np.clip(element, *limits(port)), port.dtype.value)
        for port in program.inputs
    ]


def limits(port: Port) -> tuple[float, float]:
    if port.dtype is DType.FLOAT32:
        return -4.0, 4.0
    info = np.iinfo(port.dtype.value)
    return info.min, info.max


def natural(program: Program, rng: np.random.Generator) -> Inputs:
    """Smooth surfaces with a little noise, as photographs and spectrograms are."""
    arrays: Inputs = []
    for port in program.inputs:
        low, high = limits(port)
        values = np.zeros(port.shape)
        for axis, extent in enumerate(port.shape):
            wave = np.sin(np.arange(extent) * rng.uniform(0, 9) / extent + rng.uniform(0, 6))
            values = values + wave.reshape([-1 if a == axis else 1 for a in range(len(port.shape))])
        values = values / max(1, len(port.shape)) + rng.normal(0, 0.05, port.shape)
        scaled = (low + high) / 2 + values * (high - low) / 2
        arrays.append(np.clip(scaled, low, high).astype(port.dtype.value))
    return arrays


def varied(program: Program, rng: np.random.Generator, count: int) -> list[Inputs]:
    """All least, all greatest, then natural and random ones."""
    return [
        filled(program, -128),
        filled(program, 255),
        *(natural(program, rng) for _ in range(count)),
        *(random_inputs(program, rng) for _ in range(count)),
    ]


@pytest.mark.parametrize("name", sorted(small_models()))
def test_every_operator(runner: HostRunner, name: str) -> None:
    program = lowered(small_models()[name])
    rng = np.random.default_rng(4)
    assert_within(runner, program, propagate(program), varied(program, rng, 4))


def test_random_models(runner: HostRunner) -> None:
    for seed in range(80):
        program = lowered(random_model(seed, dead=0.3 * (seed % 2)))
        rng = np.random.default_rng(seed)
        assert_within(runner, program, propagate(program), varied(program, rng, 1))


@pytest.mark.parametrize("name", MODELS)
def test_public_models(runner: HostRunner, shared_data: Path, name: str) -> None:
    program = lowered((shared_data / "models" / f"{name}.tflite").read_bytes())
    rng = np.random.default_rng(6)
    assert_within(runner, program, propagate(program), varied(program, rng, 1))


@pytest.mark.soak
@pytest.mark.parametrize("name", MODELS)
def test_a_million_values_of_public_models(
    runner: HostRunner, shared_data: Path, name: str
) -> None:
    program = lowered((shared_data / "models" / f"{name}.tflite").read_bytes())
    bounds, rng, seen = propagate(program), np.random.default_rng(7), 0
    while seen < SOAKED_VALUES:
        inputs = [random_inputs(program, rng) for _ in range(8)]
        seen += assert_within(runner, program, bounds, [natural(program, rng), *inputs])


# All inputs there are: bounds must be reached.

ALL = np.arange(-128, 128)
FIRST, SECOND = (grid.reshape(1, 256, 256, 1) for grid in np.meshgrid(ALL, ALL))


def quantization(rng: np.random.Generator, times: float = 1.0) -> dict[str, Any]:
    scale = float(np.exp(rng.uniform(-4, 0))) * times
    return {"scale": scale, "zero_point": int(rng.integers(-128, 128))}


def of_two_elements(kind: str, rng: np.random.Generator) -> bytes:
    """One operator, each pixel of whose output is made of two elements."""
    b = ModelBuilder()
    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        deep = kind == "DEPTHWISE_CONV_2D"
        shape = (1, 1, 1, 4) if deep else (5, 1, 1, 2)
        count = 4 if deep else 5
        x = b.tensor("x", (1, 256, 256, 2), "int8", **quantization(rng))
        scales = [float(np.exp(rng.uniform(-9, -1))) for _ in range(count)]
        data = rng.integers(-128, 128, shape)
        w = b.tensor("w", shape, "int8", scale=scales, axis=3 if deep else 0, data=data)
        biases = rng.integers(-20_000, 20_000, count)
        c = b.tensor("c", (count,), "int32", scale=1.0, data=biases)
        y = b.tensor("y", (1, 256, 256, count), "int8", **quantization(rng, 20))
        options = {"padding": "VALID", "strideH": 1, "strideW": 1}
        options |= {"depthMultiplier": 2} if deep else {}
        activation = ["NONE", "RELU", "RELU6"][int(rng.integers(3))]
        b.op(kind, [x, w, c], [y], {**options, "fusedActivationFunction": activation})
        return b.finish([x], [y])
    xs = [b.tensor(f"x{i}", (1, 256, 256, 1), "int8", **quantization(rng)) for i in (0, 1)]
    quant = quantization(rng, 6)
    if kind in ("MAXIMUM", "MINIMUM"):
        b = ModelBuilder()
        xs = [b.tensor(f"x{i}", (1, 256, 256, 1), "int8", **quant) for i in (0, 1)]
    y = b.tensor("y", (1, 256, 256, 1), "int8", **quant)
    b.op(kind, xs, [y], {})
    return b.finish(xs, [y])


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "SUB", "MUL", "PRELU"])
def test_bounds_are_what_all_inputs_reach(runner: HostRunner, kind: str) -> None:
    assert reach(runner, kind) > 2, "all elements are reached: the test shows nothing"


@pytest.mark.parametrize("kind", ["MAXIMUM", "MINIMUM"])
def test_extremes_of_all_inputs_are_all_elements(runner: HostRunner, kind: str) -> None:
    assert reach(runner, kind) == 0


def reach(runner: HostRunner, kind: str) -> int:
    """Models whose bounds are exactly what all inputs reach; how many bounds are not the type's."""
    reached = 0
    for seed in range(16):
        program = lowered(of_two_elements(kind, np.random.default_rng(seed)))
        (step,) = program.steps
        both = np.concatenate([FIRST, SECOND], axis=3).astype(np.int8)
        inputs = [both] if len(program.inputs) == 1 else [both[..., :1], both[..., 1:]]
        ((data,),) = runner.run(program, [inputs])
        elements = elements_of(program, step, data)
        made = propagate(program)[step.output.value]
        assert made is not None
        own = made.seen(step.output.c)
        assert elements.min(axis=0).tolist() == own.low.tolist(), f"seed {seed}"
        assert elements.max(axis=0).tolist() == own.high.tolist(), f"seed {seed}"
        reached += int(((own.low > -128) | (own.high < 127)).sum())
    return reached


# One layer at a time, on the inputs that its weights ask for.


def alone(program: Program, step: Step) -> Program:
    """A layer whose input is the model's."""
    source, made = (program.values[o.value] for o in (step.inputs[0], step.output))
    values = (replace(source, index=0, role=Role.ACTIVATION), replace(made, index=1))
    view = step.inputs[0]
    shapes = (1, view.h, view.w, view.c), (1, step.output.h, step.output.w, step.output.c)

    def port(value: Value, shape: tuple[int, ...]) -> Port:
        return Port(value.name, value.index, shape, value.dtype, None, 0)

    return Program(
        name="alone",
        values=values,
        steps=(
            replace(
                step,
                index=0,
                inputs=(replace(view, value=0),),
                output=replace(step.output, value=1),
            ),
        ),
        inputs=(port(values[0], shapes[0]),),
        outputs=(port(values[1], shapes[1]),),
        folded=(),
    )


def weights_at(step: Step, channel: int, y: int, x: int) -> npt.NDArray[np.int64]:
    """[h, w, c]: what each input element is multiplied with for an element of the output."""
    view, p = step.inputs[0], step.params
    found = np.zeros((view.h, view.w, view.c), np.int64)
    if isinstance(p, FullyConnectedParams):
        found[:] = dense_weights(p, step.output.c)[channel].reshape(found.shape)
        return found
    assert isinstance(p, Conv2dParams | DepthwiseParams)
    for ky in range(p.kernel_h):
        for kx in range(p.kernel_w):
            row = y * p.stride_h - p.pad_top + ky * p.dilation_h
            column = x * p.stride_w - p.pad_left + kx * p.dilation_w
            if not (0 <= row < view.h and 0 <= column < view.w):
                continue
            if isinstance(p, DepthwiseParams):
                tap = depthwise_weights(p)[ky, kx, channel]
                found[row, column, channel // p.multiplier] = tap
            else:
                group = channel // (step.output.c // (view.c // p.weight_c))
                span = slice(group * p.weight_c, (group + 1) * p.weight_c)
                found[row, column, span] = conv_weights(p, view.c, step.output.c)[channel, ky, kx]
    return found


def extreme_inputs(
    step: Step, source: Bounds, channels: Sequence[int], pixels: Sequence[tuple[int, int]]
) -> Iterator[Inputs]:
    """For some elements of a layer's output the inputs that make them least and greatest."""
    own = source.seen(step.inputs[0].c)
    for channel in channels:
        for y, x in pixels:
            positive = weights_at(step, channel, y, x) > 0
            for low, high in ((own.low, own.high), (own.high, own.low)):
                yield [np.where(positive, high, low).astype(np.int8)[None]]


def padded_layer(seed: int, kind: str) -> Program:
    """A small convolution with odd paddings, strides and dilations."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    x = b.tensor("x", (1, 5, 4, 3), "int8", scale=0.05, zero_point=int(rng.integers(-128, 128)))
    deep = kind == "DEPTHWISE_CONV_2D"
    kernel = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    shape = (1, *kernel, 6) if deep else (4, *kernel, 3)
    count = 6 if deep else 4
    w = b.tensor("w", shape, "int8", scale=0.01, data=rng.integers(-127, 128, shape))
    biases = rng.integers(-9_000, 9_000, count)
    c = b.tensor("c", (count,), "int32", scale=0.0005, data=biases)
    stride = int(rng.integers(1, 3))
    out = -(-5 // stride), -(-4 // stride)
    y = b.tensor("y", (1, *out, count), "int8", scale=0.6, zero_point=9)
    options = {"padding": "SAME", "strideH": stride, "strideW": stride}
    options |= {"depthMultiplier": 2} if deep else {}
    b.op(kind, [x, w, c], [y], options)
    return lowered(b.finish([x], [y]))


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_every_window_at_its_extremes(runner: HostRunner, kind: str) -> None:
    """Windows at the edges as well: over all places, exactly the bounds are reached."""
    for seed in range(10):
        program = padded_layer(seed, kind)
        (step,) = program.steps
        bounds = propagate(program)
        source, made = bounds[step.inputs[0].value], bounds[step.output.value]
        assert source is not None
        assert made is not None
        pixels = [(y, x) for y in range(step.output.h) for x in range(step.output.w)]
        inputs = list(extreme_inputs(step, source, range(step.output.c), pixels))
        runs = [elements_of(program, step, data) for (data,) in runner.run(program, inputs)]
        assert np.min(runs, axis=(0, 1)).tolist() == made.low.tolist(), f"seed {seed}"
        assert np.max(runs, axis=(0, 1)).tolist() == made.high.tolist(), f"seed {seed}"


def is_of_one_pixel(step: Step) -> bool:
    """Whether the same sums are made at every place."""
    p = step.params
    return not isinstance(p, Conv2dParams | DepthwiseParams) or p.kernel_h == p.kernel_w == 1


def extremes_of_layers(runner: HostRunner, program: Program, count: int) -> int:
    """Some channels of each layer at their extremes, the layer's input within its own bounds."""
    bounds = propagate(program)
    rng = np.random.default_rng(8)
    reached = 0
    for step in program.steps:
        source, made = bounds[step.inputs[0].value], bounds[step.output.value]
        if not isinstance(step.params, Conv2dParams | DepthwiseParams | FullyConnectedParams):
            continue
        assert source is not None
        assert made is not None
        single = alone(program, step)
        channels = rng.permutation(step.output.c)[:count].tolist()
        middle = (step.output.h // 2, step.output.w // 2)
        inputs = list(extreme_inputs(step, source, channels, [middle]))
        assert_within(runner, single, (source, made), inputs)
        if is_of_one_pixel(step):
            at = middle[0] * step.output.w + middle[1]
            (layer,) = single.steps
            ends = [elements_of(single, layer, data)[at] for (data,) in runner.run(single, inputs)]
            for channel, most, least in zip(channels, ends[::2], ends[1::2], strict=True):
                assert most[channel] == made.high[channel], f"{step.label}, {channel}"
                assert least[channel] == made.low[channel], f"{step.label}, {channel}"
            reached += len(channels)
    return reached


@pytest.mark.parametrize("name", MODELS)
def test_channels_of_public_models_at_their_extremes(
    runner: HostRunner, shared_data: Path, name: str
) -> None:
    program = lowered((shared_data / "models" / f"{name}.tflite").read_bytes())
    assert extremes_of_layers(runner, program, 3) > 0


@pytest.mark.soak
@pytest.mark.parametrize("name", MODELS)
def test_all_channels_of_public_models_at_their_extremes(
    runner: HostRunner, shared_data: Path, name: str
) -> None:
    program = lowered((shared_data / "models" / f"{name}.tflite").read_bytes())
    assert extremes_of_layers(runner, program, 1 << 20) > 0


def test_a_bound_that_is_too_narrow_is_noticed(
    runner: HostRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One less than the truth, in one place of the arithmetic."""

    def wrong(*arguments: Any) -> Bounds:
        found = requantized(*arguments)
        return replace(found, high=np.maximum(found.low, found.high - 1))

    monkeypatch.setattr("edgeserve.narrow.propagation.requantized", wrong)
    program = lowered(of_two_elements("ADD", np.random.default_rng(1)))
    both: Inputs = [FIRST.astype(np.int8), SECOND.astype(np.int8)]
    with pytest.raises(AssertionError, match="out of bounds"):
        assert_within(runner, program, propagate(program), [both])

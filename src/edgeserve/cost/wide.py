"""Features of the kernels of int16 and float32 elements: loops over single outputs and taps.

One function serves both widths: they are built alike, and each kernel has coefficients of its own.
Without a floating-point unit an addition of floats costs more or less by their values: there an
estimate is of values like the measured ones.
"""

from __future__ import annotations

from math import prod

from edgeserve.cost.work import Turn, Work, axes_of
from edgeserve.kernels.floats import (
    BinaryFloatParams,
    BinaryFunction,
    Conv2dFloatParams,
    DepthwiseFloatParams,
    MeanFloatParams,
    PoolFloatParams,
    UnaryFloatParams,
    UnaryFunction,
)
from edgeserve.kernels.sixteen import (
    AveragePool16Params,
    Conv2d16Params,
    Depthwise16Params,
    MaxPool16Params,
    Mean16Params,
    Sigmoid16Params,
)

Convolution = Conv2d16Params | Depthwise16Params | Conv2dFloatParams | DepthwiseFloatParams


def convolution(turn: Turn) -> Work:
    """The taps of each output's window that lie inside the image."""
    p = turn.step.params
    assert isinstance(p, Convolution)
    depth = p.weight_c if isinstance(p, Conv2d16Params | Conv2dFloatParams) else 1
    work = _windows(turn, p, (p.dilation_h, p.dilation_w))
    return {**work, "product": work["tap"] * depth}


def pool(turn: Turn) -> Work:
    """As a convolution, without weights; a mean of floats ends with a division."""
    p = turn.step.params
    assert isinstance(p, AveragePool16Params | MaxPool16Params | PoolFloatParams)
    work = _windows(turn, p)
    divides = isinstance(p, PoolFloatParams) and not p.is_max
    return {**work, "mean": work["output"]} if divides else work


def _windows(
    turn: Turn,
    p: Convolution | AveragePool16Params | MaxPool16Params | PoolFloatParams,
    dilation: tuple[int, int] = (1, 1),
) -> dict[str, int]:
    down, across = axes_of(turn.step, p, dilation)
    channels = turn.step.output.c
    pixels = turn.rows * across.count
    return {
        "turn": 1,
        "row": turn.rows,
        "pixel": pixels,
        "output": pixels * channels,
        "row of taps": turn.share(down.taps * across.count) * channels,
        "tap": turn.share(down.taps * across.taps) * channels,
    }


def fully_connected(turn: Turn) -> Work:
    """A dot product for each output."""
    source, outputs = turn.step.inputs[0], turn.rows * turn.step.output.c
    return {
        "turn": 1,
        "row": turn.rows,
        "output": outputs,
        "product": outputs * source.w * source.c,
    }


def mean(turn: Turn) -> Work:
    """Output elements, each from all that it reduces."""
    p = turn.step.params
    assert isinstance(p, Mean16Params | MeanFloatParams)
    outputs = turn.rows * turn.step.output.w * turn.step.output.c
    return {
        "turn": 1,
        "row": turn.rows,
        "output": outputs,
        "loop": outputs * prod(p.reduced_dims[:2]),
        "tap": outputs * prod(p.reduced_dims),
    }


def elements(turn: Turn) -> Work:
    """Pixel by pixel, each element by the step's function where its kernel has several."""
    output = turn.step.output
    pixels = turn.rows * output.w
    function = _function_of(turn)
    element = f"element of {function}" if function else "element"
    return {"turn": 1, "row": turn.rows, "pixel": pixels, element: pixels * output.c}


def _function_of(turn: Turn) -> str:
    p = turn.step.params
    if isinstance(p, BinaryFloatParams):
        return BinaryFunction(p.function).name.lower()
    if isinstance(p, UnaryFloatParams):
        return UnaryFunction(p.function).name.lower()
    if isinstance(p, Sigmoid16Params):
        return "tanh" if p.is_tanh else "logistic"
    return ""

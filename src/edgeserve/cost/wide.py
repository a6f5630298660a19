"""Features of the kernels of int16 and float32 elements.

One function serves both widths: they are built alike, and each kernel has coefficients of its own.
Without a floating-point unit an addition of floats costs more or less by their values: there an
estimate is of values like the measured ones.
"""

from __future__ import annotations

from math import prod

from edgeserve.cost.work import LANES, Turn, Work, axes_of
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
    """Blocks of four channels and single ones, each over the taps that lie inside the image."""
    p, out_c = turn.step.params, turn.step.output.c
    assert isinstance(p, Convolution)
    down, across = axes_of(turn.step, p, (p.dilation_h, p.dilation_w))
    pixels, taps = turn.rows * across.count, turn.share(down.taps * across.taps)
    if isinstance(p, Conv2d16Params | Conv2dFloatParams):
        depth, groups = p.weight_c, turn.step.inputs[0].c // p.weight_c
        fours, ones = (groups * n for n in divmod(out_c // groups, LANES))
        joins = groups == 1 and p.dilation_w == 1
    else:
        depth, joins = 1, False
        fours, ones = divmod(out_c, LANES) if p.multiplier == 1 else (0, out_c)
    lines = turn.share(down.taps * across.count)
    return {
        "turn": 1,
        "row": turn.rows,
        "pixel": pixels,
        "output": pixels * out_c,
        "block": pixels * (fours + ones),
        "line": lines * (fours + ones),
        "run of four": 0 if joins else taps * fours,
        "run of one": 0 if joins else taps * ones,
        "product of four": taps * depth * fours,
        "product of one": taps * depth * ones,
    }


def fully_connected(turn: Turn) -> Work:
    """Vectors by four channels at a time, and by single ones."""
    source, out_c = turn.step.inputs[0], turn.step.output.c
    fours, ones = divmod(out_c, LANES)
    products = turn.rows * source.w * source.c
    return {
        "turn": 1,
        "row": turn.rows,
        "output": turn.rows * out_c,
        "block": turn.rows * (fours + ones),
        "product of four": products * fours,
        "product of one": products * ones,
    }


def pool(turn: Turn) -> Work:
    """Windows inside the image, element by element; a mean of floats ends with a division."""
    p, channels = turn.step.params, turn.step.output.c
    assert isinstance(p, AveragePool16Params | MaxPool16Params | PoolFloatParams)
    down, across = axes_of(turn.step, p)
    pixels = turn.rows * across.count
    divides = isinstance(p, PoolFloatParams) and not p.is_max
    return {
        "turn": 1,
        "row": turn.rows,
        "pixel": pixels,
        "output": pixels * channels,
        "mean": pixels * channels * divides,
        "row of taps": turn.share(down.taps * across.count) * channels,
        "tap": turn.share(down.taps * across.taps) * channels,
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

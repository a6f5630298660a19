"""Models of one operator on int16 activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.tflite_builder import ModelBuilder

Shape = tuple[int, ...]


def one(
    kind: str,
    shape: Shape,
    out: Shape | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    scale: float = 0.001,
    out_scale: float = 0.002,
    second: tuple[Shape, float] | None = None,
    axes: Sequence[int] | None = None,
) -> bytes:
    """A model of one operator without weights."""
    b = ModelBuilder()
    x = b.tensor("x", shape, "int16", scale=scale)
    inputs = [x]
    if second is not None:
        inputs.append(b.tensor("z", second[0], "int16", scale=second[1]))
    extra = [] if axes is None else [b.tensor("axes", (len(axes),), "int32", data=list(axes))]
    y = b.tensor("y", out or shape, "int16", scale=out_scale)
    b.op(kind, [*inputs, *extra], [y], options)
    return b.finish(inputs, [y])


def windows(
    kind: str,
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    *,
    out_c: int,
    stride: int = 1,
    dilation: int = 1,
    padding: str = "SAME",
    activation: str = "NONE",
    out_scale: float = 0.01,
    has_bias: bool = True,
) -> bytes:
    """A convolution with random weights, scales and biases."""
    h, w, c = shape
    depthwise = kind == "DEPTHWISE_CONV_2D"
    reach = [(k - 1) * dilation + 1 for k in kernel]
    extents = [
        -(-(e if padding == "SAME" else e - r + 1) // stride)
        for e, r in zip((h, w), reach, strict=True)
    ]
    b = ModelBuilder()
    x = b.tensor("x", (1, h, w, c), "int16", scale=0.001)
    weight_shape = (1, *kernel, out_c) if depthwise else (out_c, *kernel, c)
    scales = rng.uniform(0.001, 0.02, out_c)
    weights = b.tensor(
        "w",
        weight_shape,
        "int8",
        scale=scales.tolist(),
        axis=3 if depthwise else 0,
        data=rng.integers(-127, 128, weight_shape),
    )
    biases = rng.integers(-(1 << 20), 1 << 20, out_c)
    bias = b.tensor("b", (out_c,), "int64", scale=(scales * 0.001).tolist(), data=biases)
    y = b.tensor("y", (1, *extents, out_c), "int16", scale=out_scale)
    options = {
        "padding": padding,
        "strideH": stride,
        "strideW": stride,
        "dilationHFactor": dilation,
        "dilationWFactor": dilation,
        "fusedActivationFunction": activation,
    }
    if depthwise:
        options["depthMultiplier"] = out_c // c
    b.op(kind, [x, weights, bias if has_bias else None], [y], options)
    return b.finish([x], [y])


def quantize(
    source: str,
    target: str,
    scales: tuple[float, float],
    points: tuple[int, int] = (0, 0),
    *,
    shape: Shape = (1, 8, 16, 8),
) -> bytes:
    b = ModelBuilder()
    given: dict[str, Any] = {}
    taken: dict[str, Any] = {}
    if source != "float32":
        given = {"scale": scales[0], "zero_point": points[0]}
    if target != "float32":
        taken = {"scale": scales[1], "zero_point": points[1]}
    x = b.tensor("x", shape, source, **given)
    y = b.tensor("y", shape, target, **taken)
    b.op("DEQUANTIZE" if target == "float32" else "QUANTIZE", [x], [y])
    return b.finish([x], [y])


def of_both_widths() -> bytes:
    """int8, a QUANTIZE to int16, an int16 layer, and back to int8."""
    rng = np.random.default_rng(1)
    b = ModelBuilder()
    x = b.tensor("x", (1, 12), "int8", scale=0.02, zero_point=3)
    wide = b.tensor("wide", (1, 12), "int16", scale=0.0001)
    w = b.tensor("w", (5, 12), "int8", scale=0.01, data=rng.integers(-127, 128, (5, 12)))
    bias = b.tensor("b", (5,), "int64", scale=1e-6, data=rng.integers(-9999, 9999, 5))
    made = b.tensor("made", (1, 5), "int16", scale=0.0003)
    y = b.tensor("y", (1, 5), "int8", scale=0.05, zero_point=-9)
    b.op("QUANTIZE", [x], [wide])
    b.op("FULLY_CONNECTED", [wide, w, bias], [made], {})
    b.op("QUANTIZE", [made], [y])
    return b.finish([x], [y])


def wide_models() -> dict[str, bytes]:
    """A small model of each int16 kernel, by a name for people."""
    rng = np.random.default_rng(5)
    pool = {"padding": "SAME", "strideH": 1, "strideW": 2, "filterHeight": 3, "filterWidth": 2}
    add = {"potScaleInt16": False}
    image = (1, 5, 4, 6)
    dense = ModelBuilder()
    x = dense.tensor("x", (2, 12), "int16", scale=0.001)
    w = dense.tensor("w", (5, 12), "int8", scale=0.01, data=rng.integers(-127, 128, (5, 12)))
    y = dense.tensor("y", (2, 5), "int16", scale=0.01)
    dense.op("FULLY_CONNECTED", [x, w, None], [y], {})
    return {
        "CONV_2D of int16": windows("CONV_2D", rng, (5, 4, 6), (3, 2), out_c=7),
        "DEPTHWISE of int16": windows("DEPTHWISE_CONV_2D", rng, (5, 4, 6), (3, 3), out_c=12),
        "FULLY_CONNECTED of int16": dense.finish([x], [y]),
        "AVERAGE_POOL of int16": one("AVERAGE_POOL_2D", image, (1, 5, 2, 6), pool),
        "MAX_POOL of int16": one("MAX_POOL_2D", image, (1, 5, 2, 6), pool),
        "MEAN of int16": one("MEAN", image, (1, 6), {}, axes=[1, 2]),
        "ADD of int16": one("ADD", image, None, add, second=((1, 1, 4, 6), 0.003)),
        "MUL of int16": one("MUL", image, None, {}, second=((1, 5, 4, 1), 0.3)),
        "SOFTMAX of int16": one("SOFTMAX", (3, 8), None, {"beta": 1.0}, out_scale=1 / 32768),
        "TANH of int16": one("TANH", image, out_scale=1 / 32768),
        "LEAKY_RELU of int16": one("LEAKY_RELU", image, None, {"alpha": 0.2}),
        "int8 to int16": quantize("int8", "int16", (0.01, 0.001)),
        "float32 to int16": quantize("float32", "int16", (0.0, 0.001)),
        "int16 to float32": quantize("int16", "float32", (0.001, 0.0)),
    }

"""Models of float32 operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.tflite_builder import ModelBuilder

Shape = tuple[int, ...]
POOL = {"padding": "SAME", "strideH": 1, "strideW": 2, "filterHeight": 3, "filterWidth": 2}
IMAGE = (1, 5, 4, 6)


def one(
    kind: str,
    shape: Shape,
    out: Shape | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    second: Shape | None = None,
    axes: Sequence[int] | None = None,
) -> bytes:
    """A model of one operator without weights."""
    b = ModelBuilder()
    x = b.tensor("x", shape, "float32")
    inputs = [x] if second is None else [x, b.tensor("z", second, "float32")]
    extra = [] if axes is None else [b.tensor("axes", (len(axes),), "int32", data=list(axes))]
    y = b.tensor("y", out or shape, "float32")
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
    groups: int = 1,
) -> bytes:
    """A convolution with random weights and biases."""
    h, w, c = shape
    depthwise = kind == "DEPTHWISE_CONV_2D"
    reach = [(k - 1) * dilation + 1 for k in kernel]
    extents = [
        -(-(e if padding == "SAME" else e - r + 1) // stride)
        for e, r in zip((h, w), reach, strict=True)
    ]
    b = ModelBuilder()
    x = b.tensor("x", (1, h, w, c), "float32")
    weight_shape = (1, *kernel, out_c) if depthwise else (out_c, *kernel, c // groups)
    weights = b.tensor("w", weight_shape, "float32", data=rng.normal(size=weight_shape))
    bias = b.tensor("b", (out_c,), "float32", data=rng.normal(size=out_c))
    y = b.tensor("y", (1, *extents, out_c), "float32")
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
    b.op(kind, [x, weights, bias], [y], options)
    return b.finish([x], [y])


def dense(rows: int, depth: int, count: int, *, bias: bool = True, relu: bool = False) -> bytes:
    rng = np.random.default_rng(depth)
    b = ModelBuilder()
    x = b.tensor("x", (rows, depth), "float32")
    w = b.tensor("w", (count, depth), "float32", data=rng.normal(size=(count, depth)))
    biases = b.tensor("b", (count,), "float32", data=rng.normal(size=count)) if bias else None
    y = b.tensor("y", (rows, count), "float32")
    options = {"fusedActivationFunction": "RELU" if relu else "NONE"}
    b.op("FULLY_CONNECTED", [x, w, biases], [y], options)
    return b.finish([x], [y])


def network() -> bytes:
    """A small network of most operators, with a branch and a part that only moves."""
    rng = np.random.default_rng(11)
    b = ModelBuilder()

    def layer(kind: str, reads: list[Any], shape: Shape, options: Any = None) -> Any:
        made = b.tensor(f"{kind} {len(made_by)}", shape, "float32")
        made_by.append(kind)
        b.op(kind, reads, [made], options)
        return made

    made_by: list[str] = []
    x = b.tensor("x", (1, 8, 8, 3), "float32")
    pads = b.tensor("pads", (4, 2), "int32", data=[[0, 0], [1, 1], [1, 1], [0, 0]])
    w = b.tensor("w", (8, 3, 3, 3), "float32", data=rng.normal(size=(8, 3, 3, 3)) / 5)
    bias = b.tensor("b", (8,), "float32", data=rng.normal(size=8))
    dw = b.tensor("dw", (1, 3, 3, 8), "float32", data=rng.normal(size=(1, 3, 3, 8)) / 3)
    fc = b.tensor("fc", (5, 16), "float32", data=rng.normal(size=(5, 16)) / 2)
    fc_bias = b.tensor("fc_b", (5,), "float32", data=rng.normal(size=5))
    axes = b.tensor("axes", (2,), "int32", data=[1, 2])
    window = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    padded = layer("PAD", [x, pads], (1, 10, 10, 3))
    conv_options = {**window, "padding": "VALID", "fusedActivationFunction": "RELU6"}
    a = layer("CONV_2D", [padded, w, bias], (1, 8, 8, 8), conv_options)
    deep = {**window, "padding": "SAME", "depthMultiplier": 1}
    c = layer("DEPTHWISE_CONV_2D", [a, dw, bias], (1, 8, 8, 8), deep)
    d = layer("ADD", [a, c], (1, 8, 8, 8), {"fusedActivationFunction": "RELU"})
    gate = layer("LOGISTIC", [c], (1, 8, 8, 8))
    e = layer("MUL", [d, gate], (1, 8, 8, 8), {})
    joined = layer("CONCATENATION", [d, e], (1, 8, 8, 16), {"axis": 3})
    halves = {**POOL, "strideH": 2, "strideW": 2, "filterHeight": 2}
    pooled = layer("MAX_POOL_2D", [joined], (1, 4, 4, 16), halves)
    mean = layer("MEAN", [pooled, axes], (1, 16), {"keepDims": False})
    made = layer("FULLY_CONNECTED", [mean, fc, fc_bias], (1, 5), {})
    y = layer("SOFTMAX", [made], (1, 5), {"beta": 1.0})
    return b.finish([x], [y])


def float_models() -> dict[str, bytes]:
    """A small model of each float32 kernel, by a name for people."""
    rng = np.random.default_rng(5)
    return {
        "CONV_2D of float32": windows("CONV_2D", rng, (5, 4, 6), (3, 2), out_c=7),
        "DEPTHWISE of float32": windows("DEPTHWISE_CONV_2D", rng, (5, 4, 6), (3, 3), out_c=12),
        "FULLY_CONNECTED of float32": dense(2, 12, 5),
        "AVERAGE_POOL of float32": one("AVERAGE_POOL_2D", IMAGE, (1, 5, 2, 6), POOL),
        "MAX_POOL of float32": one("MAX_POOL_2D", IMAGE, (1, 5, 2, 6), POOL),
        "MEAN of float32": one("MEAN", IMAGE, (1, 6), {}, axes=[1, 2]),
        "ADD of float32": one("ADD", IMAGE, None, {}, second=(1, 1, 4, 6)),
        "SUB of float32": one("SUB", IMAGE, None, {}, second=(1, 5, 1, 6)),
        "MUL of float32": one("MUL", IMAGE, None, {}, second=(1, 5, 4, 1)),
        "SOFTMAX of float32": one("SOFTMAX", (3, 8), None, {"beta": 1.0}),
        "TANH of float32": one("TANH", IMAGE),
        "LOGISTIC of float32": one("LOGISTIC", IMAGE),
        "RELU6 of float32": one("RELU6", IMAGE),
    }

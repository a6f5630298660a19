"""The shapes that kernels of int16 and float32 elements are measured on, as ``kernel_grid`` has
those of int8: each family of the same layers in both widths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from random import Random
from types import ModuleType
from typing import Any

import numpy as np

from tests.kernels import float_models, wide_models
from tests.tflite_builder import ModelBuilder

_WIDTHS: Mapping[str, ModuleType] = {"int16": wide_models, "float32": float_models}
_MOST_PRODUCTS = 40_000
"""Without a floating-point unit each takes about a hundred instructions."""


def _image(random: Random, most: int) -> tuple[int, int, int]:
    c = random.choice((1, 2, 3, 4, 6, 8, 12, 16, 24, 40))
    w = random.randint(1, max(1, min(20, most // c)))
    h = random.randint(1, max(1, min(16, most // (c * w))))
    return h, w, c


def convolutions(dtype: str, kind: str) -> Iterator[bytes]:
    """CONV_2D and DEPTHWISE_CONV_2D, padded or not."""
    random, rng = Random(21), np.random.default_rng(21)
    made = 0
    while made < 50:
        h, w, c = _image(random, 2_000)
        kernel = random.choice(((1, 1), (1, 1), (3, 3), (3, 3), (5, 5), (10, 4), (1, 4), (3, 1)))
        depthwise = kind == "DEPTHWISE_CONV_2D"
        out_c = c * random.choice((1, 1, 2)) if depthwise else random.choice((1, 4, 8, 12, 24))
        padding = random.choice(("SAME", "SAME", "VALID"))
        if padding == "VALID":
            h, w = max(h, kernel[0]), max(w, kernel[1])
        products = h * w * out_c * kernel[0] * kernel[1] * (1 if depthwise else c)
        if products > _MOST_PRODUCTS:
            continue
        made += 1
        yield _WIDTHS[dtype].windows(
            kind,
            rng,
            (h, w, c),
            kernel,
            out_c=out_c,
            stride=random.choice((1, 1, 2)),
            padding=padding,
            activation=random.choice(("NONE", "RELU")),
        )


def dense(dtype: str) -> Iterator[bytes]:
    """FULLY_CONNECTED of one vector or several."""
    random = Random(22)
    for _ in range(30):
        rows, depth = random.choice((1, 1, 2, 5)), random.choice((4, 8, 20, 64, 100, 256, 640))
        yield _dense(dtype, rows, depth, random.choice((1, 4, 10, 12, 32)))


def _dense(dtype: str, rows: int, depth: int, outputs: int) -> bytes:
    b, rng = ModelBuilder(), np.random.default_rng([depth, outputs])
    if dtype == "float32":
        return float_models.dense(rows, depth, outputs)
    x = b.tensor("x", (rows, depth), dtype, scale=0.001)
    data = rng.integers(-127, 128, (outputs, depth))
    w = b.tensor("w", (outputs, depth), "int8", scale=0.01, data=data)
    biases = rng.integers(-9999, 9999, outputs)
    c = b.tensor("c", (outputs,), "int64", scale=1e-5, data=biases)
    y = b.tensor("y", (rows, outputs), dtype, scale=0.01)
    b.op("FULLY_CONNECTED", [x, w, c], [y], {})
    return b.finish([x], [y])


def pools(dtype: str, kind: str) -> Iterator[bytes]:
    """Windows, and whole images."""
    random = Random(23)
    for index in range(25):
        h, w, c = _image(random, 1_200)
        kernel = (h, w) if index % 3 == 0 else (random.randint(1, 3), random.randint(1, 3))
        stride = random.choice((1, 2))
        options = {
            "padding": "VALID" if index % 3 == 0 else "SAME",
            **{"strideH": stride, "strideW": stride},
            **{"filterHeight": kernel[0], "filterWidth": kernel[1]},
        }
        out = (1, 1, 1, c) if index % 3 == 0 else (1, -(-h // stride), -(-w // stride), c)
        yield _one(dtype, kind, (1, h, w, c), out, options)


def _one(dtype: str, kind: str, *shapes: Any, **given: Any) -> bytes:
    """int16 pools, means and the like keep their scale."""
    if dtype == "int16":
        given = {"scale": 0.001, "out_scale": 0.001, **given}
    model: bytes = _WIDTHS[dtype].one(kind, *shapes, **given)
    return model


def means(dtype: str) -> Iterator[bytes]:
    """MEAN over the image, over the channels, and over rows."""
    random = Random(24)
    for index in range(25):
        shape = (1, *_image(random, 1_200))
        axes = ((1, 2), (3,), (1,))[index % 3]
        out = tuple(1 if i in axes else e for i, e in enumerate(shape))
        yield _one(dtype, "MEAN", shape, out, {"keepDims": True}, axes=axes)


def two_inputs(dtype: str, kind: str) -> Iterator[bytes]:
    """Of one shape, and with an input that is broadcast."""
    random = Random(25)
    for index in range(20):
        h, w, c = _image(random, 1_200)
        shape = ((1, h, w, c), (1, h, w, c), (1, 1, 1, c), (1, h, w, 1))[index % 4]
        second = (shape, 0.003) if dtype == "int16" else shape
        options = {"potScaleInt16": False} if kind in ("ADD", "SUB") else {}
        out_scale = {"out_scale": 0.004} if dtype == "int16" else {}
        yield _one(dtype, kind, (1, h, w, c), None, options, second=second, **out_scale)


def functions(dtype: str, kind: str) -> Iterator[bytes]:
    """One element after the other."""
    random = Random(26)
    options = {"alpha": 0.2} if kind == "LEAKY_RELU" else None
    out_scale = {"out_scale": 1 / 32768} if dtype == "int16" and kind != "LEAKY_RELU" else {}
    for _ in range(10):
        shape = (1, *_image(random, 800))
        yield _one(dtype, kind, shape, None, options, **out_scale)


def softmaxes(dtype: str) -> Iterator[bytes]:
    """Short and long vectors."""
    out_scale = {"out_scale": 1 / 32768} if dtype == "int16" else {}
    for shape in ((1, 2), (1, 10), (1, 12), (1, 40), (3, 4), (6, 7), (9, 21), (2, 100), (4, 33)):
        yield _one(dtype, "SOFTMAX", shape, None, {"beta": 1.0}, **out_scale)


def between(source: str, target: str) -> Iterator[bytes]:
    """QUANTIZE and DEQUANTIZE with int16 on one side or both."""
    points = (3 if source == "int8" else 0, 0)
    for elements in (1, 4, 10, 12, 40, 150, 300, 640, 1_000):
        yield wide_models.quantize(source, target, (0.01, 0.001), points, shape=(1, elements))


def _families(dtype: str) -> Iterator[tuple[str, Callable[[], Iterator[bytes]]]]:
    yield "dense", partial(dense, dtype)
    yield "means", partial(means, dtype)
    yield "softmax", partial(softmaxes, dtype)
    for kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        yield kind, partial(convolutions, dtype, kind)
    for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        yield kind, partial(pools, dtype, kind)
    for kind in ("ADD", "MUL") if dtype == "int16" else ("ADD", "SUB", "MUL"):
        yield kind, partial(two_inputs, dtype, kind)
    for kind in ("TANH", "LOGISTIC", "LEAKY_RELU" if dtype == "int16" else "RELU6"):
        yield kind, partial(functions, dtype, kind)


WIDE_GRID: Mapping[str, Callable[[], Iterator[bytes]]] = {
    **{f"{kind} of {dtype}": made for dtype in _WIDTHS for kind, made in _families(dtype)},
    **{
        f"{source} to {target}": partial(between, source, target)
        for source, target in (
            ("int8", "int16"),
            ("int16", "int8"),
            ("float32", "int16"),
            ("int16", "float32"),
        )
    },
}
"""Models by family, as ``kernel_grid.GRID``."""

"""Small float ``.tflite`` models: one convolution, then the operator in question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.tflite_builder import ModelBuilder

SHAPE = (1, 6, 6, 4)
AFTER: Mapping[str, tuple[tuple[int, ...], Mapping[str, Any] | None, Any]] = {
    "LEAKY_RELU": (SHAPE, {"alpha": 0.1}, None),
    "RELU6": (SHAPE, None, None),
    "RELU_N1_TO_1": (SHAPE, None, None),
    "PRELU": (SHAPE, None, np.array([[[0.1, 0.2, 0.3, 0.4]]], np.float32)),
    "MINIMUM": (SHAPE, {}, np.array([0.5], np.float32)),
    "MAXIMUM": (SHAPE, {}, np.array([0.5], np.float32)),
    "REDUCE_MAX": ((1, 4), {"keepDims": False}, np.array([1, 2], np.int32)),
    "EXPAND_DIMS": ((1, 1, 6, 6, 4), {}, np.array([1], np.int32)),
    "DEPTH_TO_SPACE": ((1, 12, 12, 1), {"blockSize": 2}, None),
    "TANH": (SHAPE, None, None),
    "MEAN": ((1, 4), {"keepDims": False}, np.array([1, 2], np.int32)),
}
"""The operators that can follow: shape of the output, options, and the constant beside the input"""


def float_model(kind: str, *, seed: int = 0, spoil: bool = False) -> bytes:
    """The operator behind a convolution of 2 to 4 channels; ``spoil`` puts NaN into its weights."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    x = b.tensor("x", (1, 6, 6, 2), "float32")
    filters = rng.normal(0, 0.5, (4, 3, 3, 2)).astype(np.float32)
    if spoil:
        filters[0, 0, 0, 0] = np.nan
    w = b.tensor("weights", filters.shape, "float32", data=filters.tobytes())
    c = b.tensor("bias", (4,), "float32", data=rng.normal(0, 0.1, 4).astype(np.float32))
    hidden = b.tensor("hidden", SHAPE, "float32")
    b.op("CONV_2D", [x, w, c], [hidden], {"padding": "SAME", "strideW": 1, "strideH": 1})
    shape, options, constant = AFTER[kind]
    beside = []
    if constant is not None:
        beside = [b.tensor("beside", constant.shape, constant.dtype.name, data=constant)]
    y = b.tensor("y", shape, "float32")
    b.op(kind, [hidden, *beside], [y], options)
    return b.finish([x], [y])


def samples(count: int = 20) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Inputs of ``float_model``, ``[count, 6, 6, 2]``."""
    return np.random.default_rng(5).uniform(-1, 1, (count, 6, 6, 2)).astype(np.float32)


def padded_pool() -> bytes:
    """A pool behind padding by -Inf, as PyTorch's pools with padding are converted."""
    b = ModelBuilder()
    x = b.tensor("x", (1, 6, 6, 2), "float32")
    sides = b.tensor("sides", (4, 2), "int32", data=[[0, 0], [1, 1], [1, 1], [0, 0]])
    low = b.tensor("low", (), "float32", data=np.array(-np.inf, np.float32).tobytes())
    padded = b.tensor("hidden", (1, 8, 8, 2), "float32")
    b.op("PADV2", [x, sides, low], [padded])
    y = b.tensor("y", (1, 3, 3, 2), "float32")
    pool = {"padding": "VALID", "strideW": 2, "strideH": 2, "filterWidth": 3, "filterHeight": 3}
    b.op("MAX_POOL_2D", [padded], [y], pool)
    return b.finish([x], [y])

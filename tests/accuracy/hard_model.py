"""Float models that tests quantize, made without a framework.

``hard`` is the digits model, hard to quantize: one channel behind the first convolution becomes a
thousand times as large, and the depthwise layer that reads it takes the factor back. In floats
nothing changes; one scale for all channels of that tensor leaves the others next to nothing.
``python -m tests.accuracy.hard_model FLOAT.tflite HARD.tflite`` writes it.

``pair`` has two inputs, two outputs and no classes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.tflite_builder import ModelBuilder, pack, unpack

FACTOR = 1000.0


def hard(digits: bytes) -> bytes:
    """Of the float digits model, whose first two operators are the convolution and its reader."""
    model = unpack(digits)
    graph = model.subgraphs[0]
    first, reader = graph.operators[:2]
    assert first.outputs[0] == reader.inputs[0]

    def scale(tensor: int, channel: Any, factor: float) -> None:
        buffer = model.buffers[graph.tensors[tensor].buffer]
        values = np.array(buffer.data, np.uint8).view("<f4").reshape(graph.tensors[tensor].shape)
        values[channel] *= factor
        buffer.data = values.reshape(-1).view(np.uint8)

    weights, bias = first.inputs[1:3]
    scale(weights, (0,), FACTOR)
    scale(bias, (0,), FACTOR)
    scale(reader.inputs[1], (..., 0), 1 / FACTOR)
    return pack(model)


def pair() -> bytes:
    """Inputs ``zeta`` (1, 4) and ``alpha`` (1, 3); outputs (1, 2) and (1, 3)."""
    random, b = np.random.default_rng(5), ModelBuilder()

    def dense(source: int, name: str, size: int, inputs: int, activation: str) -> int:
        weights = random.normal(scale=inputs**-0.5, size=(size, inputs)).astype(np.float32)
        w = b.tensor(f"{name}/w", (size, inputs), "float32", data=weights)
        c = b.tensor(f"{name}/b", (size,), "float32", data=np.zeros(size, np.float32))
        y = b.tensor(name, (1, size), "float32")
        b.op("FULLY_CONNECTED", [source, w, c], [y], {"fusedActivationFunction": activation})
        return y

    zeta, alpha = b.tensor("zeta", (1, 4), "float32"), b.tensor("alpha", (1, 3), "float32")
    both = b.tensor("both", (1, 7), "float32")
    b.op("CONCATENATION", [zeta, alpha], [both], {"axis": 1, "fusedActivationFunction": "NONE"})
    hidden = dense(both, "hidden", 8, 7, "RELU")
    return b.finish(
        [zeta, alpha], [dense(hidden, "first", 2, 8, "NONE"), dense(zeta, "second", 3, 4, "NONE")]
    )


def pair_samples(count: int = 40) -> dict[str, Any]:
    """Samples of both inputs, by their names."""
    random = np.random.default_rng(6)
    return {
        name: random.normal(size=(count, size)).astype(np.float32)
        for name, size in (("alpha", 3), ("zeta", 4))
    }


if __name__ == "__main__":
    source, destination = map(Path, sys.argv[1:])
    destination.write_bytes(hard(source.read_bytes()))

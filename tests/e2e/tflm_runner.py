"""Runs models under TFLM's own interpreter: ``python -m tests.e2e.tflm_runner MODEL...``.

Prints a JSON list, an object a model: the CRC-32 of each output for the xorshift input, and the
bytes of the arena's head as TFLM's recording allocator reports them. A process of its own, since a
plan that TFLM does not survive must not end the tests.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tflite_micro import runtime

from edgeserve.graph import DType, Tensor
from edgeserve.tflite.reader import read_model
from edgeserve.xorshift import FIRST_SEED, xorshift32

ARENA_BYTES = 4 << 20


def main() -> None:
    """Runs each model named."""
    print(json.dumps([run(Path(name).read_bytes()) for name in sys.argv[1:]]))


def run(model: bytes) -> dict[str, Any]:
    graph = read_model(model, name="model")
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA_BYTES)
    draws = xorshift32(FIRST_SEED)
    for place, index in enumerate(graph.inputs):
        interpreter.set_input(values(graph.tensors[index], draws), place)
    interpreter.invoke()
    outputs = [interpreter.get_output(place) for place in range(len(graph.outputs))]
    return {
        "crc32": [f"{zlib.crc32(output.tobytes()):08x}" for output in outputs],
        "head_bytes": head_bytes(interpreter),
    }


def values(tensor: Tensor, draws: Iterator[int]) -> NDArray[Any]:
    """One draw an element, its low byte as int8; as a float that is divided by 128."""
    low = np.fromiter((x & 0xFF for x in islice(draws, tensor.elements)), np.uint8)
    if tensor.dtype is DType.FLOAT32:
        return (low.view(np.int8) / np.float32(128)).reshape(tensor.shape)
    return low.view(tensor.dtype.value).reshape(tensor.shape)


def head_bytes(interpreter: Any) -> int:
    """TFLM prints its allocations to file descriptor 2 and gives them in no other way."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            interpreter.print_allocations()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        text = file.read().decode()
    found = re.search(r"Arena allocation head (\d+) bytes", text)
    assert found is not None, text
    return int(found[1])


if __name__ == "__main__":
    main()

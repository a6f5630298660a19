"""Well-formed files that make no sense: lowering says so, or es_init accepts its work.

Where damaged bytes mostly stop at the reader, these changes reach the lowering of every operator:
other shapes, types, scales, zero points, options, operands and constants.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from edgeserve.errors import ModelError
from tests.kernels.host_runner import ES_OK, HostRunner
from tests.kernels.small_models import small_models
from tests.kernels.test_damaged_tables import planned
from tests.tflite_builder import pack, unpack

MOST_ARENA_BYTES = 1 << 24
TYPES = {0: 4, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1}
"""Bytes of an element by the schema's number of its type."""

Spoil = Callable[[random.Random, Any, Any, Any], None]


def shape(rng: random.Random, model: Any, tensor: Any, op: Any) -> None:
    """Another extent; mostly with as much data as it then needs."""
    if tensor.shape is None or len(tensor.shape) == 0:
        return
    extents = [int(extent) for extent in tensor.shape]
    extents[rng.randrange(len(extents))] = rng.choice((1, 2, 3, 5, 7, 65536, 2**20))
    tensor.shape = extents
    buffer = model.buffers[tensor.buffer]
    size_bytes = prod(extents) * TYPES[tensor.type]
    if tensor.buffer and buffer.data is not None and size_bytes < 10**6 and rng.random() < 0.7:
        buffer.data = np.resize(buffer.data, size_bytes)


def dtype(rng: random.Random, model: Any, tensor: Any, op: Any) -> None:
    tensor.type = rng.choice(list(TYPES))


def scales(rng: random.Random, model: Any, tensor: Any, op: Any) -> None:
    if tensor.quantization is not None and tensor.quantization.scale is not None:
        scale = rng.choice((1e-38, 1e-9, 0.5, 1.0, 3e38))
        tensor.quantization.scale = np.full(len(tensor.quantization.scale), scale, np.float32)


def zero_points(rng: random.Random, model: Any, tensor: Any, op: Any) -> None:
    if tensor.quantization is not None and tensor.quantization.zeroPoint is not None:
        point = rng.choice((-128, 0, 1, 127, 255))
        tensor.quantization.zeroPoint = np.full(len(tensor.quantization.zeroPoint), point)


def operand(rng: random.Random, model: Any, tensor: Any, op: Any) -> None:
    """Another tensor, or none, in place of an input."""
    inputs = [int(index) for index in op.inputs]
    count = len(model.subgraphs[0].tensors)
    inputs[rng.randrange(len(inputs))] = rng.choice((-1, rng.randrange(count)))
    op.inputs = inputs


def option(rng: random.Random, model: Any, tensor: Any, op: Any) -> None:
    if op.builtinOptions is None or not vars(op.builtinOptions):
        return
    field = rng.choice(list(vars(op.builtinOptions)))
    value = getattr(op.builtinOptions, field)
    if isinstance(value, bool):
        setattr(op.builtinOptions, field, not value)
    elif isinstance(value, int | float):
        given = rng.choice((-1, 0, 1, 2, 3, 5, 100, 2**30))
        setattr(op.builtinOptions, field, type(value)(given))


def integers(rng: random.Random, model: Any, tensor: Any, op: Any) -> None:
    """A byte of an int32 constant: axes, sizes, indices, biases."""
    buffer = model.buffers[tensor.buffer]
    if tensor.buffer and buffer.data is not None and tensor.type == 2:
        data = np.array(buffer.data)
        data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255))
        buffer.data = data


SPOILS: tuple[Spoil, ...] = (shape, dtype, scales, zero_points, operand, option, integers)


def spoiled(model: bytes, seed: int) -> bytes | None:
    """The file with one or two changes; None where the schema has no room for a change."""
    rng = random.Random(seed)
    tree = unpack(model)
    graph = tree.subgraphs[0]
    for _ in range(rng.choice((1, 1, 2))):
        rng.choice(SPOILS)(rng, tree, rng.choice(graph.tensors), rng.choice(graph.operators))
    try:
        return pack(tree)
    except (TypeError, struct.error):
        return None


def test_spoiled_models_are_refused_or_run(runner: HostRunner) -> None:
    models = list(small_models().items())
    refused = ran = 0
    for seed in range(3_000):
        name, model = models[seed % len(models)]
        data = spoiled(model, seed)
        if data is None:
            continue
        try:
            cases = planned(name, data)
        except ModelError:
            refused += 1
            continue
        for case in (c for c in cases if c.arena_bytes < MOST_ARENA_BYTES):
            status = runner.try_table(case.data, max(case.arena_bytes, 16), runs=1)
            assert status == ES_OK, f"spoil {seed} of {case.name}: es_init refuses it, {status}"
            ran += 1
    assert min(refused, ran) > 500

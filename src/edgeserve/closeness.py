"""When a float32 tensor counts as the reference's: which need not be equal, and how far is near."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgeserve.graph import DType
from edgeserve.kernels.table import FLOAT_ARITHMETIC
from edgeserve.program import Program

TOLERANCE = 1e-5
"""Of the greater of an element and its tensor's root mean square."""


def near_values(program: Program) -> frozenset[int]:
    """The float32 values that float kernels compute, or that are moved from such.

    Every other value is the reference's bit for bit, also a float32 one that DEQUANTIZE makes.
    """
    near: set[int] = set()
    for step in program.steps:
        is_float = program.values[step.output.value].dtype is DType.FLOAT32
        read = {operand.value for operand in step.inputs}
        if is_float and (isinstance(step.params, FLOAT_ARITHMETIC) or read & near):
            near.add(step.output.value)
    return frozenset(near)


def distance(want: bytes, got: bytes) -> float:
    """The greatest of ``|want - got| / max(|want|, rms of want)`` of little-endian float32.

    Infinite where the lengths differ, or one alone of two elements is finite; NaN is near NaN.
    """
    if len(want) != len(got):
        return math.inf
    return float(distances(want, got).max(initial=0.0))


def distances(want: bytes, got: bytes) -> NDArray[np.float64]:
    """The distance of each element; ``want`` and ``got`` are equally long."""
    a, b = (np.frombuffer(data, "<f4").astype(np.float64) for data in (want, got))
    finite = a[np.isfinite(a)]
    rms = float(np.sqrt(np.mean(finite**2))) if len(finite) else 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        far = np.abs(a - b) / np.maximum(np.abs(a), rms)
    far[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    far[~np.isfinite(far)] = math.inf
    return far


def output_distance(program: Program, want: bytes, got: bytes) -> float:
    """The greatest distance of all outputs, one behind the other; infinite where one that has to be
    equal is not.
    """
    if len(want) != len(got):
        return math.inf
    near, furthest, start = near_values(program), 0.0, 0
    for port in program.outputs:
        end = start + math.prod(port.shape) * port.dtype.size_bytes
        a, b = want[start:end], got[start:end]
        if a != b:
            furthest = max(furthest, distance(a, b) if port.value in near else math.inf)
        start = end
    return furthest

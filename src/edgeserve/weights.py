"""Weights as matrices, and in the order in which the portable kernels read them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeserve.kernels.portable import (
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    TransposeConvParams,
)
from edgeserve.kernels.record import Blob

LANES = 4
"""Output channels that the kernels compute together; their weights are interleaved."""

Weights: TypeAlias = npt.NDArray[np.int8]

CHANNEL = np.dtype([("bias", "<i4"), ("multiplier", "<i4"), ("shift", "<i4")])
"""A row of a channel table."""


def interleaved(matrix: Weights, groups: int, note: str) -> Blob:
    """Weights [out_c, ...] in the order in which CONV_2D and TRANSPOSE_CONV read them.

    Group by group: four channels at a time, element by element; then the channels left, one by one.
    """
    channels = matrix.reshape(groups, matrix.shape[0] // groups, -1)
    whole = channels.shape[1] // LANES * LANES
    blocks = channels[:, :whole].reshape(groups, -1, LANES, channels.shape[2]).swapaxes(2, 3)
    data = b"".join(
        blocks[group].tobytes() + channels[group, whole:].tobytes() for group in range(groups)
    )
    return Blob(data, note)


def _deinterleaved(blob: Blob, groups: int, out_c: int) -> Weights:
    """What ``interleaved`` was given, as [out_c, elements]."""
    data = np.frombuffer(blob.data, np.int8).reshape(groups, -1)
    per_group = out_c // groups
    elements = data.shape[1] // per_group
    whole = per_group // LANES * LANES
    blocks = data[:, : whole * elements].reshape(groups, -1, elements, LANES).swapaxes(2, 3)
    channels = np.empty((groups, per_group, elements), np.int8)
    channels[:, :whole] = blocks.reshape(groups, whole, elements)
    channels[:, whole:] = data[:, whole * elements :].reshape(groups, -1, elements)
    return channels.reshape(out_c, elements)


def conv_weights(p: Conv2dParams, in_c: int, out_c: int) -> Weights:
    """[out_c, kernel_h, kernel_w, weight_c]."""
    matrix = _deinterleaved(p.weights, in_c // p.weight_c, out_c)
    return matrix.reshape(out_c, p.kernel_h, p.kernel_w, p.weight_c)


def transpose_conv_weights(p: TransposeConvParams, out_c: int) -> Weights:
    """[out_c, kernel_h, kernel_w, in_c]."""
    return _deinterleaved(p.weights, 1, out_c).reshape(out_c, p.kernel_h, p.kernel_w, -1)


def depthwise_weights(p: DepthwiseParams) -> Weights:
    """[kernel_h, kernel_w, out_c]."""
    return np.frombuffer(p.weights.data, np.int8).reshape(p.kernel_h, p.kernel_w, -1)


def dense_weights(p: FullyConnectedParams, out_c: int) -> Weights:
    """[out_c, elements of an input row]."""
    return np.frombuffer(p.weights.data, np.int8).reshape(out_c, -1)


def channel_rows(blob: Blob) -> Any:
    """A channel table as an array of ``CHANNEL``."""
    return np.frombuffer(blob.data, CHANNEL)

"""Operators that move a window over an image, in MIL. Core ML's are channels first, so each stands
between two transposes; coremltools cancels those that meet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeserve.convert.coreml.values import Building
from edgeserve.graph import (
    ConvOptions,
    DepthwiseOptions,
    FullyConnectedOptions,
    Op,
    OpKind,
    Padding,
    PoolOptions,
    ResizeOptions,
    TransposeConvOptions,
)


def convolution(b: Building, op: Op) -> Any:
    """CONV_2D; filters ``[out, h, w, in / groups]``."""
    options, image = op.options, b.tensor(op, 0)
    assert isinstance(options, ConvOptions)
    weights = b.constant(op, 1).transpose(0, 3, 1, 2)
    groups = image.shape[3] // weights.shape[1]
    made = b.mb.conv(
        x=b.channels_first(b.value(op, 0)),
        weight=np.ascontiguousarray(weights),
        groups=groups,
        **_bias(b, op, 2),
        **_steps(options, image.shape, weights.shape[2:]),
    )
    return b.activated(op, b.channels_last(made), options.activation)


def depthwise(b: Building, op: Op) -> Any:
    """DEPTHWISE_CONV_2D; filters ``[1, h, w, in * multiplier]``."""
    options, image = op.options, b.tensor(op, 0)
    assert isinstance(options, DepthwiseOptions)
    weights = b.constant(op, 1).transpose(3, 0, 1, 2)
    made = b.mb.conv(
        x=b.channels_first(b.value(op, 0)),
        weight=np.ascontiguousarray(weights),
        groups=image.shape[3],
        **_bias(b, op, 2),
        **_steps(options, image.shape, weights.shape[2:]),
    )
    return b.activated(op, b.channels_last(made), options.activation)


def transposed_convolution(b: Building, op: Op) -> Any:
    """TRANSPOSE_CONV: inputs are the output's shape, filters ``[out, h, w, in]``, the image."""
    options, image, wanted = op.options, b.tensor(op, 2), b.output(op).shape
    assert isinstance(options, TransposeConvOptions)
    weights = b.constant(op, 1)
    strides = (options.stride_h, options.stride_w)
    pad = []
    for axis, stride in enumerate(strides):
        extent, kernel = image.shape[1 + axis], weights.shape[1 + axis]
        spare = (extent - 1) * stride + kernel - wanted[1 + axis]
        if spare < 0:
            raise b.refused(op, "its output is larger than what its input reaches")
        before = spare // 2 if options.padding is Padding.SAME else 0
        pad += [before, spare - before]
    made = b.mb.conv_transpose(
        x=b.channels_first(b.value(op, 2)),
        weight=np.ascontiguousarray(weights.transpose(3, 0, 1, 2)),
        strides=list(strides),
        pad_type="custom",
        pad=pad,
        **_bias(b, op, 3),
    )
    return b.activated(op, b.channels_last(made), options.activation)


def pool(b: Building, op: Op) -> Any:
    """AVERAGE_POOL_2D, MAX_POOL_2D; what lies outside the image does not count."""
    options, image = op.options, b.tensor(op, 0)
    assert isinstance(options, PoolOptions)
    window = (options.filter_h, options.filter_w)
    strides = (options.stride_h, options.stride_w)
    arguments: dict[str, Any] = {
        "x": b.channels_first(b.value(op, 0)),
        "kernel_sizes": list(window),
        "strides": list(strides),
        "pad_type": "custom",
        "pad": _pads(options.padding, image.shape, window, strides),
    }
    if op.kind is OpKind.MAX_POOL_2D:
        made = b.mb.max_pool(**arguments)
    else:
        made = b.mb.avg_pool(exclude_padding_from_average=True, **arguments)
    return b.activated(op, b.channels_last(made), options.activation)


def fully_connected(b: Building, op: Op) -> Any:
    """FULLY_CONNECTED; weights ``[out, in]``."""
    options = op.options
    assert isinstance(options, FullyConnectedOptions)
    weights = b.constant(op, 1)
    rows = b.mb.reshape(x=b.value(op, 0), shape=[-1, weights.shape[1]])
    made = b.mb.linear(x=rows, weight=weights, **_bias(b, op, 2))
    if len(b.output(op).shape) != 2:
        made = b.mb.reshape(x=made, shape=list(b.output(op).shape))
    return b.activated(op, made, options.activation)


def resize_bilinear(b: Building, op: Op) -> Any:
    """RESIZE_BILINEAR: where its grid lies is one of Core ML's sampling modes."""
    options = op.options
    assert isinstance(options, ResizeOptions)
    height, width = b.integers(op, 1)
    mode = "UNALIGN_CORNERS" if options.half_pixel_centers else "DEFAULT"
    if options.align_corners:
        mode = "STRICT_ALIGN_CORNERS"
    made = b.mb.resize_bilinear(
        x=b.channels_first(b.value(op, 0)),
        target_size_height=height,
        target_size_width=width,
        sampling_mode=mode,
    )
    return b.channels_last(made)


def resize_nearest(b: Building, op: Op) -> Any:
    """RESIZE_NEAREST_NEIGHBOR by whole factors: there all ways to lay the grid agree but one."""
    options, image = op.options, b.tensor(op, 0)
    assert isinstance(options, ResizeOptions)
    height, width = b.integers(op, 1)
    if options.align_corners or height % image.shape[1] or width % image.shape[2]:
        raise b.refused(op, "Core ML does not say which pixel is nearest but for whole factors")
    made = b.mb.upsample_nearest_neighbor(
        x=b.channels_first(b.value(op, 0)),
        scale_factor_height=height // image.shape[1],
        scale_factor_width=width // image.shape[2],
    )
    return b.channels_last(made)


def _bias(b: Building, op: Op, slot: int) -> dict[str, Any]:
    return {"bias": b.constant(op, slot)} if b.has(op, slot) else {}


def _steps(
    options: ConvOptions | DepthwiseOptions, image: tuple[int, ...], kernel: tuple[int, ...]
) -> dict[str, Any]:
    strides = (options.stride_h, options.stride_w)
    dilations = (options.dilation_h, options.dilation_w)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    return {
        "strides": list(strides),
        "dilations": list(dilations),
        "pad_type": "custom",
        "pad": _pads(options.padding, image, reach, strides),
    }


def _pads(
    padding: Padding, image: tuple[int, ...], reach: tuple[int, ...], strides: tuple[int, ...]
) -> list[int]:
    """TFLite's padding in numbers: before and after the height, then the width."""
    if padding is Padding.VALID:
        return [0, 0, 0, 0]
    pads = []
    for extent, window, stride in zip(image[1:3], reach, strides, strict=True):
        outputs = -(-extent // stride)
        whole = max((outputs - 1) * stride + window - extent, 0)
        pads += [whole // 2, whole - whole // 2]
    return pads

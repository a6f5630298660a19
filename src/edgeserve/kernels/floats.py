"""Records of the kernels of float32, whose outputs are LiteRT's within a tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from edgeserve.kernels.record import F32, U16, U32, Blob, Dims3, KernelId, Params, Strides3


class BinaryFunction(IntEnum):
    """Of two elements: what ``BinaryFloatParams`` say."""

    ADD = 0
    SUB = 1
    MUL = 2


class UnaryFunction(IntEnum):
    """Of one element: what ``UnaryFloatParams`` say."""

    CLAMP = 0
    LOGISTIC = 1
    TANH = 2


@dataclass(frozen=True, slots=True)
class Conv2dFloatParams(Params):
    """CONV_2D of float32. ``weights`` float32 [out_c][kernel_h][kernel_w][weight_c], ``biases``
    float32 [out_c].
    """

    KERNEL = KernelId.CONV_2D_FLOAT
    SOURCE = "conv2d_float"
    SYMBOL = "es_kernel_conv2d_float"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    act_min: F32
    act_max: F32
    weight_c: U32
    weights: Blob
    biases: Blob


@dataclass(frozen=True, slots=True)
class DepthwiseFloatParams(Params):
    """DEPTHWISE_CONV_2D of float32. ``weights`` float32 [kernel_h][kernel_w][out_c], ``biases``
    float32 [out_c].
    """

    KERNEL = KernelId.DEPTHWISE_FLOAT
    SOURCE = "depthwise_float"
    SYMBOL = "es_kernel_depthwise_float"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    act_min: F32
    act_max: F32
    multiplier: U32
    weights: Blob
    biases: Blob


@dataclass(frozen=True, slots=True)
class FullyConnectedFloatParams(Params):
    """FULLY_CONNECTED of float32. ``weights`` float32 [out_c][in_c], ``biases`` float32 [out_c]."""

    KERNEL = KernelId.FULLY_CONNECTED_FLOAT
    SOURCE = "fully_connected_float"
    SYMBOL = "es_kernel_fully_connected_float"

    act_min: F32
    act_max: F32
    weights: Blob
    biases: Blob


@dataclass(frozen=True, slots=True)
class PoolFloatParams(Params):
    """AVERAGE_POOL_2D and MAX_POOL_2D of float32, over the part of the window that lies inside the
    image.
    """

    KERNEL = KernelId.POOL_FLOAT
    SOURCE = "pool_float"
    SYMBOL = "es_kernel_pool_float"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    pad_top: U16
    pad_left: U16
    act_min: F32
    act_max: F32
    is_max: U32


@dataclass(frozen=True, slots=True)
class MeanFloatParams(Params):
    """MEAN of float32; dimensions and strides as for REDUCE."""

    KERNEL = KernelId.MEAN_FLOAT
    SOURCE = "mean_float"
    SYMBOL = "es_kernel_mean_float"

    kept_dims: Dims3
    kept_strides: Strides3
    reduced_dims: Dims3
    reduced_strides: Strides3


@dataclass(frozen=True, slots=True)
class BinaryFloatParams(Params):
    """ADD, SUB and MUL of float32 (``BinaryFunction``); an extent of 1 in h, w, c is broadcast."""

    KERNEL = KernelId.BINARY_FLOAT
    SOURCE = "binary_float"
    SYMBOL = "es_kernel_binary_float"

    function: U32
    act_min: F32
    act_max: F32


@dataclass(frozen=True, slots=True)
class UnaryFloatParams(Params):
    """RELU and its like, LOGISTIC and TANH of float32 (``UnaryFunction``); CLAMP has bounds."""

    KERNEL = KernelId.UNARY_FLOAT
    SOURCE = "unary_float"
    SYMBOL = "es_kernel_unary_float"

    function: U32
    low: F32
    high: F32


@dataclass(frozen=True, slots=True)
class SoftmaxFloatParams(Params):
    """SOFTMAX of float32 over the last dimension."""

    KERNEL = KernelId.SOFTMAX_FLOAT
    SOURCE = "softmax_float"
    SYMBOL = "es_kernel_softmax_float"

    beta: F32

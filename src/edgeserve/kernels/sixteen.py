"""Records of the kernels of int16 activations, whose zero points are 0. Multipliers and shifts are
as elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeserve.kernels.record import F32, I32, U16, U32, Blob, Dims3, KernelId, Params, Strides3


@dataclass(frozen=True, slots=True)
class Conv2d16Params(Params):
    """CONV_2D of int16. ``weights`` int8 [out_c][kernel_h][kernel_w][weight_c]; ``channels`` has
    {int64 bias, int32 multiplier, int32 shift to the right} of each output channel.
    """

    KERNEL = KernelId.CONV_2D_16
    SOURCE = "conv2d_16"
    SYMBOL = "es_kernel_conv2d_16"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    act_min: I32
    act_max: I32
    weight_c: U32
    weights: Blob
    channels: Blob


@dataclass(frozen=True, slots=True)
class Depthwise16Params(Params):
    """DEPTHWISE_CONV_2D of int16. ``weights`` int8 [kernel_h][kernel_w][out_c]; channels as for
    CONV_2D of int16.
    """

    KERNEL = KernelId.DEPTHWISE_16
    SOURCE = "depthwise_16"
    SYMBOL = "es_kernel_depthwise_16"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    act_min: I32
    act_max: I32
    multiplier: U32
    weights: Blob
    channels: Blob


@dataclass(frozen=True, slots=True)
class FullyConnected16Params(Params):
    """FULLY_CONNECTED of int16. ``weights`` int8 [out_c][in_c]; ``channels`` has {int64 bias, int64
    multiplier, int32 shift to the right, int32 0} of each output channel.
    """

    KERNEL = KernelId.FULLY_CONNECTED_16
    SOURCE = "fully_connected_16"
    SYMBOL = "es_kernel_fully_connected_16"

    act_min: I32
    act_max: I32
    weights: Blob
    channels: Blob


@dataclass(frozen=True, slots=True)
class AveragePool16Params(Params):
    """AVERAGE_POOL_2D of int16, over the part of the window that lies inside the image."""

    KERNEL = KernelId.AVERAGE_POOL_16
    SOURCE = "average_pool_16"
    SYMBOL = "es_kernel_average_pool_16"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    pad_top: U16
    pad_left: U16
    act_min: I32
    act_max: I32


@dataclass(frozen=True, slots=True)
class MaxPool16Params(Params):
    """MAX_POOL_2D of int16, over the part of the window that lies inside the image."""

    KERNEL = KernelId.MAX_POOL_16
    SOURCE = "max_pool_16"
    SYMBOL = "es_kernel_max_pool_16"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    pad_top: U16
    pad_left: U16
    act_min: I32
    act_max: I32


@dataclass(frozen=True, slots=True)
class Mean16Params(Params):
    """MEAN of int16; dimensions and strides as for REDUCE."""

    KERNEL = KernelId.MEAN_16
    SOURCE = "mean_16"
    SYMBOL = "es_kernel_mean_16"

    kept_dims: Dims3
    kept_strides: Strides3
    reduced_dims: Dims3
    reduced_strides: Strides3
    multiplier: I32
    shift: I32


@dataclass(frozen=True, slots=True)
class Add16Params(Params):
    """ADD and SUB of int16, as ADD: ``factor_1`` is plus or minus 2^14."""

    KERNEL = KernelId.ADD_16
    SOURCE = "add_16"
    SYMBOL = "es_kernel_add_16"

    factor_1: I32
    factor_2: I32
    multiplier_2: I32
    shift_2: I32
    output_multiplier: I32
    output_shift: I32
    act_min: I32
    act_max: I32


@dataclass(frozen=True, slots=True)
class Mul16Params(Params):
    """MUL of int16; an input of extent 1 in h, w or c is broadcast."""

    KERNEL = KernelId.MUL_16
    SOURCE = "mul_16"
    SYMBOL = "es_kernel_mul_16"

    multiplier: I32
    shift: I32
    act_min: I32
    act_max: I32


@dataclass(frozen=True, slots=True)
class Softmax16Params(Params):
    """SOFTMAX of int16 over the last dimension. Both tables are int16 [513]: a function at 512
    steps and at its end.
    """

    KERNEL = KernelId.SOFTMAX_16
    SOURCE = "softmax_16"
    SYMBOL = "es_kernel_softmax_16"

    multiplier: I32
    shift: I32
    exponentials: Blob
    reciprocals: Blob


@dataclass(frozen=True, slots=True)
class Sigmoid16Params(Params):
    """LOGISTIC and TANH of int16. ``table`` uint16 [256]: 65536 times the logistic of i / 24."""

    KERNEL = KernelId.SIGMOID_16
    SOURCE = "sigmoid_16"
    SYMBOL = "es_kernel_sigmoid_16"

    is_tanh: U32
    multiplier: I32
    shift: I32
    table: Blob


@dataclass(frozen=True, slots=True)
class Rescale16Params(Params):
    """QUANTIZE among int8 and int16, RELU, RELU6, RELU_N1_TO_1 and LEAKY_RELU of int16: a factor
    for what is below the input's zero point, and one for the rest.
    """

    KERNEL = KernelId.RESCALE_16
    SOURCE = "rescale_16"
    SYMBOL = "es_kernel_rescale_16"

    input_zero_point: I32
    output_zero_point: I32
    positive_multiplier: I32
    positive_shift: I32
    negative_multiplier: I32
    negative_shift: I32
    act_min: I32
    act_max: I32


@dataclass(frozen=True, slots=True)
class Quantize16Params(Params):
    """QUANTIZE from float32 to int16; zero point and range are said, but always those of int16."""

    KERNEL = KernelId.QUANTIZE_16
    SOURCE = "quantize_16"
    SYMBOL = "es_kernel_quantize_16"

    scale: F32
    zero_point: I32
    low: I32
    high: I32


@dataclass(frozen=True, slots=True)
class Dequantize16Params(Params):
    """DEQUANTIZE from int16 to float32."""

    KERNEL = KernelId.DEQUANTIZE_16
    SOURCE = "dequantize_16"
    SYMBOL = "es_kernel_dequantize_16"

    scale: F32
    zero_point: I32

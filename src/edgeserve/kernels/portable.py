"""Records of the kernels of int8 that every core runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from edgeserve.kernels.record import (
    F32,
    I32,
    U16,
    U32,
    Blob,
    Dims3,
    Dims6,
    Gates4,
    KernelId,
    Params,
    Strides6,
)


@dataclass(frozen=True, slots=True)
class Conv2dParams(Params):
    """CONV_2D. ``weights`` int8, group by group: blocks of four output channels, interleaved
    [kernel_h][kernel_w][weight_c][4], then the one to three channels left.

    The input zero point is folded into the biases; ``pads`` holds a pixel of it for what lies
    outside the image (where no window leaves it, the weights' own bytes, which cost nothing).
    Grouped when ``weight_c`` is below the input's channels.
    """

    KERNEL = KernelId.CONV_2D
    SOURCE = "conv2d"
    SYMBOL = "es_kernel_conv2d"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    output_zero_point: I32
    act_min: I32
    act_max: I32
    weight_c: U32
    weights: Blob
    channels: Blob
    pads: Blob


@dataclass(frozen=True, slots=True)
class DepthwiseParams(Params):
    """DEPTHWISE_CONV_2D. ``weights`` int8 [kernel_h][kernel_w][out_c]; out_c = in_c * multiplier.

    Biases and ``pads`` as for CONV_2D.
    """

    KERNEL = KernelId.DEPTHWISE_CONV_2D
    SOURCE = "depthwise"
    SYMBOL = "es_kernel_depthwise"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    output_zero_point: I32
    act_min: I32
    act_max: I32
    multiplier: U32
    weights: Blob
    channels: Blob
    pads: Blob


@dataclass(frozen=True, slots=True)
class FullyConnectedParams(Params):
    """FULLY_CONNECTED. Each input row is one vector; ``weights`` int8 [out_c][in_c].

    The input zero point is folded into the biases. Requantization rounds the 64-bit product once,
    ties away from zero, as LiteRT's reference does for this operator alone.
    """

    KERNEL = KernelId.FULLY_CONNECTED
    SOURCE = "fully_connected"
    SYMBOL = "es_kernel_fully_connected"

    output_zero_point: I32
    act_min: I32
    act_max: I32
    weights: Blob
    channels: Blob


@dataclass(frozen=True, slots=True)
class TransposeConvParams(Params):
    """TRANSPOSE_CONV. ``weights`` int8: blocks of four output channels, interleaved
    [kernel_h][kernel_w][in_c][4], then the one to three channels left. Biases are the file's.
    """

    KERNEL = KernelId.TRANSPOSE_CONV
    SOURCE = "transpose_conv"
    SYMBOL = "es_kernel_transpose_conv"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    pad_top: U16
    pad_left: U16
    input_zero_point: I32
    output_zero_point: I32
    act_min: I32
    act_max: I32
    weights: Blob
    channels: Blob


@dataclass(frozen=True, slots=True)
class AveragePoolParams(Params):
    """AVERAGE_POOL_2D over the part of the window that lies inside the image."""

    KERNEL = KernelId.AVERAGE_POOL_2D
    SOURCE = "average_pool"
    SYMBOL = "es_kernel_average_pool"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    pad_top: U16
    pad_left: U16
    act_min: I32
    act_max: I32


@dataclass(frozen=True, slots=True)
class MaxPoolParams(Params):
    """MAX_POOL_2D over the part of the window that lies inside the image."""

    KERNEL = KernelId.MAX_POOL_2D
    SOURCE = "max_pool"
    SYMBOL = "es_kernel_max_pool"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    pad_top: U16
    pad_left: U16
    act_min: I32
    act_max: I32


class ReduceMode(IntEnum):
    """MEAN is a SUM whose multiplier divides by the number of elements.

    SUM_UNSIGNED takes the bits of every int8, also of the result, for those of a uint8.
    """

    SUM = 0
    MAX = 1
    SUM_UNSIGNED = 2


@dataclass(frozen=True, slots=True)
class ReduceParams(Params):
    """MEAN, SUM, REDUCE_MAX. Adjacent kept and adjacent reduced dimensions are merged on the host.

    Output element (i, j, k) over ``kept_dims`` reduces the input elements at
    ``sum(index * stride)`` over ``kept_strides`` and ``reduced_strides`` (in elements);
    ``kept_dims[0]`` are the output's rows. A sum begins at ``start``, minus the zero points.
    """

    KERNEL = KernelId.REDUCE
    SOURCE = "reduce"
    SYMBOL = "es_kernel_reduce"

    mode: U32
    kept_dims: Dims3
    kept_strides: Dims3
    reduced_dims: Dims3
    reduced_strides: Dims3
    start: I32
    multiplier: I32
    shift: I32
    output_zero_point: I32


@dataclass(frozen=True, slots=True)
class ReducePixelsParams(Params):
    """MEAN, SUM, REDUCE_MAX over all but the innermost dimension, which is the output's single row.

    A sum begins at ``start``, minus the zero points; a maximum at -128. Maxima are requantized by
    one. ``low`` to ``high`` is the output's type.
    """

    KERNEL = KernelId.REDUCE_PIXELS
    SOURCE = "reduce_pixels"
    SYMBOL = "es_kernel_reduce_pixels"

    mode: U32
    start: I32
    multiplier: I32
    shift: I32
    output_zero_point: I32
    low: I32
    high: I32


@dataclass(frozen=True, slots=True)
class SoftmaxParams(Params):
    """SOFTMAX over the last dimension; each row of the views is one distribution."""

    KERNEL = KernelId.SOFTMAX
    SOURCE = "softmax"
    SYMBOL = "es_kernel_softmax"

    input_multiplier: I32
    input_left_shift: I32
    diff_min: I32


@dataclass(frozen=True, slots=True)
class LookUpParams(Params):
    """Any function of one 8-bit element: ``table`` has 256 bytes, indexed by the element's bits."""

    KERNEL = KernelId.LOOK_UP
    SOURCE = "look_up"
    SYMBOL = "es_kernel_look_up"

    table: Blob


@dataclass(frozen=True, slots=True)
class AddParams(Params):
    """ADD and SUB; an input of extent 1 in h, w or c is broadcast.

    The first input is the one with the greater scale: ``factor_1`` (plus or minus 2^19) scales it
    exactly. The second is scaled by a multiplier, and subtracted where ``factor_2`` is -1.
    """

    KERNEL = KernelId.ADD
    SOURCE = "add"
    SYMBOL = "es_kernel_add"

    factor_1: I32
    offset_1: I32
    factor_2: I32
    offset_2: I32
    multiplier_2: I32
    shift_2: I32
    output_zero_point: I32
    output_multiplier: I32
    output_shift: I32
    act_min: I32
    act_max: I32


@dataclass(frozen=True, slots=True)
class MulParams(Params):
    """MUL; an input of extent 1 in h, w or c is broadcast."""

    KERNEL = KernelId.MUL
    SOURCE = "mul"
    SYMBOL = "es_kernel_mul"

    offset_1: I32
    offset_2: I32
    output_zero_point: I32
    output_multiplier: I32
    output_shift: I32
    act_min: I32
    act_max: I32


class ExtremumMode(IntEnum):
    """Which of two elements is kept."""

    MINIMUM = 0
    MAXIMUM = 1


@dataclass(frozen=True, slots=True)
class ExtremumParams(Params):
    """MINIMUM and MAXIMUM; an input of extent 1 in h, w or c is broadcast."""

    KERNEL = KernelId.EXTREMUM
    SOURCE = "extremum"
    SYMBOL = "es_kernel_extremum"

    mode: U32


@dataclass(frozen=True, slots=True)
class PreluParams(Params):
    """PRELU; input 1 holds the slopes and is broadcast where its extent is 1."""

    KERNEL = KernelId.PRELU
    SOURCE = "prelu"
    SYMBOL = "es_kernel_prelu"

    input_offset: I32
    alpha_offset: I32
    output_zero_point: I32
    positive_multiplier: I32
    positive_shift: I32
    negative_multiplier: I32
    negative_shift: I32


@dataclass(frozen=True, slots=True)
class CopyParams(Params):
    """Any data movement with constant strides: TRANSPOSE, SLICE, STRIDED_SLICE, SPLIT, UNPACK,
    SPACE_TO_DEPTH, DEPTH_TO_SPACE, and the making whole of a broadcast.

    Output row i0 holds the elements [i1..i5] (``dims``, dense); each is element
    ``start + sum(i * stride)`` of the input's row ``first_row + i0 * row_step``. Strides are in
    elements and may be zero or negative.
    """

    KERNEL = KernelId.COPY
    SOURCE = "copy"
    SYMBOL = "es_kernel_copy"

    first_row: U32
    row_step: I32
    start: U32
    dims: Dims6
    strides: Strides6


@dataclass(frozen=True, slots=True)
class ConcatenationParams(Params):
    """CONCATENATION and PACK: output pixel (y, x) is pixel (y, x) of every input, one after the
    other.
    """

    KERNEL = KernelId.CONCATENATION
    SOURCE = "concatenation"
    SYMBOL = "es_kernel_concatenation"


@dataclass(frozen=True, slots=True)
class PadParams(Params):
    """PAD and PADV2. ``dims`` are the output's, the first its rows; the input's box of ``inner``
    starts at ``before``.

    ``value`` holds the little-endian bits of one element.
    """

    KERNEL = KernelId.PAD
    SOURCE = "pad"
    SYMBOL = "es_kernel_pad"

    value: U32
    dims: Dims6
    before: Dims6
    inner: Dims6


@dataclass(frozen=True, slots=True)
class GatherParams(Params):
    """GATHER along the middle of (rows, axis, inner); input 1 holds int32 indices.

    An index outside the axis is clamped to it: the device has nobody to tell.
    """

    KERNEL = KernelId.GATHER
    SOURCE = "gather"
    SYMBOL = "es_kernel_gather"

    axis: U32
    inner_bytes: U32
    indices: U32


@dataclass(frozen=True, slots=True)
class ResizeNearestParams(Params):
    """RESIZE_NEAREST_NEIGHBOR. ``rows`` and ``columns`` are uint16 input indices of each output."""

    KERNEL = KernelId.RESIZE_NEAREST
    SOURCE = "resize_nearest"
    SYMBOL = "es_kernel_resize_nearest"

    rows: Blob
    columns: Blob


@dataclass(frozen=True, slots=True)
class ResizeBilinearParams(Params):
    """RESIZE_BILINEAR. ``rows`` and ``columns`` hold {uint16 low, uint16 high, int32 fraction} of
    each output; the fraction of ``high`` is in 1/1024 and lies in [-512, 1536].
    """

    KERNEL = KernelId.RESIZE_BILINEAR
    SOURCE = "resize_bilinear"
    SYMBOL = "es_kernel_resize_bilinear"

    rows: Blob
    columns: Blob


@dataclass(frozen=True, slots=True)
class ArgMaxParams(Params):
    """ARG_MAX along the middle of (rows, axis, inner); the first of equals wins."""

    KERNEL = KernelId.ARG_MAX
    SOURCE = "arg_max"
    SYMBOL = "es_kernel_arg_max"

    axis: U32
    inner: U32


@dataclass(frozen=True, slots=True)
class QuantizeParams(Params):
    """QUANTIZE from float32 to int8 or uint8 (``low`` to ``high``) at the model's edge."""

    KERNEL = KernelId.QUANTIZE
    SOURCE = "quantize"
    SYMBOL = "es_kernel_quantize"

    scale: F32
    zero_point: I32
    low: I32
    high: I32


@dataclass(frozen=True, slots=True)
class DequantizeParams(Params):
    """DEQUANTIZE from int8 to float32 at the model's edge."""

    KERNEL = KernelId.DEQUANTIZE
    SOURCE = "dequantize"
    SYMBOL = "es_kernel_dequantize"

    scale: F32
    zero_point: I32


@dataclass(frozen=True, slots=True)
class SvdfParams(Params):
    """SVDF, one row a batch. Inputs: int8 features [batch][in], int16 state [filters*memory].

    ``weights_feature`` int8 [filters][in], ``weights_time`` int16 [filters][memory], ``offsets``
    int32 [filters] (the folded input zero point), ``biases`` int32 [units]; filters = units * rank.
    The kernel writes the state.
    """

    KERNEL = KernelId.SVDF
    SOURCE = "svdf"
    SYMBOL = "es_kernel_svdf"

    rank: U32
    memory: U32
    state_multiplier: I32
    state_shift: I32
    output_multiplier: I32
    output_shift: I32
    output_zero_point: I32
    weights_feature: Blob
    weights_time: Blob
    offsets: Blob
    biases: Blob


@dataclass(frozen=True, slots=True)
class LstmParams(Params):
    """UNIDIRECTIONAL_SEQUENCE_LSTM, 8x8_16. Inputs: int8 sequence (one row a time step), int8
    output state [cells], int16 cell state [cells]. The kernel writes both states.

    Gates come in the order forget, cell, output, input; ``gates`` is 3 where the input gate is one
    minus the forget gate. ``weights`` int8 [cells][gates][in], ``recurrent`` int8
    [cells][gates][cells], ``biases`` int32 [cells][gates]{input, recurrent}, zero points folded in.
    The cell state's scale is 2^``cell_scale_log2``; a ``cell_clip`` of 0 means none.
    """

    KERNEL = KernelId.LSTM
    SOURCE = "lstm"
    SYMBOL = "es_kernel_lstm"

    gates: U32
    cell_scale_log2: I32
    cell_clip: I32
    input_multipliers: Gates4
    input_shifts: Gates4
    recurrent_multipliers: Gates4
    recurrent_shifts: Gates4
    hidden_multiplier: I32
    hidden_shift: I32
    hidden_zero_point: I32
    weights: Blob
    recurrent: Blob
    biases: Blob

"""The one table of kernels that the runtime has: their ids, parameter records, sources and scratch.

A parameter record is a C struct of little-endian fields, described here by a dataclass whose
annotations give each field's width. The struct in ``firmware/kernels/es_kernels.h`` must have the
same layout; a test compiles it and compares every offset. Fields are ordered so that no padding is
needed anywhere but at the end, where the record is rounded up to four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Annotated, ClassVar, get_args, get_origin, get_type_hints

KERNEL_SET_VERSION = 1

I8 = Annotated[int, "b"]
U8 = Annotated[int, "B"]
I16 = Annotated[int, "h"]
U16 = Annotated[int, "H"]
I32 = Annotated[int, "i"]
U32 = Annotated[int, "I"]
F32 = Annotated[float, "f"]
Dims3 = Annotated[tuple[int, ...], "3I"]
Dims6 = Annotated[tuple[int, ...], "6I"]
Strides3 = Annotated[tuple[int, ...], "3i"]
Strides6 = Annotated[tuple[int, ...], "6i"]
Gates4 = Annotated[tuple[int, ...], "4i"]


@dataclass(frozen=True, slots=True)
class Blob:
    """Constant bytes in the model table; the record holds their offset from the table's start."""

    data: bytes
    note: str
    alignment_bytes: int = 4


NO_BLOB = Blob(b"", "absent")
"""Encoded as offset 0, which no blob can have: the table starts with its header."""


class KernelId(IntEnum):
    """Ids are forever: a model in the field names its kernels by them."""

    CONV_2D = 1
    DEPTHWISE_CONV_2D = 2
    FULLY_CONNECTED = 3
    TRANSPOSE_CONV = 4
    AVERAGE_POOL_2D = 5
    MAX_POOL_2D = 6
    REDUCE = 7
    SOFTMAX = 8
    LOOK_UP = 9
    ADD = 10
    MUL = 11
    EXTREMUM = 12
    PRELU = 13
    COPY = 14
    CONCATENATION = 15
    PAD = 16
    GATHER = 17
    RESIZE_NEAREST = 18
    RESIZE_BILINEAR = 19
    ARG_MAX = 20
    QUANTIZE = 21
    DEQUANTIZE = 22
    SVDF = 23
    LSTM = 24
    CONV_PAIRS = 25
    DEPTHWISE_PAIRS = 26
    FULLY_CONNECTED_PAIRS = 30
    ADD_BY_TABLE = 31
    CONV_VECTORS = 40
    DEPTHWISE_VECTORS = 41
    CONV_LANES = 48
    DEPTHWISE_COLUMNS = 49
    FULLY_CONNECTED_BLOCKS = 50
    CONV_2D_16 = 60
    DEPTHWISE_16 = 61
    FULLY_CONNECTED_16 = 62
    AVERAGE_POOL_16 = 63
    MAX_POOL_16 = 64
    MEAN_16 = 65
    ADD_16 = 66
    MUL_16 = 67
    SOFTMAX_16 = 68
    SIGMOID_16 = 69
    RESCALE_16 = 70
    QUANTIZE_16 = 71
    DEQUANTIZE_16 = 72
    FULLY_CONNECTED_WIDE = 32
    CONV_WINOGRAD = 33
    DEPTHWISE_RELU = 34
    CONV_2D_FLOAT = 80
    DEPTHWISE_FLOAT = 81
    FULLY_CONNECTED_FLOAT = 82
    POOL_FLOAT = 83
    MEAN_FLOAT = 84
    BINARY_FLOAT = 85
    UNARY_FLOAT = 86
    SOFTMAX_FLOAT = 87


def channel_table(
    biases: Sequence[int], multipliers: Sequence[int], shifts: Sequence[int], note: str
) -> Blob:
    """One ``es_channel_t`` {int32 bias, int32 multiplier, int32 shift} for each output channel.

    ``multiplier`` is Q31 and ``shift`` the power of two to the left (negative: right), as TFLite's
    QuantizeMultiplier makes them.
    """
    rows = zip(biases, multipliers, shifts, strict=True)
    return Blob(b"".join(struct.pack("<iii", *row) for row in rows), note)


@dataclass(frozen=True, slots=True)
class Params:
    """Base of all parameter records."""

    KERNEL: ClassVar[KernelId]
    SOURCE: ClassVar[str]
    """Stem of the source files in ``firmware/kernels/<isa>/`` and ``firmware/adapters/``."""
    SYMBOL: ClassVar[str]
    """The ``es_kernel_t`` that the adapter defines."""


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


QUAD = 4
"""Taps that a convolution by channel pairs takes at a time."""
TILE_PIXELS = 3
"""Output pixels that it computes together."""
SMALL_TILE_PIXELS = 2
"""The same with less scratch, in an eighth more instructions."""


def quads_of_row(kernel_h: int, run: int) -> tuple[int, int]:
    """What a kernel row of ``run`` taps gives alone, in quads, and what is left of it, in taps.

    It is filled up to whole quads where that takes no more of them than to gather what all rows
    leave.
    """
    left = run % QUAD
    if left and -(-left * kernel_h // QUAD) < kernel_h:
        return run // QUAD, left
    return -(-run // QUAD), 0


@dataclass(frozen=True, slots=True)
class ConvPairsParams(Params):
    """CONV_2D without groups, two output channels at a time.

    ``stream`` holds biases, weights and requantization of each pair as ``es_conv_pairs`` reads them
    (``tune/convolution.py`` writes it). ``pad`` is the input's zero point. ``negatives`` is 0 where
    the output's least value is its zero point or above, so that no negative sum shows.
    ``tile_pixels`` is ``TILE_PIXELS``, or ``SMALL_TILE_PIXELS`` where scratch is short.
    """

    KERNEL = KernelId.CONV_PAIRS
    SOURCE = "conv_pairs"
    SYMBOL = "es_kernel_conv_pairs"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    pad: I32
    act_min: I32
    act_max: I32
    negatives: U32
    tile_pixels: U32
    stream: Blob

    def scratch_bytes(self, source: tuple[int, int, int], output: tuple[int, int]) -> int:
        """A tile of windows as int16, and, where windows leave the image or skip columns, one
        padded kernel row. ``source``: h, w, c; ``output``: h, w.
        """
        h, w, c = source
        quads, left = quads_of_row(self.kernel_h, self.kernel_w * c)
        taps = QUAD * (quads * self.kernel_h - (-left * self.kernel_h // QUAD))
        row_bytes = QUAD * quads + left
        reach_h, reach_w = (self.kernel_h - 1) * self.dilation_h + 1, -(-row_bytes // c)
        is_plain = (
            (self.pad_top, self.pad_left) == (0, 0)
            and (output[0] - 1) * self.stride_h + reach_h <= h
            and (output[1] - 1) * self.stride_w + reach_w <= w
            and 1 in (self.dilation_w, self.kernel_w)
        )
        return 2 * self.tile_pixels * taps + (0 if is_plain else row_bytes)


DEPTHWISE_PIXELS = 4
"""Output pixels for which the kernel by pairs has room in its scratch, however narrow a row is."""


@dataclass(frozen=True, slots=True)
class DepthwisePairsParams(Params):
    """DEPTHWISE_CONV_2D with multiplier 1 and at least four channels, two rows of a window by one
    multiplication. ``firmware/kernels/es_kernels.h`` describes ``stream``.

    Each channel's numbers are scaled so that nothing but an addition and a shift is left after the
    multiplication; ``negatives`` is 0 where no output below the zero point survives the clamp.
    ``tile_w`` output pixels are computed at a time. ``sets_aside``: a copy of an input row is made,
    so that the output may lie over it one row earlier.
    """

    KERNEL = KernelId.DEPTHWISE_PAIRS
    SOURCE = "depthwise_pairs"
    SYMBOL = "es_kernel_depthwise_pairs"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    pad: I32
    act_min: I32
    act_max: I32
    negatives: U32
    tile_w: U32
    sets_aside: U32
    stream: Blob

    @property
    def by_two(self) -> bool:
        """Whether two output rows are computed at once."""
        window = (self.kernel_h, self.kernel_w, self.dilation_h, self.dilation_w)
        return window == (3, 3, 1, 1) and (self.stride_h, self.stride_w) in ((1, 1), (2, 2))

    @property
    def rows_at_once(self) -> int:
        """Output rows that may be computed before the first of them is written."""
        return 2 if self.by_two and not self.sets_aside else 1

    def columns_bytes(self, pixels: int) -> int:
        """Of the columns that so many output pixels see, packed."""
        seen = self.kernel_h + (self.stride_h if self.by_two else 0)
        columns = (pixels - 1) * self.stride_w + (self.kernel_w - 1) * self.dilation_w + 1
        return 16 * ((seen + 1) // 2) * columns

    def scratch_bytes(self, in_row_bytes: int, out_w: int) -> int:
        """A tile's columns, a channel's taps in pairs, and the row that is set aside."""
        pairs = (self.kernel_h + 1) // 2 * self.kernel_w
        aside = in_row_bytes if self.sets_aside else 0
        pixels = max(min(self.tile_w, out_w), DEPTHWISE_PIXELS)
        return self.columns_bytes(pixels) + 16 * ((pairs + 1) // 2) + aside


@dataclass(frozen=True, slots=True)
class DepthwiseReluParams(DepthwisePairsParams):
    """The same of 3x3 windows by a stride of at most 2, where no output below the zero point
    survives the clamp: ``negatives`` is 0. A kernel of its own, so that models without other
    windows, which are most of them, need not have the code for those.
    """

    KERNEL = KernelId.DEPTHWISE_RELU
    SOURCE = "depthwise_relu"
    SYMBOL = "es_kernel_depthwise_relu"


@dataclass(frozen=True, slots=True)
class FullyConnectedPairsParams(Params):
    """FULLY_CONNECTED by pairs of output channels, for cores with SMLAD.

    ``weights`` are int16 ``w0 + 256 * w1`` of a channel pair, by blocks of four channels:
    [out_c / 4][depth / 4][pair][parity][2], both extents rounded up, tap ``4q + 2i + parity`` at
    [q][pair][parity][i]. ``blocks`` holds {int32 starts[4], {int32 multiplier, int32 exponent}[4]}
    of each block. ``is_long`` is 0 where no sum of an odd channel leaves 24 bits on its way. See
    ``es_fully_connected_pairs`` in es_kernels.h.
    """

    KERNEL = KernelId.FULLY_CONNECTED_PAIRS
    SOURCE = "fully_connected_pairs"
    SYMBOL = "es_kernel_fully_connected_pairs"

    output_zero_point: I32
    act_min: I32
    act_max: I32
    is_long: U32
    weights: Blob
    blocks: Blob


@dataclass(frozen=True, slots=True)
class AddByTableParams(Params):
    """ADD and SUB of two inputs of one shape, for cores with SMMULR.

    ``table`` int32 [256], by the bits of an element of the second input: twice its scaled value and
    the first input's offset. See ``es_add_by_table`` in es_kernels.h.
    """

    KERNEL = KernelId.ADD_BY_TABLE
    SOURCE = "add_by_table"
    SYMBOL = "es_kernel_add_by_table"

    multiplier: I32
    addend: I32
    exponent: I32
    act_min: I32
    act_max: I32
    table: Blob


LANES_PIXELS = 3
"""Output pixels that a convolution by lanes computes together."""
LANES_BLOCK = 4
"""Output channels whose weights lie together, filled up with zeros."""
_LANES_TAP_BYTES, _LANES_ROWS = 8, 4


@dataclass(frozen=True, slots=True)
class ConvLanesParams(Params):
    """CONV_2D without groups, three output pixels by two multiplications, for cores without SIMD.

    ``weights`` int8 by blocks of four output channels, [kernel_h][kernel_w][in_c][4]; ``scales``
    {int32 bias, multiplier, addend, exponent} of each channel. ``pad`` is the input's zero point.
    ``below`` is -2, or 0 where no output below its zero point survives the clamp. The sums of
    ``run`` taps are proven to be int21. See ``es_conv_lanes`` in es_kernels.h.
    """

    KERNEL = KernelId.CONV_LANES
    SOURCE = "conv_lanes"
    SYMBOL = "es_kernel_conv_lanes"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    pad: I32
    act_min: I32
    act_max: I32
    below: I32
    run: U32
    weights: Blob
    scales: Blob

    def scratch_bytes(self, source: tuple[int, int, int], output: tuple[int, int]) -> int:
        """Two words a tap, and, where windows leave the image or skip columns, four kernel rows.
        ``source``: h, w, c; ``output``: h, w.
        """
        h, w, c = source
        row = self.kernel_w * c
        is_plain = (
            (self.pad_top, self.pad_left) == (0, 0)
            and (output[0] - 1) * self.stride_h + (self.kernel_h - 1) * self.dilation_h + 1 <= h
            and (output[1] - 1) * self.stride_w + self.kernel_w <= w
            and 1 in (self.dilation_w, self.kernel_w)
        )
        return _LANES_TAP_BYTES * self.kernel_h * row + (0 if is_plain else _LANES_ROWS * row)


@dataclass(frozen=True, slots=True)
class DepthwiseColumnsParams(Params):
    """DEPTHWISE_CONV_2D with multiplier 1 and windows of 3x3, for cores without SIMD.

    ``weights`` int8 [c][3][3]; the rest as for ``ConvLanesParams``. ``stride_w`` is 1 or 2.
    """

    KERNEL = KernelId.DEPTHWISE_COLUMNS
    SOURCE = "depthwise_columns"
    SYMBOL = "es_kernel_depthwise_columns"

    stride_h: U16
    stride_w: U16
    pad_top: U16
    pad_left: U16
    pad: I32
    act_min: I32
    act_max: I32
    below: I32
    weights: Blob
    scales: Blob


@dataclass(frozen=True, slots=True)
class FullyConnectedBlocksParams(Params):
    """FULLY_CONNECTED by blocks of eight output channels, for cores without SIMD.

    ``weights`` int8 [out_c / 8][depth][8], filled up with zeros; a last block of at most four
    channels is [depth][4]. ``scales`` as for ``ConvLanesParams``. No sum lies on a tie.
    """

    KERNEL = KernelId.FULLY_CONNECTED_BLOCKS
    SOURCE = "fully_connected_blocks"
    SYMBOL = "es_kernel_fully_connected_blocks"

    act_min: I32
    act_max: I32
    weights: Blob
    scales: Blob


@dataclass(frozen=True, slots=True)
class FullyConnectedWideParams(Params):
    """FULLY_CONNECTED with weights of 16 bits, for cores with SMLAD: twice the flash.

    ``weights`` are int16 by blocks of four channels: [out_c / 4][depth / 4][parity][4][2], both
    extents rounded up, tap ``4q + 2i + parity`` of a channel at [q][parity][channel][i]. ``blocks``
    holds {int32 biases[4], {int32 multiplier, int32 addend, int32 exponent}[4]} of each block. See
    ``es_fully_connected_wide`` in es_kernels.h.
    """

    KERNEL = KernelId.FULLY_CONNECTED_WIDE
    SOURCE = "fully_connected_wide"
    SYMBOL = "es_kernel_fully_connected_wide"

    act_min: I32
    act_max: I32
    weights: Blob
    blocks: Blob


@dataclass(frozen=True, slots=True)
class ConvWinogradParams(Params):
    """CONV_2D 3x3 of stride 1, without groups, by Winograd's F(2x2, 3x3), for cores with SMLAD.

    ``stream`` holds transformed weights, biases and requantization of each pair of output channels
    as ``es_conv_winograd`` reads them (``tune/winograd.py`` writes it): 3.56 times the flash.
    ``pads`` holds a pixel of the input's zero point. ``negatives`` is 0 where the output's least
    value is its zero point or above.
    """

    KERNEL = KernelId.CONV_WINOGRAD
    SOURCE = "conv_winograd"
    SYMBOL = "es_kernel_conv_winograd"

    pad_top: U16
    pad_left: U16
    act_min: I32
    act_max: I32
    negatives: U32
    stream: Blob
    pads: Blob

    @staticmethod
    def scratch_bytes(in_c: int) -> int:
        """Two tiles of the input, transformed, and of two output channels what becomes of them."""
        return 64 * in_c + 256


WINOGRAD_ROWS = 2
"""Output rows that are computed at once."""


VECTOR_BYTES = 16
"""Elements that a core with MVE multiplies at a time."""
VECTOR_PIXELS = 4
"""Output pixels that a convolution by vectors computes together."""


@dataclass(frozen=True, slots=True)
class ConvVectorsParams(Params):
    """CONV_2D without groups, for cores with MVE: sixteen taps at a time.

    ``stream`` holds the weights of two output channels in turns, sixteen taps of each, then
    {int32 bias, int32 multiplier, int32 addend, int32 -exponent} of both (``tune/vectors.py``
    writes it); the last two of an odd number of channels overlap the two before. ``pad`` is the
    input's zero point, ``negatives`` as for ``ConvPairsParams``.
    """

    KERNEL = KernelId.CONV_VECTORS
    SOURCE = "conv_vectors"
    SYMBOL = "es_kernel_conv_vectors"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    pad: I32
    act_min: I32
    act_max: I32
    negatives: U32
    stream: Blob

    def scratch_bytes(self, in_c: int) -> int:
        """The windows of four pixels, each filled up to whole vectors."""
        return VECTOR_PIXELS * vector_bytes(self.kernel_h * self.kernel_w * in_c)


def vector_bytes(count: int) -> int:
    """Bytes of ``count`` int8 in whole vectors."""
    return -(-count // VECTOR_BYTES) * VECTOR_BYTES


DEPTHWISE_COLUMN_BYTES = 4 * VECTOR_BYTES
"""Four rows of a column of sixteen channels."""


@dataclass(frozen=True, slots=True)
class DepthwiseVectorsParams(Params):
    """DEPTHWISE_CONV_2D with multiplier 1 and windows of at most four rows and columns, for cores
    with MVE: a window at a time.

    ``stream`` has nine words a channel: int32 bias, multiplier, addend and exponent, a word of
    zeros, and the weights as int8 [4 columns][4 rows], filled up with zeros. ``tile_w`` output
    pixels are computed at a time; ``sets_aside`` as for ``DepthwisePairsParams``.
    """

    KERNEL = KernelId.DEPTHWISE_VECTORS
    SOURCE = "depthwise_vectors"
    SYMBOL = "es_kernel_depthwise_vectors"

    kernel_h: U16
    kernel_w: U16
    stride_h: U16
    stride_w: U16
    dilation_h: U16
    dilation_w: U16
    pad_top: U16
    pad_left: U16
    pad: I32
    act_min: I32
    act_max: I32
    negatives: U32
    tile_w: U32
    sets_aside: U32
    stream: Blob

    @property
    def by_two(self) -> bool:
        """Whether two output rows are computed at once; else the stride along a row is 2."""
        return self.stride_w == 1

    @property
    def rows_at_once(self) -> int:
        """Output rows that may be computed before the first of them is written."""
        return 2 if self.by_two and not self.sets_aside else 1

    def columns_bytes(self, pixels: int) -> int:
        """Of the columns that so many output pixels see; they are computed two by two or, by
        stride 2, four by four.
        """
        even = -(-pixels // 2) * 2 if self.by_two else -(-pixels // 4) * 4
        return (even * self.stride_w + 2) * DEPTHWISE_COLUMN_BYTES

    def scratch_bytes(self, in_row_bytes: int, out_w: int) -> int:
        """A tile's columns, and the row that is set aside."""
        aside = in_row_bytes if self.sets_aside else 0
        return self.columns_bytes(min(self.tile_w, out_w)) + aside


# Kernels of int16 activations, whose zero points are 0. Multipliers and shifts are as elsewhere.


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


# Kernels of float32, whose outputs are LiteRT's within a tolerance, not bit for bit.


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


KERNELS: tuple[type[Params], ...] = (
    Conv2dParams,
    DepthwiseParams,
    FullyConnectedParams,
    TransposeConvParams,
    AveragePoolParams,
    MaxPoolParams,
    ReduceParams,
    SoftmaxParams,
    LookUpParams,
    AddParams,
    MulParams,
    ExtremumParams,
    PreluParams,
    CopyParams,
    ConcatenationParams,
    PadParams,
    GatherParams,
    ResizeNearestParams,
    ResizeBilinearParams,
    ArgMaxParams,
    QuantizeParams,
    DequantizeParams,
    SvdfParams,
    LstmParams,
    ConvPairsParams,
    DepthwisePairsParams,
    DepthwiseReluParams,
    FullyConnectedPairsParams,
    AddByTableParams,
    ConvVectorsParams,
    DepthwiseVectorsParams,
    ConvLanesParams,
    DepthwiseColumnsParams,
    FullyConnectedBlocksParams,
    FullyConnectedWideParams,
    ConvWinogradParams,
    Conv2d16Params,
    Depthwise16Params,
    FullyConnected16Params,
    AveragePool16Params,
    MaxPool16Params,
    Mean16Params,
    Add16Params,
    Mul16Params,
    Softmax16Params,
    Sigmoid16Params,
    Rescale16Params,
    Quantize16Params,
    Dequantize16Params,
    Conv2dFloatParams,
    DepthwiseFloatParams,
    FullyConnectedFloatParams,
    PoolFloatParams,
    MeanFloatParams,
    BinaryFloatParams,
    UnaryFloatParams,
    SoftmaxFloatParams,
)

FLOAT_ARITHMETIC: tuple[type[Params], ...] = (
    Conv2dFloatParams,
    DepthwiseFloatParams,
    FullyConnectedFloatParams,
    PoolFloatParams,
    MeanFloatParams,
    BinaryFloatParams,
    UnaryFloatParams,
    SoftmaxFloatParams,
)
"""Kernels that round on their way as the core and the compiler do, not as the reference does."""


def field_formats(params: type[Params]) -> tuple[tuple[str, str], ...]:
    """(field, ``struct`` format) in the order of the record; a blob is a uint32 offset."""
    hints = get_type_hints(params, include_extras=True)
    formats = []
    for field in fields(params):
        hint = hints[field.name]
        formats.append((field.name, get_args(hint)[1] if get_origin(hint) is Annotated else "I"))
    return tuple(formats)


def record_bytes(params: type[Params]) -> int:
    """Size of the record in the model table, a multiple of four."""
    return -(-struct.calcsize("<" + "".join(f for _, f in field_formats(params))) // 4) * 4


def encode(params: Params, offset_of: Callable[[Blob], int]) -> bytes:
    """The record's bytes; ``offset_of`` tells where in the table a blob lies."""
    record = b""
    for name, form in field_formats(type(params)):
        value = getattr(params, name)
        if isinstance(value, Blob):
            value = offset_of(value) if value.data else 0
        values = value if isinstance(value, tuple) else (value,)
        record += struct.pack("<" + form, *values)
    return record.ljust(record_bytes(type(params)), b"\0")


def blobs(params: Params) -> tuple[Blob, ...]:
    """The blobs of a record that are present, in field order."""
    values = (getattr(params, field.name) for field in fields(params))
    return tuple(value for value in values if isinstance(value, Blob) and value.data)

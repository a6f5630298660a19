"""Records of the kernels of int8 that are made for a core, and the scratch that they take."""

from __future__ import annotations

from dataclasses import dataclass

from edgeserve.kernels.record import I32, U16, U32, Blob, KernelId, Params

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
    the output's least value is its zero point or above, so that no negative sum shows, and no pair
    stands in reverse.
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

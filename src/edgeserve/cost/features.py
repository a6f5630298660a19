"""The features of every kernel: the one place that says which function counts a kernel's work.

A kernel that is not here has no estimate; ``make bench-kernels`` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from edgeserve.cost import flash, pairs, portable, scalar, vectors
from edgeserve.cost.work import Turn, Work
from edgeserve.kernels.portable import (
    AddParams,
    ArgMaxParams,
    AveragePoolParams,
    ConcatenationParams,
    Conv2dParams,
    CopyParams,
    DepthwiseParams,
    DequantizeParams,
    ExtremumParams,
    FullyConnectedParams,
    GatherParams,
    LookUpParams,
    LstmParams,
    MaxPoolParams,
    MulParams,
    PadParams,
    PreluParams,
    QuantizeParams,
    ReduceParams,
    ResizeBilinearParams,
    ResizeNearestParams,
    SoftmaxParams,
    SvdfParams,
    TransposeConvParams,
)
from edgeserve.kernels.record import Params
from edgeserve.kernels.tuned import (
    AddByTableParams,
    ConvLanesParams,
    ConvPairsParams,
    ConvVectorsParams,
    ConvWinogradParams,
    DepthwiseColumnsParams,
    DepthwisePairsParams,
    DepthwiseReluParams,
    DepthwiseVectorsParams,
    FullyConnectedBlocksParams,
    FullyConnectedPairsParams,
    FullyConnectedWideParams,
)

Features: TypeAlias = Callable[[Turn], Work]

FEATURES: Mapping[type[Params], Features] = {
    Conv2dParams: portable.conv2d,
    DepthwiseParams: portable.depthwise,
    FullyConnectedParams: portable.fully_connected,
    TransposeConvParams: portable.transpose_conv,
    AveragePoolParams: portable.pool,
    MaxPoolParams: portable.pool,
    ReduceParams: portable.reduce,
    SoftmaxParams: portable.softmax,
    LookUpParams: portable.elementwise,
    AddParams: portable.two_inputs,
    MulParams: portable.two_inputs,
    ExtremumParams: portable.two_inputs,
    PreluParams: portable.two_inputs,
    CopyParams: portable.copy,
    ConcatenationParams: portable.concatenation,
    PadParams: portable.pad,
    GatherParams: portable.gather,
    ResizeNearestParams: portable.resize_nearest,
    ResizeBilinearParams: portable.resize_bilinear,
    ArgMaxParams: portable.arg_max,
    QuantizeParams: portable.elementwise,
    DequantizeParams: portable.elementwise,
    SvdfParams: portable.svdf,
    LstmParams: portable.lstm,
    ConvPairsParams: pairs.conv_pairs,
    DepthwisePairsParams: pairs.depthwise_pairs,
    DepthwiseReluParams: pairs.depthwise_relu,
    FullyConnectedPairsParams: pairs.fully_connected_pairs,
    AddByTableParams: portable.elementwise,
    ConvVectorsParams: vectors.conv_vectors,
    DepthwiseVectorsParams: vectors.depthwise_vectors,
    ConvLanesParams: scalar.conv_lanes,
    DepthwiseColumnsParams: scalar.depthwise_columns,
    FullyConnectedBlocksParams: scalar.fully_connected_blocks,
    ConvWinogradParams: flash.conv_winograd,
    FullyConnectedWideParams: flash.fully_connected_wide,
}

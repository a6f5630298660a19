"""The options table of an operator, as the typed options of the graph.

Each function takes the operator's options table (or an absent one: then the schema's defaults
hold) and raises ModelError for a value that no sound file has.
"""

from __future__ import annotations

from enum import Enum
from math import isfinite
from typing import TypeVar

from edgeserve.errors import ModelError
from edgeserve.graph import (
    Activation,
    ActivationOptions,
    AxisOptions,
    BlockOptions,
    ConvOptions,
    DepthwiseOptions,
    FullyConnectedOptions,
    LeakyReluOptions,
    LstmOptions,
    NoOptions,
    Padding,
    PoolOptions,
    ReduceOptions,
    ResizeOptions,
    SoftmaxOptions,
    SplitOptions,
    SqueezeOptions,
    StridedSliceOptions,
    SvdfOptions,
    TransposeConvOptions,
)
from edgeserve.tflite import schema
from edgeserve.tflite.flatbuffer import Scalar, Table

EnumT = TypeVar("EnumT", bound=Enum)


def none(table: Table) -> NoOptions:
    """For operators of which no option matters here."""
    return NoOptions()


def conv(table: Table) -> ConvOptions:
    """Of CONV_2D."""
    of = schema.Conv2D
    return ConvOptions(
        padding=_enum(table, of.PADDING, Padding),
        stride_h=_positive(table, of.STRIDE_H),
        stride_w=_positive(table, of.STRIDE_W),
        dilation_h=_positive(table, of.DILATION_H),
        dilation_w=_positive(table, of.DILATION_W),
        activation=_enum(table, of.ACTIVATION, Activation),
    )


def depthwise(table: Table) -> DepthwiseOptions:
    """Of DEPTHWISE_CONV_2D; a ``depth_multiplier`` of 0 means: see the shapes."""
    of = schema.DepthwiseConv2D
    return DepthwiseOptions(
        padding=_enum(table, of.PADDING, Padding),
        stride_h=_positive(table, of.STRIDE_H),
        stride_w=_positive(table, of.STRIDE_W),
        dilation_h=_positive(table, of.DILATION_H),
        dilation_w=_positive(table, of.DILATION_W),
        depth_multiplier=_at_least(table, of.DEPTH_MULTIPLIER, 0),
        activation=_enum(table, of.ACTIVATION, Activation),
    )


def transpose_conv(table: Table) -> TransposeConvOptions:
    """Of TRANSPOSE_CONV."""
    of = schema.TransposeConv
    return TransposeConvOptions(
        padding=_enum(table, of.PADDING, Padding),
        stride_h=_positive(table, of.STRIDE_H),
        stride_w=_positive(table, of.STRIDE_W),
        activation=_enum(table, of.ACTIVATION, Activation),
    )


def pool(table: Table) -> PoolOptions:
    """Of AVERAGE_POOL_2D and MAX_POOL_2D."""
    of = schema.Pool2D
    return PoolOptions(
        padding=_enum(table, of.PADDING, Padding),
        stride_h=_positive(table, of.STRIDE_H),
        stride_w=_positive(table, of.STRIDE_W),
        filter_h=_positive(table, of.FILTER_H),
        filter_w=_positive(table, of.FILTER_W),
        activation=_enum(table, of.ACTIVATION, Activation),
    )


def fully_connected(table: Table) -> FullyConnectedOptions:
    """Of FULLY_CONNECTED."""
    of = schema.FullyConnected
    weights_format = table.scalar(of.WEIGHTS_FORMAT)
    shuffled = weights_format == schema.WeightsFormat.SHUFFLED_4X16_INT8
    if not shuffled and weights_format != schema.WeightsFormat.DEFAULT:
        table.fail(f"weights_format {weights_format} is not in the schema")
    if table.has(of.QUANT_SPEC.slot):
        raise ModelError(
            f"{table.where}: quant_spec is not supported",
            hint="export the model with plain per-tensor or per-channel weights",
        )
    return FullyConnectedOptions(
        activation=_enum(table, of.ACTIVATION, Activation),
        keep_num_dims=table.scalar(of.KEEP_NUM_DIMS),
        shuffled_weights=shuffled,
    )


def add_sub(table: Table) -> ActivationOptions:
    """Of ADD and SUB."""
    return ActivationOptions(
        activation=_enum(table, schema.Add.ACTIVATION, Activation),
        pot_scale_int16=table.scalar(schema.Add.POT_SCALE_INT16),
    )


def mul(table: Table) -> ActivationOptions:
    """Of MUL."""
    return ActivationOptions(activation=_enum(table, schema.Mul.ACTIVATION, Activation))


def concatenation(table: Table) -> AxisOptions:
    """Of CONCATENATION."""
    return AxisOptions(
        axis=table.scalar(schema.Concatenation.AXIS),
        activation=_enum(table, schema.Concatenation.ACTIVATION, Activation),
    )


def pack(table: Table) -> AxisOptions:
    """Of PACK; ``count`` is the number of inputs."""
    of = schema.Pack
    return AxisOptions(axis=table.scalar(of.AXIS), count=_positive(table, of.VALUES_COUNT))


def unpack(table: Table) -> AxisOptions:
    """Of UNPACK; ``count`` is the number of outputs."""
    of = schema.Unpack
    return AxisOptions(axis=table.scalar(of.AXIS), count=_positive(table, of.NUM))


def gather(table: Table) -> AxisOptions:
    """Of GATHER."""
    of = schema.Gather
    return AxisOptions(axis=table.scalar(of.AXIS), batch_dims=table.scalar(of.BATCH_DIMS))


def reduce(table: Table) -> ReduceOptions:
    """Of MEAN, SUM and REDUCE_MAX."""
    return ReduceOptions(keep_dims=table.scalar(schema.Reducer.KEEP_DIMS))


def softmax(table: Table) -> SoftmaxOptions:
    """Of SOFTMAX."""
    return SoftmaxOptions(beta=_finite(table, schema.Softmax.BETA))


def leaky_relu(table: Table) -> LeakyReluOptions:
    """Of LEAKY_RELU."""
    return LeakyReluOptions(alpha=_finite(table, schema.LeakyRelu.ALPHA))


def split(table: Table) -> SplitOptions:
    """Of SPLIT and SPLIT_V; ``count`` is the number of outputs."""
    return SplitOptions(count=_positive(table, schema.Split.NUM_SPLITS))


def block(table: Table) -> BlockOptions:
    """Of SPACE_TO_DEPTH and DEPTH_TO_SPACE."""
    return BlockOptions(block_size=_positive(table, schema.Block.BLOCK_SIZE))


def resize_bilinear(table: Table) -> ResizeOptions:
    """Of RESIZE_BILINEAR."""
    of = schema.ResizeBilinear
    return ResizeOptions(table.scalar(of.ALIGN_CORNERS), table.scalar(of.HALF_PIXEL_CENTERS))


def resize_nearest(table: Table) -> ResizeOptions:
    """Of RESIZE_NEAREST_NEIGHBOR."""
    of = schema.ResizeNearestNeighbor
    return ResizeOptions(table.scalar(of.ALIGN_CORNERS), table.scalar(of.HALF_PIXEL_CENTERS))


def strided_slice(table: Table) -> StridedSliceOptions:
    """Of STRIDED_SLICE."""
    of = schema.StridedSlice
    return StridedSliceOptions(
        begin_mask=table.scalar(of.BEGIN_MASK),
        end_mask=table.scalar(of.END_MASK),
        ellipsis_mask=table.scalar(of.ELLIPSIS_MASK),
        new_axis_mask=table.scalar(of.NEW_AXIS_MASK),
        shrink_axis_mask=table.scalar(of.SHRINK_AXIS_MASK),
        offset=table.scalar(of.OFFSET),
    )


def squeeze(table: Table) -> SqueezeOptions:
    """Of SQUEEZE; no axes means all of length one."""
    return SqueezeOptions(axes=table.numbers(schema.Squeeze.SQUEEZE_DIMS))


def svdf(table: Table) -> SvdfOptions:
    """Of SVDF."""
    of = schema.Svdf
    return SvdfOptions(
        rank=_positive(table, of.RANK),
        activation=_enum(table, of.ACTIVATION, Activation),
        asymmetric_quantize_inputs=table.scalar(of.ASYMMETRIC_QUANTIZE_INPUTS),
    )


def lstm(table: Table) -> LstmOptions:
    """Of UNIDIRECTIONAL_SEQUENCE_LSTM; a clip of 0 means none."""
    of = schema.SequenceLstm
    return LstmOptions(
        activation=_enum(table, of.ACTIVATION, Activation),
        cell_clip=_finite(table, of.CELL_CLIP),
        proj_clip=_finite(table, of.PROJ_CLIP),
        time_major=table.scalar(of.TIME_MAJOR),
        asymmetric_quantize_inputs=table.scalar(of.ASYMMETRIC_QUANTIZE_INPUTS),
        diagonal_recurrent_tensors=table.scalar(of.DIAGONAL_RECURRENT_TENSORS),
    )


def _enum(table: Table, field: Scalar[int], kind: type[EnumT]) -> EnumT:
    number = table.scalar(field)
    try:
        return kind(number)
    except ValueError:
        table.fail(f"{field.name} {number} is not in the schema")


def _at_least(table: Table, field: Scalar[int], least: int) -> int:
    value = table.scalar(field)
    if value < least:
        table.fail(f"{field.name} is {value}, must be at least {least}")
    return value


def _positive(table: Table, field: Scalar[int]) -> int:
    return _at_least(table, field, 1)


def _finite(table: Table, field: Scalar[float]) -> float:
    value = table.scalar(field)
    if not isfinite(value):
        table.fail(f"{field.name} is {value}")
    return value

"""The one table of the operators that the reader understands: their options and their arity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgeserve.graph import OpKind, Options
from edgeserve.tflite import options
from edgeserve.tflite.flatbuffer import Table
from edgeserve.tflite.schema import OptionsType

ANY_COUNT = range(1, 1 << 31)


@dataclass(frozen=True, slots=True)
class Signature:
    """What an operator may look like in a file.

    ``inputs`` and ``outputs`` are the counts allowed; ``optional`` are the input positions that may
    be absent; ``options_type`` is the options table that the file may give it, if any.
    """

    inputs: tuple[int, ...] | range
    outputs: tuple[int, ...] | range = (1,)
    optional: frozenset[int] = frozenset()
    options_type: int = OptionsType.NONE
    read_options: Callable[[Table], Options] = options.none


_LSTM_OPTIONAL = frozenset({1, 5, 9, 10, 11, 12, 16, 17, 20, 21, 22, 23})
"""Input gate (absent when coupled), peepholes, projection, layer normalization."""

_BIAS = frozenset({2})

SIGNATURES: Mapping[OpKind, Signature] = MappingProxyType(
    {
        OpKind.ADD: Signature((2,), options_type=OptionsType.ADD, read_options=options.add_sub),
        OpKind.ARG_MAX: Signature((2,), options_type=OptionsType.ARG_MAX),
        OpKind.AVERAGE_POOL_2D: Signature(
            (1,), options_type=OptionsType.POOL_2D, read_options=options.pool
        ),
        OpKind.CONCATENATION: Signature(
            ANY_COUNT, options_type=OptionsType.CONCATENATION, read_options=options.concatenation
        ),
        OpKind.CONV_2D: Signature(
            (2, 3), optional=_BIAS, options_type=OptionsType.CONV_2D, read_options=options.conv
        ),
        OpKind.DEPTHWISE_CONV_2D: Signature(
            (2, 3),
            optional=_BIAS,
            options_type=OptionsType.DEPTHWISE_CONV_2D,
            read_options=options.depthwise,
        ),
        OpKind.DEPTH_TO_SPACE: Signature(
            (1,), options_type=OptionsType.DEPTH_TO_SPACE, read_options=options.block
        ),
        OpKind.DEQUANTIZE: Signature((1,), options_type=OptionsType.DEQUANTIZE),
        OpKind.EXPAND_DIMS: Signature((2,), options_type=OptionsType.EXPAND_DIMS),
        OpKind.FULLY_CONNECTED: Signature(
            (2, 3),
            (1, 2),
            optional=_BIAS,
            options_type=OptionsType.FULLY_CONNECTED,
            read_options=options.fully_connected,
        ),
        OpKind.GATHER: Signature(
            (2,), options_type=OptionsType.GATHER, read_options=options.gather
        ),
        OpKind.HARD_SWISH: Signature((1,), options_type=OptionsType.HARD_SWISH),
        OpKind.LEAKY_RELU: Signature(
            (1,), options_type=OptionsType.LEAKY_RELU, read_options=options.leaky_relu
        ),
        OpKind.LOGISTIC: Signature((1,)),
        OpKind.MAXIMUM: Signature((2,), options_type=OptionsType.MAXIMUM_MINIMUM),
        OpKind.MAX_POOL_2D: Signature(
            (1,), options_type=OptionsType.POOL_2D, read_options=options.pool
        ),
        OpKind.MEAN: Signature((2,), options_type=OptionsType.REDUCER, read_options=options.reduce),
        OpKind.MINIMUM: Signature((2,), options_type=OptionsType.MAXIMUM_MINIMUM),
        OpKind.MUL: Signature((2,), options_type=OptionsType.MUL, read_options=options.mul),
        OpKind.PACK: Signature(ANY_COUNT, options_type=OptionsType.PACK, read_options=options.pack),
        OpKind.PAD: Signature((2,), options_type=OptionsType.PAD),
        OpKind.PADV2: Signature((3,), options_type=OptionsType.PAD_V2),
        OpKind.PRELU: Signature((2,)),
        OpKind.QUANTIZE: Signature((1,), options_type=OptionsType.QUANTIZE),
        OpKind.REDUCE_MAX: Signature(
            (2,), options_type=OptionsType.REDUCER, read_options=options.reduce
        ),
        OpKind.RELU: Signature((1,)),
        OpKind.RELU6: Signature((1,)),
        OpKind.RELU_N1_TO_1: Signature((1,)),
        OpKind.RESHAPE: Signature(
            (1, 2), optional=frozenset({1}), options_type=OptionsType.RESHAPE
        ),
        OpKind.RESIZE_BILINEAR: Signature(
            (2,), options_type=OptionsType.RESIZE_BILINEAR, read_options=options.resize_bilinear
        ),
        OpKind.RESIZE_NEAREST_NEIGHBOR: Signature(
            (2,),
            options_type=OptionsType.RESIZE_NEAREST_NEIGHBOR,
            read_options=options.resize_nearest,
        ),
        OpKind.SLICE: Signature((3,), options_type=OptionsType.SLICE),
        OpKind.SOFTMAX: Signature(
            (1,), options_type=OptionsType.SOFTMAX, read_options=options.softmax
        ),
        OpKind.SPACE_TO_DEPTH: Signature(
            (1,), options_type=OptionsType.SPACE_TO_DEPTH, read_options=options.block
        ),
        OpKind.SPLIT: Signature(
            (2,), ANY_COUNT, options_type=OptionsType.SPLIT, read_options=options.split
        ),
        OpKind.SPLIT_V: Signature(
            (3,), ANY_COUNT, options_type=OptionsType.SPLIT_V, read_options=options.split
        ),
        OpKind.SQUEEZE: Signature(
            (1,), options_type=OptionsType.SQUEEZE, read_options=options.squeeze
        ),
        OpKind.STRIDED_SLICE: Signature(
            (4,), options_type=OptionsType.STRIDED_SLICE, read_options=options.strided_slice
        ),
        OpKind.SUB: Signature((2,), options_type=OptionsType.SUB, read_options=options.add_sub),
        OpKind.SUM: Signature((2,), options_type=OptionsType.REDUCER, read_options=options.reduce),
        OpKind.SVDF: Signature(
            (5,),
            optional=frozenset({3}),
            options_type=OptionsType.SVDF,
            read_options=options.svdf,
        ),
        OpKind.TANH: Signature((1,)),
        OpKind.TRANSPOSE: Signature((2,), options_type=OptionsType.TRANSPOSE),
        OpKind.TRANSPOSE_CONV: Signature(
            (3, 4),
            optional=frozenset({3}),
            options_type=OptionsType.TRANSPOSE_CONV,
            read_options=options.transpose_conv,
        ),
        OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM: Signature(
            (20, 24),
            optional=_LSTM_OPTIONAL,
            options_type=OptionsType.UNIDIRECTIONAL_SEQUENCE_LSTM,
            read_options=options.lstm,
        ),
        OpKind.UNPACK: Signature(
            (1,), ANY_COUNT, options_type=OptionsType.UNPACK, read_options=options.unpack
        ),
    }
)
"""Every OpKind, with the arities of LiteRT's kernels."""

"""The facts of the public TFLite schema, version 3: field slots, enum numbers, file identifier.

Source: ``tensorflow/compiler/mlir/lite/schema/schema.fbs`` of TensorFlow, as released with LiteRT
2.3.0. Only the fields that edgeserve looks at are here. A class stands for a table of the schema,
which its docstring names, and has fields under the schema's names, in upper case.
"""

from __future__ import annotations

from typing import Final

from edgeserve.tflite.flatbuffer import (
    Ref,
    boolean,
    float32,
    float32s,
    int8,
    int32,
    int32s,
    int64s,
    uint8,
    uint32,
    uint64,
)

FILE_IDENTIFIER: Final = b"TFL3"
FILE_IDENTIFIER_OFFSET_BYTES: Final = 4
SCHEMA_VERSION: Final = 3
ABSENT_INPUT: Final = -1
"""The tensor index that stands for an optional input that is not there."""
NO_BUFFER: Final = 0
"""The buffer index of tensors without data."""
LEAST_DATA_OFFSET_BYTES: Final = 2
"""``Buffer.offset`` counts from the start of the file and means something from here on."""

_BUILTIN_OPERATORS: Final = """
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
    EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
    LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1
    RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS
    SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
    BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
    UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT
    LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS
    NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE
    TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT
    REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN
    FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
    LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND
    COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH
    IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY
    SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO
    RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT
    HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE
    BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU
    DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
    UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
    STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
    STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
    STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
    STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
    STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER
    STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER
    STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE
    STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT
    STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR
    REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""

BUILTIN_OPERATORS: Final = tuple(_BUILTIN_OPERATORS.split())
"""Names of ``BuiltinOperator``; the index is the number in the file."""

_TENSOR_TYPES: Final = """
    FLOAT32 FLOAT16 INT32 UINT8 INT64 STRING BOOL INT16 COMPLEX64 INT8 FLOAT64 COMPLEX128
    UINT64 RESOURCE VARIANT UINT32 UINT16 INT4 BFLOAT16 INT2 UINT4 FLOAT8_E4M3FN FLOAT8_E5M2
"""

TENSOR_TYPES: Final = tuple(_TENSOR_TYPES.split())
"""Names of ``TensorType``; the index is the number in the file."""

CUSTOM: Final = BUILTIN_OPERATORS.index("CUSTOM")
GREATER_OP_CODES: Final = BUILTIN_OPERATORS.index("PLACEHOLDER_FOR_GREATER_OP_CODES")
"""In ``deprecated_builtin_code``: the number is too large for it, see ``builtin_code``."""


class OptionsType:
    """Numbers of the union ``BuiltinOptions``, of the operators that the reader understands."""

    NONE: Final = 0
    CONV_2D: Final = 1
    DEPTHWISE_CONV_2D: Final = 2
    POOL_2D: Final = 5
    SVDF: Final = 6
    FULLY_CONNECTED: Final = 8
    SOFTMAX: Final = 9
    CONCATENATION: Final = 10
    ADD: Final = 11
    RESIZE_BILINEAR: Final = 15
    RESHAPE: Final = 17
    SPACE_TO_DEPTH: Final = 19
    MUL: Final = 21
    PAD: Final = 22
    GATHER: Final = 23
    TRANSPOSE: Final = 26
    REDUCER: Final = 27
    SUB: Final = 28
    SQUEEZE: Final = 30
    STRIDED_SLICE: Final = 32
    SPLIT: Final = 35
    DEQUANTIZE: Final = 38
    MAXIMUM_MINIMUM: Final = 39
    ARG_MAX: Final = 40
    PAD_V2: Final = 43
    SLICE: Final = 48
    TRANSPOSE_CONV: Final = 49
    EXPAND_DIMS: Final = 52
    PACK: Final = 59
    UNPACK: Final = 64
    UNIDIRECTIONAL_SEQUENCE_LSTM: Final = 71
    RESIZE_NEAREST_NEIGHBOR: Final = 74
    LEAKY_RELU: Final = 75
    SPLIT_V: Final = 79
    QUANTIZE: Final = 89
    HARD_SWISH: Final = 91
    DEPTH_TO_SPACE: Final = 94


class WeightsFormat:
    """Numbers of ``FullyConnectedOptionsWeightsFormat``."""

    DEFAULT: Final = 0
    SHUFFLED_4X16_INT8: Final = 1


class Model:
    """``Model``."""

    VERSION = uint32(0, "version")
    OPERATOR_CODES = Ref(1, "operator_codes")
    SUBGRAPHS = Ref(2, "subgraphs")
    DESCRIPTION = Ref(3, "description")
    BUFFERS = Ref(4, "buffers")
    METADATA_BUFFER = Ref(5, "metadata_buffer")
    METADATA = Ref(6, "metadata")
    SIGNATURE_DEFS = Ref(7, "signature_defs")


class Metadata:
    """``Metadata``."""

    NAME = Ref(0, "name")
    BUFFER = uint32(1, "buffer")


class OperatorCode:
    """``OperatorCode``."""

    DEPRECATED_BUILTIN_CODE = int8(0, "deprecated_builtin_code")
    CUSTOM_CODE = Ref(1, "custom_code")
    BUILTIN_CODE = int32(3, "builtin_code")


class SubGraph:
    """``SubGraph``."""

    TENSORS = Ref(0, "tensors")
    INPUTS = int32s(1, "inputs")
    OUTPUTS = int32s(2, "outputs")
    OPERATORS = Ref(3, "operators")


class Tensor:
    """``Tensor``."""

    SHAPE = int32s(0, "shape")
    TYPE = int8(1, "type")
    BUFFER = uint32(2, "buffer")
    NAME = Ref(3, "name")
    QUANTIZATION = Ref(4, "quantization")
    IS_VARIABLE = boolean(5, "is_variable")
    SPARSITY = Ref(6, "sparsity")
    SHAPE_SIGNATURE = int32s(7, "shape_signature")
    EXTERNAL_BUFFER = uint32(10, "external_buffer")


class Quantization:
    """``QuantizationParameters``."""

    SCALE = float32s(2, "scale")
    ZERO_POINT = int64s(3, "zero_point")
    DETAILS_TYPE = uint8(4, "details_type")
    QUANTIZED_DIMENSION = int32(6, "quantized_dimension")


class Buffer:
    """``Buffer``."""

    DATA = Ref(0, "data")
    OFFSET = uint64(1, "offset")
    SIZE = uint64(2, "size")


class Operator:
    """``Operator``."""

    OPCODE_INDEX = uint32(0, "opcode_index")
    INPUTS = int32s(1, "inputs")
    OUTPUTS = int32s(2, "outputs")
    OPTIONS_TYPE = uint8(3, "builtin_options_type")
    OPTIONS = Ref(4, "builtin_options")
    INTERMEDIATES = int32s(8, "intermediates")
    OPTIONS_2_TYPE = uint8(11, "builtin_options_2_type")


class Conv2D:
    """``Conv2DOptions``."""

    PADDING = int8(0, "padding")
    STRIDE_W = int32(1, "stride_w")
    STRIDE_H = int32(2, "stride_h")
    ACTIVATION = int8(3, "fused_activation_function")
    DILATION_W = int32(4, "dilation_w_factor", 1)
    DILATION_H = int32(5, "dilation_h_factor", 1)


class DepthwiseConv2D:
    """``DepthwiseConv2DOptions``."""

    PADDING = int8(0, "padding")
    STRIDE_W = int32(1, "stride_w")
    STRIDE_H = int32(2, "stride_h")
    DEPTH_MULTIPLIER = int32(3, "depth_multiplier")
    ACTIVATION = int8(4, "fused_activation_function")
    DILATION_W = int32(5, "dilation_w_factor", 1)
    DILATION_H = int32(6, "dilation_h_factor", 1)


class TransposeConv:
    """``TransposeConvOptions``."""

    PADDING = int8(0, "padding")
    STRIDE_W = int32(1, "stride_w")
    STRIDE_H = int32(2, "stride_h")
    ACTIVATION = int8(3, "fused_activation_function")


class Pool2D:
    """``Pool2DOptions``."""

    PADDING = int8(0, "padding")
    STRIDE_W = int32(1, "stride_w")
    STRIDE_H = int32(2, "stride_h")
    FILTER_W = int32(3, "filter_width")
    FILTER_H = int32(4, "filter_height")
    ACTIVATION = int8(5, "fused_activation_function")


class FullyConnected:
    """``FullyConnectedOptions``."""

    ACTIVATION = int8(0, "fused_activation_function")
    WEIGHTS_FORMAT = int8(1, "weights_format")
    KEEP_NUM_DIMS = boolean(2, "keep_num_dims")
    QUANT_SPEC = Ref(5, "quant_spec")


class Add:
    """``AddOptions``, and ``SubOptions`` which is laid out alike."""

    ACTIVATION = int8(0, "fused_activation_function")
    POT_SCALE_INT16 = boolean(1, "pot_scale_int16", True)


class Mul:
    """``MulOptions``."""

    ACTIVATION = int8(0, "fused_activation_function")


class Concatenation:
    """``ConcatenationOptions``."""

    AXIS = int32(0, "axis")
    ACTIVATION = int8(1, "fused_activation_function")


class Pack:
    """``PackOptions``."""

    VALUES_COUNT = int32(0, "values_count")
    AXIS = int32(1, "axis")


class Unpack:
    """``UnpackOptions``."""

    NUM = int32(0, "num")
    AXIS = int32(1, "axis")


class Gather:
    """``GatherOptions``."""

    AXIS = int32(0, "axis")
    BATCH_DIMS = int32(1, "batch_dims")


class Reducer:
    """``ReducerOptions``."""

    KEEP_DIMS = boolean(0, "keep_dims")


class Softmax:
    """``SoftmaxOptions``."""

    BETA = float32(0, "beta")


class LeakyRelu:
    """``LeakyReluOptions``."""

    ALPHA = float32(0, "alpha")


class Split:
    """``SplitOptions``, and ``SplitVOptions`` which is laid out alike."""

    NUM_SPLITS = int32(0, "num_splits")


class Block:
    """``SpaceToDepthOptions`` and ``DepthToSpaceOptions``."""

    BLOCK_SIZE = int32(0, "block_size")


class ResizeBilinear:
    """``ResizeBilinearOptions``; slots 0 and 1 are the deprecated height and width."""

    ALIGN_CORNERS = boolean(2, "align_corners")
    HALF_PIXEL_CENTERS = boolean(3, "half_pixel_centers")


class ResizeNearestNeighbor:
    """``ResizeNearestNeighborOptions``."""

    ALIGN_CORNERS = boolean(0, "align_corners")
    HALF_PIXEL_CENTERS = boolean(1, "half_pixel_centers")


class StridedSlice:
    """``StridedSliceOptions``."""

    BEGIN_MASK = int32(0, "begin_mask")
    END_MASK = int32(1, "end_mask")
    ELLIPSIS_MASK = int32(2, "ellipsis_mask")
    NEW_AXIS_MASK = int32(3, "new_axis_mask")
    SHRINK_AXIS_MASK = int32(4, "shrink_axis_mask")
    OFFSET = boolean(5, "offset")


class Squeeze:
    """``SqueezeOptions``."""

    SQUEEZE_DIMS = int32s(0, "squeeze_dims")


class Svdf:
    """``SVDFOptions``."""

    RANK = int32(0, "rank")
    ACTIVATION = int8(1, "fused_activation_function")
    ASYMMETRIC_QUANTIZE_INPUTS = boolean(2, "asymmetric_quantize_inputs")


class SequenceLstm:
    """``UnidirectionalSequenceLSTMOptions``."""

    ACTIVATION = int8(0, "fused_activation_function")
    CELL_CLIP = float32(1, "cell_clip")
    PROJ_CLIP = float32(2, "proj_clip")
    TIME_MAJOR = boolean(3, "time_major")
    ASYMMETRIC_QUANTIZE_INPUTS = boolean(4, "asymmetric_quantize_inputs")
    DIAGONAL_RECURRENT_TENSORS = boolean(5, "diagonal_recurrent_tensors")

"""The graph: what the model file says, in its own words, with nothing decided yet.

Shapes are as in the file (batch first, NHWC). Zero points are stored as TFLite means them: a real
value is ``scale * (q - zero_point)``. Every field has been checked by the reader: indices are in
range, sizes do not overflow, constants have exactly the bytes that their shape asks for, operators
are in topological order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from math import prod
from typing import TypeAlias


class DType(StrEnum):
    """Element types of tensors."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    BOOL = "bool"

    @property
    def size_bytes(self) -> int:
        return _SIZE_BYTES[self]


_SIZE_BYTES = {
    DType.INT8: 1,
    DType.UINT8: 1,
    DType.INT16: 2,
    DType.INT32: 4,
    DType.INT64: 8,
    DType.FLOAT16: 2,
    DType.FLOAT32: 4,
    DType.BOOL: 1,
}


@dataclass(frozen=True, slots=True)
class Quant:
    """Affine quantization: one scale and zero point, or one of each along dimension ``axis``.

    ``scales`` are float32 values widened to Python floats, so float32 arithmetic on them is exact
    to repeat.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantization."""
        (scale,) = self.scales
        return scale

    @property
    def zero_point(self) -> int:
        """The zero point of a per-tensor quantization."""
        (zero_point,) = self.zero_points
        return zero_point


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value in the graph. ``data`` holds the little-endian bytes of a constant, else None."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quant: Quant | None = None
    data: bytes | None = None
    is_variable: bool = False

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.elements * self.dtype.size_bytes


class Padding(Enum):
    SAME = 0
    VALID = 1


class Activation(Enum):
    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


class OpKind(StrEnum):
    """Operators that the reader understands, by their TFLite names."""

    ADD = "ADD"
    ARG_MAX = "ARG_MAX"
    AVERAGE_POOL_2D = "AVERAGE_POOL_2D"
    CONCATENATION = "CONCATENATION"
    CONV_2D = "CONV_2D"
    DEPTHWISE_CONV_2D = "DEPTHWISE_CONV_2D"
    DEPTH_TO_SPACE = "DEPTH_TO_SPACE"
    DEQUANTIZE = "DEQUANTIZE"
    EXPAND_DIMS = "EXPAND_DIMS"
    FULLY_CONNECTED = "FULLY_CONNECTED"
    GATHER = "GATHER"
    HARD_SWISH = "HARD_SWISH"
    LEAKY_RELU = "LEAKY_RELU"
    LOGISTIC = "LOGISTIC"
    MAXIMUM = "MAXIMUM"
    MAX_POOL_2D = "MAX_POOL_2D"
    MEAN = "MEAN"
    MINIMUM = "MINIMUM"
    MUL = "MUL"
    PACK = "PACK"
    PAD = "PAD"
    PADV2 = "PADV2"
    PRELU = "PRELU"
    QUANTIZE = "QUANTIZE"
    REDUCE_MAX = "REDUCE_MAX"
    RELU = "RELU"
    RELU6 = "RELU6"
    RELU_N1_TO_1 = "RELU_N1_TO_1"
    RESHAPE = "RESHAPE"
    RESIZE_BILINEAR = "RESIZE_BILINEAR"
    RESIZE_NEAREST_NEIGHBOR = "RESIZE_NEAREST_NEIGHBOR"
    SLICE = "SLICE"
    SOFTMAX = "SOFTMAX"
    SPACE_TO_DEPTH = "SPACE_TO_DEPTH"
    SPLIT = "SPLIT"
    SPLIT_V = "SPLIT_V"
    SQUEEZE = "SQUEEZE"
    STRIDED_SLICE = "STRIDED_SLICE"
    SUB = "SUB"
    SUM = "SUM"
    SVDF = "SVDF"
    TANH = "TANH"
    TRANSPOSE = "TRANSPOSE"
    TRANSPOSE_CONV = "TRANSPOSE_CONV"
    UNIDIRECTIONAL_SEQUENCE_LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    UNPACK = "UNPACK"


@dataclass(frozen=True, slots=True)
class NoOptions:
    """For operators whose inputs say everything."""


@dataclass(frozen=True, slots=True)
class ConvOptions:
    padding: Padding
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class DepthwiseOptions:
    padding: Padding
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    depth_multiplier: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class TransposeConvOptions:
    padding: Padding
    stride_h: int
    stride_w: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class PoolOptions:
    padding: Padding
    stride_h: int
    stride_w: int
    filter_h: int
    filter_w: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class FullyConnectedOptions:
    activation: Activation
    keep_num_dims: bool
    shuffled_weights: bool = False


@dataclass(frozen=True, slots=True)
class ActivationOptions:
    """ADD, SUB, MUL: a fused activation. ``pot_scale_int16`` concerns int16 only."""

    activation: Activation
    pot_scale_int16: bool = True


@dataclass(frozen=True, slots=True)
class AxisOptions:
    """CONCATENATION (with activation), PACK, UNPACK, GATHER."""

    axis: int
    activation: Activation = Activation.NONE
    batch_dims: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class ReduceOptions:
    keep_dims: bool


@dataclass(frozen=True, slots=True)
class SoftmaxOptions:
    beta: float


@dataclass(frozen=True, slots=True)
class LeakyReluOptions:
    alpha: float


@dataclass(frozen=True, slots=True)
class SplitOptions:
    count: int


@dataclass(frozen=True, slots=True)
class BlockOptions:
    """SPACE_TO_DEPTH, DEPTH_TO_SPACE."""

    block_size: int


@dataclass(frozen=True, slots=True)
class ResizeOptions:
    align_corners: bool
    half_pixel_centers: bool


@dataclass(frozen=True, slots=True)
class StridedSliceOptions:
    begin_mask: int
    end_mask: int
    ellipsis_mask: int
    new_axis_mask: int
    shrink_axis_mask: int
    offset: bool = False


@dataclass(frozen=True, slots=True)
class SqueezeOptions:
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SvdfOptions:
    rank: int
    activation: Activation
    asymmetric_quantize_inputs: bool = False


@dataclass(frozen=True, slots=True)
class LstmOptions:
    activation: Activation
    cell_clip: float
    proj_clip: float
    time_major: bool
    asymmetric_quantize_inputs: bool = False
    diagonal_recurrent_tensors: bool = False


Options: TypeAlias = (
    NoOptions
    | ConvOptions
    | DepthwiseOptions
    | TransposeConvOptions
    | PoolOptions
    | FullyConnectedOptions
    | ActivationOptions
    | AxisOptions
    | ReduceOptions
    | SoftmaxOptions
    | LeakyReluOptions
    | SplitOptions
    | BlockOptions
    | ResizeOptions
    | StridedSliceOptions
    | SqueezeOptions
    | SvdfOptions
    | LstmOptions
)


@dataclass(frozen=True, slots=True)
class Op:
    """One operator. ``inputs`` holds tensor indices, None where an optional input is absent.

    ``intermediates`` are the extra quantization records of SVDF and LSTM (tensor indices).
    """

    index: int
    kind: OpKind
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    options: Options
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """The only subgraph of a model. ``notes`` are one-line remarks for the user, in order."""

    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    notes: tuple[str, ...] = ()

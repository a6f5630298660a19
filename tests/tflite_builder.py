"""Makes .tflite files for tests, through the object API of LiteRT's generated schema.

It shares no code with ``edgeserve.tflite``, so a slot that the reader gets wrong shows up as a
difference. A single operator takes a few lines::

    b = ModelBuilder()
    x = b.tensor("x", (1, 8, 8, 3), "int8", scale=0.05, zero_point=-3)
    w = b.tensor("w", (4, 3, 3, 3), "int8", scale=[0.01] * 4, axis=0, data=weights)
    c = b.tensor("bias", (4,), "int32", scale=[0.0005] * 4, data=biases)
    y = b.tensor("y", (1, 8, 8, 4), "int8", scale=0.1)
    b.op("CONV_2D", [x, w, c], [y], {"padding": "SAME", "strideW": 1, "strideH": 1})
    model_bytes = b.finish([x], [y])

``model`` gives the schema object instead of bytes, for tests that spoil it before ``pack``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

FILE_IDENTIFIER = b"TFL3"
ABSENT = -1
"""The tensor index that stands for an optional input that is not there."""

OPTIONS_TYPES: dict[str, str] = {
    "ADD": "AddOptions",
    "ARG_MAX": "ArgMaxOptions",
    "ARG_MIN": "ArgMinOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "CAST": "CastOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "DIV": "DivOptions",
    "EXPAND_DIMS": "ExpandDimsOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions",
    "HARD_SWISH": "HardSwishOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "PACK": "PackOptions",
    "PAD": "PadOptions",
    "PADV2": "PadV2Options",
    "QUANTIZE": "QuantizeOptions",
    "REDUCE_MAX": "ReducerOptions",
    "RESHAPE": "ReshapeOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "SHAPE": "ShapeOptions",
    "SLICE": "SliceOptions",
    "SOFTMAX": "SoftmaxOptions",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions",
    "SPLIT": "SplitOptions",
    "SPLIT_V": "SplitVOptions",
    "SQUEEZE": "SqueezeOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
    "SUM": "ReducerOptions",
    "SVDF": "SVDFOptions",
    "TRANSPOSE": "TransposeOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "UNPACK": "UnpackOptions",
}
"""The options table of each operator that has one; the others (RELU, LOGISTIC, ...) have none."""

_ENUM_FIELDS: dict[str, type] = {
    "padding": schema.Padding,
    "fusedActivationFunction": schema.ActivationFunctionType,
    "outputType": schema.TensorType,
    "outType": schema.TensorType,
    "inDataType": schema.TensorType,
    "outDataType": schema.TensorType,
}


class ModelBuilder:
    """One model under construction: tensors first, then operators, in execution order."""

    def __init__(self, *, description: str = "made for a test") -> None:
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.description = description
        self._model.operatorCodes = []
        self._model.buffers = [schema.BufferT()]
        self._graph = schema.SubGraphT()
        self._graph.name = "main"
        self._graph.tensors = []
        self._graph.operators = []
        self._model.subgraphs = [self._graph]

    def tensor(
        self,
        name: str | bytes,
        shape: Sequence[int],
        dtype: str,
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        axis: int = 0,
        data: NDArray[Any] | Sequence[Any] | bytes | None = None,
        is_variable: bool = False,
    ) -> int:
        """Adds a tensor and returns its index.

        ``dtype`` is a numpy name ("int8", "float32", ...), in any case. One ``scale`` means
        quantization per tensor, a sequence means per channel along ``axis``; a single
        ``zero_point`` then serves all channels. ``data`` makes it a constant: an array (values are
        checked to survive the cast to ``dtype``), or bytes taken as they are.
        """
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = [int(d) for d in shape]
        tensor.type = getattr(schema.TensorType, dtype.upper())
        tensor.isVariable = is_variable
        tensor.hasRank = True
        tensor.buffer = 0 if data is None else self._buffer(_bytes_of(data, dtype))
        if scale is not None:
            tensor.quantization = _quantization(scale, zero_point, axis)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def op(
        self,
        kind_name: str,
        inputs: Sequence[int | None],
        outputs: Sequence[int],
        options: Mapping[str, Any] | None = None,
        *,
        intermediates: Sequence[int] = (),
        version: int = 1,
    ) -> int:
        """Adds an operator and returns its index.

        ``options`` has the schema's field names in camelCase ("strideW", "numSplits");
        enum values may be given by name ("SAME", "RELU6"). Fields not given keep the schema's
        defaults. None among ``inputs`` is an absent optional input. A name that the schema does not
        have makes a custom operator.
        """
        op = schema.OperatorT()
        op.opcodeIndex = self._opcode(kind_name, version)
        op.inputs = [ABSENT if i is None else int(i) for i in inputs]
        op.outputs = [int(i) for i in outputs]
        if intermediates:
            op.intermediates = [int(i) for i in intermediates]
        options_type = OPTIONS_TYPES.get(kind_name)
        if options_type is not None:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, options_type)
            op.builtinOptions = _options(options_type, options or {})
        elif options:
            raise ValueError(f"{kind_name} takes no options")
        self._graph.operators.append(op)
        return len(self._graph.operators) - 1

    def model(self, inputs: Sequence[int], outputs: Sequence[int]) -> Any:
        """The schema's ``ModelT``, which :func:`pack` turns into bytes."""
        self._graph.inputs = [int(i) for i in inputs]
        self._graph.outputs = [int(i) for i in outputs]
        return self._model

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The bytes of the .tflite file with these graph inputs and outputs."""
        return pack(self.model(inputs, outputs))

    def _buffer(self, data: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self._model.buffers.append(buffer)
        return len(self._model.buffers) - 1

    def _opcode(self, kind_name: str, version: int) -> int:
        code = schema.OperatorCodeT()
        code.version = version
        number = getattr(schema.BuiltinOperator, kind_name, None)
        if number is None:
            number = schema.BuiltinOperator.CUSTOM
            code.customCode = kind_name
        code.builtinCode = number
        last_int8 = schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
        code.deprecatedBuiltinCode = min(number, last_int8)
        for index, other in enumerate(self._model.operatorCodes):
            if vars(other) == vars(code):
                return index
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1


def pack(model: Any) -> bytes:
    """The bytes of a .tflite file from the schema's ``ModelT``."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())


def unpack(data: bytes) -> Any:
    """The schema's ``ModelT`` from the bytes of an undamaged .tflite file."""
    return schema.ModelT.InitFromPackedBuf(data, 0)


def _bytes_of(data: NDArray[Any] | Sequence[Any] | bytes, dtype: str) -> bytes:
    if isinstance(data, bytes):
        return data
    given = np.asarray(data)
    stored = given.astype(np.dtype(dtype.lower()).newbyteorder("<"))
    if stored.dtype.kind in "iub" and not np.array_equal(stored, given):
        raise ValueError(f"values do not fit {dtype}")
    return stored.tobytes()


def _quantization(
    scale: float | Sequence[float], zero_point: int | Sequence[int], axis: int
) -> Any:
    quant = schema.QuantizationParametersT()
    scales = np.atleast_1d(np.asarray(scale, np.float32))
    points = np.atleast_1d(np.asarray(zero_point, np.int64))
    quant.scale = scales
    quant.zeroPoint = np.broadcast_to(points, scales.shape) if points.size == 1 else points
    quant.quantizedDimension = axis
    return quant


def _options(options_type: str, fields: Mapping[str, Any]) -> Any:
    options = getattr(schema, options_type + "T")()
    for field, value in fields.items():
        if not hasattr(options, field):
            raise ValueError(f"{options_type} has no field {field}")
        if isinstance(value, str):
            value = getattr(_ENUM_FIELDS[field], value)
        setattr(options, field, value)
    return options

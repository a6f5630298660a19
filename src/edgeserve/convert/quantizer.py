"""A float ``.tflite`` made integers by AI Edge Quantizer, without TensorFlow.

Its own calibration is a moving average over the samples, which clips what rare samples need. Here
the range of a tensor is the least and the greatest value that any sample gives it, as TensorFlow's
converter has it; both then choose the same scales.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.convert.agreement import litert
from edgeserve.convert.float_model import read_float_model
from edgeserve.convert.precision import ACTIVATIONS, Precision
from edgeserve.convert.worker import Progress
from edgeserve.errors import ConfigError, ConversionError, MissingTool
from edgeserve.graph import DType, Graph, Op, OpKind
from edgeserve.tflite.reader import read_model

INSTALL = "pip install 'edgeserve[quantize]'"
CONVERTER = "AI Edge Quantizer, static, global ranges"

Ranges = Mapping[str, tuple[float, float]]
"""The least and the greatest value of each float tensor that is no constant, by its name."""

_BITS = {Precision.INT8: 8, Precision.INT16X8: 16}
_EVERYTHING = ".*"
# The same scopes by another spelling: a later rule wins over an earlier one of another spelling.
_EVERYTHING_AGAIN = "^.*"
# Operators that the quantizer does not know, and the one that it treats as they must be: own
# scales for input and output, one scale for both, or constants beside them in the output's scale.
_TREATED_AS = {
    "LEAKY_RELU": "RELU",
    "RELU6": "RELU",
    "RELU_N1_TO_1": "RELU",
    "PRELU": "MUL",
    "MINIMUM": "MAXIMUM",
    "REDUCE_MAX": "REDUCE_MIN",
    "EXPAND_DIMS": "RESHAPE",
    "SQUEEZE": "RESHAPE",
    "DEPTH_TO_SPACE": "SPACE_TO_DEPTH",
}


def observe(
    float_tflite: bytes, samples: Sequence[list[NDArray[np.float32]]], progress: Progress
) -> Ranges:
    """Run the float model over ``samples``, each one array an input, and keep all ranges.

    Raises ConversionError when a sample gives NaN or Inf, ConfigError where there is no sample,
    MissingTool without LiteRT.
    """
    if not samples:
        raise ConfigError("quantization needs at least one calibration sample")
    model = _interpreter(float_tflite)
    inputs = [details["index"] for details in model.get_input_details()]
    graph = read_model(float_tflite, name="float")
    watched = list(_watched(graph))
    padded = {op.outputs[0] for op in graph.ops if op.kind is OpKind.PADV2}
    low = np.full(len(watched), np.inf)
    high = np.full(len(watched), -np.inf)
    for number, sample in enumerate(samples, start=1):
        for index, values in zip(inputs, sample, strict=True):
            model.set_tensor(index, values)
        model.invoke()
        seen = [
            _finite_part(model.get_tensor(i)) if i in padded else model.get_tensor(i)
            for i, _ in watched
        ]
        low = np.minimum(low, [values.min() for values in seen])
        high = np.maximum(high, [values.max() for values in seen])
        progress(number / len(samples), f"calibrating with sample {number} of {len(samples)}")
    ranges = {
        name: (float(a), float(b)) for (_, name), a, b in zip(watched, low, high, strict=True)
    }
    _require_finite(ranges)
    return ranges


def quantize(
    float_tflite: bytes,
    ranges: Ranges,
    precision: Precision,
    int16_layers: Sequence[str] = (),
) -> bytes:
    """The model with int8 weights (per channel) and activations of ``precision``.

    Inputs and outputs have that precision too. ``int16_layers`` are names of tensors, or regular
    expressions that are searched for in them: the operators that write these compute in int16x8,
    and QUANTIZE stands where layers of both widths meet. ``ranges`` come from ``observe``. Equal
    arguments give equal bytes.

    Raises ConfigError where a layer is not found or cannot be int16, ConversionError where an
    operator stays float, MissingTool without ai-edge-quantizer.
    """
    layers = matching_layers(read_float_model(float_tflite, name="float"), int16_layers)
    if layers and precision is not Precision.INT8:
        raise ConfigError(
            f"layers in int16 are for a model that is int8 elsewhere, not {precision}",
            hint="leave out --int16-layers, or --quantization",
        )
    model = _quantized(float_tflite, ranges, precision, layers)
    graph = read_model(model, name="quantized")
    _require_integers(graph)
    _require_edges(graph, ACTIVATIONS[precision])
    _require_int16(graph, layers)
    return model


def matching_layers(graph: Graph, patterns: Sequence[str]) -> tuple[str, ...]:
    """The names that ``patterns`` mean, in the order of the operators that write them.

    Raises ConfigError where a pattern means none, or is no regular expression.
    """
    written = [graph.tensors[index].name for op in graph.ops for index in op.outputs]
    found: set[str] = set()
    for pattern in patterns:
        matches = {pattern} if pattern in written else _searched(pattern, written)
        if not matches:
            raise ConfigError(
                f"no layer is called {pattern!r}",
                hint=f"layers are named by the tensor they write: {_some(written)}",
            )
        found |= matches
    return tuple(name for name in written if name in found)


def _searched(pattern: str, names: Sequence[str]) -> set[str]:
    try:
        return {name for name in names if re.search(pattern, name)}
    except re.error as error:
        raise ConfigError(f"{pattern!r} is no regular expression: {error}") from error


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _interpreter(float_tflite: bytes) -> Any:
    """Without delegates: the sums of XNNPACK depend on the machine."""
    module = litert()
    model = module.Interpreter(
        model_content=float_tflite,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    model.allocate_tensors()
    return model


def _finite_part(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """In front of a pool -Inf is padding: it saturates, and widens no range."""
    finite: NDArray[np.float32] = values[np.isfinite(values)]
    return finite if finite.size and not np.isnan(values).any() else values


def _watched(graph: Graph) -> Iterator[tuple[int, str]]:
    """Index and name of each float tensor of the graph that the caller or an operator writes."""
    written = {*graph.inputs, *(index for op in graph.ops for index in op.outputs)}
    for index in sorted(written):
        tensor = graph.tensors[index]
        if tensor.dtype is DType.FLOAT32 and tensor.elements:
            yield index, tensor.name


def _require_finite(ranges: Ranges) -> None:
    for name, (low, high) in ranges.items():
        if not np.isfinite([low, high]).all():
            raise ConversionError(
                f"tensor {name!r} becomes NaN or Inf on the calibration data",
                hint="the float model is unsound on these samples: check its weights and scaling",
            )


def _quantized(
    float_tflite: bytes, ranges: Ranges, precision: Precision, int16_layers: Sequence[str]
) -> bytes:
    quantizer, names = _tool()
    work = quantizer.Quantizer(float_tflite)
    # It walks the signatures of a model that has none, where an output changes its type.
    work._float_model.signatureDefs = work._float_model.signatureDefs or []

    def rule(regex: str, operation: Any, bits: int) -> None:
        work.add_static_config(regex, operation, activation_num_bits=bits, weight_num_bits=8)

    rule(_EVERYTHING, names.ALL_SUPPORTED, _BITS[precision])
    for name in int16_layers:
        rule(f"(^|;){re.escape(name)};", names.ALL_SUPPORTED, 16)
    if int16_layers:
        rule(_EVERYTHING_AGAIN, names.INPUT, 8)
        rule(_EVERYTHING_AGAIN, names.OUTPUT, 8)
    shaped = {
        name: {"min": np.array([low], np.float32), "max": np.array([high], np.float32)}
        for name, (low, high) in ranges.items()
    }
    return bytes(work.quantize(shaped, enable_progress_report=False).quantized_model)


def _tool() -> tuple[Any, Any]:
    try:
        from ai_edge_quantizer import qtyping, quantizer
        from ai_edge_quantizer.utils import tfl_flatbuffer_utils
    except ImportError as error:
        raise MissingTool("ai-edge-quantizer", install=INSTALL) from error
    names = qtyping.TFLOperationName
    tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME = {
        **tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME,
        **{
            getattr(qtyping.BuiltinOperator, unknown): names[known]
            for unknown, known in _TREATED_AS.items()
        },
    }
    return quantizer, names


def _require_integers(graph: Graph) -> None:
    for op in graph.ops:
        for index in op.outputs:
            if graph.tensors[index].dtype is DType.FLOAT32:
                culprit = _float_operator(graph, op)
                raise ConversionError(
                    f"{culprit.kind} writing tensor "
                    f"{graph.tensors[culprit.outputs[0]].name!r} has no integer form in "
                    "ai-edge-quantizer",
                    hint="replace the operator, or quantize the model elsewhere and give that "
                    ".tflite",
                )


def _float_operator(graph: Graph, op: Op) -> Op:
    """The operator for whose sake ``op`` writes floats: the one that reads what it dequantized."""
    readers = (reader for reader in graph.ops if op.outputs[0] in reader.inputs)
    return next(readers, op) if op.kind == "DEQUANTIZE" else op


def _require_edges(graph: Graph, wanted: DType) -> None:
    for index in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[index]
        if tensor.dtype is DType.FLOAT32:
            raise ConversionError(
                f"{tensor.name!r} stays float32 at the edge of the model, and {wanted} is meant",
                hint="quantize the model elsewhere and give that .tflite",
            )


def _require_int16(graph: Graph, layers: Sequence[str]) -> None:
    dtypes = {tensor.name: tensor.dtype for tensor in graph.tensors}
    refused = [name for name in layers if dtypes.get(name) is not DType.INT16]
    if refused:
        raise ConfigError(
            f"these layers have no int16 form: {_some(refused)}",
            hint="name others in --int16-layers",
        )

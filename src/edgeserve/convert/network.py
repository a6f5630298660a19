"""A ``.tflite`` file as LiteRT's own schema classes, and parts cut out of it."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import MissingTool
from edgeserve.oracle import INSTALL


@dataclass(frozen=True, slots=True)
class Scales:
    """``real = (stored - zero_points) * scales``, along ``axis`` where there are several."""

    scales: NDArray[np.float64]
    zero_points: NDArray[np.int64]
    axis: int

    def real(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """The real values of ``stored``."""
        if len(self.scales) == 1:
            values: NDArray[np.float64] = stored.astype(np.float64) - self.zero_points[0]
            return values * float(self.scales[0])
        shape = [1] * stored.ndim
        shape[self.axis] = -1
        zero_points = np.broadcast_to(self.zero_points, self.scales.shape).reshape(shape)
        return (stored.astype(np.float64) - zero_points) * self.scales.reshape(shape)


@dataclass(frozen=True, slots=True)
class NetworkTensor:
    """A tensor; ``data`` is None where it is computed."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    scales: Scales | None
    data: NDArray[Any] | None

    @property
    def is_real(self) -> bool:
        """Whether its values stand for real numbers: float32, or integers with a scale."""
        return self.dtype == np.float32 or self.scales is not None


@dataclass(frozen=True, slots=True)
class NetworkOp:
    """An operator; ``inputs`` holds -1 for one that is left out."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """The main graph of a model. ``parsed`` is the schema's ``ModelT``."""

    parsed: Any
    tensors: tuple[NetworkTensor, ...]
    ops: tuple[NetworkOp, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    keeps_state: bool

    def producer(self, tensor: int) -> NetworkOp | None:
        """The operator that writes a tensor; None for inputs and constants."""
        return next((op for op in self.ops if tensor in op.outputs), None)

    def computed(self, tensors: Collection[int]) -> tuple[int, ...]:
        """Those of ``tensors`` that are no constants, each once, in order."""
        found = dict.fromkeys(i for i in tensors if i >= 0 and self.tensors[i].data is None)
        return tuple(found)

    def after(self, tensors: Collection[int]) -> tuple[NetworkOp, ...]:
        """The operators that depend on ``tensors``, in order."""
        reached, found = set(tensors), []
        for op in self.ops:
            if reached.intersection(op.inputs):
                reached.update(op.outputs)
                found.append(op)
        return tuple(found)


def read_network(model: bytes) -> Network:
    """The network in ``model``, a file that LiteRT takes. Raises MissingTool without LiteRT."""
    schema = _schema()
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]
    dtypes = _dtypes(schema)
    kinds = {
        number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()
    }
    return Network(
        parsed=parsed,
        tensors=tuple(_tensor(parsed, i, t, dtypes) for i, t in enumerate(graph.tensors)),
        ops=tuple(_op(parsed, i, op, kinds) for i, op in enumerate(graph.operators)),
        inputs=tuple(int(i) for i in graph.inputs),
        outputs=tuple(int(i) for i in graph.outputs),
        keeps_state=len(parsed.subgraphs) > 1 or any(t.isVariable for t in graph.tensors),
    )


def cut(
    network: Network,
    ops: Sequence[NetworkOp],
    inputs: Sequence[int],
    outputs: Sequence[int],
    constants: Mapping[int, NDArray[Any]] | None = None,
) -> bytes:
    """A model of ``ops`` alone, whose tensors keep their numbers; ``constants`` are put in place of
    those that it has. What else it has of constants it leaves out.
    """
    import flatbuffers

    schema = _schema()
    whole, graph = network.parsed, copy.copy(network.parsed.subgraphs[0])
    used = {tensor for op in ops for tensor in op.inputs}
    graph.operators = [graph.operators[op.index] for op in ops]
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    buffers = [schema.BufferT()]
    graph.tensors = list(graph.tensors)
    for index, tensor in enumerate(graph.tensors):
        known = network.tensors[index].data
        part = copy.copy(tensor)
        part.buffer = 0
        if index in used and known is not None:
            buffer = schema.BufferT()
            data = (constants or {}).get(index, known)
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            part.buffer = len(buffers)
            buffers.append(buffer)
        graph.tensors[index] = part
    model = copy.copy(whole)
    model.subgraphs, model.buffers = [graph], buffers
    model.metadata, model.metadataBuffer, model.signatureDefs = None, None, None
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _schema() -> Any:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise MissingTool("ai-edge-litert", install=INSTALL) from error
    return schema_py_generated


def _dtypes(schema: Any) -> dict[int, np.dtype[Any]]:
    names = ("float32", "float16", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
    return {getattr(schema.TensorType, name.upper()): np.dtype(name) for name in names}


def _tensor(
    parsed: Any, index: int, tensor: Any, dtypes: Mapping[int, np.dtype[Any]]
) -> NetworkTensor:
    shape = () if tensor.shape is None else tuple(int(extent) for extent in tensor.shape)
    dtype = dtypes.get(tensor.type)
    held = parsed.buffers[tensor.buffer].data if tensor.buffer else None
    data = None
    if held is not None and len(held) and dtype is not None:
        data = np.asarray(held, np.uint8).view(dtype).reshape(shape)
    return NetworkTensor(
        index, (tensor.name or b"").decode("utf-8", "replace"), shape, dtype, _scales(tensor), data
    )


def _scales(tensor: Any) -> Scales | None:
    quant = tensor.quantization
    if quant is None or quant.scale is None or len(quant.scale) == 0:
        return None
    zero_points = [0] if quant.zeroPoint is None else quant.zeroPoint
    return Scales(
        np.asarray(quant.scale, np.float64),
        np.asarray(zero_points, np.int64),
        int(quant.quantizedDimension),
    )


def _op(parsed: Any, index: int, op: Any, kinds: Mapping[int, str]) -> NetworkOp:
    code = parsed.operatorCodes[op.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return NetworkOp(
        index,
        kinds.get(number, f"operator {number}"),
        () if op.inputs is None else tuple(int(i) for i in op.inputs),
        tuple(int(i) for i in op.outputs),
    )

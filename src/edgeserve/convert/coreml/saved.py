"""A saved package, read back by the specification of its format: nothing that built it takes part.

Only the generated classes of the protobuf schema come from coremltools.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeserve.convert.coreml.blob import Blobs, read_blobs
from edgeserve.coreml_facts import Port, PortKind
from edgeserve.errors import ConversionError

MODEL_PATH = Path("Data/com.apple.CoreML/model.mlmodel")
WEIGHTS_PATH = Path("Data/com.apple.CoreML/weights/weight.bin")
_BLOB_NAME = "@model_path/weights/weight.bin"

Literal: TypeAlias = NDArray[Any] | str | tuple[str, ...]

_KINDS: dict[str, np.dtype[Any]] = {
    "FLOAT16": np.dtype("<f2"),
    "FLOAT32": np.dtype("<f4"),
    "INT8": np.dtype("|i1"),
    "UINT8": np.dtype("|u1"),
    "INT16": np.dtype("<i2"),
    "UINT16": np.dtype("<u2"),
    "INT32": np.dtype("<i4"),
    "UINT32": np.dtype("<u4"),
    "BOOL": np.dtype("|b1"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """A value that an operation writes; ``kind`` and ``shape`` are None for what is no tensor."""

    name: str
    kind: np.dtype[Any] | None
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: an argument is a list of names of values, or literals."""

    kind: str
    arguments: tuple[tuple[str, tuple[str | Held, ...]], ...]
    results: tuple[Result, ...]
    attributes: tuple[tuple[str, Literal], ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A literal that stands where a name of a value could."""

    value: Literal


@dataclass(frozen=True, slots=True)
class SavedProgram:
    """What a package holds. ``parameters`` counts the numbers that weights stand for."""

    specification: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operations: tuple[Operation, ...]
    returned: tuple[str, ...]
    labels: tuple[str, ...]
    weights_bytes: int


def read_package(folder: Path) -> SavedProgram:
    """Reads a package and holds its parts against each other.

    Raises ConversionError where the description and the program differ, where a value is used
    before it exists, or where weights lie outside their file.
    """
    from coremltools.proto import MIL_pb2, Model_pb2

    model = Model_pb2.Model.FromString((folder / MODEL_PATH).read_bytes())
    weights = folder / WEIGHTS_PATH
    blobs = read_blobs(weights.read_bytes()) if weights.is_file() else Blobs(b"")
    if model.WhichOneof("Type") != "mlProgram" or "main" not in model.mlProgram.functions:
        raise _wrong("it is no ML Program with a function main")
    function = model.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    reading = _Reading(MIL_pb2, blobs)
    operations = tuple(reading.operation(one) for one in block.operations)
    given = {one.name: reading.tensor_type(one.type) for one in function.inputs}
    description = model.description
    program = SavedProgram(
        specification=model.specificationVersion,
        inputs=tuple(_port(one, given) for one in description.input),
        outputs=tuple(
            _output_port(one, operations, description.predictedProbabilitiesName)
            for one in description.output
        ),
        operations=operations,
        returned=tuple(block.outputs),
        labels=_labels(operations),
        weights_bytes=len(blobs.data),
    )
    _require_order(program, set(given))
    return program


def _require_order(program: SavedProgram, given: set[str]) -> None:
    if {port.name for port in program.inputs} != given:
        raise _wrong("its description has other inputs than its program")
    known = set(given)
    for operation in program.operations:
        for name, bound in operation.arguments:
            for one in bound:
                if isinstance(one, str) and one not in known:
                    raise _wrong(f"{operation.kind} takes {name} from {one!r}, made nowhere before")
        known |= {result.name for result in operation.results}
    if not set(program.returned) <= known:
        raise _wrong("it returns what it does not make")
    if {port.name for port in program.outputs} != set(program.returned):
        raise _wrong("its description has other outputs than its program")


@dataclass(frozen=True, slots=True)
class _Reading:
    schema: Any
    blobs: Blobs

    def operation(self, stored: Any) -> Operation:
        return Operation(
            kind=stored.type,
            arguments=tuple(
                (name, tuple(self._bound(one) for one in argument.arguments))
                for name, argument in sorted(stored.inputs.items())
            ),
            results=tuple(Result(one.name, *self.tensor_type(one.type)) for one in stored.outputs),
            attributes=tuple(
                (name, self.literal(value)) for name, value in sorted(stored.attributes.items())
            ),
        )

    def _bound(self, binding: Any) -> str | Held:
        if binding.WhichOneof("binding") == "name":
            return str(binding.name)
        return Held(self.literal(binding.value))

    def tensor_type(self, stored: Any) -> tuple[np.dtype[Any] | None, tuple[int, ...] | None]:
        if stored.WhichOneof("type") != "tensorType":
            return None, None
        tensor = stored.tensorType
        kind: np.dtype[Any] | None = _KINDS.get(self.schema.DataType.Name(tensor.dataType))
        if any(one.WhichOneof("dimension") != "constant" for one in tensor.dimensions):
            raise _wrong("a value has an extent that is not fixed")
        return kind, tuple(int(one.constant.size) for one in tensor.dimensions)

    def literal(self, value: Any) -> Literal:
        kind, shape = self.tensor_type(value.type)
        if value.WhichOneof("value") == "blobFileValue":
            if value.blobFileValue.fileName != _BLOB_NAME or kind is None or shape is None:
                raise _wrong("weights lie in a file that is not the package's")
            return self.blobs.read(int(value.blobFileValue.offset), kind, shape)
        held = value.immediateValue
        if held.WhichOneof("value") == "list":
            listed = [one.immediateValue.tensor.strings.values[0] for one in held.list.values]
            return tuple(map(str, listed))
        tensor = held.tensor
        which = tensor.WhichOneof("value")
        if which == "strings":
            texts = tuple(map(str, tensor.strings.values))
            return texts if shape else texts[0]
        if kind is None or shape is None:
            raise _wrong("a constant is of a type that is not read")
        if which == "bytes":
            return np.frombuffer(tensor.bytes.values, kind).reshape(shape)
        numbers = np.asarray(getattr(tensor, which).values if which else [], kind)
        if numbers.size != int(np.prod(shape)):
            raise _wrong(f"a constant of shape {shape} has {numbers.size} numbers")
        return numbers.reshape(shape)


def _port(feature: Any, given: dict[str, Any]) -> Port:
    shape = given[feature.name][1] if feature.name in given else None
    if shape is None:
        raise _wrong(f"input {feature.name!r} is described and not in the program")
    if feature.type.WhichOneof("Type") == "imageType":
        image = feature.type.imageType
        names = image.DESCRIPTOR.enum_types_by_name["ColorSpace"].values_by_number
        kind = {"RGB": PortKind.IMAGE_RGB, "BGR": PortKind.IMAGE_BGR}.get(
            names[image.colorSpace].name, PortKind.IMAGE_GRAY
        )
        if (image.height, image.width) != shape[2:]:
            raise _wrong(f"image {feature.name!r} has another size than the program's input")
        return Port(feature.name, kind, shape)
    if tuple(feature.type.multiArrayType.shape) != shape:
        raise _wrong(f"input {feature.name!r} has another shape than the program's")
    return Port(feature.name, PortKind.ARRAY, shape)


def _output_port(feature: Any, operations: tuple[Operation, ...], probabilities: str) -> Port:
    if feature.name == probabilities:
        return Port(feature.name, PortKind.PROBABILITIES, (len(_labels(operations)),))
    if feature.type.WhichOneof("Type") == "stringType":
        return Port(feature.name, PortKind.LABEL, ())
    shapes = {one.name: one.shape for operation in operations for one in operation.results}
    shape = shapes.get(feature.name)
    if shape is None:
        raise _wrong(f"output {feature.name!r} is described and not in the program")
    return Port(feature.name, PortKind.ARRAY, shape)


def _labels(operations: tuple[Operation, ...]) -> tuple[str, ...]:
    """The classes of a classifier, which are a constant of their own."""
    constants = dict(_constants(operations))
    for operation in operations:
        if operation.kind == "classify":
            (bound,) = dict(operation.arguments)["classes"]
            value = bound.value if isinstance(bound, Held) else constants.get(bound)
            if isinstance(value, tuple):
                return value
            raise _wrong("its classes are not a list of names")
    return ()


def _constants(operations: tuple[Operation, ...]) -> Iterator[tuple[str, Literal]]:
    for operation in operations:
        if operation.kind == "const":
            yield operation.results[0].name, dict(operation.attributes)["val"]


def _wrong(why: str) -> ConversionError:
    return ConversionError(
        f"the package that coremltools wrote is not as it should be: {why}",
        hint="this is a fault of edgeserve or coremltools: report it with the model",
    )

"""Turns the bytes of a .tflite file into a Graph."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from edgeserve.errors import ModelError, UnsupportedOp
from edgeserve.graph import AxisOptions, Graph, Op, OpKind, Options, SplitOptions
from edgeserve.tflite import schema
from edgeserve.tflite.dataflow import check_dataflow
from edgeserve.tflite.flatbuffer import Source, Table, absent_table
from edgeserve.tflite.operators import SIGNATURES, Signature
from edgeserve.tflite.tensors import (
    Constants,
    ReadTensor,
    read_tensor,
    refuse_open_shape,
    tensor_name,
)
from edgeserve.tflite.wording import clipped, damaged, shown

MAX_FILE_BYTES: Final = 256 << 20
MAX_TABLES: Final = 100_000
"""The most tensors, operators, operator codes or buffers; real models have a few thousand."""

_NOT_TFLITE_HINT: Final = "give a TensorFlow Lite model (.tflite, schema version 3)"


class OpCode(NamedTuple):
    """What an operator is: its number in the schema, and its name if it is a custom one."""

    number: int
    custom: str


def read_file(path: Path) -> Graph:
    """The graph of a .tflite file, named after the file.

    Raises ModelError when the file cannot be read, is larger than 256 MiB, or as ``read_model``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise ModelError(
            f"cannot read {str(path)!r}: {reason}", hint="give the path of a .tflite file"
        ) from None
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(
            f"{shown(path.name)} is larger than {MAX_FILE_BYTES:,} bytes",
            hint="no supported device holds such a model: make it smaller or quantize it",
        )
    return read_model(data, name=path.stem)


def read_model(data: bytes, *, name: str) -> Graph:
    """The graph of a model, from the bytes of its .tflite file.

    Raises UnsupportedOp for an operator outside OpKind and ModelError for everything else that is
    damaged or not supported. Quantization schemes are not judged here. Names are kept as they are,
    whatever characters they hold.
    """
    source = Source(data)
    model = open_model(source)
    subgraphs = tuple(model.tables(schema.Model.SUBGRAPHS, "subgraph", most=MAX_TABLES))
    if not subgraphs:
        raise damaged("the model", "it has no subgraph")
    main = subgraphs[0].called("the model")
    tables = tuple(main.tables(schema.SubGraph.TENSORS, "tensor", most=MAX_TABLES))
    operators = tuple(main.tables(schema.SubGraph.OPERATORS, "operator", most=MAX_TABLES))
    kinds = _kinds(model, operators, tables)
    _refuse_more_subgraphs(len(subgraphs))
    buffers = tuple(model.tables(schema.Model.BUFFERS, "buffer", most=MAX_TABLES))
    constants = Constants(source, buffers)
    read = tuple(read_tensor(table, index, constants) for index, table in enumerate(tables))
    graph = Graph(
        name=name,
        tensors=tuple(r.tensor for r in read),
        ops=tuple(
            _op(operator, index, kind, len(read))
            for index, (operator, kind) in enumerate(zip(operators, kinds, strict=True))
        ),
        inputs=_indices(main, main.numbers(schema.SubGraph.INPUTS), "inputs", len(read)),
        outputs=_indices(main, main.numbers(schema.SubGraph.OUTPUTS), "outputs", len(read)),
        notes=_notes(read),
    )
    check_dataflow(graph)
    for index in graph.inputs:
        refuse_open_shape(tables[index], graph.tensors[index])
    return graph


def open_model(source: Source) -> Table:
    """The root table of a .tflite file. Raises ModelError when it is none."""
    start = schema.FILE_IDENTIFIER_OFFSET_BYTES
    end = start + len(schema.FILE_IDENTIFIER)
    if len(source.data) < end:
        raise ModelError(
            f"the file has {len(source.data)} bytes, too few for a TFLite model",
            hint=_NOT_TFLITE_HINT,
        )
    if source.data[start:end] != schema.FILE_IDENTIFIER:
        raise ModelError(
            "the file is not a TFLite model: its identifier is not TFL3", hint=_NOT_TFLITE_HINT
        )
    model = source.root("the model")
    version = model.scalar(schema.Model.VERSION)
    if version != schema.SCHEMA_VERSION:
        raise ModelError(
            f"the model has schema version {version}; version {schema.SCHEMA_VERSION} is read",
            hint=_NOT_TFLITE_HINT,
        )
    return model


def _refuse_more_subgraphs(count: int) -> None:
    if count > 1:
        raise ModelError(
            f"the model has {count:,} subgraphs; one is supported",
            hint="export a single function or signature, without control flow or resources",
        )


def _kinds(
    model: Table, operators: tuple[Table, ...], tensors: tuple[Table, ...]
) -> tuple[OpKind, ...]:
    """The kind of each operator; looked at first, so that the first complaint is the useful one."""
    tables = model.tables(schema.Model.OPERATOR_CODES, "operator code", most=MAX_TABLES)
    codes = tuple(_opcode(table) for table in tables)
    kinds = []
    for operator in operators:
        index = operator.scalar(schema.Operator.OPCODE_INDEX)
        if index >= len(codes):
            operator.fail(f"opcode_index {index} is not in the file")
        kind = _KINDS.get(codes[index].number)
        if kind is None:
            raise _unsupported(operator, codes[index], tensors)
        kinds.append(kind)
    return tuple(kinds)


_KINDS: Final = {schema.BUILTIN_OPERATORS.index(kind): kind for kind in OpKind}


def _opcode(table: Table) -> OpCode:
    """The larger of the two numbers counts: files older than the second one have it at 0."""
    old = table.scalar(schema.OperatorCode.DEPRECATED_BUILTIN_CODE)
    new = table.scalar(schema.OperatorCode.BUILTIN_CODE)
    number = max(old, new)
    if not 0 <= number < len(schema.BUILTIN_OPERATORS):
        table.fail(f"operator number {number} is not in the schema")
    if old not in (0, new, schema.GREATER_OP_CODES) and new != 0:
        table.fail(f"it names two operators, {old} and {new}")
    return OpCode(number, table.string(schema.OperatorCode.CUSTOM_CODE) or "")


def _unsupported(operator: Table, code: OpCode, tensors: tuple[Table, ...]) -> UnsupportedOp:
    outputs = operator.numbers(schema.Operator.OUTPUTS)
    first = outputs[0] if outputs else -1
    name = tensor_name(tensors[first]) if 0 <= first < len(tensors) else ""
    if code.number == schema.CUSTOM:
        return UnsupportedOp(
            f"custom operator {shown(code.custom)}",
            clipped(name),
            "the runtime has no custom operators",
            hint="build the model from TFLite's built-in operators",
        )
    return UnsupportedOp(
        schema.BUILTIN_OPERATORS[code.number],
        clipped(name),
        "the runtime has no such operator",
        hint="replace it in the source model by operators that are supported",
    )


def _op(table: Table, index: int, kind: OpKind, tensors: int) -> Op:
    table = table.called(f"operator {index} {kind}")
    signature = SIGNATURES[kind]
    inputs = _inputs(table, signature, tensors)
    of = schema.Operator
    outputs = _indices(table, table.numbers(of.OUTPUTS), of.OUTPUTS.name, tensors)
    _check_count(table, len(outputs), signature.outputs, "output")
    intermediates = _indices(table, table.numbers(of.INTERMEDIATES), of.INTERMEDIATES.name, tensors)
    options = signature.read_options(_options_table(table, signature))
    _check_options_count(table, kind, options, len(inputs), len(outputs))
    return Op(index, kind, inputs, outputs, options, intermediates)


def _inputs(table: Table, signature: Signature, tensors: int) -> tuple[int | None, ...]:
    given = table.numbers(schema.Operator.INPUTS)
    _check_count(table, len(given), signature.inputs, "input")
    return tuple(
        None
        if index == schema.ABSENT_INPUT and position in signature.optional
        else _index(table, index, "inputs", tensors)
        for position, index in enumerate(given)
    )


def _indices(table: Table, given: tuple[int, ...], what: str, tensors: int) -> tuple[int, ...]:
    return tuple(_index(table, index, what, tensors) for index in given)


def _index(table: Table, index: int, what: str, tensors: int) -> int:
    if not 0 <= index < tensors:
        table.fail(f"{what} name tensor {index}, which is not in the file")
    return index


def _check_count(table: Table, count: int, allowed: tuple[int, ...] | range, what: str) -> None:
    if count not in allowed:
        wanted = (
            f"{allowed[0]} or more"
            if isinstance(allowed, range)
            else " or ".join(str(number) for number in allowed)
        )
        table.fail(f"it has {count:,} {what}s, must have {wanted}")


def _options_table(table: Table, signature: Signature) -> Table:
    """The operator's options, or a table of defaults where the file gives none."""
    number = table.scalar(schema.Operator.OPTIONS_TYPE)
    given = table.table(schema.Operator.OPTIONS)
    none = schema.OptionsType.NONE
    if number not in (none, signature.options_type):
        table.fail(f"it has options of another operator (type {number})")
    if table.scalar(schema.Operator.OPTIONS_2_TYPE) or (number == none and given is not None):
        table.fail("it has options that it cannot have")
    if given is None:
        return absent_table(table.source, table.where)
    return given.called(table.where)


def _check_options_count(
    table: Table, kind: OpKind, options: Options, inputs: int, outputs: int
) -> None:
    """PACK, UNPACK, SPLIT and SPLIT_V say in their options how many tensors they have."""
    match options:
        case AxisOptions(count=count) if kind is OpKind.PACK:
            agrees = count == inputs
        case AxisOptions(count=count) if kind is OpKind.UNPACK:
            agrees = count == outputs
        case SplitOptions(count=count):
            agrees = count == outputs
        case _:
            return
    if not agrees:
        table.fail(f"its options say {count:,} tensors, it has {inputs} inputs, {outputs} outputs")


def _notes(read: tuple[ReadTensor, ...]) -> tuple[str, ...]:
    count = sum(r.axis_taken_as_0 for r in read)
    if count == 0:
        return ()
    carry = "1 tensor carries" if count == 1 else f"{count:,} tensors carry"
    return (f"{carry} a quantized_dimension outside their rank; it is taken as 0",)

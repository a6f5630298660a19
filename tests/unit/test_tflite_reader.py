"""The TFLite reader, against LiteRT's own schema code and on models spoilt one fact at a time."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated

from edgeserve.errors import ModelError, UnsupportedOp
from edgeserve.graph import (
    Activation,
    ActivationOptions,
    AxisOptions,
    BlockOptions,
    ConvOptions,
    DepthwiseOptions,
    DType,
    FullyConnectedOptions,
    Graph,
    LeakyReluOptions,
    LstmOptions,
    NoOptions,
    OpKind,
    Options,
    Padding,
    PoolOptions,
    Quant,
    ReduceOptions,
    ResizeOptions,
    SoftmaxOptions,
    SplitOptions,
    SqueezeOptions,
    StridedSliceOptions,
    SvdfOptions,
    TransposeConvOptions,
)
from edgeserve.tflite import reader, schema
from edgeserve.tflite.operators import SIGNATURES
from edgeserve.tflite.reader import read_file, read_model
from tests.tflite_builder import OPTIONS_TYPES, ModelBuilder, pack, unpack

MODELS = (
    "ad01_int8",
    "hello_world_int8",
    "kws_ref_model",
    "micro_speech_quantized",
    "person_detect",
    "pretrainedResnet_quant",
    "vww_96_int8",
)
DAMAGED = "the file is damaged: export or download it again"


# The schema's numbers


def enum_names(enum: type) -> tuple[str, ...]:
    numbers = {number: name for name, number in vars(enum).items() if not name.startswith("_")}
    return tuple(numbers[number] for number in range(len(numbers)))


def test_enum_names_are_those_of_the_generated_schema() -> None:
    assert enum_names(generated.BuiltinOperator) == schema.BUILTIN_OPERATORS
    assert enum_names(generated.TensorType) == schema.TENSOR_TYPES


@pytest.mark.parametrize("kind", OpKind)
def test_options_type_is_that_of_the_generated_schema(kind: OpKind) -> None:
    name = OPTIONS_TYPES.get(kind, "NONE")
    assert SIGNATURES[kind].options_type == getattr(generated.BuiltinOptions, name)


# Whole models


def expected_options(kind: str, given: Any) -> Options:
    match kind:
        case "CONV_2D":
            return ConvOptions(
                Padding(given.padding),
                given.strideH,
                given.strideW,
                given.dilationHFactor,
                given.dilationWFactor,
                Activation(given.fusedActivationFunction),
            )
        case "DEPTHWISE_CONV_2D":
            return DepthwiseOptions(
                Padding(given.padding),
                given.strideH,
                given.strideW,
                given.dilationHFactor,
                given.dilationWFactor,
                given.depthMultiplier,
                Activation(given.fusedActivationFunction),
            )
        case "AVERAGE_POOL_2D":
            return PoolOptions(
                Padding(given.padding),
                given.strideH,
                given.strideW,
                given.filterHeight,
                given.filterWidth,
                Activation(given.fusedActivationFunction),
            )
        case "FULLY_CONNECTED":
            activation = Activation(given.fusedActivationFunction)
            return FullyConnectedOptions(activation, given.keepNumDims)
        case "ADD":
            activation = Activation(given.fusedActivationFunction)
            return ActivationOptions(activation, given.potScaleInt16)
        case "SOFTMAX":
            return SoftmaxOptions(given.beta)
        case "RESHAPE" | "QUANTIZE" | "DEQUANTIZE":
            return NoOptions()
        case _:
            raise AssertionError(kind)


def expected_quant(given: Any, rank: int) -> Quant | None:
    if given is None or given.scale is None:
        return None
    axis = given.quantizedDimension if given.quantizedDimension < rank else 0
    scales = tuple(float(scale) for scale in given.scale)
    return Quant(scales, tuple(int(point) for point in given.zeroPoint), axis)


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_the_generated_schema_field_by_field(shared_data: Path, name: str) -> None:
    path = shared_data / "models" / f"{name}.tflite"
    graph = read_file(path)
    model = unpack(path.read_bytes())
    (main,) = model.subgraphs
    assert graph.name == name
    assert graph.inputs == tuple(main.inputs)
    assert graph.outputs == tuple(main.outputs)
    assert len(graph.tensors) == len(main.tensors)
    for index, (tensor, given) in enumerate(zip(graph.tensors, main.tensors, strict=True)):
        data = model.buffers[given.buffer].data
        assert tensor.index == index
        assert tensor.name.encode() == given.name
        assert tensor.shape == tuple(given.shape)
        assert tensor.dtype.name == schema.TENSOR_TYPES[given.type]
        assert tensor.quant == expected_quant(given.quantization, len(given.shape))
        assert tensor.data == (None if data is None else bytes(data))
        assert tensor.is_variable == given.isVariable
    assert len(graph.ops) == len(main.operators)
    for index, (op, given) in enumerate(zip(graph.ops, main.operators, strict=True)):
        code = model.operatorCodes[given.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        assert op.index == index
        assert op.kind == schema.BUILTIN_OPERATORS[number]
        assert op.inputs == tuple(given.inputs)
        assert op.outputs == tuple(given.outputs)
        assert op.intermediates == ()
        assert op.options == expected_options(op.kind, given.builtinOptions)


def test_a_wrong_bias_axis_is_noted_once(shared_data: Path) -> None:
    notes = {name: read_file(shared_data / "models" / f"{name}.tflite").notes for name in MODELS}
    assert notes.pop("person_detect") == (
        "14 tensors carry a quantized_dimension outside their rank; it is taken as 0",
    )
    assert set(notes.values()) == {()}


# Each operator


def one_op(
    kind: str,
    inputs: int,
    outputs: int,
    options: dict[str, Any] | None = None,
    absent: tuple[int, ...] = (),
    intermediates: int = 0,
) -> ModelBuilder:
    """A model of one operator on tensors of shape (2,), with ``inputs`` inputs first."""
    b = ModelBuilder()
    ins = [b.tensor(f"in{i}", (2,), "int8", scale=0.5) for i in range(inputs)]
    outs = [b.tensor(f"out{i}", (2,), "int8", scale=0.5) for i in range(outputs)]
    extra = [b.tensor(f"extra{i}", (0,), "int16", scale=0.25) for i in range(intermediates)]
    given = [None if i in absent else i for i in ins]
    b.op(kind, given, outs, options, intermediates=extra)
    return b


def read_one(b: ModelBuilder, inputs: int, outputs: int) -> Graph:
    ends = (range(inputs), range(inputs, inputs + outputs))
    return read_model(b.finish(*ends), name="one")


RELU6, RELU, TANH = Activation.RELU6, Activation.RELU, Activation.TANH
OP_CASES: list[tuple[str, int, int, dict[str, Any], Options]] = [
    (
        "CONV_2D",
        3,
        1,
        {
            "padding": "VALID",
            "strideW": 2,
            "strideH": 3,
            "fusedActivationFunction": "RELU6",
            "dilationWFactor": 4,
            "dilationHFactor": 5,
        },
        ConvOptions(Padding.VALID, 3, 2, 5, 4, RELU6),
    ),
    (
        "CONV_2D",
        2,
        1,
        {"strideW": 1, "strideH": 1},
        ConvOptions(Padding.SAME, 1, 1, 1, 1, Activation.NONE),
    ),
    (
        "DEPTHWISE_CONV_2D",
        3,
        1,
        {
            "padding": "VALID",
            "strideW": 2,
            "strideH": 3,
            "depthMultiplier": 6,
            "fusedActivationFunction": "RELU",
            "dilationWFactor": 4,
            "dilationHFactor": 5,
        },
        DepthwiseOptions(Padding.VALID, 3, 2, 5, 4, 6, RELU),
    ),
    (
        "TRANSPOSE_CONV",
        4,
        1,
        {"padding": "VALID", "strideW": 2, "strideH": 3, "fusedActivationFunction": "RELU"},
        TransposeConvOptions(Padding.VALID, 3, 2, RELU),
    ),
    *(
        (
            kind,
            1,
            1,
            {
                "padding": "VALID",
                "strideW": 2,
                "strideH": 3,
                "filterWidth": 4,
                "filterHeight": 5,
                "fusedActivationFunction": "RELU_N1_TO_1",
            },
            PoolOptions(Padding.VALID, 3, 2, 5, 4, Activation.RELU_N1_TO_1),
        )
        for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
    ),
    (
        "FULLY_CONNECTED",
        3,
        2,
        {"fusedActivationFunction": "RELU6", "weightsFormat": 1, "keepNumDims": True},
        FullyConnectedOptions(RELU6, keep_num_dims=True, shuffled_weights=True),
    ),
    ("FULLY_CONNECTED", 2, 1, {}, FullyConnectedOptions(Activation.NONE, keep_num_dims=False)),
    *(
        (
            kind,
            2,
            1,
            {"fusedActivationFunction": "RELU6", "potScaleInt16": False},
            ActivationOptions(RELU6, pot_scale_int16=False),
        )
        for kind in ("ADD", "SUB")
    ),
    ("ADD", 2, 1, {}, ActivationOptions(Activation.NONE, pot_scale_int16=True)),
    ("MUL", 2, 1, {"fusedActivationFunction": "TANH"}, ActivationOptions(TANH)),
    ("CONCATENATION", 5, 1, {"axis": -2, "fusedActivationFunction": "RELU"}, AxisOptions(-2, RELU)),
    ("PACK", 3, 1, {"valuesCount": 3, "axis": 1}, AxisOptions(1, count=3)),
    ("UNPACK", 1, 4, {"num": 4, "axis": 2}, AxisOptions(2, count=4)),
    ("GATHER", 2, 1, {"axis": 2, "batchDims": 1}, AxisOptions(2, batch_dims=1)),
    *(
        (kind, 2, 1, {"keepDims": keep}, ReduceOptions(keep))
        for kind in ("MEAN", "SUM", "REDUCE_MAX")
        for keep in (True, False)
    ),
    ("SOFTMAX", 1, 1, {"beta": 0.75}, SoftmaxOptions(0.75)),
    ("LEAKY_RELU", 1, 1, {"alpha": -0.125}, LeakyReluOptions(-0.125)),
    ("SPLIT", 2, 3, {"numSplits": 3}, SplitOptions(3)),
    ("SPLIT_V", 3, 2, {"numSplits": 2}, SplitOptions(2)),
    *(
        (kind, 1, 1, {"blockSize": 3}, BlockOptions(3))
        for kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
    ),
    *(
        (kind, 2, 1, {"alignCorners": a, "halfPixelCenters": not a}, ResizeOptions(a, not a))
        for kind in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
        for a in (True, False)
    ),
    (
        "STRIDED_SLICE",
        4,
        1,
        {
            "beginMask": 1,
            "endMask": 2,
            "ellipsisMask": 4,
            "newAxisMask": 8,
            "shrinkAxisMask": 16,
            "offset": True,
        },
        StridedSliceOptions(1, 2, 4, 8, 16, offset=True),
    ),
    ("SQUEEZE", 1, 1, {"squeezeDims": [0, -1]}, SqueezeOptions((0, -1))),
    ("SQUEEZE", 1, 1, {}, SqueezeOptions(())),
    (
        "SVDF",
        5,
        1,
        {"rank": 2, "fusedActivationFunction": "RELU", "asymmetricQuantizeInputs": True},
        SvdfOptions(2, RELU, asymmetric_quantize_inputs=True),
    ),
    (
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        24,
        1,
        {
            "fusedActivationFunction": "TANH",
            "cellClip": 10.5,
            "projClip": 2.5,
            "timeMajor": True,
            "asymmetricQuantizeInputs": False,
            "diagonalRecurrentTensors": True,
        },
        LstmOptions(TANH, 10.5, 2.5, True, False, True),
    ),
    (
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        20,
        1,
        {"asymmetricQuantizeInputs": True},
        LstmOptions(Activation.NONE, 0.0, 0.0, False, True, False),
    ),
    *((kind, 1, 1, {}, NoOptions()) for kind in ("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC")),
    *((kind, 1, 1, {}, NoOptions()) for kind in ("TANH", "HARD_SWISH", "QUANTIZE", "DEQUANTIZE")),
    *((kind, 2, 1, {}, NoOptions()) for kind in ("PRELU", "MAXIMUM", "MINIMUM", "ARG_MAX")),
    *((kind, 2, 1, {}, NoOptions()) for kind in ("PAD", "RESHAPE", "TRANSPOSE", "EXPAND_DIMS")),
    *((kind, 3, 1, {}, NoOptions()) for kind in ("PADV2", "SLICE")),
    ("RESHAPE", 1, 1, {"newShape": [2]}, NoOptions()),
]


@pytest.mark.parametrize(("kind", "inputs", "outputs", "options", "expected"), OP_CASES)
def test_reads_options_of(
    kind: str, inputs: int, outputs: int, options: dict[str, Any], expected: Options
) -> None:
    (op,) = read_one(one_op(kind, inputs, outputs, options), inputs, outputs).ops
    assert op.kind == kind
    assert op.inputs == tuple(range(inputs))
    assert op.outputs == tuple(range(inputs, inputs + outputs))
    assert op.options == expected


def test_every_kind_has_a_case() -> None:
    assert {kind for kind, *_ in OP_CASES} == set(OpKind)


@pytest.mark.parametrize("kind", OpKind)
def test_too_few_and_too_many_tensors_are_refused(kind: OpKind) -> None:
    _, inputs, outputs, options, _ = next(case for case in OP_CASES if case[0] == kind)
    allowed = SIGNATURES[kind]
    for n_in, n_out in ((0, outputs), (25, outputs), (inputs, 0), (inputs, 9)):
        if n_in in allowed.inputs and n_out in allowed.outputs and kind not in COUNTED:
            continue
        with pytest.raises(ModelError, match=rf"^operator 0 {kind}: (it has \d+|its options say)"):
            read_one(one_op(kind, n_in, n_out, options), n_in, n_out)


COUNTED = {OpKind.PACK, OpKind.UNPACK, OpKind.SPLIT, OpKind.SPLIT_V}


@pytest.mark.parametrize(
    ("kind", "inputs", "absent", "options"),
    [
        ("CONV_2D", 3, (2,), {"strideW": 1, "strideH": 1}),
        ("DEPTHWISE_CONV_2D", 3, (2,), {"strideW": 1, "strideH": 1}),
        ("FULLY_CONNECTED", 3, (2,), {}),
        ("TRANSPOSE_CONV", 4, (3,), {"strideW": 1, "strideH": 1}),
        ("SVDF", 5, (3,), {"rank": 1}),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", 24, (1, 5, 9, 10, 11, 12, 16, 17, 20, 21, 22, 23), {}),
    ],
)
def test_optional_inputs_may_be_absent(
    kind: str, inputs: int, absent: tuple[int, ...], options: dict[str, Any]
) -> None:
    b = one_op(kind, inputs, 1, options, absent)
    (op,) = read_one(b, inputs, 1).ops
    assert op.inputs == tuple(None if i in absent else i for i in range(inputs))
    for needed in set(range(inputs)) - set(absent):
        spoilt = one_op(kind, inputs, 1, options, (needed,))
        with pytest.raises(ModelError, match="inputs name tensor -1, which is not in the file"):
            read_one(spoilt, inputs, 1)


def test_intermediates_carry_quantization_and_may_be_empty() -> None:
    options = {"cellClip": 1.0}
    b = one_op("UNIDIRECTIONAL_SEQUENCE_LSTM", 20, 1, options, intermediates=5)
    graph = read_one(b, 20, 1)
    assert graph.ops[0].intermediates == (21, 22, 23, 24, 25)
    assert graph.tensors[21].shape == (0,)
    assert graph.tensors[21].quant == Quant((0.25,), (0,))


def test_absent_options_mean_the_defaults_of_the_schema() -> None:
    model = one_op("ADD", 2, 1).model([0, 1], [2])
    op = model.subgraphs[0].operators[0]
    op.builtinOptionsType, op.builtinOptions = 0, None
    assert read_model(pack(model), name="one").ops[0].options == ActivationOptions(Activation.NONE)
    model = one_op("CONV_2D", 2, 1).model([0, 1], [2])
    op = model.subgraphs[0].operators[0]
    op.builtinOptionsType, op.builtinOptions = 0, None
    with pytest.raises(ModelError, match="CONV_2D: stride_h is 0, must be at least 1"):
        read_model(pack(model), name="one")


# Models spoilt one fact at a time


def small_model() -> Any:
    """Input 0 -> CONV_2D with weights 1 and bias 2 -> tensor 3 -> RELU6 -> tensor 4."""
    b = ModelBuilder()
    b.tensor("in", (1, 4, 4, 2), "int8", scale=0.5, zero_point=-3)
    b.tensor("weights", (3, 1, 1, 2), "int8", scale=[0.1, 0.2, 0.3], data=np.ones((3, 1, 1, 2)))
    b.tensor("bias", (3,), "int32", scale=[0.05, 0.1, 0.15], data=[1, -2, 3])
    b.tensor("mid", (1, 4, 4, 3), "int8", scale=0.25)
    b.tensor("out", (1, 4, 4, 3), "int8", scale=0.25)
    b.op("CONV_2D", [0, 1, 2], [3], {"strideW": 1, "strideH": 1})
    b.op("RELU6", [3], [4])
    return b.model([0], [4])


def test_the_small_model_is_sound() -> None:
    graph = read_model(pack(small_model()), name="small")
    assert [op.kind for op in graph.ops] == ["CONV_2D", "RELU6"]
    assert graph.tensors[2].data == struct.pack("<3i", 1, -2, 3)
    assert graph.tensors[1].quant == Quant(
        tuple(float(np.float32(s)) for s in (0.1, 0.2, 0.3)), (0, 0, 0), 0
    )
    assert graph.notes == ()


Spoil = Callable[[Any], object]


def change(target: Any, **fields: Any) -> None:
    for field, value in fields.items():
        assert hasattr(target, field)
        setattr(target, field, value)


def tensor(index: int, **fields: Any) -> Spoil:
    return lambda model: change(model.subgraphs[0].tensors[index], **fields)


def quant(index: int, **fields: Any) -> Spoil:
    return lambda model: change(model.subgraphs[0].tensors[index].quantization, **fields)


def op(index: int, **fields: Any) -> Spoil:
    return lambda model: change(model.subgraphs[0].operators[index], **fields)


def options(index: int, **fields: Any) -> Spoil:
    return lambda m: change(m.subgraphs[0].operators[index].builtinOptions, **fields)


def code(index: int, **fields: Any) -> Spoil:
    return lambda model: change(model.operatorCodes[index], **fields)


def main(**fields: Any) -> Spoil:
    return lambda model: change(model.subgraphs[0], **fields)


def buffer(index: int, **fields: Any) -> Spoil:
    return lambda model: change(model.buffers[index], **fields)


def whole(**fields: Any) -> Spoil:
    return lambda model: change(model, **fields)


DAMAGES: list[tuple[Spoil, str]] = [
    (whole(subgraphs=[]), "the model: it has no subgraph"),
    (whole(buffers=None), "tensor 1 'weights': buffer 1 is not in the file"),
    (main(inputs=None), "the model: it has no inputs"),
    (main(outputs=[]), "the model: it has no outputs"),
    (main(inputs=[0, 0]), "the model: it names one tensor as input twice"),
    (main(outputs=[4, 4]), "the model: it names one tensor as output twice"),
    (main(inputs=[5]), "the model: inputs name tensor 5, which is not in the file"),
    (main(outputs=[-1]), "the model: outputs name tensor -1, which is not in the file"),
    (main(inputs=[0, 1]), "input 'weights': it is a constant or a variable"),
    (main(outputs=[4, 0]), "output 'in': no operator writes it"),
    (main(operators=None), "output 'out': no operator writes it"),
    (tensor(0, type=99), "tensor 0 'in': its type 99 is not in the schema"),
    (tensor(0, type=-1), "tensor 0 'in': its type -1 is not in the schema"),
    (tensor(0, shape=[1] * 9), "tensor 0 'in': it has 9 dimensions; at most 8 are read"),
    (tensor(0, shape=[1, -7]), "tensor 0 'in': its shape [1, -7] is impossible"),
    (
        tensor(0, shape=[65536, 32768]),
        "tensor 0 'in': its shape [65536, 32768] asks for more than 2,147,483,647 bytes",
    ),
    (
        tensor(0, shape=[2**31 - 1] * 8),
        "tensor 0 'in': its shape "
        + str([2**31 - 1] * 8)
        + " asks for more than 2,147,483,647 bytes",
    ),
    (
        tensor(0, shapeSignature=[-1, 4, 4]),
        "tensor 0 'in': shape_signature has 3 dimensions, its shape 4",
    ),
    (tensor(1, buffer=77), "tensor 1 'weights': buffer 77 is not in the file"),
    (
        tensor(1, shape=[3, 1, 1, 3]),
        "tensor 1 'weights': its data has 6 bytes, its shape [3, 1, 1, 3] of int8 asks for 9",
    ),
    (
        tensor(2, shape=[1], quantization=None),
        "tensor 2 'bias': its data has 12 bytes, its shape [1] of int32 asks for 4",
    ),
    (tensor(1, isVariable=True), "tensor 1 'weights': it is a variable and has constant data"),
    (
        buffer(1, data=None, offset=40, size=2**63),
        "tensor 1 'weights': buffer 1: its data runs past the end of the file",
    ),
    (quant(0, zeroPoint=None), "tensor 0 'in': it has 1 scales and 0 zero points"),
    (quant(1, zeroPoint=[0]), "tensor 1 'weights': it has 3 scales and 1 zero points"),
    (quant(0, scale=[0.0]), "tensor 0 'in': its scale 0.0 is not a positive number"),
    (quant(0, scale=[-0.5]), "tensor 0 'in': its scale -0.5 is not a positive number"),
    (quant(0, scale=[float("nan")]), "tensor 0 'in': its scale nan is not a positive number"),
    (quant(0, scale=[float("inf")]), "tensor 0 'in': its scale inf is not a positive number"),
    (quant(0, zeroPoint=[128]), "tensor 0 'in': its zero point 128 does not fit int8"),
    (quant(0, zeroPoint=[-129]), "tensor 0 'in': its zero point -129 does not fit int8"),
    (
        quant(2, zeroPoint=[0, 0, 2**31]),
        "tensor 2 'bias': its zero point 2147483648 does not fit int32",
    ),
    (
        quant(1, quantizedDimension=3),
        "tensor 1 'weights': it has 3 scales for 2 channels",
    ),
    (
        quant(1, quantizedDimension=4),
        "tensor 1 'weights': quantized_dimension 4 is not one of its 4 dimensions",
    ),
    (
        quant(1, quantizedDimension=-1),
        "tensor 1 'weights': quantized_dimension -1 is not one of its 4 dimensions",
    ),
    (op(0, opcodeIndex=9), "operator 0: opcode_index 9 is not in the file"),
    (op(0, inputs=[0, 1, 5]), "operator 0 CONV_2D: inputs name tensor 5, which is not in the file"),
    (op(0, inputs=[0, -2]), "operator 0 CONV_2D: inputs name tensor -2, which is not in the file"),
    (op(0, inputs=[0]), "operator 0 CONV_2D: it has 1 inputs, must have 2 or 3"),
    (op(1, inputs=[]), "operator 1 RELU6: it has 0 inputs, must have 1"),
    (op(1, outputs=None), "operator 1 RELU6: it has 0 outputs, must have 1"),
    (op(1, outputs=[5]), "operator 1 RELU6: outputs name tensor 5, which is not in the file"),
    (op(1, outputs=[-1]), "operator 1 RELU6: outputs name tensor -1, which is not in the file"),
    (
        op(1, intermediates=[-1]),
        "operator 1 RELU6: intermediates name tensor -1, which is not in the file",
    ),
    (
        op(0, inputs=[3, 1, 2]),
        "operator 0 CONV_2D: it reads tensor 3 'mid' before operator 0 CONV_2D writes it",
    ),
    (
        op(0, inputs=[4, 1, 2]),
        "operator 0 CONV_2D: it reads tensor 4 'out' before operator 1 RELU6 writes it",
    ),
    (
        main(inputs=[3]),
        "operator 0 CONV_2D: it reads tensor 0 'in', which has no data and which nothing writes",
    ),
    (
        op(1, outputs=[3]),
        "operator 1 RELU6: it writes tensor 3 'mid', which is written already",
    ),
    (
        op(1, outputs=[0]),
        "operator 1 RELU6: it writes tensor 0 'in', which is an input of the model",
    ),
    (op(1, outputs=[2]), "operator 1 RELU6: it writes tensor 2 'bias', which is a constant"),
    (tensor(4, isVariable=True), "operator 1 RELU6: it writes tensor 4 'out', which is a variable"),
    (
        op(0, builtinOptionsType=2),
        "operator 0 CONV_2D: it has options of another operator (type 2)",
    ),
    (op(0, builtinOptionsType=0), "operator 0 CONV_2D: it has options that it cannot have"),
    (op(1, builtinOptions2Type=1), "operator 1 RELU6: it has options that it cannot have"),
    (options(0, padding=2), "operator 0 CONV_2D: padding 2 is not in the schema"),
    (
        options(0, fusedActivationFunction=6),
        "operator 0 CONV_2D: fused_activation_function 6 is not in the schema",
    ),
    (options(0, strideW=-1), "operator 0 CONV_2D: stride_w is -1, must be at least 1"),
    (options(0, strideH=0), "operator 0 CONV_2D: stride_h is 0, must be at least 1"),
    (
        options(0, dilationWFactor=0),
        "operator 0 CONV_2D: dilation_w_factor is 0, must be at least 1",
    ),
    (
        options(0, dilationHFactor=0),
        "operator 0 CONV_2D: dilation_h_factor is 0, must be at least 1",
    ),
    (code(0, builtinCode=4), "operator code 0: it names two operators, 3 and 4"),
    (code(0, builtinCode=5000), "operator code 0: operator number 5000 is not in the schema"),
    (
        code(0, builtinCode=-1, deprecatedBuiltinCode=-1),
        "operator code 0: operator number -1 is not in the schema",
    ),
]


@pytest.mark.parametrize(("spoil", "fault"), DAMAGES, ids=[fault for _, fault in DAMAGES])
def test_a_damaged_model_is_refused_in_one_line(spoil: Spoil, fault: str) -> None:
    model = small_model()
    spoil(model)
    with pytest.raises(ModelError) as caught:
        read_model(pack(model), name="small")
    assert caught.value.what == fault
    assert caught.value.hint == DAMAGED


def sparse() -> Any:
    parameters = generated.SparsityParametersT()
    parameters.traversalOrder = [0]
    return parameters


UNSUPPORTED: list[tuple[Spoil, str, str]] = [
    (
        whole(version=2),
        "the model has schema version 2; version 3 is read",
        "give a TensorFlow Lite model (.tflite, schema version 3)",
    ),
    (
        lambda model: model.subgraphs.append(generated.SubGraphT()),
        "the model has 2 subgraphs; one is supported",
        "export a single function or signature, without control flow or resources",
    ),
    (
        tensor(0, sparsity=sparse()),
        "tensor 0 'in' is stored sparse, which is not supported",
        "convert the model without sparsity",
    ),
    (
        tensor(1, externalBuffer=1),
        "tensor 1 'weights': its data lies in another file, which is not supported",
        "export the model as one .tflite file",
    ),
    (
        tensor(0, shape=[-1, 4, 4, 2]),
        "tensor 0 'in': dimension 0 of its shape is not fixed",
        "fix the batch and the input shape (batch 1) before converting the model",
    ),
    (
        tensor(0, shapeSignature=[-1, -1, 4, 2]),
        "input 'in': dimension 1 of its shape is not fixed",
        "fix the batch and the input shape (batch 1) before converting the model",
    ),
    (
        tensor(0, shape=[1, 0, 4, 2]),
        "tensor 0 'in': its shape [1, 0, 4, 2] has no elements",
        "fix every dimension to at least 1 before converting the model",
    ),
    (
        quant(0, detailsType=1, details=generated.CustomQuantizationT()),
        "tensor 0 'in' has custom or blockwise quantization, which is not supported",
        "quantize the model per tensor or per channel",
    ),
    *(
        (
            tensor(0, type=getattr(generated.TensorType, name)),
            f"tensor 0 'in' has type {name}, which is not supported",
            "quantize the model to full INT8; tensors may be "
            "bool, float16, float32, int16, int32, int64, int8, uint8",
        )
        for name in ("STRING", "FLOAT64", "COMPLEX64", "RESOURCE", "INT4", "BFLOAT16", "UINT32")
    ),
    (
        code(1, builtinCode=150, deprecatedBuiltinCode=127),
        "GELU writing tensor 'out' is not supported: the runtime has no such operator",
        "replace it in the source model by operators that are supported",
    ),
    (
        code(1, builtinCode=32, deprecatedBuiltinCode=32, customCode="Peer\nReview"),
        "custom operator 'Peer\\nReview' writing tensor 'out' is not supported: "
        "the runtime has no custom operators",
        "build the model from TFLite's built-in operators",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "fault", "hint"), UNSUPPORTED, ids=[fault for _, fault, _ in UNSUPPORTED]
)
def test_what_is_not_supported_is_said_with_a_hint(spoil: Spoil, fault: str, hint: str) -> None:
    model = small_model()
    spoil(model)
    with pytest.raises(ModelError) as caught:
        read_model(pack(model), name="small")
    assert (caught.value.what, caught.value.hint) == (fault, hint)


def test_an_unsupported_operator_comes_before_all_other_complaints() -> None:
    model = small_model()
    model.subgraphs.append(generated.SubGraphT())
    tensor(0, type=generated.TensorType.RESOURCE)(model)
    code(0, builtinCode=119, deprecatedBuiltinCode=119)(model)
    with pytest.raises(UnsupportedOp) as caught:
        read_model(pack(model), name="small")
    assert (caught.value.op, caught.value.tensor) == ("WHILE", "mid")


def test_options_of_newer_quantization_are_refused() -> None:
    b = one_op("FULLY_CONNECTED", 2, 1, {"quantSpec": [1, 2]})
    with pytest.raises(ModelError, match="FULLY_CONNECTED: quant_spec is not supported"):
        read_one(b, 2, 1)


# What is accepted


def test_a_dynamic_batch_with_a_concrete_shape_is_accepted() -> None:
    model = small_model()
    for index in (0, 3, 4):
        shape = list(model.subgraphs[0].tensors[index].shape)
        tensor(index, shapeSignature=[-1, *shape[1:]])(model)
    assert read_model(pack(model), name="small").tensors[0].shape == (1, 4, 4, 2)


@pytest.mark.parametrize(
    ("old", "new"), [(3, 0), (0, 3), (3, 3)], ids=["old field", "new field", "both fields"]
)
def test_either_field_may_name_the_operator(old: int, new: int) -> None:
    model = small_model()
    code(0, deprecatedBuiltinCode=old, builtinCode=new)(model)
    assert read_model(pack(model), name="small").ops[0].kind is OpKind.CONV_2D


def test_data_behind_the_flatbuffer_is_read() -> None:
    model = small_model()
    weights = bytes(model.buffers[1].data)
    change(model.buffers[1], data=None, offset=1 << 40, size=len(weights))
    end = len(pack(model))
    change(model.buffers[1], offset=end)
    assert read_model(pack(model) + weights, name="small").tensors[1].data == weights
    with pytest.raises(ModelError, match="'weights': buffer 1: its data runs past the end"):
        read_model(pack(model) + weights[:-1], name="small")


def test_an_offset_of_one_means_no_data() -> None:
    model = small_model()
    change(model.buffers[1], data=None, offset=1, size=6)
    with pytest.raises(ModelError, match="'weights', which has no data and which nothing writes"):
        read_model(pack(model), name="small")


def test_tensors_that_share_a_buffer_share_its_bytes() -> None:
    model = small_model()
    one, two = model.subgraphs[0].tensors[1:3]
    two.shape, two.type, two.buffer, two.quantization = one.shape, one.type, one.buffer, None
    tensors = read_model(pack(model), name="small").tensors
    assert tensors[1].data is tensors[2].data


def test_overlapping_constants_are_refused() -> None:
    model = small_model()
    size = len(pack(model)) * 3 // 4
    for index in (1, 2):
        change(model.buffers[index], data=None, offset=index + 1, size=size)
        tensor(index, shape=[size], type=generated.TensorType.INT8, quantization=None)(model)
    with pytest.raises(ModelError, match="'bias': its data overlaps that of other tensors"):
        read_model(pack(model), name="small")


def test_quantization_of_floats_is_dropped_and_scalars_have_rank_0() -> None:
    b = ModelBuilder()
    x = b.tensor("x", (), "float32", scale=-1.0, zero_point=999)
    y = b.tensor("y", (), "int64", scale=0.5, zero_point=2**62, axis=1)
    b.op("QUANTIZE", [x], [y])
    graph = read_model(b.finish([x], [y]), name="scalar")
    assert graph.tensors[0].quant is None
    assert graph.tensors[0].shape == ()
    assert graph.tensors[1].quant == Quant((0.5,), (2**62,), 0)
    assert graph.tensors[1].dtype is DType.INT64
    assert graph.notes == (
        "1 tensor carries a quantized_dimension outside their rank; it is taken as 0",
    )


def test_a_variable_may_be_read_but_is_no_input() -> None:
    b = one_op("SVDF", 5, 1, {"rank": 1})
    model = b.model([0, 1, 2, 3], [5])
    tensor(4, isVariable=True)(model)
    assert read_model(pack(model), name="one").tensors[4].is_variable
    main(inputs=[0, 1, 2, 3, 4])(model)
    with pytest.raises(ModelError, match="input 'in4': it is a constant or a variable"):
        read_model(pack(model), name="one")


def test_hostile_names_are_kept_raw_and_shown_escaped() -> None:
    hostile = b"a'\n\x1b[31m\xff\xe2\x80\xae" + b"x" * 200
    model = small_model()
    tensor(3, name=hostile)(model)
    assert read_model(pack(model), name="n").tensors[3].name == hostile.decode("utf-8", "replace")
    tensor(3, type=99)(model)
    with pytest.raises(ModelError) as caught:
        read_model(pack(model), name="n")
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 200
    assert "x'..." not in caught.value.what


def test_a_tensor_without_a_name_has_an_empty_one() -> None:
    model = small_model()
    tensor(3, name=None)(model)
    assert read_model(pack(model), name="n").tensors[3].name == ""


# Files


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x1c\0\0\0TFL", b"PK\x03\x04" + bytes(99)])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError) as caught:
        read_model(data, name="x")
    assert caught.value.hint == "give a TensorFlow Lite model (.tflite, schema version 3)"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*absent\.tflite': No such file"):
        read_file(tmp_path / "absent.tflite")
    with pytest.raises(ModelError, match=r"cannot read .*: Is a directory"):
        read_file(tmp_path)


def test_a_huge_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_FILE_BYTES", 100)
    path = tmp_path / "huge.tflite"
    path.write_bytes(bytes(101))
    with pytest.raises(ModelError, match=r"'huge\.tflite' is larger than 100 bytes"):
        read_file(path)


# Random damage


def damage(data: bytes, rng: random.Random) -> bytes:
    """Cuts the file, flips bits, or changes a word of the part that holds no weights."""
    spoilt = bytearray(data)
    how = rng.randrange(4)
    if how == 0:
        return data[: rng.randrange(len(data))]
    for _ in range(rng.choice((1, 1, 2, 8))):
        if how == 1:
            at = rng.randrange(len(spoilt))
            spoilt[at] ^= 1 << rng.randrange(8)
        else:
            at = rng.randrange(min(len(spoilt) - 4, 4096)) if how == 2 else offset_word(data, rng)
            value = rng.choice(
                (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(data), rng.getrandbits(32))
            )
            struct.pack_into("<I", spoilt, at, value)
    return bytes(spoilt)


def offset_word(data: bytes, rng: random.Random) -> int:
    """The place of a word that looks like an offset, a length or a small number."""
    for _ in range(1000):
        at = 4 * rng.randrange(len(data) // 4)
        if 0 < int.from_bytes(data[at : at + 4], "little") < len(data) - at:
            return at
    return 0


def check_case(spoilt: bytes) -> bool:
    """Whether it was refused; anything but a Graph or a one-line ModelError fails the test."""
    start = time.perf_counter()
    refusal: ModelError | None = None
    try:
        read_model(spoilt, name="damaged")
    except ModelError as error:
        refusal = error
    assert time.perf_counter() - start < 5
    if refusal is None:
        return False
    assert refusal.hint
    assert refusal.what.isprintable()
    return True


def fuzz(shared_data: Path, cases: int, seed: int) -> None:
    rng = random.Random(seed)
    originals = [(shared_data / "models" / f"{name}.tflite").read_bytes() for name in MODELS]
    refused = sum(check_case(damage(originals[i % len(MODELS)], rng)) for i in range(cases))
    assert cases // 3 < refused < cases


def test_a_thousand_damaged_files_give_a_graph_or_a_model_error(shared_data: Path) -> None:
    fuzz(shared_data, 1000, seed=20240)


@pytest.mark.soak
def test_many_damaged_files_give_a_graph_or_a_model_error(shared_data: Path) -> None:
    fuzz(shared_data, 50_000, seed=7)


def test_the_memory_that_damaged_files_take_is_bounded(shared_data: Path) -> None:
    rng = random.Random(5)
    data = (shared_data / "models" / "kws_ref_model.tflite").read_bytes()
    tracemalloc.start()
    try:
        for _ in range(100):
            check_case(damage(data, rng))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 64 << 20


def test_a_million_tensors_in_one_table_are_refused_quickly() -> None:
    model = small_model()
    data = pack(model)
    text = bytearray(data)
    tables = generated.Model.GetRootAs(text, 0).Subgraphs(0)._tab
    field = tables.Pos + tables.Offset(4)
    count = 1_000_000
    start = len(text)
    shared = start - field
    struct.pack_into("<I", text, field, shared)
    text += struct.pack("<I", count) + b"".join(
        struct.pack("<I", 8 + 4 * (count - 1 - i)) for i in range(count)
    )
    text += struct.pack("<HHi", 4, 4, 4)
    begin = time.perf_counter()
    with pytest.raises(ModelError, match=r"tensors holds 1,000,000 tables; at most 100,000"):
        read_model(bytes(text), name="many")
    assert time.perf_counter() - begin < 5

"""Edges that are left to the caller: the trimmed file means the same, by LiteRT's own reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeserve.compilation import Compiled
from edgeserve.convert.tflite_source import Edges
from edgeserve.errors import ConfigError, ModelError
from edgeserve.graph import DType
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.pipeline.convert import convert
from edgeserve.tflite.edges import without_float_edges, without_input_transposes
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder, pack, unpack

SCALE, ZERO_POINT = 0.05, -2
Array = npt.NDArray[Any]


def edged(*, transposed: bool = True, twice_read: bool = False) -> bytes:
    """x float32 [1, 3, 5, 6] -> QUANTIZE -> TRANSPOSE -> CONV_2D -> DEQUANTIZE -> y."""
    rng = np.random.default_rng(3)
    b = ModelBuilder()
    shape = (1, 3, 5, 6) if transposed else (1, 5, 6, 3)
    x = b.tensor("x", shape, "float32")
    q = b.tensor("q", shape, "int8", scale=SCALE, zero_point=ZERO_POINT)
    b.op("QUANTIZE", [x], [q])
    source = q
    if transposed:
        source = b.tensor("t", (1, 5, 6, 3), "int8", scale=SCALE, zero_point=ZERO_POINT)
        order = b.tensor("order", (4,), "int32", data=np.array([0, 2, 3, 1]))
        b.op("TRANSPOSE", [q, order], [source])
    w = b.tensor("w", (4, 3, 3, 3), "int8", scale=0.01, data=rng.integers(-127, 128, (4, 3, 3, 3)))
    c = b.tensor("c", (4,), "int32", scale=0.0005, data=rng.integers(-900, 900, (4,)))
    i = b.tensor("i", (1, 5, 6, 4), "int8", scale=0.07, zero_point=5)
    b.op("CONV_2D", [source, w, c], [i], {"padding": "SAME", "strideH": 1, "strideW": 1})
    y = b.tensor("y", (1, 5, 6, 4), "float32")
    b.op("DEQUANTIZE", [i], [y])
    outputs = [y]
    if twice_read:
        other = b.tensor("other", shape, "int8", scale=0.1, zero_point=1)
        b.op("QUANTIZE", [x], [other])
        outputs.append(other)
    return b.finish([x], outputs)


def run(model: bytes, data: Array) -> Array:
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    (source,), (target, *_) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], data)
    interpreter.invoke()
    output: Array = interpreter.get_tensor(target["index"])
    return output


def test_integers_in_and_out_mean_what_the_floats_did(runner: HostRunner) -> None:
    model = edged()
    trimmed = without_float_edges(model)
    assert len(trimmed.notes) == 2
    program = assert_conforms(runner, trimmed.model_tflite)
    (source,), (target,) = program.inputs, program.outputs
    assert (source.dtype, target.dtype) == (DType.INT8, DType.INT8)
    assert source.quant is not None
    assert (source.quant.scale, source.quant.zero_point) == (float(np.float32(SCALE)), ZERO_POINT)
    kinds = {step.kernel for step in program.steps}
    assert not kinds & {KernelId.QUANTIZE, KernelId.DEQUANTIZE}
    data = np.random.default_rng(1).integers(-128, 128, (1, 3, 5, 6)).astype(np.int8)
    floats = ((data.astype(np.int32) - ZERO_POINT) * np.float32(SCALE)).astype(np.float32)
    integers = run(trimmed.model_tflite, data)
    real = (integers.astype(np.int32) - 5) * np.float32(0.07)
    assert np.array_equal(real.astype(np.float32), run(model, floats))


def test_an_input_comes_in_the_layout_that_the_model_computes_in(runner: HostRunner) -> None:
    integers = without_float_edges(edged()).model_tflite
    trimmed = without_input_transposes(integers)
    program = assert_conforms(runner, trimmed.model_tflite)
    assert program.inputs[0].shape == (1, 5, 6, 3)
    assert [step.kernel for step in program.steps] == [KernelId.CONV_2D]
    data = np.random.default_rng(1).integers(-128, 128, (1, 3, 5, 6)).astype(np.int8)
    assert np.array_equal(
        run(trimmed.model_tflite, np.ascontiguousarray(data.transpose(0, 2, 3, 1))),
        run(integers, data),
    )


def test_nothing_is_dropped_unless_asked() -> None:
    program = lower(read_model(edged(), name="case"))
    assert program.inputs[0].dtype is DType.FLOAT32
    assert program.inputs[0].shape == (1, 3, 5, 6)


def test_an_input_that_others_read_keeps_its_edge() -> None:
    model = edged(transposed=False, twice_read=True)
    trimmed = without_float_edges(model)
    graph = read_model(trimmed.model_tflite, name="case")
    assert graph.tensors[graph.inputs[0]].dtype is DType.FLOAT32
    assert len(trimmed.notes) == 1
    assert without_input_transposes(model).model_tflite == model


def test_signatures_do_not_name_what_is_gone() -> None:
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(edged())
    signature = schema.SignatureDefT()
    signature.signatureKey = "serving_default"
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = "x", model.subgraphs[0].inputs[0]
    signature.inputs, signature.outputs = [entry], []
    model.signatureDefs = [signature]

    trimmed = unpack(without_float_edges(pack(model)).model_tflite)
    assert not trimmed.signatureDefs


def test_a_damaged_file_is_refused() -> None:
    with pytest.raises(ModelError):
        without_float_edges(edged()[:200])


def converted(folder: Path, model: bytes, edges: Edges) -> Compiled:
    path = folder / "edged.tflite"
    path.write_bytes(model)
    compiled, _ = convert(path, folder / "out", target="cortex-m7", calibration=None, edges=edges)
    return compiled


def test_the_bundle_says_what_is_left_to_the_caller(tmp_path: Path) -> None:
    compiled = converted(tmp_path, edged(), Edges(integers=True, transposed=True))
    (source,) = compiled.bundle.facts.inputs
    assert (source.dtype, source.shape) == (DType.INT8, (1, 5, 6, 3))
    assert (source.scale, source.zero_point) == (float(np.float32(SCALE)), ZERO_POINT)
    told = " ".join(compiled.bundle.facts.notes)
    for kind in ("QUANTIZE", "DEQUANTIZE", "TRANSPOSE"):
        assert f"its {kind} is left to the caller" in told


@pytest.mark.parametrize(
    ("edges", "option"),
    [(Edges(integers=True), "--integer-edges"), (Edges(transposed=True), "--transposed-inputs")],
)
def test_what_cannot_be_dropped_is_told(tmp_path: Path, edges: Edges, option: str) -> None:
    model = without_input_transposes(without_float_edges(edged()).model_tflite).model_tflite
    with pytest.raises(ConfigError) as caught:
        converted(tmp_path, model, edges)
    assert option in (caught.value.hint or "")
    assert not (tmp_path / "out").exists()

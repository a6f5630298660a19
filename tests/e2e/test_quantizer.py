"""Float ``.tflite`` models become integers without TensorFlow, and the runtime agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeserve.bundle import Agreement
from edgeserve.bundle_store import Bundle, load_bundle
from edgeserve.convert.agreement import Runner
from edgeserve.convert.precision import Precision
from edgeserve.convert.quantizer import Ranges, observe, quantize
from edgeserve.errors import ConfigError, ConversionError, EdgeserveError
from edgeserve.graph import DType, OpKind
from edgeserve.pipeline.convert import convert
from edgeserve.pipeline.verify import verify
from edgeserve.tflite.reader import read_model
from tests.e2e.float_models import AFTER, float_model, padded_pool, samples

DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits"
BOARDS = ("host", "mps2-an500")


def ignore(fraction: float | None, message: str) -> None:
    pass


def observed(model: bytes) -> Ranges:
    return observe(model, [[sample[None]] for sample in samples()], ignore)


def converted(
    folder: Path,
    model: bytes,
    *,
    precision: Precision = Precision.AUTO,
    layers: tuple[str, ...] = (),
) -> Bundle:
    source, data = folder / "float.tflite", folder / "x.npz"
    source.write_bytes(model)
    np.savez(data, x=samples())
    compiled, _ = convert(
        source,
        folder / "bundle",
        target="mps2-an500",
        calibration=data,
        precision=precision,
        int16_layers=layers,
    )
    return compiled.bundle


@pytest.mark.parametrize("kind", AFTER)
def test_an_operator_becomes_int8_and_stays_near(kind: str) -> None:
    model = float_model(kind)
    made = quantize(model, observed(model), Precision.INT8)
    exact, integer = Runner(model, reference=False), Runner(made, reference=True)
    assert {port.dtype for port in (*integer.inputs, *integer.outputs)} == {DType.INT8}
    hidden, last = (scale_of(made, name) for name in ("hidden", "y"))
    errors = [
        np.abs(exact.run([sample[None]])[0] - integer.run([sample[None]])[0]).max()
        for sample in samples()
    ]
    assert max(errors) < 2 * hidden + last


def test_padding_by_minus_infinity_widens_no_range(tmp_path: Path) -> None:
    model = padded_pool()
    assert observed(model)["hidden"] == (samples().min(), samples().max())
    bundle = converted(tmp_path, model)
    agreement = agreed(bundle)
    assert agreement.outputs[0].step is not None
    assert agreement.outputs[0].max_abs_error <= agreement.outputs[0].step
    _, found = verify(bundle.path, "host", board=None, inputs=2)
    assert found.first_difference is None


def scale_of(model: bytes, name: str) -> float:
    (tensor,) = (t for t in read_model(model, name="made").tensors if t.name == name)
    assert tensor.quant is not None
    return tensor.quant.scale


def test_a_range_is_that_of_all_samples() -> None:
    model = float_model("TANH")
    runner = Runner(model, reference=False)
    outputs = np.stack([runner.run([sample[None]])[0] for sample in samples()])
    low, high = observed(model)["y"]
    assert (low, high) == (outputs.min(), outputs.max())
    assert observed(model)["x"] == (samples().min(), samples().max())


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize(
    ("precision", "layers"),
    [
        (Precision.INT8, ()),
        (Precision.INT16X8, ()),
        (Precision.INT8, ("hidden",)),
        (Precision.INT8, ("^y$",)),
        (Precision.INT8, ("hidden", "y")),
    ],
)
def test_the_runtime_computes_what_the_quantizer_made(
    precision: Precision, layers: tuple[str, ...], board: str, tmp_path: Path
) -> None:
    bundle = converted(tmp_path, float_model("LEAKY_RELU"), precision=precision, layers=layers)
    _, found = verify(bundle.path, board, board=None, inputs=2)
    assert found.first_difference is None
    assert found.coverage.uncovered == ()


def test_layers_of_both_widths_meet_in_a_quantize(tmp_path: Path) -> None:
    bundle = converted(tmp_path, float_model("MEAN"), layers=("hidd",))
    graph = read_model(bundle.model_bytes(), name="mixed")
    widths = [(op.kind, graph.tensors[op.outputs[0]].dtype) for op in graph.ops]
    assert widths == [
        (OpKind.QUANTIZE, DType.INT16),
        (OpKind.CONV_2D, DType.INT16),
        (OpKind.QUANTIZE, DType.INT8),
        (OpKind.MEAN, DType.INT8),
    ]
    assert {port.dtype for port in (*bundle.facts.inputs, *bundle.facts.outputs)} == {DType.INT8}
    assert "int16 activations in hidden" in bundle.facts.notes


def test_int16_layers_bring_the_model_nearer_to_the_floats(tmp_path: Path) -> None:
    def error(folder: str, layers: tuple[str, ...]) -> float:
        (tmp_path / folder).mkdir()
        agreement = converted(tmp_path / folder, float_model("MEAN"), layers=layers).facts.agreement
        assert agreement is not None
        return agreement.outputs[0].mean_abs_error

    assert error("mixed", ("hidden",)) < error("plain", ())


def test_a_keras_model_may_have_int16_layers(tmp_path: Path) -> None:
    compiled, _ = convert(
        DIGITS / "model.keras",
        tmp_path / "digits",
        target="mps2-an500",
        calibration=DIGITS / "calibration.npz",
        int16_layers=("BiasAdd$",),
    )
    facts = compiled.bundle.facts
    assert {tool.name for tool in facts.tools} >= {"tensorflow", "ai-edge-quantizer"}
    graph = read_model(compiled.bundle.model_bytes(), name="digits")
    assert DType.INT16 in {tensor.dtype for tensor in graph.tensors}
    _, found = verify(tmp_path / "digits", "host", board=None, inputs=2)
    assert found.first_difference is None


def test_both_quantizers_choose_the_same_scales(tmp_path: Path) -> None:
    """Global ranges: TensorFlow's and AI Edge Quantizer's int8 models of one float model."""
    by_tensorflow, _ = convert(
        DIGITS / "model.keras",
        tmp_path / "keras",
        target="mps2-an500",
        calibration=DIGITS / "calibration.npz",
    )
    (tmp_path / "f.tflite").write_bytes(by_tensorflow.bundle.float_bytes() or b"")
    again, _ = convert(
        tmp_path / "f.tflite",
        tmp_path / "float",
        target="mps2-an500",
        calibration=DIGITS / "calibration.npz",
    )
    assert agreed(load_bundle(tmp_path / "float")) == agreed(load_bundle(tmp_path / "keras"))
    assert again.bundle.float_bytes() == by_tensorflow.bundle.float_bytes()


def agreed(bundle: Bundle) -> Agreement:
    assert bundle.facts.agreement is not None
    return bundle.facts.agreement


@pytest.mark.parametrize(
    ("precision", "layers", "error", "message", "hint"),
    [
        (Precision.INT8, ("absent",), ConfigError, "no layer is called 'absent'", "hidden, y"),
        (Precision.INT8, ("(",), ConfigError, "no regular expression", ""),
        (Precision.INT16X8, ("y",), ConfigError, "int8 elsewhere", "--int16-layers"),
    ],
)
def test_layers_that_cannot_be_meant_are_refused(
    precision: Precision,
    layers: tuple[str, ...],
    error: type[EdgeserveError],
    message: str,
    hint: str,
) -> None:
    model = float_model("TANH")
    with pytest.raises(error, match=message) as caught:
        quantize(model, observed(model), precision, layers)
    assert hint in caught.value.hint


def test_a_sample_that_overflows_is_named() -> None:
    with pytest.raises(ConversionError, match="becomes NaN or Inf on the calibration data"):
        observe(float_model("TANH"), [[np.full((1, 6, 6, 2), np.inf, np.float32)]], ignore)

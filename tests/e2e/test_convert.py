"""Real conversions by TensorFlow: what comes out, and how each refusal reads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeserve.bundle import SourceKind
from edgeserve.bundle_store import Bundle, load_bundle, write_bundle
from edgeserve.convert.agreement import Runner
from edgeserve.convert.conversion import convert_source
from edgeserve.convert.converted import Converted
from edgeserve.errors import ConfigError, ConversionError, EdgeserveError
from edgeserve.graph import DType, OpKind
from edgeserve.tflite.reader import read_model
from tests.once import once

DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits"


def convert(
    source: Path,
    calibration: Path | None,
    work_dir: Path,
    *,
    name: str | None = None,
    trust_source: bool = False,
) -> tuple[Converted, list[tuple[float | None, str]]]:
    reports: list[tuple[float | None, str]] = []
    work_dir.mkdir()
    converted = convert_source(
        source,
        name=name,
        calibration=calibration,
        trust_source=trust_source,
        work_dir=work_dir,
        progress=lambda fraction, message: reports.append((fraction, message)),
    )
    return converted, reports


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models that ``convert_sources.py`` makes."""

    def make(folder: Path) -> None:
        script = Path(__file__).with_name("convert_sources.py")
        command = [sys.executable, str(script), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    return once(tmp_path_factory, "sources", make)


@pytest.fixture(scope="session")
def digits(converted_digits: Path) -> Bundle:
    """The digits model, converted once."""
    return load_bundle(converted_digits)


def predict(model: bytes, samples: np.ndarray) -> np.ndarray:
    """The classes that the reference kernels give, with quantization done by hand."""
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = taken["quantization"]
    classes = []
    for sample in samples:
        quantized = np.clip(np.round(sample[None] / scale) + zero_point, -128, 127)
        interpreter.set_tensor(taken["index"], quantized.astype(np.int8))
        interpreter.invoke()
        classes.append(int(np.argmax(interpreter.get_tensor(given["index"]))))
    return np.array(classes)


def test_digits_become_one_int8_model(digits: Bundle) -> None:
    facts = digits.facts
    assert (facts.name, facts.source.kind) == ("digits", SourceKind.KERAS)
    (taken,), (given,) = facts.inputs, facts.outputs
    assert (taken.shape, taken.dtype) == ((1, 8, 8, 1), DType.INT8)
    assert (given.shape, given.dtype) == ((1, 10), DType.INT8)
    graph = read_model(digits.model_bytes(), name="digits")
    assert {tensor.dtype for tensor in graph.tensors} == {DType.INT8, DType.INT32}
    kinds = [op.kind for op in graph.ops]
    assert kinds[0] is OpKind.CONV_2D
    assert kinds[-1] is OpKind.SOFTMAX
    assert OpKind.QUANTIZE not in kinds
    assert facts.quantization is not None
    assert facts.quantization.weights_per_channel
    assert {"edgeserve", "tensorflow", "keras", "ai-edge-litert"} <= {t.name for t in facts.tools}


def test_the_float_model_stays_in_the_bundle(digits: Bundle, tmp_path: Path) -> None:
    model = digits.float_bytes()
    assert model is not None
    with np.load(DIGITS / "test.npz") as data:
        samples, labels = data["x"][:20], data["y"][:20]
    runner = Runner(model, reference=False)
    classes = [int(np.argmax(runner.run([sample[None]])[0])) for sample in samples]
    assert runner.inputs[0].dtype is DType.FLOAT32
    assert np.mean(np.array(classes) == labels) > 0.9
    copy = tmp_path / "copy"
    shutil.copytree(digits.path, copy)
    (copy / "float.tflite").write_bytes(digits.model_bytes())
    with pytest.raises(ConfigError, match="not the model that"):
        load_bundle(copy).float_bytes()


def test_the_recorded_agreement_is_what_the_oracle_gives(digits: Bundle) -> None:
    agreement = digits.facts.agreement
    assert agreement is not None
    with np.load(DIGITS / "calibration.npz") as data:
        samples, labels = data["x"], data["y"]
    classes = predict(digits.model_bytes(), samples)
    assert (agreement.samples, agreement.available) == (200, 200)
    assert agreement.int8_correct == int(np.sum(classes == labels))
    assert agreement.top1_agreement is not None
    assert agreement.top1_agreement >= 0.99
    (output,) = agreement.outputs
    assert output.step == 1 / 256
    assert 0.0 < output.mean_abs_error < output.max_abs_error < 0.1


def test_digits_stay_accurate_on_images_never_seen(digits: Bundle) -> None:
    with np.load(DIGITS / "test.npz") as data:
        samples, labels = data["x"], data["y"]
    assert len(labels) == 360
    assert np.mean(predict(digits.model_bytes(), samples) == labels) > 0.97


def test_the_kept_samples_are_the_calibration_data(digits: Bundle) -> None:
    (kept,) = digits.samples() or ()
    assert kept.shape == (32, 8, 8, 1)
    assert kept.dtype == np.int8
    with np.load(DIGITS / "calibration.npz") as data:
        rows = data["x"][[0, 6, 12]]
    facts = digits.facts.inputs[0]
    assert facts.scale is not None
    assert facts.zero_point is not None
    real = (kept[:3].astype(np.float64) - facts.zero_point) * facts.scale
    assert np.abs(real - rows).max() <= facts.scale / 2 + 1e-6
    assert digits.calibration is not None
    assert (digits.calibration.samples, digits.calibration.labelled) == (200, True)


def test_progress_only_goes_forward(digits: Bundle) -> None:
    reports = json.loads((digits.path.parent / "reports.json").read_text())
    fractions = [fraction for fraction, _ in reports if fraction is not None]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert any("calibrating with sample 200 of 200" in message for _, message in reports)


def test_the_same_model_elsewhere_gives_the_same_bytes(digits: Bundle, tmp_path: Path) -> None:
    shutil.copy(DIGITS / "model.keras", tmp_path / "model.keras")
    data = tmp_path / "other.npz"
    shutil.copy(DIGITS / "calibration.npz", data)
    again, _ = convert(tmp_path / "model.keras", data, tmp_path / "work", name="digits")
    copied = write_bundle(tmp_path / "digits", again.contents())
    for name in ("model.tflite", "bundle.json", "calibration.json", "calibration.npz"):
        assert (copied.path / name).read_bytes() == (digits.path / name).read_bytes()


@pytest.mark.parametrize(
    ("source", "kind"), [("digits.h5", SourceKind.HDF5), ("digits", SourceKind.SAVED_MODEL)]
)
def test_the_other_forms_of_keras_give_the_same_answers(
    source: str, kind: SourceKind, sources: Path, digits: Bundle, tmp_path: Path
) -> None:
    made, _ = convert(sources / source, DIGITS / "calibration.npz", tmp_path / "work")
    assert made.source.kind is kind
    with np.load(DIGITS / "test.npz") as data:
        samples, labels = data["x"][:100], data["y"][:100]
    classes = predict(made.model_tflite, samples)
    assert np.mean(classes == labels) > 0.95
    assert np.mean(classes == predict(digits.model_bytes(), samples)) >= 0.99


def test_a_saved_model_with_an_open_batch_gets_no_shape_arithmetic(
    sources: Path, tmp_path: Path
) -> None:
    converted, _ = convert(sources / "flatten", sources / "image.npz", tmp_path / "work")
    kinds = [op.kind for op in converted.graph.ops]
    assert kinds == [OpKind.CONV_2D, OpKind.RESHAPE, OpKind.FULLY_CONNECTED, OpKind.SOFTMAX]
    assert converted.agreement is not None
    assert converted.agreement.float_correct is None
    assert converted.agreement.outputs[0].max_abs_error < 0.05
    assert converted.source.kind is SourceKind.SAVED_MODEL


def test_two_inputs_keep_their_order_and_their_samples(sources: Path, tmp_path: Path) -> None:
    converted, _ = convert(sources / "two.keras", sources / "two.npz", tmp_path / "work")
    shapes = [converted.graph.tensors[index].shape for index in converted.graph.inputs]
    assert shapes == [(1, 4), (1, 3)]
    assert converted.samples is not None
    assert [array.shape for array in converted.samples] == [(20, 4), (20, 3)]
    assert converted.agreement is not None
    assert all(out.max_abs_error < 0.1 for out in converted.agreement.outputs)
    assert converted.agreement.top1_equal is None


def test_a_trusted_lambda_is_run(sources: Path, tmp_path: Path) -> None:
    source = sources / "lambda.keras"
    converted, _ = convert(source, sources / "row.npz", tmp_path / "work", trust_source=True)
    assert converted.agreement is not None
    assert converted.agreement.outputs[0].max_abs_error < 0.1


@pytest.mark.parametrize(
    ("source", "calibration", "error", "message", "hint"),
    [
        ("lambda.keras", "row", ConversionError, "a Lambda layer", "--trust-source"),
        ("lambda.h5", "row", ConversionError, "a Lambda layer", "--trust-source"),
        ("alone.weights.h5", "row", ConversionError, "holds weights alone", "model.save("),
        ("writer", "row", ConversionError, "holds WriteFile", "--trust-source"),
        ("counter", "row", ConversionError, "keeps state", "an input and an output"),
        ("svd", "row", ConversionError, "'tf.Svd' op is neither", "replace the operator"),
        ("lstm.keras", "sequence", ConversionError, "SIGSEGV", "unroll=True"),
        ("flatten", "row", ConfigError, "shape (4) and input 'image' takes (8, 8, 1)", "batch"),
        ("flatten", "labels", ConfigError, "run from 5 to 5 and the model has 5", "0 to 4"),
    ],
)
def test_each_refusal_is_one_line_with_a_hint(
    sources: Path,
    tmp_path: Path,
    source: str,
    calibration: str,
    error: type[EdgeserveError],
    message: str,
    hint: str,
) -> None:
    with pytest.raises(error) as caught:
        convert(sources / source, sources / f"{calibration}.npz", tmp_path / "work")
    assert message in caught.value.what
    assert "\n" not in caught.value.what
    assert hint in caught.value.hint
    assert not (sources / "executed").exists()


def test_a_cut_h5_is_refused(sources: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.h5"
    cut.write_bytes((sources / "lambda.h5").read_bytes()[:4000])
    with pytest.raises(ConversionError, match=r"cut\.h5 cannot be loaded: .*truncated"):
        convert(cut, sources / "row.npz", tmp_path / "work")


def test_a_quantized_tflite_is_taken_as_it_is(digits: Bundle, tmp_path: Path) -> None:
    source = digits.model_path
    bare, reports = convert(source, None, tmp_path / "bare")
    assert bare.model_tflite == digits.model_bytes()
    assert (bare.calibration, bare.samples, bare.agreement) == (None, None, None)
    assert bare.absent_reason == "given as .tflite"
    assert reports == []
    with_data, _ = convert(source, DIGITS / "calibration.npz", tmp_path / "with")
    assert with_data.calibration is not None
    made = write_bundle(tmp_path / "digits", with_data.contents())
    (kept,), (wanted,) = made.samples() or (), digits.samples() or ()
    assert np.array_equal(kept, wanted)


def test_a_float_tflite_is_quantized(digits: Bundle, tmp_path: Path) -> None:
    source = digits.path / "float.tflite"
    made, _ = convert(source, DIGITS / "calibration.npz", tmp_path / "work")
    assert made.source.kind is SourceKind.TFLITE
    assert made.quantization is not None
    assert made.quantization.weights_per_channel
    assert made.agreement == digits.facts.agreement
    assert made.float_tflite == source.read_bytes()
    with pytest.raises(ConfigError, match="needs calibration data"):
        convert(source, None, tmp_path / "again")

"""Saved packages: forms of weights, images, classes, and that the check sees what is wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeserve.convert.coreml import predictor
from edgeserve.convert.coreml.blob import read_blobs
from edgeserve.convert.coreml.check import (
    FloatModel,
    as_samples,
    input_of,
    package_answers,
    pixels_of,
    predicted_answers,
)
from edgeserve.convert.coreml.evaluate import evaluator
from edgeserve.convert.coreml.frameworks import coremltools
from edgeserve.convert.coreml.predictor import CoreMlPredictor, core_ml
from edgeserve.convert.coreml.program import Edges
from edgeserve.convert.coreml.saved import MODEL_PATH, WEIGHTS_PATH, SavedProgram, read_package
from edgeserve.coreml_facts import PortKind, WeightsForm
from edgeserve.errors import ConversionError
from edgeserve.folder_hash import folder_sha256
from edgeserve.postprocess.declaration import Activation
from edgeserve.preprocess.declaration import Colour
from edgeserve.tflite.reader import read_model
from tests.coreml.evaluated import Evaluated, evaluated
from tests.coreml.small import CLASSES, SHAPE, classifier, picture, rows

LABELS = tuple(f"kind {number}" for number in range(CLASSES))


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    folder = tmp_path_factory.mktemp("half") / "m.mlpackage"
    return evaluated(classifier(), folder, rows(), WeightsForm.FLOAT16)


def weights_of(program: SavedProgram) -> dict[str, Any]:
    """The filters of the convolution, as the program decodes them, and their operation's inputs."""
    values = evaluator(program).constants
    (conv,) = (op for op in program.operations if op.kind == "conv")
    arguments = dict(conv.arguments)
    return {name: values[str(arguments[name][0])] for name in ("weight", "bias")}


def test_float16_is_near_and_not_equal(half: Evaluated) -> None:
    assert 0 < half.worst < 1e-2
    assert [one.told for one in half.given.compared] == ["softmax", "softmax before softmax"]
    assert half.given.top1_equal(half.wanted) == 3


def test_int8_weights_are_within_half_a_step(half: Evaluated, tmp_path: Path) -> None:
    seen = evaluated(classifier(), tmp_path / "m.mlpackage", rows(), WeightsForm.INT8)
    exact, stored = weights_of(half.program), weights_of(seen.program)
    steps = np.abs(exact["weight"].astype(float)).max((1, 2, 3), keepdims=True) / 127
    off = np.abs(stored["weight"].astype(float) - exact["weight"])
    assert off.max() > 0
    # Half a step by rounding, and a float16 scale that is a 2048th off at 127 steps.
    assert (off <= (0.5 + 127 / 2048 + 0.02) * steps).all()
    assert np.array_equal(stored["bias"], exact["bias"]), "biases keep their form"
    assert half.worst < seen.worst < 0.1
    assert seen.program.weights_bytes < half.program.weights_bytes


@pytest.mark.parametrize(("form", "bits"), [("palettized6", 6), ("palettized4", 4)])
def test_a_palette_has_so_many_colours(
    form: str, bits: int, half: Evaluated, tmp_path: Path
) -> None:
    folder = tmp_path / "m.mlpackage"
    seen = evaluated(classifier(), folder, rows(), WeightsForm(form))
    exact, stored = weights_of(half.program), weights_of(seen.program)
    distinct = np.unique(stored["weight"])
    assert 2 ** (bits - 1) < distinct.size <= 2**bits
    nearest = np.abs(exact["weight"][..., None].astype(float) - distinct).argmin(-1)
    assert np.mean(distinct[nearest] == stored["weight"]) > 0.95, "k-means takes the nearest"
    assert half.worst < seen.worst


def test_equal_models_give_equal_bytes(half: Evaluated, tmp_path: Path) -> None:
    again = evaluated(classifier(), tmp_path / "m.mlpackage", rows(), WeightsForm.FLOAT16)
    assert folder_sha256(again.folder) == folder_sha256(half.folder)


def test_coremltools_reads_the_same_from_the_package(half: Evaluated) -> None:
    coremltools()
    from coremltools.converters.mil.frontend.milproto.load import load
    from coremltools.proto import Model_pb2

    spec = Model_pb2.Model.FromString((half.folder / MODEL_PATH).read_bytes())
    weights = half.folder / WEIGHTS_PATH.parent
    program = load(spec, spec.specificationVersion, str(weights))
    operations = program.functions["main"].operations
    kinds = sorted(op.op_type for op in operations if op.op_type != "const")
    assert kinds == sorted(op.kind for op in half.program.operations if op.kind != "const")
    (conv,) = (op for op in operations if op.op_type == "conv")
    assert np.array_equal(conv.weight.val, weights_of(half.program)["weight"])


@pytest.mark.parametrize("colour", [Colour.RGB, Colour.BGR])
def test_an_image_goes_in_as_pixels(colour: Colour, tmp_path: Path) -> None:
    edges = Edges(picture(colour))
    folder = tmp_path / "m.mlpackage"
    seen = evaluated(classifier(), folder, rows(), WeightsForm.FLOAT16, edges=edges)
    (port,) = seen.program.inputs
    assert (port.kind, port.shape) == (PortKind(f"image-{colour}"), (1, 3, 8, 8))
    assert seen.worst < 1e-2


def test_a_wrong_mean_in_the_package_is_seen(tmp_path: Path) -> None:
    model, edges = classifier(), Edges(picture())
    wrong = Edges(replace(picture(), mean=(127.5, 110.0, 150.0)))
    seen = evaluated(model, tmp_path / "m.mlpackage", rows(), WeightsForm.FLOAT16, edges=wrong)
    samples = as_samples(rows(), seen.program, edges)
    wanted = FloatModel(model, read_model(model, name="m"), edges).answers(samples, seen.program)
    errors = package_answers(evaluator(seen.program), samples, wanted).errors(wanted)
    assert max(one.relative for one in errors) > 1e-2


def test_pixels_and_inputs_are_each_others_inverse() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8)).astype(np.float32)
    values = input_of(pixels, picture(), SHAPE)
    assert np.array_equal(pixels_of(values, picture()), pixels)
    assert values[0, 2, 5, 1] == pytest.approx((pixels[0, 1, 2, 5] - 100.0) / 160)


def test_a_classifier_says_labels_and_probabilities(tmp_path: Path) -> None:
    folder = tmp_path / "m.mlpackage"
    edges = Edges(None, Activation.SOFTMAX)
    model = classifier(ends_with_softmax=False)
    seen = evaluated(model, folder, rows(), WeightsForm.FLOAT16, edges=edges, labels=LABELS)
    kinds = {port.kind: port for port in seen.program.outputs}
    assert set(kinds) == {PortKind.LABEL, PortKind.PROBABILITIES}
    assert kinds[PortKind.PROBABILITIES].shape == (CLASSES,)
    assert seen.program.labels == LABELS
    assert seen.worst < 1e-2
    probabilities = seen.given.values[0][0]
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-3)


def test_what_leaves_float16_is_refused(tmp_path: Path) -> None:
    model = classifier(gain=1e6, ends_with_softmax=False)
    with pytest.raises(ConversionError, match="leaves the range of float16"):
        evaluated(model, tmp_path / "m.mlpackage", rows(), WeightsForm.FLOAT16)
    seen = evaluated(model, tmp_path / "n.mlpackage", rows(), WeightsForm.FLOAT32)
    assert seen.worst < 1e-4


# What somebody could break in a package, and who notices.


def changed_spec(folder: Path, change: Callable[[Any, Any], None]) -> None:
    from coremltools.proto import Model_pb2

    spec = Model_pb2.Model.FromString((folder / MODEL_PATH).read_bytes())
    function = spec.mlProgram.functions["main"]
    change(spec, function.block_specializations[function.opset])
    (folder / MODEL_PATH).write_bytes(spec.SerializeToString())


def operation(block: Any, kind: str) -> Any:
    return next(op for op in block.operations if op.type == kind)


def rename_input(spec: Any, block: Any) -> None:
    spec.description.input[0].name = "picture"


def rename_output(spec: Any, block: Any) -> None:
    spec.description.output[0].name = "answer"


def widen_input(spec: Any, block: Any) -> None:
    spec.description.input[0].type.multiArrayType.shape[1] = 9


def take_from_nowhere(spec: Any, block: Any) -> None:
    operation(block, "conv").inputs["x"].arguments[0].name = "nothing"


def move_weights(spec: Any, block: Any) -> None:
    for op in block.operations:
        value = op.attributes["val"]
        if value.WhichOneof("value") == "blobFileValue":
            value.blobFileValue.offset += 1 << 20


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rename_input, "'picture' is described and not in the program"),
        (rename_output, "'answer' is described and not in the program"),
        (widen_input, "another shape"),
        (take_from_nowhere, "conv takes x from 'nothing'"),
        (move_weights, "outside the file"),
    ],
)
def test_a_package_at_odds_with_itself_is_refused(
    change: Callable[[Any, Any], None], said: str, tmp_path: Path
) -> None:
    folder = evaluated(classifier(), tmp_path / "m.mlpackage", rows(1)).folder
    changed_spec(folder, change)
    with pytest.raises(ConversionError, match=said):
        read_package(folder)


def test_an_operation_that_cannot_be_checked_is_refused(tmp_path: Path) -> None:
    folder = evaluated(classifier(), tmp_path / "m.mlpackage", rows(1)).folder

    def to_gelu(spec: Any, block: Any) -> None:
        operation(block, "softmax").type = "gelu"

    changed_spec(folder, to_gelu)
    with pytest.raises(ConversionError, match="gelu, which cannot be checked"):
        evaluator(read_package(folder))


def test_one_changed_weight_is_seen(tmp_path: Path) -> None:
    model, folder = classifier(), tmp_path / "m.mlpackage"
    seen = evaluated(model, folder, rows())
    data = bytearray((folder / WEIGHTS_PATH).read_bytes())
    (start,) = struct.unpack_from("<Q", data, 64 + 16)
    data[start : start + 4] = struct.pack("<f", 9.0)
    (folder / WEIGHTS_PATH).write_bytes(bytes(data))
    program = read_package(folder)
    samples = as_samples(rows(), program, Edges())
    errors = package_answers(evaluator(program), samples, seen.wanted).errors(seen.wanted)
    assert max(one.relative for one in errors) > 1e-2


@pytest.mark.parametrize("length", [0, 63, 64, 100, 200])
def test_a_cut_file_of_weights_is_refused(length: int, half: Evaluated) -> None:
    data = (half.folder / WEIGHTS_PATH).read_bytes()
    with pytest.raises(ConversionError, match="cannot be read back"):
        read_blobs(data[:length]).read(64, np.dtype("<f2"), (12, 3, 3, 3))


# The path of macOS, as far as it can be walked without one.


@dataclass
class SimulatedMLModel:
    """Answers as coremltools' ``MLModel`` does on macOS: images by Pillow, probabilities by label.

    Core ML turns an RGB picture into the order of channels that the model declares.
    """

    program: SavedProgram
    bgr: bool

    def predict(self, given: dict[str, Any]) -> dict[str, Any]:
        (port,) = self.program.inputs
        pixels = np.asarray(given[port.name], np.float32).transpose(2, 0, 1)
        if self.bgr:
            pixels = pixels[::-1]
        answers = evaluator(self.program).run({port.name: pixels[np.newaxis]})
        (probabilities,) = answers.values()
        (name,) = answers
        return {name: dict(zip(self.program.labels, probabilities.tolist(), strict=True))}


@pytest.mark.parametrize("colour", [Colour.RGB, Colour.BGR])
def test_a_simulated_mac_is_asked_and_compared(colour: Colour, tmp_path: Path) -> None:
    edges = Edges(picture(colour), Activation.SOFTMAX)
    model = classifier(ends_with_softmax=False)
    folder = tmp_path / "m.mlpackage"
    seen = evaluated(model, folder, rows(), WeightsForm.FLOAT16, edges=edges, labels=LABELS)
    samples = as_samples(rows(), seen.program, edges)
    for bgr in (False, True):
        simulated = CoreMlPredictor(SimulatedMLModel(seen.program, bgr), seen.program)
        given, wanted = predicted_answers(simulated, samples, seen.wanted)
        (error,) = given.errors(wanted)
        assert (error.relative < 1e-2) == (bgr == (colour is Colour.BGR))


def test_there_is_no_predictor_but_on_macos(half: Evaluated, monkeypatch: Any) -> None:
    assert core_ml(half.folder, half.program, "linux") is None
    asked = []

    class Models:
        @staticmethod
        def MLModel(path: str) -> str:  # noqa: N802 - coremltools' name
            asked.append(path)
            return "a model"

    simulated = type("simulated", (), {"models": Models})
    monkeypatch.setattr(predictor, "coremltools", lambda: simulated)
    assert core_ml(half.folder, half.program, "darwin") == CoreMlPredictor("a model", half.program)
    assert asked == [str(half.folder)]

"""``convert --target ios`` as a user meets it, and what other verbs say of its bundle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeserve import cli
from edgeserve.bundle import BundleFacts
from edgeserve.bundle_store import load_bundle
from edgeserve.convert import apple
from edgeserve.convert.coreml_worker import BOUNDS
from edgeserve.coreml_facts import PortKind, SamplesFrom, WeightsForm
from edgeserve.errors import ConfigError
from tests.coreml.small import CLASSES, SHAPE, classifier
from tests.e2e.test_documents import DOCUMENTED, agree
from tests.e2e.test_wrong_sources import changed_pt2
from tests.tflite_builder import ModelBuilder

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "models" / "digits"
TORCH = ROOT / "models" / "digits_torch"

DIGITS_CAMERA = """
[image]
format = "gray8"
height = 8
width = 8
colour = "gray"
scale = 0.00392156862745098

[classes]
activation = "none"
top = 1
threshold = 0.0
"""


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    out: str
    err: str

    def refused(self, code: int, *said: str) -> None:
        """One line and a hint."""
        lines = self.err.splitlines()
        assert self.code == code, self.err
        assert len(lines) == 2, self.err
        assert lines[0].startswith("edgeserve: error: ")
        for text in said:
            assert text in self.err


Runner = Callable[..., Answer]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    def runner(*arguments: object) -> Answer:
        capfd.readouterr()
        code = cli.main([str(one) for one in arguments])
        said = capfd.readouterr()
        return Answer(code, said.out, said.err)

    return runner


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "small.tflite"
    path.write_bytes(classifier())
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The digits model from Keras, with its image, its labels and calibration data."""
    folder = tmp_path_factory.mktemp("digits")
    (folder / "camera.toml").write_text(DIGITS_CAMERA)
    (folder / "labels.txt").write_text("".join(f"digit {number}\n" for number in range(10)))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "edgeserve", "convert", str(DIGITS / "model.keras")),
            *("--target", "ios", "-o", str(folder / "bundle"), "--format", "json"),
            *("--preprocess", str(folder / "camera.toml"), "--labels", str(folder / "labels.txt")),
            *("--calibration", str(DIGITS / "calibration.npz"), "--minimum-ios", "17"),
            *("--author", "A. Author", "--license", "CC0", "--description", "Digits"),
            *("--model-version", "3"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "bundle", json.loads(done.stdout)


def test_a_keras_model_becomes_a_package(digits: tuple[Path, Any]) -> None:
    folder, document = digits
    bundle = load_bundle(folder)
    facts = bundle.facts.coreml
    assert facts is not None
    assert (facts.form, facts.minimum_os) == (WeightsForm.FLOAT16, "iOS 17")
    assert facts.specification == 8
    (image,) = facts.inputs
    assert (image.name, image.kind, image.shape) == ("image", PortKind.IMAGE_GRAY, (1, 1, 8, 8))
    assert {port.kind for port in facts.outputs} == {PortKind.LABEL, PortKind.PROBABILITIES}
    assert {one.kind: one.count for one in facts.operators}["conv"] == 5
    assert 3_900 < facts.parameters < 4_426 + 10
    check = facts.check
    assert (check.samples, check.samples_from) == (8, SamplesFrom.CALIBRATION)
    assert check.top1_equal == 8
    assert 0 < max(one.relative for one in check.outputs) < 1e-2
    assert check.predicted is None
    assert document["coreml"]["sha256"] == facts.sha256
    assert document["mlpackage"] == str(folder / "model.mlpackage")
    files = [path for path in (folder / "model.mlpackage").rglob("*") if path.is_file()]
    assert facts.package_bytes == sum(path.stat().st_size for path in files)
    assert 2 * facts.parameters < facts.weights_bytes < facts.package_bytes
    assert {tool.name for tool in bundle.facts.tools} >= {"tensorflow", "coremltools"}


def test_its_document_has_the_keys_of_the_manual(digits: tuple[Path, Any]) -> None:
    whole, added = DOCUMENTED["bundle.json"], DOCUMENTED["convert --target ios"]
    agree(digits[1], {**whole, "": {**whole[""], **added[""]}})


def test_xcode_shows_what_was_said(digits: tuple[Path, Any]) -> None:
    from edgeserve.convert.coreml.frameworks import coremltools
    from edgeserve.convert.coreml.saved import MODEL_PATH

    coremltools()
    from coremltools.proto import Model_pb2

    data = (digits[0] / "model.mlpackage" / MODEL_PATH).read_bytes()
    metadata = Model_pb2.Model.FromString(data).description.metadata
    assert metadata.author == "A. Author"
    assert metadata.license == "CC0"
    assert metadata.shortDescription == "Digits"
    assert metadata.versionString == "3"


def test_inspect_tells_operators_sizes_and_system(digits: tuple[Path, Any], run: Runner) -> None:
    answer = run("inspect", digits[0])
    assert answer.code == 0
    for text in ("iOS 17 or later", "5 conv", "bytes of weights", "of 10 classes", "takes macOS"):
        assert text in answer.out


@pytest.mark.parametrize(
    "verb",
    [
        ("check", "--board", "mps2-an500"),
        ("plan",),
        ("accuracy", "--data", str(DIGITS / "test.npz")),
        ("build", "--board", "mps2-an500"),
        ("bench", "--device", "mps2-an500"),
        ("verify", "--device", "mps2-an500"),
    ],
)
def test_verbs_of_boards_say_what_to_do(
    verb: tuple[str, ...], digits: tuple[Path, Any], run: Runner
) -> None:
    name, *options = verb
    answer = run(name, digits[0], *options)
    answer.refused(2, "is a bundle for iOS", "--target BOARD --calibration DATA")


def test_a_report_tells_of_the_package(digits: tuple[Path, Any], run: Runner) -> None:
    answer = run("report", digits[0], "--format", "markdown")
    assert answer.code == 0
    facts = load_bundle(digits[0]).facts.coreml
    assert facts is not None
    assert f"| Core ML | `{facts.form}, {facts.minimum_os} or later, specification" in answer.out
    assert f"{facts.package_bytes:,} in all" in answer.out
    assert [line for line in answer.out.splitlines() if line.startswith("## ")] == [
        "## Model",
        "## Claims",
    ]


def test_a_changed_package_is_refused(digits: tuple[Path, Any], tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(digits[0], copy)
    assert load_bundle(copy).facts.coreml is not None
    weights = copy / "model.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(ConfigError, match="is not the package that"):
        load_bundle(copy)


def test_a_float_tflite_needs_nothing_else(source: Path, tmp_path: Path, run: Runner) -> None:
    out = tmp_path / "out"
    answer = run(
        "convert",
        source,
        "--target",
        "ios",
        "-o",
        out,
        "--quantization",
        "int8",
        "--format",
        "json",
    )
    assert answer.code == 0, answer.err
    bundle = load_bundle(out)
    assert bundle.model_bytes() == classifier()
    facts = bundle.facts.coreml
    assert facts is not None
    assert facts.check.samples_from is SamplesFrom.RANDOM
    plain = facts.check.uncompressed
    assert plain is not None
    pairs = zip(facts.check.outputs, plain, strict=True)
    assert all(coarse.relative > fine.relative for coarse, fine in pairs)
    assert bundle.facts.absent_reason == "made for iOS: the model stays float"


@pytest.mark.parametrize("kind", ["pytorch", "onnx"])
def test_the_float_models_of_pytorch_and_onnx_become_packages(
    kind: str, tmp_path: Path, run: Runner
) -> None:
    """Those that their converters make, as they are kept; their operators are not Keras' own."""
    kept, out = TORCH / f"{kind}.float.tflite", tmp_path / "out"
    data = DIGITS / "calibration.npz"
    answer = run("convert", kept, "--target", "ios", "--calibration", data, "-o", out)
    assert answer.code == 0, answer.err
    require_digits(out)


@pytest.mark.heavy
@pytest.mark.parametrize("source", ["model.pt2", "model.onnx"])
def test_pytorch_and_onnx_become_packages_by_way_of_their_float_models(
    source: str, tmp_path: Path, run: Runner
) -> None:
    """Their samples may lie as the source has them, channels first."""
    data, out = tmp_path / "data.npz", tmp_path / "out"
    with np.load(DIGITS / "calibration.npz") as kept:
        np.savez(data, x=np.moveaxis(kept["x"], -1, 1))
    answer = run("convert", TORCH / source, "--target", "ios", "--calibration", data, "-o", out)
    assert answer.code == 0, answer.err
    facts = require_digits(out)
    assert "channels last; in the source it is [1, 1, 8, 8]" in facts.notes[0]
    tools = {tool.name for tool in facts.tools}
    assert tools >= {"coremltools", "torch" if source.endswith("pt2") else "onnx2tf"}
    assert "ai-edge-quantizer" not in tools


def require_digits(bundle: Path) -> BundleFacts:
    """A float16 package of ``models/digits_torch`` that answers as its float model does."""
    facts = load_bundle(bundle).facts
    assert facts.coreml is not None
    assert {one.kind: one.count for one in facts.coreml.operators}["conv"] == 3
    assert facts.inputs[0].shape == facts.coreml.inputs[0].shape == (1, 8, 8, 1)
    check = facts.coreml.check
    assert (check.samples, check.samples_from) == (8, SamplesFrom.CALIBRATION)
    assert check.top1_equal == 8
    assert 0 < max(one.relative for one in check.outputs) < 1e-2
    return facts


def test_an_exported_program_is_looked_at_before_it_is_opened(tmp_path: Path, run: Runner) -> None:
    """For an app as for a board: before any environment is made, and without the quantizer."""
    path = tmp_path / "library.pt2"
    path.write_bytes(changed_pt2(add="data/aotinductor/model/model.so"))
    answer = run("convert", path, "--target", "ios", "-o", tmp_path / "out")
    answer.refused(2, "a compiled library", "--trust-source")


def test_a_package_too_far_off_leaves_the_old_bundle(
    source: Path, tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    convert = ("convert", source, "--target", "ios", "-o", out, "--force")
    assert run(*convert).code == 0
    before = sorted(path.read_bytes() for path in out.rglob("*") if path.is_file())
    monkeypatch.setitem(BOUNDS, WeightsForm.FLOAT16, 1e-9)
    run(*convert).refused(1, "float16 package is up to", "at most 1e-09 is taken")
    assert sorted(path.read_bytes() for path in out.rglob("*") if path.is_file()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_killed_conversion_leaves_nothing(source: Path, tmp_path: Path) -> None:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "edgeserve", "convert", str(source)),
            *("--target", "ios", "-o", str(out)),
        ],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(scratch.glob("*/model.mlpackage")) and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]


def test_a_quantized_tflite_is_refused(tmp_path: Path, run: Runner) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), "int8", scale=0.1)
    y = builder.tensor("y", (1, 4), "int8", scale=0.1)
    builder.op("RELU", [x], [y])
    path = tmp_path / "integers.tflite"
    path.write_bytes(builder.finish([x], [y]))
    answer = run("convert", path, "--target", "ios", "-o", tmp_path / "out")
    answer.refused(2, "integers.tflite is quantized", "before it was quantized")


def test_wrong_words_are_answered_in_a_line(source: Path, tmp_path: Path, run: Runner) -> None:
    out = tmp_path / "out"
    ios = ("convert", source, "-o", out, "--target", "ios")
    run(*ios, "--quantization", "int16x8").refused(2, "not made int16x8", "palettized4")
    layers = ("--int16-layers", "scores")
    run(*ios, *layers).refused(2, "an app has no --int16-layers", "name a board")
    run(*ios, *layers, "--quantization", "int16x8").refused(2, "an app has no --int16-layers")
    run(*ios, "--input-shape", "image=1,8,8,3").refused(2, "is for PyTorch and ONNX sources")
    run(*ios, "--input-shape", "image").refused(2, "is no shape")
    run(*ios, "--objective", "size").refused(2, "an app has no --objective")
    run(*ios, "--integer-edges").refused(2, "an app has no --integer-edges")
    board = ("convert", source, "-o", out, "--target", "cortex-m7")
    run(*board, "--author", "me").refused(2, "boards have no --author", "--target ios")
    run(*board, "--quantization", "palettized4").refused(2, "no palettized4 kernels")
    run("convert", tmp_path / "none.keras", "--target", "ios").refused(2, "does not exist")
    assert not out.exists()


def test_data_that_do_not_suit_are_refused(source: Path, tmp_path: Path, run: Runner) -> None:
    out = tmp_path / "out"
    ios = ("convert", source, "-o", out, "--target", "ios")
    data = tmp_path / "data.npz"
    np.savez(data, x=np.zeros((4, 8, 8, 1), np.float32))
    run(*ios, "--calibration", data).refused(2, "(8, 8, 1)")
    run(*ios, "--calibration", tmp_path / "none.npz").refused(2, "does not exist")
    declared, labels = tmp_path / "classes.toml", tmp_path / "labels.txt"
    declared.write_text('[classes]\nactivation = "none"\ntop = 1\nthreshold = 0.0\n')
    labels.write_text("one\ntwo\n")
    named = ("--preprocess", declared, "--labels", labels)
    run(*ios, *named).refused(
        2, f"2 labels, and the model's outputs have the shapes (1, {CLASSES})"
    )
    labels.write_text("\n".join(["same"] * CLASSES))
    assert run(*ios, *named).code == 2
    declared.write_text('[image]\nformat = "rgb888"\nheight = 9\nwidth = 9\n')
    run(*ios, "--preprocess", declared).refused(2, f"takes {SHAPE[1:]}")
    assert not out.exists()


def test_a_missing_extra_is_named(
    source: Path, tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    for absent, tool, form in (
        ("coremltools", "coremltools", "float16"),
        ("sklearn", "scikit-learn", "palettized6"),
    ):
        monkeypatch.setattr(apple, "find_spec", lambda name, gone=absent: name != gone or None)
        answer = run("convert", source, "-o", out, "--target", "ios", "--quantization", form)
        answer.refused(3, f"{tool} is needed", "pip install 'edgeserve[coreml]'")

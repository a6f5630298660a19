"""PyTorch and ONNX sources. The default run quantizes the float models that are kept beside them;
``make test-all`` makes their environments and these float models anew.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgeserve.bundle import SourceKind
from edgeserve.bundle_store import load_bundle
from edgeserve.convert.agreement import Runner
from edgeserve.convert.calibration import InputSpec, match_inputs, read_calibration
from edgeserve.convert.conversion import convert_source
from edgeserve.convert.converted import Converted
from edgeserve.convert.environment import (
    ONNX,
    PYTORCH,
    READY_FILE,
    Environment,
    folder_of,
    is_installed_here,
    python_for,
)
from edgeserve.convert.input_shape import InputShape, parse_input_shapes, settled
from edgeserve.convert.pt2_archive import require_safe
from edgeserve.errors import ConfigError, ConversionError, EdgeserveError, ToolFailed
from edgeserve.pipeline.convert import convert
from edgeserve.pipeline.verify import verify
from edgeserve.tflite.reader import read_model

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models" / "digits_torch"
DIGITS = ROOT / "models" / "digits"
KINDS = (("model.pt2", "pytorch"), ("model.onnx", "onnx"))
UNSOUND = Path(__file__).with_name("unsound_sources.py")


def ignore(fraction: float | None, message: str) -> None:
    pass


@pytest.mark.parametrize("kind", ["pytorch", "onnx"])
def test_the_kept_float_model_becomes_a_bundle_that_runs(kind: str, tmp_path: Path) -> None:
    compiled, _ = convert(
        MODELS / f"{kind}.float.tflite",
        tmp_path / "digits",
        target="mps2-an500",
        calibration=DIGITS / "calibration.npz",
    )
    agreement = load_bundle(tmp_path / "digits").facts.agreement
    assert agreement is not None
    assert agreement.top1_agreement is not None
    assert agreement.top1_agreement >= 0.99
    with np.load(DIGITS / "test.npz") as data:
        samples, labels = data["x"][:100], data["y"][:100]
    integer = Runner(compiled.bundle.model_bytes(), reference=True)
    classes = [int(np.argmax(integer.run([sample[None]])[0])) for sample in samples]
    assert np.mean(np.array(classes) == labels) > 0.93
    for board in ("host", "mps2-an500"):
        _, found = verify(tmp_path / "digits", board, board=None, inputs=2)
        assert found.first_difference is None


def test_both_kinds_say_the_same_network() -> None:
    """The same weights by two converters: the float models agree on every sample."""
    first, second = (
        Runner((MODELS / f"{kind}.float.tflite").read_bytes(), reference=False) for _, kind in KINDS
    )
    with np.load(DIGITS / "test.npz") as data:
        for sample in data["x"][:50]:
            assert np.allclose(
                first.run([sample[None]])[0], second.run([sample[None]])[0], atol=1e-5
            )


@pytest.mark.parametrize("kind", ["pytorch", "onnx"])
def test_no_trail_of_transposes_is_left(kind: str, tmp_path: Path) -> None:
    """At most the one in front of a flattened image, whose order is the source's."""
    graph = read_model((MODELS / f"{kind}.float.tflite").read_bytes(), name=kind)
    assert graph.tensors[graph.inputs[0]].shape == (1, 8, 8, 1)
    assert sum(op.kind == "TRANSPOSE" for op in graph.ops) <= 1


def test_a_plain_exported_program_is_safe() -> None:
    require_safe(MODELS / "model.pt2")


@pytest.mark.parametrize(
    ("shape", "expected"), [((5, 3, 8, 9), "turned"), ((5, 8, 9, 3), "kept"), ((5, 8, 8, 3), None)]
)
def test_calibration_data_may_have_the_layout_of_the_source(
    tmp_path: Path, shape: tuple[int, ...], expected: str | None
) -> None:
    data = np.random.default_rng(0).random(shape, dtype=np.float32)
    np.savez(tmp_path / "x.npz", x=data)
    spec = InputSpec("image", (1, 8, 9, 3), (1, 3, 8, 9))
    source = read_calibration(tmp_path / "x.npz")
    if expected is None:
        with pytest.raises(ConfigError, match=r"takes \(8, 9, 3\)"):
            match_inputs(source, [spec])
        return
    (array,) = match_inputs(source, [spec]).inputs
    assert np.array_equal(array, np.moveaxis(data, 1, -1) if expected == "turned" else data)


def test_open_extents_are_asked_for_by_name() -> None:
    given = parse_input_shapes(["image=1,3,16,24"])
    assert settled("image", [None, 3, None, None], given) == (1, 3, 16, 24)
    assert settled("image", [8, 3, 5], ()) == (1, 3, 5)
    with pytest.raises(ConfigError, match=r"has shape \(\?, 3, \?, 24\)") as caught:
        settled("image", [None, 3, None, 24], ())
    assert "--input-shape image=1,3,?,24" in caught.value.hint
    with pytest.raises(ConfigError, match="is not a case of the model's"):
        settled("image", [None, 1, None, None], given)


@pytest.mark.parametrize("text", ["image", "image=", "image=2,3", "image=1,0", "image=1,x"])
def test_shapes_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="shape"):
        parse_input_shapes([text])


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment that needs no package from anywhere: the requirement is a folder."""
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))
    project = tmp_path / "toy"
    project.mkdir()
    (project / "toy_tool.py").write_text("ANSWER = 42\n")
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (project / "backend.py").write_text(BACKEND)
    monkeypatch.setattr(Environment, "pins", lambda self: (str(project),))
    return Environment("toy", "toys", ("toy-tool",), 0.1)


BACKEND = """
import zipfile

FILES = {
    "METADATA": "Metadata-Version: 2.1, Name: toy-tool, Version: 1.0",
    "WHEEL": "Wheel-Version: 1.0, Generator: toy, Root-Is-Purelib: true, Tag: py3-none-any",
    "RECORD": "",
}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "toy_tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.write("toy_tool.py")
        for file, text in FILES.items():
            wheel.writestr("toy_tool-1.0.dist-info/" + file, text.replace(", ", chr(10)))
    return name
"""


def test_an_environment_is_made_once_and_said_so(
    toy: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edgeserve.convert.environment.is_installed_here", lambda env: False)
    said: list[str] = []
    python = python_for(toy, lambda fraction, message: said.append(message))
    assert said == ["making an environment for toys (about 0.1 GB), once"]
    assert said[0] in caplog.text
    command = [str(python), "-c", "import toy_tool; print(toy_tool.ANSWER)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    assert python_for(toy, lambda fraction, message: said.append(message)) == python
    assert len(said) == 1
    (folder_of(toy) / READY_FILE).unlink()
    python_for(toy, lambda fraction, message: said.append(message))
    assert len(said) == 2, "a ruin is made anew"


def test_an_environment_that_fails_says_why_and_is_no_environment(
    toy: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeserve.convert.environment.is_installed_here", lambda env: False)
    monkeypatch.setattr(Environment, "pins", lambda self: ("/absent/package",))
    with pytest.raises(ToolFailed, match="pip failed") as caught:
        python_for(toy, ignore)
    assert "/absent/package" in caught.value.what
    assert not (folder_of(toy) / READY_FILE).exists()


def test_packages_of_other_versions_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    pins = dict(pin.split("==") for pin in PYTORCH.pins())
    monkeypatch.setattr("edgeserve.convert.environment.version", lambda name: f"{pins[name]}+cpu")
    assert is_installed_here(PYTORCH)
    monkeypatch.setattr("edgeserve.convert.environment.version", lambda name: "0.1")
    assert not is_installed_here(PYTORCH)


def foreign(source: Path, work_dir: Path, *, shapes: tuple[InputShape, ...] = ()) -> Converted:
    work_dir.mkdir()
    return convert_source(
        source,
        calibration=DIGITS / "calibration.npz",
        trust_source=False,
        work_dir=work_dir,
        progress=ignore,
        input_shapes=shapes,
    )


@pytest.mark.heavy
@pytest.mark.parametrize(("source", "kind"), KINDS)
def test_the_kept_float_model_is_what_its_converter_makes(
    source: str, kind: str, tmp_path: Path
) -> None:
    made = foreign(MODELS / source, tmp_path / "work")
    assert made.source.kind is SourceKind(source.split(".")[1])
    assert made.notes[0] == (
        f"input {made.calibration.inputs[0].name!r} is [1, 8, 8, 1], channels last; in the source "
        "it is [1, 1, 8, 8]"
        if made.calibration
        else ""
    )
    kept = (MODELS / f"{kind}.float.tflite").read_bytes()
    assert made.float_tflite is not None
    fresh, old = Runner(made.float_tflite, reference=False), Runner(kept, reference=False)
    with np.load(DIGITS / "test.npz") as data:
        for sample in data["x"][:50]:
            assert np.allclose(fresh.run([sample[None]])[0], old.run([sample[None]])[0], atol=1e-6)
    graphs = [read_model(model, name=kind) for model in (made.float_tflite, kept)]
    assert [op.kind for op in graphs[0].ops] == [op.kind for op in graphs[1].ops]


@pytest.fixture(scope="module")
def unsound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources that ``unsound_sources.py`` makes, each part in its environment."""
    folder = tmp_path_factory.mktemp("unsound")
    for environment, part in ((PYTORCH, "pytorch"), (ONNX, "onnx")):
        command = [str(python_for(environment, ignore)), "-P", str(UNSOUND), part, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("source", "error", "message", "hint"),
    [
        ("ids.pt2", ConversionError, "input 'ids' is int64", "float32"),
        ("training.pt2", ConversionError, "exported in training mode: batch_norm", "model.eval()"),
        ("counter.pt2", ConversionError, "keeps state", "an input and an output"),
        ("batch.pt2", ConversionError, "a batch of 2, and gives a sample alone other", "Dim"),
        ("mixed.pt2", ConversionError, "a batch of 4, and gives a sample alone other", "Dim"),
        ("baked.pt2", ConversionError, "a batch of 2, and", "a batch of 1"),
        ("pair.pt2", ConversionError, "first extents of 1 and 4", "a batch of 1"),
        ("branch.pt2", ConversionError, "control flow (torch.cond)", "branch"),
        ("open.pt2", ConfigError, "has shape (?, 3, ?, ?)", "--input-shape image=1,3,?,?"),
        ("sort.pt2", ConversionError, "LiteRT Torch cannot convert the model", "replace"),
        ("ids.onnx", ConversionError, "input 'ids' is int64", "float32"),
        ("open.onnx", ConfigError, "has shape (?, 3, ?, ?)", "--input-shape image=1,3,?,?"),
        ("outside.onnx", ConversionError, "read from '../secret.bin', outside", "beside"),
        ("absolute.onnx", ConversionError, "read from '/etc/hostname', outside", "beside"),
        ("link.onnx", ConversionError, "read from 'link.bin', outside", "beside"),
        ("missing.onnx", ConversionError, "in 'gone.bin', which is missing", "beside"),
        ("branch.onnx", ConversionError, "control flow (If)", "branch"),
        ("cut.onnx", ConversionError, "is damaged", "again"),
        ("unknown.onnx", ConversionError, "is no valid ONNX model", "again"),
    ],
)
def test_what_cannot_be_converted_is_one_line(
    unsound: Path,
    tmp_path: Path,
    source: str,
    error: type[EdgeserveError],
    message: str,
    hint: str,
) -> None:
    with pytest.raises(error) as caught:
        foreign(unsound / source, tmp_path / "work")
    assert message in caught.value.what
    assert "\n" not in caught.value.what
    assert hint in caught.value.hint


@pytest.mark.heavy
@pytest.mark.parametrize("source", ["open.pt2", "open.onnx"])
def test_open_extents_take_the_shape_that_is_given(
    unsound: Path, tmp_path: Path, source: str
) -> None:
    data = tmp_path / "x.npz"
    np.savez(data, x=np.random.default_rng(0).random((8, 3, 16, 24), dtype=np.float32))
    compiled, _ = convert(
        unsound / source,
        tmp_path / "bundle",
        target="mps2-an500",
        calibration=data,
        input_shapes=(InputShape("image", (1, 3, 16, 24)),),
    )
    assert compiled.bundle.facts.inputs[0].shape == (1, 16, 24, 3)
    _, found = verify(tmp_path / "bundle", "mps2-an500", board=None, inputs=2)
    assert found.first_difference is None


@pytest.mark.heavy
def test_a_fixed_batch_becomes_one_sample(unsound: Path, tmp_path: Path) -> None:
    """Held against PyTorch, sample by sample, before it is converted."""
    data = tmp_path / "x.npz"
    np.savez(data, x=np.random.default_rng(0).random((8, 3, 16, 16), dtype=np.float32))
    compiled, _ = convert(
        unsound / "fixed.pt2", tmp_path / "bundle", target="mps2-an500", calibration=data
    )
    assert compiled.bundle.facts.inputs[0].shape == (1, 16, 16, 3)
    assert compiled.bundle.facts.outputs[0].shape == (1, 4)
    _, found = verify(tmp_path / "bundle", "mps2-an500", board=None, inputs=2)
    assert found.first_difference is None

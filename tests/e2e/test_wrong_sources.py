"""What is wrong with a source, its data or its options is one line with a hint, never a traceback.

Keras' own refusals are in ``test_convert.py``; those that take PyTorch or ONNX in
``test_foreign_sources.py``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeserve import cli
from edgeserve.convert import quantized
from tests.e2e.float_models import float_model, samples
from tests.tflite_builder import ModelBuilder

TORCH = Path(__file__).resolve().parents[2] / "models" / "digits_torch"


def of_integers() -> bytes:
    b = ModelBuilder()
    x, y = b.tensor("ids", (1, 4), "int32"), b.tensor("y", (1, 2, 2), "int32")
    shape = b.tensor("shape", (3,), "int32", data=[1, 2, 2])
    b.op("RESHAPE", [x, shape], [y], {"newShape": [1, 2, 2]})
    return b.finish([x], [y])


def of_batch_4() -> bytes:
    b = ModelBuilder()
    x, y = b.tensor("x", (4, 3), "float32"), b.tensor("y", (4, 3), "float32")
    b.op("TANH", [x], [y])
    return b.finish([x], [y])


def unknown_to_the_quantizer() -> bytes:
    b = ModelBuilder()
    x = b.tensor("x", (1, 6, 6, 2), "float32")
    sizes = b.tensor("sizes", (2,), "int32", data=[2, 4])
    axis = b.tensor("axis", (), "int32", data=np.array(1, np.int32))
    parts = [b.tensor(name, (1, rows, 6, 2), "float32") for name, rows in (("a", 2), ("b", 4))]
    b.op("SPLIT_V", [x, sizes, axis], parts, {"numSplits": 2})
    return b.finish([x], parts)


def unknown_to_the_runtime(kind: str) -> bytes:
    b = ModelBuilder()
    x, y = b.tensor("x", (1, 6, 6, 2), "float32"), b.tensor("y", (1, 6, 6, 2), "float32")
    b.op(kind, [x], [y])
    return b.finish([x], [y])


def with_integer_weights() -> bytes:
    b = ModelBuilder()
    x, y = b.tensor("x", (1, 4), "float32"), b.tensor("y", (1, 2), "float32")
    w = b.tensor("w", (2, 4), "int8", scale=0.1, data=np.ones((2, 4), np.int8))
    b.op("FULLY_CONNECTED", [x, w, None], [y], {})
    return b.finish([x], [y])


def changed_pt2(
    change: Callable[[dict[str, Any]], None] | None = None, add: str | None = None
) -> bytes:
    """The exported program of the digits with another graph, or with one member more."""
    out = io.BytesIO()
    with zipfile.ZipFile(TORCH / "model.pt2") as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("models/model.json") and change is not None:
                document = json.loads(data)
                change(document)
                data = json.dumps(document).encode()
            new.writestr(name, data)
        if add is not None:
            new.writestr(f"{old.namelist()[0].split('/')[0]}/{add}", b"\x80\x04N.")
    return out.getvalue()


def nodes(document: dict[str, Any]) -> Any:
    return document["graph_module"]["graph"]["nodes"]


def calls(target: str) -> bytes:
    return changed_pt2(lambda document: nodes(document)[0].update(target=target))


def evaluates(expression: str) -> bytes:
    def change(document: dict[str, Any]) -> None:
        size = {"as_expr": {"expr_str": expression, "hint": None}}
        first = next(iter(document["graph_module"]["graph"]["tensor_values"].values()))
        first["sizes"][0] = size

    return changed_pt2(change)


def is_named(name: str) -> bytes:
    return changed_pt2(lambda document: nodes(document)[0].update(name=name))


def pickled_weights() -> bytes:
    return changed_pt2(lambda document: document.update(config={"w": {"use_pickle": True}}))


def torch_script() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("net/code/__torch__.py", "")
        archive.writestr("net/constants.pkl", b"\x80\x02).")
    return out.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every source and all data of the cases below."""
    folder = tmp_path_factory.mktemp("wrong")
    sources = {
        "good.tflite": float_model("MEAN"),
        "nan.tflite": float_model("MEAN", spoil=True),
        "ids.tflite": of_integers(),
        "batch.tflite": of_batch_4(),
        "split.tflite": unknown_to_the_quantizer(),
        "custom.tflite": unknown_to_the_runtime("MyOwnOp"),
        "while.tflite": unknown_to_the_runtime("WHILE"),
        "hybrid.tflite": with_integer_weights(),
        "cut.tflite": float_model("MEAN")[:900],
        "text.keras": b"not a model",
        "text.pt2": b"not a model",
        "text.onnx": b"not a model",
        "text.tflite": b"not a model",
        "model.bin": b"not a model",
        "weights.pth": b"\x80\x04N.",
        "weights.safetensors": b"\x00",
        "script.pt": torch_script(),
        "object.pt2": changed_pt2(add="data/constants/custom_obj_0"),
        "library.pt2": changed_pt2(add="data/aotinductor/model/model.so"),
        "pickled.pt2": pickled_weights(),
        "system.pt2": calls("torch.os.system"),
        "getter.pt2": calls("_operator.attrgetter"),
        "file.pt2": calls("torch.ops.aten.from_file.default"),
        "expression.pt2": evaluates("__import__('os').system('true')"),
        "attribute.pt2": evaluates("s0.func"),
        "name.pt2": is_named("x): pass\nimport os"),
    }
    for name, data in sources.items():
        (folder / name).write_bytes(data)
    with zipfile.ZipFile(folder / "old.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
    (folder / "empty").mkdir()
    x = samples()
    np.savez(folder / "good.npz", x=x)
    np.savez(folder / "shape.npz", x=x[:, :3])
    np.savez(folder / "nan.npz", x=np.full_like(x, np.nan))
    np.savez(folder / "ints.npz", x=x.astype(np.int32))
    np.savez(folder / "names.npz", left=x, right=x)
    np.savez(folder / "labels.npz", images=x, classes=np.zeros(len(x), np.int64))
    np.savez(folder / "short.npz", x=x, y=np.zeros(3, np.int64))
    np.savez(folder / "classes.npz", x=x, y=np.full(len(x), 9))
    np.savez(folder / "ids.npz", x=np.zeros((2, 4), np.float32))
    np.savez(folder / "objects.npz", x=np.array([{}], dtype=object))
    (folder / "cut.npz").write_bytes((folder / "good.npz").read_bytes()[:200])
    return folder


CASES: tuple[tuple[str, str | None, tuple[str, ...], str, str], ...] = (
    ("absent.tflite", "good", (), "does not exist", ".pt2"),
    ("model.bin", "good", (), "of no kind that can be converted", ".onnx"),
    ("empty", "good", (), "a folder without saved_model.pb", "SavedModel"),
    ("text.keras", "good", (), "is damaged, or not a .keras file", "again"),
    ("text.pt2", "good", (), "is damaged, or not a .pt2 file", "again"),
    ("text.onnx", "good", (), "is damaged, or not a .onnx file", "again"),
    ("text.tflite", "good", (), "is damaged, or not a .tflite file", "again"),
    ("cut.tflite", "good", (), "cut.tflite: ", ""),
    ("good.tflite", None, (), "needs calibration data", "--calibration"),
    ("good.tflite", "absent", (), "absent.npz does not exist", "--calibration"),
    ("good.tflite", "cut", (), "cannot be read", "--calibration"),
    ("good.tflite", "objects", (), "pickled", "numpy.savez"),
    ("good.tflite", "shape", (), "have shape (3, 6, 2) and input 'x' takes (6, 6, 2)", "batch"),
    ("good.tflite", "nan", (), "holds NaN or Inf", "remove"),
    ("good.tflite", "ints", (), "is int32, not float", "float32"),
    ("good.tflite", "names", (), "has arrays 'left', 'right'", "name one array"),
    ("good.tflite", "labels", (), "array 'classes' has one integer a sample", "labels"),
    ("good.tflite", "short", (), "has 20 samples and 3 labels", ""),
    ("good.tflite", "classes", (), "run from 9 to 9 and the model has 4", "0 to 3"),
    ("good.tflite", "good", ("--int16-layers", "nope"), "no layer is called 'nope'", "hidden"),
    ("good.tflite", "good", ("--input-shape", "x=1,6"), "is for PyTorch and ONNX", "leave it out"),
    ("good.tflite", "good", ("--input-shape", "x"), "is no shape", "NAME=1,3,224,224"),
    ("good.tflite", "good", ("--quantization", "float16"), "no float16 kernels", "int16x8"),
    ("good.tflite", "good", ("--integer-edges",), "has no edges", "leave out"),
    ("nan.tflite", "good", (), "weights 'weights' hold NaN or Inf", "diverged"),
    ("ids.tflite", "ids", (), "input 'ids' is int32", "float32"),
    ("batch.tflite", "ids", (), "a batch of 1", "one sample"),
    ("hybrid.tflite", "ids", (), "quantized in part: 'w' is integer", "plain float32"),
    ("split.tflite", "good", (), "SPLIT_V writing tensor 'a' has no integer form", "replace"),
    ("custom.tflite", "good", (), "MyOwnOp", ""),
    ("while.tflite", "good", (), "WHILE", ""),
    ("weights.pth", "good", (), "a pickle of weights or of Python objects", "torch.export"),
    ("weights.safetensors", "good", (), "a file of weights", "torch.export"),
    ("script.pt", "good", (), "TorchScript", "torch.export"),
    ("old.pt2", "good", (), "no exported program in today's form", "torch.export.save"),
    ("object.pt2", "good", (), "a pickled Python object", "--trust-source"),
    ("library.pt2", "good", (), "a compiled library", "--trust-source"),
    ("pickled.pt2", "good", (), "pickled weights", "--trust-source"),
    ("system.pt2", "good", (), "a call of 'torch.os.system'", "--trust-source"),
    ("getter.pt2", "good", (), "a call of '_operator.attrgetter'", "--trust-source"),
    ("file.pt2", "good", (), "a call of 'torch.ops.aten.from_file.default'", "--trust-source"),
    ("expression.pt2", "good", (), 'the expression "__import__', "--trust-source"),
    ("attribute.pt2", "good", (), "the expression 's0.func'", "--trust-source"),
    ("name.pt2", "good", (), "the name 'x): pass", "--trust-source"),
)


@pytest.mark.parametrize(("source", "data", "options", "message", "hint"), CASES)
def test_each_is_one_line_with_a_hint(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: str,
    data: str | None,
    options: tuple[str, ...],
    message: str,
    hint: str,
) -> None:
    monkeypatch.chdir(files)
    given = ["--calibration", f"{data}.npz"] if data else []
    target = ["--target", "cortex-m7", "-o", str(tmp_path / "out")]
    assert cli.main(["convert", source, *given, *target, *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("edgeserve: error: ")
    assert message in lines[0]
    assert len(lines) <= 2
    assert hint in "".join(lines[1:])
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_no_calibration_data(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = str(files / "good.tflite"), str(tmp_path / "out")
    data = str(files / "empty")
    code = cli.main(["convert", source, "--calibration", data, "--target", "esp32", "-o", out])
    assert (code, "holds no images" in capsys.readouterr().err) == (2, True)


def test_without_the_quantizer_the_extra_is_named(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(quantized, "find_spec", lambda name: None)
    source, data = str(files / "good.tflite"), str(files / "good.npz")
    out = ["--target", "esp32", "-o", str(tmp_path / "out")]
    assert cli.main(["convert", source, "--calibration", data, *out]) == 3
    assert "edgeserve[quantize]" in capsys.readouterr().err

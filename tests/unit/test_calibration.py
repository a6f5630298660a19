"""Sources and calibration data: what is read, and what is refused before any framework is."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgeserve.bundle import CalibrationKind, SourceKind
from edgeserve.convert.calibration import InputSpec, match_inputs, read_calibration
from edgeserve.convert.conversion import convert_source
from edgeserve.convert.source import read_source
from edgeserve.errors import ConfigError, ConversionError
from edgeserve.preprocess.declaration import SensorInput

ONE_INPUT = (InputSpec("image", (1, 4, 4, 1)),)
TWO_INPUTS = (InputSpec("left", (1, 3)), InputSpec("right", (1, 2)))


def floats(*shape: int) -> np.ndarray:
    return np.linspace(-1.0, 1.0, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def save(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def save_image(path: Path, color: int | tuple[int, int, int], size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "L" if isinstance(color, int) else "RGB"
    Image.new(mode, size, color).save(path)


@pytest.mark.parametrize("key", ["x", "image", "anything"])
def test_a_model_with_one_input_takes_the_only_array(tmp_path: Path, key: str) -> None:
    samples = floats(5, 4, 4, 1)
    labels = np.array([0, 1, 2, 1, 0], dtype=np.uint8)
    found = match_inputs(read_calibration(save(tmp_path, **{key: samples, "y": labels})), ONE_INPUT)
    assert np.array_equal(found.inputs[0], samples)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2, 1, 0]
    assert np.array_equal(found.sample(3)[0], samples[3:4])
    record = found.record()
    assert (record.kind, record.samples, record.labelled) == (CalibrationKind.NPZ, 5, True)
    assert (record.inputs[0].minimum, record.inputs[0].maximum) == (-1.0, 1.0)
    expected = hashlib.sha256(samples.tobytes() + labels.astype("<i8").tobytes()).hexdigest()
    assert record.sha256 == expected


def test_a_model_with_two_inputs_takes_arrays_by_name(tmp_path: Path) -> None:
    left, right = floats(6, 3), floats(6, 2).astype(np.float64)
    found = match_inputs(read_calibration(save(tmp_path, right=right, left=left)), TWO_INPUTS)
    assert np.array_equal(found.inputs[0], left)
    assert np.array_equal(found.inputs[1], right.astype(np.float32))
    assert found.labels is None


def test_npy_is_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", floats(2, 4, 4, 1))
    found = match_inputs(read_calibration(tmp_path / "data.npy"), ONE_INPUT)
    assert (found.kind, found.samples) == (CalibrationKind.NPY, 2)


def spoilt(samples: np.ndarray, value: float) -> np.ndarray:
    copy = samples.copy()
    copy[1, 2, 3, 0] = value
    return copy


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": spoilt(floats(3, 4, 4, 1), np.nan)}, r"NaN or Inf, first at index \(1, 2, 3, 0\)"),
        ({"x": spoilt(floats(3, 4, 4, 1), np.inf)}, "NaN or Inf"),
        ({"x": np.full((1, 4, 4, 1), 1e300)}, "NaN or Inf"),
        ({"x": np.zeros((3, 4, 4, 1), np.uint8)}, "is uint8, not float"),
        ({"x": np.zeros((3, 4, 4, 1), np.complex64)}, "is complex64, not float"),
        ({"x": np.zeros((0, 4, 4, 1), np.float32)}, "holds no samples"),
        ({"x": np.float32(1.0)}, "holds no samples"),
        ({"y": np.arange(3)}, "holds no samples"),
        ({"x": floats(3, 4, 4, 1), "y": np.arange(2)}, "has 3 samples and 2 labels"),
        ({"x": floats(3, 4, 4, 1), "y": floats(3)}, r"labels 'y' in .* are float32"),
        ({"x": floats(3, 4, 4, 1), "y": np.eye(3, dtype=int)}, r"of shape \(3, 3\)"),
        ({"a": floats(3, 3), "b": floats(2, 2)}, r"unequal numbers of samples \(a: 3, b: 2\)"),
        ({"x": np.array([{"a": 1}], dtype=object)}, "pickled Python objects"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = save(tmp_path, **arrays)
    with pytest.raises(ConfigError, match=message):
        read_calibration(path)


@pytest.mark.parametrize(
    ("arrays", "specs", "message"),
    [
        (
            {"x": floats(3, 4, 4)},
            ONE_INPUT,
            r"have shape \(4, 4\) and input 'image' takes \(4, 4, 1\)",
        ),
        ({"a": floats(3, 3), "b": floats(3, 2)}, ONE_INPUT, "arrays 'a', 'b' .* inputs 'image'"),
        ({"x": floats(3, 3)}, TWO_INPUTS, "arrays 'x' and the model has inputs 'left', 'right'"),
        (
            {"left": floats(3, 3), "right": floats(3, 2), "more": floats(3, 1)},
            TWO_INPUTS,
            "arrays 'left', 'more', 'right'",
        ),
        ({"left": floats(3, 2), "right": floats(3, 3)}, TWO_INPUTS, "input 'left' takes"),
    ],
)
def test_arrays_that_do_not_suit_the_model_are_refused(
    tmp_path: Path, arrays: dict[str, Any], specs: tuple[InputSpec, ...], message: str
) -> None:
    source = read_calibration(save(tmp_path, **arrays))
    with pytest.raises(ConfigError, match=message):
        match_inputs(source, specs)


def test_no_calibration_is_an_error_and_never_random() -> None:
    with pytest.raises(ConfigError, match="none was given") as caught:
        read_calibration(None)
    assert "--calibration" in caught.value.hint


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (tmp_path / "executed",)  # type: ignore[return-value]

    whole = save(tmp_path, x=floats(300, 4, 4, 1)).read_bytes()
    inner = tmp_path / "inner.npz"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x.npy", pickle.dumps(Bomb()))
    cases = {
        "cut.npz": whole[: len(whole) // 2],
        "empty.npz": b"",
        "text.npz": b"not numpy at all",
        "pickle.npz": pickle.dumps(Bomb()),
        "pickle.npy": pickle.dumps(Bomb()),
        "cut.npy": b"\x93NUMPY\x01\x00v\x00{'descr'",
        "data.txt": b"1,2,3",
        "inner.npz": inner.read_bytes(),
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError) as caught:
            read_calibration(tmp_path / name)
        assert "\n" not in caught.value.what
        assert name in caught.value.what
    with pytest.raises(ConfigError, match="does not exist"):
        read_calibration(tmp_path / "absent.npz")
    assert not (tmp_path / "executed").exists()


def test_a_folder_a_class_gives_labels_in_sorted_order(tmp_path: Path) -> None:
    save_image(tmp_path / "dog" / "b.png", 255, (8, 8))
    save_image(tmp_path / "dog" / "a.png", 0, (2, 6))
    save_image(tmp_path / "cat" / "z.bmp", 51, (4, 4))
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"no image")
    (tmp_path / "cat" / "notes.txt").write_text("no image either")
    found = match_inputs(read_calibration(tmp_path), ONE_INPUT)
    assert found.classes == ("cat", "dog")
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 1]
    assert found.inputs[0].shape == (3, 4, 4, 1)
    assert found.inputs[0].dtype == np.float32
    assert np.allclose(found.inputs[0][:, 0, 0, 0], [0.2, 0.0, 1.0])
    assert "stretched to 4x4" in found.preprocessing
    assert "0..255 mapped to 0..1" in found.preprocessing


def test_images_take_the_range_and_the_channels_asked_for(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png", (255, 0, 0), (5, 7))
    spec = (InputSpec("rgb", (1, 2, 3, 3)),)
    found = match_inputs(read_calibration(tmp_path), spec, image_range=(-1.0, 1.0))
    assert found.labels is None
    assert np.allclose(found.inputs[0], np.broadcast_to([1.0, -1.0, -1.0], (1, 2, 3, 3)))


def test_images_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    empty, damaged, mixed, deep = (
        tmp_path / name for name in ("empty", "damaged", "mixed", "deep")
    )
    (empty / "class").mkdir(parents=True)
    with pytest.raises(ConfigError, match="holds no images"):
        read_calibration(empty)
    save_image(mixed / "a.png", 0, (4, 4))
    save_image(mixed / "class" / "b.png", 0, (4, 4))
    with pytest.raises(ConfigError, match="both beside and inside"):
        read_calibration(mixed)
    damaged.mkdir()
    (damaged / "a.png").write_bytes((mixed / "a.png").read_bytes()[:40])
    with pytest.raises(ConfigError, match=r"a\.png cannot be read"):
        match_inputs(read_calibration(damaged), ONE_INPUT)
    deep.mkdir()
    Image.new("I;16", (4, 4)).save(deep / "a.png")
    with pytest.raises(ConfigError, match="not of 8 bits"):
        match_inputs(read_calibration(deep), ONE_INPUT)
    with pytest.raises(ConfigError, match=r"suits one input .* takes \(1, 3\), \(1, 2\)"):
        match_inputs(read_calibration(mixed / "class"), TWO_INPUTS)


def test_source_kinds_are_told_by_name_and_content(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "b.h5").write_bytes(b"\x89HDF\r\n\x1a\n rest")
    (tmp_path / "c.tflite").write_bytes(b"\x1c\0\0\0TFL3")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "saved_model.pb").write_bytes(b"")
    kinds = [read_source(tmp_path / name) for name in ("a.keras", "b.h5", "c.tflite", "d")]
    assert [source.kind for source in kinds] == [
        SourceKind.KERAS,
        SourceKind.HDF5,
        SourceKind.TFLITE,
        SourceKind.SAVED_MODEL,
    ]
    assert [source.name for source in kinds] == ["a", "b", "c", "d"]


def test_the_hash_of_a_folder_sees_names_and_bytes(tmp_path: Path) -> None:
    def made(name: str, files: dict[str, bytes]) -> str:
        for relative, data in files.items():
            path = tmp_path / name / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return read_source(tmp_path / name).facts.sha256

    base = {"saved_model.pb": b"graph", "variables/a": b"12"}
    assert made("one", base) == made("two", base)
    others = [{**base, "variables/a": b"13"}, {"saved_model.pb": b"graph", "variables/b": b"12"}]
    hashes = {made(f"other{i}", files) for i, files in enumerate(others)} | {made("one", base)}
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("model.bin", b"anything", ConfigError),
        ("text.onnx", b"anything", ConversionError),
        ("model", b"anything", ConfigError),
        ("cut.keras", b"PK\x03\x04 cut", ConversionError),
        ("cut.h5", b"\x89HD", ConversionError),
        ("cut.tflite", b"", ConversionError),
    ],
)
def test_other_sources_are_refused(
    tmp_path: Path, name: str, data: bytes, error: type[Exception]
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=name):
        read_source(tmp_path / name)


def test_missing_sources_and_plain_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_source(tmp_path / "absent.keras")
    with pytest.raises(ConfigError, match=r"without saved_model\.pb") as caught:
        read_source(tmp_path)
    assert ".keras" in caught.value.hint
    assert ".tflite" in caught.value.hint


def test_convert_asks_for_calibration_before_it_starts_a_framework(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(ConfigError, match="needs calibration data"):
        convert_source(
            tmp_path / "a.keras",
            calibration=None,
            trust_source=False,
            work_dir=work,
            progress=lambda fraction, message: None,
        )
    assert list(work.iterdir()) == []


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text)
    return path


def test_a_csv_has_a_sample_a_line_and_may_name_its_classes(tmp_path: Path) -> None:
    text = "a,b,label,c,d\n0.5,1,2,-1.25,3\n\n4,5,0,6,7\n"
    spec = (InputSpec("image", (1, 2, 2, 1)),)
    found = match_inputs(read_calibration(csv_file(tmp_path, text)), spec)
    assert found.kind is CalibrationKind.CSV
    assert found.labels is not None
    assert found.labels.tolist() == [2, 0]
    assert found.inputs[0].shape == (2, 2, 2, 1)
    assert found.inputs[0].reshape(2, 4).tolist() == [[0.5, 1, -1.25, 3], [4, 5, 6, 7]]


def test_a_csv_needs_no_header(tmp_path: Path) -> None:
    source = read_calibration(csv_file(tmp_path, "1,2,3\n4,5,6\n"))
    found = match_inputs(source, (InputSpec("x", (1, 3)),))
    assert found.labels is None
    assert found.inputs[0].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_whole_numbers_of_a_csv_are_raw_where_a_sensor_is_declared(tmp_path: Path) -> None:
    front = SensorInput(2, 1, 2, (0, 1), (0.0, 0.0), (0.5, 0.25))
    source = read_calibration(csv_file(tmp_path, "y,a,b,c,d\n1,2,4,-6,8\n"), front)
    found = match_inputs(source, (InputSpec("window", (1, 2, 2)),))
    assert found.inputs[0].reshape(-1).tolist() == [1, 1, -3, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no samples"),
        ("a,b\n", "holds no samples"),
        ("1,2\n3\n", r"line 2: 1 values, not 2"),
        ("a,b\n1,2\n3,four\n", r"line 3: 'four' is no number"),
        ("1,nan\n", "NaN or Inf"),
        ("y,a\n0.5,1\n", "not all whole numbers"),
        ("y,label,a\n0,0,1\n", "2 columns of classes"),
        ("y\n1\n", "classes and no values"),
    ],
)
def test_a_csv_that_is_none_is_told_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_calibration(csv_file(tmp_path, text))

"""Representative samples: read from files, checked against the model's inputs.

Quantization takes its ranges from them, so none are ever made up: to have none is an error.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeserve.bundle import CalibratedInput, CalibrationKind, CalibrationRecord
from edgeserve.convert.csv_samples import read_csv
from edgeserve.convert.raw_files import SOUND_SUFFIXES, clip_of, frame_of, upright
from edgeserve.errors import ConfigError
from edgeserve.preprocess.declaration import AudioInput, Front, ImageInput, SensorInput, told
from edgeserve.preprocess.host import real, require_raw
from edgeserve.preprocess.suit import require_input

UNIT_RANGE = (0.0, 1.0)
LABELS_KEY = "y"
SAMPLES_KEY = "x"
_IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm"})
_IMAGE_MODES = {1: "L", 3: "RGB"}
_HINT = "give --calibration a .npz, .npy or .csv file, or a folder of images or sounds"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """An input of the float model: its shape with the batch, which is 1, in front.

    ``source_shape`` is that in the source, where the converter has moved the channels last.
    """

    name: str
    shape: tuple[int, ...]
    source_shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """The arrays of a ``.npz`` file, or the one of a ``.npy`` file under the name ``x``."""

    path: Path
    kind: CalibrationKind
    arrays: tuple[tuple[str, NDArray[np.float32]], ...]
    labels: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class SampleFolder:
    """The files of a folder in the order of their names; labels are indices into ``classes``."""

    path: Path
    files: tuple[Path, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class RawSamples:
    """What a sensor delivers, ``[n, ...]``, and the front that makes samples of it."""

    path: Path
    kind: CalibrationKind
    front: Front
    raws: NDArray[Any]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...] = ()


CalibrationSource: TypeAlias = ArrayFile | SampleFolder | RawSamples


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Samples that suit a model: one float32 array ``[n, *shape[1:]]`` an input, in its order."""

    kind: CalibrationKind
    specs: tuple[InputSpec, ...]
    inputs: tuple[NDArray[np.float32], ...]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    preprocessing: str
    raw: RawSamples | None = None

    @property
    def samples(self) -> int:
        return len(self.inputs[0])

    def sample(self, index: int) -> list[NDArray[np.float32]]:
        """Sample ``index`` as the inputs of one inference, each with a batch of 1."""
        return [array[index : index + 1] for array in self.inputs]

    def each(self) -> list[list[NDArray[np.float32]]]:
        """All samples, each as the inputs of one inference."""
        return [self.sample(index) for index in range(self.samples)]

    def record(self) -> CalibrationRecord:
        """The facts that a bundle keeps."""
        return CalibrationRecord(
            kind=self.kind,
            samples=self.samples,
            labelled=self.labels is not None,
            classes=self.classes,
            preprocessing=self.preprocessing,
            sha256=self._sha256(),
            inputs=tuple(
                CalibratedInput(spec.name, spec.shape, float(array.min()), float(array.max()))
                for spec, array in zip(self.specs, self.inputs, strict=True)
            ),
        )

    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for array in self.inputs:
            digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels, dtype="<i8").tobytes())
        return digest.hexdigest()


def read_calibration(path: Path | None, front: Front | None = None) -> CalibrationSource:
    """Read what ``path`` holds, as far as it can be checked without the model.

    With a ``front`` images, sounds and arrays of integers are raw data for it; arrays of floats are
    the model's inputs all the same.

    Raises ConfigError when there is none, when it is damaged, needs pickle, is not of a float type,
    holds NaN or Inf, is empty, or when labels and samples differ in number.
    """
    if path is None:
        raise ConfigError("INT8 quantization needs calibration data and none was given", hint=_HINT)
    if not path.exists():
        raise ConfigError(f"calibration data {path} does not exist", hint=_HINT)
    if path.is_dir():
        return _read_images(path) if front is None else _read_raw_folder(path, front)
    if path.suffix.lower() == ".npz":
        return _read_npz(path, front)
    if path.suffix.lower() == ".npy":
        loaded = _load_numpy(path)
        if front is not None and _is_raw(loaded):
            return _raw_samples(path, CalibrationKind.NPY, front, loaded, None)
        array = _checked_samples(loaded, f"{path}")
        return ArrayFile(path, CalibrationKind.NPY, ((SAMPLES_KEY, array),), None)
    if path.suffix.lower() == ".csv":
        return _read_csv(path, front)
    raise ConfigError(f"calibration data {path} is of no kind that is read", hint=_HINT)


def _read_csv(path: Path, front: Front | None) -> CalibrationSource:
    found = read_csv(path)
    if front is not None and _is_raw(found.values):
        return _raw_samples(path, CalibrationKind.CSV, front, found.values, found.labels)
    array = _checked_samples(found.values.astype(np.float32), f"{path}")
    return ArrayFile(path, CalibrationKind.CSV, ((SAMPLES_KEY, array),), found.labels)


def match_inputs(
    source: CalibrationSource,
    specs: Sequence[InputSpec],
    *,
    image_range: tuple[float, float] = UNIT_RANGE,
) -> CalibrationSet:
    """The samples of ``source`` in the order and shapes of ``specs``.

    Images are turned upright, made grey or RGB as the input has 1 or 3 channels, stretched to the
    input's size with Pillow's bilinear filter, and mapped from 0..255 to ``image_range``. Raises
    ConfigError when names, number of arrays or shapes do not suit the inputs.
    """
    if isinstance(source, SampleFolder):
        return _match_images(source, specs, image_range)
    if isinstance(source, RawSamples):
        return _match_raw(source, specs)
    named = zip(specs, _by_input(source, specs), strict=True)
    arrays = tuple(_as_laid_out(source.kind, spec, array) for spec, array in named)
    for spec, array in zip(specs, arrays, strict=True):
        if array.shape[1:] != spec.shape[1:]:
            raise ConfigError(
                f"calibration samples in {source.path} have shape {_spell(array.shape[1:])} and "
                f"input {spec.name!r} takes {_spell(spec.shape[1:])} (both without the batch)",
                hint="save the samples as the model takes them, with the batch in front",
            )
    return CalibrationSet(
        kind=source.kind,
        specs=tuple(specs),
        inputs=arrays,
        labels=source.labels,
        classes=(),
        preprocessing="none: the arrays are the model's inputs",
    )


def _as_laid_out(
    kind: CalibrationKind, spec: InputSpec, array: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A line of a CSV file has an input's elements in the source's order, whatever its shape."""
    shape = (spec.source_shape or spec.shape)[1:]
    if kind is CalibrationKind.CSV and array[0].size == np.prod(shape, dtype=np.int64):
        array = array.reshape(len(array), *shape)
    return _channels_last(spec, array)


def _channels_last(spec: InputSpec, array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples in the source's layout become those of the model; where both shapes are the same, the
    source's layout is meant.
    """
    source = spec.source_shape
    if source is None or len(source) != 4 or array.shape[1:] != source[1:]:
        return array
    return np.ascontiguousarray(np.moveaxis(array, 1, -1))


def _load_numpy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigError:
    if "pickle" in str(error):
        return ConfigError(
            f"calibration data {path} is no numpy file, or holds pickled Python objects",
            hint="pickles are not read: save plain float arrays with numpy.savez",
        )
    reason = " ".join(str(error).split()) or type(error).__name__
    return ConfigError(f"calibration data {path} cannot be read: {reason}", hint=_HINT)


def _read_npz(path: Path, front: Front | None) -> CalibrationSource:
    archive = _load_numpy(path)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ConfigError(f"calibration data {path} is not a .npz archive", hint=_HINT)
    try:
        with archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from error
    labels = arrays.pop(LABELS_KEY, None)
    if not arrays:
        raise ConfigError(f"calibration data {path} holds no samples", hint="name the array 'x'")
    if front is not None and len(arrays) == 1 and _is_raw(*arrays.values()):
        (array,) = arrays.values()
        return _raw_samples(path, CalibrationKind.NPZ, front, array, labels)
    if labels is None and len(arrays) > 1:
        _refuse_nameless_labels(path, arrays)
    checked = tuple(
        (name, _checked_samples(array, f"{path}: array {name!r}")) for name, array in arrays.items()
    )
    counts = {len(array) for _, array in checked}
    if len(counts) != 1:
        spelled = ", ".join(f"{name}: {len(array)}" for name, array in checked)
        raise ConfigError(f"calibration data {path} has unequal numbers of samples ({spelled})")
    return ArrayFile(
        path, CalibrationKind.NPZ, checked, _checked_labels(labels, counts.pop(), path)
    )


def _refuse_nameless_labels(path: Path, arrays: Mapping[str, Any]) -> None:
    for name, array in arrays.items():
        if _is_raw(array) and array.ndim == 1:
            raise ConfigError(
                f"calibration data {path}: array {name!r} has one integer a sample",
                hint=f"name the samples 'x', and the labels, if it holds them, {LABELS_KEY!r}",
            )


def _is_raw(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in "iu"


def _raw_samples(
    path: Path, kind: CalibrationKind, front: Front, array: NDArray[Any], labels: Any
) -> RawSamples:
    if array.ndim < 2 or len(array) == 0:
        raise ConfigError(f"calibration data {path} holds no samples", hint="at least 1 is needed")
    require_raw(front, array[0], f"calibration data {path}: sample 0")
    return RawSamples(path, kind, front, array, _checked_labels(labels, len(array), path))


def _read_raw_folder(path: Path, front: Front) -> RawSamples:
    raws: list[NDArray[Any]]
    match front:
        case ImageInput():
            found, kind = _read_images(path), CalibrationKind.IMAGES
            raws = [frame_of(front, image) for image in found.files]
        case AudioInput():
            found, kind = _read_folder(path, SOUND_SUFFIXES, "sounds"), CalibrationKind.SOUNDS
            raws = [clip_of(front, sound) for sound in found.files]
        case SensorInput():
            raise ConfigError(
                f"calibration data {path} is a folder, and windows of a sensor come as arrays",
                hint="give a .npz or .npy file of int16, the windows in front",
            )
    return RawSamples(path, kind, front, np.stack(raws), found.labels, found.classes)


def _match_raw(source: RawSamples, specs: Sequence[InputSpec]) -> CalibrationSet:
    require_input(source.front, [(spec.name, spec.shape) for spec in specs])
    samples = np.stack([real(source.front, raw) for raw in source.raws])
    return CalibrationSet(
        kind=source.kind,
        specs=tuple(specs),
        inputs=(samples.reshape(len(samples), *specs[0].shape[1:]),),
        labels=source.labels,
        classes=source.classes,
        preprocessing=told(source.front),
        raw=source,
    )


def as_frames(samples: CalibrationSet, front: ImageInput) -> RawSamples | None:
    """The samples of a model that took pixels, as frames; None where they are no pixels: whole
    numbers from 0 to 255, some above 1.
    """
    (array,) = samples.inputs
    is_whole = bool((array == np.floor(array)).all()) and array.min() >= 0 and array.max() <= 255
    if not is_whole or array.max() <= 1:
        return None
    frames = array.astype(np.uint8)
    return RawSamples(Path(), samples.kind, front, frames, samples.labels, samples.classes)


def _checked_samples(array: Any, where: str) -> NDArray[np.float32]:
    """``array`` as float32, refused when it is not finite float data with a batch in front."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise ConfigError(
            f"calibration data {where} is {kind}, not float",
            hint="scale the samples as in training and save them as float32",
        )
    if array.ndim < 1 or len(array) == 0:
        raise ConfigError(f"calibration data {where} holds no samples", hint="at least 1 is needed")
    with np.errstate(over="ignore"):
        samples: NDArray[np.float32] = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(samples)
    if not finite.all():
        bad = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ConfigError(
            f"calibration data {where} holds NaN or Inf, first at index {_spell(bad)}",
            hint="one such value would spoil the range of the whole tensor: remove the sample",
        )
    return samples


def _checked_labels(labels: Any, samples: int, path: Path) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise ConfigError(
            f"labels 'y' in {path} are {labels.dtype} of shape {_spell(labels.shape)}",
            hint="give one class number a sample: integers of shape (n,)",
        )
    if len(labels) != samples:
        raise ConfigError(f"{path} has {samples} samples and {len(labels)} labels")
    return np.asarray(labels, dtype=np.int64)


def _by_input(source: ArrayFile, specs: Sequence[InputSpec]) -> tuple[NDArray[np.float32], ...]:
    """The array of each input, by name or, for a model with one input, the only one."""
    arrays = dict(source.arrays)
    names = [spec.name for spec in specs]
    if set(arrays) == set(names):
        return tuple(arrays[name] for name in names)
    if len(names) == 1 and len(arrays) == 1:
        return tuple(arrays.values())
    if len(names) == 1 and SAMPLES_KEY in arrays:
        return (arrays[SAMPLES_KEY],)
    raise ConfigError(
        f"calibration data {source.path} has arrays {_quoted(arrays)} and the model has inputs "
        f"{_quoted(names)}",
        hint="name one array after each input (a model with one input also takes 'x')",
    )


def _read_images(path: Path) -> SampleFolder:
    return _read_folder(path, _IMAGE_SUFFIXES, "images")


def _read_folder(path: Path, suffixes: frozenset[str], what: str) -> SampleFolder:
    folders = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    loose = _files_in(path, suffixes)
    if loose and any(_files_in(folder, suffixes) for folder in folders):
        raise ConfigError(
            f"{path} has {what} both beside and inside its folders",
            hint=f"put all {what} into one folder, or into one folder a class",
        )
    if loose:
        return SampleFolder(path, loose, (), None)
    classes = tuple(folder.name for folder in folders)
    images = tuple(_files_in(folder, suffixes) for folder in folders)
    if not any(images):
        raise ConfigError(
            f"calibration folder {path} holds no {what}",
            hint=f"{what} end in {', '.join(sorted(suffixes))}",
        )
    labels = np.repeat(np.arange(len(folders)), [len(group) for group in images])
    return SampleFolder(path, sum(images, ()), classes, labels.astype(np.int64))


def _files_in(folder: Path, suffixes: frozenset[str]) -> tuple[Path, ...]:
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return tuple(sorted(p for p in files if p.suffix.lower() in suffixes))


def _match_images(
    source: SampleFolder, specs: Sequence[InputSpec], image_range: tuple[float, float]
) -> CalibrationSet:
    if len(specs) != 1 or len(specs[0].shape) != 4 or specs[0].shape[3] not in _IMAGE_MODES:
        shapes = ", ".join(_spell(spec.shape) for spec in specs)
        raise ConfigError(
            f"a folder of images suits one input of shape (1, height, width, 1 or 3), "
            f"and the model takes {shapes}",
            hint="give the samples as a .npz file",
        )
    (spec,) = specs
    _, height, width, channels = spec.shape
    low, high = image_range
    pixels = np.stack([_pixels(image, height, width, channels) for image in source.files])
    scaled = pixels.astype(np.float32) * np.float32((high - low) / 255.0) + np.float32(low)
    mode = _IMAGE_MODES[channels]
    return CalibrationSet(
        kind=CalibrationKind.IMAGES,
        specs=(spec,),
        inputs=(scaled,),
        labels=source.labels,
        classes=source.classes,
        preprocessing=f"images turned upright, as {mode}, stretched to {width}x{height} "
        f"(bilinear), 0..255 mapped to {low:g}..{high:g}",
    )


def _pixels(path: Path, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """The image as uint8 ``[height, width, channels]``."""
    from PIL import Image

    image = upright(path, _IMAGE_MODES[channels])
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8).reshape(height, width, channels)


def _spell(shape: Iterable[int]) -> str:
    return "(" + ", ".join(str(extent) for extent in shape) + ")"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))

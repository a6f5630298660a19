"""The bundle: the folder that ``convert`` writes and that every later verb reads and adds to.

    bundle.json           what the bundle is (:class:`BundleFacts`)
    model.tflite          the model, byte for byte
    calibration.json      what the model was calibrated with, or why that is not known
    calibration.npz       at most 32 of those samples, as the model's input takes them
    boards/<id>/          a board's plan.json and firmware/, written by later verbs
    measurements.jsonl    one line a measurement, kept when the bundle is written again

A bundle is written beside its place and exchanged with what stands there, so that a process killed
at any moment leaves either the old bundle or the new one.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import io
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from platformdirs import user_cache_dir

from edgeserve import __version__
from edgeserve.errors import ConfigError, ModelError, ToolError
from edgeserve.graph import DType, Graph, Tensor
from edgeserve.strict_json import dump_json, load_json
from edgeserve.tflite.reader import MAX_FILE_BYTES, read_model

SCHEMA_VERSION = 1
KEPT_SAMPLES = 32
LOCK_WAIT_S = 3.0
GIVEN_AS_TFLITE = "given as .tflite"

BUNDLE_FILE = "bundle.json"
MODEL_FILE = "model.tflite"
CALIBRATION_FILE = "calibration.json"
SAMPLES_FILE = "calibration.npz"
MEASUREMENTS_FILE = "measurements.jsonl"
_CARRIED_SOURCES = "boards/*/firmware/src/app.c"

Samples = tuple[NDArray[Any], ...]
"""One array an input, in the model's order, each of shape ``(n, *input shape without batch)``."""


class InputAdapter(StrEnum):
    """What the bytes sent to a device are, before they are the model's input."""

    NONE = "none"
    UINT8_TO_INT8 = "uint8-to-int8"
    FLOAT32_QUANTIZE = "float32-quantize"


class SourceKind(StrEnum):
    """The kinds of model files that a bundle is made from."""

    KERAS = "keras"
    HDF5 = "h5"
    SAVED_MODEL = "saved_model"
    TFLITE = "tflite"


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Where a model came from. For a folder the hash covers its sorted names and their bytes."""

    kind: SourceKind
    sha256: str


@dataclass(frozen=True, slots=True)
class ToolVersion:
    """A tool that took part in the conversion."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """An input or output; ``scale`` and ``zero_point`` are None where it is not quantized."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    scale: float | None
    zero_point: int | None

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def size_bytes(self) -> int:
        return self.elements * self.dtype.size_bytes


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the weights and activations were made integers, and by what."""

    activations: DType
    weights: DType
    weights_per_channel: bool
    converter: str


@dataclass(frozen=True, slots=True)
class OutputAgreement:
    """How far the dequantized output of the INT8 model is from the float model's, in real values.

    ``step`` is the output's quantization scale: the least difference that the INT8 model can say.
    """

    name: str
    max_abs_error: float
    mean_abs_error: float
    step: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The INT8 model beside the float one, over ``samples`` of ``available`` calibration samples.

    The counts of equal top-1 answers and of right answers are None where the model is no classifier
    (one output of shape ``[1, n]``, n at least 2) or where no labels were given.
    """

    samples: int
    available: int
    outputs: tuple[OutputAgreement, ...]
    top1_equal: int | None
    float_correct: int | None
    int8_correct: int | None

    @property
    def top1_agreement(self) -> float | None:
        """Share of samples on which both models give the same class."""
        return self._share(self.top1_equal)

    @property
    def float_accuracy(self) -> float | None:
        """Share of samples that the float model gives the labelled class."""
        return self._share(self.float_correct)

    @property
    def int8_accuracy(self) -> float | None:
        """Share of samples that the INT8 model gives the labelled class."""
        return self._share(self.int8_correct)

    def _share(self, count: int | None) -> float | None:
        return None if count is None else count / self.samples


@dataclass(frozen=True, slots=True)
class CalibratedInput:
    """The range of real values that the calibration samples gave one input."""

    name: str
    shape: tuple[int, ...]
    minimum: float
    maximum: float


class CalibrationKind(StrEnum):
    """The kinds of calibration data that are read."""

    NPZ = "npz"
    NPY = "npy"
    IMAGES = "images"


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """What the model was calibrated with.

    ``preprocessing`` says in words how files became samples. ``sha256`` is of the samples as the
    float model received them (little-endian float32, inputs in order), then the labels (int64).
    """

    kind: CalibrationKind
    samples: int
    labelled: bool
    classes: tuple[str, ...]
    preprocessing: str
    sha256: str
    inputs: tuple[CalibratedInput, ...]


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """``calibration.json``: the record, or the reason why there is none."""

    schema: int
    record: CalibrationRecord | None
    absent_reason: str | None


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """``bundle.json``. ``quantization`` and ``agreement`` are None for the reason beside them."""

    schema: int
    name: str
    model_sha256: str
    source: SourceFacts
    tools: tuple[ToolVersion, ...]
    input_adapter: InputAdapter
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    quantization: Quantization | None
    agreement: Agreement | None
    absent_reason: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BundleContents:
    """Everything that :func:`write_bundle` puts into a new bundle."""

    facts: BundleFacts
    model_tflite: bytes
    calibration: CalibrationRecord | None
    samples: Samples | None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk, read and checked."""

    path: Path
    facts: BundleFacts
    calibration: CalibrationRecord | None

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def identifier(self) -> str:
        """The name as a C identifier."""
        return c_identifier(self.facts.name)

    @property
    def model_path(self) -> Path:
        return self.path / MODEL_FILE

    @property
    def measurements_path(self) -> Path:
        return self.path / MEASUREMENTS_FILE

    def board_dir(self, board_id: str) -> Path:
        """The folder of one board's plan and firmware; its writer creates it."""
        return board_dir(self.path, board_id)

    def model_bytes(self) -> bytes:
        return _read_bytes(self.model_path)

    def samples(self) -> Samples | None:
        """The kept calibration samples, as the model's inputs take them; None when there are none.

        Raises ConfigError when the file is damaged or does not suit the model's inputs.
        """
        if self.calibration is None:
            return None
        return _read_samples(self.path / SAMPLES_FILE, self.facts.inputs)


def board_dir(bundle_path: Path, board_id: str) -> Path:
    """The folder of ``board_id`` in the bundle at ``bundle_path``; ConfigError on a bad id."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", board_id):
        raise ConfigError(
            f"{board_id!r} is not the id of a board",
            hint="ids are lower-case letters, digits, _, -",
        )
    return bundle_path / "boards" / board_id


def tensor_facts(tensor: Tensor) -> TensorFacts:
    """The facts of an input or output; a quantization along an axis has no one scale to tell."""
    quant = tensor.quant
    single = quant if quant is not None and len(quant.scales) == 1 else None
    return TensorFacts(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        scale=None if single is None else single.scale,
        zero_point=None if single is None else single.zero_point,
    )


def make_contents(
    *,
    name: str,
    graph: Graph,
    model_tflite: bytes,
    source: SourceFacts,
    tools: Sequence[ToolVersion] = (),
    quantization: Quantization | None = None,
    calibration: CalibrationRecord | None = None,
    samples: Samples | None = None,
    agreement: Agreement | None = None,
    absent_reason: str | None = None,
    notes: Sequence[str] = (),
    input_adapter: InputAdapter = InputAdapter.NONE,
) -> BundleContents:
    """Gather the contents of a bundle; ``samples`` are as the model's inputs take them.

    At most 32 samples are kept, evenly spaced. ``absent_reason`` says why quantization, agreement
    or calibration are None.
    """
    facts = BundleFacts(
        schema=SCHEMA_VERSION,
        name=name.encode("utf-8", "replace").decode("utf-8"),
        model_sha256=hashlib.sha256(model_tflite).hexdigest(),
        source=source,
        tools=(ToolVersion("edgeserve", __version__), *tools),
        input_adapter=input_adapter,
        inputs=tuple(tensor_facts(graph.tensors[i]) for i in graph.inputs),
        outputs=tuple(tensor_facts(graph.tensors[i]) for i in graph.outputs),
        quantization=quantization,
        agreement=agreement,
        absent_reason=absent_reason,
        notes=(*graph.notes, *notes),
    )
    kept = None if samples is None else tuple(array[_kept_rows(len(array))] for array in samples)
    return BundleContents(facts, model_tflite, calibration, kept)


def contents_of_tflite(name: str, model_tflite: bytes) -> BundleContents:
    """The contents of a bundle made of nothing but a ``.tflite`` file; ModelError when damaged."""
    return make_contents(
        name=name,
        graph=read_model(model_tflite, name=name),
        model_tflite=model_tflite,
        source=SourceFacts(SourceKind.TFLITE, hashlib.sha256(model_tflite).hexdigest()),
        absent_reason=GIVEN_AS_TFLITE,
    )


def read_tflite(path: Path) -> bytes:
    """The bytes of a ``.tflite`` file; ModelError when it is larger than the reader takes."""
    with _read_errors(path), path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(
            f"{path} is larger than {MAX_FILE_BYTES:,} bytes",
            hint="no supported device holds such a model: make it smaller or quantize it",
        )
    return data


def write_bundle(
    dest: Path,
    contents: BundleContents,
    *,
    force: bool = False,
    populate: Callable[[Path], None] | None = None,
) -> Bundle:
    """Write a new bundle at ``dest``, whole or not at all.

    ``populate`` may add board folders to the staged folder that it is given, before the bundle
    takes its place. With ``force`` an existing bundle is replaced; its measurements and each
    board's ``app.c`` are carried over. Raises ConfigError when ``dest`` exists and ``force`` is not
    given, when it exists and is no bundle, or when another process holds the bundle's lock;
    ToolError when the disk refuses.
    """
    dest = _resolved(dest)
    with bundle_lock(dest), _os_errors(dest):
        dest.parent.mkdir(parents=True, exist_ok=True)
        _recover(dest)
        _require_replaceable(dest, force)
        staged = _staged(dest)
        try:
            _fill(staged, contents)
            if populate is not None:
                populate(staged)
            _carry_over(dest, staged)
            _put_in_place(staged, dest)
        finally:
            _remove(staged)
    return load_bundle(dest)


def load_bundle(path: Path) -> Bundle:
    """Read and check the bundle at ``path``.

    Raises ConfigError when it is missing, damaged, of another schema version, or when its
    ``model.tflite`` is not the one that ``bundle.json`` describes.
    """
    path = _resolved(path)
    if not path.exists() and _replaced(path).exists():
        with bundle_lock(path), _os_errors(path):
            _recover(path)
    if not (path / BUNDLE_FILE).is_file():
        raise ConfigError(
            f"{path} is not a bundle: it has no {BUNDLE_FILE}",
            hint="make one with edgeserve convert, or give a .tflite file",
        )
    facts = _load(BundleFacts, path / BUNDLE_FILE)
    calibration = _load(CalibrationFile, path / CALIBRATION_FILE)
    if hashlib.sha256(_read_bytes(path / MODEL_FILE)).hexdigest() != facts.model_sha256:
        raise ConfigError(
            f"{path / MODEL_FILE} is not the model that {BUNDLE_FILE} describes",
            hint="convert again: a bundle's files are not edited one by one",
        )
    return Bundle(path, facts, calibration.record)


def open_bundle(path: Path, *, cache_dir: Path | None = None) -> Bundle:
    """The bundle at ``path``, or the cached bundle of the ``.tflite`` file at ``path``.

    The cache lies in ``cache_dir``, else in ``EDGESERVE_CACHE``, else in the user's cache folder,
    by the model's SHA-256 and the file's name. Raises ConfigError or, for a damaged
    model, ModelError.
    """
    if path.is_dir() or (not path.exists() and path.suffix != ".tflite"):
        return load_bundle(path)
    if not path.is_file():
        raise ConfigError(f"{path} does not exist", hint="give a bundle or a .tflite file")
    contents = contents_of_tflite(path.stem, read_tflite(path))
    root = cache_root() if cache_dir is None else cache_dir
    key = f"{contents.facts.model_sha256[:16]}-{c_identifier(path.stem)}"
    return _cached(root / "bundles" / key, contents)


def cache_root() -> Path:
    """``EDGESERVE_CACHE`` where set, else ``edgeserve`` in the user's cache folder."""
    given = os.environ.get("EDGESERVE_CACHE")
    return Path(given) if given else Path(user_cache_dir("edgeserve", appauthor=False))


@contextmanager
def bundle_lock(path: Path, *, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the one lock of the bundle at ``path`` (which need not exist yet).

    A process may take a lock that it holds already. The lock ends with the process. Raises
    ConfigError when another process still holds it after ``wait_s`` seconds.
    """
    key = hashlib.sha256(os.fsencode(_resolved(path))).hexdigest()[:32]
    lock_file = cache_root() / "locks" / f"{key}.lock"
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_file, is_singleton=True, thread_local=False)
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise ConfigError(
            f"{path} is in use by another edgeserve process", hint="wait until that one has ended"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"cannot lock {path}: {lock_file}: {error.strerror}",
            hint="set EDGESERVE_CACHE to a folder that can be written",
        ) from error
    try:
        yield
    finally:
        lock.release()


_RESERVED_WORDS = """
    alignas alignof asm auto bool break case catch char class const constexpr continue default
    delete do double else enum explicit export extern false float for friend goto if inline int
    linux long main mutable namespace new noexcept nullptr operator private protected public
    register restrict return short signed sizeof static struct switch template this thread_local
    throw true try typedef typename typeof union unix unsigned using virtual void volatile wchar_t
    while
    memcpy memset memmove memcmp
    NULL EOF NAN INFINITY errno assert stdin stdout stderr
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_IDENTIFIER_LENGTH = 40


def c_identifier(name: str) -> str:
    """A C identifier made of ``name``, the same on every machine and for ever.

    Each run of characters other than ASCII letters and digits becomes
    one ``_``; none is left at the ends; at most 40 characters stay. A name of which nothing is left
    becomes ``model``; ``model_`` goes before a digit and before names that C, C++, the runtime
    (``es_``) or the preprocessor own. Different names may give the same identifier.
    """
    text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    text = text[:_IDENTIFIER_LENGTH].rstrip("_")
    if not text:
        return "model"
    if text[0].isdigit() or text in _RESERVED or text.lower().startswith("es_"):
        return f"model_{text}"
    return text


def quantize_samples(values: NDArray[Any], facts: TensorFacts) -> NDArray[Any]:
    """``values`` (float, any shape) as the input ``facts`` takes them: ``round(x / scale) + zp``.

    Halves round away from zero, as TFLite's QUANTIZE does; the result saturates. An input that is
    float32 itself takes the values as they are.
    """
    if facts.dtype is DType.FLOAT32:
        return np.asarray(values, np.float32)
    if facts.scale is None or facts.zero_point is None:
        raise ConfigError(
            f"input {facts.name!r} has no scale, so real values cannot be given to it"
        )
    limits = np.iinfo(facts.dtype.value)
    ratio = np.asarray(values, np.float64) / facts.scale
    rounded = np.trunc(ratio + np.copysign(0.5, ratio)) + facts.zero_point
    quantized: NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(facts.dtype.value)
    return quantized


def _kept_rows(samples: int) -> NDArray[np.int64]:
    kept = min(samples, KEPT_SAMPLES)
    return np.arange(kept, dtype=np.int64) * samples // max(kept, 1)


def _cached(dest: Path, contents: BundleContents) -> Bundle:
    """The bundle at ``dest`` where it is whole and the same, else written anew."""
    with bundle_lock(dest):
        try:
            bundle = load_bundle(dest)
            if bundle.facts == contents.facts:
                return bundle
        except ConfigError:
            # A damaged or missing cache entry is worth nothing: the .tflite file is the source.
            if not (dest / BUNDLE_FILE).is_file():
                with _os_errors(dest):
                    _remove(dest)
        return write_bundle(dest, contents, force=True)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{str(path)!r} cannot be used as a path: {error}") from error


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ToolError(
            f"cannot write {error.filename or path}: {error.strerror or error}",
            hint="the bundle that stood there before is unchanged",
        ) from error


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _read_bytes(path: Path) -> bytes:
    with _read_errors(path):
        return path.read_bytes()


def _load(cls: Any, path: Path) -> Any:
    try:
        text = _read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", hint="convert again") from error
    value = load_json(cls, text, where=str(path))
    if value.schema != SCHEMA_VERSION:
        raise ConfigError(
            f"{path} has schema {value.schema}, and this edgeserve reads {SCHEMA_VERSION}",
            hint="convert again with this version",
        )
    return value


def _read_samples(path: Path, inputs: tuple[TensorFacts, ...]) -> Samples:
    try:
        with np.load(io.BytesIO(_read_bytes(path)), allow_pickle=False) as archive:
            arrays = tuple(archive[f"input_{i}"] for i in range(len(inputs)))
    except (ValueError, KeyError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} is damaged: {error}", hint="convert again") from error
    for array, facts in zip(arrays, inputs, strict=True):
        if array.shape[1:] != facts.shape[1:] or array.dtype != np.dtype(facts.dtype.value):
            raise ConfigError(
                f"{path}: input {facts.name!r} takes {facts.dtype} of shape {facts.shape}, "
                f"the samples are {array.dtype} of shape {array.shape}",
                hint="convert again",
            )
    return arrays


def _fill(staged: Path, contents: BundleContents) -> None:
    """Write the files of a bundle into the new folder ``staged``."""
    _remove(staged)
    staged.mkdir()
    (staged / MODEL_FILE).write_bytes(contents.model_tflite)
    reason = contents.facts.absent_reason if contents.calibration is None else None
    record = CalibrationFile(SCHEMA_VERSION, contents.calibration, reason)
    (staged / CALIBRATION_FILE).write_text(dump_json(record), encoding="utf-8")
    if contents.samples is not None:
        arrays = {f"input_{i}": array for i, array in enumerate(contents.samples)}
        with (staged / SAMPLES_FILE).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    (staged / BUNDLE_FILE).write_text(dump_json(contents.facts), encoding="utf-8")


def _require_replaceable(dest: Path, force: bool) -> None:
    if not os.path.lexists(dest):
        return
    if not force:
        raise ConfigError(f"{dest} exists already", hint="--force replaces it")
    is_empty = dest.is_dir() and not any(dest.iterdir())
    if not is_empty and not (dest / BUNDLE_FILE).is_file():
        raise ConfigError(
            f"{dest} exists and is not a bundle, so it is not replaced",
            hint="name another place, or remove it yourself",
        )


def _carry_over(old: Path, staged: Path) -> None:
    """Copy into ``staged`` what the user owns in the bundle ``old``."""
    kept = [old / MEASUREMENTS_FILE, *sorted(old.glob(_CARRIED_SOURCES))]
    for path in kept:
        if path.is_file():
            target = staged / path.relative_to(old)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def _staged(dest: Path) -> Path:
    return dest.with_name(f".{dest.name}.new")


def _replaced(dest: Path) -> Path:
    return dest.with_name(f".{dest.name}.old")


def _recover(dest: Path) -> None:
    """Undo what a killed writer left: bring the old bundle back, remove the half-made one."""
    if not os.path.lexists(dest) and _replaced(dest).exists():
        _replaced(dest).rename(dest)
    _remove(_replaced(dest))
    _remove(_staged(dest))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _put_in_place(staged: Path, dest: Path) -> None:
    if not os.path.lexists(dest):
        staged.rename(dest)
    elif not _exchange(staged, dest):
        dest.rename(_replaced(dest))
        staged.rename(dest)
        _remove(_replaced(dest))


_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step; False where the system or the file system cannot."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    paths = os.fsencode(first), os.fsencode(second)
    if renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(second))


def _renameat2() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)

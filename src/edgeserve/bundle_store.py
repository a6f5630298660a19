"""Bundles on disk: written whole or not at all, read strictly, locked, cached by their model.

    bundle.json           what the bundle is (:class:`BundleFacts`)
    model.tflite          the model, byte for byte
    float.tflite          the float32 model that it was quantized from, where convert did that
    model.mlpackage/      the same model for Core ML, where it was converted for iOS
    calibration.json      what the model was calibrated with, or why that is not known
    accuracy.json         how it answers beside its float model, by the last ``accuracy``
    calibration.npz       at most 32 of those samples, as the model's input takes them
    boards/<id>/          a board's plan.json and firmware/, written by later verbs
    measurements.jsonl    one line a measurement, kept when the bundle is written again
    phone_measurements.jsonl  likewise, of phones
    claims.toml           what others say of the model (the user's, kept likewise)

A bundle is written beside its place and exchanged with what stands there, so that a process killed
at any moment leaves either the old bundle or the new one.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from edgeserve.accuracy_record import SCHEMA_VERSION as ACCURACY_SCHEMA
from edgeserve.accuracy_record import AccuracyRecord
from edgeserve.bundle import (
    SCHEMA_VERSION,
    BundleContents,
    BundleFacts,
    CalibrationFile,
    CalibrationRecord,
    Samples,
    TensorFacts,
    contents_of_tflite,
)
from edgeserve.cache import cache_root
from edgeserve.errors import ConfigError, ModelError, ToolError
from edgeserve.file_swap import write_whole
from edgeserve.folder_hash import folder_sha256
from edgeserve.folder_swap import is_cut, recover, remove, replacing
from edgeserve.identifier import c_identifier
from edgeserve.strict_json import dump_json, load_json
from edgeserve.tensor_ranges import RangeRecord
from edgeserve.tflite.reader import MAX_FILE_BYTES

LOCK_WAIT_S = 15.0

BUNDLE_FILE = "bundle.json"
MODEL_FILE = "model.tflite"
FLOAT_FILE = "float.tflite"
MLPACKAGE = "model.mlpackage"
CALIBRATION_FILE = "calibration.json"
SAMPLES_FILE = "calibration.npz"
ACCURACY_FILE = "accuracy.json"
MEASUREMENTS_FILE = "measurements.jsonl"
PHONE_MEASUREMENTS_FILE = "phone_measurements.jsonl"
CLAIMS_FILE = "claims.toml"
_CARRIED_SOURCES = "boards/*/firmware/src/app.c"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk, read and checked."""

    path: Path
    facts: BundleFacts
    calibration: CalibrationRecord | None
    ranges: RangeRecord | None = None

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def identifier(self) -> str:
        """The name as a C identifier; not ``t``: ``es_model_t`` is the runtime's."""
        identifier = c_identifier(self.facts.name)
        return "model_t" if identifier == "t" else identifier

    @property
    def model_path(self) -> Path:
        return self.path / MODEL_FILE

    @property
    def mlpackage_path(self) -> Path | None:
        """The Core ML package; None where the bundle has none."""
        return None if self.facts.coreml is None else self.path / MLPACKAGE

    @property
    def measurements_path(self) -> Path:
        return self.path / MEASUREMENTS_FILE

    def board_dir(self, board_id: str) -> Path:
        """The folder of one board's plan and firmware; its writer creates it."""
        return board_dir(self.path, board_id)

    def model_bytes(self) -> bytes:
        return _read_bytes(self.model_path)

    def float_bytes(self) -> bytes | None:
        """The float32 model that ``model.tflite`` was quantized from; None where it was given so.

        Raises ConfigError when the file is not the one that ``bundle.json`` describes.
        """
        if self.facts.float_sha256 is None:
            return None
        return _described(self.path / FLOAT_FILE, self.facts.float_sha256)

    def accuracy(self) -> AccuracyRecord | None:
        """What the last ``accuracy`` found of this model; None where there was none.

        Raises ConfigError when the file is damaged, of another schema, or of another model.
        """
        path = self.path / ACCURACY_FILE
        if not path.is_file():
            return None
        record: AccuracyRecord = _load(AccuracyRecord, path, ACCURACY_SCHEMA)
        if record.model_sha256 != self.facts.model_sha256:
            raise ConfigError(
                f"{path} is of another model than the one in its bundle",
                hint="run edgeserve accuracy again",
            )
        return record

    def record_accuracy(self, record: AccuracyRecord) -> None:
        """Writes ``accuracy.json`` in place of an earlier one. Raises ToolError for the disk."""
        path = self.path / ACCURACY_FILE
        with bundle_lock(self.path), _os_errors(path):
            write_whole(path, dump_json(record).encode())

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


def require_place(dest: Path, *, force: bool) -> None:
    """Raises ConfigError where no bundle may come to lie: to be asked before anything long begins.

    A bundle, or an empty folder, is replaced with ``force`` alone, anything else never.
    """
    above = next(path for path in _resolved(dest).parents if os.path.lexists(path))
    if not above.is_dir():
        raise ConfigError(
            f"no bundle can be made at {dest}: {above} is a file", hint="name another place"
        )
    if not os.path.lexists(dest):
        return
    is_empty = dest.is_dir() and not any(dest.iterdir())
    if not is_empty and not (dest / BUNDLE_FILE).is_file():
        raise ConfigError(
            f"{dest} exists and is not a bundle, so it is not replaced",
            hint="name another place, or remove it yourself",
        )
    if not force:
        raise ConfigError(f"{dest} exists", hint="add --force to replace the bundle")


def write_bundle(
    dest: Path,
    contents: BundleContents,
    *,
    force: bool = False,
    populate: Callable[[Path], None] | None = None,
) -> Bundle:
    """Write a new bundle at ``dest``, whole or not at all.

    ``populate`` may add board folders to the staged folder that it is given, before the bundle
    takes its place. With ``force`` an existing bundle is replaced; its measurements, claims
    and each board's ``app.c`` are carried over. Raises ConfigError when ``dest`` exists and
    ``force`` is not given, when it exists and is no bundle, or when another process holds the
    bundle's lock; ToolError when the disk refuses.
    """
    dest = _resolved(dest)
    with bundle_lock(dest), _os_errors(dest):
        recover(dest)
        require_place(dest, force=force)
        with replacing(dest) as staged:
            _fill(staged, contents)
            if populate is not None:
                populate(staged)
            _carry_over(dest, staged)
    return load_bundle(dest)


def load_bundle(path: Path) -> Bundle:
    """Read and check the bundle at ``path``.

    Raises ConfigError when it is missing, damaged, of another schema version, or when its
    ``model.tflite`` or ``model.mlpackage`` is not the one that ``bundle.json`` describes.
    """
    path = _resolved(path)
    if is_cut(path):
        with bundle_lock(path), _os_errors(path):
            recover(path)
    if not (path / BUNDLE_FILE).is_file():
        raise ConfigError(
            f"{path} is not a bundle: it has no {BUNDLE_FILE}",
            hint="make one with edgeserve convert, or give a .tflite file",
        )
    facts = _load(BundleFacts, path / BUNDLE_FILE)
    calibration = _load(CalibrationFile, path / CALIBRATION_FILE)
    _described(path / MODEL_FILE, facts.model_sha256)
    if facts.coreml is not None:
        _require_package(path / MLPACKAGE, facts.coreml.sha256)
    return Bundle(path, facts, calibration.record, calibration.ranges)


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
                    remove(dest)
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


def _described(path: Path, sha256: str) -> bytes:
    """The bytes of a model in a bundle; ConfigError when ``bundle.json`` describes others."""
    model = _read_bytes(path)
    if hashlib.sha256(model).hexdigest() != sha256:
        raise ConfigError(
            f"{path} is not the model that {BUNDLE_FILE} describes",
            hint="convert again: a bundle's files are not edited one by one",
        )
    return model


def _require_package(folder: Path, sha256: str) -> None:
    with _read_errors(folder):
        found = folder_sha256(folder)
    if found != sha256:
        raise ConfigError(
            f"{folder} is not the package that {BUNDLE_FILE} describes",
            hint="convert again: Xcode works on a copy, a bundle's files are not edited",
        )


def _load(cls: Any, path: Path, schema: int = SCHEMA_VERSION) -> Any:
    try:
        text = _read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", hint="convert again") from error
    return load_json(cls, text, where=str(path), schema=schema)


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
    (staged / MODEL_FILE).write_bytes(contents.model_tflite)
    if contents.float_tflite is not None:
        (staged / FLOAT_FILE).write_bytes(contents.float_tflite)
    if contents.mlpackage is not None:
        shutil.copytree(contents.mlpackage, staged / MLPACKAGE)
    reason = contents.facts.absent_reason if contents.calibration is None else None
    record = CalibrationFile(SCHEMA_VERSION, contents.calibration, contents.ranges, reason)
    (staged / CALIBRATION_FILE).write_text(dump_json(record), encoding="utf-8")
    if contents.samples is not None:
        arrays = {f"input_{i}": array for i, array in enumerate(contents.samples)}
        with (staged / SAMPLES_FILE).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    (staged / BUNDLE_FILE).write_text(dump_json(contents.facts), encoding="utf-8")


def _carry_over(old: Path, staged: Path) -> None:
    """Copy into ``staged`` what the user owns in the bundle ``old``."""
    names = (MEASUREMENTS_FILE, PHONE_MEASUREMENTS_FILE, CLAIMS_FILE)
    for path in (*(old / name for name in names), *sorted(old.glob(_CARRIED_SOURCES))):
        if path.is_file():
            target = staged / path.relative_to(old)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)

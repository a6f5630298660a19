"""What kind of model a source path is, told by its name and its first bytes."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgeserve.bundle import SourceFacts, SourceKind
from edgeserve.errors import ConfigError, ConversionError
from edgeserve.folder_hash import folder_sha256, update_by_file

ACCEPTED = (
    "a Keras .keras or .h5 file, a SavedModel folder, a PyTorch .pt2 file (torch.export), an .onnx "
    "file, or a .tflite file"
)

_KIND_OF_SUFFIX = {
    ".keras": SourceKind.KERAS,
    ".h5": SourceKind.HDF5,
    ".hdf5": SourceKind.HDF5,
    ".tflite": SourceKind.TFLITE,
    ".pt2": SourceKind.PYTORCH,
    ".onnx": SourceKind.ONNX,
}
_TORCH_SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".safetensors"})
_TORCH_HINT = (
    "export it where the model is defined: "
    "torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2')"
)
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Source:
    """A model that exists and looks like its kind."""

    path: Path
    facts: SourceFacts

    @property
    def kind(self) -> SourceKind:
        return self.facts.kind

    @property
    def name(self) -> str:
        """The name that a bundle takes from the path."""
        resolved = self.path.resolve()
        return resolved.name if self.kind is SourceKind.SAVED_MODEL else resolved.stem


def read_source(path: Path) -> Source:
    """Find out what ``path`` is.

    Raises ConfigError when it is missing or no kind that is accepted, ConversionError when its
    content is not what its name says.
    """
    kind = _kind(path)
    try:
        _require_magic(path, kind)
        return Source(path, SourceFacts(kind, _sha256(path)))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _kind(path: Path) -> SourceKind:
    hint = f"edgeserve converts {ACCEPTED}"
    if not path.exists():
        raise ConfigError(f"{path} does not exist", hint=hint)
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return SourceKind.SAVED_MODEL
        raise ConfigError(f"{path} is a folder without saved_model.pb", hint=hint)
    kind = _KIND_OF_SUFFIX.get(path.suffix.lower())
    if path.suffix.lower() in _TORCH_SUFFIXES:
        raise ConversionError(
            f"{path} is {_told_torch(path)}, which is not converted",
            hint=_TORCH_HINT,
        )
    if kind is None:
        raise ConfigError(f"{path} is of no kind that can be converted", hint=hint)
    return kind


def _told_torch(path: Path) -> str:
    """What a PyTorch file is, without unpickling it."""
    if path.suffix.lower() == ".safetensors":
        return "a file of weights"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any("/code/" in name or name.endswith("constants.pkl") for name in names):
            return "TorchScript"
    return "a pickle of weights or of Python objects"


def _require_magic(path: Path, kind: SourceKind) -> None:
    if kind is SourceKind.SAVED_MODEL:
        return
    with path.open("rb") as file:
        head = file.read(8)
    looks_right = {
        SourceKind.KERAS: zipfile.is_zipfile(path),
        SourceKind.HDF5: head == _HDF5_MAGIC,
        SourceKind.TFLITE: head[4:] == b"TFL3",
        SourceKind.PYTORCH: zipfile.is_zipfile(path),
        # A protobuf has no magic: field 1, the version of the format, comes first by custom.
        SourceKind.ONNX: head[:1] == b"\x08",
    }[kind]
    if not looks_right:
        raise ConversionError(
            f"{path} is damaged, or not a {path.suffix} file",
            hint="save the model again; a download may have been cut short",
        )


def _sha256(path: Path) -> str:
    if path.is_dir():
        return folder_sha256(path)
    digest = hashlib.sha256()
    update_by_file(digest, path)
    return digest.hexdigest()

"""Writing a package: a new folder, or a zip file whose bytes depend on nothing but the files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from edgeserve.errors import ConfigError, ToolError
from edgeserve.file_swap import write_whole
from edgeserve.folder_swap import replacing

ZIP = ".zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can name."""

_REGULAR_FILE = 0o100644 << 16
_MADE_ON_UNIX = 3


def write_package(destination: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Writes ``files`` to a folder, or below a folder ``name`` into a ``.zip``; all or nothing.

    Raises ConfigError when the place is taken, ToolError when the disk refuses.
    """
    if destination.exists():
        raise ConfigError(f"{destination} exists", hint="name a place that is not taken")
    try:
        if destination.suffix == ZIP:
            _write_zip(destination, name, files)
        else:
            with replacing(destination) as staged:
                for path, data in files.items():
                    target = staged / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
    except OSError as error:
        raise ToolError(
            f"cannot write {error.filename or destination}: {error.strerror}",
            hint="choose another place",
        ) from error


def zipped(name: str, files: Mapping[str, bytes]) -> bytes:
    """A zip file with ``files`` below a folder ``name``, sorted, of a fixed time, uncompressed: how
    well zlib packs differs by its version.
    """
    whole = BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(f"{name}/{path}", _EPOCH)
            entry.external_attr = _REGULAR_FILE
            entry.create_system = _MADE_ON_UNIX
            archive.writestr(entry, files[path])
    return whole.getvalue()


def _write_zip(destination: Path, name: str, files: Mapping[str, bytes]) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    write_whole(destination, zipped(name, files))

"""One SHA-256 for a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def folder_sha256(folder: Path) -> str:
    """Of the sorted names in ``folder`` and their bytes, lengths before both. Raises OSError."""
    digest = hashlib.sha256()
    for file in sorted(_files(folder), key=lambda file: file.relative_to(folder).as_posix()):
        name = file.relative_to(folder).as_posix().encode("utf-8", "surrogateescape")
        digest.update(len(name).to_bytes(8, "little") + name)
        digest.update(file.stat().st_size.to_bytes(8, "little"))
        update_by_file(digest, file)
    return digest.hexdigest()


def update_by_file(digest: hashlib._Hash, path: Path) -> None:
    """Takes the bytes of a file into ``digest``, a piece at a time."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())

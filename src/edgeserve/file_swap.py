"""A file that is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from edgeserve.errors import ConfigError


def write_whole(dest: Path, data: bytes) -> None:
    """Puts ``data`` in the place of ``dest``. Raises OSError of ``dest``; what was there stays."""
    draft = dest.with_name(f".{dest.name}.new")
    try:
        draft.write_bytes(data)
        draft.replace(dest)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(dest)) from error
    finally:
        draft.unlink(missing_ok=True)


def write_where_asked(dest: Path, data: bytes) -> None:
    """The same for a file that a user has named. Raises ConfigError when the disk refuses."""
    try:
        write_whole(dest, data)
    except OSError as error:
        raise ConfigError(
            f"cannot write {dest}: {error.strerror}",
            hint="name a file in a folder that exists and that you may write to",
        ) from error

"""Replacing a folder whole: a process killed at any moment leaves the old one or the new one."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeserve.errors import ConfigError


def is_cut(dest: Path) -> bool:
    """Whether a writer was killed between setting the old folder aside and putting the new one."""
    return not os.path.lexists(dest) and _replaced(dest).exists()


def recover(dest: Path) -> None:
    """Undo what a killed writer left: bring the old folder back, remove the half-made one."""
    if is_cut(dest):
        _replaced(dest).rename(dest)
    remove(_replaced(dest))
    remove(_staged(dest))


@contextmanager
def replacing(dest: Path) -> Iterator[Path]:
    """An empty folder beside ``dest``, which takes its place when the block ends without an error.

    One writer at a time, after ``recover``. Raises OSError; then ``dest`` is as it was.
    """
    dest.parent.mkdir(parents=True, exist_ok=True)
    staged = _staged(dest)
    remove(staged)
    staged.mkdir()
    try:
        yield staged
        _put_in_place(staged, dest)
    finally:
        remove(staged)


def write_new_folder(dest: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    """Write texts by their names into a folder that is not there yet, whole or not at all.

    Raises ConfigError when the folder exists or the disk refuses.
    """
    if dest.exists():
        raise ConfigError(f"{dest} exists", hint="name a folder that is not there yet")
    try:
        with replacing(dest) as staged:
            for name, text in files.items():
                (staged / name).write_text(text)
    except OSError as error:
        raise ConfigError(f"cannot write {dest}: {error.strerror}") from error
    return tuple(dest / name for name in files)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _staged(dest: Path) -> Path:
    return dest.with_name(f".{dest.name}.new")


def _replaced(dest: Path) -> Path:
    return dest.with_name(f".{dest.name}.old")


def _put_in_place(staged: Path, dest: Path) -> None:
    if not os.path.lexists(dest):
        staged.rename(dest)
    elif not _exchange(staged, dest):
        dest.rename(_replaced(dest))
        staged.rename(dest)
        remove(_replaced(dest))


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

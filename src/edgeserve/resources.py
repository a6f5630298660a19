"""Where the files that travel with edgeserve lie: in a checkout, or inside the wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def firmware_root() -> Path:
    """The C sources: ``include/``, ``runtime/``, ``adapters/``, ``kernels/``, ``ports/``."""
    return _root("firmware")


def boards_root() -> Path:
    """The board files."""
    return _root("boards")


def phones_root() -> Path:
    """The files of kinds of phones."""
    return _root("phones")


def harness_root() -> Path:
    """The C sources of the harness for phones."""
    return _root("android_harness")


def _root(name: str) -> Path:
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parents[1] / name

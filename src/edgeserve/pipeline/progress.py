"""How a verb tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float | None, str], None]
"""Share done in 0..1 (None: unknown) and what is going on."""


def silent(share: float | None, message: str) -> None:
    """A progress callback that shows nothing."""

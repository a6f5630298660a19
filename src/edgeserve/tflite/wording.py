"""How error messages call the parts of a model file."""

from __future__ import annotations

from edgeserve.errors import ModelError

DAMAGED_HINT = "the file is damaged: export or download it again"

_SHOWN_CHARACTERS = 80


def damaged(where: str, fault: str) -> ModelError:
    """The error for a fault that no sound file has: ``where`` it is and what is wrong there."""
    return ModelError(f"{where}: {fault}", hint=DAMAGED_HINT)


def clipped(name: str) -> str:
    """A name from a file, cut to what one line can show."""
    return name if len(name) <= _SHOWN_CHARACTERS else name[:_SHOWN_CHARACTERS] + "..."


def shown(name: str) -> str:
    """A name from a file, clipped, quoted and escaped, so that it cannot spoil a terminal."""
    return repr(clipped(name))

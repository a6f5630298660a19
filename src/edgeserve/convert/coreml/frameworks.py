"""Importing coremltools, alone."""

from __future__ import annotations

import logging
import sys
from typing import Any

from edgeserve.errors import MissingTool

INSTALL = "pip install 'edgeserve[coreml]'"
_UNWANTED = ("tensorflow", "torch", "executorch")


def coremltools() -> Any:
    """The package ``coremltools``, without the frameworks that it would import where it finds them.

    They take seconds, and none is needed to build a program. Raises MissingTool.
    """
    absent = [name for name in _UNWANTED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: not importable
    # It warns of each framework that is newer than those it was tested with, and of absent macOS.
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    try:
        import coremltools as module
    except ImportError as error:
        raise MissingTool("coremltools", install=INSTALL) from error
    finally:
        for name in absent:
            sys.modules.pop(name, None)
    return module


def palettizer() -> None:
    """Raises MissingTool where scikit-learn is not installed, whose k-means makes palettes."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingTool("scikit-learn", install=INSTALL) from error

"""A file of raw data with what training made of them, held against a bundle's declaration."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from edgeserve.bundle_store import Bundle
from edgeserve.errors import ConfigError
from edgeserve.preprocess.host import require_raw
from edgeserve.preprocess.skew import Diagnosis, diagnose

MOST_SAMPLES = 8
"""Enough to tell variants apart; there are hundreds of them."""
_HINT = "save two arrays: numpy.savez(FILE, raw=uint8 or int16 [n, ...], x=float32 [n, ...])"


def check_reference(bundle: Bundle, path: Path) -> Diagnosis:
    """What training did differently, if anything. Raises ConfigError for a file or a bundle that
    does not suit.
    """
    declared, facts = bundle.facts.preprocess, bundle.facts.inputs[0]
    if declared is None or facts.scale is None:
        raise ConfigError(
            f"{bundle.name} does not declare how raw data become its input",
            hint="convert again with --preprocess FILE.toml",
        )
    arrays = _read(path)
    raw, fed = arrays["raw"][:MOST_SAMPLES], arrays["x"][:MOST_SAMPLES]
    front = declared.front
    require_raw(front, raw[0], f"{path}: raw[0]")
    if fed.dtype.kind != "f" or not np.isfinite(fed).all():
        raise ConfigError(f"{path}: x is {fed.dtype}, or not finite", hint=_HINT)
    if fed[0].size != facts.elements:
        raise ConfigError(
            f"{path}: x has samples of shape {fed.shape[1:]}, and input {facts.name!r} takes "
            f"{facts.shape[1:]}",
            hint="save what training fed the model, not what came before",
        )
    return diagnose(front, list(raw), fed, step=facts.scale)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in ("raw", "x") if name in archive}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"reference {path} cannot be read: {reason}", hint=_HINT) from error
    for name in ("raw", "x"):
        if name not in arrays or arrays[name].ndim < 2:
            raise ConfigError(f"{path}: array {name!r} is missing, or no batch", hint=_HINT)
    if len({array.shape[:1] for array in arrays.values()}) != 1 or not arrays["raw"].size:
        raise ConfigError(f"{path}: raw and x differ in length, or are empty", hint=_HINT)
    return arrays

"""The file that ``convert --preprocess`` reads: how raw data become inputs, and outputs answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgeserve.errors import ConfigError
from edgeserve.postprocess.declaration import Postprocess
from edgeserve.postprocess.parse import parse_postprocess, read_labels
from edgeserve.preprocess.declaration import Preprocess
from edgeserve.preprocess.parse import parse_preprocess
from edgeserve.strict_toml import read_toml

_HINT = "docs/PREPROCESSING.md lists what a declaration holds"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What happens before and after the model; None where nothing is declared."""

    preprocess: Preprocess | None = None
    postprocess: Postprocess | None = None


NOTHING_DECLARED = Declaration()


def read_declaration(path: Path | None, labels: Path | None) -> Declaration:
    """Reads a declaration, and the labels of its classes. Raises ConfigError."""
    declared = NOTHING_DECLARED if path is None else _read(path)
    if labels is None:
        return declared
    if declared.postprocess is None:
        raise ConfigError(
            f"labels {labels} have nothing to name: no [classes] or [boxes] is declared",
            hint="declare them in the file that --preprocess names",
        )
    names = read_labels(labels)
    return replace(declared, postprocess=replace(declared.postprocess, labels=names))


def _read(path: Path) -> Declaration:
    root = read_toml(path, hint=_HINT)
    declared = Declaration(parse_preprocess(root), parse_postprocess(root))
    root.finish()
    if declared == NOTHING_DECLARED:
        raise ConfigError(f"{path}: declares nothing", hint=_HINT)
    return declared

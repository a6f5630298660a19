"""``[classes]`` or ``[boxes]`` of a declaration file, and the file of labels."""

from __future__ import annotations

from pathlib import Path

from edgeserve.errors import ConfigError
from edgeserve.postprocess.declaration import Activation, Boxes, BoxForm, Classes, Postprocess
from edgeserve.strict_toml import TomlTable

MAX_KEPT = 256
LABELS_HINT = "a labels file has one name a line, in the order of the classes"


def parse_postprocess(table: TomlTable) -> Postprocess | None:
    """Takes ``[classes]`` or ``[boxes]`` out of a file's root; None when there is neither.

    Raises ConfigError for both of them, an unknown or missing key, or a value out of range.
    """
    names = table.names()
    if "classes" in names and "boxes" in names:
        raise table.error("boxes", "cannot stand beside classes: declare one of them")
    if "classes" in names:
        part = table.table("classes")
        declared = Postprocess(_classes(part), None, ())
    elif "boxes" in names:
        part = table.table("boxes")
        declared = Postprocess(None, _boxes(part), ())
    else:
        return None
    part.finish()
    return declared


def _classes(table: TomlTable) -> Classes:
    return Classes(
        activation=table.choice("activation", Activation),
        top=_kept(table, "top"),
        threshold=_share(table, "threshold"),
    )


def _boxes(table: TomlTable) -> Boxes:
    per_class = table.optional_flag("per_class")
    return Boxes(
        boxes=table.number("boxes"),
        scores=table.number("scores"),
        form=table.choice("form", BoxForm),
        activation=table.choice("activation", Activation),
        background=table.optional_flag("background") or False,
        threshold=_share(table, "threshold"),
        overlap=_share(table, "overlap"),
        per_class=True if per_class is None else per_class,
        most=_kept(table, "most"),
    )


def _share(table: TomlTable, key: str) -> float:
    value = table.real(key)
    if not 0.0 <= value <= 1.0:
        raise table.error(key, f"is {value:g}, not from 0 to 1")
    return value


def _kept(table: TomlTable, key: str) -> int:
    value = table.number(key)
    if not 1 <= value <= MAX_KEPT:
        raise table.error(key, f"is {value}, not from 1 to {MAX_KEPT}")
    return value


def read_labels(path: Path) -> tuple[str, ...]:
    """The names in a file, one a line. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"labels {path}: {error.strerror}", hint=LABELS_HINT) from None
    except UnicodeDecodeError:
        raise ConfigError(f"labels {path} are not UTF-8 text", hint=LABELS_HINT) from None
    labels = tuple(line.strip() for line in text.rstrip().splitlines())
    for number, label in enumerate(labels, 1):
        if not label or not label.isprintable():
            raise ConfigError(
                f"labels {path}: line {number} is empty or not printable", hint=LABELS_HINT
            )
    if not labels:
        raise ConfigError(f"labels {path} is empty", hint=LABELS_HINT)
    return labels

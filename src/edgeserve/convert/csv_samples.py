"""Samples from a CSV file: one sample a line, its values in the order of the input's elements."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import ConfigError

LABEL_COLUMNS = frozenset({"y", "label"})
_HINT = "one sample a line, numbers between commas; a header may name the class's column y or label"


@dataclass(frozen=True, slots=True)
class CsvSamples:
    """``values`` ``[n, columns]``: int16 where all are whole numbers of 16 bits, else float64.
    ``labels`` int64 ``[n]``, or None.
    """

    values: NDArray[Any]
    labels: NDArray[np.int64] | None


def read_csv(path: Path) -> CsvSamples:
    """Read ``path``; ConfigError that names the line when it is no such file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [(n, line) for n, line in enumerate(csv.reader(file), 1) if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"calibration data {path} cannot be read: {error}", hint=_HINT) from error
    header = lines.pop(0)[1] if lines and not all(map(_is_number, lines[0][1])) else []
    if not lines:
        raise ConfigError(f"calibration data {path} holds no samples", hint="at least 1 is needed")
    width = len(header or lines[0][1])
    rows = np.array([_numbers(path, number, line, width) for number, line in lines])
    named = [i for i, name in enumerate(header) if name.strip().lower() in LABEL_COLUMNS]
    if len(named) > 1:
        raise ConfigError(f"{path} has {len(named)} columns of classes", hint=_HINT)
    labels = _labels(path, rows[:, named[0]]) if named else None
    values = np.delete(rows, named, axis=1)
    if values.shape[1] == 0:
        raise ConfigError(f"{path} has classes and no values", hint=_HINT)
    limits = np.iinfo(np.int16)
    is_whole = bool((values == np.floor(values)).all())
    if is_whole and limits.min <= values.min() and values.max() <= limits.max:
        return CsvSamples(values.astype(np.int16), labels)
    return CsvSamples(values, labels)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path, number: int, line: list[str], width: int) -> list[float]:
    if len(line) != width:
        raise ConfigError(f"{path}, line {number}: {len(line)} values, not {width}", hint=_HINT)
    for text in line:
        if not _is_number(text):
            raise ConfigError(f"{path}, line {number}: {text!r} is no number", hint=_HINT)
    return [float(text) for text in line]


def _labels(path: Path, column: NDArray[np.float64]) -> NDArray[np.int64]:
    if not (np.isfinite(column).all() and (column == np.floor(column)).all()):
        raise ConfigError(f"labels in {path} are not all whole numbers", hint=_HINT)
    return column.astype(np.int64)

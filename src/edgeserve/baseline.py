"""A baseline of earlier checks, against which growth is measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeserve.checkfile import Growth
from edgeserve.errors import ConfigError
from edgeserve.fit import Fit, Shortage

_HINT = "write it with: edgeserve check ... --format json > FILE"


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a model took of a board before."""

    arena_bytes: int
    flash_bytes: int


Baseline = Mapping[tuple[str, str], Sizes]
"""Sizes by model and board."""


def read_baseline(path: Path) -> Baseline:
    """Reads what ``edgeserve check --format json`` wrote.

    Raises ConfigError for a file that is not that, or has two rows for one model and board.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"baseline {path}: {error.strerror}", hint=_HINT) from None
    except (ValueError, RecursionError):
        raise ConfigError(f"baseline {path} is not JSON", hint=_HINT) from None
    if not isinstance(rows, list):
        raise ConfigError(f"baseline {path} is not a list of checks", hint=_HINT)
    baseline: dict[tuple[str, str], Sizes] = {}
    for number, row in enumerate(rows):
        key, sizes = _row(row, f"baseline {path}: row {number}")
        if key in baseline:
            raise ConfigError(f"baseline {path}: row {number} stands there twice", hint=_HINT)
        baseline[key] = sizes
    return baseline


def _row(row: Any, where: str) -> tuple[tuple[str, str], Sizes]:
    if not isinstance(row, dict):
        raise ConfigError(f"{where} is not a check", hint=_HINT)
    for key in ("model", "board"):
        if not isinstance(row.get(key), str):
            raise ConfigError(f"{where} has no {key}", hint=_HINT)
    for key in ("arena_bytes", "code_bytes", "model_bytes"):
        value = row.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ConfigError(f"{where} has no {key}", hint=_HINT)
    sizes = Sizes(row["arena_bytes"], row["code_bytes"] + row["model_bytes"])
    return (row["model"], row["board"]), sizes


def against_baseline(fits: Iterable[Fit], baseline: Baseline, growth: Growth) -> tuple[Fit, ...]:
    """The same fits, with growth beyond the budget as shortages; new models have no baseline."""
    return tuple(_grown(fit, baseline.get((fit.model, fit.board)), growth) for fit in fits)


def _grown(fit: Fit, before: Sizes | None, growth: Growth) -> Fit:
    if before is None:
        return fit
    needs = fit.footprint
    rows = (
        ("arena growth", needs.arena_bytes, before.arena_bytes + growth.arena_bytes),
        ("flash growth", needs.flash_bytes, before.flash_bytes + growth.flash_bytes),
    )
    grown = tuple(Shortage(where, need, limit) for where, need, limit in rows if need > limit)
    return replace(fit, shortages=(*fit.shortages, *grown))

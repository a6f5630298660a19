"""A baseline of earlier checks, against which growth is measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from edgeserve.checkfile import Growth
from edgeserve.errors import ConfigError
from edgeserve.fit import Fit, Shortage

Sizes = tuple[int, int]
"""Arena and flash bytes."""


def read_baseline(path: Path) -> Mapping[tuple[str, str], Sizes]:
    """Reads what ``edgeserve check --format json`` wrote: sizes by (model, board)."""
    hint = "write it with: edgeserve check ... --format json > FILE"
    try:
        rows = json.loads(path.read_text())
        return {
            (str(row["model"]), str(row["board"])): (
                int(row["arena_bytes"]),
                int(row["code_bytes"]) + int(row["model_bytes"]),
            )
            for row in rows
        }
    except OSError as error:
        raise ConfigError(f"baseline {path}: {error.strerror}", hint=hint) from None
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"baseline {path} is not a list of checks: {error!r}", hint=hint
        ) from None


def against_baseline(
    fits: Iterable[Fit], baseline: Mapping[tuple[str, str], Sizes], growth: Growth
) -> tuple[Fit, ...]:
    """The same fits, with growth beyond the budget as shortages; new models have no baseline."""
    return tuple(_grown(fit, baseline.get((fit.model, fit.board)), growth) for fit in fits)


def _grown(fit: Fit, before: Sizes | None, growth: Growth) -> Fit:
    if before is None:
        return fit
    rows = (
        ("arena growth", fit.footprint.arena_bytes, before[0] + growth.arena_bytes),
        ("flash growth", fit.footprint.flash_bytes, before[1] + growth.flash_bytes),
    )
    grown = tuple(Shortage(where, need, limit) for where, need, limit in rows if need > limit)
    return replace(fit, shortages=(*fit.shortages, *grown))

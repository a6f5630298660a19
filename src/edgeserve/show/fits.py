"""Fits of models and boards as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeserve.identifier import short_name
from edgeserve.show.console import columns, draw, say

if TYPE_CHECKING:
    from edgeserve.fit import Fit


def print_fits(fits: Sequence[Fit], *, plans: bool = True) -> None:
    """A row a model and board, how each was planned, what is missing and what would help."""
    table = columns(
        "model", "board", "", "arena", "flash", "stack", "other RAM", "left", "sizes by"
    )
    for fit in fits:
        footprint = fit.footprint
        table.add_row(
            fit.model,
            fit.board,
            "fits" if fit.fits else "NO",
            f"{footprint.arena_bytes:,}",
            f"{footprint.flash_bytes:,}",
            f"{footprint.stack_bytes:,}",
            f"{footprint.ram_other_bytes:,}",
            ", ".join(f"{use.region} {use.left_bytes:,}" for use in fit.regions),
            footprint.source,
        )
    draw(table)
    if plans:
        alike: dict[tuple[str, str], list[str]] = {}
        for fit in fits:
            alike.setdefault((fit.model, fit.plan), []).append(fit.board)
        for (model, plan), boards in alike.items():
            say(f"{model} on {', '.join(boards)}: {plan}")
    for fit in fits:
        if not fit.fits:
            say(f"{fit.model} does not fit {fit.board}:")
            for shortage in fit.shortages:
                say(f"  {shortage}")
            for tensor in fit.peak_tensors[:4]:
                where = f"  at the peak ({short_name(fit.peak_step)})"
                say(f"{where}: {short_name(tensor.name)}, {tensor.size_bytes:,}")
            for line in fit.advice:
                say(f"  help: {line}")

"""Fits made by hand, for tests of what is done with them."""

from __future__ import annotations

from edgeserve.board import load_board
from edgeserve.fit import Budget, Fit, Footprint, PeakTensor, check_fit


def footprint(**changes: int) -> Footprint:
    sizes = {
        "arena_bytes": 20_000,
        "live_bound_bytes": 19_984,
        "model_bytes": 50_000,
        "code_bytes": 8_000,
        "ram_other_bytes": 24,
        "stack_bytes": 800,
        **changes,
    }
    return Footprint(**sizes, source="table: a compiler", arena_banks=())


def made_fit(
    *,
    model: str = "kws",
    board: str = "nucleo_h743zi2",
    tensor: str = "conv1",
    budget_arena: int | None = None,
    **changes: int,
) -> Fit:
    """A fit that is good, unless a budget or a changed size says otherwise."""
    return check_fit(
        model=model,
        footprint=footprint(**changes),
        board=load_board(board),
        peak_step=tensor,
        peak_tensors=(PeakTensor(tensor, 12_000), PeakTensor("input", 7_984)),
        budget=Budget(arena_bytes=budget_arena),
        other_boards=[load_board("mps2-an500")],
    )

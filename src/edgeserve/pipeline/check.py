"""The order of `check`: each model compiled for each of its boards, fitted, held to a baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgeserve.baseline import against_baseline, read_baseline
from edgeserve.board import Board, load_board
from edgeserve.checkfile import Checkfile, Growth, ModelEntry
from edgeserve.compilation import compile_bundle
from edgeserve.errors import ConfigError
from edgeserve.fit import Fit, Reserve
from edgeserve.pipeline.fit import fit
from edgeserve.pipeline.opening import open_model
from edgeserve.planfile import Wish


def check(
    models: Sequence[ModelEntry],
    *,
    wish: Wish | None = None,
    reserve: Reserve,
    baseline: Path | None,
    growth: Growth,
) -> tuple[Fit, ...]:
    """Checks every model on every board that its entry names."""
    earlier = read_baseline(baseline) if baseline else None
    bundles = [open_model(entry.path) for entry in models]
    names = Counter(bundle.name for bundle in bundles)
    fits = []
    for entry, bundle in zip(models, bundles, strict=True):
        # Two models of one name are told apart by the paths that the user wrote.
        label = bundle.name if names[bundle.name] == 1 else entry.label
        for board in _boards(entry.boards):
            compiled = compile_bundle(bundle, board, wish or entry.wish, reserve)
            fits.append(fit(compiled, reserve=reserve, budget=entry.budget, model=label))
    return against_baseline(fits, earlier, growth) if earlier is not None else tuple(fits)


def _boards(names: Sequence[str]) -> list[Board]:
    """Each board once; ConfigError when two files have one id."""
    boards: dict[str, Board] = {}
    for name in dict.fromkeys(names):
        board = load_board(name)
        if boards.setdefault(board.id, board) != board:
            raise ConfigError(
                f"two different boards are called {board.id!r}", hint="rename one of the files"
            )
    return list(boards.values())


def check_checkfile(checkfile: Checkfile, baseline: Path | None = None) -> tuple[Fit, ...]:
    """Checks what an ``edgeserve.toml`` lists."""
    return check(
        checkfile.models,
        reserve=checkfile.reserve,
        baseline=baseline or checkfile.baseline,
        growth=checkfile.growth,
    )

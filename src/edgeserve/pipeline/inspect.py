"""The order of `inspect`: a compiled model, with `--calibrate` its time by measured bundles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeserve.board import Board
from edgeserve.calibration import Run, TimeEstimate, estimate_time, run_of
from edgeserve.compilation import Compiled, compile_bundle
from edgeserve.measurement import read_measurements
from edgeserve.pipeline.opening import open_model


def inspect(path: Path, board: Board) -> Compiled:
    """Compiles a model for a board; writes nothing."""
    return compile_bundle(open_model(path), board)


def calibrated(compiled: Compiled, bundles: Sequence[Path]) -> TimeEstimate:
    """The estimate of time of a compiled model by what bundles took on its board.

    Raises ConfigError as ``run_of`` does for a bundle that cannot calibrate it.
    """
    runs = [_run(compiled, path) for path in bundles]
    return estimate_time(sum(e.instructions for e in compiled.estimates()), runs)


def _run(compiled: Compiled, path: Path) -> Run:
    measured = compile_bundle(open_model(path), compiled.board)
    return run_of(
        model=measured.bundle.name,
        table_sha256=measured.table.sha256,
        estimates=[estimate.instructions for estimate in measured.estimates()],
        measurements=read_measurements(measured.bundle.measurements_path),
        board=compiled.board,
    )

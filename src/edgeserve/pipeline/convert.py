"""The order of `convert`: a source, its `.tflite`, the bundle, the plan."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgeserve.bundle import InputAdapter
from edgeserve.bundle_store import bundle_lock, require_place, write_bundle
from edgeserve.compilation import Compiled, compile_bundle, naming, write_plan
from edgeserve.convert.budget import AccuracyBudget
from edgeserve.convert.conversion import convert_source
from edgeserve.convert.input_shape import InputShape
from edgeserve.convert.precision import Precision
from edgeserve.convert.tflite_source import AS_IN_THE_FILE, Edges
from edgeserve.declaration_file import NOTHING_DECLARED, Declaration
from edgeserve.fit import Fit
from edgeserve.lower import lower
from edgeserve.pipeline.fit import fit
from edgeserve.pipeline.opening import board_of_target
from edgeserve.pipeline.progress import Progress, silent
from edgeserve.planfile import Wish


def convert(
    source: Path,
    destination: Path,
    *,
    target: str,
    calibration: Path | None,
    force: bool = False,
    trust_source: bool = False,
    image_range: tuple[float, float] = (0.0, 1.0),
    edges: Edges = AS_IN_THE_FILE,
    wish: Wish | None = None,
    declared: Declaration = NOTHING_DECLARED,
    precision: Precision = Precision.AUTO,
    int16_layers: tuple[str, ...] = (),
    input_shapes: tuple[InputShape, ...] = (),
    budget: AccuracyBudget | None = None,
    input_adapter: InputAdapter = InputAdapter.NONE,
    progress: Progress = silent,
) -> tuple[Compiled, Fit]:
    """Makes a bundle of a model and says at once whether it fits the target.

    Nothing is left behind when it fails. Raises the errors of ``convert_source``, ``lower`` and
    ``write_bundle``.
    """
    board = board_of_target(target)
    require_place(destination, force=force)
    with (
        naming(source),
        tempfile.TemporaryDirectory(prefix="edgeserve-convert-") as work,
    ):
        converted = convert_source(
            source,
            calibration=calibration,
            trust_source=trust_source,
            name=destination.name,
            work_dir=Path(work),
            progress=progress,
            image_range=image_range,
            edges=edges,
            declared=declared,
            precision=precision,
            int16_layers=int16_layers,
            input_shapes=input_shapes,
            budget=budget,
        )
    progress(None, "lowering and planning")
    with naming(source):
        lower(converted.graph)
    bundle = write_bundle(destination, converted.contents(input_adapter=input_adapter), force=force)
    compiled = compile_bundle(bundle, board, wish)
    with bundle_lock(bundle.path):
        write_plan(compiled, bundle.path)
    return compiled, fit(compiled)

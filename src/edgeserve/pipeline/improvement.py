"""What may bring a quantized model nearer to its float one: measured, then priced on a board."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeserve.accuracy_record import AccuracyRecord, Cost, Help, HelpKind
from edgeserve.board import Board
from edgeserve.bundle import contents_of_tflite
from edgeserve.bundle_store import Bundle, write_bundle
from edgeserve.compilation import Compiled, compile_bundle
from edgeserve.convert.calibration import CalibrationSet
from edgeserve.convert.help_worker import HelpJob, HelpResult, Tried
from edgeserve.convert.sample_files import SampleFiles, write_samples
from edgeserve.convert.worker import Progress, run_worker
from edgeserve.errors import ConfigError, ModelError
from edgeserve.identifier import short_name

TRIED_LAYERS = 4
"""The noisiest layers are tried, each alone and with those that read it."""
LEAST_RECOVERED = 0.1
"""What recovers less of the noise is not offered."""
ENOUGH_RECOVERED = 0.5
"""Where nothing measured recovers as much, advice that is not measured is given."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is offered, and why other things are not."""

    helps: tuple[Help, ...]
    notes: tuple[str, ...]


def seek_help(
    bundle: Bundle,
    record: AccuracyRecord,
    samples: CalibrationSet,
    calibration: tuple[Path, CalibrationSet] | None,
    board: Board,
    work: Path,
    progress: Progress,
) -> Found:
    """Tries int16 for the noisiest layers of ``record``, and ``calibration`` in place of the
    bundle's own, each measured on ``samples`` (as many as ``record`` has).

    ``work`` is an existing folder. Raises ConfigError for a bundle without a float model or
    layers, MissingTool without ai-edge-quantizer, ConversionError where it crashes.
    """
    exact = bundle.float_bytes()
    if exact is None or bundle.ranges is None or record.layers is None:
        raise ConfigError(
            f"{bundle.name} has no float model whose layers could be tried",
            hint="convert it from its float source, and leave out --layers 0",
        )
    folder = work / "helps"
    folder.mkdir()
    (folder / "exact.tflite").write_bytes(exact)
    layers = [one for one in record.layers.layers if one.operator != "input" and one.noise_share]
    job = HelpJob(
        exact=str(folder / "exact.tflite"),
        quantized=str(bundle.model_path),
        samples=write_samples(folder, "data", samples, record.samples),
        ranges=bundle.ranges,
        layers=tuple(one.name for one in layers[:TRIED_LAYERS]),
        calibration=_files(folder, calibration),
        folder=str(folder),
    )
    module = "edgeserve.convert.help_worker"
    result = run_worker(module, job, HelpResult, work_dir=folder, progress=progress)
    names = [*(one.name for one in record.layers.layers), *record.layers.exact]
    return _found(bundle, record, result, calibration, board, names, folder)


def _files(folder: Path, calibration: tuple[Path, CalibrationSet] | None) -> SampleFiles | None:
    return None if calibration is None else write_samples(folder, "calibration", calibration[1])


def _found(
    bundle: Bundle,
    record: AccuracyRecord,
    result: HelpResult,
    calibration: tuple[Path, CalibrationSet] | None,
    board: Board,
    names: Sequence[str],
    folder: Path,
) -> Found:
    compiled = compile_bundle(bundle, board)
    helps, notes = [], [f"not tried: {reason}" for reason in dict.fromkeys(result.reasons)]
    best = 0.0
    for kind, tried in (
        (HelpKind.CALIBRATION, result.calibration),
        (HelpKind.INT16_LAYERS, result.int16),
    ):
        if tried is None:
            continue
        recovered = 1 - tried.noise_share
        if recovered < LEAST_RECOVERED:
            notes.append(f"not offered: {_told(kind, tried)} {_worth(recovered)}")
            continue
        try:
            after = _cost(compiled, tried, folder)
        except ModelError as error:
            notes.append(f"not offered: {_told(kind, tried)}, as no board runs it: {error.what}")
            continue
        best = max(best, recovered)
        option = (
            _option(tried.layers, names)
            if calibration is None or kind is HelpKind.INT16_LAYERS
            else f"--calibration {shlex.quote(str(calibration[0]))}"
        )
        helps.append(
            Help(
                kind=kind,
                measured=True,
                what=_told(kind, tried),
                option=option,
                layers=tried.layers,
                recovered_share=recovered,
                top_1=tried.top_1,
                before=_cost_of(compiled),
                after=after,
            )
        )
    if best < ENOUGH_RECOVERED and _loses(record):
        helps.append(_training())
    return Found(tuple(helps), tuple(notes))


def _loses(record: AccuracyRecord) -> bool:
    """Whether there is something to win: other classes than the float model's, or, of models
    without classes, a tenth of the output's power and more that is noise.
    """
    against = record.against
    if against is None:
        return False
    if against.top1_equal is not None:
        return against.top1_equal < record.samples
    return any(one.sqnr_db is not None and one.sqnr_db < 10 for one in against.errors)


def _training() -> Help:
    return Help(
        kind=HelpKind.TRAINING,
        measured=False,
        what="not measured: training with quantization in the loop may recover what is left",
        option="",
        layers=(),
        recovered_share=None,
        top_1=None,
        before=None,
        after=None,
    )


def _told(kind: HelpKind, tried: Tried) -> str:
    if kind is HelpKind.CALIBRATION:
        return "calibrating with the other samples"
    return f"int16 for {', '.join(short_name(name) for name in tried.layers)}"


def _worth(recovered: float) -> str:
    if recovered < 0:
        return f"makes the noise {1 - recovered:.1f} times as large"
    return f"recovers {recovered:.1%} of the noise"


def _option(layers: Sequence[str], names: Sequence[str]) -> str:
    words = (f"--int16-layers {shlex.quote(_pattern(layer, names))}" for layer in layers)
    return " ".join(words)


def _pattern(layer: str, names: Sequence[str]) -> str:
    """The shortest of the names that a converter has chained in ``layer`` which, as a regular
    expression, means this layer alone; else all of it.
    """
    others = [name for name in names if name != layer]
    parts = sorted({part for part in layer.split(";") if part}, key=lambda part: (len(part), part))
    for part in parts:
        pattern = re.escape(part)
        if pattern == part and not any(part in other for other in others):
            return part
    return layer


def _cost(compiled: Compiled, tried: Tried, folder: Path) -> Cost:
    """What a model that was tried takes on the same board, planned for the same wish."""
    model = Path(tried.model)
    contents = contents_of_tflite(compiled.bundle.name, model.read_bytes())
    bundle = write_bundle(folder / f"{model.stem}-bundle", contents)
    return _cost_of(compile_bundle(bundle, compiled.board, compiled.wish))


def _cost_of(compiled: Compiled) -> Cost:
    return Cost(
        board=compiled.board.id,
        arena_bytes=compiled.plan.arena_bytes,
        model_bytes=len(compiled.table.data),
        instructions=round(sum(one.instructions for one in compiled.estimates())),
    )

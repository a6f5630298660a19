"""The order of `accuracy`: the data, what is measured, what may help, the device, the record."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeserve.accuracy_record import SCHEMA_VERSION, AccuracyRecord, DeviceAnswers
from edgeserve.board import Kind
from edgeserve.bundle import quantize_samples
from edgeserve.bundle_store import Bundle
from edgeserve.closeness import TOLERANCE, near_values, output_distance
from edgeserve.convert.accuracy_worker import AccuracyJob, AccuracyResult
from edgeserve.convert.calibration import UNIT_RANGE, CalibrationSet
from edgeserve.convert.sample_files import spread, write_samples
from edgeserve.convert.served import read_samples
from edgeserve.convert.worker import run_worker
from edgeserve.errors import ConfigError
from edgeserve.oracle import OracleProcess, open_oracle
from edgeserve.pipeline.device import OpenDevice, opened
from edgeserve.pipeline.improvement import seek_help
from edgeserve.pipeline.opening import board_of_target, open_model
from edgeserve.pipeline.progress import Progress, silent
from edgeserve.program import Oracle, Port, Program


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks. ``limit`` is of the samples; ``max_drop`` is a share.

    With ``improve`` what may help is tried: int16 for the noisiest layers, and ``calibration`` in
    place of the bundle's own. It is priced on ``cost_board``.
    """

    model: Path
    data: Path
    limit: int | None = None
    image_range: tuple[float, float] = UNIT_RANGE
    top_k: int = 5
    layer_samples: int = 16
    traffic: Path | None = None
    device: str | None = None
    board: str | None = None
    device_samples: int = 10
    max_drop: float | None = None
    improve: bool = False
    calibration: Path | None = None
    cost_board: str = "cortex-m7"


def accuracy(asked: Asked, progress: Progress = silent) -> tuple[Bundle, AccuracyRecord]:
    """Measures a bundle's model on data, and records the answer in the bundle.

    Raises ConfigError for data that do not suit, ConversionError where LiteRT crashes on a model,
    MissingTool, and for a device what ``opened`` raises.
    """
    bundle = open_model(asked.model)
    data = _read(asked, bundle, asked.data, "--data")
    served = None
    if asked.traffic is not None:
        _require_ranges(bundle)
        served = _read(asked, bundle, asked.traffic, "--traffic")
    if asked.max_drop is not None:
        _require_drop(bundle, data)
    other = None
    if asked.calibration is not None:
        other = asked.calibration, _read(asked, bundle, asked.calibration, "--calibration")
    with tempfile.TemporaryDirectory(prefix="edgeserve-accuracy-") as work:
        record = _measured(asked, bundle, data, served, Path(work), progress)
        if asked.improve or other is not None:
            board = board_of_target(asked.cost_board)
            found = seek_help(bundle, record, data, other, board, Path(work), progress)
            notes = (*record.notes, *found.notes)
            record = replace(record, helps=found.helps, notes=notes)
    if asked.max_drop is not None and record.drop is None:
        raise ConfigError(
            f"{bundle.name} is no classifier, so that it has no accuracy to drop",
            hint="leave out --max-drop",
        )
    if asked.device is not None:
        record = replace(record, device=_on_device(asked, data, progress))
    bundle.record_accuracy(record)
    return bundle, record


def is_good(asked: Asked, record: AccuracyRecord) -> bool:
    """Whether the answer is yes: the drop is allowed, and the device gives the host's answers."""
    drops = asked.max_drop is not None and (record.drop or 0.0) > asked.max_drop
    device = record.device
    return not drops and (device is None or device.all_right)


def _read(asked: Asked, bundle: Bundle, path: Path, option: str) -> CalibrationSet:
    return read_samples(
        path, bundle.facts, bundle.calibration, option=option, image_range=asked.image_range
    )


def _require_ranges(bundle: Bundle) -> None:
    if bundle.ranges is None:
        raise ConfigError(
            f"{bundle.name} has no record of its calibration to hold traffic against",
            hint="convert it from its float source with --calibration",
        )


def _require_drop(bundle: Bundle, data: CalibrationSet) -> None:
    if data.labels is None:
        raise ConfigError(
            "--max-drop compares accuracies, and the data have no labels",
            hint="add an array 'y' of class numbers to the .npz, or one folder a class",
        )
    if bundle.facts.float_sha256 is None:
        raise ConfigError(
            f"{bundle.name} has no float model that it could fall behind",
            hint="convert it from its float source, or leave out --max-drop",
        )


def _measured(
    asked: Asked,
    bundle: Bundle,
    data: CalibrationSet,
    served: CalibrationSet | None,
    work: Path,
    progress: Progress,
) -> AccuracyRecord:
    exact = bundle.float_bytes()
    if exact is not None:
        (work / "exact.tflite").write_bytes(exact)
    files = write_samples(work, "data", data, asked.limit)
    job = AccuracyJob(
        exact=None if exact is None else str(work / "exact.tflite"),
        quantized=str(bundle.model_path),
        samples=files,
        traffic=None if served is None else write_samples(work, "traffic", served, asked.limit),
        ranges=bundle.ranges,
        top_k=asked.top_k,
        layer_samples=asked.layer_samples,
    )
    module = "edgeserve.convert.accuracy_worker"
    result = run_worker(module, job, AccuracyResult, work_dir=work, progress=progress)
    notes = list(result.notes)
    if exact is None:
        notes.append(f"there is no float model to compare with: {bundle.facts.absent_reason}")
    return AccuracyRecord(
        schema=SCHEMA_VERSION,
        model_sha256=bundle.facts.model_sha256,
        data_sha256=data.record().sha256,
        samples=len(files.rows),
        available=data.samples,
        labelled=data.labels is not None,
        k=result.k,
        classes=_class_names(bundle, data, result.classes),
        exact=result.exact,
        quantized=result.quantized,
        against=result.against,
        device=None,
        layers=result.layers,
        traffic=result.traffic,
        helps=(),
        notes=tuple(notes),
    )


def _class_names(bundle: Bundle, data: CalibrationSet, classes: int | None) -> tuple[str, ...]:
    """Names of the classes where somebody gave as many as there are; else none."""
    declared = bundle.facts.postprocess
    calibrated = bundle.calibration
    known = (
        () if declared is None else declared.labels,
        data.classes,
        () if calibrated is None else calibrated.classes,
    )
    return next((names for names in known if names and len(names) == classes), ())


def _on_device(asked: Asked, data: CalibrationSet, progress: Progress) -> DeviceAnswers:
    """Evenly spaced samples on the device, against the reference kernels on this computer."""
    assert asked.device is not None
    with opened(asked.model, asked.device, board=asked.board, progress=progress) as target:
        compiled = target.compiled
        target.dut.require_table(compiled.table.sha256)
        rows = spread(range(data.samples), asked.device_samples)
        with open_oracle(compiled.bundle.model_bytes(), compiled.program) as oracle:
            pairs = []
            for done, row in enumerate(rows):
                pairs.append(_both(target, oracle, _input_bytes(compiled.bundle, data, row)))
                progress((done + 1) / len(rows), f"sample {done + 1} of {len(rows)} on the device")
    same = [wanted == got for wanted, got in pairs]
    near = _near(compiled.program, pairs)
    right = same if near is None else near
    classes = [_class(compiled.program.outputs, got) for _, got in pairs]
    hosts = [_class(compiled.program.outputs, wanted) for wanted, _ in pairs]
    known = classes[0] is not None
    labels = None if data.labels is None or not known else [int(data.labels[row]) for row in rows]
    return DeviceAnswers(
        device=asked.device,
        board=target.board.id,
        emulated=target.board.kind is Kind.EMULATED,
        samples=len(rows),
        same_bytes=sum(same),
        near=None if near is None else sum(near),
        same_class=sum(a == b for a, b in zip(classes, hosts, strict=True)) if known else None,
        right=None if labels is None else sum(a == b for a, b in zip(classes, labels, strict=True)),
        first_different=next((row for row, one in zip(rows, right, strict=True) if not one), None),
    )


def _near(program: Program, pairs: Sequence[tuple[bytes, bytes]]) -> list[bool] | None:
    """Which answers are within the tolerance; None where the bytes have to be equal."""
    near = near_values(program)
    if not any(port.value in near for port in program.outputs):
        return None
    return [output_distance(program, wanted, got) <= TOLERANCE for wanted, got in pairs]


def _input_bytes(bundle: Bundle, data: CalibrationSet, row: int) -> bytes:
    pairs = zip(data.sample(row), bundle.facts.inputs, strict=True)
    return b"".join(quantize_samples(array, facts).tobytes() for array, facts in pairs)


def _both(target: OpenDevice, oracle: OracleProcess, data: bytes) -> tuple[bytes, bytes]:
    """The bytes of all outputs that the reference and the device give from reset."""
    oracle.run(data)
    outputs = target.compiled.program.outputs
    wanted = b"".join(oracle.tensor_bytes(Oracle(port.tensor)) for port in outputs)
    target.dut.reset()
    target.dut.load(data)
    target.dut.run()
    return wanted, target.dut.out(len(wanted))


def _class(outputs: Sequence[Port], data: bytes) -> int | None:
    """The class that the bytes of a classifier's output name; None for other models."""
    if len(outputs) != 1 or len(outputs[0].shape) != 2 or outputs[0].shape[1] < 2:
        return None
    values: NDArray[np.generic] = np.frombuffer(
        data, outputs[0].dtype.value, prod(outputs[0].shape)
    )
    return int(values.argmax())

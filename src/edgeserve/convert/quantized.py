"""A float model and calibration data, quantized by a worker into what a bundle holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

from edgeserve.bundle import Agreement, CalibrationRecord, Quantization
from edgeserve.convert.calibration import CalibrationSet
from edgeserve.convert.converted import (
    Converted,
    FloatModel,
    Request,
    agreement_notes,
    as_inputs,
    is_per_channel,
)
from edgeserve.convert.keras_front import calibrated
from edgeserve.convert.precision import ACTIVATIONS
from edgeserve.convert.quantizer import CONVERTER, INSTALL
from edgeserve.convert.quantizer_worker import (
    FLOAT_FILE,
    MODULE,
    QUANTIZED_FILE,
    QuantizerJob,
    QuantizerResult,
)
from edgeserve.convert.worker import run_worker
from edgeserve.errors import MissingTool
from edgeserve.graph import DType
from edgeserve.tflite.reader import read_model


@dataclass(frozen=True, slots=True)
class Integers:
    """A float model and the ``tflite`` that ``converter`` made of it."""

    floats: FloatModel
    tflite: bytes
    calibration: CalibrationRecord
    agreement: Agreement
    converter: str
    int16_layers: tuple[str, ...] = ()


def require_quantizer() -> None:
    """Raises MissingTool: before a source is converted, which takes longer."""
    if find_spec("ai_edge_quantizer") is None:
        raise MissingTool("ai-edge-quantizer", install=INSTALL)


def quantized(request: Request, model: FloatModel) -> Integers:
    """What AI Edge Quantizer makes of ``model``, in ``request.precision``.

    Raises what ``quantizer.quantize`` and ``calibration.match_inputs`` do.
    """
    require_quantizer()
    assert request.calibration is not None
    (request.work_dir / FLOAT_FILE).write_bytes(model.tflite)
    job = QuantizerJob(
        work_dir=str(request.work_dir),
        calibration=str(request.calibration),
        image_low=request.image_range[0],
        image_high=request.image_range[1],
        inputs=model.inputs,
        taken=model.taken,
        precision=request.precision,
        int16_layers=request.int16_layers,
    )
    result = run_worker(
        MODULE, job, QuantizerResult, work_dir=request.work_dir, progress=request.progress
    )
    return Integers(
        floats=replace(model, tools=tuple(dict.fromkeys((*model.tools, *result.tools)))),
        tflite=(request.work_dir / QUANTIZED_FILE).read_bytes(),
        calibration=result.calibration,
        agreement=result.agreement,
        converter=CONVERTER,
        int16_layers=result.int16_layers,
    )


def assembled(request: Request, made: Integers) -> tuple[Converted, CalibrationSet]:
    """The record of a conversion whose worker has ended, and the samples again."""
    model = made.floats
    samples = calibrated(request.calibration, model.inputs, request.image_range, model.taken)
    graph = read_model(made.tflite, name=request.name)
    converted = Converted(
        name=request.name,
        model_tflite=made.tflite,
        float_tflite=model.tflite,
        graph=graph,
        source=request.source.facts,
        tools=model.tools,
        quantization=Quantization(
            activations=ACTIVATIONS[request.precision],
            weights=DType.INT8,
            weights_per_channel=is_per_channel(graph),
            converter=made.converter,
        ),
        calibration=made.calibration,
        samples=as_inputs(graph, samples),
        agreement=made.agreement,
        absent_reason=None,
        notes=(
            *model.taken.notes,
            *model.notes,
            *_told_layers(made.int16_layers),
            *agreement_notes(samples, made.agreement),
        ),
        declared=replace(request.declared, preprocess=model.taken.preprocess),
    )
    return converted, samples


def _told_layers(layers: Sequence[str]) -> tuple[str, ...]:
    return (f"int16 activations in {', '.join(layers)}",) if layers else ()

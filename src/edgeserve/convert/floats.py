"""A float model as it is: no step of a conversion makes integers of it."""

from __future__ import annotations

from dataclasses import replace

from edgeserve.convert.calibration import CalibrationSet
from edgeserve.convert.converted import Converted, Request, as_inputs
from edgeserve.convert.float_source import float_of
from edgeserve.convert.keras_front import calibrated
from edgeserve.errors import ConfigError
from edgeserve.tflite.reader import read_model

NOT_QUANTIZED = "the model was left in float32"


def left_as_floats(request: Request) -> tuple[Converted, CalibrationSet | None]:
    """The float32 model of the source; calibration data, where given, are kept as samples.

    Raises ConfigError for layers that are to be int16, and what ``float_of`` and
    ``keras_front.calibrated`` do.
    """
    if request.int16_layers:
        raise ConfigError(
            "layers in int16 are for a model that is int8 elsewhere, not float32",
            hint="leave out --int16-layers, or --quantization",
        )
    model = float_of(request)
    graph = read_model(model.tflite, name=request.name)
    samples = None
    if request.calibration is not None:
        samples = calibrated(request.calibration, model.inputs, request.image_range, model.taken)
    converted = Converted(
        name=request.name,
        model_tflite=model.tflite,
        float_tflite=None,
        graph=graph,
        source=request.source.facts,
        tools=model.tools,
        quantization=None,
        calibration=None if samples is None else samples.record(),
        samples=None if samples is None else as_inputs(graph, samples),
        agreement=None,
        absent_reason=NOT_QUANTIZED,
        notes=(*model.taken.notes, *model.notes),
        declared=replace(request.declared, preprocess=model.taken.preprocess),
    )
    return converted, samples

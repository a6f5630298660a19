"""From a source model to the ``.tflite`` that is run, with the record of how it was made.

Every source becomes a float ``.tflite`` first. Keras and SavedModel are then quantized by the
converter that made it, which knows more operators; everything else, and models with layers of both
widths, by AI Edge Quantizer; or left as it is. What keeps an accuracy budget is searched where one
is given.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgeserve.bundle import KEPT_SAMPLES, SourceKind, tensor_facts
from edgeserve.bundle_store import read_tflite
from edgeserve.convert.budget import AccuracyBudget, require_budget
from edgeserve.convert.budget_search import within_budget
from edgeserve.convert.calibration import (
    UNIT_RANGE,
    CalibrationSet,
    RawSamples,
    read_calibration,
)
from edgeserve.convert.converted import Converted, Request
from edgeserve.convert.float_model import is_quantized
from edgeserve.convert.floats import left_as_floats
from edgeserve.convert.input_shape import InputShape
from edgeserve.convert.integer_source import integers_of
from edgeserve.convert.precision import Precision, chosen
from edgeserve.convert.quantized import assembled
from edgeserve.convert.range_worker import find_ranges
from edgeserve.convert.source import read_source
from edgeserve.convert.tflite_source import AS_IN_THE_FILE, Edges, take_tflite
from edgeserve.convert.worker import Progress
from edgeserve.declaration_file import NOTHING_DECLARED, Declaration
from edgeserve.errors import ConfigError
from edgeserve.graph import DType, Graph
from edgeserve.postprocess.host import Scale
from edgeserve.postprocess.suit import Output, require_outputs
from edgeserve.preprocess.declaration import Front
from edgeserve.preprocess.host import affines
from edgeserve.preprocess.ideal import cost
from edgeserve.preprocess.suit import require_input
from edgeserve.tflite.reader import read_model


def convert_source(
    source: Path,
    *,
    calibration: Path | None,
    trust_source: bool,
    work_dir: Path,
    progress: Progress,
    name: str | None = None,
    image_range: tuple[float, float] = UNIT_RANGE,
    edges: Edges = AS_IN_THE_FILE,
    declared: Declaration = NOTHING_DECLARED,
    precision: Precision = Precision.AUTO,
    int16_layers: tuple[str, ...] = (),
    input_shapes: tuple[InputShape, ...] = (),
    budget: AccuracyBudget | None = None,
) -> Converted:
    """Convert the model at ``source``; a quantized ``.tflite`` is taken as it is, and with
    ``Precision.FLOAT32`` a float model too.

    ``work_dir`` is an existing empty folder for the worker's files. ``image_range`` is what 0..255
    becomes when ``calibration`` is a folder of images; ``precision`` is the form of a source
    model's numbers, ``int16_layers`` name layers of an int8 model that compute in int16
    (``quantizer.quantize``), ``input_shapes`` settle what a source leaves open. ``declared`` says
    what happens before and after the model: calibration data that are raw go through it. Where it
    says nothing of the input, Keras' own preprocessing layers at the start of a model become a
    declaration. With a ``budget``, AUTO is the first form that keeps it
    (``budget_search.within_budget``). Equal inputs and tool versions give equal bytes.

    Raises ConfigError (paths, calibration, options or a declaration that do not suit),
    ConversionError and UnsupportedOp (the model), AccuracyError (nothing keeps the budget),
    MissingTool (a framework), ToolFailed (the making of a framework's environment).
    """
    made = chosen(precision)
    if budget is not None:
        require_budget(budget, precision, int16_layers)
    found = read_source(source)
    request = Request(
        source=found,
        name=found.name if name is None else name,
        calibration=calibration,
        image_range=image_range,
        declared=declared,
        precision=precision,
        int16_layers=int16_layers,
        input_shapes=input_shapes,
        trust_source=trust_source,
        work_dir=work_dir,
        progress=progress,
    )
    if found.kind is SourceKind.TFLITE:
        model = read_tflite(source)
        if is_quantized(read_model(model, name=request.name)):
            if budget is not None:
                raise _no_choice(source)
            return _suited(*take_tflite(request, model, edges))
    if edges != AS_IN_THE_FILE:
        raise ConfigError(
            f"{source} has no edges to leave to the caller: it has one type all through",
            hint="leave out --integer-edges and --transposed-inputs",
        )
    if made is Precision.FLOAT32:
        return _suited(*left_as_floats(request))
    read_calibration(calibration, request.front)
    asked = replace(request, precision=made)
    if budget is None:
        converted, samples = assembled(asked, integers_of(asked))
    else:
        converted, samples = within_budget(asked, budget)
    return _watched(_suited(converted, samples), samples, request)


def _no_choice(source: Path) -> ConfigError:
    return ConfigError(
        f"{source} is quantized already: there is no form to choose",
        hint="leave out the budget, or convert the float model that it came from",
    )


def _watched(converted: Converted, samples: CalibrationSet, request: Request) -> Converted:
    """The same, with the ranges that the samples give the float model."""
    assert converted.float_tflite is not None
    models = converted.float_tflite, converted.model_tflite

    def told(share: float | None, message: str) -> None:
        """The conversion itself has come to its end: its share of the work does not start anew."""
        request.progress(None, message)

    ranges = find_ranges(*models, samples, request.work_dir, told)
    return replace(converted, ranges=ranges)


def _suited(converted: Converted, samples: CalibrationSet | None) -> Converted:
    """The same, with a note of what fixed point costs. ConfigError when the declaration does not
    suit the model.
    """
    graph, declared = converted.graph, converted.declared
    if declared.postprocess is not None:
        require_outputs(declared.postprocess, [_output(graph, i) for i in graph.outputs])
    if declared.preprocess is None:
        return converted
    inputs = [tensor_facts(graph.tensors[index]) for index in graph.inputs]
    require_input(declared.preprocess.front, [(facts.name, facts.shape) for facts in inputs])
    (facts,) = inputs
    if facts.dtype is not DType.INT8 or facts.scale is None or facts.zero_point is None:
        raise ConfigError(
            f"input {facts.name!r} is {facts.dtype}, and a declaration makes int8",
            hint="convert with --integer-edges or --quantization int8",
        )
    front, scale = declared.preprocess.front, Scale(facts.scale, facts.zero_point)
    affines(front, step=scale.step, zero_point=scale.zero_point)
    if samples is None or samples.raw is None:
        return converted
    return replace(converted, notes=(*converted.notes, _told_cost(front, samples.raw, scale)))


def _told_cost(front: Front, raw: RawSamples, scale: Scale) -> str:
    raws = raw.raws[:KEPT_SAMPLES]
    seen = cost(front, list(raws), step=scale.step, zero_point=scale.zero_point)
    return (
        f"preprocessing in fixed point is at most {seen.largest:.2f} steps of the input from "
        f"training's floats, {seen.mean:.2f} in the mean (rounding alone: 0.50, 0.25), over "
        f"{len(raws)} samples"
    )


def _output(graph: Graph, index: int) -> Output:
    facts = tensor_facts(graph.tensors[index])
    if facts.dtype is not DType.INT8 or facts.scale is None or facts.zero_point is None:
        return Output(facts.name, facts.shape, None)
    return Output(facts.name, facts.shape, Scale(facts.scale, facts.zero_point))

"""From a source model to an INT8 ``.tflite`` with the record of how it was made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from edgeserve.bundle import (
    GIVEN_AS_TFLITE,
    KEPT_SAMPLES,
    Agreement,
    BundleContents,
    CalibrationRecord,
    InputAdapter,
    Quantization,
    Samples,
    SourceFacts,
    SourceKind,
    ToolVersion,
    make_contents,
    quantize_samples,
    tensor_facts,
)
from edgeserve.bundle_store import read_tflite
from edgeserve.convert.calibration import (
    UNIT_RANGE,
    CalibrationSet,
    InputSpec,
    RawSamples,
    match_inputs,
    read_calibration,
)
from edgeserve.convert.keras_front import calibrated
from edgeserve.convert.precision import ACTIVATIONS, Precision, chosen
from edgeserve.convert.source import Source, read_source
from edgeserve.convert.tensorflow_worker import (
    FLOAT_FILE,
    INSTALL,
    QUANTIZED_FILE,
    TensorflowJob,
    TensorflowResult,
)
from edgeserve.convert.worker import Progress, run_worker
from edgeserve.declaration_file import NOTHING_DECLARED, Declaration
from edgeserve.errors import ConfigError, ConversionError, MissingTool
from edgeserve.graph import DType, Graph
from edgeserve.postprocess.host import Scale
from edgeserve.postprocess.suit import Output, require_outputs
from edgeserve.preprocess.declaration import Front
from edgeserve.preprocess.host import affines
from edgeserve.preprocess.ideal import cost
from edgeserve.preprocess.suit import require_input
from edgeserve.tflite.edges import Trimmed, without_float_edges, without_input_transposes
from edgeserve.tflite.reader import read_model


@dataclass(frozen=True, slots=True)
class Converted:
    """An INT8 model and its record; ``absent_reason`` says why an optional field is None."""

    name: str
    model_tflite: bytes
    float_tflite: bytes | None
    graph: Graph
    source: SourceFacts
    tools: tuple[ToolVersion, ...]
    quantization: Quantization | None
    calibration: CalibrationRecord | None
    samples: Samples | None
    agreement: Agreement | None
    absent_reason: str | None
    notes: tuple[str, ...]
    declared: Declaration = NOTHING_DECLARED

    def contents(self, *, input_adapter: InputAdapter = InputAdapter.NONE) -> BundleContents:
        """What :func:`edgeserve.bundle.write_bundle` writes."""
        return make_contents(
            name=self.name,
            graph=self.graph,
            model_tflite=self.model_tflite,
            source=self.source,
            float_tflite=self.float_tflite,
            tools=self.tools,
            quantization=self.quantization,
            calibration=self.calibration,
            samples=self.samples,
            agreement=self.agreement,
            absent_reason=self.absent_reason,
            notes=self.notes,
            input_adapter=input_adapter,
            preprocess=self.declared.preprocess,
            postprocess=self.declared.postprocess,
        )


@dataclass(frozen=True, slots=True)
class Edges:
    """What the caller of a ``.tflite`` model does instead of it: ``integers`` handed in and out
    where the file has float32, ``transposed`` inputs in the layout that the model computes in.
    """

    integers: bool = False
    transposed: bool = False


AS_IN_THE_FILE = Edges()


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
) -> Converted:
    """Convert the model at ``source``; a quantized ``.tflite`` is taken as it is.

    ``work_dir`` is an existing empty folder for the worker's files. ``image_range`` is what 0..255
    becomes when ``calibration`` is a folder of images; ``precision`` is the form of a source
    model's numbers. ``declared`` says what happens before and
    after the model: calibration data that are raw go through it. Where it says nothing of the
    input, Keras' own preprocessing layers at the start of a model become a declaration. Equal
    inputs and tool versions give equal bytes. Raises ConfigError (paths, calibration, a declaration
    that does not suit), ConversionError and UnsupportedOp (the model), MissingTool (TensorFlow).
    """
    made = chosen(precision)
    found = read_source(source)
    name = found.name if name is None else name
    if found.kind is SourceKind.TFLITE:
        if precision is not Precision.AUTO:
            raise ConfigError(
                f"{source} is quantized already: it is taken as it is",
                hint="leave out --quantization, or convert the Keras or SavedModel source",
            )
        taken, data = _take_tflite(found, name, calibration, image_range, edges, declared)
        return _suited(taken, data)
    if edges != AS_IN_THE_FILE:
        raise ConfigError(
            f"{source} has no edges to leave to the caller: it becomes integers all through",
            hint="leave out --integer-edges and --transposed-inputs",
        )
    read_calibration(calibration, _front(declared))
    if find_spec("tensorflow") is None:
        raise MissingTool("tensorflow", install=INSTALL)
    assert calibration is not None
    job = TensorflowJob(
        work_dir=str(work_dir),
        source=str(source),
        kind=found.kind,
        calibration=str(calibration),
        image_low=image_range[0],
        image_high=image_range[1],
        trust_source=trust_source,
        preprocess=declared.preprocess,
        precision=made,
    )
    module = "edgeserve.convert.tensorflow_worker"
    result = run_worker(module, job, TensorflowResult, work_dir=work_dir, progress=progress)
    model, float_model = ((work_dir / name).read_bytes() for name in (QUANTIZED_FILE, FLOAT_FILE))
    samples = calibrated(calibration, result.inputs, image_range, result.taken)
    declared = replace(declared, preprocess=result.taken.preprocess)
    return _suited(
        _assemble(found, name, model, float_model, result, samples, declared, made), samples
    )


def _front(declared: Declaration) -> Front | None:
    return None if declared.preprocess is None else declared.preprocess.front


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
            hint="convert with --integer-edges, or quantize the model's input",
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


def _assemble(
    source: Source,
    name: str,
    model: bytes,
    float_model: bytes,
    result: TensorflowResult,
    samples: CalibrationSet,
    declared: Declaration,
    made: Precision,
) -> Converted:
    graph = read_model(model, name=name)
    assert result.agreement is not None, "it is None of float models alone"
    return Converted(
        name=name,
        model_tflite=model,
        float_tflite=float_model,
        graph=graph,
        source=source.facts,
        tools=result.tools,
        quantization=Quantization(
            activations=ACTIVATIONS[made],
            weights=DType.INT8,
            weights_per_channel=_is_per_channel(graph),
            converter="TensorFlow Lite, full integer, post-training",
        ),
        calibration=result.calibration,
        samples=_as_inputs(graph, samples),
        agreement=result.agreement,
        absent_reason=None,
        notes=(*result.taken.notes, *_notes(samples, result.agreement)),
        declared=declared,
    )


def _take_tflite(
    source: Source,
    name: str,
    calibration: Path | None,
    image_range: tuple[float, float],
    edges: Edges,
    declared: Declaration,
) -> tuple[Converted, CalibrationSet | None]:
    trimmed = _trimmed(source, read_tflite(source.path), edges)
    model = trimmed.model_tflite
    graph = read_model(model, name=name)
    if not any(
        graph.tensors[i].dtype in ACTIVATIONS.values() for op in graph.ops for i in op.outputs
    ):
        raise ConversionError(
            f"{source.path} is not quantized: none of its operators writes int8 or int16",
            hint="quantize it to full INT8 first, or convert the Keras or SavedModel source",
        )
    samples = None
    if calibration is not None:
        specs = [InputSpec(graph.tensors[i].name, graph.tensors[i].shape) for i in graph.inputs]
        source_data = read_calibration(calibration, _front(declared))
        samples = match_inputs(source_data, specs, image_range=image_range)
    converted = Converted(
        name=name,
        model_tflite=model,
        float_tflite=None,
        graph=graph,
        source=source.facts,
        tools=(),
        quantization=None,
        calibration=None if samples is None else samples.record(),
        samples=None if samples is None else _as_inputs(graph, samples),
        agreement=None,
        absent_reason=GIVEN_AS_TFLITE,
        notes=trimmed.notes,
        declared=declared,
    )
    return converted, samples


def _trimmed(source: Source, model_tflite: bytes, edges: Edges) -> Trimmed:
    """The file without the edges that are left to the caller. ConfigError where it has none."""
    trimmed = Trimmed(model_tflite, ())
    for wanted, trim, option, what in (
        (edges.integers, without_float_edges, "--integer-edges", "no float32 input or output"),
        (edges.transposed, without_input_transposes, "--transposed-inputs", "no transposed input"),
    ):
        if wanted:
            found = trim(trimmed.model_tflite)
            if not found.notes:
                raise ConfigError(
                    f"{source.path} has {what} that can be left to the caller",
                    hint=f"leave out {option}",
                )
            trimmed = Trimmed(found.model_tflite, (*trimmed.notes, *found.notes))
    return trimmed


def _is_per_channel(graph: Graph) -> bool:
    constants = (tensor for tensor in graph.tensors if tensor.data is not None)
    return any(tensor.quant is not None and len(tensor.quant.scales) > 1 for tensor in constants)


def _as_inputs(graph: Graph, samples: CalibrationSet) -> Samples:
    """The samples as the model's inputs take them."""
    facts = [tensor_facts(graph.tensors[index]) for index in graph.inputs]
    pairs = zip(samples.inputs, facts, strict=True)
    return tuple(quantize_samples(array, fact) for array, fact in pairs)


def _notes(samples: CalibrationSet, agreement: Agreement) -> tuple[str, ...]:
    notes = []
    if samples.labels is not None and agreement.int8_correct is None:
        notes.append("the labels are not used: the model is no classifier")
    if agreement.samples < agreement.available:
        notes.append(
            f"agreement is of {agreement.samples} evenly spaced samples of {agreement.available}"
        )
    return tuple(notes)

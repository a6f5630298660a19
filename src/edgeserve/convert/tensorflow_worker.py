"""The TensorFlow half of a conversion: ``python -m edgeserve.convert.tensorflow_worker job.json``.

It runs in a process of its own, because TensorFlow's converter can crash the interpreter, takes
seconds to import and prints what it likes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgeserve.bundle import Agreement, CalibrationRecord, SourceKind, ToolVersion
from edgeserve.convert.agreement import Runner, compare
from edgeserve.convert.calibration import CalibrationSet, InputSpec, as_frames
from edgeserve.convert.float_model import unsound_weights
from edgeserve.convert.keras_front import NOTHING_TAKEN, Taken, calibrated, find_front
from edgeserve.convert.precision import Precision
from edgeserve.convert.worker import Progress, one_line, serve, within
from edgeserve.errors import ConversionError, EdgeserveError, MissingTool
from edgeserve.preprocess.declaration import Preprocess, declared, told

FLOAT_FILE = "float.tflite"
QUANTIZED_FILE = "quantized.tflite"
INSTALL = "pip install 'edgeserve[keras]'"

_TRUST_HINT = "--trust-source runs the code in it: only for a file whose origin you know"
_STATEFUL_OPS = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})
# Operators of a SavedModel that run Python or touch files while the model is loaded or folded.
_UNSAFE_OPS = frozenset(
    {
        "DatasetToTFRecord",
        "DebugIdentity",
        "DebugIdentityV2",
        "DebugIdentityV3",
        "EagerPyFunc",
        "MatchingFiles",
        "PrintV2",
        "PyFunc",
        "PyFuncStateless",
        "ReadFile",
        "SaveDataset",
        "SaveDatasetV2",
        "WriteFile",
    }
)


@dataclass(frozen=True, slots=True)
class TensorflowJob:
    """What to convert; both models are written into ``work_dir``, the float one alone unless it
    ``quantizes``. Only then may ``calibration`` be None.
    """

    work_dir: str
    source: str
    kind: SourceKind
    calibration: str | None
    image_low: float
    image_high: float
    trust_source: bool
    preprocess: Preprocess | None
    precision: Precision
    quantizes: bool


@dataclass(frozen=True, slots=True)
class Quantized:
    """What quantization found beside its model."""

    calibration: CalibrationRecord
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class TensorflowResult:
    """What the conversion found; ``quantized`` is None where the float model alone was wanted."""

    inputs: tuple[InputSpec, ...]
    taken: Taken
    quantized: Quantized | None
    tools: tuple[ToolVersion, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A traced function of batch 1; ``owner`` keeps the variables alive that it reads."""

    function: Any
    inputs: tuple[InputSpec, ...]
    owner: Any
    taken: Taken


def convert(job: TensorflowJob, progress: Progress) -> TensorflowResult:
    """Load and convert; writes ``float.tflite`` and, where wanted, ``quantized.tflite``."""
    progress(0.0, "importing TensorFlow")
    tf, keras = _frameworks()
    progress(0.1, "loading the model")
    loaded = _load(tf, keras, job)
    _refuse_unsound_weights(loaded)
    progress(0.3, "converting to float TFLite")
    float_model = _convert_float(tf, loaded)
    (Path(job.work_dir) / FLOAT_FILE).write_bytes(float_model)
    quantized = None
    if job.quantizes:
        quantized = _calibrate(tf, loaded, job, float_model, within(progress, 0.3, 1.0))
    return TensorflowResult(
        inputs=loaded.inputs,
        taken=loaded.taken,
        quantized=quantized,
        tools=(
            ToolVersion("tensorflow", tf.__version__),
            ToolVersion("keras", keras.__version__),
            ToolVersion("ai-edge-litert", version("ai-edge-litert")),
            ToolVersion("numpy", version("numpy")),
        ),
    )


def _calibrate(
    tf: Any, loaded: Loaded, job: TensorflowJob, float_model: bytes, progress: Progress
) -> Quantized:
    """Quantize and compare; writes ``quantized.tflite``."""
    assert job.calibration is not None, "integers need calibration data"
    progress(0.1, "reading the calibration data")
    calibration = calibrated(
        Path(job.calibration), loaded.inputs, (job.image_low, job.image_high), loaded.taken
    )
    model = _quantize(tf, loaded, calibration, job.precision, within(progress, 0.2, 0.6))
    agreement = compare(float_model, model, calibration, within(progress, 0.6, 1.0))
    (Path(job.work_dir) / QUANTIZED_FILE).write_bytes(model)
    return Quantized(calibration.record(), agreement)


def _frameworks() -> tuple[Any, Any]:
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise MissingTool("tensorflow", install=INSTALL) from error
    return tf, keras


def _load(tf: Any, keras: Any, job: TensorflowJob) -> Loaded:
    try:
        if job.kind is SourceKind.SAVED_MODEL:
            return _load_saved_model(tf, job)
        return _load_keras(tf, keras, job)
    except EdgeserveError:
        raise
    except Exception as error:
        raise _load_error(job, error) from error


def _load_error(job: TensorflowJob, error: Exception) -> ConversionError:
    text = str(error)
    if "safe_mode" in text or "unsafe" in text:
        return ConversionError(
            f"{job.source} holds Python code (a Lambda layer), which is not run unasked",
            hint=_TRUST_HINT,
        )
    if "Could not locate" in text:
        name = text.split("Could not locate", 1)[1].split(".")[0].strip()
        return ConversionError(
            f"{job.source} uses a layer that Keras alone does not have: {one_line(name)}",
            hint="export it where the layer is defined: model.export(folder), and give that folder",
        )
    if "No model config" in text:
        return ConversionError(
            f"{job.source} holds weights alone, not the model",
            hint="save the whole model: model.save('model.keras')",
        )
    return ConversionError(
        f"{job.source} cannot be loaded: {one_line(text) or type(error).__name__}",
        hint="save the model again; a download may have been cut short",
    )


def _load_keras(tf: Any, keras: Any, job: TensorflowJob) -> Loaded:
    model = keras.models.load_model(job.source, compile=False, safe_mode=not job.trust_source)
    tensors = getattr(model, "inputs", None)
    if not tensors:
        raise ConversionError(
            f"{job.source} does not say what its inputs are",
            hint="call the model once and model.export(folder) it, and give that folder",
        )
    inputs = tuple(_input_spec(t.name, t.shape, t.dtype) for t in tensors)
    model, inputs, taken = _without_front(keras, model, inputs, job)
    structure = model.input

    def call(*arrays: Any) -> Any:
        return model(keras.tree.pack_sequence_as(structure, list(arrays)), training=False)

    return Loaded(_trace(tf, call, inputs), inputs, model, taken)


def _without_front(
    keras: Any, model: Any, inputs: tuple[InputSpec, ...], job: TensorflowJob
) -> tuple[Any, tuple[InputSpec, ...], Taken]:
    """The model without the preprocessing layers at its start, where the declaration is silent."""
    if job.preprocess is not None:
        return model, inputs, Taken(job.preprocess, None, ())
    found = find_front(keras, model, inputs)
    if found is None:
        return model, inputs, NOTHING_TAKEN
    if job.calibration is None:
        note = f"{found.layers} stay in the model: no calibration data show that it takes pixels"
        return model, inputs, Taken(None, None, (note,))
    whole = calibrated(
        Path(job.calibration), inputs, (job.image_low, job.image_high), NOTHING_TAKEN
    )
    if as_frames(whole, found.front) is None:
        note = (
            f"{found.layers} stay in the model: the calibration data are no pixels, whole numbers "
            "from 0 to 255"
        )
        return model, inputs, Taken(None, None, (note,))
    tail = keras.Model(found.tensor, model.outputs)
    spec = _input_spec(inputs[0].name, found.tensor.shape, found.tensor.dtype)
    note = f"{found.layers} became the declaration of the input: {told(found.front)}"
    return tail, (spec,), Taken(declared(found.front), inputs[0], (note,))


def _load_saved_model(tf: Any, job: TensorflowJob) -> Loaded:
    if not job.trust_source:
        _refuse_unsafe_ops(Path(job.source))
    owner = tf.saved_model.load(job.source)
    signatures = dict(owner.signatures)
    if "serving_default" not in signatures and len(signatures) != 1:
        names = ", ".join(sorted(signatures)) or "none"
        raise ConversionError(
            f"{job.source} has no signature serving_default (it has {names})",
            hint="save it with one signature, or with one called serving_default",
        )
    signature = signatures.get("serving_default") or next(iter(signatures.values()))
    arguments = signature.structured_input_signature[1]
    inputs = tuple(_input_spec(n, s.shape, s.dtype.name) for n, s in sorted(arguments.items()))

    def call(*arrays: Any) -> Any:
        named = {spec.name: array for spec, array in zip(inputs, arrays, strict=True)}
        outputs = signature(**named)
        return [outputs[name] for name in sorted(outputs)]

    given = Taken(job.preprocess, None, ())
    return Loaded(_trace(tf, call, inputs), inputs, owner, given)


def _refuse_unsafe_ops(folder: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for meta in saved.meta_graphs:
        bodies = [meta.graph_def.node, *(f.node_def for f in meta.graph_def.library.function)]
        found = sorted({node.op for nodes in bodies for node in nodes} & _UNSAFE_OPS)
        if found:
            raise ConversionError(
                f"{folder} holds {', '.join(found)}, which can run code or touch files",
                hint=_TRUST_HINT,
            )


def _input_spec(name: str, shape: Any, dtype: str) -> InputSpec:
    """The input with its batch made 1; ConversionError when it is not float32 or not fixed."""
    extents = [None if extent is None else int(extent) for extent in shape]
    spelled = "(" + ", ".join(str(extent) for extent in extents) + ")"
    if dtype != "float32":
        raise ConversionError(
            f"input {name!r} is {dtype}, and only float32 inputs are converted",
            hint="let the model take float32 and do the look-up or cast outside it",
        )
    if not extents or extents[0] not in (None, 1):
        raise ConversionError(
            f"input {name!r} has shape {spelled}: its first extent must be a batch of 1 or any",
            hint="build the model with batch_size=None",
        )
    rest = [extent for extent in extents[1:] if extent is not None]
    if len(rest) != len(extents) - 1:
        raise ConversionError(
            f"input {name!r} has shape {spelled}: all extents but the batch must be known",
            hint="build the model with a fixed input shape",
        )
    return InputSpec(name, (1, *rest))


def _trace(tf: Any, call: Any, inputs: tuple[InputSpec, ...]) -> Any:
    # With an open batch the converter emits shape arithmetic that the device would have to run.
    specs = [tf.TensorSpec(spec.shape, tf.float32, name=spec.name) for spec in inputs]
    function = tf.function(call, autograph=False).get_concrete_function(*specs)
    _refuse_assignments(function)
    return function


def _refuse_assignments(function: Any) -> None:
    graph = function.graph.as_graph_def()
    bodies = [graph.node, *(body.node_def for body in graph.library.function)]
    operators = {node.op for nodes in bodies for node in nodes}
    if any(op.startswith("Assign") for op in operators):
        raise _keeps_state("it assigns to variables while it runs")


def _refuse_unsound_weights(loaded: Loaded) -> None:
    for variable in loaded.function.variables:
        values = variable.numpy()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise unsound_weights(variable.name)


def _converter(tf: Any, loaded: Loaded) -> Any:
    # Without the owner as second argument, which would leave the weights behind as variables.
    return tf.lite.TFLiteConverter.from_concrete_functions([loaded.function])


def _convert_float(tf: Any, loaded: Loaded) -> bytes:
    return _run(_converter(tf, loaded), loaded)


def _quantize(
    tf: Any,
    loaded: Loaded,
    calibration: CalibrationSet,
    precision: Precision,
    progress: Progress,
) -> bytes:
    def representative() -> Iterator[list[Any]]:
        for index in range(calibration.samples):
            done = (index + 1) / calibration.samples
            progress(done, f"calibrating with sample {index + 1} of {calibration.samples}")
            yield list(calibration.sample(index))
        progress(1.0, f"quantizing to {precision}")

    converter = _converter(tf, loaded)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    if precision is Precision.INT16X8:
        operators = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        edge = tf.int16
    else:
        operators, edge = tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.int8
    converter.target_spec.supported_ops = [operators]
    converter.inference_input_type = converter.inference_output_type = edge
    return _run(converter, loaded)


def _run(converter: Any, loaded: Loaded) -> bytes:
    try:
        model = bytes(converter.convert())
    except Exception as error:
        raise ConversionError(
            f"TensorFlow cannot convert the model: {_reason(str(error))}",
            hint="replace the operator named, or convert the model yourself and give the .tflite",
        ) from error
    _refuse_state(model)
    _require_order(model, loaded)
    return model


def _reason(text: str) -> str:
    """The part of a converter's error that names the operator, else its first line."""
    named = re.search(r"'tf\.\w+' op [^\n]*", text)
    if named:
        return one_line(named.group())
    lines = [line for line in text.splitlines() if line.strip()]
    return one_line(lines[0]) if lines else "it gives no reason"


def _refuse_state(model: bytes) -> None:
    """A variable in the result of a stateless model makes wrong outputs, not an error."""
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    parsed = schema.Model.GetRootAs(model)
    codes = (parsed.OperatorCodes(i).BuiltinCode() for i in range(parsed.OperatorCodesLength()))
    found = sorted({names.get(code, str(code)) for code in codes} & _STATEFUL_OPS)
    if found:
        raise _keeps_state(f"the converted model has {', '.join(found)}")


def _keeps_state(why: str) -> ConversionError:
    return ConversionError(
        f"the model keeps state between inferences, which is not supported: {why}",
        hint="make the state an input and an output of the model",
    )


def _require_order(model: bytes, loaded: Loaded) -> None:
    """The calibration samples are fed by position: a converter that reorders inputs is caught."""
    runner = Runner(model, reference=False)
    wanted = [tensor.name.split(":")[0] for tensor in loaded.function.inputs[: len(loaded.inputs)]]
    if len(wanted) > 1 and [facts.name for facts in runner.inputs] != wanted:
        raise ConversionError(
            f"the converter changed the inputs {', '.join(wanted)} "
            f"to {', '.join(facts.name for facts in runner.inputs)}"
        )


if __name__ == "__main__":
    sys.exit(serve(TensorflowJob, convert))

"""From a source model to a Core ML package beside the float ``.tflite`` that it was made of.

A source becomes a float ``.tflite`` first, as for any other target; the package is built from that
graph, so that there is one way for all sources, and one float model to check against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from edgeserve.bundle import BundleContents, Samples, SourceKind, ToolVersion, make_contents
from edgeserve.bundle_store import read_tflite
from edgeserve.convert.calibration import UNIT_RANGE, CalibrationSet, read_calibration
from edgeserve.convert.converted import FloatModel, Request
from edgeserve.convert.coreml.frameworks import INSTALL as INSTALL_COREML
from edgeserve.convert.coreml.package import Metadata
from edgeserve.convert.coreml_worker import (
    BOUNDS,
    CHECKED_SAMPLES,
    PACKAGE,
    CoremlJob,
    CoremlResult,
)
from edgeserve.convert.float_model import read_float_model
from edgeserve.convert.float_source import float_of
from edgeserve.convert.foreign import FLOAT_FILE
from edgeserve.convert.input_shape import InputShape
from edgeserve.convert.keras_front import calibrated
from edgeserve.convert.precision import Precision
from edgeserve.convert.source import read_source
from edgeserve.convert.worker import Progress, run_worker
from edgeserve.coreml_facts import CoremlCheck, OutputError, WeightsForm
from edgeserve.declaration_file import NOTHING_DECLARED, Declaration
from edgeserve.errors import AccuracyError, ConfigError, ConversionError, MissingTool
from edgeserve.graph import DType, Graph
from edgeserve.postprocess.declaration import Activation
from edgeserve.preprocess.declaration import ImageInput, Resize
from edgeserve.preprocess.declaration import declared as declared_as
from edgeserve.preprocess.suit import require_input
from edgeserve.tflite.reader import read_model

NOT_QUANTIZED = "made for iOS: the model stays float"
_FORMS = {
    Precision.AUTO: WeightsForm.FLOAT16,
    Precision.FLOAT16: WeightsForm.FLOAT16,
    Precision.FLOAT32: WeightsForm.FLOAT32,
    Precision.INT8: WeightsForm.INT8,
    Precision.PALETTIZED6: WeightsForm.PALETTIZED6,
    Precision.PALETTIZED4: WeightsForm.PALETTIZED4,
}
_PALETTES = (WeightsForm.PALETTIZED6, WeightsForm.PALETTIZED4)
_WORKER = "edgeserve.convert.coreml_worker"
_NO_METADATA = Metadata()
_SAMPLES_FILE = "samples.npz"


@dataclass(frozen=True, slots=True)
class AppleWish:
    """What is asked of a package: the form of its numbers, the oldest iOS, what Xcode shows."""

    precision: Precision = Precision.AUTO
    minimum_ios: int = 16
    metadata: Metadata = _NO_METADATA


@dataclass(frozen=True, slots=True)
class _Floats:
    """The float model of a source, and the samples to check it with, if there are any."""

    model: FloatModel
    graph: Graph
    samples: CalibrationSet | None
    declared: Declaration


def convert_for_apple(
    source: Path,
    *,
    calibration: Path | None,
    trust_source: bool,
    work_dir: Path,
    progress: Progress,
    wish: AppleWish,
    name: str | None = None,
    image_range: tuple[float, float] = UNIT_RANGE,
    declared: Declaration = NOTHING_DECLARED,
    input_shapes: tuple[InputShape, ...] = (),
) -> BundleContents:
    """The contents of a bundle with a package, which lies in ``work_dir`` until they are written.

    ``calibration`` is optional: with it the package is checked on real samples, without on random
    numbers. ``input_shapes`` settle what a source leaves open. Raises ConfigError (paths, options,
    declarations that do not suit), ConversionError and UnsupportedOp (the model), AccuracyError
    (the package answers something else than the float model), MissingTool (coremltools,
    scikit-learn, TensorFlow), ToolFailed (the making of a framework's environment).
    """
    form = form_of(wish.precision)
    found = read_source(source)
    for module, tool in (("coremltools", "coremltools"), ("sklearn", "scikit-learn")):
        if (module != "sklearn" or form in _PALETTES) and find_spec(module) is None:
            raise MissingTool(tool, install=INSTALL_COREML)
    called = found.name if name is None else name
    floats = _floats(
        Request(
            source=found,
            name=called,
            calibration=calibration,
            image_range=image_range,
            declared=declared,
            precision=wish.precision,
            int16_layers=(),
            input_shapes=input_shapes,
            trust_source=trust_source,
            work_dir=work_dir,
            progress=progress,
        )
    )
    job = _job(floats, called, form, wish, work_dir)
    result = run_worker(_WORKER, job, CoremlResult, work_dir=work_dir, progress=progress)
    _require_close(result.facts.check, form)
    samples = floats.samples
    return make_contents(
        name=called,
        graph=floats.graph,
        model_tflite=floats.model.tflite,
        source=found.facts,
        tools=_each_once((*floats.model.tools, *result.tools)),
        calibration=None if samples is None else samples.record(),
        samples=None if samples is None else samples.inputs,
        absent_reason=NOT_QUANTIZED,
        notes=(
            *floats.model.taken.notes,
            *floats.model.notes,
            *_left_to_the_app(floats.declared, job),
        ),
        preprocess=floats.declared.preprocess,
        postprocess=floats.declared.postprocess,
        coreml=result.facts,
        mlpackage=work_dir / PACKAGE,
    )


def form_of(precision: Precision) -> WeightsForm:
    """The form of a package's weights that ``--quantization`` means. Raises ConfigError."""
    if precision not in _FORMS:
        raise ConfigError(
            f"Core ML packages are not made {precision} here",
            hint=f"--quantization {', '.join(_FORMS)}",
        )
    return _FORMS[precision]


def _floats(request: Request) -> _Floats:
    if request.source.kind is SourceKind.TFLITE:
        _refuse_quantized(request)
    if request.calibration is not None:
        # Before a source is converted, which takes longer.
        read_calibration(request.calibration, request.front)
    model = float_of(request)
    samples = None
    if request.calibration is not None:
        samples = calibrated(request.calibration, model.inputs, request.image_range, model.taken)
    return _Floats(
        model=model,
        graph=read_float_model(model.tflite, name=request.name),
        samples=samples,
        declared=replace(request.declared, preprocess=model.taken.preprocess),
    )


def _refuse_quantized(request: Request) -> None:
    path = request.source.path
    graph = read_model(read_tflite(path), name=request.name)
    if any(tensor.dtype in (DType.INT8, DType.UINT8, DType.INT16) for tensor in graph.tensors):
        raise ConversionError(
            f"{path} is quantized, and a Core ML package is made of a float model",
            hint="give the model before it was quantized: Keras, PyTorch, ONNX, a float .tflite",
        )


def _job(
    floats: _Floats, name: str, form: WeightsForm, wish: AppleWish, work_dir: Path
) -> CoremlJob:
    model, samples = work_dir / FLOAT_FILE, work_dir / _SAMPLES_FILE
    model.write_bytes(floats.model.tflite)
    if floats.samples is not None:
        _save_samples(samples, floats.samples.inputs)
    front = _picture(floats)
    labels = _labels(floats)
    classes = None if floats.declared.postprocess is None else floats.declared.postprocess.classes
    return CoremlJob(
        work_dir=str(work_dir),
        name=name,
        model=str(model),
        samples="" if floats.samples is None else str(samples),
        form=form,
        minimum_ios=wish.minimum_ios,
        picture=None if front is None else declared_as(front),
        ending=classes.activation if labels and classes is not None else Activation.NONE,
        labels=labels,
        metadata=wish.metadata,
    )


def _save_samples(path: Path, inputs: Samples) -> None:
    """Evenly spaced, as many as the check looks at."""
    count = len(inputs[0])
    checked = min(count, CHECKED_SAMPLES)
    rows = np.arange(checked) * count // checked
    with path.open("wb") as file:
        arrays = {f"input_{place}": array[rows] for place, array in enumerate(inputs)}
        np.savez(file, allow_pickle=False, **arrays)


def _picture(floats: _Floats) -> ImageInput | None:
    """The declared image that becomes the package's input. ConfigError where it does not suit."""
    if floats.declared.preprocess is None:
        return None
    front = floats.declared.preprocess.front
    tensors = [floats.graph.tensors[index] for index in floats.graph.inputs]
    require_input(front, [(tensor.name, tensor.shape) for tensor in tensors])
    return front if isinstance(front, ImageInput) else None


def _labels(floats: _Floats) -> tuple[str, ...]:
    """The classes' names, where they make a classifier. ConfigError where they are of another
    number than the classes, or not all different.
    """
    post = floats.declared.postprocess
    if post is None or post.classes is None or not post.labels:
        return ()
    shapes = [floats.graph.tensors[index].shape for index in floats.graph.outputs]
    if len(shapes) != 1 or shapes[0] != (1, len(post.labels)):
        raise ConfigError(
            f"there are {len(post.labels)} labels, and the model's outputs have the shapes "
            f"{', '.join(map(str, shapes))}",
            hint="a classifier has one output of shape (1, classes): give a label for each class",
        )
    if len(set(post.labels)) != len(post.labels):
        raise ConfigError("two labels are the same, and Core ML tells classes apart by them")
    return post.labels


def _left_to_the_app(declared: Declaration, job: CoremlJob) -> tuple[str, ...]:
    """What of the declaration is not in the package."""
    notes = []
    if declared.preprocess is not None:
        front = declared.preprocess.front
        if not isinstance(front, ImageInput):
            notes.append("preprocessing is not in the package: the app hands in what it gives")
        elif front.resize is not Resize.NONE or (front.height, front.width) != (
            front.out_height,
            front.out_width,
        ):
            crop = front.crop
            notes.append(
                f"the app crops to {crop.width}x{crop.height}+{crop.left}+{crop.top} of "
                f"{front.width}x{front.height} and resizes ({front.resize}) to "
                f"{front.out_width}x{front.out_height}: the package takes that image"
            )
    if declared.postprocess is not None and not job.labels:
        notes.append("postprocessing is not in the package: the app gets the model's own outputs")
    return tuple(notes)


def _require_close(check: CoremlCheck, form: WeightsForm) -> None:
    """AccuracyError where an output is further from the float model's than its form may be."""
    plain = check.uncompressed
    parts: list[tuple[WeightsForm, Sequence[OutputError]]] = [(form, check.outputs)]
    if plain is not None:
        parts.insert(0, (WeightsForm.FLOAT16, plain))
    if check.predicted is not None:
        parts.append((form, check.predicted))
    for of, outputs in parts:
        worst = max(outputs, key=lambda one: one.relative)
        if worst.relative > BOUNDS[of]:
            raise AccuracyError(
                f"{worst.name!r} of the {of} package is up to {worst.relative:.2g} of its range "
                f"away from the float model, and at most {BOUNDS[of]:g} is taken",
                hint="--quantization float32 is nearest"
                if of is WeightsForm.FLOAT16
                else "--quantization float16 is nearer",
            )


def _each_once(tools: Sequence[ToolVersion]) -> tuple[ToolVersion, ...]:
    return tuple(dict.fromkeys(tools))

"""The Core ML half of a conversion: ``python -m edgeserve.convert.coreml_worker job.json``.

It runs in a process of its own, because coremltools takes seconds to import and prints what it
likes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeserve.bundle import ToolVersion
from edgeserve.convert.coreml.check import (
    Answers,
    FloatModel,
    Sample,
    as_samples,
    package_answers,
    predicted_answers,
)
from edgeserve.convert.coreml.evaluate import evaluator, operator_counts, parameter_count
from edgeserve.convert.coreml.package import (
    Metadata,
    Recipe,
    compressed,
    convert_graph,
    replace_package,
    save_package,
)
from edgeserve.convert.coreml.predictor import core_ml
from edgeserve.convert.coreml.program import Edges
from edgeserve.convert.coreml.saved import SavedProgram, read_package
from edgeserve.convert.worker import Progress, serve
from edgeserve.coreml_facts import (
    CoremlCheck,
    CoremlFacts,
    OutputError,
    SamplesFrom,
    WeightsForm,
)
from edgeserve.folder_hash import folder_sha256
from edgeserve.graph import Graph
from edgeserve.postprocess.declaration import Activation
from edgeserve.preprocess.declaration import Preprocess
from edgeserve.tflite.reader import read_model

PACKAGE = "model.mlpackage"
CHECKED_SAMPLES = 8
SEED = 0
BOUNDS = {
    WeightsForm.FLOAT32: 1e-4,
    WeightsForm.FLOAT16: 1e-2,
    WeightsForm.INT8: 0.05,
    WeightsForm.PALETTIZED6: 0.2,
    WeightsForm.PALETTIZED4: 0.5,
}
"""The largest error that is taken, as a share of the output's largest value."""


@dataclass(frozen=True, slots=True)
class CoremlJob:
    """``model`` and ``samples`` (``input_0`` ... of a ``.npz``, empty where random numbers do) are
    paths; the package is written into ``work_dir``. ``picture`` declares an image, or is None.
    """

    work_dir: str
    name: str
    model: str
    samples: str
    form: WeightsForm
    minimum_ios: int
    picture: Preprocess | None
    ending: Activation
    labels: tuple[str, ...]
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class CoremlResult:
    """What the package is, whatever its error; its caller judges that."""

    facts: CoremlFacts
    tools: tuple[ToolVersion, ...]


def convert(job: CoremlJob, progress: Progress) -> CoremlResult:
    """Builds the package, saves it, reads it back and holds its answers against the model's."""
    data = Path(job.model).read_bytes()
    graph = read_model(data, name=job.name)
    front = None if job.picture is None else job.picture.image
    edges = Edges(front, job.ending)
    recipe = Recipe(job.form, job.minimum_ios, edges, job.labels, job.metadata)
    folder = Path(job.work_dir) / PACKAGE
    progress(0.0, "building the ML Program")
    model = convert_graph(graph, recipe)
    save_package(model, folder)
    progress(0.4, "checking the ML Program")
    program = read_package(folder)
    samples = as_samples(_rows(job, graph), program, edges)
    wanted = FloatModel(data, graph, edges).answers(samples, program)
    given = package_answers(evaluator(program), samples, wanted)
    plain: tuple[OutputError, ...] | None = None
    if job.form not in (WeightsForm.FLOAT16, WeightsForm.FLOAT32):
        plain = given.errors(wanted)
        progress(0.6, f"making the weights {job.form}")
        replace_package(compressed(model, job.form), folder)
        progress(0.8, "checking the ML Program again")
        program = read_package(folder)
        given = package_answers(evaluator(program), samples, wanted)
    check = CoremlCheck(
        samples=len(samples),
        samples_from=SamplesFrom.CALIBRATION if job.samples else SamplesFrom.RANDOM,
        bound=BOUNDS[job.form],
        outputs=given.errors(wanted),
        uncompressed=plain,
        predicted=_predicted(folder, program, samples, wanted),
        top1_equal=given.top1_equal(wanted),
    )
    return CoremlResult(_facts(job, folder, program, check), _tools(job.form))


def _predicted(
    folder: Path, program: SavedProgram, samples: tuple[Sample, ...], wanted: Answers
) -> tuple[OutputError, ...] | None:
    predictor = core_ml(folder, program)
    if predictor is None:
        return None
    given, comparable = predicted_answers(predictor, samples, wanted)
    return given.errors(comparable)


def _rows(job: CoremlJob, graph: Graph) -> list[list[NDArray[np.float32]]]:
    """Samples as the float model takes them, each input with its batch of 1."""
    shapes = [graph.tensors[index].shape for index in graph.inputs]
    if job.samples:
        with np.load(job.samples, allow_pickle=False) as archive:
            arrays = [archive[f"input_{place}"] for place in range(len(shapes))]
        return [
            [array[row].reshape(shape) for array, shape in zip(arrays, shapes, strict=True)]
            for row in range(len(arrays[0]))
        ]
    random = np.random.default_rng(SEED)
    front = None if job.picture is None else job.picture.image
    if front is None:
        return [
            [random.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
            for _ in range(CHECKED_SAMPLES)
        ]
    # Whatever pixels there are: as_samples() takes the nearest, so the range is all that counts.
    pairs = list(zip(front.mean, front.scale, strict=True))
    ends = [(pixel - mean) * scale for mean, scale in pairs for pixel in (0, 255)]
    (shape,) = shapes
    return [
        [random.uniform(min(ends), max(ends), shape).astype(np.float32)]
        for _ in range(CHECKED_SAMPLES)
    ]


def _facts(job: CoremlJob, folder: Path, program: SavedProgram, check: CoremlCheck) -> CoremlFacts:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return CoremlFacts(
        sha256=folder_sha256(folder),
        form=job.form,
        minimum_os=f"iOS {job.minimum_ios}",
        specification=program.specification,
        inputs=program.inputs,
        outputs=program.outputs,
        operators=operator_counts(program),
        parameters=parameter_count(program),
        weights_bytes=program.weights_bytes,
        package_bytes=sum(path.stat().st_size for path in files),
        check=check,
    )


def _tools(form: WeightsForm) -> tuple[ToolVersion, ...]:
    packages: list[str] = ["coremltools", "ai-edge-litert", "numpy"]
    if form in (WeightsForm.PALETTIZED6, WeightsForm.PALETTIZED4):
        packages.append("scikit-learn")
    return tuple(ToolVersion(name, version(name)) for name in packages)


if __name__ == "__main__":
    sys.exit(serve(CoremlJob, convert))

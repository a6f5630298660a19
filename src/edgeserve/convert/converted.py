"""What is asked of a conversion, what its stages hand on, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeserve.bundle import (
    Agreement,
    BundleContents,
    CalibrationRecord,
    InputAdapter,
    Quantization,
    Samples,
    SourceFacts,
    ToolVersion,
    make_contents,
    quantize_samples,
    tensor_facts,
)
from edgeserve.convert.calibration import CalibrationSet, InputSpec
from edgeserve.convert.input_shape import InputShape
from edgeserve.convert.keras_front import Taken
from edgeserve.convert.precision import Precision
from edgeserve.convert.source import Source
from edgeserve.convert.worker import Progress
from edgeserve.declaration_file import NOTHING_DECLARED, Declaration
from edgeserve.graph import Graph
from edgeserve.preprocess.declaration import Front
from edgeserve.tensor_ranges import RangeRecord


@dataclass(frozen=True, slots=True)
class Request:
    """A source and what is to be made of it. ``work_dir`` is an empty folder for workers' files;
    ``image_range`` is what 0..255 becomes when ``calibration`` is a folder of images.
    """

    source: Source
    name: str
    calibration: Path | None
    image_range: tuple[float, float]
    declared: Declaration
    precision: Precision
    int16_layers: tuple[str, ...]
    input_shapes: tuple[InputShape, ...]
    trust_source: bool
    work_dir: Path
    progress: Progress

    @property
    def front(self) -> Front | None:
        return None if self.declared.preprocess is None else self.declared.preprocess.front


@dataclass(frozen=True, slots=True)
class FloatModel:
    """A float32 ``.tflite``; ``inputs`` are in its order, under the source's names."""

    tflite: bytes
    inputs: tuple[InputSpec, ...]
    taken: Taken
    tools: tuple[ToolVersion, ...]
    notes: tuple[str, ...] = ()


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
    ranges: RangeRecord | None = None

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
            ranges=self.ranges,
            agreement=self.agreement,
            absent_reason=self.absent_reason,
            notes=self.notes,
            input_adapter=input_adapter,
            preprocess=self.declared.preprocess,
            postprocess=self.declared.postprocess,
        )


def is_per_channel(graph: Graph) -> bool:
    """Whether any constant has a scale a channel."""
    constants = (tensor for tensor in graph.tensors if tensor.data is not None)
    return any(tensor.quant is not None and len(tensor.quant.scales) > 1 for tensor in constants)


def as_inputs(graph: Graph, samples: CalibrationSet) -> Samples:
    """The samples as the model's inputs take them."""
    facts = [tensor_facts(graph.tensors[index]) for index in graph.inputs]
    pairs = zip(samples.inputs, facts, strict=True)
    return tuple(quantize_samples(array, fact) for array, fact in pairs)


def agreement_notes(samples: CalibrationSet, agreement: Agreement) -> tuple[str, ...]:
    """What a reader of the agreement has to know."""
    notes = []
    if samples.labels is not None and agreement.int8_correct is None:
        notes.append("the labels are not used: the model is no classifier")
    if agreement.samples < agreement.available:
        notes.append(
            f"agreement is of {agreement.samples} evenly spaced samples of {agreement.available}"
        )
    return tuple(notes)

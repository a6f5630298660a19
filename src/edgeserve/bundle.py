"""The nouns of a bundle: what a converted model is, where it came from, how it was calibrated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve import __version__
from edgeserve.coreml_facts import CoremlFacts
from edgeserve.errors import ConfigError
from edgeserve.graph import DType, Graph, Tensor
from edgeserve.postprocess.declaration import Postprocess
from edgeserve.preprocess.declaration import Preprocess
from edgeserve.tensor_ranges import RangeRecord
from edgeserve.tflite.reader import read_model

SCHEMA_VERSION = 4
KEPT_SAMPLES = 32
GIVEN_AS_TFLITE = "given as .tflite"

Samples = tuple[NDArray[Any], ...]
"""One array an input, in the model's order, each of shape ``(n, *input shape without batch)``."""


class InputAdapter(StrEnum):
    """What the bytes sent to a device are, before they are the model's input."""

    NONE = "none"
    UINT8_TO_INT8 = "uint8-to-int8"
    FLOAT32_QUANTIZE = "float32-quantize"


class SourceKind(StrEnum):
    """The kinds of model files that a bundle is made from."""

    KERAS = "keras"
    HDF5 = "h5"
    SAVED_MODEL = "saved_model"
    TFLITE = "tflite"
    PYTORCH = "pt2"
    ONNX = "onnx"


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Where a model came from. For a folder the hash covers its sorted names and their bytes."""

    kind: SourceKind
    sha256: str


@dataclass(frozen=True, slots=True)
class ToolVersion:
    """A tool that took part in the conversion."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """An input or output; ``scale`` and ``zero_point`` are None where it is not quantized."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    scale: float | None
    zero_point: int | None

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def size_bytes(self) -> int:
        return self.elements * self.dtype.size_bytes


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the weights and activations were made integers, and by what."""

    activations: DType
    weights: DType
    weights_per_channel: bool
    converter: str


@dataclass(frozen=True, slots=True)
class OutputAgreement:
    """How far the dequantized output of the INT8 model is from the float model's, in real values.

    ``step`` is the output's quantization scale: the least difference that the INT8 model can say.
    """

    name: str
    max_abs_error: float
    mean_abs_error: float
    step: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The INT8 model beside the float one, over ``samples`` of ``available`` calibration samples.

    The counts of equal top-1 answers and of right answers are None where the model is no classifier
    (one output of shape ``[1, n]``, n at least 2) or where no labels were given.
    """

    samples: int
    available: int
    outputs: tuple[OutputAgreement, ...]
    top1_equal: int | None
    float_correct: int | None
    int8_correct: int | None

    @property
    def top1_agreement(self) -> float | None:
        """Share of samples on which both models give the same class."""
        return self._share(self.top1_equal)

    @property
    def float_accuracy(self) -> float | None:
        """Share of samples that the float model gives the labelled class."""
        return self._share(self.float_correct)

    @property
    def int8_accuracy(self) -> float | None:
        """Share of samples that the INT8 model gives the labelled class."""
        return self._share(self.int8_correct)

    def _share(self, count: int | None) -> float | None:
        return None if count is None else count / self.samples


@dataclass(frozen=True, slots=True)
class CalibratedInput:
    """The range of real values that the calibration samples gave one input."""

    name: str
    shape: tuple[int, ...]
    minimum: float
    maximum: float


class CalibrationKind(StrEnum):
    """The kinds of calibration data that are read."""

    NPZ = "npz"
    NPY = "npy"
    CSV = "csv"
    IMAGES = "images"
    SOUNDS = "sounds"


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """What the model was calibrated with.

    ``preprocessing`` says in words how files became samples. ``sha256`` is of the samples as the
    float model received them (little-endian float32, inputs in order), then the labels (int64).
    """

    kind: CalibrationKind
    samples: int
    labelled: bool
    classes: tuple[str, ...]
    preprocessing: str
    sha256: str
    inputs: tuple[CalibratedInput, ...]


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """``calibration.json``: the record, or the reason why there is none. ``ranges`` is None where
    no float model is known.
    """

    schema: int
    record: CalibrationRecord | None
    ranges: RangeRecord | None
    absent_reason: str | None


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """``bundle.json``. ``quantization``, ``agreement`` and ``float_sha256`` (of ``float.tflite``,
    from which the model was quantized) are None for the reason in ``absent_reason``.

    ``preprocess`` and ``postprocess`` are None where nothing is declared. ``coreml`` is None where
    the bundle has no ``model.mlpackage``; one that has it holds a float model, in ``model.tflite``.
    """

    schema: int
    name: str
    model_sha256: str
    float_sha256: str | None
    source: SourceFacts
    tools: tuple[ToolVersion, ...]
    input_adapter: InputAdapter
    preprocess: Preprocess | None
    postprocess: Postprocess | None
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    quantization: Quantization | None
    agreement: Agreement | None
    coreml: CoremlFacts | None
    absent_reason: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BundleContents:
    """Everything that ``write_bundle`` puts into a bundle; ``mlpackage`` is a folder to copy."""

    facts: BundleFacts
    model_tflite: bytes
    float_tflite: bytes | None
    calibration: CalibrationRecord | None
    samples: Samples | None
    ranges: RangeRecord | None = None
    mlpackage: Path | None = None


def tensor_facts(tensor: Tensor) -> TensorFacts:
    """The facts of an input or output; a quantization along an axis has no one scale to tell."""
    quant = tensor.quant
    single = quant if quant is not None and len(quant.scales) == 1 else None
    return TensorFacts(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        scale=None if single is None else single.scale,
        zero_point=None if single is None else single.zero_point,
    )


def make_contents(
    *,
    name: str,
    graph: Graph,
    model_tflite: bytes,
    source: SourceFacts,
    float_tflite: bytes | None = None,
    tools: Sequence[ToolVersion] = (),
    quantization: Quantization | None = None,
    calibration: CalibrationRecord | None = None,
    samples: Samples | None = None,
    ranges: RangeRecord | None = None,
    agreement: Agreement | None = None,
    absent_reason: str | None = None,
    notes: Sequence[str] = (),
    input_adapter: InputAdapter = InputAdapter.NONE,
    preprocess: Preprocess | None = None,
    postprocess: Postprocess | None = None,
    coreml: CoremlFacts | None = None,
    mlpackage: Path | None = None,
) -> BundleContents:
    """Gather the contents of a bundle; ``samples`` are as the model's inputs take them.

    At most 32 samples are kept, evenly spaced. ``absent_reason`` says why quantization, agreement
    or calibration or the float model are None.
    """
    facts = BundleFacts(
        schema=SCHEMA_VERSION,
        name=name.encode("utf-8", "replace").decode("utf-8"),
        model_sha256=hashlib.sha256(model_tflite).hexdigest(),
        float_sha256=None if float_tflite is None else hashlib.sha256(float_tflite).hexdigest(),
        source=source,
        tools=(ToolVersion("edgeserve", __version__), *tools),
        input_adapter=input_adapter,
        preprocess=preprocess,
        postprocess=postprocess,
        inputs=tuple(tensor_facts(graph.tensors[i]) for i in graph.inputs),
        outputs=tuple(tensor_facts(graph.tensors[i]) for i in graph.outputs),
        quantization=quantization,
        agreement=agreement,
        coreml=coreml,
        absent_reason=absent_reason,
        notes=(*graph.notes, *notes),
    )
    kept = None if samples is None else tuple(array[_kept_rows(len(array))] for array in samples)
    return BundleContents(
        facts, model_tflite, float_tflite, calibration, kept, ranges=ranges, mlpackage=mlpackage
    )


def contents_of_tflite(name: str, model_tflite: bytes) -> BundleContents:
    """The contents of a bundle made of nothing but a ``.tflite`` file; ModelError when damaged."""
    return make_contents(
        name=name,
        graph=read_model(model_tflite, name=name),
        model_tflite=model_tflite,
        source=SourceFacts(SourceKind.TFLITE, hashlib.sha256(model_tflite).hexdigest()),
        absent_reason=GIVEN_AS_TFLITE,
    )


def quantize_samples(values: NDArray[Any], facts: TensorFacts) -> NDArray[Any]:
    """``values`` (float, any shape) as the input ``facts`` takes them: ``round(x / scale) + zp``.

    Halves round away from zero, as TFLite's QUANTIZE does; the result saturates. An input that is
    float32 itself takes the values as they are.
    """
    if facts.dtype is DType.FLOAT32:
        return np.asarray(values, np.float32)
    if facts.scale is None or facts.zero_point is None:
        raise ConfigError(
            f"input {facts.name!r} has no scale, so real values cannot be given to it"
        )
    limits = np.iinfo(facts.dtype.value)
    ratio = np.asarray(values, np.float64) / facts.scale
    rounded = np.trunc(ratio + np.copysign(0.5, ratio)) + facts.zero_point
    quantized: NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(facts.dtype.value)
    return quantized


def _kept_rows(samples: int) -> NDArray[np.int64]:
    kept = min(samples, KEPT_SAMPLES)
    return np.arange(kept, dtype=np.int64) * samples // max(kept, 1)

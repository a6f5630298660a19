"""Quantizes a float model: ``python -m edgeserve.convert.quantizer_worker job.json``.

It runs in a process of its own: LiteRT may crash on a damaged file, and both print what they like.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edgeserve.bundle import Agreement, CalibrationRecord, ToolVersion
from edgeserve.convert.agreement import compare
from edgeserve.convert.calibration import InputSpec
from edgeserve.convert.float_model import read_float_model
from edgeserve.convert.keras_front import Taken, calibrated
from edgeserve.convert.precision import Precision
from edgeserve.convert.quantizer import matching_layers, observe, quantize
from edgeserve.convert.worker import Progress, serve, within

MODULE = "edgeserve.convert.quantizer_worker"
FLOAT_FILE = "float.tflite"
QUANTIZED_FILE = "quantized.tflite"


@dataclass(frozen=True, slots=True)
class QuantizerJob:
    """What to quantize: ``float.tflite`` in ``work_dir``; the result is written beside it."""

    work_dir: str
    calibration: str
    image_low: float
    image_high: float
    inputs: tuple[InputSpec, ...]
    taken: Taken
    precision: Precision
    int16_layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuantizerResult:
    """What was found beside the model; ``int16_layers`` are the names that the patterns meant."""

    calibration: CalibrationRecord
    agreement: Agreement
    int16_layers: tuple[str, ...]
    tools: tuple[ToolVersion, ...]


def convert(job: QuantizerJob, progress: Progress) -> QuantizerResult:
    """Calibrate, quantize and compare; writes ``quantized.tflite``."""
    progress(0.0, "reading the calibration data")
    float_model = (Path(job.work_dir) / FLOAT_FILE).read_bytes()
    graph = read_float_model(float_model, name="float")
    layers = matching_layers(graph, job.int16_layers)
    samples = calibrated(
        Path(job.calibration), job.inputs, (job.image_low, job.image_high), job.taken
    )
    ranges = observe(float_model, samples.each(), within(progress, 0.1, 0.5))
    progress(0.5, f"quantizing to {job.precision}")
    quantized = quantize(float_model, ranges, job.precision, layers)
    agreement = compare(float_model, quantized, samples, within(progress, 0.6, 1.0))
    (Path(job.work_dir) / QUANTIZED_FILE).write_bytes(quantized)
    return QuantizerResult(
        calibration=samples.record(),
        agreement=agreement,
        int16_layers=layers,
        tools=tuple(
            ToolVersion(name, version(name))
            for name in ("ai-edge-quantizer", "ai-edge-litert", "numpy")
        ),
    )


if __name__ == "__main__":
    sys.exit(serve(QuantizerJob, convert))

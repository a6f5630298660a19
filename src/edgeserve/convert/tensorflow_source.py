"""Keras and SavedModel sources, by TensorFlow in a worker."""

from __future__ import annotations

from importlib.util import find_spec

from edgeserve.convert.converted import FloatModel, Request
from edgeserve.convert.quantized import Integers
from edgeserve.convert.tensorflow_worker import (
    FLOAT_FILE,
    INSTALL,
    QUANTIZED_FILE,
    TensorflowJob,
    TensorflowResult,
)
from edgeserve.convert.worker import run_worker
from edgeserve.errors import ConfigError, MissingTool

_MODULE = "edgeserve.convert.tensorflow_worker"
_CONVERTER = "TensorFlow Lite, full integer, post-training"


def by_tensorflow(request: Request) -> Integers:
    """The model converted and quantized by TensorFlow's own quantizer.

    Raises MissingTool, ConversionError and ConfigError.
    """
    model, result = _run(request, quantizes=True)
    assert result.quantized is not None
    return Integers(
        floats=model,
        tflite=(request.work_dir / QUANTIZED_FILE).read_bytes(),
        calibration=result.quantized.calibration,
        agreement=result.quantized.agreement,
        converter=_CONVERTER,
    )


def float_by_tensorflow(request: Request) -> FloatModel:
    """The model as a float ``.tflite``. Raises MissingTool, ConversionError and ConfigError."""
    return _run(request, quantizes=False)[0]


def _run(request: Request, *, quantizes: bool) -> tuple[FloatModel, TensorflowResult]:
    if find_spec("tensorflow") is None:
        raise MissingTool("tensorflow", install=INSTALL)
    if request.input_shapes:
        raise ConfigError(
            "--input-shape is for PyTorch and ONNX sources",
            hint="give a Keras model its input shape where it is built",
        )
    job = TensorflowJob(
        work_dir=str(request.work_dir),
        source=str(request.source.path),
        kind=request.source.kind,
        calibration=None if request.calibration is None else str(request.calibration),
        image_low=request.image_range[0],
        image_high=request.image_range[1],
        trust_source=request.trust_source,
        preprocess=request.declared.preprocess,
        precision=request.precision,
        quantizes=quantizes,
    )
    result = run_worker(
        _MODULE, job, TensorflowResult, work_dir=request.work_dir, progress=request.progress
    )
    floats = (request.work_dir / FLOAT_FILE).read_bytes()
    return FloatModel(floats, result.inputs, result.taken, result.tools), result

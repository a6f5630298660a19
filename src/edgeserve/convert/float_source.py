"""A source of any kind as the float ``.tflite`` that everything else is made of."""

from __future__ import annotations

from edgeserve.bundle import SourceKind
from edgeserve.bundle_store import read_tflite
from edgeserve.convert.converted import FloatModel, Request
from edgeserve.convert.float_model import input_specs, read_float_model
from edgeserve.convert.foreign_source import float_by_onnx, float_by_pytorch
from edgeserve.convert.keras_front import Taken
from edgeserve.convert.tensorflow_source import float_by_tensorflow
from edgeserve.errors import ConfigError


def float_of(request: Request) -> FloatModel:
    """The float model of ``request.source``; calibration data are read only where they tell what a
    Keras model's first layers take, and may be None.

    Raises ConfigError, ConversionError and UnsupportedOp (the model), MissingTool (a framework),
    ToolFailed (the making of a framework's environment).
    """
    match request.source.kind:
        case SourceKind.TFLITE:
            return _given(request)
        case SourceKind.KERAS | SourceKind.HDF5 | SourceKind.SAVED_MODEL:
            return float_by_tensorflow(request)
        case SourceKind.PYTORCH:
            return float_by_pytorch(request)
        case SourceKind.ONNX:
            return float_by_onnx(request)


def _given(request: Request) -> FloatModel:
    if request.input_shapes:
        raise ConfigError(
            "--input-shape is for PyTorch and ONNX sources",
            hint="a .tflite has its shapes: leave it out",
        )
    model = read_tflite(request.source.path)
    inputs = input_specs(read_float_model(model, name=request.name))
    return FloatModel(model, inputs, Taken(request.declared.preprocess, None, ()), ())

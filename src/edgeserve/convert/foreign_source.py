"""PyTorch and ONNX sources, by converters in environments of their own."""

from __future__ import annotations

from edgeserve.bundle import ToolVersion
from edgeserve.convert import onnx_worker, torch_worker
from edgeserve.convert.calibration import InputSpec
from edgeserve.convert.converted import FloatModel, Request
from edgeserve.convert.environment import ONNX, PYTORCH, Environment, python_for
from edgeserve.convert.foreign import FLOAT_FILE, ForeignJob, ForeignResult
from edgeserve.convert.keras_front import Taken
from edgeserve.convert.pt2_archive import require_safe
from edgeserve.convert.worker import run_worker

# Even a call that asks for unpickling gets tensors alone.
_SAFE = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}


def float_by_pytorch(request: Request) -> FloatModel:
    """An exported program as a float ``.tflite``.

    Raises ConversionError, ConfigError, MissingTool, and ToolFailed where the environment cannot be
    made.
    """
    if not request.trust_source:
        require_safe(request.source.path)
    variables = {} if request.trust_source else _SAFE
    return _run(request, PYTORCH, torch_worker.MODULE, variables)


def float_by_onnx(request: Request) -> FloatModel:
    """An ONNX model as a float ``.tflite``; raises what ``float_by_pytorch`` does."""
    return _run(request, ONNX, onnx_worker.MODULE, {})


def _run(
    request: Request, environment: Environment, module: str, variables: dict[str, str]
) -> FloatModel:
    python = python_for(environment, request.progress)
    job = ForeignJob(
        work_dir=str(request.work_dir.resolve()),
        source=str(request.source.path.resolve()),
        input_shapes=request.input_shapes,
        trust_source=request.trust_source,
    )
    result = run_worker(
        module,
        job,
        ForeignResult,
        work_dir=request.work_dir,
        progress=request.progress,
        python=python,
        variables=variables,
    )
    inputs = tuple(InputSpec(each.name, each.shape, each.source_shape) for each in result.inputs)
    return FloatModel(
        tflite=(request.work_dir / FLOAT_FILE).read_bytes(),
        inputs=inputs,
        taken=Taken(request.declared.preprocess, None, ()),
        tools=tuple(ToolVersion(tool.name, tool.version) for tool in result.tools),
        notes=result.notes,
    )

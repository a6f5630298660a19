"""An ONNX model made a float ``.tflite``: ``python -m edgeserve.convert.onnx_worker job.json``.

It runs in the environment that has onnx2tf, whose packages no other environment can have.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from edgeserve.convert.foreign import (
    FLOAT_FILE,
    ForeignInput,
    ForeignJob,
    ForeignResult,
    ForeignTool,
    require_equal,
    require_float32,
    told_layout,
)
from edgeserve.convert.input_shape import InputShape, require_known, settled
from edgeserve.convert.worker import Progress, one_line, serve
from edgeserve.errors import ConversionError

MODULE = "edgeserve.convert.onnx_worker"
_CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})
_FIXED = "fixed.onnx"
_OUTPUT = "onnx2tf"
_DAMAGED = "save the model again; a download may have been cut short"
_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}


def convert(job: ForeignJob, progress: Progress) -> ForeignResult:
    """Load, convert and compare; writes ``float.tflite``."""
    progress(0.0, "importing ONNX")
    import onnx

    work_dir = Path(job.work_dir)
    progress(0.1, "loading the model")
    model = _load(onnx, Path(job.source))
    _refuse_control_flow(model)
    shapes = _inputs(model, job.input_shapes)
    _fix_shapes(onnx, model, shapes)
    onnx.save(model, work_dir / _FIXED)
    arrays, wanted = _run_source(work_dir / _FIXED, shapes)
    progress(0.3, "converting to float TFLite")
    # onnx2tf leaves files in the current folder, which is the user's.
    with chdir(work_dir):
        made = _write()
    progress(0.9, "comparing with ONNX Runtime")
    found, difference = _compared(made, shapes, arrays, wanted)
    require_equal(difference, "onnx2tf")
    made.replace(work_dir / FLOAT_FILE)
    return ForeignResult(
        inputs=found,
        largest_difference=difference,
        tools=tuple(ForeignTool(name, version(name)) for name in ("onnx2tf", "tensorflow", "onnx")),
        notes=told_layout(found),
    )


def _load(onnx: Any, path: Path) -> Any:
    """The model with its external data, which lie beside it and nowhere else."""
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise ConversionError(
            f"{path} is damaged: {one_line(str(error)) or type(error).__name__}", hint=_DAMAGED
        ) from error
    if not model.graph.node:
        raise ConversionError(f"{path} holds no operators", hint=_DAMAGED)
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _require_beside(path, tensor)
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
        onnx.checker.check_model(model)
    except Exception as error:
        raise ConversionError(
            f"{path} is no valid ONNX model: {one_line(str(error))}", hint=_DAMAGED
        ) from error
    return model


def _tensors(graph: Any) -> Iterator[Any]:
    """All constants, those of subgraphs too."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _tensors(inner)


def _require_beside(path: Path, tensor: Any) -> None:
    """Raises ConversionError where a tensor's data would be read from outside the model's folder,
    or are not there.
    """
    location = next((e.value for e in tensor.external_data if e.key == "location"), "")
    parts = PurePosixPath(location.replace("\\", "/"))
    folder = path.parent.resolve()
    is_outside = parts.is_absolute() or ".." in parts.parts or ":" in location or not location
    if is_outside or not (folder / parts).resolve().is_relative_to(folder):
        raise ConversionError(
            f"{path} wants the weights {tensor.name!r} read from {location[:80]!r}, outside its "
            "folder",
            hint="save the model with its data beside it",
        )
    if not (folder / parts).is_file():
        raise ConversionError(
            f"{path} has the weights {tensor.name!r} in {location[:80]!r}, which is missing",
            hint="put that file beside the model",
        )


def _refuse_control_flow(model: Any) -> None:
    for node in model.graph.node:
        if node.op_type in _CONTROL_FLOW:
            raise ConversionError(
                f"the model has control flow ({node.op_type}), which no runtime step does",
                hint="export the branch, or unroll the loop, that the device is to compute",
            )


def _inputs(model: Any, given: tuple[InputShape, ...]) -> tuple[InputShape, ...]:
    constants = {tensor.name for tensor in model.graph.initializer}
    ports = [port for port in model.graph.input if port.name not in constants]
    require_known(given, [port.name for port in ports])
    found = []
    for port in ports:
        tensor = port.type.tensor_type
        require_float32(port.name, _DTYPES.get(tensor.elem_type, f"type {tensor.elem_type}"))
        extents = [
            dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None
            for dim in tensor.shape.dim
        ]
        found.append(InputShape(port.name, settled(port.name, extents, given)))
    return tuple(found)


def _fix_shapes(onnx: Any, model: Any, shapes: Sequence[InputShape]) -> None:
    """Writes the shapes into the model: whatever followed from open ones is found again."""
    fixed = {shape.name: shape.extents for shape in shapes}
    for port in model.graph.input:
        if port.name in fixed:
            dims = zip(port.type.tensor_type.shape.dim, fixed[port.name], strict=True)
            for dim, extent in dims:
                dim.dim_value = extent
    del model.graph.value_info[:]
    for port in model.graph.output:
        port.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model)
    model.CopyFrom(inferred)


def _run_source(path: Path, shapes: Sequence[InputShape]) -> tuple[list[Any], list[Any]]:
    """Random inputs, and what ONNX Runtime makes of them."""
    import numpy as np
    import onnxruntime

    rng = np.random.default_rng(0)
    arrays = [rng.random(shape.extents, dtype=np.float32) for shape in shapes]
    feed = {shape.name: array for shape, array in zip(shapes, arrays, strict=True)}
    try:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        return arrays, session.run(None, feed)
    except Exception as error:
        raise ConversionError(
            f"ONNX Runtime does not run the model: {one_line(str(error))}",
            hint="export it again, for a batch of 1 where the batch is fixed",
        ) from error


def _write() -> Path:
    """Runs onnx2tf in the current folder; the float model that it made."""
    import onnx2tf

    _without_downloads()
    try:
        onnx2tf.convert(input_onnx_file_path=_FIXED, output_folder_path=_OUTPUT, non_verbose=True)
    except (Exception, SystemExit) as error:
        raise ConversionError(
            f"onnx2tf cannot convert the model: {one_line(str(error)) or type(error).__name__}",
            hint="replace the operator named, or convert the model yourself and give the .tflite",
        ) from error
    made = Path(_OUTPUT) / f"{Path(_FIXED).stem}_float32.tflite"
    if not made.is_file():
        raise ConversionError(
            "onnx2tf made no float32 model",
            hint="convert the model yourself and give the .tflite",
        )
    return made.resolve()


def _without_downloads() -> None:
    """For models of images onnx2tf fetches pictures to try its layouts on: noise does as well."""
    import numpy as np
    from onnx2tf.utils import common_functions

    def noise() -> Any:
        return np.random.default_rng(0).random((20, 128, 128, 3), dtype=np.float32)

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("onnx2tf") and hasattr(
            module, "download_test_image_data"
        ):
            module.download_test_image_data = noise  # type: ignore[attr-defined]
    common_functions.download_test_image_data = noise


def _compared(
    made: Path, shapes: Sequence[InputShape], arrays: Sequence[Any], wanted: Sequence[Any]
) -> tuple[tuple[ForeignInput, ...], float]:
    """The inputs in the float model's order, and how far its outputs are from the source's."""
    import tensorflow as tf

    model = tf.lite.Interpreter(model_path=str(made), num_threads=1)
    model.allocate_tensors()
    by_name = {_plain(shape.name): index for index, shape in enumerate(shapes)}
    found = []
    for place, details in enumerate(model.get_input_details()):
        index = by_name.get(_plain(details["name"]), place)
        taken = tuple(int(extent) for extent in details["shape"])
        name, extents = shapes[index].name, shapes[index].extents
        model.set_tensor(details["index"], _turned(arrays[index], taken, name))
        found.append(ForeignInput(name, extents, taken))
    model.invoke()
    got = [model.get_tensor(details["index"]) for details in model.get_output_details()]
    return tuple(found), max((_nearest(exact, got) for exact in wanted), default=0.0)


def _plain(name: str) -> str:
    """The name as TensorFlow leaves it of an ONNX one."""
    bare = name.removeprefix("serving_default_").split(":")[0]
    return "".join(c if c.isalnum() else "_" for c in bare).strip("_")


def _turned(array: Any, shape: tuple[int, ...], name: str) -> Any:
    """``array`` with its channels last where the model has them there."""
    import numpy as np

    if array.shape == shape:
        return array
    turned = np.ascontiguousarray(np.moveaxis(array, 1, -1))
    if turned.shape != shape:
        raise ConversionError(
            f"onnx2tf gave input {name!r} the shape {list(shape)}, which is no layout of "
            f"{list(array.shape)}",
            hint="convert the model yourself and give the .tflite",
        )
    return turned


def _nearest(exact: Any, candidates: Sequence[Any]) -> float:
    """The difference, as a share of the largest, from the output that is meant: onnx2tf orders them
    anew.
    """
    import numpy as np

    scale = max(float(np.abs(exact).max()), 1e-6)
    forms = [exact, *([np.moveaxis(exact, 1, -1)] if exact.ndim >= 3 else [])]
    shares = [
        float(np.abs(form - other).max()) / scale
        for other in candidates
        for form in forms
        if form.shape == other.shape
    ]
    return min(shares, default=float("inf"))


if __name__ == "__main__":
    sys.exit(serve(ForeignJob, convert))

"""A PyTorch ``.pt2`` made a float ``.tflite``: ``python -m edgeserve.convert.torch_worker job``.

It runs in the environment that has PyTorch and LiteRT Torch.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path
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
from edgeserve.convert.pt2_archive import require_safe
from edgeserve.convert.worker import Progress, one_line, serve
from edgeserve.errors import ConversionError

MODULE = "edgeserve.convert.torch_worker"
_CONTROL_FLOW = ("cond", "while_loop", "scan", "map")
_IMAGE_RANK = 4
_BATCH_HINT = "export it with a batch of 1, or with a batch that may change (torch.export.Dim)"
# Operators that name the extents of what they give; a batch among them is the first.
_RESHAPING = ("aten.view.default", "aten.reshape.default", "aten.expand.default")
# Of an output's largest value: sums of another order differ by less.
_SAME_SHARE = 1e-4
# Where among an operator's arguments stands whether it is training.
_TRAINING_FLAGS = {"aten.batch_norm.default": 5, "aten.dropout.default": 2}


def convert(job: ForeignJob, progress: Progress) -> ForeignResult:
    """Load, convert and compare; writes ``float.tflite``."""
    if not job.trust_source:
        require_safe(Path(job.source))
    progress(0.0, "importing PyTorch")
    import torch

    progress(0.2, "loading the model")
    program = _load(torch, job)
    _refuse_training(program)
    _refuse_control_flow(program)
    _refuse_state(program)
    inputs = _inputs(torch, program, job.input_shapes)
    batch = _fixed_batch(program)
    flat = _flat_module(torch, program)
    torch.manual_seed(0)
    arrays = tuple(torch.rand(each.source_shape) for each in inputs)
    notes = told_layout(inputs)
    if batch != 1:
        whole, flat = flat, _flat_module(torch, program, batch)
        _require_independent(torch, whole, flat, inputs, batch)
        notes = (*notes, f"exported with a batch of {batch}, and converted for one sample")
    wanted = _outputs(torch, flat, arrays)
    progress(0.4, "converting to float TFLite")
    path = Path(job.work_dir) / FLOAT_FILE
    _write(torch, flat, inputs, arrays, wanted, path)
    progress(0.9, "comparing with PyTorch")
    difference = _difference(torch, path, arrays, wanted)
    require_equal(difference, "litert-torch")
    return ForeignResult(
        inputs=inputs,
        largest_difference=difference,
        tools=tuple(ForeignTool(name, version(name)) for name in ("torch", "litert-torch")),
        notes=notes,
    )


def _load(torch: Any, job: ForeignJob) -> Any:
    try:
        return torch.export.load(job.source)
    except Exception as error:
        raise ConversionError(
            f"{job.source} cannot be loaded: {one_line(str(error)) or type(error).__name__}",
            hint="save it again with torch.export.save, by PyTorch "
            f"{torch.__version__.split('+')[0]} or an older one",
        ) from error


def _refuse_training(program: Any) -> None:
    for node in program.graph.nodes:
        place = _TRAINING_FLAGS.get(str(node.target))
        if place is not None and len(node.args) > place and node.args[place] is True:
            raise ConversionError(
                f"the model was exported in training mode: {str(node.target).split('.')[1]} "
                "does there what no device is to do",
                hint="export model.eval()",
            )


def _refuse_state(program: Any) -> None:
    """Only a functional form of the program says which of its buffers are written."""
    changed = sorted(program.run_decompositions({}).graph_signature.buffers_to_mutate.values())
    if changed:
        raise ConversionError(
            f"the model keeps state between inferences, which is not supported: it writes "
            f"{changed[0]}",
            hint="make the state an input and an output of the model",
        )


def _refuse_control_flow(program: Any) -> None:
    for node in program.graph.nodes:
        name = getattr(node.target, "__name__", "")
        if node.op == "call_function" and name in _CONTROL_FLOW:
            raise ConversionError(
                f"the model has control flow (torch.{name}), which no runtime step does",
                hint="export the branch, or unroll the loop, that the device is to compute",
            )


def _inputs(torch: Any, program: Any, given: tuple[InputShape, ...]) -> tuple[ForeignInput, ...]:
    names = program.graph_signature.user_inputs
    require_known(given, [str(name) for name in names])
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    found = []
    for name in names:
        value = nodes[name].meta.get("val") if name in nodes else None
        if not isinstance(value, torch.Tensor):
            raise ConversionError(
                f"input {name!r} is no tensor", hint="export the model with tensors alone as inputs"
            )
        require_float32(name, str(value.dtype).removeprefix("torch."))
        extents = [extent if isinstance(extent, int) else None for extent in value.shape]
        shape = settled(name, extents, given)
        found.append(ForeignInput(name, shape, _channels_last(shape)))
    return tuple(found)


def _fixed_batch(program: Any) -> int:
    """The batch that the program was exported with; 1 also where it is open."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    shapes = [nodes[name].meta["val"].shape for name in program.graph_signature.user_inputs]
    batches = {shape[0] for shape in shapes if len(shape) > 0 and isinstance(shape[0], int)}
    if len(batches) > 1:
        found = " and ".join(map(str, sorted(batches)))
        raise ConversionError(
            f"the model's inputs have first extents of {found}, so none is the batch",
            hint="export the model with a batch of 1 in front of each input",
        )
    return batches.pop() if batches else 1


def _channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != _IMAGE_RANK:
        return shape
    batch, channels, height, width = shape
    return (batch, height, width, channels)


def _flat_module(torch: Any, program: Any, batch: int = 1) -> Any:
    """The model as a module of one tensor an input, giving a tuple of tensors. A fixed ``batch``
    becomes 1.
    """
    pytree = torch.utils._pytree
    spec = program.call_spec.in_spec

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            # The guards hold the example's batch, which is not the device's.
            self.model = program.module(check_guards=False)
            if batch != 1:
                _set_batch_to_1(self.model, batch)

        def forward(self, *arrays: Any) -> tuple[Any, ...]:
            args, kwargs = pytree.tree_unflatten(list(arrays), spec)
            return tuple(pytree.tree_leaves(self.model(*args, **kwargs)))

    return Flat()


def _set_batch_to_1(module: Any, batch: int) -> None:
    """Whether that was right is what :func:`_require_independent` finds out."""
    for node in module.graph.nodes:
        if node.op == "placeholder":
            # A hook compares each input with it.
            node.meta["val"] = node.meta["val"][:1]
        elif str(node.target) in _RESHAPING:
            array, shape, *rest = node.args
            if len(shape) > 0 and shape[0] == batch:
                node.args = (array, [1, *shape[1:]], *rest)
    module.recompile()


def _require_independent(
    torch: Any, whole: Any, single: Any, inputs: tuple[ForeignInput, ...], batch: int
) -> None:
    """Raises ConversionError where ``single``, the model for one sample, does not give what
    ``whole`` gives of a batch.
    """
    arrays = [torch.rand((batch, *each.source_shape[1:])) for each in inputs]
    expected = _outputs(torch, whole, tuple(arrays))
    for at in range(batch):
        try:
            found = _outputs(torch, single, tuple(array[at : at + 1] for array in arrays))
        except ConversionError as error:
            raise ConversionError(
                f"the model was exported with a batch of {batch}, and the graph holds to it: "
                f"{error.what}",
                hint=_BATCH_HINT,
            ) from error
        for got, all_samples in zip(found, expected, strict=True):
            wanted = all_samples[at : at + 1]
            near = max(float(all_samples.abs().max()), 1e-6) * _SAME_SHARE
            if got.shape != wanted.shape or not torch.allclose(got, wanted, rtol=0, atol=near):
                raise ConversionError(
                    f"the model was exported with a batch of {batch}, and gives a sample alone "
                    "other outputs than in the batch",
                    hint=_BATCH_HINT,
                )


def _outputs(torch: Any, module: Any, arrays: tuple[Any, ...]) -> list[Any]:
    try:
        with torch.no_grad():
            return list(module(*arrays))
    except Exception as error:
        shapes = ", ".join(str(list(array.shape)) for array in arrays)
        raise ConversionError(
            f"the model does not run on inputs of {shapes}: {one_line(str(error))}",
            hint="export it with a batch of 1, or with extents that may change",
        ) from error


def _write(
    torch: Any,
    module: Any,
    inputs: tuple[ForeignInput, ...],
    arrays: tuple[Any, ...],
    outputs: list[Any],
    path: Path,
) -> None:
    import litert_torch

    def images(tensors: Any) -> list[int]:
        return [at for at, tensor in enumerate(tensors) if tensor.ndim == _IMAGE_RANK]

    wrapped = litert_torch.to_channel_last_io(module, args=images(arrays), outputs=images(outputs))
    samples = tuple(_turned(array) for array in arrays)
    try:
        litert_torch.convert(wrapped, samples).export(str(path))
    except Exception as error:
        raise _refused(str(error)) from error


def _turned(array: Any) -> Any:
    return array.permute(0, 2, 3, 1).contiguous() if array.ndim == _IMAGE_RANK else array


def _refused(text: str) -> ConversionError:
    named = re.search(r"(?:Lowering not found|not supported|No lowering)[^\n]*", text)
    return ConversionError(
        f"LiteRT Torch cannot convert the model: {one_line(named.group() if named else text)}",
        hint="replace the operator named, or convert the model yourself and give the .tflite",
    )


def _difference(torch: Any, path: Path, arrays: tuple[Any, ...], wanted: list[Any]) -> float:
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_path=str(path), num_threads=1)
    model.allocate_tensors()
    for details, array in zip(model.get_input_details(), arrays, strict=True):
        model.set_tensor(details["index"], _turned(array).numpy())
    model.invoke()
    shares = [0.0]
    for details, exact in zip(model.get_output_details(), wanted, strict=True):
        got = torch.from_numpy(model.get_tensor(details["index"]))
        scale = max(float(exact.abs().max()), 1e-6)
        shares.append(float((got - _turned(exact)).abs().max()) / scale)
    return max(shares)


if __name__ == "__main__":
    sys.exit(serve(ForeignJob, convert))

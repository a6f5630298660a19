"""What this machine's LiteRT answers to the input that a phone is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeserve.errors import MissingTool, ModelError
from edgeserve.phone.harness import Accelerator

_TOLERANCE = {Accelerator.CPU: 1e-4, Accelerator.GPU: 2e-2, Accelerator.NPU: 2e-2}
"""Of a float output, as a share of its largest magnitude: accelerators compute in float16."""

_STEPS = {Accelerator.CPU: 1, Accelerator.GPU: 2, Accelerator.NPU: 2}
"""Of a quantized output: LiteRT's kernels for other processors round otherwise."""


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """The bytes of all inputs and of all outputs, in order, and the outputs' numpy types."""

    input: bytes
    output: bytes
    dtypes: tuple[tuple[str, int], ...]

    def matches(self, output: bytes, accelerator: Accelerator) -> bool:
        """Whether a phone's output is the host's, within what its processor may differ by."""
        import numpy as np

        if len(output) != len(self.output):
            return False
        start = 0
        for dtype, size in self.dtypes:
            here = np.frombuffer(self.output[start : start + size], dtype)
            there = np.frombuffer(output[start : start + size], dtype)
            start += size
            if here.dtype.kind == "f":
                limit = _TOLERANCE[accelerator] * float(np.max(np.abs(here), initial=0))
            else:
                limit = _STEPS[accelerator] if here.dtype.itemsize < 4 else 0
            far = np.abs(here.astype(float) - there.astype(float))
            if not np.all(far <= limit):
                return False
        return True


def host_answer(model: Path, seed: int) -> HostAnswer:
    """Runs a ``.tflite`` here on xorshift32's input, by the kernels that LiteRT itself chooses.

    Raises ModelError where LiteRT refuses the model, MissingTool without LiteRT.
    """
    interpreter = _interpreter(model)
    data = b""
    state = seed
    for details in _in_order(interpreter, "inputs", interpreter.get_input_details()):
        shape = tuple(int(side) for side in details["shape"])
        value, state = _fill(shape, details["dtype"], state)
        interpreter.set_tensor(details["index"], value)
        data += value.tobytes()
    interpreter.invoke()
    outputs = [
        interpreter.get_tensor(details["index"])
        for details in _in_order(interpreter, "outputs", interpreter.get_output_details())
    ]
    return HostAnswer(
        data,
        b"".join(output.tobytes() for output in outputs),
        tuple((output.dtype.str, output.nbytes) for output in outputs),
    )


def output_positions(model: Path) -> tuple[int, ...]:
    """Where the harness has each output of the subgraph. Raises as ``host_answer``."""
    interpreter = _interpreter(model)
    plain = interpreter.get_output_details()
    places = [one["index"] for one in _in_order(interpreter, "outputs", plain)]
    return tuple(places.index(one["index"]) for one in plain)


def _interpreter(model: Path) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise MissingTool("ai-edge-litert", install="pip install 'edgeserve[phone]'") from None
    try:
        interpreter = Interpreter(model_path=str(model))
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"LiteRT refuses {model.name}: {reason}", hint="check that the file is whole"
        ) from None
    return interpreter


def _in_order(interpreter: Any, kind: str, details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of the first signature, by which the harness goes; else the subgraph's."""
    signatures = interpreter.get_signature_list()
    if not signatures:
        return details
    key = next(iter(signatures))
    runner = interpreter.get_signature_runner(key)
    by_name = getattr(runner, f"get_{kind[:-1]}_details")()
    return [by_name[name] for name in signatures[key][kind]]


def _fill(shape: tuple[int, ...], dtype: Any, state: int) -> tuple[Any, int]:
    """Elements by xorshift32: the low byte of each draw, as docs/FORMAT.md tells for `es fill`."""
    import numpy as np

    draws = np.empty(int(np.prod(shape, dtype=int)), np.int8)
    for index in range(draws.size):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        draws[index] = np.uint8(state & 255).astype(np.int8)
    if np.dtype(dtype) == np.float32:
        return (draws.astype(np.float32) / 128).reshape(shape), state
    return draws.astype(dtype).reshape(shape), state

"""A saved ML Program, run in numpy.

Each operation's result is rounded to the type that the program says, float16 in most packages;
within an operation sums are float32. Apple's hardware may sum in another order and width: what is
found out is whether the program says what the model says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.convert.coreml.arithmetic import OPERATIONS, decoded
from edgeserve.convert.coreml.saved import Held, Operation, SavedProgram
from edgeserve.coreml_facts import OperatorCount, PortKind
from edgeserve.errors import ConversionError

CONSTANTS = frozenset({"const", "constexpr_affine_dequantize", "constexpr_lut_to_dense"})

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """``constants`` are the program's, decoded once."""

    program: SavedProgram
    constants: Mapping[str, Any]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """The outputs for float32 inputs of the program's shapes; images as pixels 0..255,
        channels first. Of a classifier: its probabilities, by the name of that output.
        """
        values = self.values(inputs)
        return {
            port.name: np.asarray(values[port.name])
            for port in self.program.outputs
            if port.kind is not PortKind.LABEL
        }

    def values(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Likewise, every value of the program by its name."""
        values: dict[str, Any] = {**self.constants}
        values.update({name: np.asarray(given, np.float32) for name, given in inputs.items()})
        with np.errstate(over="ignore", invalid="ignore"):
            for operation in self.program.operations:
                if operation.kind not in CONSTANTS:
                    self._step(operation, values)
        return values

    def _step(self, operation: Operation, values: dict[str, Any]) -> None:
        arguments = _arguments(operation, values)
        if operation.kind == "classify":
            scores = np.asarray(arguments["probabilities"]).reshape(-1)
            label, probabilities = operation.results
            values[label.name] = self.program.labels[int(scores.argmax())]
            values[probabilities.name] = scores
            return
        made = OPERATIONS[operation.kind](arguments)
        outputs = made if isinstance(made, tuple) else (made,)
        for result, output in zip(operation.results, outputs, strict=True):
            if result.shape is not None and output.shape != result.shape:
                raise ConversionError(
                    f"{operation.kind} gives {output.shape}, and the package says {result.shape}",
                    hint="this is a fault of edgeserve or coremltools: report it with the model",
                )
            values[result.name] = output if result.kind is None else output.astype(result.kind)


def evaluator(program: SavedProgram) -> Evaluator:
    """Of a program that was read back. ConversionError for an operation that is not known here:
    a package that cannot be checked is not made.
    """
    unknown = sorted({op.kind for op in program.operations} - _KNOWN)
    if unknown:
        raise ConversionError(
            f"the package has {', '.join(unknown)}, which cannot be checked here",
            hint="this is a gap in edgeserve: report it with the model",
        )
    constants: dict[str, Any] = {}
    for operation in program.operations:
        if operation.kind == "const":
            constants[operation.results[0].name] = dict(operation.attributes)["val"]
        elif operation.kind in CONSTANTS:
            held = {**_arguments(operation, constants), **dict(operation.attributes)}
            value = decoded(operation.kind, held)
            (result,) = operation.results
            if value.shape != result.shape:
                raise ConversionError(f"{operation.kind} does not give what {result.name!r} says")
            constants[result.name] = value
    return Evaluator(program, constants)


def operator_counts(program: SavedProgram) -> tuple[OperatorCount, ...]:
    """How often each operation occurs, the most frequent first; constants are none."""
    counts = Counter(op.kind for op in program.operations if op.kind not in CONSTANTS)
    return tuple(
        OperatorCount(kind, count)
        for kind, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    )


def parameter_count(program: SavedProgram) -> int:
    """The numbers that weights stand for: of float tensors that have a dimension."""
    packed = {
        one
        for op in program.operations
        if op.kind != "const" and op.kind in CONSTANTS
        for _, bound in op.arguments
        for one in bound
        if isinstance(one, str)
    }
    return sum(
        int(np.prod(result.shape))
        for op in program.operations
        if op.kind in CONSTANTS
        for result in op.results
        if result.shape and result.kind is not None and result.kind.kind == "f"
        if result.name not in packed
    )


def _arguments(operation: Operation, values: Mapping[str, Any]) -> dict[str, Any]:
    """Each argument's value, or the list of them where there are several."""
    found: dict[str, Any] = {}
    for name, bound in operation.arguments:
        each = [one.value if isinstance(one, Held) else values[one] for one in bound]
        found[name] = each if name == "values" or len(each) != 1 else each[0]
    return found


_KNOWN = CONSTANTS | frozenset(OPERATIONS) | {"classify"}

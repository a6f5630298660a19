"""How far a package's answers are from the float model's, which LiteRT runs.

Where an output comes out of a softmax or a sigmoid, what goes into it is compared as well: a
softmax that is sure of itself hides nearly any error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.convert.coreml.evaluate import Evaluator
from edgeserve.convert.coreml.predictor import Predictor
from edgeserve.convert.coreml.program import Edges
from edgeserve.convert.coreml.saved import Operation, SavedProgram
from edgeserve.coreml_facts import OutputError, PortKind
from edgeserve.errors import ConversionError, MissingTool
from edgeserve.graph import Graph, OpKind
from edgeserve.postprocess.declaration import Activation
from edgeserve.preprocess.declaration import ImageInput, Layout

Arrays = dict[str, NDArray[Any]]
_ENDINGS = {"softmax", "sigmoid"}
_PASSING = {"cast", "identity", "reshape", "classify"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One inference: what the float model takes, and what the package takes by name."""

    model: tuple[NDArray[np.float32], ...]
    package: Arrays


def as_samples(
    rows: list[list[NDArray[np.float32]]], program: SavedProgram, edges: Edges
) -> tuple[Sample, ...]:
    """Samples of the float model's inputs, as both sides take them.

    For a package that takes an image, a sample becomes the nearest whole pixels, and the float
    model gets what its preprocessing makes of those.
    """
    names = [port.name for port in program.inputs]
    if edges.picture is None:
        return tuple(Sample(tuple(row), dict(zip(names, row, strict=True))) for row in rows)
    (name,) = names
    made = []
    for (values,) in rows:
        pixels = pixels_of(values, edges.picture)
        made.append(Sample((input_of(pixels, edges.picture, values.shape),), {name: pixels}))
    return tuple(made)


def pixels_of(values: NDArray[np.float32], front: ImageInput) -> NDArray[np.float32]:
    """The pixels 0..255, ``[1, channels, h, w]``, that preprocessing would turn into ``values``."""
    area = (front.out_height, front.out_width)
    channels = front.colour.channels
    if front.layout is Layout.NHWC:
        image = values.reshape(*area, channels).transpose(2, 0, 1)
    else:
        image = values.reshape(channels, *area)
    mean, scale = (np.asarray(one, np.float64)[:, None, None] for one in (front.mean, front.scale))
    pixels = np.clip(np.rint(image / scale + mean), 0, 255).astype(np.float32)
    return np.asarray(pixels[np.newaxis])


def input_of(
    pixels: NDArray[np.float32], front: ImageInput, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """``(pixel - mean) * scale`` in float64, then float32 of the model's shape and layout."""
    mean, scale = (np.asarray(one, np.float64)[:, None, None] for one in (front.mean, front.scale))
    image = (pixels[0].astype(np.float64) - mean) * scale
    if front.layout is Layout.NHWC:
        image = image.transpose(1, 2, 0)
    return np.asarray(image, np.float32).reshape(shape)


@dataclass(frozen=True, slots=True)
class Compared:
    """An output of the package, or what goes into the softmax or sigmoid that makes it."""

    output: str
    before: str | None = None

    @property
    def told(self) -> str:
        """For people."""
        return self.output if self.before is None else f"{self.output} before {self.before}"


@dataclass(frozen=True, slots=True)
class Answers:
    """What is compared, and what each sample gave of it."""

    compared: tuple[Compared, ...]
    values: tuple[tuple[NDArray[Any], ...], ...]

    def errors(self, wanted: Answers) -> tuple[OutputError, ...]:
        """How far these are from what was wanted. What is no number is infinitely far."""
        found = []
        for place, name in enumerate(one.told for one in self.compared):
            right = np.stack([row[place].reshape(-1) for row in wanted.values]).astype(np.float64)
            given = np.stack([row[place].reshape(-1) for row in self.values]).astype(np.float64)
            if not np.isfinite(right).all():
                raise ConversionError(
                    f"the float model's output {name!r} is not finite on the samples of the check",
                    hint="give --calibration with samples of real input",
                )
            if not np.isfinite(given).all():
                raise ConversionError(
                    f"output {name!r} of the package leaves the range of float16",
                    hint="--quantization float32 keeps it",
                )
            errors = np.abs(given - right)
            found.append(OutputError(name, float(errors.max()), float(np.abs(right).max())))
        return tuple(found)

    def top1_equal(self, wanted: Answers) -> int | None:
        """How many samples have the same greatest element; None but of a softmax of one vector."""
        first = wanted.values[0][0]
        ends = [one.before for one in self.compared]
        if ends != [None, "softmax"] or first.size < 2 or max(first.shape) != first.size:
            return None
        pairs = zip(self.values, wanted.values, strict=True)
        return sum(int(given[0].argmax() == right[0].argmax()) for given, right in pairs)


class FloatModel:
    """The float model in LiteRT, all of whose tensors can be read.

    Raises MissingTool without ai-edge-litert.
    """

    def __init__(self, model: bytes, graph: Graph, edges: Edges) -> None:
        try:
            from ai_edge_litert import interpreter
        except ImportError as error:
            raise MissingTool("ai-edge-litert", install="pip install ai-edge-litert") from error
        self._model = interpreter.Interpreter(
            model_content=model,
            experimental_op_resolver_type=(
                interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        self._model.allocate_tensors()
        self._inputs = [one["index"] for one in self._model.get_input_details()]
        self._graph = graph
        self._ending = edges.ending

    def answers(self, samples: tuple[Sample, ...], program: SavedProgram) -> Answers:
        """The outputs, then what goes into the softmax or sigmoid of each that has one."""
        names = [p.name for p in program.outputs if p.kind is not PortKind.LABEL]
        befores = [
            (name, *found)
            for name, index in zip(names, self._graph.outputs, strict=True)
            if (found := self._before(index)) is not None
        ]
        compared = (*map(Compared, names), *(Compared(name, end) for name, end, _ in befores))
        rows = []
        for sample in samples:
            for index, values in zip(self._inputs, sample.model, strict=True):
                self._model.set_tensor(index, values)
            self._model.invoke()
            ends = [self._ended(self._model.get_tensor(one)) for one in self._graph.outputs]
            rows.append((*ends, *(self._model.get_tensor(tensor) for _, _, tensor in befores)))
        return Answers(compared, tuple(rows))

    def _before(self, output: int) -> tuple[str, int] | None:
        """The kind and the input tensor of the softmax or sigmoid that makes an output."""
        if self._ending is not Activation.NONE:
            return str(self._ending), output
        writers = {index: op for op in self._graph.ops for index in op.outputs}
        op = writers.get(output)
        while op is not None and op.kind is OpKind.RESHAPE and op.inputs[0] is not None:
            op = writers.get(op.inputs[0])
        kinds = {OpKind.SOFTMAX: "softmax", OpKind.LOGISTIC: "sigmoid"}
        if op is None or op.kind not in kinds or op.inputs[0] is None:
            return None
        # A softmax with a beta is a product and a softmax in the package.
        if getattr(op.options, "beta", 1.0) != 1.0:
            return None
        return kinds[op.kind], op.inputs[0]

    def _ended(self, value: NDArray[Any]) -> NDArray[Any]:
        exact = value.astype(np.float64)
        match self._ending:
            case Activation.NONE:
                return value
            case Activation.SOFTMAX:
                raised = np.exp(exact - exact.max(-1, keepdims=True))
                return np.asarray(raised / raised.sum(-1, keepdims=True))
            case Activation.SIGMOID:
                return np.asarray(1 / (1 + np.exp(-exact)))


def package_answers(evaluator: Evaluator, samples: tuple[Sample, ...], wanted: Answers) -> Answers:
    """What the evaluated package gives for what the float model was asked, named alike.

    Raises ConversionError where the package has no softmax or sigmoid that the model has.
    """
    names = [
        one.output if one.before is None else _value_before(evaluator.program, one.output)
        for one in wanted.compared
    ]
    rows = []
    for sample in samples:
        values = evaluator.values(sample.package)
        rows.append(tuple(np.asarray(values[name]) for name in names))
    return Answers(wanted.compared, tuple(rows))


def predicted_answers(
    predictor: Predictor, samples: tuple[Sample, ...], wanted: Answers
) -> tuple[Answers, Answers]:
    """What a predictor gives, and the part of ``wanted`` that it can be held against."""
    kept = [place for place, one in enumerate(wanted.compared) if one.before is None]
    compared = tuple(wanted.compared[place] for place in kept)
    rows: list[Mapping[str, NDArray[Any]]] = [predictor.run(sample.package) for sample in samples]
    given = tuple(tuple(np.asarray(row[one.output]) for one in compared) for row in rows)
    return (
        Answers(compared, given),
        Answers(compared, tuple(tuple(row[place] for place in kept) for row in wanted.values)),
    )


def _value_before(program: SavedProgram, output: str) -> str:
    """The value that goes into the softmax or sigmoid behind an output of the package."""
    writers = {result.name: op for op in program.operations for result in op.results}
    op = writers.get(output)
    while op is not None and op.kind in _PASSING:
        op = writers.get(_first(op))
    if op is None or op.kind not in _ENDINGS:
        raise ConversionError(f"output {output!r} of the package is not what the model makes it by")
    return _first(op)


def _first(operation: Operation) -> str:
    arguments = dict(operation.arguments)
    (bound,) = arguments["x" if "x" in arguments else "probabilities"]
    return bound if isinstance(bound, str) else ""

"""How well the INT8 model agrees with the float model it was made from.

The INT8 side is the oracle, LiteRT's reference kernels, so that the figures are those that a device
whose every step equals the oracle must show.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.bundle import Agreement, OutputAgreement, TensorFacts, quantize_samples
from edgeserve.convert.calibration import CalibrationSet
from edgeserve.convert.worker import Progress
from edgeserve.errors import ConfigError, MissingTool
from edgeserve.graph import DType

MAX_COMPARED = 500
"""Reference kernels are slow: of a larger set, this many evenly spaced samples are compared."""


def compare(
    float_model: bytes, int8_model: bytes, calibration: CalibrationSet, progress: Progress
) -> Agreement:
    """Run both models over the samples of ``calibration``, whose inputs are in the models' order.

    Raises ConfigError when a label is no class of the model, MissingTool without ai-edge-litert.
    """
    rows = _compared_rows(calibration.samples)
    exact = Runner(float_model, reference=False)
    integer = Runner(int8_model, reference=True)
    wanted, got = [], []
    for done, row in enumerate(rows):
        sample = calibration.sample(row)
        wanted.append(exact.run(sample))
        got.append(integer.run(sample))
        progress((done + 1) / len(rows), f"comparing sample {done + 1} of {len(rows)}")
    pairs = [
        (np.stack([outputs[i] for outputs in wanted]), np.stack([outputs[i] for outputs in got]))
        for i in range(len(integer.outputs))
    ]
    classes = classes_of(integer.outputs)
    labels = None if calibration.labels is None else calibration.labels[rows]
    if labels is not None and classes is not None:
        require_classes(labels, classes)
    return _agreement(integer.outputs, pairs, labels, calibration.samples, classes)


class Runner:
    """One model in LiteRT, fed with real values and answering in real values."""

    def __init__(self, model: bytes, *, reference: bool) -> None:
        interpreter = litert()
        resolvers = interpreter.OpResolverType
        resolver = (
            resolvers.BUILTIN_REF if reference else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        self._model = interpreter.Interpreter(
            model_content=model, experimental_op_resolver_type=resolver, num_threads=1
        )
        self._model.allocate_tensors()
        self._input_indices = [d["index"] for d in self._model.get_input_details()]
        self._output_indices = [d["index"] for d in self._model.get_output_details()]
        self.inputs = tuple(facts_of(d) for d in self._model.get_input_details())
        self.outputs = tuple(facts_of(d) for d in self._model.get_output_details())

    def run(self, sample: list[NDArray[np.float32]]) -> list[NDArray[np.float64]]:
        """The outputs for one array an input, each of the input's whole shape."""
        for index, facts, values in zip(self._input_indices, self.inputs, sample, strict=True):
            self._model.set_tensor(index, quantize_samples(values, facts))
        self._model.invoke()
        return [
            _real_values(self._model.get_tensor(index), facts)
            for index, facts in zip(self._output_indices, self.outputs, strict=True)
        ]


def litert() -> Any:
    """LiteRT's interpreter module. Raises MissingTool."""
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise MissingTool("ai-edge-litert", install="pip install ai-edge-litert") from error
    return interpreter


def facts_of(details: dict[str, Any]) -> TensorFacts:
    """The facts of an input or output from what LiteRT says of it."""
    scale, zero_point = details["quantization"]
    return TensorFacts(
        name=details["name"],
        shape=tuple(int(extent) for extent in details["shape"]),
        dtype=DType(np.dtype(details["dtype"]).name),
        scale=float(scale) or None,
        zero_point=int(zero_point) if scale else None,
    )


def _real_values(stored: NDArray[Any], facts: TensorFacts) -> NDArray[np.float64]:
    values = stored.astype(np.float64)
    if facts.scale is None or facts.zero_point is None:
        return values
    return (values - facts.zero_point) * facts.scale


def _compared_rows(samples: int) -> list[int]:
    compared = min(samples, MAX_COMPARED)
    return [row * samples // compared for row in range(compared)]


def classes_of(outputs: tuple[TensorFacts, ...]) -> int | None:
    """The number of classes, or None where the model is no classifier."""
    if len(outputs) != 1 or len(outputs[0].shape) != 2 or outputs[0].shape[1] < 2:
        return None
    return outputs[0].shape[1]


def require_classes(labels: NDArray[np.int64], classes: int) -> None:
    """ConfigError when a label is no number of a class."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ConfigError(
            f"labels run from {low} to {high} and the model has {classes} classes",
            hint=f"labels are class numbers from 0 to {classes - 1}",
        )


def _agreement(
    facts: tuple[TensorFacts, ...],
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    labels: NDArray[np.int64] | None,
    available: int,
    classes: int | None,
) -> Agreement:
    errors = [np.abs(wanted - got) for wanted, got in pairs]
    outputs = tuple(
        OutputAgreement(fact.name, float(error.max()), float(error.mean()), fact.scale)
        for fact, error in zip(facts, errors, strict=True)
    )
    samples = len(errors[0])
    if classes is None:
        return Agreement(samples, available, outputs, None, None, None)
    exact, integer = (values.reshape(samples, classes).argmax(axis=1) for values in pairs[0])
    return Agreement(
        samples=samples,
        available=available,
        outputs=outputs,
        top1_equal=int(np.sum(exact == integer)),
        float_correct=None if labels is None else int(np.sum(exact == labels)),
        int8_correct=None if labels is None else int(np.sum(integer == labels)),
    )

"""Forms of a model tried one after the other, the cheapest first, until one keeps a budget.

``python -m edgeserve.convert.budget_worker job.json``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeserve.convert.agreement import Runner, classes_of, require_classes
from edgeserve.convert.layer_errors import layer_errors
from edgeserve.convert.network import read_network
from edgeserve.convert.precision import Precision
from edgeserve.convert.quantizer import Ranges, observe, quantize
from edgeserve.convert.readers import in_order, readers
from edgeserve.convert.sample_files import MappedSamples, SampleFiles
from edgeserve.convert.worker import Progress, serve
from edgeserve.errors import ConfigError, ConversionError, ModelError
from edgeserve.lower import lower
from edgeserve.tflite.reader import read_model

MODULE = "edgeserve.convert.budget_worker"
KEPT_FILE = "kept.tflite"
MOST_LAYERS = 4
"""So many of the noisiest layers compute in int16 before all of them do."""
LAYER_SAMPLES = 16
"""Layers are ranked by their noise on so many of the samples."""

Answers = list[NDArray[np.float64]]
"""An array an output, ``[samples, ...]``, in real values."""


@dataclass(frozen=True, slots=True)
class BudgetJob:
    """Both models as files; the samples to calibrate with, and ``data`` to measure on.

    One of the limits is None (``budget.Budget``). ``edges`` says why a model whose inputs and
    outputs are int16 does not do, and is empty where it does. The model that keeps the budget is
    written into ``folder``, unless it is the int8 one.
    """

    exact: str
    int8: str
    calibration: SampleFiles
    data: SampleFiles
    max_drop: float | None
    max_error: float | None
    edges: str
    folder: str


@dataclass(frozen=True, slots=True)
class Try:
    """A form that was tried. ``right`` counts right answers; ``error`` is the largest error by the
    width of its output's range. Both are None where ``refused`` says why there is no such model.
    """

    precision: Precision
    int16_layers: tuple[str, ...]
    right: int | None
    error: float | None
    kept: bool
    refused: str


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """The tries in their order: where one keeps the budget it is the last. ``exact_right`` are the
    float model's right answers, None for a budget of errors.
    """

    samples: int
    exact_right: int | None
    tries: tuple[Try, ...]
    notes: tuple[str, ...]


def search(job: BudgetJob, progress: Progress) -> BudgetResult:
    """The child's work.

    Raises ConfigError for data that do not suit the budget, MissingTool without ai-edge-quantizer
    where int8 does not keep it.
    """
    session = _Session(job, progress)
    tries = [session.judged(Precision.INT8, (), Path(job.int8).read_bytes())]
    if not tries[0].kept:
        for form in session.forms():
            tries.append(session.attempt(*form))
            if tries[-1].kept:
                break
    return BudgetResult(len(session.data), session.exact_right, tuple(tries), tuple(session.notes))


class _Session:
    """The float model's answers, and what every try is held against."""

    def __init__(self, job: BudgetJob, progress: Progress) -> None:
        self.data = MappedSamples(job.data)
        self.notes: list[str] = []
        self.exact_right: int | None = None
        self._job = job
        self._progress = progress
        self._exact = Path(job.exact).read_bytes()
        self._ranges: Ranges | None = None
        model = Runner(self._exact, reference=False)
        self._names = [facts.name for facts in model.outputs]
        self._labels = None if job.max_drop is None else self._classes(model)
        self._wanted = self._answers(model, "the float model")
        if self._labels is None:
            self._widths = [self._width(i) for i in range(len(self._wanted))]
        else:
            self.exact_right = self._right(self._wanted)

    def forms(self) -> Iterator[tuple[Precision, tuple[str, ...]]]:
        """What is tried after int8: more and more of the noisiest layers in int16, each number of
        them alone and with the layers that read them; then all layers.
        """
        self._progress(None, "looking for the noisiest layers")
        int8 = Path(self._job.int8).read_bytes()
        few = MappedSamples(self._job.data, LAYER_SAMPLES)
        found = layer_errors(self._exact, int8, few, lambda *_: None)
        if isinstance(found, str):
            self.notes.append(found)
        else:
            noisy = [x.name for x in found.layers if x.operator != "input" and x.noise_share]
            network, seen = read_network(self._exact), set()
            for count in range(1, min(len(noisy), MOST_LAYERS) + 1):
                alone = set(noisy[:count])
                whole = alone.union(*(readers(network, name) for name in alone))
                for names in (in_order(network, alone), in_order(network, whole)):
                    if names not in seen:
                        seen.add(names)
                        yield Precision.INT8, names
        yield Precision.INT16X8, ()

    def attempt(self, precision: Precision, layers: tuple[str, ...]) -> Try:
        """Makes a form and measures it. Raises MissingTool."""
        if precision is Precision.INT16X8 and self._job.edges:
            return Try(precision, layers, None, None, False, self._job.edges)
        if self._ranges is None:
            calibration = MappedSamples(self._job.calibration)
            self._ranges = observe(self._exact, calibration, lambda *_: None)
        try:
            model = quantize(self._exact, self._ranges, precision, layers)
            lower(read_model(model, name="trial"))
        except (ConfigError, ConversionError, ModelError) as error:
            return Try(precision, layers, None, None, False, error.what)
        made = self.judged(precision, layers, model)
        if made.kept:
            (Path(self._job.folder) / KEPT_FILE).write_bytes(model)
        return made

    def judged(self, precision: Precision, layers: tuple[str, ...], model: bytes) -> Try:
        """How a model answers, and whether that keeps the budget."""
        what = f"{precision} with {len(layers)} layers in int16" if layers else str(precision)
        got = self._answers(Runner(model, reference=True), what)
        if self._labels is None:
            error = self._largest(got)
            assert self._job.max_error is not None
            return Try(precision, layers, None, error, error <= self._job.max_error, "")
        right = self._right(got)
        assert self.exact_right is not None
        assert self._job.max_drop is not None
        drop = (self.exact_right - right) / len(self.data)
        return Try(precision, layers, right, None, drop <= self._job.max_drop, "")

    def _classes(self, model: Runner) -> NDArray[np.int64]:
        """The labels of a classifier's data."""
        classes, labels = classes_of(model.outputs), self.data.labels
        if classes is None:
            raise ConfigError(
                "--max-drop counts right answers, and the model is no classifier",
                hint="give --max-error 5% instead: of its outputs' ranges",
            )
        if labels is None:
            raise ConfigError(
                "--max-drop counts right answers, and the data have no labels",
                hint="add an array 'y' of class numbers to the .npz, or one folder a class",
            )
        require_classes(labels, classes)
        return labels

    def _answers(self, model: Runner, what: str) -> Answers:
        answers = []
        for done, sample in enumerate(self.data, start=1):
            answers.append(model.run(sample))
            self._progress(done / len(self.data), f"measuring {what} on sample {done}")
        return [np.stack([one[i] for one in answers]) for i in range(len(model.outputs))]

    def _right(self, answers: Answers) -> int:
        assert self._labels is not None
        classes = answers[0].reshape(len(self._labels), -1).argmax(axis=1)
        return int(np.sum(classes == self._labels))

    def _width(self, output: int) -> float:
        width = float(np.ptp(self._wanted[output]))
        if not 0 < width < np.inf:
            raise ConfigError(
                f"output {self._names[output]!r} has no range on these data, to measure errors by",
                hint="give --budget-data on which it changes",
            )
        return width

    def _largest(self, answers: Answers) -> float:
        pairs = zip(self._wanted, answers, self._widths, strict=True)
        return max(float(np.abs(wanted - got).max()) / width for wanted, got, width in pairs)


if __name__ == "__main__":
    sys.exit(serve(BudgetJob, search))

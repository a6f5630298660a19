"""Both models over labelled samples, in a process of their own.

``python -m edgeserve.convert.accuracy_worker job.json``
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeserve.accuracy_record import Against, LayerRecord, Rates, TrafficRecord
from edgeserve.convert import scores
from edgeserve.convert.agreement import Runner, classes_of, require_classes
from edgeserve.convert.layer_errors import layer_errors
from edgeserve.convert.ranges import traffic
from edgeserve.convert.sample_files import MappedSamples, SampleFiles
from edgeserve.convert.worker import Progress, serve
from edgeserve.tensor_ranges import RangeRecord

Outputs = list[NDArray[np.float64]]
"""One array an output, ``[samples, ...]``."""


@dataclass(frozen=True, slots=True)
class AccuracyJob:
    """``exact`` is None where there is no float model; ``layer_samples`` 0 leaves layers out."""

    exact: str | None
    quantized: str
    samples: SampleFiles
    traffic: SampleFiles | None
    ranges: RangeRecord | None
    top_k: int
    layer_samples: int


@dataclass(frozen=True, slots=True)
class AccuracyResult:
    """What the two models answered; see ``AccuracyRecord``. ``k`` is None for few classes."""

    k: int | None
    classes: int | None
    exact: Rates | None
    quantized: Rates | None
    against: Against | None
    layers: LayerRecord | None
    traffic: TrafficRecord | None
    notes: tuple[str, ...]


def measure(job: AccuracyJob, progress: Progress) -> AccuracyResult:
    """The child's work. Raises ConfigError when a label is no class of the model."""
    samples = MappedSamples(job.samples)
    quantized = Path(job.quantized).read_bytes()
    integer = Runner(quantized, reference=True)
    classes = classes_of(integer.outputs)
    labels, notes = samples.labels, []
    if labels is not None and classes is not None:
        require_classes(labels, classes)
    elif labels is not None:
        labels = None
        notes.append("the labels are not used: the model is no classifier")
    k = job.top_k if classes is not None and 1 < job.top_k < classes else None
    got = _answers(integer, samples, _part(progress, 0.0, 0.4), "quantized")
    exact, against, layers, seen = None, None, None, None
    if job.exact is not None:
        model = Path(job.exact).read_bytes()
        wanted = _answers(
            Runner(model, reference=False), samples, _part(progress, 0.4, 0.5), "float"
        )
        exact = _rates(wanted, labels, classes, k)
        against = _against(integer, wanted, got, labels, classes)
        if job.layer_samples:
            fewer = MappedSamples(job.samples, job.layer_samples)
            found = layer_errors(model, quantized, fewer, _part(progress, 0.5, 0.9))
            layers = found if isinstance(found, LayerRecord) else None
            notes += [found] if isinstance(found, str) else []
        if job.traffic is not None and job.ranges is not None:
            served = MappedSamples(job.traffic)
            seen = traffic(model, quantized, job.ranges, served, _part(progress, 0.9, 1.0))
    return AccuracyResult(
        k=k,
        classes=classes,
        exact=exact,
        quantized=_rates(got, labels, classes, k),
        against=against,
        layers=layers,
        traffic=seen,
        notes=tuple(notes),
    )


def _part(progress: Progress, start: float, end: float) -> Progress:
    def inner(share: float | None, message: str) -> None:
        progress(None if share is None else start + (end - start) * share, message)

    return inner


def _answers(model: Runner, samples: MappedSamples, progress: Progress, what: str) -> Outputs:
    answers = []
    for done, sample in enumerate(samples):
        answers.append(model.run(sample))
        progress((done + 1) / len(samples), f"running the {what} model on sample {done + 1}")
    return [np.stack([one[i] for one in answers]) for i in range(len(model.outputs))]


def _rates(
    outputs: Outputs, labels: NDArray[np.int64] | None, classes: int | None, k: int | None
) -> Rates | None:
    if labels is None or classes is None:
        return None
    return scores.rates(outputs[0].reshape(-1, classes), labels, k)


def _against(
    model: Runner,
    wanted: Outputs,
    got: Outputs,
    labels: NDArray[np.int64] | None,
    classes: int | None,
) -> Against:
    errors = scores.output_errors(model.outputs, wanted, got)
    if classes is None:
        return Against(errors, None, None, ())
    ours, theirs = (outputs[0].reshape(-1, classes) for outputs in (wanted, got))
    return Against(
        errors=errors,
        top1_equal=int(np.sum(ours.argmax(axis=1) == theirs.argmax(axis=1))),
        paired=None if labels is None else scores.paired(ours, theirs, labels),
        moves=scores.moves(ours, theirs, labels),
    )


if __name__ == "__main__":
    sys.exit(serve(AccuracyJob, measure))

"""What brings a quantized model nearer to its float one, tried and measured.

``python -m edgeserve.convert.help_worker job.json``
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeserve.accuracy_record import Proportion, proportion
from edgeserve.convert.agreement import Runner
from edgeserve.convert.network import read_network
from edgeserve.convert.precision import Precision
from edgeserve.convert.quantizer import Ranges, observe, quantize
from edgeserve.convert.readers import in_order, readers
from edgeserve.convert.sample_files import MappedSamples, SampleFiles
from edgeserve.convert.worker import Progress, serve
from edgeserve.errors import ConfigError, ConversionError
from edgeserve.tensor_ranges import RangeRecord

RECOVERED = 0.95
"""Of the noise: what recovers as much needs no more layers."""
LEAST_GAIN = 0.05
"""A layer stays in the selection where it takes away this share of the first noise."""

Answers = list[NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class HelpJob:
    """Both models, the samples to measure on, the bundle's ranges; ``layers`` are the names of
    those to try, the noisiest first. ``calibration`` are other samples to calibrate with. What is
    made is written into ``folder``.
    """

    exact: str
    quantized: str
    samples: SampleFiles
    ranges: RangeRecord
    layers: tuple[str, ...]
    calibration: SampleFiles | None
    folder: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A model that was made, in the file ``model``, and how it answers.

    ``noise_share`` is its mean square error by that of the bundle's model.
    """

    model: str
    layers: tuple[str, ...]
    noise_share: float
    top_1: Proportion | None


@dataclass(frozen=True, slots=True)
class HelpResult:
    """None where it was not asked for, or nothing was gained. ``tried`` counts quantizations."""

    calibration: Tried | None
    int16: Tried | None
    tried: int
    reasons: tuple[str, ...]


def seek(job: HelpJob, progress: Progress) -> HelpResult:
    """The child's work. Raises MissingTool without ai-edge-quantizer."""
    session = _Session(job, progress)
    calibration, reasons = None, []
    if job.calibration is not None:
        progress(None, "calibrating with the other samples")
        ranges = observe(session.exact, MappedSamples(job.calibration), lambda *_: None)
        try:
            calibration = session.attempt("calibration", ranges, ())
        except (ConfigError, ConversionError) as error:
            reasons.append(error.what)
    int16 = session.greedy(job.layers)
    return HelpResult(calibration, int16, session.tried, (*reasons, *session.refused))


def known_ranges(record: RangeRecord) -> Ranges:
    """The ranges of a bundle's calibration, as the quantizer takes them."""
    held = {one.name: (one.minimum, one.maximum) for one in record.tensors}
    return held | {one.name: (one.minimum, one.maximum) for one in record.unmatched}


class _Session:
    def __init__(self, job: HelpJob, progress: Progress) -> None:
        self.exact = Path(job.exact).read_bytes()
        self.tried = 0
        self.refused: list[str] = []
        self._network = read_network(self.exact)
        self._folder = Path(job.folder)
        self._samples = MappedSamples(job.samples)
        self._ranges = known_ranges(job.ranges)
        self._progress = progress
        self._wanted = self._answers(Runner(self.exact, reference=False))
        before = Runner(Path(job.quantized).read_bytes(), reference=True)
        self._noise = self._distance(self._answers(before))

    def greedy(self, layers: Sequence[str]) -> Tried | None:
        """Adds the layers one by one, each alone or with those that read it, where that gains."""
        best: Tried | None = None
        for done, name in enumerate(layers):
            share = 1.0 if best is None else best.noise_share
            if 1 - share >= RECOVERED:
                break
            self._progress(done / len(layers), f"trying int16 for layer {done + 1}")
            chosen = () if best is None else best.layers
            for trial in self._trials(chosen, name):
                found = self._int16(trial)
                if found is not None and share - found.noise_share >= LEAST_GAIN:
                    best, share = found, found.noise_share
        return best

    def attempt(self, name: str, ranges: Ranges, layers: Sequence[str]) -> Tried:
        """Quantizes anew and measures. Raises what ``quantize`` does."""
        self.tried += 1
        model = quantize(self.exact, ranges, Precision.INT8, layers)
        path = self._folder / f"{name}-{self.tried}.tflite"
        path.write_bytes(model)
        answers = self._answers(Runner(model, reference=True))
        noise = self._distance(answers)
        share = noise / self._noise if self._noise else 1.0
        return Tried(str(path), tuple(layers), share, self._right(answers))

    def _int16(self, layers: Sequence[str]) -> Tried | None:
        try:
            return self.attempt("int16", self._ranges, layers)
        except (ConfigError, ConversionError) as error:
            self.refused.append(error.what)
            return None

    def _trials(self, chosen: Sequence[str], name: str) -> list[tuple[str, ...]]:
        alone = in_order(self._network, {*chosen, name})
        whole = in_order(self._network, {*chosen, name, *readers(self._network, name)})
        return [one for one in dict.fromkeys((alone, whole)) if one != tuple(chosen)]

    def _answers(self, model: Runner) -> Answers:
        answers = [model.run(sample) for sample in self._samples]
        return [np.stack([one[i] for one in answers]) for i in range(len(model.outputs))]

    def _distance(self, answers: Answers) -> float:
        """The mean square error, by the mean square of each output, summed over the outputs."""
        total = 0.0
        for wanted, got in zip(self._wanted, answers, strict=True):
            power = float(np.mean(np.square(wanted)))
            total += float(np.mean(np.square(wanted - got))) / max(power, 1e-30)
        return total

    def _right(self, answers: Answers) -> Proportion | None:
        labels = self._samples.labels
        if labels is None or len(answers) != 1 or answers[0].ndim != 3 or answers[0].shape[2] < 2:
            return None
        classes = answers[0].reshape(len(labels), -1).argmax(axis=1)
        return proportion(int(np.sum(classes == labels)), len(labels))


if __name__ == "__main__":
    sys.exit(serve(HelpJob, seek))

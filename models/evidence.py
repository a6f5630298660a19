"""What the evidence of the zoo is made of: conversions, figures on held-out data, devices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeserve.bundle import TensorFacts, quantize_samples, tensor_facts
from edgeserve.convert.agreement import Runner
from edgeserve.convert.conversion import convert_source
from edgeserve.convert.converted import Converted
from edgeserve.convert.precision import Precision
from edgeserve.convert.tensorflow_worker import FLOAT_FILE
from edgeserve.declaration_file import NOTHING_DECLARED
from edgeserve.oracle import open_oracle
from edgeserve.pipeline.device import OpenDevice
from edgeserve.program import Oracle
from edgeserve.stimulus import Stimulus
from models.entry import CALIBRATION_FILE, MODEL_FILE, WIDE_CALIBRATION_FILE, Entry, Metric
from models.training import Samples

Outputs = NDArray[np.float64]
"""Real values, ``[n, outputs]``."""


@dataclass(frozen=True, slots=True)
class Forms:
    """A model converted, and the float ``.tflite`` that the converter made on the way."""

    converted: Converted
    float_model: bytes

    @property
    def model(self) -> bytes:
        return self.converted.model_tflite


def convert(entry: Entry, precision: Precision, work: Path, folder: Path | None = None) -> Forms:
    """Converts the artefacts of an entry, or those of ``folder``; ``work`` is empty.

    A declaration makes int8 inputs, so with int16 activations there is none; the calibration
    samples are the model's inputs either way. Raises what ``convert_source`` does.
    """
    declared = entry.declaration() if precision is Precision.INT8 else NOTHING_DECLARED
    source = folder or entry.folder
    wide = source / WIDE_CALIBRATION_FILE
    takes_wide = precision is Precision.INT16X8 and wide.is_file()
    converted = convert_source(
        source / MODEL_FILE,
        calibration=wide if takes_wide else source / CALIBRATION_FILE,
        trust_source=False,
        work_dir=work,
        progress=lambda share, message: None,
        name=entry.id,
        declared=declared,
        precision=precision,
    )
    return Forms(converted, (work / FLOAT_FILE).read_bytes())


def outputs(model: bytes, x: NDArray[np.float32], *, reference: bool) -> Outputs:
    """What LiteRT answers to each sample; ``reference``: by its reference kernels, the oracle."""
    runner = Runner(model, reference=reference)
    (taken,) = runner.inputs
    shape = (1, *taken.shape[1:])
    return np.stack([runner.run([one.reshape(shape)])[0].reshape(-1) for one in x])


def figure(entry: Entry, samples: Samples, answers: Outputs) -> float:
    """The entry's metric, 0..1."""
    if entry.metric is Metric.ACCURACY:
        return float(np.mean(answers.argmax(axis=1) == samples.y))
    return area_under_roc(scores(samples, answers), samples.y)


def scores(samples: Samples, answers: Outputs) -> NDArray[np.float64]:
    """How unlike its reconstruction each sample is: the mean square of the difference, ``[n]``."""
    wanted = samples.x.reshape(len(samples), -1)
    return np.asarray(((answers - wanted) ** 2).mean(axis=1))


def area_under_roc(score: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """The chance that a sample of class 1 scores above one of class 0, ties counting half (Mann
    and Whitney).
    """
    from scipy.stats import rankdata

    positives = int(y.sum())
    negatives = len(y) - positives
    above = rankdata(score)[y == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def input_facts(converted: Converted) -> TensorFacts:
    """Of the model's one input."""
    (index,) = converted.graph.inputs
    return tensor_facts(converted.graph.tensors[index])


def stimuli(facts: TensorFacts, samples: Samples, count: int) -> tuple[Stimulus, ...]:
    """The first ``count`` held-out samples as the model's input takes them."""
    return tuple(
        Stimulus(f"held out {row}", quantize_samples(samples.x[row], facts).tobytes())
        for row in range(count)
    )


@dataclass(frozen=True, slots=True)
class Answers:
    """The bytes of all outputs for each input: the device's, and the host's by the oracle."""

    device: tuple[bytes, ...]
    host: tuple[bytes, ...]

    @property
    def equal(self) -> int:
        """How many are the same to the last bit."""
        return sum(a == b for a, b in zip(self.device, self.host, strict=True))


def on_device(target: OpenDevice, inputs: tuple[Stimulus, ...]) -> Answers:
    """Runs every input from reset on a device that is open, and in LiteRT's reference kernels.

    Raises DeviceError, and the errors of the oracle.
    """
    program = target.compiled.program
    device, host = [], []
    with open_oracle(target.compiled.bundle.model_bytes(), program) as oracle:
        for one in inputs:
            oracle.run(one.data)
            parts = [oracle.tensor_bytes(Oracle(port.tensor)) for port in program.outputs]
            host.append(b"".join(parts))
            target.dut.reset()
            target.dut.load(one.data)
            target.dut.run()
            device.append(target.dut.out(len(host[-1])))
    return Answers(tuple(device), tuple(host))

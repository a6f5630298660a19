"""The nouns of ``accuracy.json``: how a quantized model answers beside its float one, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Proportion:
    """``right`` of ``total``, with the 95 % interval of Wilson's score, as shares."""

    right: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.right / self.total


def proportion(right: int, total: int) -> Proportion:
    """``right`` of ``total`` with Wilson's 95 % interval (scipy's ``binomtest``)."""
    from scipy.stats import binomtest

    interval = binomtest(right, total).proportion_ci(confidence_level=0.95, method="wilson")
    return Proportion(right, total, float(interval.low), float(interval.high))


@dataclass(frozen=True, slots=True)
class Rates:
    """How often a model's most probable class, or one of its k most probable, is the label."""

    top_1: Proportion
    top_k: Proportion | None


@dataclass(frozen=True, slots=True)
class Paired:
    """The same labelled samples by both models: ``lost`` ones only the float model gets right,
    ``gained`` ones only the quantized one. ``p_value`` is of McNemar's exact test (two-sided) that
    both are as likely.
    """

    lost: int
    gained: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Move:
    """``samples`` that the float model gives class ``exact`` and the quantized model class
    ``quantized``; ``labelled`` of these have the first as their label (None without labels).
    """

    exact: int
    quantized: int
    samples: int
    labelled: int | None


@dataclass(frozen=True, slots=True)
class OutputError:
    """One output, quantized against float, in real values. ``step`` is its quantization step."""

    name: str
    mean_abs_error: float
    max_abs_error: float
    sqnr_db: float | None
    step: float | None


@dataclass(frozen=True, slots=True)
class Against:
    """What needs both models. ``top1_equal``: samples of one class by both; None for regression."""

    errors: tuple[OutputError, ...]
    top1_equal: int | None
    paired: Paired | None
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class DeviceAnswers:
    """``samples`` run on a device: how many gave the bytes, and the class, that the host gives.

    ``near`` is how many are within ``closeness.TOLERANCE`` of the host's where float32 arithmetic
    makes outputs, None where the bytes have to be equal. ``same_class`` is None for regression.
    ``first_different`` is the number of the first sample that is wrong by this.
    """

    device: str
    board: str
    emulated: bool
    samples: int
    same_bytes: int
    near: int | None
    same_class: int | None
    right: int | None
    first_different: int | None

    @property
    def all_right(self) -> bool:
        """Whether every sample gave the host's answer, as exactly as it has to."""
        return self.samples == (self.same_bytes if self.near is None else self.near)


@dataclass(frozen=True, slots=True)
class LayerError:
    """One operator of the float model; ratios of signal to quantization noise are in dB.

    ``own_sqnr_db`` is of its output when its weights and its output alone are quantized,
    ``accumulated_sqnr_db`` of its output in the quantized model, ``model_sqnr_db`` of the model's
    output when this layer alone is quantized; None: no noise at all. ``noise_share`` is its part of
    the sum of such noises over all layers. ``channel_ratio`` is the greatest channel's range by
    the median channel's. ``weights`` says whether the weights' own rounding is in these figures.
    """

    name: str
    operator: str
    own_sqnr_db: float | None
    accumulated_sqnr_db: float | None
    model_sqnr_db: float | None
    noise_share: float
    channel_ratio: float | None
    weights: bool


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """The layers, the one that adds most noise to ``compared`` first.

    ``compared`` are the outputs, or what a final SOFTMAX or LOGISTIC makes them of. ``unmatched``
    layers are those whose output has no counterpart in the quantized model; ``exact`` ones move
    values that are rounded already.
    """

    samples: int
    compared: tuple[str, ...]
    layers: tuple[LayerError, ...]
    exact: tuple[str, ...]
    unmatched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrafficTensor:
    """One tensor over traffic beside calibration.

    ``beyond_share``: samples that leave the calibrated range; ``clipped_share``: values outside the
    quantized range by more than a step; ``distance``: the greatest difference of the distribution
    functions (Kolmogorov and Smirnov), ``chance`` what samples of one source would show;
    ``shift``: the Wasserstein distance by the width of the calibrated range.
    """

    name: str
    beyond_share: float
    clipped_share: float
    distance: float
    chance: float
    shift: float
    agrees: bool


@dataclass(frozen=True, slots=True)
class TrafficRecord:
    """Samples like those that the model is served, held against the calibration."""

    samples: int
    tensors: tuple[TrafficTensor, ...]

    @property
    def differing(self) -> tuple[TrafficTensor, ...]:
        """The tensors that do not agree, in the order in which they are computed."""
        return tuple(tensor for tensor in self.tensors if not tensor.agrees)


class HelpKind(StrEnum):
    """What may bring a quantized model nearer to its float one."""

    CALIBRATION = "calibration"
    INT16_LAYERS = "int16-layers"
    TRAINING = "training"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a model on ``board``: its arena and, by estimate, the instructions of an inference."""

    board: str
    arena_bytes: int
    model_bytes: int
    instructions: int


@dataclass(frozen=True, slots=True)
class Help:
    """One thing that was tried, on the same samples; or, with ``measured`` false, advice alone.

    ``recovered_share`` is of the noise at the model's output: 1 is the float model's answers.
    ``top_1`` is what the model gets right with it, where there are labels.
    """

    kind: HelpKind
    measured: bool
    what: str
    option: str
    layers: tuple[str, ...]
    recovered_share: float | None
    top_1: Proportion | None
    before: Cost | None
    after: Cost | None


@dataclass(frozen=True, slots=True)
class AccuracyRecord:
    """``accuracy.json``. ``exact`` (the float model's rates), ``against``, ``layers`` and
    ``traffic`` are None where there is no float model, no labels, or they were not asked for.
    """

    schema: int
    model_sha256: str
    data_sha256: str
    samples: int
    available: int
    labelled: bool
    k: int | None
    classes: tuple[str, ...]
    exact: Rates | None
    quantized: Rates | None
    against: Against | None
    device: DeviceAnswers | None
    layers: LayerRecord | None
    traffic: TrafficRecord | None
    helps: tuple[Help, ...]
    notes: tuple[str, ...]

    @property
    def drop(self) -> float | None:
        """How much less often the quantized model is right, as a share of all samples."""
        if self.exact is None or self.quantized is None:
            return None
        # One division: a drop of exactly the budget compares equal to it.
        return (self.exact.top_1.right - self.quantized.top_1.right) / self.exact.top_1.total

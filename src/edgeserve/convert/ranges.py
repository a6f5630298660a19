"""The ranges of a float model's tensors over samples, in one pass and bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeserve.accuracy_record import TrafficRecord, TrafficTensor
from edgeserve.convert.kept_tensors import KeptTensors
from edgeserve.convert.matching import match
from edgeserve.convert.network import Network, read_network
from edgeserve.convert.worker import Progress
from edgeserve.errors import ConversionError
from edgeserve.tensor_ranges import (
    BINS,
    SETTLED_WITHIN,
    PlainRange,
    RangeRecord,
    TensorRange,
)

ORDERS = 31
"""Orders of the samples over which the settling of ranges is the median."""
LEAST_DISTANCE = 0.05
CHANCE_TIMES = 3.0
"""Distributions differ where they are this many times as far apart as chance puts them."""
MOST_CLIPPED = 0.001
_SLACK_STEPS = 1.0001

Sample = Sequence[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _Watched:
    """A float tensor with the range and step of the quantized one that stands for it."""

    index: int
    name: str
    low: float
    high: float
    step: float


@dataclass(slots=True)
class _Seen:
    """What the samples gave of one tensor: per-sample extremes, and two histograms of values."""

    minima: list[float]
    maxima: list[float]
    halves: NDArray[np.int64]
    clipped: int
    values: int


def calibration_ranges(
    exact: bytes, quantized: bytes, samples: Sequence[Sample], progress: Progress
) -> RangeRecord:
    """Watches the float model on its calibration samples. Memory does not grow with the values."""
    network, watched, unmatched = _watched(exact, quantized)
    seen = _watch(exact, network, [*watched, *unmatched], samples, progress)
    return RangeRecord(
        samples=len(samples),
        tensors=tuple(_range(one, seen[one.index]) for one in watched),
        unmatched=tuple(
            PlainRange(one.name, min(seen[one.index].minima), max(seen[one.index].maxima))
            for one in unmatched
        ),
    )


def traffic(
    exact: bytes,
    quantized: bytes,
    calibrated: RangeRecord,
    samples: Sequence[Sample],
    progress: Progress,
) -> TrafficRecord:
    """Holds samples like those that the model is served against the calibration."""
    network, watched, _ = _watched(exact, quantized)
    seen = _watch(exact, network, watched, samples, progress)
    known = {tensor.name: tensor for tensor in calibrated.tensors}
    return TrafficRecord(
        samples=len(samples),
        tensors=tuple(
            _compared(known[one.name], seen[one.index], calibrated.samples, len(samples))
            for one in watched
            if one.name in known
        ),
    )


def _watched(
    exact: bytes, quantized: bytes
) -> tuple[Network, tuple[_Watched, ...], tuple[_Watched, ...]]:
    """The float network, its tensors with a quantized counterpart, and those without."""
    network, integers = read_network(exact), read_network(quantized)
    matching = match(network, integers)
    watched = []
    unmatched = [_without(network, index) for index in matching.unmatched]
    for index, other in matching.pairs:
        name, held = network.tensors[index].name, integers.tensors[other]
        if held.scales is None or held.dtype is None or held.dtype.kind == "f":
            unmatched.append(_without(network, index))
            continue
        limits = np.iinfo(held.dtype)
        low, high = (float(v) for v in held.scales.real(np.array([limits.min, limits.max])))
        watched.append(_Watched(index, name, low, high, float(held.scales.scales[0])))
    return network, tuple(watched), tuple(unmatched)


def _without(network: Network, index: int) -> _Watched:
    """A tensor of which only the range is known: its histogram would have no bins."""
    return _Watched(index, network.tensors[index].name, -math.inf, math.inf, 0.0)


def _watch(
    exact: bytes,
    network: Network,
    watched: Sequence[_Watched],
    samples: Sequence[Sample],
    progress: Progress,
) -> dict[int, _Seen]:
    model = KeptTensors(exact, network, reference=False)
    seen = {one.index: _Seen([], [], np.zeros((2, BINS + 2), np.int64), 0, 0) for one in watched}
    padded = {op.outputs[0] for op in network.ops if op.kind == "PADV2"}
    for row, sample in enumerate(samples):
        model.run(sample)
        for one in watched:
            values = model.values((one.index,))[one.index]
            if one.index in padded:
                # In front of a pool -Inf is padding: it saturates, and widens no range.
                values = values[~np.isneginf(values)]
            _count(one, seen[one.index], values, row % 2)
        progress((row + 1) / len(samples), f"watching the ranges of sample {row + 1}")
    return seen


def _count(one: _Watched, seen: _Seen, values: NDArray[np.float64], half: int) -> None:
    if not np.isfinite(values).all():
        raise ConversionError(
            f"tensor {one.name!r} becomes NaN or Inf on sample {len(seen.minima)}",
            hint="the float model is unsound on it: check its weights and the scaling of the data",
        )
    seen.minima.append(float(values.min()))
    seen.maxima.append(float(values.max()))
    if math.isinf(one.high):
        return
    width = (one.high - one.low) / BINS
    bins = np.clip(np.floor((values - one.low) / width).astype(np.int64) + 1, 0, BINS + 1)
    # The greatest value that the tensor holds belongs to its last bin.
    bins[(values >= one.low) & (values <= one.high) & (bins == BINS + 1)] = BINS
    seen.halves[half] += np.bincount(bins.reshape(-1), minlength=BINS + 2)
    slack = one.step * _SLACK_STEPS
    seen.clipped += int(np.sum((values < one.low - slack) | (values > one.high + slack)))
    seen.values += values.size


def _range(one: _Watched, seen: _Seen) -> TensorRange:
    return TensorRange(
        name=one.name,
        minimum=min(seen.minima),
        maximum=max(seen.maxima),
        low=one.low,
        high=one.high,
        settled_after=settled_after(np.array(seen.minima), np.array(seen.maxima)),
        half_shortfall=half_shortfall(np.array(seen.minima), np.array(seen.maxima)),
        clipped_share=seen.clipped / seen.values,
        halves_distance=distance(*seen.halves) if len(seen.minima) > 1 else 1.0,
        counts=" ".join(str(count) for count in seen.halves.sum(axis=0)),
    )


def settled_after(minima: NDArray[np.float64], maxima: NDArray[np.float64]) -> int:
    """The samples after which the range of those so far is within ``SETTLED_WITHIN`` of the whole.

    ``minima`` and ``maxima`` are those of each sample, float ``[n]``. The median over ``ORDERS``
    orders by a fixed seed: files come in the order of their classes, which says nothing.
    """
    slack = SETTLED_WITHIN * (maxima.max() - minima.min())
    low, high = minima <= minima.min() + slack, maxima >= maxima.max() - slack
    needed = [
        max(int(np.argmax(low[order])), int(np.argmax(high[order]))) + 1
        for order in _orders(len(minima))
    ]
    return int(np.median(needed))


def half_shortfall(minima: NDArray[np.float64], maxima: NDArray[np.float64]) -> float:
    """The share of the range, at either end, that the first half of the samples misses: the median
    over the same orders. 1 for a single sample.
    """
    half, span = len(minima) // 2, maxima.max() - minima.min()
    if half == 0 or span == 0:
        return 1.0 if span else 0.0
    missed = [
        max(minima[order[:half]].min() - minima.min(), maxima.max() - maxima[order[:half]].max())
        for order in _orders(len(minima))
    ]
    return float(np.median(missed) / span)


def _orders(samples: int) -> Iterator[NDArray[np.int64]]:
    random = np.random.default_rng(1)
    for _ in range(ORDERS):
        yield random.permutation(samples)


def distance(one: NDArray[np.int64], two: NDArray[np.int64]) -> float:
    """The greatest difference of two distribution functions, given as counts in the same bins."""
    functions = [np.cumsum(counts) / counts.sum() for counts in (one, two)]
    return float(np.max(np.abs(functions[0] - functions[1])))


def _compared(known: TensorRange, seen: _Seen, calibrated: int, samples: int) -> TrafficTensor:
    counts = seen.halves.sum(axis=0)
    apart = distance(known.histogram, counts)
    # Halves of n samples differ by chance as 1/(n/2) + 1/(n/2); these by 1/n + 1/m.
    chance = known.halves_distance * np.sqrt((1 / calibrated + 1 / samples) / (4 / calibrated))
    minima, maxima = np.array(seen.minima), np.array(seen.maxima)
    slack = SETTLED_WITHIN * (known.maximum - known.minimum)
    beyond = (minima < known.minimum - slack) | (maxima > known.maximum + slack)
    clipped = seen.clipped / seen.values
    return TrafficTensor(
        name=known.name,
        beyond_share=float(np.mean(beyond)),
        clipped_share=clipped,
        distance=apart,
        chance=float(chance),
        shift=_shift(known, seen, counts),
        agrees=apart <= max(LEAST_DISTANCE, CHANCE_TIMES * float(chance))
        and clipped - known.clipped_share <= MOST_CLIPPED,
    )


def _shift(known: TensorRange, seen: _Seen, counts: NDArray[np.int64]) -> float:
    from scipy.stats import wasserstein_distance

    width = (known.high - known.low) / BINS
    centres = known.low + width * (np.arange(BINS + 2) - 0.5)
    ours, theirs = centres.copy(), centres.copy()
    # What lies outside counts from the farthest value seen there.
    ours[0], ours[-1] = min(ours[0], known.minimum), max(ours[-1], known.maximum)
    theirs[0], theirs[-1] = min(theirs[0], *seen.minima), max(theirs[-1], *seen.maxima)
    moved = wasserstein_distance(ours, theirs, known.histogram, counts)
    span = known.maximum - known.minimum
    return float(moved / span) if span > 0 else 0.0

"""How much noise quantization adds in each layer, and what that does to the model's output.

A layer's own noise is that of its weights and its output alone: it runs in floats on the float
model's inputs, with the quantized model's weights as real numbers, and its output is rounded
and clipped as the quantized model does. The rest of the float model then runs on that. So each
rounding counts once, for the layer that owns it, and not for the one that reads it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.accuracy_record import LayerError, LayerRecord
from edgeserve.convert.kept_tensors import KeptTensors, PartRunner, Values
from edgeserve.convert.matching import Matching, match, plain_ops
from edgeserve.convert.network import Network, NetworkOp, cut, read_network
from edgeserve.convert.worker import Progress

MOST_KEPT_BYTES = 256 << 20
"""Of float tensors: fewer samples are compared where they would take more."""
_DB_LIMIT = 300.0
_SQUASHING = frozenset({"SOFTMAX", "LOGISTIC", "LOG_SOFTMAX"})
# They copy or select: what comes in on the grid of a scale goes out on it.
MOVING = frozenset(
    {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V"}
    | {"PACK", "UNPACK", "CONCATENATION", "GATHER", "GATHER_ND", "PAD", "PADV2", "MIRROR_PAD"}
    | {"SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "TILE"}
    | {"RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "MAX_POOL_2D", "MAXIMUM", "MINIMUM"}
)

Sample = list[NDArray[np.float32]]


@dataclass(slots=True)
class Noise:
    """Sums of squares: of what should be, and of how far what is lies from it."""

    signal: float = 0.0
    noise: float = 0.0

    def add(self, wanted: NDArray[np.float64], got: NDArray[np.float64]) -> None:
        """Counts one more array."""
        self.signal += float(np.sum(np.square(wanted)))
        self.noise += float(np.sum(np.square(wanted - got)))

    @property
    def share(self) -> float:
        """Noise by signal."""
        if self.noise == 0:
            return 0.0
        return self.noise / max(self.signal, self.noise * 10 ** (-_DB_LIMIT / 10))

    @property
    def sqnr_db(self) -> float | None:
        """The ratio of signal to noise in dB, at most 300 either way; None without noise."""
        return None if self.noise == 0 else max(-_DB_LIMIT, -10 * math.log10(self.share))


def layer_errors(
    exact: bytes, quantized: bytes, samples: Sequence[Sample], progress: Progress
) -> LayerRecord | str:
    """The record, or the reason why there is none. ``samples`` are the float model's inputs.

    Only as many samples are compared as ``MOST_KEPT_BYTES`` of float tensors hold.
    """
    session = _Session(read_network(exact), read_network(quantized))
    if session.exact.keeps_state or session.quantized.keeps_state:
        return "layers are not compared: the model keeps state, or has more than one graph"
    if session.matching.of(session.exact.inputs[0]) is None:
        return "layers are not compared: the input has no counterpart in the quantized model"
    session.run_both(exact, quantized, samples, progress)
    layers, silent, unmatched = [], [], []
    places: list[NetworkOp | None] = [None, *plain_ops(session.exact)]
    for done, op in enumerate(places):
        outputs = session.exact.inputs if op is None else op.outputs
        name = session.exact.tensors[outputs[0]].name
        progress(0.5 + 0.5 * done / len(places), f"quantizing layer {done} of {len(places) - 1}")
        if any(session.matching.of(index) is None for index in outputs):
            unmatched.append(name)
        elif op is not None and session.moves_alone(op):
            silent.append(name)
        else:
            layers.append(session.layer(op, outputs))
    return LayerRecord(
        samples=len(session.kept),
        compared=tuple(session.exact.tensors[index].name for index in session.compared),
        layers=_ranked(layers),
        exact=tuple(silent),
        unmatched=tuple(unmatched),
    )


def _ranked(layers: Sequence[tuple[LayerError, float]]) -> tuple[LayerError, ...]:
    """The noisiest first; ``noise_share`` becomes the part of the sum."""
    total = sum(noise for _, noise in layers) or 1.0
    ranked = sorted(layers, key=lambda pair: (-pair[1], _quality(pair[0])))
    return tuple(replace(layer, noise_share=noise / total) for layer, noise in ranked)


def _quality(layer: LayerError) -> float:
    return _DB_LIMIT if layer.own_sqnr_db is None else layer.own_sqnr_db


class _Session:
    """Both models and what the float one computes."""

    def __init__(self, exact: Network, quantized: Network) -> None:
        self.exact = exact
        self.quantized = quantized
        self.matching: Matching = match(exact, quantized)
        self.compared = tuple(self._scores(index) for index in exact.outputs)
        self.kept: list[Values] = []
        self._accumulated: dict[int, Noise] = {}

    def _scores(self, output: int) -> int:
        """What a squashing function at the end makes an output of: it hides noise, and its own
        rounding is fixed.
        """
        op = self.exact.producer(output)
        return op.inputs[0] if op is not None and op.kind in _SQUASHING else output

    def run_both(
        self, exact: bytes, quantized: bytes, samples: Sequence[Sample], progress: Progress
    ) -> None:
        """Keeps the float tensors of the samples, and counts how far the quantized ones are."""
        floats = KeptTensors(exact, self.exact, reference=False)
        integers = KeptTensors(quantized, self.quantized, reference=True)
        written = [index for op in self.exact.ops for index in op.outputs]
        wanted = tuple(dict.fromkeys([*self.exact.inputs, *written]))
        self._accumulated = {index: Noise() for index, _ in self.matching.pairs}
        kept_bytes = 0
        for done, sample in enumerate(samples):
            floats.run(sample)
            values = floats.values(wanted)
            kept_bytes += sum(array.nbytes // 2 for array in values.values())
            if self.kept and kept_bytes > MOST_KEPT_BYTES:
                break
            integers.run(sample)
            for index, other in self.matching.pairs:
                self._accumulated[index].add(values[index], integers.values((other,))[other])
            self.kept.append({i: array.astype(np.float32) for i, array in values.items()})
            progress(0.5 * (done + 1) / len(samples), f"comparing the layers of sample {done + 1}")

    def moves_alone(self, op: NetworkOp) -> bool:
        """Whether the quantized operator only moves values, from and to one and the same scale."""
        twin = self._twin(op)
        if twin is None or twin.kind not in MOVING:
            return False
        scales = [
            self.quantized.tensors[index].scales
            for index in (*self.quantized.computed(twin.inputs), *twin.outputs)
        ]
        known = [one for one in scales if one is not None]
        return bool(known) and all(
            np.array_equal(one.scales, known[0].scales)
            and np.array_equal(one.zero_points, known[0].zero_points)
            for one in known
        )

    def layer(self, op: NetworkOp | None, outputs: Sequence[int]) -> tuple[LayerError, float]:
        """A layer (None: the rounding of the inputs) and the noise that it alone adds at the
        output.
        """
        weights = {} if op is None else self._weights(op)
        alone = None
        if op is not None and weights:
            inputs = self.exact.computed(op.inputs)
            alone = PartRunner(cut(self.exact, [op], inputs, op.outputs, weights))
        tail = _Tail(self.exact, outputs, self.compared)
        own, model = Noise(), {index: Noise() for index in self.compared}
        for values in self.kept:
            made = values if alone is None else alone.run(values, outputs)
            rounded = {index: self._rounded(index, made[index]) for index in outputs}
            for index in outputs:
                own.add(values[index], rounded[index])
            for index, got in tail.run(values, rounded).items():
                model[index].add(values[index], got)
        worst = max(model.values(), key=lambda one: one.share)
        first = outputs[0]
        error = LayerError(
            name=self.exact.tensors[first].name,
            operator="input" if op is None else op.kind,
            own_sqnr_db=own.sqnr_db,
            accumulated_sqnr_db=self._accumulated[first].sqnr_db,
            model_sqnr_db=worst.sqnr_db,
            noise_share=0.0,
            channel_ratio=_channel_ratio([values[first] for values in self.kept]),
            weights=bool(weights),
        )
        return error, worst.share

    def _rounded(self, tensor: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """``values`` as the quantized tensor holds them, in real values."""
        other = self.matching.of(tensor)
        assert other is not None, "a layer without a counterpart is not measured"
        held = self.quantized.tensors[other]
        if held.scales is None or held.dtype is None or held.dtype.kind == "f":
            return values
        limits = np.iinfo(held.dtype)
        scale, zero_point = held.scales.scales[0], held.scales.zero_points[0]
        stored = np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max)
        return held.scales.real(stored)

    def _twin(self, op: NetworkOp) -> NetworkOp | None:
        """The quantized operator that stands for a float one."""
        other = self.matching.of(op.outputs[0])
        twin = None if other is None else self.quantized.producer(other)
        while twin is not None and twin.kind == "QUANTIZE":
            twin = self.quantized.producer(twin.inputs[0])
        return twin

    def _weights(self, op: NetworkOp) -> dict[int, NDArray[np.float32]]:
        """The operator's float constants as the quantized model has them; empty where the two
        cannot be laid side by side.
        """
        twin = self._twin(op)
        if twin is None or twin.kind != op.kind or len(twin.inputs) != len(op.inputs):
            return {}
        found = {}
        for index, other in zip(op.inputs, twin.inputs, strict=True):
            if index < 0 or other < 0:
                continue
            mine, theirs = self.exact.tensors[index], self.quantized.tensors[other]
            if mine.data is None or mine.dtype != np.float32 or theirs.data is None:
                continue
            if theirs.scales is None or mine.data.shape != theirs.data.shape:
                continue
            found[index] = theirs.scales.real(theirs.data).astype(np.float32)
        return found


class _Tail:
    """What of a model follows some tensors, up to those that are compared."""

    def __init__(self, network: Network, tensors: Sequence[int], compared: Sequence[int]) -> None:
        self._same = [index for index in compared if index in tensors]
        after = network.after(tensors)
        made = {index for op in after for index in op.outputs}
        self._made = [index for index in dict.fromkeys(compared) if index in made]
        needed = _needed(after, self._made)
        made_needed = {index for op in needed for index in op.outputs}
        read = network.computed([index for op in needed for index in op.inputs])
        inputs = [index for index in read if index not in made_needed]
        self._runner = PartRunner(cut(network, needed, inputs, self._made)) if self._made else None

    def run(self, values: Values, changed: Values) -> Values:
        """The compared tensors that depend on those that are ``changed``."""
        found = {index: changed[index] for index in self._same}
        if self._runner is not None:
            found |= self._runner.run({**values, **changed}, self._made)
        return found


def _needed(ops: Sequence[NetworkOp], wanted: Sequence[int]) -> list[NetworkOp]:
    """Those of ``ops`` without which ``wanted`` cannot be computed, in order."""
    missing, found = set(wanted), []
    for op in reversed(ops):
        if missing.intersection(op.outputs):
            missing.update(op.inputs)
            found.append(op)
    return found[::-1]


def _channel_ratio(arrays: Sequence[NDArray[Any]]) -> float | None:
    """The greatest channel's largest value by the median channel's; None without channels."""
    if arrays[0].ndim < 2 or arrays[0].shape[-1] < 2:
        return None
    axes = tuple(range(arrays[0].ndim - 1))
    largest = np.max([np.abs(array).max(axis=axes) for array in arrays], axis=0)
    used = largest[largest > 0]
    return float(used.max() / np.median(used)) if used.size else None

"""Classes and boxes in the integers of ``firmware/postprocess``.

Probabilities and coordinates have 16 fractional bits. Whatever a number's int8 can mean stands in a
table of 256 entries, so that no exponential is computed on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from edgeserve.postprocess.declaration import Activation, Boxes, BoxForm, Classes

ONE = 1 << 16
EXP_ONE = 1 << 24
NONE_OF_THESE = -1
_MOST_COORDINATE = 8 * ONE

Int8s = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Score:
    """A class, or :data:`NONE_OF_THESE`; ``probability`` in Q16."""

    index: int
    probability: int


@dataclass(frozen=True, slots=True)
class Box:
    """Corners in Q16 of the picture's height and width, cut off at its edges."""

    top: int
    left: int
    bottom: int
    right: int
    index: int
    probability: int


@dataclass(frozen=True, slots=True)
class Scale:
    """Of an output of the model."""

    step: float
    zero_point: int

    def real(self, stored: int) -> float:
        return (stored - self.zero_point) * self.step


def probability_table(activation: Activation, scale: Scale) -> tuple[int, ...]:
    """Of each int8 from -128 on; for softmax, ``exp`` (Q24) of how far it is below the largest."""
    match activation:
        case Activation.NONE:
            reals = [scale.real(q) for q in range(-128, 128)]
            return tuple(round(min(max(x, 0.0), 1.0) * ONE) for x in reals)
        case Activation.SIGMOID:
            reals = [scale.real(q) for q in range(-128, 128)]
            return tuple(round(_sigmoid(x) * ONE) for x in reals)
        case Activation.SOFTMAX:
            return tuple(round(exp(-below * scale.step) * EXP_ONE) for below in range(256))


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + exp(-x)) if x >= 0 else exp(x) / (1.0 + exp(x))


def threshold_q16(threshold: float) -> int:
    """A share in Q16."""
    return round(threshold * ONE)


def probabilities(activation: Activation, table: Sequence[int], scores: Int8s) -> list[int]:
    """Of each class, in Q16."""
    stored = [int(q) for q in scores]
    if activation is not Activation.SOFTMAX:
        return [table[q + 128] for q in stored]
    exps = [table[max(stored) - q] for q in stored]
    total = sum(exps)
    return [((one << 16) + total // 2) // total for one in exps]


def classify(declared: Classes, scale: Scale, scores: Int8s) -> tuple[Score, ...]:
    """The classes that reach the threshold, most probable first, equal ones by rising index."""
    table = probability_table(declared.activation, scale)
    found = probabilities(declared.activation, table, scores.reshape(-1))
    order = sorted(range(len(found)), key=lambda index: (-found[index], index))
    least = threshold_q16(declared.threshold)
    kept = [Score(i, found[i]) for i in order[: declared.top] if found[i] >= least]
    return tuple(kept) or (Score(NONE_OF_THESE, found[order[0]]),)


def coordinate_table(scale: Scale) -> tuple[int, ...]:
    """Of each int8 from -128 on."""
    most = _MOST_COORDINATE
    return tuple(min(max(round(scale.real(q) * ONE), -most), most) for q in range(-128, 128))


def detect(
    declared: Boxes, box_scale: Scale, score_scale: Scale, boxes: Int8s, scores: Int8s
) -> tuple[Box, ...]:
    """The boxes that stay, most probable first, equal ones by rising index."""
    coordinates = coordinate_table(box_scale)
    table = probability_table(declared.activation, score_scale)
    least = threshold_q16(declared.threshold)
    candidates = []
    four_each = boxes.reshape(-1, 4)
    rows = zip(four_each, scores.reshape(len(four_each), -1), strict=True)
    for four, row in rows:
        index, probability = _best(declared, probabilities(declared.activation, table, row))
        if probability >= least:
            corners = _corners(declared.form, [coordinates[int(q) + 128] for q in four])
            candidates.append(Box(*corners, index, probability))
    candidates.sort(key=lambda box: -box.probability)
    kept: list[Box] = []
    for box in candidates:
        if len(kept) < declared.most and not any(_suppresses(declared, k, box) for k in kept):
            kept.append(box)
    return tuple(kept)


def _best(declared: Boxes, found: list[int]) -> tuple[int, int]:
    first = 1 if declared.background else 0
    index = max(range(first, len(found)), key=lambda i: (found[i], -i))
    return index, found[index]


def _corners(form: BoxForm, four: list[int]) -> tuple[int, int, int, int]:
    if form is BoxForm.CENTRE:
        x, y, width, height = four
        top, left = y - (height >> 1), x - (width >> 1)
        four = [top, left, top + height, left + width]
    top, left, bottom, right = (min(max(at, 0), ONE) for at in four)
    return top, left, max(bottom, top), max(right, left)


def _suppresses(declared: Boxes, kept: Box, other: Box) -> bool:
    if declared.per_class and kept.index != other.index:
        return False
    height = min(kept.bottom, other.bottom) - max(kept.top, other.top)
    width = min(kept.right, other.right) - max(kept.left, other.left)
    shared = max(height, 0) * max(width, 0)
    union = _area(kept) + _area(other) - shared
    return shared << 16 > threshold_q16(declared.overlap) * union


def _area(box: Box) -> int:
    return (box.bottom - box.top) * (box.right - box.left)

"""The nouns of postprocessing: what a model's outputs are turned into."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Activation(StrEnum):
    """What makes probabilities of the model's scores; ``none`` where they are that already."""

    NONE = "none"
    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"


class BoxForm(StrEnum):
    """The four numbers of a box, as shares of the picture's height and width."""

    CORNERS = "top-left-bottom-right"
    CENTRE = "x-y-width-height"


@dataclass(frozen=True, slots=True)
class Classes:
    """The ``top`` most probable classes of output 0 that reach ``threshold``, or none of these."""

    activation: Activation
    top: int
    threshold: float


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of output ``boxes`` by the scores of output ``scores``, after non-maximum suppression.

    A box belongs to its most probable class; with ``background`` class 0 is none. Of two boxes that
    overlap (area of the intersection by that of the union) by more than ``overlap`` the less
    probable goes, where they are of one class or ``per_class`` is false. ``most`` are kept.
    """

    boxes: int
    scores: int
    form: BoxForm
    activation: Activation
    background: bool
    threshold: float
    overlap: float
    per_class: bool
    most: int


@dataclass(frozen=True, slots=True)
class Postprocess:
    """One of the two; ``labels`` has a name for each class, or none at all."""

    classes: Classes | None
    boxes: Boxes | None
    labels: tuple[str, ...]


def told(declared: Postprocess) -> str:
    """The declaration in one line, for people."""
    named = f"{len(declared.labels)} labels" if declared.labels else "no labels"
    if declared.classes is not None:
        one = declared.classes
        least = f"none of these below {one.threshold:g}"
        return f"{one.activation} over classes, top {one.top}, {least}, {named}"
    assert declared.boxes is not None
    boxes = declared.boxes
    return (
        f"boxes ({boxes.form}), {boxes.activation} over classes from {boxes.threshold:g}, "
        f"overlap at most {boxes.overlap:g}, {boxes.most} kept, {named}"
    )

"""Whether a declaration suits a model's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from edgeserve.errors import ConfigError
from edgeserve.postprocess.declaration import Boxes, Postprocess
from edgeserve.postprocess.host import Scale

MAX_CLASSES = 1 << 12
MAX_BOXES = 1 << 14


@dataclass(frozen=True, slots=True)
class Output:
    """An output of the model with the batch in front; ``scale`` is None where it is not int8."""

    name: str
    shape: tuple[int, ...]
    scale: Scale | None


def class_count(declared: Postprocess, outputs: Sequence[Output]) -> int:
    """How many classes the model tells apart."""
    if declared.boxes is not None:
        return outputs[declared.boxes.scores].shape[-1]
    return prod(outputs[0].shape)


def box_count(declared: Boxes, outputs: Sequence[Output]) -> int:
    """How many boxes the model gives, before suppression."""
    return prod(outputs[declared.boxes].shape) // 4


def scale_of(output: Output) -> Scale:
    """Of an output that suits."""
    assert output.scale is not None, "require_outputs() has seen it"
    return output.scale


def require_outputs(declared: Postprocess, outputs: Sequence[Output]) -> None:
    """Raises ConfigError where an output is missing, of another shape or type, or where the labels
    are too many or too few.
    """
    if declared.boxes is not None:
        _require_boxes(declared.boxes, outputs)
        used = [outputs[declared.boxes.boxes], outputs[declared.boxes.scores]]
    else:
        used = [outputs[0]]
    for output in used:
        if output.scale is None:
            raise ConfigError(
                f"output {output.name!r} is not int8, which [classes] and [boxes] take",
                hint="convert with --integer-edges or --quantization int8, or declare nothing",
            )
    classes = class_count(declared, outputs)
    if not 1 <= classes <= MAX_CLASSES:
        raise ConfigError(f"the model has {classes} classes, and at most {MAX_CLASSES} are taken")
    if declared.labels and len(declared.labels) != classes:
        raise ConfigError(
            f"there are {len(declared.labels)} labels, and the model has {classes} classes",
            hint="give one name a line, in the order of the classes",
        )
    if declared.classes is not None and declared.classes.top > classes:
        raise ConfigError(
            f"classes.top is {declared.classes.top}, and the model has {classes} classes",
            hint="ask for fewer",
        )


def _require_boxes(declared: Boxes, outputs: Sequence[Output]) -> None:
    hint = f"the model has {len(outputs)}: " + ", ".join(
        f"{number} {output.name} {output.shape}" for number, output in enumerate(outputs)
    )
    for name, index in (("boxes", declared.boxes), ("scores", declared.scores)):
        if index >= len(outputs):
            raise ConfigError(f"boxes.{name} is output {index}, which does not exist", hint=hint)
    where, what = outputs[declared.boxes].shape, outputs[declared.scores].shape
    if declared.boxes == declared.scores or where[-1] != 4 or prod(where[:-1]) != prod(what[:-1]):
        raise ConfigError(
            f"boxes.boxes and boxes.scores have shapes {where} and {what}, not (1, n, 4) and "
            "(1, n, classes)",
            hint=hint,
        )
    if prod(where) // 4 > MAX_BOXES:
        raise ConfigError(f"the model has {prod(where) // 4} boxes, at most {MAX_BOXES} are taken")
    if declared.background and what[-1] < 2:
        raise ConfigError("boxes.background leaves no class", hint=hint)

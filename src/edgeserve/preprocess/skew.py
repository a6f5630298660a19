"""What training did differently from the declaration, found by trying what usually is.

A reference has raw data and what training made of them. Each variant of the declaration (colours,
method of resizing, crop, layout, and so on for sound and sensors) is computed in floats, with its
mean and scale as they stand and as fitted; the one with the fewest changes that brings the
difference to zero is the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from edgeserve.preprocess.audio_tables import Reals
from edgeserve.preprocess.declaration import (
    AudioInput,
    Colour,
    Crop,
    Dct,
    Front,
    ImageInput,
    Layout,
    Log,
    LogFloor,
    MelScale,
    Resize,
    SensorInput,
    Spectrum,
    Window,
)
from edgeserve.preprocess.host import Raw
from edgeserve.preprocess.ideal import features

ZERO_STEPS = 0.1
"""Steps of the model's input that count as none: libraries round their floats differently."""
MOST_AXES = 4
MOST_CHANGES = 2


@dataclass(frozen=True, slots=True)
class Explanation:
    """``changes`` of the declaration, in words, and the difference that they leave, in steps.

    ``is_fitted``: mean and scale are among them. Of as many changes those with names come first.
    """

    changes: tuple[str, ...]
    largest_steps: float
    is_fitted: bool = False

    @property
    def is_exact(self) -> bool:
        return self.largest_steps <= ZERO_STEPS


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The declaration as it stands, and the best explanation of the difference (None: no need)."""

    samples: int
    declared_steps: float
    found: Explanation | None

    @property
    def agrees(self) -> bool:
        return self.declared_steps <= ZERO_STEPS


@dataclass(frozen=True, slots=True)
class Change:
    """One alternative to what is declared."""

    words: str
    field: str
    value: Any


def diagnose(
    front: Front, raws: Sequence[Raw], fed: NDArray[np.floating[Any]], *, step: float
) -> Diagnosis:
    """``fed[i]`` is what training made of ``raws[i]``, with as many elements as the input has."""
    wanted = fed.reshape(len(fed), -1).astype(np.float64)
    explanations = sorted(
        _explanations(front, raws, wanted, step), key=lambda one: (len(one.changes), one.is_fitted)
    )
    declared = next(one for one in explanations if not one.changes)
    if declared.is_exact:
        return Diagnosis(len(raws), declared.largest_steps, None)
    exact = next((one for one in explanations if one.is_exact), None)
    best = exact or min(explanations, key=lambda one: one.largest_steps)
    return Diagnosis(len(raws), declared.largest_steps, best)


def _explanations(
    front: Front, raws: Sequence[Raw], wanted: Reals, step: float
) -> Iterator[Explanation]:
    for changes, variant in _variants(front):
        values = np.stack([features(variant, raw) for raw in raws])
        for layout, target in _layouts(variant, values, wanted):
            words = (*(change.words for change in changes), *layout)
            as_declared = (values - np.array(front.mean)) * np.array(front.scale)
            yield Explanation(words, _steps(as_declared, target, step))
            yield _fitted(values, target, words, step)


def _steps(values: Reals, target: Reals, step: float) -> float:
    return float(np.abs(values - target).max()) / step


def _fitted(values: Reals, target: Reals, words: tuple[str, ...], step: float) -> Explanation:
    """With the mean and scale, one a channel, that come nearest."""
    means, scales = [], []
    fitted = np.empty_like(target)
    for channel in range(values.shape[-1]):
        x, y = values[..., channel], target[..., channel]
        spread = float(((x - x.mean()) ** 2).mean())
        slope = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread else 0.0
        fitted[..., channel] = y.mean() + slope * (x - x.mean())
        # The fit of a 0 is not quite 0, and would be told as such.
        means.append(round(float(x.mean() - y.mean() / slope), 4) + 0.0 if slope else 0.0)
        scales.append(slope)
    told = f"mean {_numbers(means)} and scale {_numbers(scales)}"
    return Explanation((*words, told), _steps(fitted, target, step), is_fitted=True)


def _numbers(values: list[float]) -> str:
    """One number where all are the same to four digits."""
    short = [f"{value:.4g}" for value in values]
    return short[0] if len(set(short)) == 1 else "/".join(short)


def _layouts(front: Front, values: Reals, wanted: Reals) -> Iterator[tuple[tuple[str, ...], Reals]]:
    """What training fed, in the axes of ``values`` (channels last): as declared, and turned."""
    count, *shape = values.shape
    last, first = tuple(shape), (shape[-1], *shape[:-1])
    is_first = isinstance(front, ImageInput) and front.layout is Layout.NCHW
    as_last = wanted.reshape(count, *last)
    as_first = np.moveaxis(wanted.reshape(count, *first), 1, -1)
    turned = "layout nhwc" if is_first else "layout nchw"
    turned = turned if isinstance(front, ImageInput) else "axes turned"
    yield (), (as_first if is_first else as_last)
    yield (turned,), (as_last if is_first else as_first)


def _variants(front: Front) -> Iterator[tuple[tuple[Change, ...], Front]]:
    """The declaration with no, one and two changes."""
    changes = tuple(_changes(front))
    for count in range(MOST_CHANGES + 1):
        for chosen in combinations(changes, count):
            if len({change.field for change in chosen}) == count:
                fields = {change.field: change.value for change in chosen}
                yield chosen, _changed(front, fields)


def _changed(front: Front, fields: dict[str, Any]) -> Front:
    return replace(front, **fields)


def _changes(front: Front) -> Iterator[Change]:
    match front:
        case ImageInput():
            yield from _image_changes(front)
        case AudioInput():
            yield from _audio_changes(front)
        case SensorInput():
            yield from _sensor_changes(front)
        case _:
            assert_never(front)


def _image_changes(front: ImageInput) -> Iterator[Change]:
    swapped = {Colour.RGB: Colour.BGR, Colour.BGR: Colour.RGB}.get(front.colour)
    if swapped is not None:
        yield Change(f"colour {swapped}", "colour", swapped)
    if front.resize is not Resize.NONE:
        for method in Resize:
            if method not in (front.resize, Resize.NONE):
                yield Change(f"resize {method}", "resize", method)
        whole = Crop(0, 0, front.height, front.width)
        if front.crop != whole:
            yield Change("no crop", "crop", whole)


def _audio_changes(front: AudioInput) -> Iterator[Change]:
    kinds: tuple[tuple[str, Any], ...] = (
        ("window", Window),
        ("spectrum", Spectrum),
        ("mel", MelScale),
        ("log", Log),
        ("floor_by", LogFloor),
    )
    for field, kind in kinds:
        for value in kind:
            if value != getattr(front, field):
                yield Change(f"{field.replace('_', ' ')} {value}", field, value)
    for scale in (1.0, 32768.0):
        if scale != front.full_scale:
            yield Change(f"full_scale {scale:g}", "full_scale", scale)
    other = {Dct.TF: Dct.ORTHO, Dct.ORTHO: Dct.TF}.get(front.dct)
    if other is not None:
        yield Change(f"dct {other}", "dct", other)


def _sensor_changes(front: SensorInput) -> Iterator[Change]:
    chosen = front.axes
    if len(chosen) > MOST_AXES:
        return
    for order in permutations(chosen):
        if order != chosen:
            yield Change(f"axes {', '.join(map(str, order))}", "axes", order)

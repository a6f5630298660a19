"""What training computes, in 64-bit floats: the definition that the integers come near to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import assert_never

import numpy as np

from edgeserve.preprocess.audio import cut
from edgeserve.preprocess.audio_tables import (
    Reals,
    dct_matrix,
    is_floor_added,
    mel_matrix,
    window_weights,
)
from edgeserve.preprocess.axis import precision, real_taps
from edgeserve.preprocess.declaration import (
    AudioInput,
    Dct,
    Front,
    ImageInput,
    Log,
    SensorInput,
    Spectrum,
)
from edgeserve.preprocess.host import Raw, affines, quantized
from edgeserve.preprocess.image import coloured, decoded, image_levels, laid_out


def ideal(front: Front, raw: Raw) -> Reals:
    """``(feature - mean) * scale`` of ``front.shape``."""
    scaled = (features(front, raw) - np.array(front.mean)) * np.array(front.scale)
    return np.asarray(laid_out(front, scaled) if isinstance(front, ImageInput) else scaled, float)


def features(front: Front, raw: Raw) -> Reals:
    """Before mean and scale, the channel last."""
    match front:
        case ImageInput():
            return ideal_pixels(front, raw)
        case AudioInput():
            return ideal_features(front, raw)
        case SensorInput():
            rows = raw.reshape(front.samples, front.channels)
            return rows[:, list(front.axes)].astype(np.float64)
        case _:
            assert_never(front)


def ideal_pixels(front: ImageInput, frame: Raw) -> Reals:
    """``[out_height, out_width, channels]``, 0..255. A method that rounds to whole levels is
    defined in integers: there the device's are the ideal.
    """
    data = frame.astype(np.uint8, copy=False)
    if precision(front.resize).level_bits == 0:
        return image_levels(front, data).astype(float)
    crop = front.crop
    pixels = coloured(front.colour, decoded(front, data))
    pixels = pixels[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    across = _resizing(front, crop.width, front.out_width)
    down = _resizing(front, crop.height, front.out_height)
    return np.asarray(
        np.einsum("yj,xi,jic->yxc", down, across, pixels.astype(float), optimize=True)
    )


def _resizing(front: ImageInput, source: int, size: int) -> Reals:
    """``[size, source]``."""
    matrix = np.zeros((size, source))
    for row, (first, weights) in zip(matrix, real_taps(front.resize, source, size), strict=True):
        row[first : first + len(weights)] = weights
    return matrix


def ideal_features(front: AudioInput, clip: Raw) -> Reals:
    """``[frames, features]``."""
    samples = clip.reshape(-1).astype(np.float64) / 32768.0 * front.full_scale
    bins = np.fft.rfft(cut(front, samples) * window_weights(front), front.fft)
    energy = np.abs(bins) ** (1 if front.spectrum is Spectrum.MAGNITUDE else 2)
    bands = energy @ mel_matrix(front)
    kept = bands + front.floor if is_floor_added(front) else np.maximum(bands, front.floor)
    logs = np.log(kept) / {Log.LN: 1.0, Log.LOG10: log(10.0), Log.DB: log(10.0) / 10.0}[front.log]
    return np.asarray(logs if front.dct is Dct.NONE else logs @ dct_matrix(front).T)


@dataclass(frozen=True, slots=True)
class Cost:
    """What fixed point costs, in steps of the model's input, over all its elements."""

    largest: float
    mean: float
    differing: float
    """The share of elements that differ from the rounded ideal by a step or more."""


def cost(front: Front, raws: Sequence[Raw], *, step: float, zero_point: int) -> Cost:
    """How far the device's int8 are from the ideal, rounded, over some raw data."""
    last = affines(front, step=step, zero_point=zero_point)
    wanted = [np.clip(ideal(front, raw) / step + zero_point, -128, 127) for raw in raws]
    got = [quantized(front, raw, last).astype(float) for raw in raws]
    beside = np.abs(np.stack(wanted) - np.stack(got))
    rounded = np.floor(np.stack(wanted) + 0.5) != np.stack(got)
    return Cost(float(beside.max()), float(beside.mean()), float(rounded.mean()))

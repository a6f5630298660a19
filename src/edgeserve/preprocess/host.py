"""The host's side of a declaration: the device's integers, and the real numbers they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import ConfigError
from edgeserve.preprocess.audio import audio_levels
from edgeserve.preprocess.audio_tables import log_unit
from edgeserve.preprocess.declaration import AudioInput, Front, ImageInput, SensorInput
from edgeserve.preprocess.fixed import Affine, Ints, affine, apply
from edgeserve.preprocess.image import image_levels, image_unit, laid_out
from edgeserve.preprocess.sensor import sensor_levels

Raw: TypeAlias = NDArray[Any]
"""A frame (uint8), a clip or a window (int16); :func:`levels` checks it."""


def raw_dtype(front: Front) -> np.dtype[np.uint8] | np.dtype[np.int16]:
    """Of a frame, clip or window."""
    return np.dtype(np.uint8) if isinstance(front, ImageInput) else np.dtype(np.int16)


def require_raw(front: Front, raw: NDArray[np.generic], where: str) -> None:
    """ConfigError where ``raw`` is not one frame, clip or window of the declaration."""
    want = raw_dtype(front)
    if raw.dtype != want or raw.nbytes != front.raw_bytes:
        raise ConfigError(
            f"{where} is {raw.dtype} of shape {raw.shape}, {raw.nbytes:,} bytes, and the "
            f"declaration takes {want} of {front.raw_bytes:,} bytes",
            hint="give raw data as the sensor delivers them",
        )


def levels(front: Front, raw: Raw) -> Ints:
    """The integers before the last step, the channel last: bit for bit as on the device.

    Raises ConfigError when ``raw`` has another size or type than the declaration.
    """
    require_raw(front, raw, "the raw data")
    match front:
        case ImageInput():
            return image_levels(front, raw.astype(np.uint8, copy=False))
        case AudioInput():
            return audio_levels(front, raw.astype(np.int16, copy=False))
        case SensorInput():
            return sensor_levels(front, raw.astype(np.int16, copy=False))
        case _:
            assert_never(front)


def unit(front: Front) -> float:
    """What a level of 1 is, of what ``mean`` and ``scale`` count in."""
    match front:
        case ImageInput():
            return image_unit(front)
        case AudioInput():
            return log_unit(front)
        case SensorInput():
            return 1.0
        case _:
            assert_never(front)


def affines(front: Front, *, step: float, zero_point: int) -> tuple[Affine, ...]:
    """The last step, for a model's input with this scale and zero point: one a channel."""
    return tuple(
        affine(mean, scale, unit=unit(front), step=step, zero_point=zero_point)
        for mean, scale in zip(front.mean, front.scale, strict=True)
    )


def quantized(front: Front, raw: Raw, last: Sequence[Affine]) -> NDArray[np.int8]:
    """The model's input of ``front.shape``, bit for bit as the device computes it."""
    return _shaped(front, apply(last, levels(front, raw))).astype(np.int8)


def real(front: Front, raw: Raw) -> NDArray[np.float32]:
    """The numbers that the device's integers stand for, before they are quantized: what a float
    model is calibrated with.
    """
    values = (levels(front, raw) * unit(front) - np.array(front.mean)) * np.array(front.scale)
    return _shaped(front, values).astype(np.float32)


def _shaped(front: Front, values: NDArray[np.generic]) -> NDArray[np.generic]:
    return laid_out(front, values) if isinstance(front, ImageInput) else values

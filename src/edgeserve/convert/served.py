"""Samples for a bundle's model, read as its calibration data were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeserve.bundle import BundleFacts, CalibrationKind, CalibrationRecord
from edgeserve.convert.calibration import (
    UNIT_RANGE,
    ArrayFile,
    CalibrationSet,
    CalibrationSource,
    InputSpec,
    as_frames,
    match_inputs,
    read_calibration,
)
from edgeserve.errors import ConfigError
from edgeserve.preprocess.declaration import Front, ImageInput, told


def read_samples(
    path: Path,
    facts: BundleFacts,
    calibrated: CalibrationRecord | None,
    *,
    option: str,
    image_range: tuple[float, float] = UNIT_RANGE,
) -> CalibrationSet:
    """What ``path``, the value of ``option``, holds for the inputs of a bundle.

    Raises ConfigError as ``read_calibration`` and ``match_inputs`` do, and when images are mapped
    to another range than those of the calibration were.
    """
    with named_by(option):
        samples = _matched(path, facts, calibrated, image_range)
    is_image = CalibrationKind.IMAGES
    if calibrated is not None and samples.kind is is_image and calibrated.kind is is_image:
        _require_same(samples.preprocessing, calibrated.preprocessing)
    return samples


@contextmanager
def named_by(option: str) -> Iterator[None]:
    """Errors of data that ``option`` names, where they would speak of calibration."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            error.what.replace("calibration data", "data", 1).replace("calibration ", "", 1),
            hint=error.hint.replace("--calibration", option),
        ) from error


def _matched(
    path: Path,
    facts: BundleFacts,
    calibrated: CalibrationRecord | None,
    image_range: tuple[float, float],
) -> CalibrationSet:
    front = None if facts.preprocess is None else facts.preprocess.front
    specs = tuple(InputSpec(one.name, one.shape) for one in facts.inputs)
    source = read_calibration(path, front)
    frames = None
    if front is not None and calibrated is not None and calibrated.preprocessing == told(front):
        frames = _frames(source, front)
    return frames or match_inputs(source, specs, image_range=image_range)


def _frames(source: CalibrationSource, front: Front) -> CalibrationSet | None:
    """Pixels in floats, which Keras models with preprocessing layers of their own are fed, through
    the declaration that these layers became. None where the arrays are no such pixels.
    """
    if not isinstance(front, ImageInput) or not isinstance(source, ArrayFile):
        return None
    ((name, array), *others) = source.arrays
    shape = (1, front.height, front.width, front.colour.channels)
    if others or array.shape[1:] != shape[1:]:
        return None
    raw = as_frames(match_inputs(source, (InputSpec(name, shape),)), front)
    return None if raw is None else match_inputs(raw, (InputSpec(name, (1, *front.shape)),))


def _require_same(ours: str, calibrated: str) -> None:
    if ours != calibrated:
        raise ConfigError(
            f"these images are prepared otherwise than those of the calibration ({ours}; "
            f"there: {calibrated})",
            hint="give the --image-range that convert was given",
        )

"""Data for ``accuracy`` are read as calibration data: raw, as pixels in floats, as images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeserve.bundle import BundleFacts, CalibrationKind, CalibrationRecord
from edgeserve.bundle_store import Bundle
from edgeserve.convert.served import read_samples
from edgeserve.errors import ConfigError
from edgeserve.preprocess.declaration import (
    Colour,
    Crop,
    ImageInput,
    Layout,
    PixelFormat,
    Resize,
    declared,
    told,
)

FRONT = ImageInput(
    format=PixelFormat.GRAY8,
    height=8,
    width=8,
    crop=Crop(0, 0, 8, 8),
    colour=Colour.GRAY,
    resize=Resize.NONE,
    out_height=8,
    out_width=8,
    mean=(127.5,),
    scale=(1 / 127.5,),
    layout=Layout.NHWC,
)
PIXELS = np.random.default_rng(9).integers(0, 256, (6, 8, 8, 1)).astype(np.uint8)
WANTED = (PIXELS.astype(np.float32) - 127.5) / 127.5


@pytest.fixture
def facts(digits: Bundle) -> BundleFacts:
    """A model that declares how grey frames become its input."""
    return replace(digits.facts, preprocess=declared(FRONT))


@pytest.fixture
def calibrated(digits: Bundle) -> CalibrationRecord:
    """It was calibrated with frames."""
    assert digits.calibration is not None
    return replace(digits.calibration, preprocessing=told(FRONT))


def test_raw_frames_and_pixels_in_floats_become_the_same_samples(
    facts: BundleFacts, calibrated: CalibrationRecord, tmp_path: Path
) -> None:
    for name, pixels in (("raw", PIXELS), ("float", PIXELS.astype(np.float32))):
        path = tmp_path / f"{name}.npz"
        np.savez(path, x=pixels, y=np.arange(6))
        samples = read_samples(path, facts, calibrated, option="--data")
        assert np.allclose(samples.inputs[0], WANTED, atol=1e-5)
        assert samples.labels is not None
        assert list(samples.labels) == [0, 1, 2, 3, 4, 5]


def test_floats_that_are_no_pixels_are_the_models_inputs(
    facts: BundleFacts, calibrated: CalibrationRecord, tmp_path: Path
) -> None:
    np.savez(tmp_path / "x.npz", x=WANTED)
    samples = read_samples(tmp_path / "x.npz", facts, calibrated, option="--data")
    assert np.array_equal(samples.inputs[0], WANTED)


def test_a_folder_a_class_has_labels_and_the_calibrations_range(
    digits: Bundle, tmp_path: Path
) -> None:
    for label in ("one", "two"):
        (tmp_path / "images" / label).mkdir(parents=True)
        Image.fromarray(PIXELS[0, :, :, 0]).save(tmp_path / "images" / label / "a.png")
    folder, image_range = tmp_path / "images", (-1.0, 1.0)
    seen = read_samples(folder, digits.facts, None, option="--data", image_range=image_range)
    assert seen.classes == ("one", "two")
    assert seen.labels is not None
    assert list(seen.labels) == [0, 1]
    record = replace(seen.record(), kind=CalibrationKind.IMAGES)
    again = read_samples(folder, digits.facts, record, option="--data", image_range=image_range)
    assert np.array_equal(again.inputs[0], seen.inputs[0])
    with pytest.raises(ConfigError, match="prepared otherwise") as caught:
        read_samples(folder, digits.facts, record, option="--data")
    assert "--image-range" in caught.value.hint

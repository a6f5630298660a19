"""Raw images, sounds and arrays for calibration go through the declaration."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgeserve.bundle import CalibrationKind
from edgeserve.convert.calibration import InputSpec, match_inputs, read_calibration
from edgeserve.convert.raw_files import encoded
from edgeserve.errors import ConfigError
from edgeserve.preprocess.declaration import PixelFormat
from edgeserve.preprocess.host import real
from edgeserve.preprocess.image import decoded
from tests.preprocess.signals import CAMERA, MFCC, MOTION, raw_data

CAMERA_INPUT = (InputSpec("camera", (1, *CAMERA.shape)),)
MFCC_INPUT = (InputSpec("sound", (1, *MFCC.shape, 1)),)


def save_sound(path: Path, clip: NDArray[np.int16], rate: int, channels: int = 1) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(clip.astype("<i2").tobytes())


def test_images_go_through_the_devices_integers(tmp_path: Path) -> None:
    front = replace(CAMERA, format=PixelFormat.BGR888)
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (3, CAMERA.height, CAMERA.width, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        folder = tmp_path / ("cats" if number < 2 else "dogs")
        folder.mkdir(exist_ok=True)
        Image.fromarray(frame).save(folder / f"{number}.png")
    samples = match_inputs(read_calibration(tmp_path, front), CAMERA_INPUT)
    # The camera sends blue first, and the model takes red first all the same.
    assert np.array_equal(samples.inputs[0], np.stack([real(CAMERA, frame) for frame in frames]))
    assert samples.labels is not None
    assert (samples.labels.tolist(), samples.classes) == ([0, 0, 1], ("cats", "dogs"))
    assert samples.kind is CalibrationKind.IMAGES
    assert "bgr888 frames of 52x40" in samples.preprocessing


def test_sounds(tmp_path: Path) -> None:
    clips = raw_data(MFCC, 2, 3)
    for number, clip in enumerate(clips):
        save_sound(tmp_path / f"{number}.wav", clip, MFCC.rate_hz)
    samples = match_inputs(read_calibration(tmp_path, MFCC), MFCC_INPUT)
    assert samples.inputs[0].shape == (3, *MFCC.shape, 1)
    assert np.array_equal(samples.inputs[0][..., 0], [real(MFCC, clip) for clip in clips])
    assert samples.kind is CalibrationKind.SOUNDS


def test_integers_are_raw_and_floats_are_inputs(tmp_path: Path) -> None:
    windows = np.stack(raw_data(MOTION, 3, 4))
    spec = (InputSpec("motion", (1, *MOTION.shape)),)
    np.savez(tmp_path / "raw.npz", x=windows, y=np.array([0, 1, 2, 3]))
    np.save(tmp_path / "raw.npy", windows)
    for name in ("raw.npz", "raw.npy"):
        samples = match_inputs(read_calibration(tmp_path / name, MOTION), spec)
        assert np.array_equal(samples.inputs[0], [real(MOTION, window) for window in windows])
    floats = np.ones((2, *MOTION.shape), np.float32)
    np.savez(tmp_path / "inputs.npz", x=floats)
    samples = match_inputs(read_calibration(tmp_path / "inputs.npz", MOTION), spec)
    assert np.array_equal(samples.inputs[0], floats)
    assert samples.raw is None


@pytest.mark.parametrize("kind", list(PixelFormat))
def test_an_image_survives_the_cameras_format(kind: PixelFormat) -> None:
    """Encoded and decoded again it is what it was, as far as the format can say."""
    front = replace(CAMERA, format=kind)
    smooth = np.add.outer(np.arange(CAMERA.height) * 3, np.arange(CAMERA.width) * 2)
    pixels = np.stack([smooth, 200 - smooth // 2, 90 + smooth // 4], axis=-1).astype(np.uint8)
    given = pixels[..., :1] if kind is PixelFormat.GRAY8 else pixels
    back = decoded(front, encoded(kind, given))
    exact = kind in (PixelFormat.RGB888, PixelFormat.BGR888, PixelFormat.GRAY8)
    assert np.abs(back - given).max() <= (0 if exact else 8)


def test_each_refusal_says_what_is_wrong(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    Image.new("RGB", (20, 10)).save(small / "a.png")
    with pytest.raises(ConfigError, match="is 20x10, and the declared frames are 52x40"):
        read_calibration(small, CAMERA)
    clip = raw_data(MFCC, 2, 1)[0]
    save_sound(tmp_path / "rate" / "a.wav", clip, 8000)
    with pytest.raises(ConfigError, match="1 channels of 16 bits at 8000 Hz"):
        read_calibration(tmp_path / "rate", MFCC)
    save_sound(tmp_path / "short" / "a.wav", clip[:100], MFCC.rate_hz)
    with pytest.raises(ConfigError, match="has 100 samples, and clips of 8000"):
        read_calibration(tmp_path / "short", MFCC)
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_calibration(tmp_path / "noise", MFCC)
    with pytest.raises(ConfigError, match="holds no sounds"):
        read_calibration(small, MFCC)
    with pytest.raises(ConfigError, match="is a folder, and windows of a sensor"):
        read_calibration(small, MOTION)
    np.save(tmp_path / "few.npy", np.zeros((3, 7), np.int16))
    with pytest.raises(ConfigError, match="14 bytes, and the declaration takes int16 of 576"):
        read_calibration(tmp_path / "few.npy", MOTION)
    np.save(tmp_path / "empty.npy", np.zeros((0, 7), np.int16))
    with pytest.raises(ConfigError, match="holds no samples"):
        read_calibration(tmp_path / "empty.npy", MOTION)
    np.save(tmp_path / "good.npy", np.stack(raw_data(MOTION, 3, 2)))
    with pytest.raises(ConfigError, match="the declaration gives"):
        match_inputs(read_calibration(tmp_path / "good.npy", MOTION), CAMERA_INPUT)

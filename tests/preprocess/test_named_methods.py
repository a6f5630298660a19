"""Methods that are named after a library's are that library's: asked of the library itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeserve.preprocess.audio import log2_q16
from edgeserve.preprocess.audio_tables import (
    dct_matrix,
    log2_table,
    log_unit,
    mel_matrix,
    window_weights,
)
from edgeserve.preprocess.declaration import Colour, Dct, Front, MelScale, Resize, Window
from edgeserve.preprocess.host import levels, real
from edgeserve.preprocess.ideal import cost, ideal
from edgeserve.resources import firmware_root
from tests.preprocess.harness import Case
from tests.preprocess.pictures import SIZES, picture, resize_key
from tests.preprocess.signals import ALL, LOG_MEL, MFCC, raw_data
from tests.preprocess.tensorflow_references import CLIPS
from tests.tools import need_package

REPO = Path(__file__).resolve().parents[2]
sizes = pytest.mark.parametrize("size", SIZES, ids=str)


@sizes
def test_pillow_bilinear_is_pillows_to_the_bit(size: tuple[int, ...]) -> None:
    image = pytest.importorskip("PIL.Image")
    front, raw = picture(size, Resize.PILLOW)
    resized = image.fromarray(raw).resize((size[3], size[2]), image.Resampling.BILINEAR)
    assert np.array_equal(levels(front, raw), np.asarray(resized))


def test_gray_is_pillows_to_the_bit() -> None:
    image = pytest.importorskip("PIL.Image")
    front, raw = picture((30, 20, 30, 20), Resize.NONE)
    front = replace(front, colour=Colour.GRAY, mean=(0.0,), scale=(1.0,))
    assert np.array_equal(levels(front, raw)[..., 0], np.asarray(image.fromarray(raw).convert("L")))


@pytest.fixture(scope="module")
def tensorflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What ``tensorflow_references.py`` says."""
    need_package("tensorflow")
    file = tmp_path_factory.mktemp("tensorflow") / "references.npz"
    command = [sys.executable, "-m", "tests.preprocess.tensorflow_references", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=REPO
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(file) as archive:
        return dict(archive)


@sizes
@pytest.mark.parametrize(
    "method", [one for one in Resize if one not in (Resize.NONE, Resize.PILLOW)]
)
def test_the_others_are_tensorflows_to_a_hundredth_of_a_level(
    method: Resize, size: tuple[int, ...], tensorflow: dict[str, np.ndarray]
) -> None:
    front, raw = picture(size, method)
    theirs = tensorflow[resize_key(method, size)]
    assert np.abs(ideal(front, raw) - theirs).max() < 2e-3
    # 1/128 of a level is the device's unit; each of its two passes rounds to it.
    assert np.abs(real(front, raw) - theirs).max() < 1.5 / 128


def test_mel_bands_and_mfccs_are_tensorflows(tensorflow: dict[str, np.ndarray]) -> None:
    assert np.allclose(mel_matrix(MFCC), tensorflow["mel"], atol=1e-9)
    for number, clip in enumerate(raw_data(MFCC, 3, CLIPS)):
        theirs = tensorflow[f"mfcc{number}"]
        # TensorFlow computes in 32 bits; a step of the model of signals.py is 0.6.
        assert np.abs(ideal(MFCC, clip) - theirs).max() < 0.02
        assert np.abs(real(MFCC, clip) - theirs).max() < 0.03


def test_windows_and_the_orthonormal_dct_are_scipys() -> None:
    signal = pytest.importorskip("scipy.signal")
    fft = pytest.importorskip("scipy.fft")
    for window in (Window.HANN, Window.HAMMING):
        want = signal.get_window(str(window), MFCC.window_samples, fftbins=True)
        assert np.allclose(window_weights(replace(MFCC, window=window)), want, atol=1e-12)
    identity = np.eye(MFCC.bands)
    want = fft.dct(identity, type=2, norm="ortho", axis=0)[: MFCC.coefficients]
    assert np.allclose(dct_matrix(replace(MFCC, dct=Dct.ORTHO)), want, atol=1e-12)


def test_slaneys_bands_have_area_one() -> None:
    """librosa's normalisation: each triangle has an area of 1 over hertz."""
    fine = replace(LOG_MEL, fft=4096, mel=MelScale.SLANEY)
    area = mel_matrix(fine).sum(axis=0) * fine.rate_hz / fine.fft
    assert np.allclose(area, 1.0, atol=0.01)


def test_slaneys_scale_at_its_landmarks() -> None:
    """Three mels a 200 Hz up to 1 kHz; from there 27 mels multiply by 6.4."""
    low = replace(LOG_MEL, bands=2, low_hz=0.0, high_hz=1000.0, fft=4096)
    centres = mel_matrix(low).argmax(axis=0) * low.rate_hz / low.fft
    assert np.allclose(centres, [1000 / 3, 2000 / 3], atol=low.rate_hz / low.fft)
    high = replace(LOG_MEL, bands=1, low_hz=1000.0, high_hz=6400.0, fft=4096)
    centre = float(mel_matrix(high).argmax(axis=0)[0] * high.rate_hz / high.fft)
    assert centre == pytest.approx(np.sqrt(1000 * 6400), abs=high.rate_hz / high.fft)


def test_log2_is_near_the_true_one() -> None:
    rng = np.random.default_rng(2)
    values = np.unique((2 ** rng.uniform(0, 63, 5000)).astype(np.uint64))
    values = np.concatenate([np.arange(1, 600, dtype=np.uint64), values])
    error = log2_q16(values) - 65536 * np.log2(values.astype(np.float64))
    assert np.abs(error).max() < 1.8


def test_the_devices_table_of_logarithms_is_the_hosts() -> None:
    text = (firmware_root() / "preprocess/es_log2.c").read_text()
    body = text[text.index("{") + 1 : text.index("};")]
    assert [int(word) for word in body.replace(",", " ").split()] == log2_table().tolist()


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_fixed_point_costs_little(case: Case) -> None:
    """At most a little above the half step that rounding to int8 costs anyway."""
    front: Front = case.front
    seen = cost(front, raw_data(front, 6, 6), step=case.step, zero_point=case.zero_point)
    assert seen.largest < 0.53
    assert seen.mean < 0.5


def test_quiet_sounds_lose_nothing() -> None:
    rng = np.random.default_rng(9)
    clip = rng.integers(-2, 3, MFCC.samples).astype(np.int16)
    front = replace(LOG_MEL, floor=1e-12)
    assert np.abs(ideal(front, clip) - real(front, clip)).max() < 0.01
    assert log_unit(front) < 1e-4

"""Declarations that the tests share, and generated pictures, sounds and movements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    PixelFormat,
    Resize,
    SensorInput,
    Spectrum,
    Window,
)
from tests.preprocess.harness import Case

CAMERA = ImageInput(
    format=PixelFormat.RGB888,
    height=40,
    width=52,
    crop=Crop(2, 6, 36, 40),
    colour=Colour.RGB,
    resize=Resize.BILINEAR,
    out_height=24,
    out_width=30,
    mean=(127.5, 127.5, 127.5),
    scale=(1 / 127.5, 1 / 127.5, 1 / 127.5),
    layout=Layout.NHWC,
)
IMAGENET = replace(
    CAMERA, mean=(123.675, 116.28, 103.53), scale=(1 / 58.395, 1 / 57.12, 1 / 57.375)
)
MFCC = AudioInput(
    rate_hz=16000,
    samples=8000,
    window=Window.HANN,
    window_samples=480,
    hop=320,
    fft=512,
    spectrum=Spectrum.MAGNITUDE,
    mel=MelScale.HTK,
    bands=40,
    low_hz=20.0,
    high_hz=4000.0,
    log=Log.LN,
    floor=1e-6,
    floor_by=LogFloor.ADD,
    dct=Dct.TF,
    coefficients=10,
    full_scale=1.0,
    mean=(0.0,) * 10,
    scale=(1.0,) * 10,
)
LOG_MEL = replace(
    MFCC,
    window=Window.HAMMING,
    window_samples=400,
    hop=200,
    spectrum=Spectrum.POWER,
    mel=MelScale.SLANEY,
    bands=32,
    high_hz=8000.0,
    log=Log.DB,
    floor=1e-10,
    floor_by=LogFloor.MAX,
    dct=Dct.NONE,
    coefficients=0,
    mean=(-40.0,) * 32,
    scale=(1 / 40.0,) * 32,
)
MOTION = SensorInput(
    samples=48,
    hop=12,
    channels=6,
    axes=(2, 0, 1),
    mean=(0.0, 12.5, -300.0),
    scale=(9.81 / 4096, 9.81 / 4096, 0.001),
)

IMAGES = (
    Case("rgb", CAMERA, 1 / 127.5, 0),
    Case("area", replace(IMAGENET, resize=Resize.AREA, colour=Colour.BGR), 0.0187, -14),
    Case("pillow", replace(CAMERA, resize=Resize.PILLOW, format=PixelFormat.BGR888), 0.01, 5),
    Case(
        "antialias_nchw",
        replace(CAMERA, resize=Resize.ANTIALIAS, format=PixelFormat.RGB565_LE, layout=Layout.NCHW),
        1 / 127.5,
        -1,
    ),
    Case(
        "gray_of_yuyv",
        replace(
            CAMERA,
            format=PixelFormat.YUYV,
            colour=Colour.GRAY,
            resize=Resize.ALIGN_CORNERS,
            mean=(0.0,),
            scale=(1 / 255,),
        ),
        1 / 255,
        -128,
    ),
    Case("colour_of_yuyv", replace(CAMERA, format=PixelFormat.YUYV), 1 / 127.5, 0),
    Case(
        "larger",
        replace(
            CAMERA,
            format=PixelFormat.RGB565_BE,
            resize=Resize.ASYMMETRIC,
            out_height=61,
            out_width=75,
        ),
        1 / 127.5,
        0,
    ),
    Case(
        "gray_as_it_is",
        replace(
            CAMERA,
            format=PixelFormat.GRAY8,
            colour=Colour.RGB,
            resize=Resize.NONE,
            out_height=36,
            out_width=40,
        ),
        1 / 127.5,
        0,
    ),
    Case("nearest", replace(CAMERA, resize=Resize.NEAREST), 1 / 127.5, 0),
)
SOUNDS = (
    Case("mfcc", MFCC, 0.6, 40),
    Case("log_mel", LOG_MEL, 1 / 127, 0),
    Case(
        "short",
        replace(
            MFCC,
            samples=700,
            window=Window.NONE,
            window_samples=61,
            hop=61,
            fft=64,
            dct=Dct.ORTHO,
            bands=12,
            high_hz=8000.0,
            full_scale=32768.0,
            log=Log.LOG10,
        ),
        0.3,
        -20,
    ),
)
MOTIONS = (
    Case("motion", MOTION, 0.17, 3),
    Case("whole_windows", replace(MOTION, hop=48, axes=(5,), mean=(0.0,), scale=(1.0,)), 256.0, 0),
)
ALL = (*IMAGES, *SOUNDS, *MOTIONS)


def raw_data(front: Front, seed: int, count: int) -> list[NDArray[Any]]:
    """Frames, clips or windows: noise, extremes, and things with shape."""
    rng = np.random.default_rng(seed)
    match front:
        case ImageInput():
            made = _frames(front, rng)
        case AudioInput():
            made = _clips(front, rng)
        case SensorInput():
            made = _windows(front, rng)
    return [next(made) for _ in range(count)]


def _frames(front: ImageInput, rng: np.random.Generator) -> Iterator[NDArray[Any]]:
    size = front.raw_bytes
    while True:
        yield rng.integers(0, 256, size, dtype=np.uint8)
        yield np.full(size, rng.choice([0, 255]), np.uint8)
        ramp = np.arange(size) * rng.uniform(0.01, 3.0) + 40 * np.sin(np.arange(size) / 50)
        yield (ramp.astype(np.int64) % 256).astype(np.uint8)


def _clips(front: AudioInput, rng: np.random.Generator) -> Iterator[NDArray[Any]]:
    n = front.samples
    while True:
        yield rng.integers(-32768, 32768, n, dtype=np.int16)
        yield np.zeros(n, np.int16)
        yield np.where(np.arange(n) // 7 % 2, 32767, -32768).astype(np.int16)
        yield np.full(n, -32768, np.int16)
        time = np.arange(n) / front.rate_hz
        tone = np.sin(2 * np.pi * (200 + 3000 * rng.random() * time) * time)
        noise = 0.05 * rng.standard_normal(n)
        yield (10 ** rng.uniform(0.5, 4.3) * (tone + noise)).astype(np.int16)


def _windows(front: SensorInput, rng: np.random.Generator) -> Iterator[NDArray[Any]]:
    size = (front.samples, front.channels)
    while True:
        yield rng.integers(-32768, 32768, size, dtype=np.int16)
        yield np.full(size, rng.choice([-32768, 32767]), np.int16)
        yield (4096 * rng.standard_normal(size)).clip(-32768, 32767).astype(np.int16)

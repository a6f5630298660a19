"""What TensorFlow itself computes: ``python -m tests.preprocess.tensorflow_references FILE.npz``.

It runs in a process of its own, so that the tests' own process never imports TensorFlow.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from edgeserve.preprocess.declaration import Resize
from tests.preprocess.pictures import SIZES, picture, resize_key
from tests.preprocess.signals import MFCC, raw_data

CLIPS = 6


def resized(tf: Any, method: Resize, raw: np.ndarray, target: tuple[int, ...]) -> np.ndarray:
    batch, old = raw[None].astype(np.float32), tf.compat.v1.image
    made = {
        Resize.NEAREST: lambda: tf.image.resize(batch, target, "nearest"),
        Resize.BILINEAR: lambda: tf.image.resize(batch, target, "bilinear"),
        Resize.ANTIALIAS: lambda: tf.image.resize(batch, target, "bilinear", antialias=True),
        Resize.AREA: lambda: tf.image.resize(batch, target, "area"),
        Resize.ALIGN_CORNERS: lambda: old.resize_bilinear(batch, target, align_corners=True),
        Resize.ASYMMETRIC: lambda: old.resize_bilinear(batch, target),
    }[method]()
    return np.asarray(made[0])


def mfccs(tf: Any, clip: np.ndarray) -> np.ndarray:
    samples = tf.constant(clip / 32768.0, tf.float32)
    stft = tf.signal.stft(samples, MFCC.window_samples, MFCC.hop, MFCC.fft)
    bands = tf.tensordot(tf.abs(stft), mel(tf, tf.float32), 1)
    log_mel = tf.math.log(bands + MFCC.floor)
    return np.asarray(tf.signal.mfccs_from_log_mel_spectrograms(log_mel)[:, : MFCC.coefficients])


def mel(tf: Any, dtype: Any) -> Any:
    return tf.signal.linear_to_mel_weight_matrix(
        MFCC.bands, MFCC.fft // 2 + 1, MFCC.rate_hz, MFCC.low_hz, MFCC.high_hz, dtype
    )


def main(file: str) -> None:
    import tensorflow as tf

    arrays = {"mel": np.asarray(mel(tf, tf.float64))}
    for number, clip in enumerate(raw_data(MFCC, 3, CLIPS)):
        arrays[f"mfcc{number}"] = mfccs(tf, clip)
    for size in SIZES:
        for method in Resize:
            if method not in (Resize.NONE, Resize.PILLOW):
                _, raw = picture(size, method)
                arrays[resize_key(method, size)] = resized(tf, method, raw, size[2:])
    np.savez(file, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])

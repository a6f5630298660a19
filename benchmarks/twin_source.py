"""The Keras half of a twin: ``python -m benchmarks.twin_source FAMILY ALPHA SIZE IMAGES FOLDER``.

Writes ``model.keras`` and ``calibration.npz`` into FOLDER. It runs in a process of its own, because
TensorFlow is slow to import, keeps its memory and prints what it likes.

Random weights alone make a dead network: with the statistics that BatchNormalization begins with
(mean 0, variance 1) each layer shrinks its input some sixteenfold, the last ones answer 1e-16 and
the softmax says 0.001 for every class and image. So the moving statistics are set to those of the
first calibration images, and the classifier's weights, which give a thousand classes nearly the
same logit, are multiplied by 8, which no INT8 weight can see.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 0
CLASSES = 1000
NORMALISED_BY = 16
"""The moving statistics are those of so many images."""
CLASSIFIER_GAIN = 8.0
_OCTAVES = (2, 4, 8, 16, 32, 64)
_FALL_OFF = 0.7


def images(count: int, size: int) -> NDArray[np.float32]:
    """Seeded images ``[count, size, size, 3]`` in -1..1, the preprocessing of both families.

    Each is a sum of coloured tiles of 2 to 64 a side, the finer the fainter, as in photographs:
    white noise averages out in the first layers and leaves deep ones alike for every image. The
    result is stretched to 0..255 and rounded to whole numbers.
    """
    random = np.random.default_rng(SEED)
    stack = np.empty((count, size, size, 3), np.float32)
    for image in stack:
        field = np.zeros((size, size, 3))
        for octave, tiles in enumerate(_OCTAVES):
            at = np.arange(size) * tiles // size
            field += random.standard_normal((tiles, tiles, 3))[at][:, at] * _FALL_OFF**octave
        field -= field.min()
        image[:] = np.floor(field * (255.999 / field.max()))
    return stack / np.float32(127.5) - np.float32(1)


def build(family: str, alpha: float, size: int, x: NDArray[np.float32]) -> Any:
    """The seeded Keras model, its moving statistics those of the images ``x``."""
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(SEED)
    make = {"v1": keras.applications.MobileNet, "v2": keras.applications.MobileNetV2}[family]
    model = make(input_shape=(size, size, 3), alpha=alpha, weights=None, classes=CLASSES)
    normalisations = [
        layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    kept = [layer.momentum for layer in normalisations]
    for layer in normalisations:
        layer.momentum = 0.0
    model(x, training=True)
    for layer, momentum in zip(normalisations, kept, strict=True):
        layer.momentum = momentum
    classifier = next(layer for layer in reversed(model.layers) if layer.get_weights())
    kernel, *bias = classifier.get_weights()
    classifier.set_weights([kernel * np.float32(CLASSIFIER_GAIN), *bias])
    return model


def main() -> None:
    """Writes the model and its calibration images."""
    family, alpha, size, count, folder = sys.argv[1:]
    x = images(int(count), int(size))
    model = build(family, float(alpha), int(size), x[:NORMALISED_BY])
    model.save(Path(folder) / "model.keras")
    np.savez(Path(folder) / "calibration.npz", x=x)


if __name__ == "__main__":
    main()

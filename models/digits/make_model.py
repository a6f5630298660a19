"""Train the digits model on scikit-learn's copy of a public data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.training import Made, Samples, Say, fit, frameworks, packages, save_model, save_samples

SEED = 20
TEST_SAMPLES = 360
CALIBRATION_SAMPLES = 200
EPOCHS = 60
PIXEL_MAX = 16.0


def load_samples() -> tuple[Samples, Samples]:
    """The training and the held-out split: x float32 ``[n, 8, 8, 1]`` in 0..1."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x = (digits.images / PIXEL_MAX).astype(np.float32)[..., np.newaxis]
    y = digits.target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=TEST_SAMPLES, random_state=SEED, stratify=y
    )
    return Samples(x_train, y_train), Samples(x_test, y_test)


def held_out() -> Samples:
    """The 360 held-out samples, all of which are in ``test.npz`` too."""
    return load_samples()[1]


def build_model(keras: Any) -> Any:
    """A plain convolution, two separable ones with a pool between, a mean, and a classifier."""
    layers = keras.layers

    def normalised(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = keras.Input((8, 8, 1), name="image")
    x = normalised(layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs))
    x = normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    x = normalised(layers.Conv2D(32, 1, use_bias=False)(x))
    x = layers.MaxPooling2D(2)(x)
    x = normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    x = normalised(layers.Conv2D(64, 1, use_bias=False)(x))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2, seed=SEED)(x)
    outputs = layers.Dense(10, activation="softmax", name="digit")(x)
    return keras.Model(inputs, outputs, name="digits")


def make(folder: Path, say: Say) -> Made:
    """Writes the artefacts into ``folder``; the held-out split is never trained on."""
    keras = frameworks(SEED)
    training, test = load_samples()
    say(f"{len(training)} training samples, {len(test)} held out; training {EPOCHS} epochs")
    model = build_model(keras)
    loss = "sparse_categorical_crossentropy"
    fit(keras, model, training, loss, epochs=EPOCHS, batch=32, rate=3e-3)
    save_model(keras, model, folder / "model.keras")
    save_samples(folder / "calibration.npz", training.take(np.arange(CALIBRATION_SAMPLES)))
    save_samples(folder / "calibration_int16x8.npz", training)
    save_samples(folder / "test.npz", test)
    return Made(model.count_params(), packages("scikit-learn"))

"""Train the gestures model: a small convolution over a window of three axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeserve.declaration_file import read_declaration
from edgeserve.preprocess.host import real
from models.gestures.movements import GESTURES, person, window
from models.training import Made, Samples, Say, fit, frameworks, packages, save_model, save_samples

HERE = Path(__file__).resolve().parent
SEED = 59
TRAINING_PEOPLE, TEST_PEOPLE = 80, 25
WINDOWS = 16
"""Of each gesture by each person."""
EPOCHS = 40
CALIBRATION_SAMPLES, TEST_SAMPLES = 240, 300


def windows(training: bool) -> Samples:
    """Windows in g ``[n, 64, 3]`` float32 and their gestures, in a random order."""
    rng = np.random.default_rng([SEED, training])
    declared = read_declaration(HERE / "preprocess.toml", HERE / "labels.txt").preprocess
    assert declared is not None
    people = [person(rng) for _ in range(TRAINING_PEOPLE if training else TEST_PEOPLE)]
    made = [
        (real(declared.front, window(who, gesture, rng)), label)
        for who in people
        for label, gesture in enumerate(GESTURES)
        for _ in range(WINDOWS)
    ]
    order = rng.permutation(len(made))
    x, y = zip(*(made[i] for i in order), strict=True)
    return Samples(np.stack(x), np.array(y, np.int64))


def held_out() -> Samples:
    """All windows of people of whom training has none: 2,400 of them."""
    return windows(training=False)


def build_model(keras: Any) -> Any:
    """Three convolutions along time, each at half the rate, a mean, and a classifier."""
    layers = keras.layers
    inputs = keras.Input((64, 3), name="window")
    x = inputs
    for filters in (12, 16, 24):
        x = layers.Conv1D(filters, 5, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.2, seed=SEED)(layers.GlobalAveragePooling1D()(x))
    outputs = layers.Dense(len(GESTURES), activation="softmax", name="gesture")(x)
    return keras.Model(inputs, outputs, name="gestures")


def make(folder: Path, say: Say) -> Made:
    """Writes the artefacts into ``folder``."""
    training, test = windows(training=True), held_out()
    say(f"{len(training)} training windows, {len(test)} held out; training {EPOCHS} epochs")
    keras = frameworks(SEED)
    model = build_model(keras)
    loss = "sparse_categorical_crossentropy"
    fit(keras, model, training, loss, epochs=EPOCHS, batch=64, rate=3e-3)
    save_model(keras, model, folder / "model.keras")
    for name, samples, count in (
        ("calibration.npz", training, CALIBRATION_SAMPLES),
        ("test.npz", test, TEST_SAMPLES),
    ):
        few = samples.take(np.arange(count))
        save_samples(folder / name, Samples(few.x.astype(np.float16), few.y))
    return Made(model.count_params(), packages())

"""Train the keywords model: a small DS-CNN over MFCCs, which are computed in the device's integers.

It needs eSpeak NG, and takes about ten minutes on two cores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeserve.declaration_file import read_declaration
from edgeserve.preprocess.declaration import Front
from edgeserve.preprocess.host import real
from models.keywords import speech, voices
from models.training import Made, Samples, Say, fit, frameworks, packages, save_model, save_samples

HERE = Path(__file__).resolve().parent
SEED = 31
TRAINING_TAKES, TEST_TAKES = 4, 8
NOISES = 6
"""So many times each training word is put into another second of noise."""
EPOCHS = 28
FILTERS = 40
BLOCKS = 4
CALIBRATION_SAMPLES, TEST_SAMPLES, SOUNDS = 240, 300, 12
"""What is committed; of the classes each as many."""


def front() -> Front:
    """The declaration beside this file."""
    declared = read_declaration(HERE / "preprocess.toml", HERE / "labels.txt").preprocess
    assert declared is not None
    return declared.front


def clips(training: bool) -> tuple[list[speech.Clip], list[int]]:
    """int16 clips ``[8000]`` and their classes, in a seeded random order."""
    rng = np.random.default_rng([SEED, training])
    speakers = voices.TRAINING_SPEAKERS if training else voices.TEST_SPEAKERS
    others = voices.TRAINING_OTHERS if training else voices.TEST_OTHERS
    takes, noises = (TRAINING_TAKES, NOISES) if training else (TEST_TAKES, 1)
    said = list(speech.utterances(speakers, others, takes, rng))
    sounds = [speech.spoken(one) for one in said]
    babble = [s for s, one in zip(sounds, said, strict=True) if one.label == voices.UNKNOWN]
    made = [
        (speech.in_a_second(sound, babble, rng), one.label)
        for _ in range(noises)
        for sound, one in zip(sounds, said, strict=True)
    ]
    made += [
        (speech.in_a_second(sound, babble, rng, quiet=True), voices.SILENCE)
        for sound in sounds[: len(made) // len(voices.LABELS)]
    ]
    order = rng.permutation(len(made))
    return [made[i][0] for i in order], [made[i][1] for i in order]


def samples_of(sounds: list[speech.Clip], labels: list[int]) -> Samples:
    """What the device makes of the clips: MFCCs ``[n, 49, 10, 1]``, float32."""
    declared = front()
    x = np.stack([real(declared, clip) for clip in sounds])[..., np.newaxis]
    return Samples(x, np.array(labels, np.int64))


def held_out() -> Samples:
    """All clips by speakers whom training never heard: 1,722 of them."""
    return samples_of(*clips(training=False))


def build_model(keras: Any) -> Any:
    """A convolution over time and coefficients, separable ones, a mean, and a classifier."""
    layers = keras.layers

    def normalised(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = keras.Input((49, 10, 1), name="mfcc")
    x = layers.Conv2D(FILTERS, (10, 4), strides=(2, 2), padding="same", use_bias=False)(inputs)
    x = layers.Dropout(0.1, seed=SEED)(normalised(x))
    for _ in range(BLOCKS):
        x = normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
        x = normalised(layers.Conv2D(FILTERS, 1, use_bias=False)(x))
    x = layers.GlobalAveragePooling2D()(layers.Dropout(0.3, seed=SEED)(x))
    outputs = layers.Dense(len(voices.LABELS), activation="softmax", name="keyword")(x)
    return keras.Model(inputs, outputs, name="keywords")


def balanced(samples: Samples, count: int) -> Samples:
    """The first of each class, as many of each, in float16: finer than a step of the input."""
    each = count // len(voices.LABELS)
    rows = [np.flatnonzero(samples.y == label)[:each] for label in range(len(voices.LABELS))]
    chosen = samples.take(np.stack(rows, axis=1).reshape(-1))
    return Samples(chosen.x.astype(np.float16), chosen.y)


def make(folder: Path, say: Say) -> Made:
    """Writes the artefacts into ``folder``."""
    say("training clips")
    training = samples_of(*clips(training=True))
    say(f"{len(training)} training clips; those of the test")
    sounds, labels = clips(training=False)
    test = samples_of(sounds, labels)
    say(f"{len(test)} held-out clips; training {EPOCHS} epochs")
    keras = frameworks(SEED)
    model = build_model(keras)
    loss = "sparse_categorical_crossentropy"
    fit(keras, model, training, loss, epochs=EPOCHS, batch=128, rate=3e-3)
    save_model(keras, model, folder / "model.keras")
    save_samples(folder / "calibration.npz", balanced(training, CALIBRATION_SAMPLES))
    save_samples(folder / "test.npz", balanced(test, TEST_SAMPLES))
    raw = np.stack(sounds)
    first = [int(np.flatnonzero(test.y == label)[0]) for label in range(len(voices.LABELS))]
    save_samples(folder / "sounds.npz", Samples(raw[first], test.y[first]))
    return Made(model.count_params(), (*packages("scipy"), speech.espeak_version()))

"""Train the anomaly model: an autoencoder that has heard healthy machines alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeserve.declaration_file import read_declaration
from edgeserve.preprocess.host import real
from models.anomaly.machines import Fault, clip, specimen
from models.training import Made, Samples, Say, fit, frameworks, packages, save_model, save_samples

HERE = Path(__file__).resolve().parent
SEED = 47
TRAINING_MACHINES, TEST_MACHINES = 60, 20
TRAINING_CLIPS = 120
"""Of each machine that is trained on; all are healthy."""
TEST_CLIPS = 60
"""Of each machine of the test: half are healthy, and of the others each fault has a third."""
EPOCHS = 80
WIDE, NARROW = 64, 4
CALIBRATION_SAMPLES, TEST_SAMPLES = 240, 300


def clips(training: bool) -> Samples:
    """Log-mel windows ``[n, 160]`` float32, ``y`` 1 where there is a fault, in a random order."""
    rng = np.random.default_rng([SEED, training])
    declared = read_declaration(HERE / "preprocess.toml", None).preprocess
    assert declared is not None
    machines = [specimen(rng) for _ in range(TRAINING_MACHINES if training else TEST_MACHINES)]
    half = [Fault.NONE] * (TEST_CLIPS // 2)
    faults = list(Fault)[1:] * (TEST_CLIPS // 6)
    plan = [Fault.NONE] * TRAINING_CLIPS if training else half + faults
    made = [
        (real(declared.front, clip(machine, fault, rng)).reshape(-1), int(fault is not Fault.NONE))
        for machine in machines
        for fault in plan
    ]
    order = rng.permutation(len(made))
    x, y = zip(*(made[i] for i in order), strict=True)
    return Samples(np.stack(x), np.array(y, np.int64))


def held_out() -> Samples:
    """All clips of machines that training never heard: 1,200 of them."""
    return clips(training=False)


def build_model(keras: Any) -> Any:
    """160 numbers through 4 and back."""
    layers = keras.layers
    inputs = keras.Input((160,), name="log_mel")
    x = inputs
    for width in (WIDE, WIDE, NARROW, WIDE, WIDE):
        x = layers.Dense(width, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(160, name="again")(x), name="anomaly")


def make(folder: Path, say: Say) -> Made:
    """Writes the artefacts into ``folder``."""
    say("clips")
    training, test = clips(training=True), held_out()
    say(f"{len(training)} training clips, {len(test)} held out; training {EPOCHS} epochs")
    keras = frameworks(SEED)
    model = build_model(keras)
    fit(keras, model, training, "mse", epochs=EPOCHS, batch=128, rate=3e-3)
    save_model(keras, model, folder / "model.keras")
    for name, samples, count in (
        ("calibration.npz", training, CALIBRATION_SAMPLES),
        ("test.npz", test, TEST_SAMPLES),
    ):
        few = samples.take(np.arange(count))
        save_samples(folder / name, Samples(few.x.astype(np.float16), few.y))
    return Made(model.count_params(), packages())

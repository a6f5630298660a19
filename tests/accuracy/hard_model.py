"""Makes source models for the tests of accuracy: ``python hard_model.py FOLDER``.

``pair.keras`` has two inputs, two outputs and no classes. ``hard.keras`` is the digits model, hard
to quantize.

One channel behind the first convolution becomes a thousand times as large, and the depthwise layer
that reads it takes the factor back. In floats nothing changes; one scale for all channels of that
tensor leaves the others next to nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

FACTOR = 1000.0
DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits"


def make_pair(folder: Path) -> None:
    import keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    zeta, alpha = keras.Input((4,), name="zeta"), keras.Input((3,), name="alpha")
    joined = layers.Dense(8, activation="relu")(layers.Concatenate()([zeta, alpha]))
    model = keras.Model([zeta, alpha], [layers.Dense(2)(joined), layers.Dense(3)(zeta)])
    model.save(folder / "pair.keras")
    random = np.random.default_rng(6)
    np.savez(
        folder / "pair.npz",
        alpha=random.normal(size=(40, 3)).astype(np.float32),
        zeta=random.normal(size=(40, 4)).astype(np.float32),
    )


def make_hard(folder: Path) -> None:
    import keras

    model = keras.models.load_model(DIGITS / "model.keras", compile=False)
    layers = [layer for layer in model.layers if layer.weights]
    normalised, depthwise = layers[1], layers[2]
    gamma, beta, *rest = normalised.get_weights()
    gamma[0] *= FACTOR
    beta[0] *= FACTOR
    normalised.set_weights([gamma, beta, *rest])
    (kernel,) = depthwise.get_weights()
    kernel[:, :, 0, :] /= FACTOR
    depthwise.set_weights([kernel])
    model.save(folder / "hard.keras")


if __name__ == "__main__":
    make_pair(Path(sys.argv[1]))
    make_hard(Path(sys.argv[1]))

"""Makes the source models of ``test_convert.py``: ``python convert_sources.py FOLDER``.

It runs in a process of its own, so that the tests' own process never imports TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits" / "model.keras"


def make_keras(folder: Path) -> None:
    """Keras models: two inputs, a Lambda layer, a recurrent layer that is not unrolled; and the
    digits model in the other forms that Keras writes.
    """
    import keras

    layers = keras.layers
    zeta, alpha = keras.Input((4,), name="zeta"), keras.Input((3,), name="alpha")
    joined = layers.Dense(2)(layers.Concatenate()([zeta, alpha]))
    keras.Model([zeta, alpha], [joined, layers.Dense(3)(zeta)]).save(folder / "two.keras")
    x = keras.Input((4,), name="x")
    doubled = layers.Lambda(lambda tensor: tensor * 2)(x)
    lambda_model = keras.Model(x, layers.Dense(2)(doubled))
    lambda_model.save(folder / "lambda.keras")
    lambda_model.save(folder / "lambda.h5")
    lambda_model.save_weights(folder / "alone.weights.h5")
    sequence = keras.Input((12, 3), name="sequence")
    keras.Model(sequence, layers.Dense(2)(layers.LSTM(4)(sequence))).save(folder / "lstm.keras")
    image = keras.Input((8, 8, 1), name="image")
    flat = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(image))
    model = keras.Model(image, layers.Dense(5, activation="softmax")(flat))
    model.export(folder / "flatten", verbose=False)
    digits = keras.models.load_model(DIGITS)
    digits.save(folder / "digits.h5")
    digits.export(folder / "digits", verbose=False)


def make_modules(folder: Path) -> None:
    """SavedModels that no converter should take: state, an unknown operator, a file written."""
    import tensorflow as tf

    row = [tf.TensorSpec((None, 4), tf.float32)]
    mark = str(folder / "executed")

    class Spectrum(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=row)  # type: ignore[untyped-decorator]
        def call(self, x: Any) -> Any:
            return tf.linalg.svd(tf.reshape(x, (2, 2)))[0]

    class Writer(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=row)  # type: ignore[untyped-decorator]
        def call(self, x: Any) -> Any:
            tf.io.write_file(mark, "executed")
            return x * 2.0

    class Counter(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.total = tf.Variable(tf.zeros((4,)))

        @tf.function(input_signature=row)  # type: ignore[untyped-decorator]
        def call(self, x: Any) -> Any:
            self.total.assign_add(x[0])
            return x + self.total

    for name, module in (("svd", Spectrum()), ("writer", Writer()), ("counter", Counter())):
        tf.saved_model.save(module, str(folder / name), signatures=module.call)


def make_samples(folder: Path) -> None:
    """Calibration data for the models above."""
    rng = np.random.default_rng(3)

    def floats(*shape: int) -> Any:
        return rng.random((20, *shape), dtype=np.float32)

    np.savez(folder / "row.npz", x=floats(4))
    np.savez(folder / "two.npz", alpha=floats(3), zeta=floats(4))
    np.savez(folder / "sequence.npz", x=floats(12, 3))
    np.savez(folder / "image.npz", x=floats(8, 8, 1))
    np.savez(folder / "labels.npz", x=floats(8, 8, 1), y=np.full(20, 5))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    make_samples(target)
    make_keras(target)
    make_modules(target)

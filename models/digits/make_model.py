"""Train the digits model and write the artefacts of this folder.

Run as ``python models/digits/make_model.py`` with scikit-learn and tensorflow installed. It writes
``model.keras``, ``calibration.npz`` and ``test.npz`` beside itself and prints the accuracies that
``model.toml`` quotes. Seeds are fixed and TensorFlow is told to be deterministic, so one machine
with one version makes the same files each time; another CPU may round the training differently.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20
TEST_SAMPLES = 360
CALIBRATION_SAMPLES = 200
EPOCHS = 60
PIXEL_MAX = 16.0
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
SAVED_DATE = "1980-01-01@00:00:00"

Samples = tuple[np.ndarray, np.ndarray]


def load_samples() -> tuple[Samples, Samples]:
    """The training and the held-out split: x float32 ``[n, 8, 8, 1]`` in 0..1, y int64 ``[n]``."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x = (digits.images / PIXEL_MAX).astype(np.float32)[..., np.newaxis]
    y = digits.target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=TEST_SAMPLES, random_state=SEED, stratify=y
    )
    return (x_train, y_train), (x_test, y_test)


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


def train(keras: Any, samples: Samples) -> Any:
    """Train on ``samples`` alone; the held-out split is never seen."""
    x, y = samples
    model = build_model(keras)
    steps = EPOCHS * -(-len(x) // 32)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=32, epochs=EPOCHS, shuffle=True, verbose=0)
    return model


def without_dates(archive: bytes) -> bytes:
    """The same ``.keras`` archive with its dates fixed, so that equal models are equal files."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for name in sorted(old.namelist()):
            data = old.read(name)
            if name == "metadata.json":
                data = json.dumps({**json.loads(data), "date_saved": SAVED_DATE}).encode()
            info = zipfile.ZipInfo(name, date_time=ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, data)
    return out.getvalue()


def save_model(keras: Any, model: Any, path: Path) -> None:
    """Write the weights and the layers, without the optimizer's state."""
    bare = keras.models.clone_model(model)
    bare.set_weights(model.get_weights())
    draft = path.with_name("draft.keras")
    bare.save(draft)
    path.write_bytes(without_dates(draft.read_bytes()))
    draft.unlink()


def accuracy(model: Any, samples: Samples) -> float:
    """The share of samples whose largest output is the label."""
    x, y = samples
    return float(np.mean(np.argmax(model.predict(x, verbose=0), axis=1) == y))


def save_samples(path: Path, samples: Samples) -> None:
    """Write ``x`` and ``y`` with numpy's compressed format, which holds no dates."""
    x, y = samples
    np.savez_compressed(path, x=x, y=y)


def main() -> None:
    """Train, write the artefacts, print the figures."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    here = Path(__file__).resolve().parent
    training, test = load_samples()
    model = train(keras, training)
    save_model(keras, model, here / "model.keras")
    x, y = training
    save_samples(here / "calibration.npz", (x[:CALIBRATION_SAMPLES], y[:CALIBRATION_SAMPLES]))
    save_samples(here / "test.npz", test)
    print(f"{model.count_params()} parameters")
    print(f"float accuracy: {accuracy(model, training):.4f} on {len(x)} training samples")
    print(f"float accuracy: {accuracy(model, test):.4f} on {len(test[1])} held-out samples")


if __name__ == "__main__":
    main()

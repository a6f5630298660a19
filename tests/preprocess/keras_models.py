"""Keras models that begin with preprocessing layers: ``python keras_models.py FOLDER``.

``found.json`` has the declaration that is found in each of them. It runs in a process of its own,
so that the tests' own process never imports TensorFlow.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgeserve.convert.calibration import InputSpec
from edgeserve.convert.keras_front import find_front
from edgeserve.strict_json import to_json

SHAPE = (40, 52, 3)


def starts(layers: Any) -> dict[str, list[Any]]:
    """Layers that stand at a model's start."""
    normal = layers.Normalization(mean=[10.0, 20.0, 30.0], variance=[4.0, 9.0, 16.0])
    return {
        "all": [
            layers.CenterCrop(36, 40),
            layers.Resizing(24, 30),
            layers.Rescaling(1 / 127.5, offset=-1.0),
        ],
        "normalization": [layers.Rescaling(0.5), normal],
        "nearest": [layers.Resizing(10, 20, interpolation="nearest"), layers.CenterCrop(8, 8)],
        "bicubic": [layers.Resizing(10, 20, interpolation="bicubic")],
        "aspect": [layers.Resizing(10, 20, crop_to_aspect_ratio=True)],
        "none": [layers.ReLU(), layers.Rescaling(0.5)],
    }


def main(folder: Path) -> None:
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(4)
    found: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for name, first in starts(layers).items():
        image = x = keras.Input(SHAPE, name="camera")
        for layer in first:
            x = layer(x)
        x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
        x = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))
        models[name] = keras.Model(image, x)
    image = keras.Input(SHAPE, name="camera")
    twice = layers.Rescaling(0.5)(image)
    both = layers.Concatenate()([twice, image])
    models["two readers"] = keras.Model(image, layers.Conv2D(2, 3)(both))
    models["sequential"] = keras.Sequential(
        [keras.Input(SHAPE), layers.Rescaling(1 / 255), layers.Conv2D(2, 3)]
    )
    for name, model in models.items():
        front = find_front(keras, model, (InputSpec("camera", (1, *SHAPE)),))
        found[name] = None if front is None else [front.layers, to_json(front.front)]
    (folder / "found.json").write_text(json.dumps(found))
    models["all"].save(folder / "all.keras")
    rng = np.random.default_rng(0)
    bright = rng.uniform(0.1, 1.0, (20, 1, 1, 3))
    coarse = (
        (rng.integers(0, 256, (20, 5, 7, 3)) * bright)
        .astype(int)
        .repeat(8, axis=1)
        .repeat(8, axis=2)
    )
    frames = np.clip(coarse[:, :40, :52] + rng.integers(-20, 20, (20, *SHAPE)), 0, 255)
    answers = np.asarray(models["all"](frames.astype(np.float32)))
    np.savez(folder / "pixels.npz", x=frames.astype(np.float32))
    np.savez(folder / "unit.npz", x=(frames / 255).astype(np.float32))
    np.savez(folder / "answers.npz", raw=frames.astype(np.uint8), y=answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

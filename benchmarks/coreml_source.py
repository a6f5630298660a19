"""Keras models for the table of Core ML packages: ``python -m benchmarks.coreml_source FOLDER``.

Four architectures as MLPerf Tiny has them, of our own making, with seeded weights; what they
compute is of no use, how exactly a package computes it is. Writes ``NAME.keras``, ``NAME.npz`` and
``NAME.tflite`` (float32) into FOLDER. It runs in a process of its own, as ``twin_source`` does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import twin_source

SEED = 0
SAMPLES = 8
NAMES = ("mobilenet_v1_025_96", "resnet8", "ds_cnn", "autoencoder")


def mobilenet(samples: NDArray[np.float32]) -> Any:
    """MobileNet, a quarter of the channels, of 96x96 images."""
    return twin_source.build("v1", 0.25, 96, samples)


def resnet8(samples: NDArray[np.float32]) -> Any:
    """ResNet of 8 layers, of 32x32 images."""
    import keras

    layers = keras.layers
    image = keras.Input((32, 32, 3), name="image")
    x = _convolved(image, 16, 3)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = _convolved(_convolved(x, filters, 3, stride), filters, 3, activation=None)
        if stride != 1:
            x = layers.Conv2D(filters, 1, stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return _normalised(keras.Model(image, layers.Dense(10, activation="softmax")(x)), samples)


def ds_cnn(samples: NDArray[np.float32]) -> Any:
    """Depthwise separable convolutions over 49 frames of 10 features of a keyword."""
    import keras

    layers = keras.layers
    features = keras.Input((49, 10, 1), name="features")
    x = _convolved(features, 64, (10, 4), 2)
    for _ in range(4):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = _convolved(x, 64, 1)
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(x))
    return _normalised(keras.Model(features, layers.Dense(12, activation="softmax")(x)), samples)


def autoencoder(samples: NDArray[np.float32]) -> Any:
    """640 numbers of a machine's sound through a neck of 8."""
    import keras

    layers = keras.layers
    x = sound = keras.Input((640,), name="sound")
    for width in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(width)(x)))
    return _normalised(keras.Model(sound, layers.Dense(640)(x)), samples)


def _convolved(
    x: Any, filters: int, kernel: Any, stride: int = 1, activation: str | None = "relu"
) -> Any:
    import keras

    layers = keras.layers
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return x if activation is None else layers.ReLU()(x)


def _normalised(model: Any, samples: NDArray[np.float32]) -> Any:
    """With moving statistics of the samples: seeded weights alone make a network that is dead."""
    import keras

    found = [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    kept = [layer.momentum for layer in found]
    for layer in found:
        layer.momentum = 0.0
    model(samples, training=True)
    for layer, momentum in zip(found, kept, strict=True):
        layer.momentum = momentum
    return model


def samples_of(name: str) -> NDArray[np.float32]:
    """Seeded inputs ``[8, ...]`` of the model ``name``."""
    random = np.random.default_rng(SEED)
    match name:
        case "mobilenet_v1_025_96":
            return twin_source.images(SAMPLES, 96)
        case "resnet8":
            return twin_source.images(SAMPLES, 32)
        case "ds_cnn":
            return random.standard_normal((SAMPLES, 49, 10, 1)).astype(np.float32)
        case _:
            return random.standard_normal((SAMPLES, 640)).astype(np.float32)


def main() -> None:
    """Writes all models, their samples and float models."""
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    folder = Path(sys.argv[1])
    makers = (mobilenet, resnet8, ds_cnn, autoencoder)
    for name, make in zip(NAMES, makers, strict=True):
        keras.utils.set_random_seed(SEED)
        samples = samples_of(name)
        model = make(samples)
        model.save(folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", x=samples)
        function = tf.function(lambda x, m=model: m(x, training=False), autograph=False)
        spec = tf.TensorSpec((1, *samples.shape[1:]), tf.float32, name=model.inputs[0].name)
        concrete = function.get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        (folder / f"{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()

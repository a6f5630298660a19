"""Keras models for the table of Core ML packages: ``python -m benchmarks.coreml_source FOLDER``.

Four architectures as MLPerf Tiny has them, of our own making, with seeded weights; what they
compute is of no use, how exactly a package computes it is. Writes ``NAME.keras``, ``NAME.npz`` and
``NAME.tflite`` (float32) into FOLDER. It runs in a process of its own, as ``models.twins.source``
does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.twins import source as twins

SEED = 0
SAMPLES = 8
KEEPING = "he_normal"
"""Weights behind which values keep their size, as in a trained network: statistics of a few images
would make a network that amplifies every rounding a hundredfold."""
NAMES = ("mobilenet_v1_025_96", "resnet8", "ds_cnn", "autoencoder")


def mobilenet() -> Any:
    """MobileNet, a quarter of the channels, of 96x96 images, for two classes."""
    import keras

    layers = keras.layers
    image = keras.Input((96, 96, 3), name="image")
    x = _convolved(image, 8, 3, 2)
    for filters, stride in (
        *((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)),
        *((128, 1),) * 5,
        *((256, 2), (256, 1)),
    ):
        x = _convolved(_depthwise(x, stride), filters, 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(2, activation="softmax")(x))


def resnet8() -> Any:
    """ResNet of 8 layers, of 32x32 images."""
    import keras

    layers = keras.layers
    image = keras.Input((32, 32, 3), name="image")
    x = _convolved(image, 16, 3)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = _convolved(_convolved(x, filters, 3, stride), filters, 3, activation=None)
        if stride != 1:
            x = _convolved(x, filters, 1, stride, activation=None)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def ds_cnn() -> Any:
    """Depthwise separable convolutions over 49 frames of 10 features of a keyword."""
    import keras

    layers = keras.layers
    features = keras.Input((49, 10, 1), name="features")
    x = _convolved(features, 64, (10, 4), 2)
    for _ in range(4):
        x = _convolved(_depthwise(x, 1), 64, 1)
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(x))
    return keras.Model(features, layers.Dense(12, activation="softmax")(x))


def autoencoder() -> Any:
    """640 numbers of a machine's sound through a neck of 8."""
    import keras

    layers = keras.layers
    x = sound = keras.Input((640,), name="sound")
    for width in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = layers.Dense(width, kernel_initializer=KEEPING)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(sound, layers.Dense(640)(x))


def _convolved(
    x: Any, filters: int, kernel: Any, stride: int = 1, activation: str | None = "relu"
) -> Any:
    import keras

    layers = keras.layers
    x = layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=KEEPING,
    )(x)
    x = layers.BatchNormalization()(x)
    return x if activation is None else layers.ReLU()(x)


def _depthwise(x: Any, stride: int) -> Any:
    import keras

    layers = keras.layers
    initial = keras.initializers.RandomNormal(stddev=(2 / 9) ** 0.5)
    x = layers.DepthwiseConv2D(
        3, stride, padding="same", use_bias=False, depthwise_initializer=initial
    )(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def _varied(model: Any) -> None:
    """Seeded statistics, near those that keep values of one size from layer to layer."""
    import keras

    random = np.random.default_rng(SEED)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    random.uniform(0.8, 1.2, gamma.shape),
                    random.normal(0.0, 0.1, beta.shape),
                    random.normal(0.0, 0.1, mean.shape),
                    random.uniform(0.8, 1.2, variance.shape),
                ]
            )


def samples_of(name: str) -> NDArray[np.float32]:
    """Seeded inputs ``[8, ...]`` of the model ``name``."""
    random = np.random.default_rng(SEED)
    match name:
        case "mobilenet_v1_025_96":
            return twins.images(SAMPLES, 96)
        case "resnet8":
            return twins.images(SAMPLES, 32)
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
        model = make()
        _varied(model)
        model.save(folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", x=samples)
        function = tf.function(lambda x, m=model: m(x, training=False), autograph=False)
        spec = tf.TensorSpec((1, *samples.shape[1:]), tf.float32, name=model.inputs[0].name)
        concrete = function.get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        (folder / f"{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()

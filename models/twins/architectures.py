"""The networks of MLPerf Tiny as layers of Keras, after its paper's descriptions.

Banbury et al., "MLPerf Tiny Benchmark" (2021), section 4. The tests hold their multiply-adds
against those of the benchmark's own files.
"""

from __future__ import annotations

from typing import Any

AD_WIDTH, AD_WIDE, AD_NARROW = 640, 128, 8
KWS_SHAPE, KWS_FILTERS, KWS_CLASSES = (49, 10, 1), 64, 12
RESNET_FILTERS, RESNET_CLASSES = (16, 32, 64), 10
VWW_CLASSES = 2
# Of MobileNetV1: what each separable block gives, and by how much it shrinks the image.
VWW_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)


def anomaly_autoencoder(keras: Any) -> Any:
    """640 numbers through 8 and back, fully connected."""
    layers = keras.layers
    inputs = x = keras.Input((AD_WIDTH,), name="log_mel")
    for width in (*(AD_WIDE,) * 4, AD_NARROW, *(AD_WIDE,) * 4):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(width)(x)))
    return keras.Model(inputs, layers.Dense(AD_WIDTH)(x))


def keyword_ds_cnn(keras: Any) -> Any:
    """A convolution, four separable ones, a mean, twelve classes."""
    layers = keras.layers
    inputs = keras.Input(KWS_SHAPE, name="mfcc")
    x = layers.Conv2D(KWS_FILTERS, (10, 4), strides=(2, 2), padding="same")(inputs)
    x = _normalised(layers, x)
    for _ in range(4):
        x = _separable(layers, x, KWS_FILTERS, 1)
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(x))
    return keras.Model(inputs, layers.Dense(KWS_CLASSES, activation="softmax")(x))


def resnet8(keras: Any) -> Any:
    """Three residual blocks of two convolutions, on images of 32 x 32."""
    layers = keras.layers
    inputs = keras.Input((32, 32, 3), name="image")
    x = _normalised(layers, layers.Conv2D(16, 3, padding="same")(inputs))
    for number, filters in enumerate(RESNET_FILTERS):
        stride = 1 if number == 0 else 2
        y = layers.Conv2D(filters, 3, strides=stride, padding="same")(x)
        y = layers.Conv2D(filters, 3, padding="same")(_normalised(layers, y))
        y = layers.BatchNormalization()(y)
        if stride == 2:
            x = layers.Conv2D(filters, 1, strides=2, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return keras.Model(inputs, layers.Dense(RESNET_CLASSES, activation="softmax")(x))


def person_mobilenet(keras: Any, alpha: float, size: int) -> Any:
    """MobileNetV1 of width ``alpha`` on images of ``size``, two classes."""
    layers = keras.layers
    inputs = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(int(32 * alpha), 3, strides=2, padding="same")(inputs)
    x = _normalised(layers, x)
    for filters, stride in VWW_BLOCKS:
        x = _separable(layers, x, int(filters * alpha), stride)
    x = layers.Flatten()(layers.AveragePooling2D(x.shape[1])(x))
    return keras.Model(inputs, layers.Dense(VWW_CLASSES, activation="softmax")(x))


def _normalised(layers: Any, x: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization()(x))


def _separable(layers: Any, x: Any, filters: int, stride: int) -> Any:
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same")(x)
    return _normalised(layers, layers.Conv2D(filters, 1)(_normalised(layers, x)))

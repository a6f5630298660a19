"""A small classifier of 8x8 colour images, as a float ``.tflite``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.preprocess.declaration import (
    Colour,
    Crop,
    ImageInput,
    Layout,
    PixelFormat,
    Resize,
)
from tests.tflite_builder import ModelBuilder

CLASSES = 5
SHAPE = (1, 8, 8, 3)


def classifier(*, gain: float = 1.0, ends_with_softmax: bool = True) -> bytes:
    """CONV_2D with RELU6, MEAN, FULLY_CONNECTED and, where asked for, SOFTMAX."""
    random = np.random.default_rng(7)
    b = ModelBuilder()

    def constant(name: str, data: Any, dtype: str = "float32") -> int:
        array = np.asarray(data, dtype)
        return b.tensor(name, array.shape, dtype, data=array)

    def add(
        kind: str, inputs: list[int], shape: tuple[int, ...], options: Mapping[str, Any]
    ) -> int:
        made = b.tensor(kind.lower(), shape, "float32")
        b.op(kind, inputs, [made], options)
        return made

    x = b.tensor("image", SHAPE, "float32")
    filters = constant("filters", gain * random.standard_normal((12, 3, 3, 3)) / 3)
    bias = constant("bias", 0.1 * random.standard_normal(12))
    conv_options = {"padding": "SAME", "strideH": 1, "strideW": 1}
    seen = add("CONV_2D", [x, filters, bias], (1, 8, 8, 12), conv_options)
    axes = constant("axes", [1, 2], "int32")
    mean = add("MEAN", [seen, axes], (1, 12), {"keepDims": False})
    dense = constant("dense", random.standard_normal((CLASSES, 12)))
    scores = add(
        "FULLY_CONNECTED", [mean, dense, constant("b", np.zeros(CLASSES))], (1, CLASSES), {}
    )
    out = add("SOFTMAX", [scores], (1, CLASSES), {"beta": 1.0}) if ends_with_softmax else scores
    return b.finish([x], [out])


def rows(count: int = 3) -> list[list[NDArray[np.float32]]]:
    """Samples of the model's input, -1..1."""
    random = np.random.default_rng(8)
    return [[random.uniform(-1, 1, SHAPE).astype(np.float32)] for _ in range(count)]


def picture(colour: Colour = Colour.BGR) -> ImageInput:
    """The declaration that makes -1..1 of pixels, by another mean and scale for each channel."""
    return ImageInput(
        format=PixelFormat.RGB888,
        height=8,
        width=8,
        crop=Crop(0, 0, 8, 8),
        colour=colour,
        resize=Resize.NONE,
        out_height=8,
        out_width=8,
        mean=(127.5, 100.0, 150.0),
        scale=(1 / 127.5, 1 / 160, 1 / 150),
        layout=Layout.NHWC,
    )

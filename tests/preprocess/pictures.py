"""Pictures of several sizes to be resized, for the tests and for the library that they ask."""

from __future__ import annotations

import numpy as np

from edgeserve.preprocess.declaration import (
    Colour,
    Crop,
    ImageInput,
    Layout,
    PixelFormat,
    Resize,
)

SIZES = [(37, 52, 24, 30), (24, 30, 37, 52), (96, 96, 96, 96), (50, 40, 1, 1), (1, 1, 5, 7)]
"""Height and width, before and after."""


def resize_key(method: Resize, size: tuple[int, ...]) -> str:
    return f"{method} {size}"


def picture(size: tuple[int, ...], method: Resize) -> tuple[ImageInput, np.ndarray]:
    height, width, out_height, out_width = size
    front = ImageInput(
        format=PixelFormat.RGB888,
        height=height,
        width=width,
        crop=Crop(0, 0, height, width),
        colour=Colour.RGB,
        resize=method,
        out_height=out_height,
        out_width=out_width,
        mean=(0.0,) * 3,
        scale=(1.0,) * 3,
        layout=Layout.NHWC,
    )
    raw = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return front, raw

"""A camera's frame to the levels of a model's input, in the integers of ``es_image.c``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeserve.preprocess.axis import axis_table, precision
from edgeserve.preprocess.declaration import Colour, ImageInput, Layout, PixelFormat
from edgeserve.preprocess.fixed import Ints, shifted

Bytes = NDArray[np.uint8]


def image_levels(front: ImageInput, frame: Bytes) -> Ints:
    """``[out_height, out_width, channels]`` in units of :func:`image_unit`.

    ``frame`` has ``front.raw_bytes`` bytes in any shape.
    """
    crop = front.crop
    pixels = coloured(front.colour, decoded(front, frame))
    pixels = pixels[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    across = axis_table(front.resize, crop.width, front.out_width)
    down = axis_table(front.resize, crop.height, front.out_height)
    bits = precision(front.resize)
    rows = shifted(across.gathered(pixels, 1), bits.weight_bits - bits.level_bits)
    return shifted(down.gathered(rows, 0), bits.weight_bits)


def image_unit(front: ImageInput) -> float:
    """What a level of 1 is, of a pixel's 255."""
    return 2.0 ** -precision(front.resize).level_bits


def laid_out(front: ImageInput, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """``[h, w, c]`` in the layout of the model's input."""
    return pixels if front.layout is Layout.NHWC else pixels.transpose(2, 0, 1)


def decoded(front: ImageInput, frame: Bytes) -> Ints:
    """``[height, width, 3]`` as red, green, blue; of a grey frame ``[height, width, 1]``."""
    raw = np.asarray(frame, np.uint8).reshape(front.height, front.width, -1).astype(np.int64)
    match front.format:
        case PixelFormat.RGB888 | PixelFormat.GRAY8:
            return raw
        case PixelFormat.BGR888:
            return raw[..., ::-1]
        case PixelFormat.RGB565_LE:
            return _of_565(raw[..., 0] | raw[..., 1] << 8)
        case PixelFormat.RGB565_BE:
            return _of_565(raw[..., 1] | raw[..., 0] << 8)
        case PixelFormat.YUYV:
            return _of_yuyv(raw)


def _of_565(words: Ints) -> Ints:
    """Five or six bits to eight by repeating the highest ones."""
    red, green, blue = words >> 11 & 31, words >> 5 & 63, words & 31
    return np.stack([red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2], axis=-1)


def _of_yuyv(raw: Ints) -> Ints:
    """JPEG's full-range BT.601 with 16 fractional bits; two pixels share a U and a V."""
    luma = raw[..., 0]
    u = np.repeat(raw[:, 0::2, 1], 2, axis=1) - 128
    v = np.repeat(raw[:, 1::2, 1], 2, axis=1) - 128
    red = luma + shifted(91881 * v, 16)
    green = luma - shifted(22554 * u + 46802 * v, 16)
    blue = luma + shifted(116130 * u, 16)
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255)


def coloured(colour: Colour, pixels: Ints) -> Ints:
    """Red, green and blue, or grey, as the channels of ``colour``."""
    is_gray = pixels.shape[-1] == 1
    match colour:
        case Colour.GRAY:
            return pixels if is_gray else _gray(pixels)
        case Colour.RGB:
            return np.repeat(pixels, 3, axis=-1) if is_gray else pixels
        case Colour.BGR:
            return np.repeat(pixels, 3, axis=-1) if is_gray else pixels[..., ::-1]


def _gray(pixels: Ints) -> Ints:
    """BT.601 luma with 16 fractional bits, as Pillow's mode L."""
    return shifted(pixels @ np.array([[19595], [38470], [7471]]), 16)

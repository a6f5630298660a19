"""Image and sound files as the raw data that a camera or a microphone would deliver."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import ConfigError
from edgeserve.preprocess.declaration import AudioInput, ImageInput, PixelFormat

SOUND_SUFFIXES = frozenset({".wav"})
_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


def upright(path: Path, mode: str) -> Any:
    """The Pillow image in a file, turned as its camera was held, in ``mode`` (L or RGB)."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            if image.mode not in _EIGHT_BIT_MODES:
                raise ConfigError(
                    f"image {path} has pixels of mode {image.mode}, not of 8 bits",
                    hint="save it with 8 bits a channel",
                )
            return ImageOps.exif_transpose(image).convert(mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ConfigError(
            f"image {path} cannot be read: {error}", hint="save it again, or remove it"
        ) from error


def frame_of(front: ImageInput, path: Path) -> NDArray[np.uint8]:
    """The image in a file as a frame of the declared format: a flat array of bytes.

    Raises ConfigError when it is no image or has another size than the camera's frames: a picture
    resized twice is not what the device sees.
    """
    image = upright(path, "L" if front.format is PixelFormat.GRAY8 else "RGB")
    if image.size != (front.width, front.height):
        raise ConfigError(
            f"image {path} is {image.width}x{image.height}, and the declared frames are "
            f"{front.width}x{front.height}",
            hint="take pictures with the camera itself, or cut these to its frame",
        )
    return encoded(front.format, np.asarray(image, np.uint8))


def encoded(kind: PixelFormat, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB (or grey) pixels as a camera of that format would send them."""
    match kind:
        case PixelFormat.RGB888 | PixelFormat.GRAY8:
            return pixels.reshape(-1)
        case PixelFormat.BGR888:
            return np.ascontiguousarray(pixels[..., ::-1]).reshape(-1)
        case PixelFormat.RGB565_LE | PixelFormat.RGB565_BE:
            red, green, blue = (pixels[..., i].astype(np.uint16) for i in range(3))
            words = (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3
            order = "<u2" if kind is PixelFormat.RGB565_LE else ">u2"
            return words.astype(order).view(np.uint8).reshape(-1)
        case PixelFormat.YUYV:
            return _yuyv(pixels.astype(np.float64))


def _yuyv(pixels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """JPEG's full-range BT.601; the colour of two pixels is their mean."""
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    u = 128 + (pixels[..., 2] - luma) / 1.772
    v = 128 + (pixels[..., 0] - luma) / 1.402
    shared = [(part[:, 0::2] + part[:, 1::2]) / 2 for part in (u, v)]
    frame = np.stack([luma[:, 0::2], shared[0], luma[:, 1::2], shared[1]], axis=-1)
    return np.asarray(np.clip(np.rint(frame), 0, 255), np.uint8).reshape(-1)


def clip_of(front: AudioInput, path: Path) -> NDArray[np.int16]:
    """The samples in a WAV file: 16 bits, one channel, the declared rate and length.

    Raises ConfigError for any other.
    """
    try:
        with wave.open(str(path)) as sound:
            found = (sound.getnchannels(), 8 * sound.getsampwidth(), sound.getframerate())
            data = sound.readframes(sound.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigError(
            f"sound {path} cannot be read: {error}", hint="save it again, or remove it"
        ) from error
    if found != (1, 16, front.rate_hz):
        channels, bits, rate = found
        raise ConfigError(
            f"sound {path} has {channels} channels of {bits} bits at {rate} Hz, and 1 channel of "
            f"16 bits at {front.rate_hz} Hz is declared",
            hint="convert it, or mend rate_hz",
        )
    samples = np.frombuffer(data, "<i2").astype(np.int16)
    if len(samples) != front.samples:
        raise ConfigError(
            f"sound {path} has {len(samples)} samples, and clips of {front.samples} are declared",
            hint="cut the sounds to one length, or mend samples",
        )
    return samples

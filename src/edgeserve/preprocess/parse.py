"""Declarations in TOML: ``[image]``, ``[audio]`` or ``[sensor]``, every key checked."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from edgeserve.preprocess.declaration import (
    AudioInput,
    Colour,
    Crop,
    Dct,
    ImageInput,
    Layout,
    Log,
    LogFloor,
    MelScale,
    PixelFormat,
    Preprocess,
    Resize,
    SensorInput,
    Spectrum,
    Window,
)
from edgeserve.strict_toml import TomlTable

MAX_EXTENT = 4096
MAX_SAMPLES = 1 << 20
MIN_FFT, MAX_FFT = 16, 4096
MAX_BANDS = 256
MIN_DCT_BANDS = 4
"""With fewer a number of the DCT would not fit 16 bits."""
_PARTS = ("image", "audio", "sensor")
_Choice = TypeVar("_Choice", bound=StrEnum)


def parse_preprocess(table: TomlTable) -> Preprocess | None:
    """Takes ``[image]``, ``[audio]`` or ``[sensor]`` out of a file's root; None when there is none.

    Raises ConfigError for two of them, an unknown or missing key, or a value out of range.
    """
    present = [name for name in _PARTS if name in table.names()]
    if len(present) > 1:
        raise table.error(present[1], f"cannot stand beside {present[0]}: a model has one input")
    if not present:
        return None
    part = table.table(present[0])
    match present[0]:
        case "image":
            result = Preprocess(image=_image(part))
        case "audio":
            result = Preprocess(audio=_audio(part))
        case _:
            result = Preprocess(sensor=_sensor(part))
    part.finish()
    return result


def _image(table: TomlTable) -> ImageInput:
    kind = table.choice("format", PixelFormat)
    height, width = _size(table)
    if kind is PixelFormat.YUYV and width % 2:
        raise table.error("width", "must be even: two pixels of yuyv share their colour")
    crop = _crop(table, height, width)
    colour = _choice(table, "colour", Colour, Colour.RGB)
    resize, out = _resize(table, crop)
    _require_int8(table)
    mean, scale = _affine(table, colour.channels, "channel")
    return ImageInput(
        format=kind,
        height=height,
        width=width,
        crop=crop,
        colour=colour,
        resize=resize,
        out_height=out[0],
        out_width=out[1],
        mean=mean,
        scale=scale,
        layout=_choice(table, "layout", Layout, Layout.NHWC),
    )


def _size(table: TomlTable) -> tuple[int, int]:
    return _within(table, "height", 1, MAX_EXTENT), _within(table, "width", 1, MAX_EXTENT)


def _crop(table: TomlTable, height: int, width: int) -> Crop:
    """A box, or with height and width alone the middle, as Keras' CenterCrop takes it."""
    part = table.optional_table("crop")
    if part is None:
        return Crop(0, 0, height, width)
    inner = _size(part)
    for name, cut, whole in zip(("height", "width"), inner, (height, width), strict=True):
        if cut > whole:
            raise part.error(name, f"is {cut}, and the frame has {whole}")
    free = (height - inner[0], width - inner[1])
    top, left = part.optional_number("top"), part.optional_number("left")
    if (top is None) != (left is None):
        raise part.error("left" if left is None else "top", "is missing: give both, or neither")
    at = (free[0] // 2, free[1] // 2) if top is None or left is None else (top, left)
    for name, start, most in zip(("top", "left"), at, free, strict=True):
        if start > most:
            raise part.error(name, f"is {start}: the crop reaches beyond the frame")
    part.finish()
    return Crop(*at, *inner)


def _resize(table: TomlTable, crop: Crop) -> tuple[Resize, tuple[int, int]]:
    part = table.optional_table("resize")
    if part is None:
        return Resize.NONE, (crop.height, crop.width)
    method = part.choice("method", Resize)
    if method is Resize.NONE:
        raise part.error("method", "is 'none': leave resize out")
    size = _size(part)
    part.finish()
    return method, size


def _require_int8(table: TomlTable) -> None:
    dtype = table.optional_text("dtype")
    if dtype not in (None, "int8"):
        raise table.error("dtype", f"is {dtype!r}, and models here take int8")


def _audio(table: TomlTable) -> AudioInput:
    rate = _within(table, "rate_hz", 1000, 192_000)
    fft = table.number("fft")
    if fft & (fft - 1) or not MIN_FFT <= fft <= MAX_FFT:
        raise table.error("fft", f"is {fft}, not a power of two from {MIN_FFT} to {MAX_FFT}")
    window = table.table("window")
    window_samples = _within(window, "samples", 1, fft)
    samples = _within(table, "samples", window_samples, MAX_SAMPLES)
    mel = table.table("mel")
    bands = _within(mel, "bands", 1, MAX_BANDS)
    low, high = mel.real("low_hz"), mel.real("high_hz")
    if not 0 <= low < high <= rate / 2:
        raise mel.error(
            "high_hz", f"is {high:g}: bands lie between 0 and half the rate, {rate / 2:g}"
        )
    log = table.table("log")
    floor = log.real("floor")
    if floor <= 0:
        raise log.error("floor", "must be above 0: it keeps silence from log(0)")
    dct, coefficients = _dct(table, bands)
    features = bands if dct is Dct.NONE else coefficients
    full_scale = table.optional_real("full_scale")
    if full_scale is not None and not 1e-6 <= full_scale <= 1e6:
        raise table.error("full_scale", "must be from 1e-6 to 1e6")
    _require_int8(table)
    mean, scale = _affine(table, features, "feature")
    front = AudioInput(
        rate_hz=rate,
        samples=samples,
        window=window.choice("kind", Window),
        window_samples=window_samples,
        hop=_within(window, "hop", 1, window_samples),
        fft=fft,
        spectrum=_choice(table, "spectrum", Spectrum, Spectrum.POWER),
        mel=mel.choice("scale", MelScale),
        bands=bands,
        low_hz=low,
        high_hz=high,
        log=log.choice("kind", Log),
        floor=floor,
        floor_by=_choice(log, "by", LogFloor, LogFloor.ADD),
        dct=dct,
        coefficients=coefficients,
        full_scale=1.0 if full_scale is None else full_scale,
        mean=mean,
        scale=scale,
    )
    for part in (window, mel, log):
        part.finish()
    return front


def _dct(table: TomlTable, bands: int) -> tuple[Dct, int]:
    part = table.optional_table("dct")
    if part is None:
        return Dct.NONE, 0
    kind = part.choice("kind", Dct)
    if kind is Dct.NONE:
        raise part.error("kind", "is 'none': leave dct out")
    if bands < MIN_DCT_BANDS:
        raise part.error("kind", f"takes {MIN_DCT_BANDS} bands or more, not {bands}")
    coefficients = _within(part, "coefficients", 1, bands)
    part.finish()
    return kind, coefficients


def _sensor(table: TomlTable) -> SensorInput:
    samples = _within(table, "samples", 1, MAX_SAMPLES)
    channels = _within(table, "channels", 1, 64)
    axes = table.numbers("axes") if "axes" in table.names() else tuple(range(channels))
    if not axes or len(axes) > 64 or max(axes) >= channels:
        raise table.error("axes", f"must name 1 to 64 of the channels 0 to {channels - 1}")
    hop = _within(table, "hop", 1, samples) if "hop" in table.names() else samples
    _require_int8(table)
    mean, scale = _affine(table, len(axes), "axis")
    return SensorInput(samples, hop, channels, axes, mean, scale)


def _affine(table: TomlTable, count: int, what: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """``mean``, and ``scale`` or its inverse ``deviation``: one number, or one a channel."""
    mean = _spread(table, "mean", count, what) if "mean" in table.names() else (0.0,) * count
    both = [name for name in ("scale", "deviation") if name in table.names()]
    if len(both) == 2:
        raise table.error("deviation", "is 1 / scale: give one of them")
    if not both:
        return mean, (1.0,) * count
    factors = _spread(table, both[0], count, what)
    if not all(factors):
        raise table.error(both[0], "must not be 0")
    return mean, factors if both[0] == "scale" else tuple(1.0 / f for f in factors)


def _spread(table: TomlTable, key: str, count: int, what: str) -> tuple[float, ...]:
    given = table.reals(key)
    if len(given) not in (1, count):
        raise table.error(key, f"has {len(given)} numbers: give 1, or {count} (one a {what})")
    return given * count if len(given) == 1 else given


def _within(table: TomlTable, key: str, low: int, high: int) -> int:
    value = table.number(key)
    if not low <= value <= high:
        raise table.error(key, f"is {value}, not from {low} to {high}")
    return value


def _choice(table: TomlTable, key: str, kind: type[_Choice], default: _Choice) -> _Choice:
    return table.choice(key, kind) if key in table.names() else default

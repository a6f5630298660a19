"""The nouns of preprocessing: what training did to its raw data, as a declaration.

They are stored in ``bundle.json``; every number in them is checked by ``parse.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class PixelFormat(StrEnum):
    """How a camera lays out a frame, rows top to bottom without padding."""

    RGB888 = "rgb888"
    BGR888 = "bgr888"
    GRAY8 = "gray8"
    RGB565_LE = "rgb565-le"
    RGB565_BE = "rgb565-be"
    YUYV = "yuyv"

    @property
    def bytes_a_pixel(self) -> int:
        match self:
            case PixelFormat.RGB888 | PixelFormat.BGR888:
                return 3
            case PixelFormat.GRAY8:
                return 1
            case _:
                return 2


class Colour(StrEnum):
    """The channels of the model's input, in order."""

    RGB = "rgb"
    BGR = "bgr"
    GRAY = "gray"

    @property
    def channels(self) -> int:
        return 1 if self is Colour.GRAY else 3


class Resize(StrEnum):
    """Named methods; docs/PREPROCESSING.md says whose each is."""

    NONE = "none"
    NEAREST = "nearest"
    BILINEAR = "bilinear"
    ALIGN_CORNERS = "bilinear-align-corners"
    ASYMMETRIC = "bilinear-asymmetric"
    ANTIALIAS = "bilinear-antialias"
    PILLOW = "pillow-bilinear"
    AREA = "area"


class Layout(StrEnum):
    """Whether channels are the last or the first axis of the model's input."""

    NHWC = "nhwc"
    NCHW = "nchw"


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of a frame that is kept, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class ImageInput:
    """frame -> colour -> crop -> resize -> ``(pixel - mean) * scale``, pixels being 0..255.

    ``mean`` and ``scale`` have one number a channel of the model's input.
    """

    format: PixelFormat
    height: int
    width: int
    crop: Crop
    colour: Colour
    resize: Resize
    out_height: int
    out_width: int
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    layout: Layout

    @property
    def raw_bytes(self) -> int:
        return self.height * self.width * self.format.bytes_a_pixel

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the model's input, without the batch."""
        area = (self.out_height, self.out_width)
        channels = self.colour.channels
        return (*area, channels) if self.layout is Layout.NHWC else (channels, *area)


class Window(StrEnum):
    """Periodic windows, as ``tf.signal`` and librosa have them."""

    NONE = "none"
    HANN = "hann"
    HAMMING = "hamming"


class Spectrum(StrEnum):
    """What of the complex spectrum the mel bands sum."""

    POWER = "power"
    MAGNITUDE = "magnitude"


class MelScale(StrEnum):
    """``htk``: ``tf.signal.linear_to_mel_weight_matrix``; ``slaney``: librosa's default."""

    HTK = "htk"
    SLANEY = "slaney"


class Log(StrEnum):
    """Of a mel band's energy."""

    LN = "ln"
    LOG10 = "log10"
    DB = "db"


class LogFloor(StrEnum):
    """What keeps the logarithm from zero: ``log(e + floor)`` or ``log(max(e, floor))``."""

    ADD = "add"
    MAX = "max"


class Dct(StrEnum):
    """``none``: log-mel features. ``tf``: ``tf.signal.mfccs_from_log_mel_spectrograms``. ``ortho``:
    the orthonormal DCT-II of scipy and librosa.
    """

    NONE = "none"
    TF = "tf"
    ORTHO = "ortho"


@dataclass(frozen=True, slots=True)
class AudioInput:
    """int16 clip -> windows -> FFT -> mel -> log -> DCT -> ``(feature - mean) * scale``.

    Windows begin every ``hop`` samples, the first at sample 0, and none reaches beyond the clip. A
    sample of 32768 would be ``full_scale``. ``mean`` and ``scale`` have one number a feature.
    """

    rate_hz: int
    samples: int
    window: Window
    window_samples: int
    hop: int
    fft: int
    spectrum: Spectrum
    mel: MelScale
    bands: int
    low_hz: float
    high_hz: float
    log: Log
    floor: float
    floor_by: LogFloor
    dct: Dct
    coefficients: int
    full_scale: float
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @property
    def frames(self) -> int:
        return 1 + (self.samples - self.window_samples) // self.hop

    @property
    def features(self) -> int:
        """In a frame."""
        return self.bands if self.dct is Dct.NONE else self.coefficients

    @property
    def raw_bytes(self) -> int:
        return 2 * self.samples

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.frames, self.features)


@dataclass(frozen=True, slots=True)
class SensorInput:
    """int16 samples of ``channels`` axes -> chosen axes -> ``(raw - mean) * scale``.

    A window has ``samples`` rows of ``channels`` numbers; the next begins ``hop`` rows later.
    ``mean`` and ``scale`` have one number a chosen axis.
    """

    samples: int
    hop: int
    channels: int
    axes: tuple[int, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @property
    def raw_bytes(self) -> int:
        return 2 * self.samples * self.channels

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.samples, len(self.axes))


Front: TypeAlias = ImageInput | AudioInput | SensorInput


@dataclass(frozen=True, slots=True)
class Preprocess:
    """A declaration: one of the three."""

    image: ImageInput | None = None
    audio: AudioInput | None = None
    sensor: SensorInput | None = None

    @property
    def front(self) -> Front:
        (front,) = (one for one in (self.image, self.audio, self.sensor) if one is not None)
        return front


def declared(front: Front) -> Preprocess:
    """A front in the form in which it is stored."""
    match front:
        case ImageInput():
            return Preprocess(image=front)
        case AudioInput():
            return Preprocess(audio=front)
        case SensorInput():
            return Preprocess(sensor=front)


def told(front: Front) -> str:
    """The declaration in one line, for people."""
    match front:
        case ImageInput():
            crop = front.crop
            cut = (crop.height, crop.width) != (front.height, front.width)
            return ", ".join(
                [
                    f"{front.format} frames of {front.width}x{front.height}",
                    *([f"crop {crop.width}x{crop.height}+{crop.left}+{crop.top}"] if cut else []),
                    f"{front.resize} to {front.out_width}x{front.out_height}",
                    f"{front.colour} {front.layout}",
                    _told_affine(front.mean, front.scale),
                ]
            )
        case AudioInput():
            kind = "log-mel" if front.dct is Dct.NONE else f"MFCC ({front.dct})"
            return (
                f"{front.samples} samples at {front.rate_hz} Hz, {front.window} windows of "
                f"{front.window_samples} every {front.hop}, FFT {front.fft} {front.spectrum}, "
                f"{front.bands} {front.mel} bands {front.low_hz:g}..{front.high_hz:g} Hz, "
                f"{front.log}, {kind} {front.frames}x{front.features}, "
                f"{_told_affine(front.mean, front.scale)}"
            )
        case SensorInput():
            return (
                f"windows of {front.samples} x {front.channels} axes every {front.hop}, "
                f"axes {', '.join(map(str, front.axes))}, {_told_affine(front.mean, front.scale)}"
            )


def _told_affine(mean: tuple[float, ...], scale: tuple[float, ...]) -> str:
    return f"minus {_told_numbers(mean)}, times {_told_numbers(scale)}"


def _told_numbers(numbers: tuple[float, ...]) -> str:
    distinct = dict.fromkeys(numbers)
    shown = numbers if len(distinct) > 1 else tuple(distinct)
    return "/".join(f"{number:.6g}" for number in shown)

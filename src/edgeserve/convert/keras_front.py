"""Keras' preprocessing layers at the start of a model, as a declaration.

They are cut off rather than kept and declared as identity: the device then computes them once, in
integers, on the camera's bytes, and the model's own input is what they gave, whose range suits its
first convolution; kept, they would be float layers that the quantizer spends steps on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeserve.convert.calibration import (
    CalibrationSet,
    InputSpec,
    as_frames,
    match_inputs,
    read_calibration,
)
from edgeserve.preprocess.declaration import (
    Colour,
    Crop,
    ImageInput,
    Layout,
    PixelFormat,
    Preprocess,
    Resize,
)

_METHODS = {
    ("nearest", False): Resize.NEAREST,
    ("nearest", True): Resize.NEAREST,
    ("bilinear", False): Resize.BILINEAR,
    ("bilinear", True): Resize.ANTIALIAS,
}


@dataclass(frozen=True, slots=True)
class Taken:
    """How raw data become a model's input. ``frames`` is the input that the model had before its
    own layers were cut off, None where they were not.
    """

    preprocess: Preprocess | None
    frames: InputSpec | None
    notes: tuple[str, ...]


NOTHING_TAKEN = Taken(None, None, ())


def calibrated(
    path: Path | None,
    inputs: tuple[InputSpec, ...],
    image_range: tuple[float, float],
    taken: Taken,
) -> CalibrationSet:
    """The samples in ``path`` for a model with these inputs, through the declaration if there is
    one. Raises what ``read_calibration`` and ``match_inputs`` do.
    """
    front = None if taken.preprocess is None else taken.preprocess.front
    if taken.frames is None or not isinstance(front, ImageInput):
        return match_inputs(read_calibration(path, front), inputs, image_range=image_range)
    whole = match_inputs(read_calibration(path), (taken.frames,), image_range=image_range)
    frames = as_frames(whole, front)
    assert frames is not None, "the layers were cut because the data are pixels"
    return match_inputs(frames, inputs)


@dataclass(frozen=True, slots=True)
class FoundFront:
    """``layers`` in words; ``tensor`` is what they give."""

    front: ImageInput
    layers: str
    tensor: Any


def find_front(keras: Any, model: Any, inputs: tuple[InputSpec, ...]) -> FoundFront | None:
    """The longest chain of preprocessing layers that a declaration can say; None without one."""
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[3] not in (1, 3):
        return None
    front, tensor = _as_it_is(inputs[0]), model.inputs[0]
    names: list[str] = []
    while (layer := _only_consumer(keras, model, tensor)) is not None:
        grown = _with_layer(keras, front, layer)
        if grown is None:
            break
        front, tensor = grown, layer.output
        names.append(type(layer).__name__)
    return FoundFront(front, ", ".join(names), tensor) if names else None


def _as_it_is(spec: InputSpec) -> ImageInput:
    _, height, width, channels = spec.shape
    is_gray = channels == 1
    return ImageInput(
        format=PixelFormat.GRAY8 if is_gray else PixelFormat.RGB888,
        height=height,
        width=width,
        crop=Crop(0, 0, height, width),
        colour=Colour.GRAY if is_gray else Colour.RGB,
        resize=Resize.NONE,
        out_height=height,
        out_width=width,
        mean=(0.0,) * channels,
        scale=(1.0,) * channels,
        layout=Layout.NHWC,
    )


def _only_consumer(keras: Any, model: Any, tensor: Any) -> Any:
    """The one layer that reads a tensor; None where several do, or one that is used again."""
    layers = [one for one in model.layers if not isinstance(one, keras.layers.InputLayer)]
    readers = [one for one in layers if any(_reads(node, tensor) for node in one._inbound_nodes)]
    if len(readers) != 1 or len(readers[0]._inbound_nodes) != 1:
        return None
    return readers[0]


def _reads(node: Any, tensor: Any) -> bool:
    return any(one is tensor for one in node.input_tensors)


def _with_layer(keras: Any, front: ImageInput, layer: Any) -> ImageInput | None:
    """The declaration with one layer more; None where it cannot say it."""
    layers = keras.layers
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    if isinstance(layer, layers.Rescaling):
        return _scaled(front, np.asarray(layer.scale), np.asarray(layer.offset))
    if isinstance(layer, layers.Normalization):
        if layer.invert:
            return None
        deviation = np.maximum(np.sqrt(np.asarray(layer.variance)), keras.backend.epsilon())
        return _scaled(front, 1.0 / deviation, -np.asarray(layer.mean) / deviation)
    if _is_scaled(front):
        return None
    if isinstance(layer, layers.CenterCrop):
        return _cropped(front, layer.height, layer.width)
    if isinstance(layer, layers.Resizing):
        return _resized(front, layer)
    return None


def _is_scaled(front: ImageInput) -> bool:
    return any(front.mean) or any(factor != 1.0 for factor in front.scale)


def _scaled(front: ImageInput, factor: Any, offset: Any) -> ImageInput | None:
    """``x * factor + offset`` after what the front does already."""
    channels = front.colour.channels
    if factor.size not in (1, channels) or offset.size not in (1, channels) or not factor.all():
        return None
    factors = np.broadcast_to(factor.reshape(-1).astype(float), channels)
    offsets = np.broadcast_to(offset.reshape(-1).astype(float), channels)
    shifts = zip(front.mean, front.scale, factors, offsets, strict=True)
    return replace(
        front,
        mean=tuple(float(mean - o / (scale * f)) for mean, scale, f, o in shifts),
        scale=tuple(float(s * f) for s, f in zip(front.scale, factors, strict=True)),
    )


def _cropped(front: ImageInput, height: int, width: int) -> ImageInput | None:
    """Keras' CenterCrop; it resizes what is smaller, which is left to it."""
    crop = front.crop
    if front.resize is not Resize.NONE or height > crop.height or width > crop.width:
        return None
    top, left = (crop.height - height) // 2, (crop.width - width) // 2
    inner = Crop(crop.top + top, crop.left + left, height, width)
    return replace(front, crop=inner, out_height=height, out_width=width)


def _resized(front: ImageInput, layer: Any) -> ImageInput | None:
    keeps_aspect = getattr(layer, "crop_to_aspect_ratio", False) or getattr(
        layer, "pad_to_aspect_ratio", False
    )
    method = _METHODS.get((layer.interpolation, bool(getattr(layer, "antialias", False))))
    if front.resize is not Resize.NONE or keeps_aspect or method is None:
        return None
    return replace(front, resize=method, out_height=layer.height, out_width=layer.width)

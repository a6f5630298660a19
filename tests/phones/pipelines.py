"""Small bundles with a camera, and pictures for it."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeserve.bundle import BundleFacts, contents_of_tflite
from edgeserve.bundle_store import write_bundle
from edgeserve.postprocess.declaration import Activation, Boxes, BoxForm, Classes, Postprocess
from edgeserve.preprocess.declaration import (
    Colour,
    Crop,
    ImageInput,
    Layout,
    PixelFormat,
    Resize,
    declared,
)
from tests.tflite_builder import ModelBuilder

CLASSES = Postprocess(Classes(Activation.SOFTMAX, top=3, threshold=0.1), None, ())
BOXES = Postprocess(
    None,
    Boxes(
        boxes=0,
        scores=1,
        form=BoxForm.CENTRE,
        activation=Activation.SIGMOID,
        background=True,
        threshold=0.3,
        overlap=0.5,
        per_class=True,
        most=5,
    ),
    (),
)
FRONT = ImageInput(
    format=PixelFormat.RGB888,
    height=48,
    width=64,
    crop=Crop(0, 8, 48, 48),
    colour=Colour.RGB,
    resize=Resize.BILINEAR,
    out_height=16,
    out_width=16,
    mean=(120.0, 127.5, 130.0),
    scale=(1 / 127.5,) * 3,
    layout=Layout.NHWC,
)


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle's facts and the model that goes with them."""

    facts: BundleFacts
    model: Path
    folder: Path


def model_of(shape: tuple[int, ...], back: Postprocess | None) -> bytes:
    """A model whose answers depend on all of an int8 input of this shape, without the batch."""
    builder, count = ModelBuilder(), int(np.prod(shape))
    x = builder.tensor("x", (1, *shape), "int8", scale=1 / 128, zero_point=-1)
    boxes = back is not None and back.boxes is not None
    sizes = {"boxes": (12, 4), "scores": (12, 3)} if boxes else {"classes": (5,)}
    outputs = []
    for number, (name, size) in enumerate(sizes.items()):
        units = int(np.prod(size))
        weights = np.random.default_rng(number).integers(-127, 128, (units, count), dtype=np.int8)
        w = builder.tensor(f"{name} w", (units, count), "int8", scale=0.002, data=weights)
        bias = np.zeros(units, np.int32)
        b = builder.tensor(f"{name} b", (units,), "int32", scale=0.002 / 128, data=bias)
        flat = builder.tensor(f"{name} flat", (1, units), "int8", scale=0.05, zero_point=3)
        builder.op("FULLY_CONNECTED", [x, w, b], [flat])
        if len(size) == 1:
            outputs.append(flat)
            continue
        want = np.array([1, *size], np.int32)
        new = builder.tensor(f"{name} shape", (len(want),), "int32", data=want)
        out = builder.tensor(name, (1, *size), "int8", scale=0.05, zero_point=3)
        builder.op("RESHAPE", [flat, new], [out], {"newShape": want.tolist()})
        outputs.append(out)
    return builder.finish([x], outputs)


def make_bundle(
    folder: Path, front: ImageInput = FRONT, back: Postprocess | None = CLASSES
) -> Made:
    """A bundle that declares a camera and what its answers mean."""
    contents = contents_of_tflite(folder.name, model_of(front.shape, back))
    facts = replace(contents.facts, preprocess=declared(front), postprocess=back)
    bundle = write_bundle(folder, replace(contents, facts=facts))
    return Made(bundle.facts, bundle.path / "model.tflite", bundle.path)


def jpeg(width: int = 64, height: int = 48, *, turned: int = 1) -> bytes:
    """A picture with soft edges, as a camera's."""
    from PIL import Image

    coarse = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height))
    exif = Image.Exif()
    exif[0x0112] = turned
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85, exif=exif)
    return out.getvalue()

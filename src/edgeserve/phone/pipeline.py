"""What is around a model on a phone: a picture, a bundle's declarations, and what must come out."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeserve.bundle import BundleFacts, TensorFacts
from edgeserve.errors import ConfigError, MissingTool, ProtocolError, WrongOutput
from edgeserve.graph import DType
from edgeserve.phone.harness import Harness, HarnessInfo
from edgeserve.phone.pipeline_file import pipeline_bytes
from edgeserve.postprocess.declaration import Postprocess
from edgeserve.postprocess.host import Scale, classify, detect
from edgeserve.postprocess.suit import Output, scale_of
from edgeserve.preprocess.declaration import ImageInput, PixelFormat
from edgeserve.preprocess.fixed import Affine
from edgeserve.preprocess.host import affines, quantized

_MODES = {PixelFormat.RGB888: "RGB", PixelFormat.BGR888: "RGB", PixelFormat.GRAY8: "L"}
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A picture of a name, and what is declared of a model.

    ``picture`` is a JPEG where ``is_jpeg``, else a frame as the camera delivers it. Each of
    ``outputs`` has its size, and the position that the harness has it at.
    """

    front: ImageInput
    last: tuple[Affine, ...]
    back: Postprocess | None
    outputs: tuple[Output, ...]
    sizes_bytes: tuple[int, ...]
    positions: tuple[int, ...]
    name: str
    picture: bytes
    is_jpeg: bool

    def file(self) -> bytes:
        """What the harness is told of it."""
        return pipeline_bytes(self.front, self.last, self.back, self.outputs, self.positions)

    def told(self, decoder: str | None) -> str:
        """The picture, and what decodes it, in one line."""
        digest = hashlib.sha256(self.picture).hexdigest()[:16]
        how = f"decoded by {decoder}" if decoder else "as a raw frame"
        return f"{self.name} (sha256 {digest}), {how}"

    def frame(self) -> bytes:
        """The picture as the camera delivers it, decoded here where it is a JPEG."""
        if not self.is_jpeg:
            return self.picture
        mode = _MODES[self.front.format]
        with _opened(self.picture, mode, "the picture") as image:
            pixels = np.asarray(image.convert(mode))
        is_bgr = self.front.format is PixelFormat.BGR888
        return (pixels[..., ::-1] if is_bgr else pixels).tobytes()

    def input_of(self, frame: bytes) -> bytes:
        """The model's input of a frame, by the host's preprocessing."""
        return quantized(self.front, np.frombuffer(frame, np.uint8), self.last).tobytes()

    def answers_of(self, output: bytes) -> bytes:
        """The answers in the bytes of all outputs, as the firmware's records."""
        if self.back is None:
            return b""
        if self.back.classes is not None:
            scores = self._output(output, 0)
            found = classify(self.back.classes, scale_of(self.outputs[0]), scores)
            return b"".join(struct.pack("<iI", one.index, one.probability) for one in found)
        boxes = self.back.boxes
        assert boxes is not None, "a declaration has one of the two"
        kept = detect(
            boxes,
            scale_of(self.outputs[boxes.boxes]),
            scale_of(self.outputs[boxes.scores]),
            self._output(output, boxes.boxes),
            self._output(output, boxes.scores),
        )
        return b"".join(
            struct.pack("<4i2I", b.top, b.left, b.bottom, b.right, b.index, b.probability)
            for b in kept
        )

    def _output(self, output: bytes, index: int) -> np.ndarray[Any, np.dtype[np.int8]]:
        place = self.positions[index]
        pairs = zip(self.positions, self.sizes_bytes, strict=True)
        at = sum(size for position, size in pairs if position < place)
        return np.frombuffer(output[at : at + self.sizes_bytes[index]], np.int8)


def pipeline_of(
    facts: BundleFacts, positions: tuple[int, ...], name: str, picture: bytes
) -> Pipeline:
    """The pipeline of a bundle and a picture called ``name``.

    Raises ConfigError for a bundle that declares no camera and for a picture that its camera could
    not have sent, MissingTool without Pillow.
    """
    front = None if facts.preprocess is None else facts.preprocess.image
    (given, *more) = facts.inputs
    if front is None or more or given.dtype is not DType.INT8 or given.scale is None:
        raise ConfigError(
            f"{facts.name} does not declare a camera, so no picture can become its input",
            hint="convert again with --preprocess FILE.toml, which holds [image]",
        )
    assert given.zero_point is not None, "it comes with the scale"
    is_jpeg = picture.startswith(b"\xff\xd8\xff")
    if is_jpeg:
        _require_jpeg(front, name, picture)
    elif len(picture) != front.raw_bytes:
        raise ConfigError(
            f"{name} is neither a JPEG nor a frame of {front.raw_bytes:,} bytes",
            hint=f"give a JPEG of {front.width}x{front.height}, or {front.format} as it is",
        )
    return Pipeline(
        front=front,
        last=affines(front, step=given.scale, zero_point=given.zero_point),
        back=facts.postprocess,
        outputs=tuple(map(_output_of, facts.outputs)),
        sizes_bytes=tuple(one.size_bytes for one in facts.outputs),
        positions=positions,
        name=name,
        picture=picture,
        is_jpeg=is_jpeg,
    )


def require_right(harness: Harness, info: HarnessInfo, pipeline: Pipeline) -> None:
    """Runs once, and holds every byte between the phases against the host's.

    Raises WrongOutput where the phone makes another input or other answers of the same pixels.
    """
    told = harness.passes(0, lambda end_ns, phases: None, most=1)
    frame = harness.frame(pipeline.front.raw_bytes)
    if zlib.crc32(frame) != told.frame_crc:
        raise ProtocolError(f"{harness.name}: the frame was damaged", hint="run again")
    wanted = pipeline.input_of(frame)
    if zlib.crc32(wanted) != told.input_crc:
        raise WrongOutput(
            f"{harness.name} makes another input of its own decoded pixels than the host",
            hint="the measurement does not count; report it with the bundle and the picture",
        )
    answers = pipeline.answers_of(harness.out(info.output_bytes))
    if zlib.crc32(answers) != told.answers_crc:
        raise WrongOutput(
            f"{harness.name} finds other answers in its own output than the host",
            hint="the measurement does not count; report it with the bundle and the picture",
        )
    harness.require_passes(told)


def _output_of(facts: TensorFacts) -> Output:
    scale = None
    if facts.dtype is DType.INT8 and facts.scale is not None and facts.zero_point is not None:
        scale = Scale(facts.scale, facts.zero_point)
    return Output(facts.name, facts.shape, scale)


def _require_jpeg(front: ImageInput, name: str, picture: bytes) -> None:
    if front.format not in _MODES:
        raise ConfigError(
            f"the camera sends {front.format}, which no decoder makes of {name}",
            hint=f"give a frame of {front.raw_bytes:,} bytes as the camera delivers it",
        )
    with _opened(picture, _MODES[front.format], name) as image:
        size, turned = image.size, image.getexif().get(_ORIENTATION, 1)
    if size != (front.width, front.height):
        raise ConfigError(
            f"{name} is {size[0]}x{size[1]}, and the camera sends {front.width}x{front.height}",
            hint="give a picture of the camera's size",
        )
    if turned != 1:
        raise ConfigError(
            f"{name} is to be turned (EXIF orientation {turned}), which decoders do differently",
            hint="turn its pixels, and take the orientation out",
        )


def _opened(picture: bytes, mode: str, name: str) -> Any:
    """A JPEG by Pillow; where grey is wanted its luma, as decoders give it."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingTool("pillow", install="pip install 'edgeserve[phone]'") from None
    try:
        image = Image.open(io.BytesIO(picture), formats=("JPEG",))
        image.draft(mode, image.size)
        image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{name} is no whole JPEG: {reason}", hint="give another") from None
    return image

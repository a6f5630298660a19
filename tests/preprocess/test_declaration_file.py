"""Declarations are read strictly: what they say, and one clear line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeserve.declaration_file import read_declaration
from edgeserve.errors import ConfigError
from edgeserve.postprocess.declaration import Activation, Boxes, BoxForm, Classes
from edgeserve.postprocess.host import Scale
from edgeserve.postprocess.suit import Output, require_outputs
from edgeserve.preprocess.declaration import (
    AudioInput,
    Colour,
    Crop,
    Dct,
    ImageInput,
    Layout,
    PixelFormat,
    Preprocess,
    Resize,
    SensorInput,
    told,
)
from edgeserve.preprocess.fixed import affine
from edgeserve.preprocess.suit import require_input
from edgeserve.strict_json import dump_json, load_json
from tests.preprocess.signals import CAMERA, MFCC, MOTION

IMAGE = """
[image]
format = "rgb565-be"
height = 48
width = 64
crop = { height = 40, width = 40 }
resize = { method = "area", height = 20, width = 10 }
colour = "bgr"
mean = [1, 2, 3.5]
deviation = 2.0
"""
AUDIO = """
[audio]
rate_hz = 16000
samples = 16000
window = { kind = "hann", samples = 480, hop = 320 }
fft = 512
mel = { scale = "htk", bands = 40, low_hz = 20, high_hz = 4000.0 }
log = { kind = "ln", floor = 1e-6 }
dct = { kind = "tf", coefficients = 10 }
"""
SENSOR = """
[sensor]
samples = 128
channels = 6
axes = [0, 2]
scale = 0.5
"""
CLASSES = """
[classes]
activation = "softmax"
top = 2
threshold = 0.5
"""
BOXES = """
[boxes]
boxes = 0
scores = 1
form = "x-y-width-height"
activation = "sigmoid"
background = true
threshold = 0.5
overlap = 0.4
most = 10
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "declaration.toml"
    path.write_text(text)
    return path


def preprocess(folder: Path, text: str) -> Preprocess:
    declared = read_declaration(written(folder, text), None).preprocess
    assert declared is not None
    return declared


def test_an_image(tmp_path: Path) -> None:
    assert preprocess(tmp_path, IMAGE).front == ImageInput(
        format=PixelFormat.RGB565_BE,
        height=48,
        width=64,
        crop=Crop(4, 12, 40, 40),
        colour=Colour.BGR,
        resize=Resize.AREA,
        out_height=20,
        out_width=10,
        mean=(1.0, 2.0, 3.5),
        scale=(0.5, 0.5, 0.5),
        layout=Layout.NHWC,
    )


def test_a_sound(tmp_path: Path) -> None:
    front = preprocess(tmp_path, AUDIO).front
    assert isinstance(front, AudioInput)
    assert (front.frames, front.features, front.dct) == (49, 10, Dct.TF)
    assert front.mean == (0.0,) * 10


def test_a_sensor(tmp_path: Path) -> None:
    want = SensorInput(128, 128, 6, (0, 2), (0.0, 0.0), (0.5, 0.5))
    assert preprocess(tmp_path, SENSOR).front == want


def test_outputs_and_labels(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("a cat\nein Hund\n\n")
    declared = read_declaration(written(tmp_path, SENSOR + CLASSES), labels).postprocess
    assert declared is not None
    assert declared.classes == Classes(Activation.SOFTMAX, 2, 0.5)
    assert declared.labels == ("a cat", "ein Hund")
    boxes = read_declaration(written(tmp_path, BOXES), None).postprocess
    assert boxes is not None
    assert boxes.boxes == Boxes(0, 1, BoxForm.CENTRE, Activation.SIGMOID, True, 0.5, 0.4, True, 10)


@pytest.mark.parametrize("front", [CAMERA, MFCC, MOTION], ids=lambda front: type(front).__name__)
def test_what_a_bundle_stores_is_read_back(front: ImageInput | AudioInput | SensorInput) -> None:
    match front:
        case ImageInput():
            stored = Preprocess(image=front)
        case AudioInput():
            stored = Preprocess(audio=front)
        case SensorInput():
            stored = Preprocess(sensor=front)
    text = dump_json(stored)
    assert load_json(Preprocess, text, where="a bundle") == stored
    assert "\n" not in told(front)


@pytest.mark.parametrize(
    ("text", "change", "what"),
    [
        (IMAGE, ("bgr", "cmyk"), "image.colour is 'cmyk', not one of rgb, bgr, gray"),
        (IMAGE, ("area", "lanczos"), "image.resize.method is 'lanczos', not one of"),
        (IMAGE, ("area", "none"), "image.resize.method is 'none': leave resize out"),
        (IMAGE, ("rgb565-be", "jpeg"), "image.format is 'jpeg'"),
        (IMAGE, ("height = 48", "height = 0"), "image.height is 0, not from 1 to 4096"),
        (IMAGE, ("height = 40, width = 40", "height = 40, width = 65"), "image.crop.width is 65"),
        (IMAGE, ("width = 40 }", "width = 40, top = 9, left = 0 }"), "reaches beyond the frame"),
        (IMAGE, ("width = 40 }", "width = 40, top = 1 }"), "image.crop.left is missing"),
        (
            IMAGE,
            ("[1, 2, 3.5]", "[1, 2]"),
            "image.mean has 2 numbers: give 1, or 3 (one a channel)",
        ),
        (IMAGE, ("[1, 2, 3.5]", '"none"'), "image.mean must be a number or a list of numbers"),
        (IMAGE, ("[1, 2, 3.5]", "nan"), "image.mean must be a number"),
        (IMAGE, ("deviation = 2.0", "deviation = 0"), "image.deviation must not be 0"),
        (IMAGE, ("deviation = 2.0", "deviation = 2.0\nscale = 1"), "is 1 / scale: give one"),
        (IMAGE, ("deviation = 2.0", 'dtype = "uint8"'), "image.dtype is 'uint8'"),
        (IMAGE, ("deviation = 2.0", "std = 2.0"), "image.std is not a known key"),
        (IMAGE, ('rgb565-be"\nheight = 48\nwidth = 64', 'yuyv"\nheight = 48\nwidth = 63'), "even"),
        (AUDIO, ("fft = 512", "fft = 500"), "audio.fft is 500, not a power of two"),
        (AUDIO, ("samples = 480", "samples = 513"), "audio.window.samples is 513"),
        (AUDIO, ("hop = 320", "hop = 481"), "audio.window.hop is 481, not from 1 to 480"),
        (AUDIO, ("4000.0", "8001.0"), "between 0 and half the rate, 8000"),
        (AUDIO, ("1e-6", "0"), "audio.log.floor must be above 0"),
        (AUDIO, ("coefficients = 10", "coefficients = 41"), "audio.dct.coefficients is 41"),
        (AUDIO, ("samples = 16000", "samples = 479"), "audio.samples is 479, not from 480"),
        (AUDIO, ("htk", "bark"), "audio.mel.scale is 'bark', not one of htk, slaney"),
        (SENSOR, ("[0, 2]", "[0, 6]"), "sensor.axes must name 1 to 64 of the channels 0 to 5"),
        (SENSOR, ("[0, 2]", "[]"), "sensor.axes must name"),
        (SENSOR, ("[0, 2]", "[-1]"), "sensor.axes must be a list of whole numbers"),
        (SENSOR, ("samples = 128", "samples = true"), "sensor.samples must be a whole number"),
        (SENSOR, ("[sensor]", IMAGE + "[sensor]"), "sensor cannot stand beside image"),
        (SENSOR, ("[sensor]", "colour = 1\n[sensor]"), "colour is not a known key"),
        (CLASSES, ("softmax", "argmax"), "classes.activation is 'argmax'"),
        (CLASSES, ("0.5", "1.5"), "classes.threshold is 1.5, not from 0 to 1"),
        (CLASSES, ("top = 2", "top = 0"), "classes.top is 0, not from 1 to 256"),
        (CLASSES, ("[classes]", BOXES + "[classes]"), "boxes cannot stand beside classes"),
        (BOXES, ("x-y-width-height", "polar"), "boxes.form is 'polar'"),
    ],
)
def test_each_mistake_is_one_line(
    text: str, change: tuple[str, str], what: str, tmp_path: Path
) -> None:
    assert change[0] in text
    with pytest.raises(ConfigError) as caught:
        read_declaration(written(tmp_path, text.replace(*change, 1)), None)
    assert what in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.hint


def test_an_empty_file_declares_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="declares nothing"):
        read_declaration(written(tmp_path, ""), None)


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (b"a\n\nb\n", "line 2 is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "is empty"),
        (b"a\nb\x07\n", "line 2 is empty or not printable"),
    ],
)
def test_bad_labels(labels: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(labels)
    with pytest.raises(ConfigError, match=what):
        read_declaration(written(tmp_path, CLASSES), path)


def test_labels_need_classes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to name"):
        read_declaration(written(tmp_path, SENSOR), tmp_path / "labels.txt")
    with pytest.raises(ConfigError, match="No such file"):
        read_declaration(written(tmp_path, CLASSES), tmp_path / "absent.txt")


INT8 = Scale(0.1, 0)


@pytest.mark.parametrize(
    ("text", "labels", "outputs", "what"),
    [
        (CLASSES, "a\nb\nc\n", [Output("y", (1, 2), INT8)], "3 labels, and the model has 2"),
        (CLASSES, None, [Output("y", (1, 1), INT8)], "classes.top is 2, and the model has 1"),
        (CLASSES, None, [Output("y", (1, 2), None)], "output 'y' is not int8"),
        (BOXES, None, [Output("y", (1, 5, 4), INT8)], "boxes.scores is output 1, which does not"),
        (
            BOXES,
            None,
            [Output("b", (1, 5, 4), INT8), Output("s", (1, 6, 3), INT8)],
            "have shapes (1, 5, 4) and (1, 6, 3)",
        ),
    ],
)
def test_outputs_that_do_not_suit(
    text: str, labels: str | None, outputs: list[Output], what: str, tmp_path: Path
) -> None:
    path = tmp_path / "labels.txt" if labels else None
    if path and labels:
        path.write_text(labels)
    declared = read_declaration(written(tmp_path, text), path).postprocess
    assert declared is not None
    with pytest.raises(ConfigError) as caught:
        require_outputs(declared, outputs)
    assert what in caught.value.what


def test_inputs_that_do_not_suit() -> None:
    require_input(CAMERA, [("x", (1, 24, 30, 3))])
    require_input(MFCC, [("x", (1, 24, 10, 1))])
    require_input(MFCC, [("x", (1, 240))])
    for shape in ((1, 30, 24, 3), (1, 24, 30, 1), (1, 2160)):
        with pytest.raises(ConfigError, match="the declaration gives"):
            require_input(CAMERA, [("x", shape)])
    with pytest.raises(ConfigError, match="2 inputs"):
        require_input(MOTION, [("x", (1, 3)), ("y", (1, 3))])


def test_values_far_outside_of_the_input_are_refused() -> None:
    with pytest.raises(ConfigError, match="far outside"):
        affine(1e9, 1.0, unit=1.0, step=0.1, zero_point=0)
    with pytest.raises(ConfigError, match="far outside"):
        affine(0.0, 1e12, unit=1.0, step=0.1, zero_point=0)

"""The Keras half of a twin: ``python -m models.twins.source TWIN.json FOLDER``.

Writes ``model.keras`` and ``calibration.npz`` into FOLDER. It runs in a process of its own, because
TensorFlow is slow to import, keeps its memory and prints what it likes.

Random weights alone make a dead network: with the statistics that BatchNormalization begins with
(mean 0, variance 1) each layer shrinks its input some sixteenfold, the last ones answer 1e-16 and
the softmax says 0.001 for every class and image. So the moving statistics are set to those of the
first calibration images, and the classifier's weights, which give a thousand classes nearly the
same logit, are multiplied by 8, which no INT8 weight can see.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import ToolFailed
from edgeserve.strict_json import dump_json, load_json
from models.training import without_dates
from models.twins import architectures
from models.twins.catalogue import Family, Twin

MODEL_FILE, CALIBRATION_FILE = "model.keras", "calibration.npz"
SEED = 0
CLASSES = 1000
NORMALISED_BY = 16
"""The moving statistics are those of so many images."""
CLASSIFIER_GAIN = 8.0
TIMEOUT_S = 900.0
_OCTAVES = (2, 4, 8, 16, 32, 64)
_FALL_OFF = 0.7
_ROOT = Path(__file__).resolve().parents[2]
_WINDOWS, _BANDS = 5, 128


def make_source(wanted: Twin, folder: Path) -> None:
    """Makes the source files in ``folder``, in a process of its own. Raises ToolFailed."""
    job = folder / "twin.json"
    job.write_text(dump_json(wanted))
    done = subprocess.run(
        [sys.executable, "-m", "models.twins.source", str(job), str(folder)],
        cwd=_ROOT,
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "-1",
            "KERAS_BACKEND": "tensorflow",
            "KERAS_HOME": str(folder / "keras"),
            "TF_ENABLE_ONEDNN_OPTS": "0",
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        tail = tuple(done.stderr.splitlines()[-20:])
        raise ToolFailed("keras", status=f"exit status {done.returncode}", tail=tail)


def images(count: int, size: int) -> NDArray[np.float32]:
    """Seeded images ``[count, size, size, 3]`` in -1..1, the preprocessing of the MobileNets.

    Each is a sum of coloured tiles of 2 to 64 a side, the finer the fainter, as in photographs:
    white noise averages out in the first layers and leaves deep ones alike for every image. The
    result is stretched to 0..255 and rounded to whole numbers.
    """
    return _fields(count, size, size, 3) / np.float32(127.5) - np.float32(1)


def samples(wanted: Twin) -> NDArray[np.float32]:
    """The calibration samples of a twin, the batch in front: images, or fields of its shape."""
    match wanted.family:
        case Family.TINY_AD:
            return (_fields(wanted.images, _WINDOWS, _BANDS, 1) / np.float32(32)).reshape(
                wanted.images, architectures.AD_WIDTH
            )
        case Family.TINY_KWS:
            return _fields(wanted.images, *architectures.KWS_SHAPE) / np.float32(
                127.5
            ) - np.float32(1)
        case _:
            return images(wanted.images, wanted.size)


def _fields(count: int, height: int, width: int, channels: int) -> NDArray[np.float32]:
    """Whole numbers 0..255, ``[count, height, width, channels]``."""
    random = np.random.default_rng(SEED)
    stack = np.empty((count, height, width, channels), np.float32)
    for image in stack:
        field = np.zeros((height, width, channels))
        for octave, tiles in enumerate(_OCTAVES):
            down, across = (np.arange(size) * tiles // size for size in (height, width))
            noise = random.standard_normal((tiles, tiles, channels))
            field += noise[down][:, across] * _FALL_OFF**octave
        field -= field.min()
        image[:] = np.floor(field * (255.999 / field.max()))
    return stack


def build(wanted: Twin, x: NDArray[np.float32]) -> Any:
    """The seeded Keras model, its moving statistics those of the samples ``x``."""
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(SEED)
    model = _layers(keras, wanted)
    normalisations = [
        layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    kept = [layer.momentum for layer in normalisations]
    for layer in normalisations:
        layer.momentum = 0.0
    model(x, training=True)
    for layer, momentum in zip(normalisations, kept, strict=True):
        layer.momentum = momentum
    if model.output_shape[-1] == CLASSES:
        classifier = next(layer for layer in reversed(model.layers) if layer.get_weights())
        kernel, *bias = classifier.get_weights()
        classifier.set_weights([kernel * np.float32(CLASSIFIER_GAIN), *bias])
    return model


def _layers(keras: Any, wanted: Twin) -> Any:
    image = (wanted.size, wanted.size, 3)
    match wanted.family:
        case Family.MOBILENET_V1:
            make = keras.applications.MobileNet
            return make(input_shape=image, alpha=wanted.alpha, weights=None, classes=CLASSES)
        case Family.MOBILENET_V2:
            make = keras.applications.MobileNetV2
            return make(input_shape=image, alpha=wanted.alpha, weights=None, classes=CLASSES)
        case Family.RESNET50:
            return keras.applications.ResNet50(input_shape=image, weights=None, classes=CLASSES)
        case Family.TINY_AD:
            return architectures.anomaly_autoencoder(keras)
        case Family.TINY_KWS:
            return architectures.keyword_ds_cnn(keras)
        case Family.TINY_RESNET:
            return architectures.resnet8(keras)
        case Family.TINY_VWW:
            return architectures.person_mobilenet(keras, wanted.alpha, wanted.size)


def main() -> None:
    """Writes the model and its calibration samples."""
    job, folder = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = load_json(Twin, job.read_text(), where=str(job))
    x = samples(wanted)
    model = build(wanted, x[:NORMALISED_BY])
    draft = folder / "draft.keras"
    model.save(draft)
    (folder / MODEL_FILE).write_bytes(without_dates(draft.read_bytes()))
    draft.unlink()
    np.savez(folder / CALIBRATION_FILE, x=x)


if __name__ == "__main__":
    main()

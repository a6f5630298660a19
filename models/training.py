"""What the recipes share: a deterministic Keras, models and samples as files that hold no dates."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGES = ("tensorflow-cpu", "keras", "numpy")
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_SAVED_DATE = "1980-01-01@00:00:00"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Samples:
    """``x`` float ``[n, *shape]`` as the model takes it, ``y`` int64 ``[n]``."""

    x: NDArray[Any]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[np.int64]) -> Samples:
        return Samples(self.x[rows], self.y[rows])


@dataclass(frozen=True, slots=True)
class Made:
    """What a recipe says of the artefacts that it wrote: ``model.toml`` records it.

    ``packages`` are, as ``name version``, what the bytes depend on.
    """

    parameters: int
    packages: tuple[str, ...]


def frameworks(seed: int) -> Any:
    """Keras, seeded and told to be deterministic: one machine makes the same files each time."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    return keras


def fit(
    keras: Any, model: Any, samples: Samples, loss: str, *, epochs: int, batch: int, rate: float
) -> None:
    """Trains by Adam, the rate falling along half a cosine to 0; an autoencoder is its own target.

    ``loss`` is one that Keras knows by name; ``mse`` means that the model shall give back ``x``.
    """
    steps = epochs * -(-len(samples) // batch)
    falling = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(keras.optimizers.Adam(falling), loss)
    target = samples.x if loss == "mse" else samples.y
    model.fit(samples.x, target, batch_size=batch, epochs=epochs, shuffle=True, verbose=0)


def packages(*more: str) -> tuple[str, ...]:
    """The installed packages of every recipe, and ``more`` of them, as ``name version``."""
    return tuple(f"{name} {version(name)}" for name in (*PACKAGES, *more))


def save_model(keras: Any, model: Any, path: Path) -> None:
    """Writes the weights and the layers, without the optimizer's state."""
    bare = keras.models.clone_model(model)
    bare.set_weights(model.get_weights())
    draft = path.with_name("draft.keras")
    bare.save(draft)
    path.write_bytes(without_dates(draft.read_bytes()))
    draft.unlink()


def without_dates(archive: bytes) -> bytes:
    """The same ``.keras`` archive with its dates fixed, so that equal models are equal files."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for name in sorted(old.namelist()):
            data = old.read(name)
            if name == "metadata.json":
                data = json.dumps({**json.loads(data), "date_saved": _SAVED_DATE}).encode()
            info = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, data)
    return out.getvalue()


def save_samples(path: Path, samples: Samples) -> None:
    """Writes ``x`` and ``y`` with numpy's compressed format, which holds no dates."""
    np.savez_compressed(path, x=samples.x, y=samples.y)


def load_samples(path: Path) -> Samples:
    """What ``save_samples`` wrote, ``x`` as float32."""
    with np.load(path) as data:
        return Samples(data["x"].astype(np.float32), data["y"])

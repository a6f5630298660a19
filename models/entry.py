"""A model of the zoo: what its ``model.toml`` says, every key checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from edgeserve.declaration_file import NOTHING_DECLARED, Declaration, read_declaration
from edgeserve.errors import ConfigError
from edgeserve.strict_toml import TomlTable, read_toml

ROOT = Path(__file__).resolve().parent
FACTS_FILE = "model.toml"
MODEL_FILE = "model.keras"
CALIBRATION_FILE = "calibration.npz"
WIDE_CALIBRATION_FILE = "calibration_int16x8.npz"
"""More samples for int16 activations, where a folder has them: what goes beyond a calibrated range
is cut off, and there is no coarseness beside which that would not count."""
TEST_FILE = "test.npz"
PREPROCESS_FILE = "preprocess.toml"
LABELS_FILE = "labels.txt"
_HINT = "models/README.md lists what model.toml holds"


class Task(StrEnum):
    """What the outputs are. An anomaly's score is the mean square of input minus output."""

    CLASSIFICATION = "classification"
    ANOMALY = "anomaly"


class Metric(StrEnum):
    """Of held-out samples: the share of right classes, or the area under the ROC curve."""

    ACCURACY = "accuracy"
    AUC = "AUC"


METRICS = {Task.CLASSIFICATION: Metric.ACCURACY, Task.ANOMALY: Metric.AUC}


@dataclass(frozen=True, slots=True)
class Taken:
    """The model's float32 input: ``shape`` with the batch of 1, ``meaning`` of a number in it."""

    name: str
    shape: tuple[int, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class Data:
    """Where the samples are from, by whose leave, and how those of the test were kept apart."""

    title: str
    creators: tuple[str, ...]
    origin: str
    url: str | None
    licence: str
    split: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the recipe made when it last ran: written by ``python -m models.make --retrain``.

    ``float_held_out`` is the metric of the float model over ``test.npz``. ``packages`` are, as
    ``name version``, what the bytes depend on.
    """

    packages: tuple[str, ...]
    parameters: int
    float_held_out: float
    sha256: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One folder of ``models/``; ``files`` has a line on each of its artefacts."""

    id: str
    title: str
    task: Task
    labels: tuple[str, ...]
    needs: tuple[str, ...]
    taken: Taken
    data: Data
    files: Mapping[str, str]
    made: Recorded
    folder: Path

    @property
    def metric(self) -> Metric:
        return METRICS[self.task]

    @property
    def model(self) -> Path:
        return self.folder / MODEL_FILE

    @property
    def calibration(self) -> Path:
        return self.folder / CALIBRATION_FILE

    @property
    def test(self) -> Path:
        return self.folder / TEST_FILE

    def declaration(self) -> Declaration:
        """What happens before and after the model; nothing where the folder says nothing."""
        path, labels = self.folder / PREPROCESS_FILE, self.folder / LABELS_FILE
        if not path.is_file():
            return NOTHING_DECLARED
        return read_declaration(path, labels if labels.is_file() else None)


def names() -> tuple[str, ...]:
    """The models that there are."""
    return tuple(sorted(path.parent.name for path in ROOT.glob(f"*/{FACTS_FILE}")))


def read_entry(name: str) -> Entry:
    """The model of that name. Raises ConfigError, also for an unknown one."""
    folder = ROOT / name
    if name not in names():
        raise ConfigError(f"the zoo has no model {name!r}", hint=f"it has {', '.join(names())}")
    return parse_entry(folder)


def parse_entry(folder: Path) -> Entry:
    """What the ``model.toml`` of a folder says. Raises ConfigError."""
    root = read_toml(folder / FACTS_FILE, hint=_HINT)
    taken, data, files, made = (root.table(k) for k in ("input", "data", "files", "made"))
    entry = Entry(
        id=root.text("id"),
        title=root.text("title"),
        task=root.choice("task", Task),
        labels=root.texts("labels"),
        needs=root.texts("needs"),
        taken=Taken(taken.text("name"), taken.numbers("shape"), taken.text("meaning")),
        data=_data(data),
        files=_texts(files),
        made=_recorded(made),
        folder=folder,
    )
    if entry.id != folder.name:
        raise root.error("id", f"is {entry.id!r}, and the folder is {folder.name!r}")
    if entry.files.keys() != entry.made.sha256.keys():
        raise root.error("files", "and made.sha256 must list the same files")
    for table in (root, taken, data, made):
        table.finish()
    return entry


def _data(table: TomlTable) -> Data:
    return Data(
        title=table.text("title"),
        creators=table.texts("creators"),
        origin=table.text("origin"),
        url=table.optional_text("url"),
        licence=table.text("licence"),
        split=table.text("split"),
    )


def _recorded(table: TomlTable) -> Recorded:
    digests = table.table("sha256")
    return Recorded(
        packages=table.texts("packages"),
        parameters=table.number("parameters"),
        float_held_out=table.real("float_held_out"),
        sha256=_texts(digests),
    )


def _texts(table: TomlTable) -> Mapping[str, str]:
    return MappingProxyType({name: table.text(name) for name in table.names()})


def digests(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """The SHA-256 of each of the files in ``folder``. Raises OSError."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}

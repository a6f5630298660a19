"""The architecture twins as ``.tflite``: public layers, seeded weights, converted by ``edgeserve``.

``python -m benchmarks.twins [--update] [NAME...]`` builds what the cache lacks and prints where it
is. The licence of nobody's weights is in the way, and everybody can make the same files: the recipe
(``models/twins``) is seeded, the packages are pinned, and ``twins.toml`` records what came out.
Another version, or another CPU's order of summing floats, may give other weights and scales, which
is said; shapes, and so every arena, are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from edgeserve.cache import cache_root
from edgeserve.convert import tensorflow_worker
from edgeserve.convert.conversion import convert_source
from edgeserve.strict_json import dump_json, load_json
from models.twins import architectures, catalogue, source
from models.twins.catalogue import TWINS, Twin
from models.twins.source import CALIBRATION_FILE, MODEL_FILE, make_source

HERE = Path(__file__).resolve().parent
RECORD = HERE / "twins.toml"
PACKAGES = ("tensorflow-cpu", "keras", "numpy")


@dataclass(frozen=True, slots=True)
class Built:
    """The record beside a cached twin; ``recorded_sha256`` is None where there is none."""

    sha256: str
    recorded_sha256: str | None
    packages: tuple[str, ...]
    seconds: float

    @property
    def as_recorded(self) -> bool:
        return self.sha256 == self.recorded_sha256


Say = Callable[[str], None]


def say(line: str) -> None:
    """A line on standard error."""
    print(line, file=sys.stderr, flush=True)


def twin(name: str, *, say: Say = say) -> Path:
    """The ``.tflite`` of the twin ``name``, built now if the cache lacks it.

    One is built at a time, whoever asks. A difference from the recorded SHA-256 is said each time.
    Raises KeyError for an unknown name, and the errors of ``build_twin``.
    """
    wanted = TWINS[name]
    path = _folder() / f"{name}.tflite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent.parent / "build.lock"):
        if not path.exists():
            say(f"{name}: building, which takes minutes")
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{name}.") as folder:
                draft, built = build_twin(wanted, Path(folder))
                _record_path(path).write_text(dump_json(built))
                draft.replace(path)
        built = built_record(path)
    if not built.as_recorded:
        say(
            f"{name}: SHA-256 {built.sha256[:16]} is not the recorded "
            f"{(built.recorded_sha256 or 'none')[:16]} (here: {', '.join(built.packages)}): "
            "shapes are the same, weights and scales are not"
        )
    return path


def built_record(path: Path) -> Built:
    """What is known about the cached twin at ``path``, held against today's ``twins.toml``."""
    where = _record_path(path)
    built = load_json(Built, where.read_text(), where=str(where))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Built(sha256, recorded().get(path.stem), built.packages, built.seconds)


def build_twin(wanted: Twin, folder: Path) -> tuple[Path, Built]:
    """Make and convert one twin inside ``folder``; its ``.tflite`` there, and the record.

    Raises ToolFailed when Keras does, and the errors of ``convert_source``.
    """
    started = time.monotonic()
    make_source(wanted, folder)
    work = folder / "work"
    work.mkdir()
    converted = convert_source(
        folder / MODEL_FILE,
        calibration=folder / CALIBRATION_FILE,
        trust_source=False,
        work_dir=work,
        progress=lambda share, message: None,
        name=wanted.name,
    )
    path = folder / f"{wanted.name}.tflite"
    path.write_bytes(converted.model_tflite)
    return path, Built(
        sha256=hashlib.sha256(converted.model_tflite).hexdigest(),
        recorded_sha256=recorded().get(wanted.name),
        packages=packages(),
        seconds=round(time.monotonic() - started, 1),
    )


def packages() -> tuple[str, ...]:
    """The installed packages on which the bytes depend, as ``name version``."""
    return tuple(f"{name} {version(name)}" for name in PACKAGES)


def recorded() -> dict[str, str]:
    """The recorded SHA-256 of each twin."""
    document = tomllib.loads(RECORD.read_text()) if RECORD.exists() else {}
    return {str(name): str(digest) for name, digest in document.get("sha256", {}).items()}


def _folder() -> Path:
    """Where twins of this recipe, this converter and these packages are kept."""
    digest = hashlib.sha256("\n".join(packages()).encode())
    for module in (architectures, catalogue, source, tensorflow_worker):
        digest.update(inspect.getsource(module).encode())
    return cache_root() / "twins" / digest.hexdigest()[:16]


def _record_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _update(digests: dict[str, str]) -> None:
    lines = [
        "# SHA-256 of the twins, written by `python -m benchmarks.twins --update`.",
        f"packages = {json.dumps(packages())}",
        "",
        "[sha256]",
        *(f'{name} = "{digest}"' for name, digest in sorted(digests.items())),
    ]
    draft = RECORD.with_suffix(".toml.new")
    draft.write_text("\n".join(lines) + "\n")
    draft.replace(RECORD)


def main() -> None:
    """Builds the twins named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TWINS))
    parser.add_argument("--update", action="store_true", help=f"write {RECORD.name}")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(TWINS))
    if unknown:
        parser.error(f"no twin is called {', '.join(unknown)}; there are {', '.join(TWINS)}")
    digests = recorded()
    for name in arguments.names or TWINS:
        path = twin(name, say=(lambda line: None) if arguments.update else say)
        built = built_record(path)
        digests[name] = built.sha256
        print(f"{path}  {path.stat().st_size:,} bytes, built in {built.seconds:,.0f} s")
    if arguments.update:
        _update(digests)


if __name__ == "__main__":
    main()

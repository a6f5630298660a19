"""Makes what is not in git: ``python -m models.make [NAME...] [--retrain]``.

A name is a model with a folder here, or an architecture twin. Of a twin it builds the Keras model
and its calibration samples into the cache; of a trained model the whole held-out set, of which
``test.npz`` is a part. Without names it does so for all. ``--retrain`` trains the named models
anew, writes their artefacts into their folders, and records in ``model.toml`` what came out.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import inspect
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from edgeserve.cache import cache_root
from edgeserve.convert.precision import Precision
from edgeserve.errors import EdgeserveError
from edgeserve.folder_swap import replacing
from models.entry import FACTS_FILE, TEST_FILE, Entry, Recorded, digests, names, read_entry
from models.evidence import convert, figure, outputs
from models.training import load_samples, packages, save_samples
from models.twins import architectures, catalogue, source
from models.twins.catalogue import TWINS, Twin

MARK = "# Written by `python -m models.make NAME --retrain`."


def recipe(name: str) -> Any:
    """The module ``models/NAME/make_model.py``."""
    return importlib.import_module(f"models.{name}.make_model")


def twin_source(wanted: Twin) -> Path:
    """The folder of a twin's ``model.keras`` and ``calibration.npz``, made now if it is not there.

    Raises ToolFailed when Keras fails.
    """
    key = hashlib.sha256("\n".join(packages()).encode())
    for module in (architectures, catalogue, source):
        key.update(inspect.getsource(module).encode())
    folder = cache_root() / "zoo" / key.hexdigest()[:16] / wanted.name
    with _one_at_a_time():
        if not folder.is_dir():
            say(f"{wanted.name}: building")
            with replacing(folder) as draft:
                source.make_source(wanted, draft)
    return folder


def whole_held_out(entry: Entry) -> Path:
    """The file of all held-out samples, made now if it is not there.

    Raises MissingTool for a model whose sounds need a program that is not installed.
    """
    path = cache_root() / "zoo" / entry.made.sha256[TEST_FILE][:16] / f"{entry.id}.npz"
    with _one_at_a_time():
        if not path.is_file():
            say(f"{entry.id}: making all held-out samples")
            samples = recipe(entry.id).held_out()
            with replacing(path.parent) as draft:
                save_samples(draft / path.name, samples)
    return path


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two processes that want one and the same file make it once."""
    folder = cache_root() / "zoo"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "make.lock"):
        yield


def retrain(name: str) -> Entry:
    """Trains the model, and only when all went well puts its artefacts into its folder."""
    entry = read_entry(name)
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as work:
        made = recipe(name).make(Path(work), say)
        held_out = _float_figure(entry, Path(work))
        record = Recorded(
            packages=made.packages,
            parameters=made.parameters,
            float_held_out=round(held_out, 4),
            sha256=digests(Path(work), entry.files),
        )
        for file in entry.files:
            shutil.copyfile(Path(work) / file, entry.folder / file)
    write_record(entry.folder / FACTS_FILE, record)
    return read_entry(name)


def _float_figure(entry: Entry, made: Path) -> float:
    """The metric of the float model in ``made`` over the ``test.npz`` there."""
    work = made / "work"
    work.mkdir()
    test = load_samples(made / TEST_FILE)
    forms = convert(entry, Precision.INT8, work, made)
    return figure(entry, test, outputs(forms.float_model, test.x, reference=False))


def write_record(path: Path, record: Recorded) -> None:
    """Puts what was made in the place of what ``model.toml`` says below the mark."""
    facts, found, _ = path.read_text().partition(MARK)
    if not found:
        raise ValueError(f"{path} has no line {MARK!r}")
    lines = [
        MARK,
        "[made]",
        f"packages = {json.dumps(record.packages)}",
        f"parameters = {record.parameters}",
        f"float_held_out = {record.float_held_out}",
        "",
        "[made.sha256]",
        *(f'"{name}" = "{digest}"' for name, digest in record.sha256.items()),
    ]
    draft = path.with_suffix(".toml.new")
    draft.write_text(facts + "\n".join(lines) + "\n")
    draft.replace(path)


def say(line: str) -> None:
    """A line on standard error."""
    print(line, file=sys.stderr, flush=True)


def make(name: str) -> str:
    """Makes what the cache lacks; a line on where it is."""
    if name not in TWINS:
        return f"{whole_held_out(read_entry(name))}"
    folder = twin_source(TWINS[name])
    return (
        f"edgeserve convert {folder / source.MODEL_FILE} "
        f"--calibration {folder / source.CALIBRATION_FILE} --target cortex-m7 -o out/{name}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code is edgeserve's."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m models.make")
    known = [*names(), *TWINS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--retrain", action="store_true", help="train the named models anew")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no model is called {', '.join(unknown)}; there are {', '.join(known)}")
    if options.retrain and (not options.names or set(options.names) & set(TWINS)):
        parser.error("--retrain needs the names of trained models; twins are not trained")
    try:
        for name in options.names or known:
            if options.retrain:
                say(f"{name}: float {retrain(name).made.float_held_out} over test.npz")
            else:
                print(make(name), flush=True)
    except EdgeserveError as error:
        say(f"{error.what}\n{error.hint}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

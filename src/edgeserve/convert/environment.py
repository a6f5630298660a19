"""Private Python environments for converters that cannot live beside each other.

Each is made once, from pinned requirements, and kept in the cache by what it holds and for which
Python: another pin is another environment. One process makes it while the others wait.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock

from edgeserve.cache import cache_root
from edgeserve.convert.worker import Progress
from edgeserve.errors import ConfigError, ToolError, ToolFailed

READY_FILE = "ready"
"""Written last: an environment without it is a ruin, and is made anew."""

_LISTS = Path(__file__).with_name("environments")
_TAIL_LINES = 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Environment:
    """A tool's environment: ``packages`` are those that it is made for, ``size_gb`` what it took
    when it was measured, on Linux and without CUDA.
    """

    name: str
    purpose: str
    packages: tuple[str, ...]
    size_gb: float

    @property
    def requirements(self) -> Path:
        return _LISTS / f"{self.name}.txt"

    def pins(self) -> tuple[str, ...]:
        """The requirements, one each, as pip takes them."""
        lines = self.requirements.read_text(encoding="utf-8").splitlines()
        return tuple(line for line in lines if line and not line.startswith("#"))


PYTORCH = Environment("pytorch", "PyTorch models", ("torch", "litert-torch"), 2.1)
ONNX = Environment("onnx", "ONNX models", ("onnx2tf", "tensorflow", "onnxruntime"), 2.6)


def python_for(environment: Environment, progress: Progress) -> Path:
    """The interpreter that has the packages: this one where they are installed in the pinned
    versions, else that of the environment, which is made where it is not there yet.

    Raises ToolFailed with pip's last words, ToolError when the disk refuses.
    """
    if is_installed_here(environment):
        return Path(sys.executable)
    folder = folder_of(environment)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    with _locked(folder):
        if not (folder / READY_FILE).is_file():
            _make(environment, folder, python, progress)
    return python


def is_installed_here(environment: Environment) -> bool:
    """Whether the running interpreter has the packages, in the versions that are pinned."""
    pins = dict(pin.split("==") for pin in environment.pins())
    try:
        found = {name: version(name).split("+")[0] for name in environment.packages}
    except PackageNotFoundError:
        return False
    return all(pins.get(name, found[name]) == found[name] for name in environment.packages)


def folder_of(environment: Environment) -> Path:
    """Where the environment is, or will be."""
    machine = f"{sys.version}|{sysconfig.get_platform()}|{platform.machine()}|{sys.base_prefix}"
    said = "\n".join((*environment.pins(), machine))
    key = hashlib.sha256(said.encode()).hexdigest()[:12]
    return cache_root() / "environments" / f"{environment.name}-{key}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        raise ConfigError(
            f"cannot make {folder}: {error.strerror}",
            hint="set EDGESERVE_CACHE to a folder that can be written",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _make(environment: Environment, folder: Path, python: Path, progress: Progress) -> None:
    told = f"making an environment for {environment.purpose} (about {environment.size_gb} GB), once"
    progress(None, told)
    _log.warning("%s: %s", told, folder)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], "venv")
        _run([str(python), "-m", "pip", "install", *_PIP, *environment.pins()], "pip")
        (folder / READY_FILE).write_text("\n".join(environment.pins()), encoding="utf-8")
    except OSError as error:
        raise ToolError(
            f"cannot make {folder}: {error.strerror or error}",
            hint="free some space, or set EDGESERVE_CACHE to a folder on a larger disk",
        ) from error


_PIP = ("--disable-pip-version-check", "--no-input", "--quiet")


def _run(command: list[str], tool: str) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ToolFailed(
            tool,
            status=f"exit status {done.returncode}",
            tail=tuple(lines[-_TAIL_LINES:]),
            hint="the environment is made anew at the next try; pip's own settings (index, proxy) "
            "apply to it",
        )

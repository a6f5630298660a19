"""Running a converter in a process of its own, so that its crash is an error message.

The parent writes ``job.json`` into a work folder and starts a module on it; the child reports its
progress as JSON lines on stdout and ends by writing ``result.json`` or ``failure.json`` beside the
job. Whatever a framework prints goes to ``worker.log``. The child keeps the parent's current
folder, so that paths in its messages are those that the user wrote.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import edgeserve
from edgeserve.errors import ConfigError, ConversionError, EdgeserveError, MissingTool
from edgeserve.strict_json import dump_json, load_json

Progress = Callable[[float | None, str], None]
"""Called with the share of work done (0 to 1, None when it is not known) and what goes on."""

Job = TypeVar("Job")
Result = TypeVar("Result")

JOB_FILE = "job.json"
RESULT_FILE = "result.json"
FAILURE_FILE = "failure.json"
LOG_FILE = "worker.log"

_LOG_PREFIX = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+\] ")
_LINE_LENGTH = 300


class FailureKind(StrEnum):
    """Which error of the tree a worker's failure is."""

    CONFIG = "config"
    CONVERSION = "conversion"
    MISSING_TOOL = "missing-tool"


@dataclass(frozen=True, slots=True)
class Failure:
    """A worker's refusal; for a missing tool, ``what`` is its name and ``hint`` how to get it."""

    kind: FailureKind
    what: str
    hint: str


def run_worker(
    module: str,
    job: Any,
    result: type[Result],
    *,
    work_dir: Path,
    progress: Progress,
    python: Path | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Result:
    """Run ``module`` on ``job`` (a dataclass) in ``work_dir`` and return its result.

    ``python`` is the interpreter of another environment, which sees this package and its own;
    ``variables`` are added to the environment variables.

    Raises the ConfigError, ConversionError or MissingTool that the worker reported, and
    ConversionError with the exit status or signal when it ended without a word.
    """
    for name in (RESULT_FILE, FAILURE_FILE):
        (work_dir / name).unlink(missing_ok=True)
    (work_dir / JOB_FILE).write_text(dump_json(job), encoding="utf-8")
    status, phase = _run(
        [str(python or sys.executable), "-P", "-m", module, str(work_dir / JOB_FILE)],
        {**_environment(work_dir, python), **variables},
        work_dir,
        progress,
    )
    if (work_dir / FAILURE_FILE).is_file():
        raise _error(load_json(Failure, _text(work_dir / FAILURE_FILE), where=FAILURE_FILE))
    if status != 0 or not (work_dir / RESULT_FILE).is_file():
        raise _crash(status, phase, _text(work_dir / LOG_FILE))
    return load_json(result, _text(work_dir / RESULT_FILE), where=RESULT_FILE)


def serve(job_type: type[Job], work: Callable[[Job, Progress], Any]) -> int:
    """The child's main: do ``work`` on the job named by the first argument; the exit status.

    From here on file descriptor 1 is the log, and the pipe to the parent is known only to
    ``progress``.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as pipe:
        os.dup2(2, 1)

        def progress(fraction: float | None, message: str) -> None:
            print(json.dumps([fraction, message]), file=pipe, flush=True)

        job_path = Path(sys.argv[1])
        try:
            job = load_json(job_type, _text(job_path), where=JOB_FILE)
            outcome, name = work(job, progress), RESULT_FILE
        except Exception as error:
            traceback.print_exc()
            outcome, name = _failure(error), FAILURE_FILE
    draft = job_path.with_name(name + ".new")
    draft.write_text(dump_json(outcome), encoding="utf-8")
    draft.rename(job_path.with_name(name))
    return 0


def within(progress: Progress, start: float, end: float) -> Progress:
    """Reports that become those of the part from ``start`` to ``end`` of the whole work."""

    def inner(fraction: float | None, message: str) -> None:
        progress(None if fraction is None else start + (end - start) * fraction, message)

    return inner


def one_line(text: str) -> str:
    """``text`` with each run of white space as one blank, cut to 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LINE_LENGTH else line[: _LINE_LENGTH - 3] + "..."


def _run(
    command: list[str], environment: dict[str, str], work_dir: Path, progress: Progress
) -> tuple[int, str]:
    """The exit status (negative: a signal) and the message of the last progress report."""
    phase = "starting"
    with (work_dir / LOG_FILE).open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )
        with process:
            try:
                for line in process.stdout or ():
                    report = _progress_report(line)
                    if report is not None:
                        phase = report[1]
                        progress(*report)
            except BaseException:
                process.kill()
                raise
    return process.returncode, phase


def _progress_report(line: str) -> tuple[float | None, str] | None:
    """A line of the child, or None when something else printed it before ``serve`` began."""
    try:
        fraction, message = json.loads(line)
    except (ValueError, TypeError):
        return None
    return fraction, str(message)


def _environment(work_dir: Path, python: Path | None) -> dict[str, str]:
    """The parent's environment, made to import this package and to compute alike everywhere."""
    package = Path(edgeserve.__file__).resolve().parent
    search_path = [str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    programs = os.environ.get("PATH", os.defpath)
    if python is not None and str(python) != sys.executable:
        # This package may lie among others, which are not the other environment's.
        search_path = [str(_alone(package, work_dir))]
        programs = os.pathsep.join([str(python.parent), programs])
    return {
        **os.environ,
        "PATH": programs,
        "PYTHONPATH": os.pathsep.join(search_path),
        "PYTHONIOENCODING": "utf-8",
        "KERAS_BACKEND": "tensorflow",
        # A user's keras.json may change the float type and the image layout.
        "KERAS_HOME": str(work_dir.resolve() / "keras"),
        "CUDA_VISIBLE_DEVICES": "-1",
        # oneDNN sums in an order that depends on the CPU, and so does what it folds into constants.
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


def _alone(package: Path, work_dir: Path) -> Path:
    """A folder in which nothing but the package can be found."""
    folder = work_dir.resolve() / "package"
    folder.mkdir(exist_ok=True)
    link = folder / package.name
    if not link.is_symlink():
        link.symlink_to(package, target_is_directory=True)
    return folder


def _failure(error: Exception) -> Failure:
    match error:
        case MissingTool():
            return Failure(FailureKind.MISSING_TOOL, error.tool, error.install)
        case ConfigError():
            return Failure(FailureKind.CONFIG, error.what, error.hint)
        case EdgeserveError():
            return Failure(FailureKind.CONVERSION, error.what, error.hint)
        case _:
            text = one_line(f"{type(error).__name__}: {error}")
            return Failure(FailureKind.CONVERSION, f"the converter failed: {text}", "")


def _error(failure: Failure) -> EdgeserveError:
    match failure.kind:
        case FailureKind.MISSING_TOOL:
            return MissingTool(failure.what, install=failure.hint)
        case FailureKind.CONFIG:
            return ConfigError(failure.what, hint=failure.hint)
        case FailureKind.CONVERSION:
            return ConversionError(failure.what, hint=failure.hint)


def _crash(status: int, phase: str, log: str) -> ConversionError:
    lines = [_LOG_PREFIX.sub("", line) for line in log.splitlines() if line.strip()]
    last = f": {one_line(lines[-1])}" if lines else ""
    hints = {
        -signal.SIGKILL: "the system may have run out of memory: use fewer calibration samples",
        -signal.SIGSEGV: "a recurrent layer crashes the converter unless it has unroll=True",
    }
    return ConversionError(
        f"the converter ended by {_spell(status)} while {phase}{last}",
        hint=hints.get(status, "simplify the model, or convert it elsewhere and give the .tflite"),
    )


def _spell(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")

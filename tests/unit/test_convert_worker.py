"""The converter's process: however it ends, the parent gets one error and no child stays."""

from __future__ import annotations

import os
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgeserve.bundle import SourceKind
from edgeserve.convert import conversion, tensorflow_source
from edgeserve.convert.precision import Precision
from edgeserve.convert.tensorflow_worker import TensorflowJob, TensorflowResult
from edgeserve.convert.worker import Progress, run_worker
from edgeserve.errors import ConversionError, MissingTool

WORKER = "edgeserve.convert.tensorflow_worker"


def run(work_dir: Path, progress: Progress, module: str = WORKER) -> TensorflowResult:
    job = TensorflowJob(
        work_dir=str(work_dir),
        source="absent.keras",
        kind=SourceKind.KERAS,
        calibration="absent.npz",
        image_low=0.0,
        image_high=1.0,
        trust_source=False,
        preprocess=None,
        precision=Precision.INT8,
        quantizes=True,
    )
    return run_worker(module, job, TensorflowResult, work_dir=work_dir, progress=progress)


def children() -> list[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(pid) for pid in listed.split()]


def ignore(fraction: float | None, message: str) -> None:
    pass


def test_a_killed_converter_is_a_conversion_error(tmp_path: Path) -> None:
    before = set(children())

    def kill(fraction: float | None, message: str) -> None:
        (child,) = set(children()) - before
        os.kill(child, signal.SIGKILL)

    with pytest.raises(ConversionError, match="SIGKILL while importing TensorFlow") as caught:
        run(tmp_path, kill)
    assert "memory" in caught.value.hint
    assert set(children()) == before


def test_an_interrupted_parent_takes_its_converter_along(tmp_path: Path) -> None:
    before = set(children())

    def interrupt(fraction: float | None, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupt)
    assert set(children()) == before


def test_a_converter_that_cannot_start_says_so_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"exit status 1 while starting: .*No module named"):
        run(tmp_path, ignore, module="edgeserve.convert.absent")


def test_a_module_that_says_nothing_is_not_taken_for_a_success(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="exit status 0 while starting"):
        run(tmp_path, ignore, module="this")


def test_without_tensorflow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    np.savez(tmp_path / "c.npz", x=np.zeros((1, 2), np.float32))
    monkeypatch.setattr(tensorflow_source, "find_spec", lambda name: None)
    with pytest.raises(MissingTool, match="tensorflow") as caught:
        conversion.convert_source(
            tmp_path / "a.keras",
            calibration=tmp_path / "c.npz",
            trust_source=False,
            work_dir=tmp_path,
            progress=ignore,
        )
    assert "edgeserve[keras]" in caught.value.hint

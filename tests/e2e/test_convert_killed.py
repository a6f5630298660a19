"""``convert`` killed at many moments: there is no bundle, or the old one, or a whole new one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeserve.bundle_store import load_bundle
from tests.e2e.bench_images import two_layers

DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits"
MOMENTS = (
    pytest.param("importing TensorFlow", marks=pytest.mark.soak),
    pytest.param("loading the model", marks=pytest.mark.soak),
    "calibrating with sample 100",
    pytest.param("comparing sample 100", marks=pytest.mark.soak),
    "lowering and planning",
)
# Converts; kills itself (no handler runs) when progress says so, or before the n-th change to the
# folder OUT. The number of changes is printed when it lives.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from edgeserve import pipeline
source, calibration, out, moment, change = sys.argv[1:]
seen = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def progress(share, message):
    if moment and message.startswith(moment):
        die()

def watch(event, arguments):
    global seen
    if event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"):
        return
    if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
        return
    if str(Path(out).parent) not in str(arguments[0]):
        return
    seen += 1
    if seen == int(change):
        die()

sys.addaudithook(watch)
pipeline.convert(
    Path(source),
    Path(out),
    target="mps2-an500",
    calibration=Path(calibration) if calibration else None,
    force=True,
    progress=progress,
)
print(seen)
"""


def run(
    source: Path, calibration: Path | None, out: Path, *, moment: str = "", change: int = 0
) -> subprocess.CompletedProcess[str]:
    arguments = [str(source), str(calibration or ""), str(out), moment, str(change)]
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "TMPDIR": str(out.parents[1])},
    )


def is_whole(bundle: Path) -> bool:
    """False where there is no bundle; an error where there is half of one."""
    if not bundle.exists() and not bundle.with_name(f".{bundle.name}.old").exists():
        return False
    found = load_bundle(bundle)
    assert found.model_bytes()
    return True


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_conversion_killed_while_it_works_leaves_no_bundle(moment: str, tmp_path: Path) -> None:
    out = tmp_path / "out" / "digits"
    done = run(DIGITS / "model.keras", DIGITS / "calibration.npz", out, moment=moment)
    assert done.returncode == -signal.SIGKILL, done.stderr[-1000:]
    assert not out.exists()
    assert not out.parent.exists() or list(out.parent.iterdir()) == []


@pytest.mark.parametrize("is_replacing", [False, True])
def test_a_conversion_killed_at_each_change_to_the_disk(is_replacing: bool, tmp_path: Path) -> None:
    """Of a ``.tflite``, where nothing takes long but what comes after the converter."""
    old, new = tmp_path / "old.tflite", tmp_path / "new.tflite"
    old.write_bytes(two_layers())
    new.write_bytes(two_layers(second_bias=999))
    whole = tmp_path / "all changes" / "model"
    whole.parent.mkdir()
    before = tmp_path / "before" / "model"
    if is_replacing:
        assert run(old, None, before).returncode == 0
        shutil.copytree(before, whole)
    changes = int(run(new, None, whole).stdout)
    assert changes >= 6, "a bundle has so many files"
    kept, outcomes = set(), set()
    for change in range(1, changes + 1):
        out = tmp_path / f"killed at {change}" / "model"
        out.parent.mkdir()
        if is_replacing:
            shutil.copytree(before, out)
        done = run(new, None, out, change=change)
        assert done.returncode == -signal.SIGKILL, done.stderr[-1000:]
        outcomes.add(is_whole(out))
        if outcomes == {True}:
            kept.add(load_bundle(out).facts.model_sha256)
        if change % 3 == 1:
            assert run(new, None, out).returncode == 0
            assert [path.name for path in out.parent.iterdir()] == ["model"]
            assert load_bundle(out).model_bytes() == new.read_bytes()
    assert outcomes == ({True} if is_replacing else {False, True})
    assert len(kept) == (2 if is_replacing else 0), "the old one, then the new one"

"""``convert`` killed at many moments: there is no bundle, or the old one, or a whole new one."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
# For each job on a line: a process, forked so that nothing is imported anew, converts, and kills
# itself (no handler runs) when progress says so, or before the n-th change to the folder of OUT.
# Answered are its exit status and, when it lives, the number of changes.
SCRIPT = """
import json, os, signal, sys, tempfile, traceback
from pathlib import Path
from edgeserve.pipeline.convert import convert as convert_model

def convert(source, calibration, out, moment, change):
    seen = 0

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(share, message):
        if moment and message.startswith(moment):
            die()

    def watch(event, arguments):
        nonlocal seen
        if event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
        if str(Path(out).parent) not in str(arguments[0]):
            return
        seen += 1
        if seen == change:
            die()

    tempfile.tempdir = str(Path(out).parents[1])
    sys.addaudithook(watch)
    convert_model(
        Path(source),
        Path(out),
        target="mps2-an500",
        calibration=Path(calibration) if calibration else None,
        force=True,
        progress=progress,
    )
    return seen

for line in sys.stdin:
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(tell, str(convert(**json.loads(line))).encode())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(tell)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with os.fdopen(told) as pipe:
        print(json.dumps([status, pipe.read()]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Done:
    """A conversion that ended: its exit status, negative for a signal, and what it answered."""

    returncode: int
    stdout: str


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Converts in a process of its own; ``moment`` and ``change`` say when it is killed."""
    log = tmp_path_factory.mktemp("killed") / "errors"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as driver,
    ):

        def convert(
            source: Path, calibration: Path | None, out: Path, *, moment: str = "", change: int = 0
        ) -> Done:
            job = {
                "source": str(source),
                "calibration": str(calibration or ""),
                "out": str(out),
                "moment": moment,
                "change": change,
            }
            assert driver.stdin is not None
            assert driver.stdout is not None
            driver.stdin.write(json.dumps(job) + "\n")
            driver.stdin.flush()
            answer = driver.stdout.readline()
            assert answer, log.read_text()[-1000:]
            done = Done(*json.loads(answer))
            assert done.returncode in (0, -signal.SIGKILL), log.read_text()[-1000:]
            return done

        yield convert


def is_whole(bundle: Path) -> bool:
    """False where there is no bundle; an error where there is half of one."""
    if not bundle.exists() and not bundle.with_name(f".{bundle.name}.old").exists():
        return False
    found = load_bundle(bundle)
    assert found.model_bytes()
    return True


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_conversion_killed_while_it_works_leaves_no_bundle(
    moment: str, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out" / "digits"
    done = run(DIGITS / "model.keras", DIGITS / "calibration.npz", out, moment=moment)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    assert not out.parent.exists() or list(out.parent.iterdir()) == []


@pytest.mark.parametrize("is_replacing", [False, True])
def test_a_conversion_killed_at_each_change_to_the_disk(
    is_replacing: bool, run: Run, tmp_path: Path
) -> None:
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
        assert done.returncode == -signal.SIGKILL
        outcomes.add(is_whole(out))
        if outcomes == {True}:
            kept.add(load_bundle(out).facts.model_sha256)
        if change % 3 == 1:
            assert run(new, None, out).returncode == 0
            assert [path.name for path in out.parent.iterdir()] == ["model"]
            assert load_bundle(out).model_bytes() == new.read_bytes()
    assert outcomes == ({True} if is_replacing else {False, True})
    assert len(kept) == (2 if is_replacing else 0), "the old one, then the new one"

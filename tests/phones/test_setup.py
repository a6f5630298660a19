"""`edgeserve setup android`, with a cross-compiler where the NDK would be."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.tools import need_programs

CROSS = "aarch64-linux-gnu-gcc"


def setup(tmp_path: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ANDROID")}
    return subprocess.run(
        [sys.executable, "-m", "edgeserve", "setup", "android", *more],
        capture_output=True,
        text=True,
        check=False,
        env={
            **kept,
            "HOME": str(tmp_path),
            "EDGESERVE_CACHE": str(tmp_path / "cache"),
            **environment,
        },
    )


def simulated_ndk(folder: Path, compiler: str) -> Path:
    """A folder with a toolchain file where an NDK has it."""
    file = folder / "build/cmake/android.toolchain.cmake"
    file.parent.mkdir(parents=True)
    file.write_text(
        f"set(CMAKE_SYSTEM_NAME Linux)\nset(CMAKE_C_COMPILER {compiler})\n", encoding="ascii"
    )
    return folder


def aar(path: Path, library: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("jni/arm64-v8a/libLiteRt.so", library)
    return path


def test_the_harness_is_built_for_the_phone(tmp_path: Path) -> None:
    need_programs(CROSS)
    ndk = simulated_ndk(tmp_path / "Android/Sdk/ndk/27.0.1", CROSS)
    done = setup(tmp_path)
    assert done.returncode == 0, done.stderr
    harness = tmp_path / "cache/android/arm64-v8a/edgeserve_harness"
    assert int.from_bytes(harness.read_bytes()[18:20], "little") == 183
    library = harness.read_bytes()  # an ELF file of that ABI: what it holds is not looked at
    package = aar(tmp_path / "litert.aar", library)
    done = setup(tmp_path, "--ndk", str(ndk), "--aar", str(package))
    assert done.returncode == 0, done.stderr
    assert (harness.parent / "libLiteRt.so").read_bytes() == library
    done = setup(tmp_path, "--ndk", str(ndk), "--aar", str(package), "--sha256", "0" * 64)
    assert done.returncode == 2
    assert "has SHA-256" in done.stderr


def test_a_toolchain_for_another_processor_is_refused(tmp_path: Path) -> None:
    ndk = simulated_ndk(tmp_path / "ndk", "gcc")
    done = setup(tmp_path, ANDROID_NDK_HOME=str(ndk))
    assert done.returncode == 2
    assert "edgeserve_harness is not for arm64-v8a" in done.stderr
    assert not (tmp_path / "cache/android/arm64-v8a/edgeserve_harness").exists()


@pytest.mark.parametrize("more", [(), ("--ndk", "/nowhere")])
def test_no_ndk_is_one_line(tmp_path: Path, more: tuple[str, ...]) -> None:
    done = setup(tmp_path, *more)
    assert done.returncode == 3
    assert len(done.stderr.strip().splitlines()) == 2
    assert "Traceback" not in done.stderr

"""The harness and LiteRT for Android: found, built, checked, and kept until they change."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeserve.errors import ConfigError, MissingTool, ToolFailed
from edgeserve.resources import firmware_root, harness_root

HARNESS = "edgeserve_harness"
LIBRARY = "libLiteRt.so"
PLATFORM = "android-26"
"""Android 8.0, the oldest that LiteRT's AAR names."""

AAR = "com.google.ai.edge.litert:litert:2.3.0"
_TOOLCHAIN = Path("build/cmake/android.toolchain.cmake")
_MACHINES = {"arm64-v8a": 183, "x86_64": 62}
"""ELF's e_machine of each ABI."""


def find_ndk(given: Path | None) -> Path:
    """The NDK's folder: the one given, else where Android's tools put it or say that it is.

    Raises MissingTool when none of them holds a toolchain file.
    """
    for folder in [given] if given else list(_candidates()):
        if (folder / _TOOLCHAIN).is_file():
            return folder
    if given:
        raise MissingTool(f"{given / _TOOLCHAIN}", install="name the NDK's own folder: --ndk")
    raise MissingTool(
        "the Android NDK",
        install="from developer.android.com/ndk, then set ANDROID_NDK_HOME or give --ndk FOLDER",
    )


def build_harness(ndk: Path, abi: str, target: Path) -> Path:
    """Builds the harness for an ABI into a folder; its path. Raises MissingTool, ToolFailed."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as build:
        _run(
            [
                "cmake",
                "-S",
                str(harness_root()),
                "-B",
                build,
                f"-DFIRMWARE={firmware_root()}",
                f"-DCMAKE_TOOLCHAIN_FILE={ndk / _TOOLCHAIN}",
                f"-DANDROID_ABI={abi}",
                f"-DANDROID_PLATFORM={PLATFORM}",
                "-DCMAKE_BUILD_TYPE=Release",
            ]
        )
        _run(["cmake", "--build", build])
        _require_abi(Path(build, HARNESS), abi)
        return _keep(Path(build, HARNESS), target / HARNESS)


def take_library(aar: Path, abi: str, target: Path, sha256: str | None) -> Path:
    """Takes LiteRT's library out of an AAR into a folder; its path.

    With ``sha256`` the AAR must have it. Raises ConfigError for a file that is not the right one.
    """
    inside = f"jni/{abi}/{LIBRARY}"
    try:
        data = aar.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if sha256 is not None and digest != sha256.lower():
            raise ConfigError(
                f"{aar} has SHA-256 {digest}, not {sha256}", hint="download it again, or check it"
            )
        with zipfile.ZipFile(aar) as archive:
            library = archive.read(inside)
    except OSError as error:
        raise ConfigError(f"{aar}: {error.strerror}", hint=f"give the AAR of {AAR}") from None
    except (KeyError, zipfile.BadZipFile):
        raise ConfigError(f"{aar} holds no {inside}", hint=f"give the AAR of {AAR}") from None
    target.mkdir(parents=True, exist_ok=True)
    part = target / f"{LIBRARY}.new"
    part.write_bytes(library)
    _require_abi(part, abi)
    (target / "litert.sha256").write_text(f"{digest}  {aar.name}\n", encoding="ascii")
    return _keep(part, target / LIBRARY)


def _candidates() -> Iterator[Path]:
    for variable in ("ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_NDK"):
        if value := os.environ.get(variable):
            yield Path(value)
    homes = [os.environ.get(v) for v in ("ANDROID_HOME", "ANDROID_SDK_ROOT")]
    for home in [*filter(None, homes), str(Path.home() / "Android/Sdk")]:
        # The newest first: their folders are named by their versions.
        yield from sorted(Path(home, "ndk").glob("*"), key=_version, reverse=True)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in folder.name.split("."))


def _run(argv: Sequence[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MissingTool("cmake", install="sudo apt-get install cmake") from None
    if done.returncode != 0:
        tail = tuple((done.stdout + done.stderr).splitlines()[-5:])
        raise ToolFailed("cmake", status=f"exit code {done.returncode}", tail=tail)


def _require_abi(file: Path, abi: str) -> None:
    head = file.read_bytes()[:20]
    if head[:4] != b"\x7fELF" or int.from_bytes(head[18:20], "little") != _MACHINES[abi]:
        raise ConfigError(f"{file.name} is not for {abi}", hint="check the NDK, or the AAR")


def _keep(file: Path, place: Path) -> Path:
    part = place.with_suffix(".part")
    shutil.copyfile(file, part)
    part.chmod(0o755)
    part.replace(place)
    file.unlink()
    return place

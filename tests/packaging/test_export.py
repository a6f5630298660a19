"""Packages for other builds: as their specifications want them, and whole: all sources compile.

Compiled against stubs of what the other build supplies (``tests/stubs``), not run on a board.
"""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgeserve import cli
from edgeserve.board import load_board
from edgeserve.packaging.archive import zipped
from tests.e2e.bench_images import two_layers
from tests.e2e.test_documents import DOCUMENTED
from tests.tools import need_programs

STUBS = Path(__file__).parents[1] / "stubs"
CORE = ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-d16", "-mfloat-abi=hard")
BOARD = "nucleo_h743zi2"
LIBRARY_CATEGORIES = {
    *("Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing"),
    *("Data Storage", "Data Processing", "Other"),
}
"""Of the Arduino library specification."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "layers.tflite"
    path.write_bytes(two_layers())
    return path


@pytest.fixture(params=["layers", "kws_ref_model"])
def either(request: pytest.FixtureRequest, model: Path) -> Path:
    """A model of the tests, and a public one, which takes kernels in assembly."""
    if request.param == "layers":
        return model
    shared: Path = request.getfixturevalue("shared_data")
    return shared / "models" / f"{request.param}.tflite"


def export(model: Path, kind: str, where: Path, *more: str, board: str = BOARD) -> Path:
    argv = ["export", str(model), "--board", board, "--as", kind, "-o", str(where), *more]
    assert cli.main(argv) == 0
    return where


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def properties(library: Path) -> dict[str, str]:
    lines = (library / "library.properties").read_text().splitlines()
    assert all(re.fullmatch(r"[a-z]+=\S.*", line) for line in lines)
    pairs = dict(line.split("=", 1) for line in lines)
    assert len(pairs) == len(lines), "each key once"
    return pairs


def test_an_arduino_library_is_as_specified(model: Path, tmp_path: Path) -> None:
    library = export(model, "arduino", tmp_path / "library")
    told = properties(library)
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph"}
    required |= {"category", "url", "architectures"}
    assert required <= set(told)
    assert set(told) <= required | {"depends", "dot_a_linkage", "includes", "license"}
    assert re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", told["name"])
    assert not told["name"].lower().startswith("arduino")
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["version"])
    assert told["category"] in LIBRARY_CATEGORIES
    assert told["paragraph"] != told["sentence"]
    assert told["sentence"].endswith(".")
    files = contents(library)
    for name in told["includes"].split(","):
        assert f"src/{name}" in files
    sketches = [name for name in files if name.startswith("examples/")]
    assert sketches == ["examples/Loop/Loop.ino"], "a sketch has its folder's name"
    assert {name.split("/")[0] for name in files} == {
        *("README.md", "library.properties", "examples", "src"),
    }
    assert not any("/" in name.removeprefix("src/") for name in files if name.startswith("src/"))
    includes = {
        include
        for name, data in files.items()
        if name.startswith("src/")
        for include in re.findall(r'#include "([^"]+)"', data.decode())
    }
    assert {f"src/{name}" for name in includes} <= set(files)


def test_a_sketch_compiles_with_the_whole_library(either: Path, tmp_path: Path) -> None:
    need_programs("arm-none-eabi-g++")
    library = export(either, "arduino", tmp_path / "library")
    sketch = tmp_path / "Loop.cpp"
    sketch.write_text('#include "Arduino.h"\n' + (library / "examples/Loop/Loop.ino").read_text())
    includes = (f"-I{library / 'src'}", f"-I{STUBS / 'arduino'}")
    objects = []
    sources = sorted((library / "src").iterdir())
    for source in [sketch, *(path for path in sources if path.suffix in (".c", ".cpp", ".S"))]:
        is_cpp = source.suffix == ".cpp"
        compiler = "arm-none-eabi-g++" if is_cpp else "arm-none-eabi-gcc"
        standard = "-std=gnu++17" if is_cpp else "-std=gnu11"
        # An Arduino core's flags: its own standard and -Os.
        argv = [compiler, *CORE, standard, "-Os", "-Wall", "-Wextra", "-Werror", *includes]
        objects.append(tmp_path / f"{source.name}.o")
        subprocess.run([*argv, "-c", str(source), "-o", str(objects[-1])], check=True)
    whole = tmp_path / "whole.o"
    joined = ["arm-none-eabi-ld", "-r", *map(str, objects), "-o", str(whole)]
    subprocess.run(joined, check=True)
    argv = ["arm-none-eabi-nm", "-C", "--undefined-only", str(whole)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    missing = {line.split(maxsplit=1)[1] for line in told.splitlines()}
    told_of = ("Serial", "__aeabi_", "Wire", "TwoWire::", "PDM", "analogRead")
    theirs = {name for name in missing if name.startswith(told_of)}
    libc = {"memcpy", "memset", "memmove", "memcmp", "memchr", "expf", "floorf", "roundf"}
    assert missing - theirs <= {"millis", "micros", "delay"} | libc
    argv = ["arm-none-eabi-nm", "--defined-only", str(whole)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    has = {line.split()[-1] for line in told.splitlines()}
    drivers = {"es_imu_driver", "es_adc_driver", "es_microphone_driver", "es_camera_driver"}
    assert drivers | {"es_port_i2c", "es_port_adc", "es_port_microphone"} <= has


def test_float_kernels_keep_their_rounding(model: Path, tmp_path: Path) -> None:
    """The core's default would fuse a product and a sum."""
    need_programs("arm-none-eabi-gcc")
    library = export(model, "arduino", tmp_path / "library")
    text = "float f(float a, float b, float c) { return a * b + c; }\n"
    any_source = (library / "src" / "es_init.c").read_text()
    flags = any_source[: any_source.index("#endif") + 7]
    for prefix, fused in (("", True), (flags, False)):
        (tmp_path / "f.c").write_text(prefix + text)
        argv = ["arm-none-eabi-gcc", *CORE, "-std=gnu11", "-O2", "-S", "-o", "-", "f.c"]
        made = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert ("vfma" in made.stdout) is fused


def test_a_zephyr_module_builds_all_its_sources(either: Path, tmp_path: Path) -> None:
    need_programs("cmake", "arm-none-eabi-gcc")
    yaml: Any = pytest.importorskip("yaml")
    module = export(either, "zephyr", tmp_path / "module")
    told = yaml.safe_load((module / "zephyr/module.yml").read_text())
    name = told["name"]
    assert told["build"] == {"cmake": "zephyr", "kconfig": "zephyr/Kconfig"}
    assert (module / told["build"]["kconfig"]).is_file()
    assert told["samples"] == ["samples"]
    option = f"CONFIG_{name.upper()}"
    assert f"config {name.upper()}\n" in (module / "zephyr/Kconfig").read_text()
    assert f"{option}=y\n" in (module / "samples/inference/prj.conf").read_text()
    sample = yaml.safe_load((module / "samples/inference/sample.yaml").read_text())
    assert list(sample["tests"]) == [f"sample.{name}.inference"]
    flags = " ".join([*CORE, "-Wall", "-Wextra", "-Werror"])
    configure = ["cmake", "-S", str(STUBS / "zephyr"), "-B", "build", f"-DMODULE={module}"]
    configure += [f"-D{option}=1", f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_ASM_FLAGS={flags}"]
    configure += ["-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_C_COMPILER=arm-none-eabi-gcc"]
    configure += ["-DCMAKE_ASM_COMPILER=arm-none-eabi-gcc", "-DCMAKE_EXPORT_COMPILE_COMMANDS=1"]
    configure += ["-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"]
    subprocess.run(configure, cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", "build", "-j2"], cwd=tmp_path, check=True)
    commands = json.loads((tmp_path / "build/compile_commands.json").read_text())
    built = {Path(command["file"]).resolve() for command in commands}
    assert built == {path.resolve() for path in module.rglob("*.[cS]")}, "no source is forgotten"
    assert (tmp_path / f"build/module/lib{name}.a").is_file()


@pytest.mark.parametrize("kind", ["arduino", "zephyr", "platformio"])
def test_the_same_bytes_twice_as_a_folder_or_a_zip(kind: str, model: Path, tmp_path: Path) -> None:
    folder = export(model, kind, tmp_path / "one" / "folder")
    first = export(model, kind, tmp_path / "one" / "package.zip")
    second = export(model, kind, tmp_path / "another.zip")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        entries = archive.infolist()
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        (root,) = {entry.filename.split("/")[0] for entry in entries}
        unpacked = {e.filename.removeprefix(f"{root}/"): archive.read(e) for e in entries}
    assert unpacked == contents(folder)
    left = sorted(path.name for path in first.parent.iterdir())
    assert left == ["folder", "package.zip"], "nothing half-made"
    assert not any(str(tmp_path).encode() in data for data in unpacked.values())


def test_the_order_of_files_does_not_matter() -> None:
    assert zipped("x", {"b": b"2", "a": b"1"}) == zipped("x", {"a": b"1", "b": b"2"})


def test_a_platformio_package_is_the_whole_project(model: Path, tmp_path: Path) -> None:
    files = contents(export(model, "platformio", tmp_path / "project"))
    told = load_board(BOARD).platformio
    assert told is not None
    assert f"board = {told.board}\n" in files["platformio.ini"].decode()
    assert {"src/app.c", "src/model/model.h", "lib/edgeserve/library.json", "Makefile"} <= set(
        files
    )
    library = json.loads(files["lib/edgeserve/library.json"])
    assert re.fullmatch(r"[a-z0-9-]+", library["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", library["version"])
    assert {"description", "license", "frameworks", "platforms", "headers"} <= set(library)
    for rule in library["build"]["srcFilter"][1:]:
        path = re.fullmatch(r"\+<(.+)>", rule)
        assert path is not None
        assert f"lib/edgeserve/{path[1]}" in files


def test_refusals(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").write_text("mine")
    for board, kind, where, words in (
        (BOARD, "arduino", taken, "exists"),
        ("mps2-an500", "platformio", tmp_path / "x", "PlatformIO does not know mps2-an500"),
        ("nrf52840dk", "platformio", tmp_path / "x", "has no port"),
    ):
        argv = ["export", str(model), "--board", board, "--as", kind, "-o", str(where)]
        assert cli.main(argv) == 2
        assert words in capfd.readouterr().err
    assert contents(taken) == {"mine": b"mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_document(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export(model, "arduino", tmp_path / "x", "--format", "json")
    told = json.loads(capfd.readouterr().out)
    assert list(told) == list(DOCUMENTED["export"][""])
    assert told["files"] == len(contents(tmp_path / "x"))


def test_boards_without_a_port_of_ours_have_packages(model: Path, tmp_path: Path) -> None:
    """The other build brings up the board: only the core matters."""
    for board, kind in (("nrf52840dk", "zephyr"), ("esp32s3", "arduino")):
        made = export(model, kind, tmp_path / kind, board=board)
        assert not any("port" in path.name for path in made.rglob("*"))
    assert properties(tmp_path / "arduino")["architectures"] == "esp32"

"""PlatformIO itself builds the projects of real boards, offline.

The platform is a stand-in of this file with the compiler of this machine: it shows that our
sources, flags and platformio.ini compile and link, and nothing of a vendor's platform.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeserve.board import board_ids, load_board
from edgeserve.firmware.build import build
from edgeserve.firmware.project import ImageKind
from tests.e2e.firmware_fixtures import WERROR, write_tiny
from tests.tiny_program import tiny_program

BOARDS = [
    board.id
    for board in map(load_board, board_ids())
    if board.port and board.platformio and not board.framework
]

PROJECTS = [board.id for board in map(load_board, board_ids()) if board.port and board.platformio]
"""All boards whose project PlatformIO takes."""

SCONS = """\
import sys
sys.path.insert(0, {site!r})
import SCons.Script
SCons.Script.main()
"""

BUILDER = """\
from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
core = ["-mthumb", "-mcpu=" + board.get("build.cpu")]
tools = {
    "AR": "ar", "AS": "as", "CC": "gcc", "CXX": "g++", "OBJCOPY": "objcopy",
    "RANLIB": "gcc-ranlib", "SIZETOOL": "size",
}
env.Replace(
    **{name: "arm-none-eabi-" + tool for name, tool in tools.items()},
    ARFLAGS=["rc"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    LDSCRIPT_PATH=board.get("build.ldscript"),
)
env.Append(
    ASFLAGS=core,
    CCFLAGS=["-Os", *core],
    LINKFLAGS=["-Os", *core, "-nostartfiles", "-nostdlib"],
    LIBS=["c", "gcc", "m"],
)
Default(env.BuildProgram())
"""


@pytest.fixture(scope="module")
def core_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PlatformIO of our own: SCons from this Python, and one platform."""
    found = importlib.util.find_spec("SCons")
    assert found is not None
    assert found.origin is not None
    core = tmp_path_factory.mktemp("core")
    version = ".".join(_scons_version())
    _package(core / "packages" / "tool-scons", "tool", "tool-scons", version)
    site = str(Path(found.origin).parents[1])
    (core / "packages" / "tool-scons" / "scons.py").write_text(SCONS.format(site=site))
    boards = [load_board(name).platformio for name in BOARDS]
    (told,) = {(b.platform, b.version) for b in boards if b}
    platform = core / "platforms" / told[0]
    _package(platform, "platform", *told)
    manifest = {"name": told[0], "version": told[1], "packages": {}, "title": told[0]}
    (platform / "platform.json").write_text(json.dumps(manifest))
    (platform / "builder").mkdir()
    (platform / "builder" / "main.py").write_text(BUILDER)
    (platform / "boards").mkdir()
    for name in BOARDS:
        kind = load_board(name)
        assert kind.platformio is not None
        facts = {
            "name": kind.name,
            "url": "",
            "vendor": "",
            "frameworks": [],
            "build": {"cpu": kind.cpu.core, "mcu": "any", "f_cpu": "1L"},
            "upload": {"maximum_size": 1 << 20, "maximum_ram_size": 1 << 18},
        }
        (platform / "boards" / f"{kind.platformio.board}.json").write_text(json.dumps(facts))
    return core


def _scons_version() -> tuple[str, str, str]:
    """PlatformIO numbers SCons 4.11.1 as 4.41101.0."""
    from platformio.dependencies import get_core_dependencies

    major, minor, patch = get_core_dependencies()["tool-scons"].lstrip("~^=").split(".")
    return major, minor, patch


def _package(folder: Path, kind: str, name: str, version: str) -> None:
    folder.mkdir(parents=True)
    spec = {"owner": "platformio", "id": None, "name": name, "requirements": None, "uri": None}
    facts = {"type": kind, "name": name, "version": version, "spec": spec}
    (folder / ".piopm").write_text(json.dumps(facts))
    (folder / "package.json").write_text(json.dumps({"name": name, "version": version}))


def pio(core: Path, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "platformio", *map(str, arguments)],
        env={
            **os.environ,
            "PLATFORMIO_CORE_DIR": str(core),
            "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
            "CI": "true",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def symbols(elf: Path) -> set[str]:
    argv = ["arm-none-eabi-nm", str(elf)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in told.splitlines()}


@pytest.mark.parametrize("name", BOARDS)
def test_pio_builds_both_images(name: str, core_dir: Path, tmp_path: Path) -> None:
    project = write_tiny(tmp_path, name, tiny_program())
    chosen = [word for kind in (name, f"{name}-app", f"{name}-energy") for word in ("-e", kind)]
    pio(core_dir, "run", "--project-dir", project, *chosen)
    built = project / ".pio" / "build"
    bench = symbols(built / name / "firmware.elf")
    app = symbols(built / f"{name}-app" / "firmware.elf")
    for image in (bench, app):
        assert {"es_run", "es_main", "es_reset_handler", "es_port_ticks"} <= image
    assert "bench_protocol_run" in bench - app
    energy = symbols(built / f"{name}-energy" / "firmware.elf")
    assert "es_port_pulse" in energy - bench
    assert write_tiny(tmp_path, name, tiny_program()) == project
    assert built.is_dir(), "an unchanged project is left as it is"


@pytest.mark.parametrize("name", BOARDS)
def test_make_builds_the_same_tree(name: str, tmp_path: Path) -> None:
    """Compiled, not run."""
    project = write_tiny(tmp_path, name, tiny_program())
    for kind in ImageKind:
        image = build(project, kind=kind, extra_flags=WERROR)
        assert {"es_run", "es_port_ticks", "uart_start"} <= symbols(image.elf)
    subprocess.run(["make", "-s", "-C", str(project), "EXTRA_CFLAGS=-Werror"], check=True)
    assert (project / "build" / "bench.elf").is_file()


@pytest.mark.parametrize("name", PROJECTS)
def test_pio_reads_every_project(name: str, core_dir: Path, tmp_path: Path) -> None:
    """PlatformIO's own reading of platformio.ini: no option that it does not know, no other
    platform, board or framework than the board's file says. A vendor's platform is not needed.
    """
    told = load_board(name).platformio
    assert told is not None
    project = write_tiny(tmp_path, name, tiny_program())
    here = ("--project-dir", project)
    lint = pio(core_dir, "project", "config", *here, "--lint")
    assert "is free from linting errors" in lint
    read = json.loads(pio(core_dir, "project", "config", *here, "--json-output"))
    environments = {title: dict(options) for title, options in read if title.startswith("env:")}
    assert {f"env:{name}", f"env:{name}-app"} <= set(environments)
    for title, options in environments.items():
        assert options["platform"] == f"{told.platform}@{told.version}", title
        assert options["board"] == told.board, title
        framework = load_board(name).framework
        assert options.get("framework", []) == ([framework] if framework else []), title
        assert options["build_src_filter"], title


def test_boards_with_a_port_of_ours() -> None:
    assert BOARDS == ["nucleo_f446re", "nucleo_f746zg", "nucleo_h743zi2"]

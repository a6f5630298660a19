"""The firmware project on disk, and the commands that build it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgeserve.board import Board, load_board
from edgeserve.errors import ConfigError, MissingTool, ToolFailed
from edgeserve.firmware.build import build, run_tool
from edgeserve.firmware.project import (
    ImageKind,
    Part,
    Project,
    ProjectSource,
    compile_argv,
    link_argv,
    read_project,
)
from edgeserve.firmware.writing import make_project, write_firmware
from edgeserve.table import write_table
from tests.tiny_program import tiny_memory, tiny_program


def write(dest: Path, *, name: str = "tiny", board: Board | None = None) -> Project:
    program = tiny_program(name)
    table = write_table(program, tiny_memory(program))
    return write_firmware(
        dest,
        symbol="tiny",
        table=table,
        program=program,
        board=board or load_board("mps2-an500"),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_twice_and_anywhere(tmp_path: Path) -> None:
    project = write(tmp_path / "one")
    write(tmp_path / "two" / "deeper")
    files = contents(tmp_path / "one")
    assert files == contents(tmp_path / "two" / "deeper")
    assert read_project(tmp_path / "one") == project
    assert not any(str(tmp_path).encode() in data for data in files.values())
    adapters = [
        name for name in files if name.startswith("lib/edgeserve/adapters/") and name.endswith(".c")
    ]
    assert adapters == ["lib/edgeserve/adapters/fully_connected.c"], "only what the program uses"


def test_regeneration_keeps_what_is_the_users(tmp_path: Path) -> None:
    dest = tmp_path / "firmware"
    write(dest)
    (dest / "src" / "app.c").write_text("mine")
    (dest / "src" / "more.c").write_text("mine too")
    (dest / "build").mkdir()
    (dest / "build" / "kept").write_text("while nothing changes")
    write(dest)
    assert (dest / "build" / "kept").exists()
    (dest / "lib/edgeserve/runtime/es_init.c").write_text("damaged")
    (dest / "stray.c").write_text("not ours")
    (dest / "src" / "model" / "stray.c").write_text("in a folder of ours")
    write(dest, name="another")
    assert (dest / "src" / "app.c").read_text() == "mine"
    assert (dest / "src" / "more.c").read_text() == "mine too"
    assert not (dest / "stray.c").exists()
    assert not (dest / "src" / "model" / "stray.c").exists()
    assert not (dest / "build").exists()
    assert "es_init" in (dest / "lib/edgeserve/runtime/es_init.c").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["firmware"]


def test_an_interrupted_replacement_is_mended(tmp_path: Path) -> None:
    dest = tmp_path / "firmware"
    write(dest)
    (dest / "src" / "app.c").write_text("mine")
    dest.rename(tmp_path / ".firmware.old")
    write(dest, name="another")
    assert (dest / "src" / "app.c").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["firmware"]


def test_other_folders_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    with pytest.raises(ConfigError, match="not a firmware project"):
        write(tmp_path)
    assert contents(tmp_path) == {"precious": b"data"}
    with pytest.raises(ConfigError, match="no firmware project"):
        read_project(tmp_path)
    with pytest.raises(ConfigError, match="no firmware project"):
        build(tmp_path)


def test_what_changes_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "edgeserve.firmware.writing")
    write(tmp_path / "x")
    assert "new Makefile" in caplog.messages
    (tmp_path / "x" / "src" / "app.c").write_text("mine")
    (tmp_path / "x" / "Makefile").write_text("theirs")
    (tmp_path / "x" / "bench" / "more.c").write_text("")
    caplog.clear()
    write(tmp_path / "x")
    assert caplog.messages == ["changed Makefile", "removed bench/more.c"]
    assert (tmp_path / "x" / "src" / "app.c").read_text() == "mine"
    caplog.clear()
    write(tmp_path / "x")
    assert caplog.messages == []


def test_boards_that_cannot_be_built(tmp_path: Path) -> None:
    board = load_board("mps2-an500")
    with pytest.raises(ConfigError, match="has no port"):
        write(tmp_path / "x", board=dataclasses.replace(board, port=None))
    with pytest.raises(ConfigError, match="Makefile"):
        write(tmp_path / "x", board=dataclasses.replace(board, id="a\nall:\n\treboot"))
    cpu = dataclasses.replace(board.cpu, isa=("nowhere",))
    with pytest.raises(ConfigError, match="no source for nowhere"):
        write(tmp_path / "x", board=dataclasses.replace(board, cpu=cpu))
    assert not list(tmp_path.iterdir())


def test_argv() -> None:
    program = tiny_program()
    table = write_table(program, tiny_memory(program))
    board = load_board("mps2-an500")
    project = make_project(symbol="tiny", table=table, program=program, board=board)
    kernel = ProjectSource("lib/edgeserve/kernels/ref/x.c", Part.CODE)
    argv = compile_argv(project, kernel, "x.o", folder="/f", partition=True, extra_flags=["-g3"])
    assert argv[0] == "arm-none-eabi-gcc"
    assert argv[-4:] == ("-c", "lib/edgeserve/kernels/ref/x.c", "-o", "x.o")
    assert {"-O2", "-g3", "-mcpu=cortex-m7", "-ffp-contract=off"} <= set(argv)
    assert "-DES_MODEL_IN_PARTITION=1" not in argv
    bench = ProjectSource("bench/x.c", Part.BENCH)
    argv = compile_argv(project, bench, "x.o", folder="/f", partition=True)
    assert {"-Os", "-DES_MODEL_IN_PARTITION=1"} <= set(argv)
    linked = link_argv(project, ["a.o", "b.o"], "x.elf", linker_script=True, partition=True)
    assert linked[-5:] == ("a.o", "b.o", "-lm", "-o", "x.elf")
    assert linked[linked.index("-T") : linked.index("-T") + 2] == (
        "-T",
        "lib/edgeserve/port/link.ld",
    )
    assert "-Wl,--defsym=es_model_in_partition=1" in linked
    parts = {source.part for source in project.sources_of(ImageKind.BENCH, partition=True)}
    assert parts == {Part.CODE, Part.KERNEL_LIST, Part.LOOP, Part.PORT, Part.BENCH}


def test_a_tool_that_is_missing_or_fails(tmp_path: Path) -> None:
    with pytest.raises(MissingTool) as missing:
        run_tool(["no-such-compiler-gcc"], cwd=tmp_path)
    assert "no-such-compiler-gcc" in missing.value.what
    with pytest.raises(ToolFailed) as failed:
        run_tool(["sh", "-c", "echo 'x.c:1: error: bad' >&2; echo done >&2; exit 3"], cwd=tmp_path)
    assert failed.value.what == "sh failed (exit 3): x.c:1: error: bad"
    assert failed.value.tail[:2] == ("x.c:1: error: bad", "done")


def test_sources_that_a_new_bundle_kept_are_built_on(tmp_path: Path) -> None:
    """`convert --force` carries app.c over and nothing else of a project."""
    dest = tmp_path / "firmware"
    (dest / "src").mkdir(parents=True)
    (dest / "src" / "app.c").write_text("/* mine */\n")
    write(dest)
    assert (dest / "src" / "app.c").read_text() == "/* mine */\n"
    assert (dest / "firmware.json").is_file()

"""The bench image on the host (sanitized) and on an emulated board: the same bytes from both."""

from __future__ import annotations

import dataclasses
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from edgeserve.board import load_board
from edgeserve.bundle import InputAdapter
from edgeserve.errors import DeviceError
from edgeserve.firmware.build import build
from edgeserve.firmware.project import LIBRARY_FOLDER, read_project
from edgeserve.firmware.writing import kernel_sources
from edgeserve.image import Image
from edgeserve.kernels.table import KERNELS
from edgeserve.resources import firmware_root
from edgeserve.strict_json import dump_json
from edgeserve.xorshift import xorshift_input
from tests.e2e.firmware_fixtures import (
    SANITIZERS,
    WERROR,
    conversation,
    open_image,
    running,
    write_tiny,
)
from tests.tiny_program import tiny_program, tiny_steps
from tests.tools import need_board_tools

BOARDS = ("host", "mps2-an500")
HOSTILE = 'a]\r\nm-ready"*/??/\\%日'
VALUES = (5, -7, 127, -128)

Built = Callable[[str, bool], Image]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The image for a board, with the model linked in or left to the partition; built once."""
    folder = tmp_path_factory.mktemp("firmware")

    @cache
    def project(board: str) -> Path:
        need_board_tools(load_board(board))
        return write_tiny(folder, board, tiny_program())

    @cache
    def image(board: str, partition: bool) -> Image:
        flags = SANITIZERS if board == "host" else WERROR
        return build(project(board), partition=partition, extra_flags=flags)

    return image


def as_bytes(values: list[int] | tuple[int, ...]) -> bytes:
    return bytes(value & 0xFF for value in values)


@pytest.mark.parametrize("partition", [False, True], ids=["linked", "partition"])
@pytest.mark.parametrize("board", BOARDS)
def test_every_step_is_what_integers_say(board: str, partition: bool, built: Built) -> None:
    image = built(board, partition)
    assert (image.partition is not None) == partition
    expected = [as_bytes(step) for step in tiny_steps(VALUES)]
    with running(board, image) as dut:
        dut.load(as_bytes(VALUES))
        assert dut.run() == zlib.crc32(expected[-1])
        assert dut.crcs() == tuple(zlib.crc32(data) for data in expected)
        assert dut.out(2) == expected[-1]
        assert dut.dump(0, 0, 1, 3) == expected[0]
        assert dut.results() == tuple(0.25 * (v + 7) for v in tiny_steps(VALUES)[-1])
        memory = dut.memory()
        assert memory.guards_intact
        # 4, 3 and 2 bytes at 0, 16 and 32: the last one that changes.
        assert memory.arena_bytes == 34
        assert memory.stack_bytes is not None
        assert 0 < memory.stack_bytes < 20_000
        info = dut.info()
        assert (info.board, info.steps, info.input_bytes) == (board, 2, 4)
        assert not info.keeps_state


@pytest.mark.parametrize("board", BOARDS)
def test_laps_and_fill(board: str, built: Built) -> None:
    with running(board, built(board, False)) as dut:
        data = xorshift_input(tiny_program().inputs, 0x12345678)
        dut.fill(0x12345678, data)
        laps = dut.laps(5, 2)
        assert laps.output_crc == dut.run()
        values = list(memoryview(data).cast("b"))
        assert dut.out(2) == as_bytes(tiny_steps(values)[-1])
        inferred = dut.infer(3, 1)
        assert inferred.end_us >= inferred.begin_us
        if board != "host":
            assert len(set(laps.counts)) == 1, "instructions are exact"
            steps = sum(step.count for step in dut.profile())
            assert 0.5 * steps < laps.counts[0] < 1.5 * steps


@pytest.mark.parametrize("board", BOARDS)
def test_the_base_protocol_by_hand(board: str, built: Built) -> None:
    with conversation(board, built(board, False)) as talk:
        assert talk.ask("") == []
        assert talk.ask("\r\n name ")[0].startswith("m-name-dut-[")
        assert talk.ask("profile")[1] == "m-model-[tiny]"
        assert all(line.startswith("m-[") for line in talk.ask("help"))
        first, second = (int(talk.ask("timestamp")[0].removeprefix("m-lap-us-")) for _ in "12")
        assert first <= second
        assert talk.ask("results") == ["e-[nothing has run yet]"]
        assert talk.ask("db 00")[0].startswith("e-[")
        assert talk.ask("db load 0")[0].startswith("e-[")
        assert talk.ask("db load 5")[0].startswith("e-[")
        assert talk.ask("db load 4") == ["m-[Expecting 4 bytes]"]
        assert talk.ask("infer 1") == ["e-[the input is not complete]"]
        assert talk.ask("db 05f9") == []
        for bad in ("db 1", "db 0g", "db 123", "db 010203", "db"):
            assert talk.ask(bad)[0].startswith("e-["), bad
        assert talk.ask("db print") == ["m-buffer-05-f9"]
        assert talk.ask("db 7F80") == ["m-load-done"]
        assert talk.ask("db print 2 1") == ["m-buffer-f9-7f"]
        assert talk.ask("db print 1 9")[0].startswith("e-[")
        lines = talk.ask("infer 2 3")
        assert [re.sub(r"\d+", "N", line) for line in lines[:6]] == [
            "m-warmup-start-N",
            "m-warmup-done",
            "m-infer-start-N",
            "m-lap-us-N",
            "m-lap-us-N",
            "m-infer-done",
        ]
        values = ",".join(f"{0.25 * (v + 7):.3f}" for v in tiny_steps(VALUES)[-1])
        assert lines[6] == f"m-results-[{values}]"
        assert talk.ask("infer 1")[0] == "m-warmup-start-10"
        for bad in ("infer 0", "infer x", "infer -1", "infer 4294967296", "infer 1 2x"):
            assert talk.ask(bad)[0].startswith("e-["), bad


@pytest.mark.parametrize("board", BOARDS)
def test_commands_that_cannot_be(board: str, built: Built) -> None:
    with conversation(board, built(board, False)) as talk:
        for bad in (
            *("frobnicate", "es", "es nothing", "es loop start", "es loop trace", "es stream 0"),
            "es stream",
            *("es dump 0 0", "es dump 2 0 1", "es crc 2", "es fill 0", "es fill", "es lap 0"),
            *("a b c d e f g", "name\x00", "na\tme", "name]\x1b"),
        ):
            assert talk.ask(bad)[0].startswith("e-["), bad
        assert talk.ask("es crc")[0] == "e-[es run comes first]"
        assert talk.ask("x" * 1024) == ["e-[the command is too long]"]
        assert talk.ask("db load 1" + " " * 1015)[0] == "e-[the command is too long]"
        assert talk.ask("db load 1" + " " * 1000) == ["m-[Expecting 1 bytes]"]
        assert talk.ask("a]b[" + "\\" * 30)[0].count("]") == 1


@pytest.mark.parametrize("board", BOARDS)
def test_hostile_names_reach_the_line_escaped(board: str, tmp_path: Path) -> None:
    need_board_tools(load_board(board))
    folder = write_tiny(tmp_path, board, tiny_program(HOSTILE, tensor=HOSTILE))
    with conversation(board, build(folder, extra_flags=WERROR)) as talk:
        escaped = 'a\\x5d\\x0d\\x0am-ready"*/??/\\x5c\\x25\\xe6\\x97\\xa5'
        assert talk.ask("profile")[1] == f"m-model-[{escaped}]"
        assert f"m-es-model-[{escaped}]" in talk.ask("es info")


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("adapter", [InputAdapter.UINT8_TO_INT8, InputAdapter.FLOAT32_QUANTIZE])
def test_input_adapters(board: str, adapter: InputAdapter, tmp_path: Path) -> None:
    need_board_tools(load_board(board))
    folder = write_tiny(tmp_path, board, tiny_program(), adapter=adapter)
    with conversation(board, build(folder, extra_flags=WERROR)) as talk:
        if adapter is InputAdapter.UINT8_TO_INT8:
            data = bytes(v + 128 for v in VALUES)
        else:
            # scale 0.5, zero point -1; a tie goes away from zero, and what is too large saturates.
            data = struct.pack("<4f", 2.75, -3.25, 1e30, -1e30)
        assert talk.ask(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
        assert talk.ask(f"db {data.hex()}") == ["m-load-done"]
        talk.ask("infer 1 0")
        values = VALUES if adapter is InputAdapter.UINT8_TO_INT8 else (5, -8, 127, -128)
        assert talk.ask("es out")[0] == f"m-es-out-0-{as_bytes(tiny_steps(values)[-1]).hex()}"
        # The tensor's own bytes go around the adapter.
        assert talk.ask("es load 4") == ["m-[Expecting 4 bytes]"]
        talk.ask(f"db {as_bytes(VALUES).hex()}")
        talk.ask("infer 1 0")
        assert talk.ask("es out")[0] == f"m-es-out-0-{as_bytes(tiny_steps(VALUES)[-1]).hex()}"


@pytest.mark.parametrize("board", BOARDS)
def test_a_damaged_table_in_the_partition_is_refused(board: str, built: Built) -> None:
    image = built(board, True)
    assert image.partition is not None
    table = image.partition.table
    data = table.read_bytes()
    try:
        table.write_bytes(b"\xff" * len(data))
        with conversation(board, image) as talk:
            assert "m-es-status-[not a model table]" in talk.ask("es info")
            assert talk.ask("infer 1") == ["e-[no model: not a model table]"]
    finally:
        table.write_bytes(data)


def test_what_the_image_weighs(built: Built) -> None:
    image = built("mps2-an500", False)
    table = (image.elf.parents[1] / "src" / "model" / "es_model_tiny.bin").stat().st_size
    assert image.model_bytes == table + 4
    assert 1000 < image.code_bytes < 16 * 1024
    assert image.arena_bytes == 48
    assert 0 < image.ram_other_bytes < 64
    assert image.bench_ram_bytes > 1024
    size = subprocess.run(
        ["arm-none-eabi-size", image.elf], capture_output=True, text=True, check=True
    )
    text, data, bss = (int(word) for word in size.stdout.splitlines()[1].split()[:3])
    weighed = image.code_bytes + image.model_bytes + image.harness_bytes
    # The map gives strings that end alike their whole lengths, though they share bytes.
    assert abs(weighed - (text + data)) <= 64
    ram = image.arena_bytes + image.ram_other_bytes + image.bench_ram_bytes
    assert abs(ram - (data + bss)) <= 8
    assert image.model_bytes == built("mps2-an500", True).model_bytes


def test_the_computed_stack_covers_the_measured_one(built: Built) -> None:
    image = built("mps2-an500", False)
    assert image.stack_bytes is not None
    with running("mps2-an500", image) as dut:
        measured = dut.memory().stack_bytes
    assert measured is not None
    assert measured <= image.stack_bytes + 32  # the measuring frame's own
    assert image.stack_chain[0] in ("es_run", "es_init")


def test_the_stack_of_every_kernel_is_proven(tmp_path: Path) -> None:
    need_board_tools(load_board("mps2-an500"))
    folder = write_tiny(tmp_path, "mps2-an500", tiny_program())
    project = read_project(folder)
    own = tuple(f"{LIBRARY_FOLDER}/{name}/" for name in ("adapters", "kernels"))
    sources = [s for s in project.sources if not s.path.startswith(own)]
    root = firmware_root()
    for kind in KERNELS:
        for source in kernel_sources(kind, load_board("mps2-an500")):
            (folder / source.path).parent.mkdir(parents=True, exist_ok=True)
            origin = source.path.removeprefix(f"{LIBRARY_FOLDER}/")
            shutil.copyfile(root / origin, folder / source.path)
            sources.append(source)
    symbols = tuple(kind.SYMBOL for kind in KERNELS)
    everything = dataclasses.replace(project, sources=tuple(sources), kernels=symbols)
    (folder / "firmware.json").write_text(dump_json(everything))
    image = build(folder, extra_flags=WERROR)
    assert image.stack_bytes is not None
    assert image.stack_bytes <= 1024, image.stack_chain


@pytest.mark.parametrize("board", BOARDS)
def test_the_folder_builds_with_make_alone(board: str, built: Built) -> None:
    need_board_tools(load_board(board))
    folder = built(board, False).elf.parents[1]
    done = subprocess.run(
        ["make", "-s", "-C", str(folder), "-j2", "EXTRA_CFLAGS=-Werror"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    partition = ["make", "-s", "-C", str(folder), "-j2", "MODEL_IN_PARTITION=1"]
    subprocess.run(partition, check=True, env={"PATH": "/usr/bin:/bin"})
    assert (folder / "build" / "app.elf").is_file()
    assert (folder / "build" / "bench-partition.elf").is_file()


def test_a_dead_image_is_an_error(built: Built) -> None:
    image = built("host", True)
    link = open_image("host", image)
    link.close()
    with pytest.raises(DeviceError):
        link.read_line(0)

"""Generated C: the same every time, whole, and deaf to whatever a model's names say."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from pathlib import Path

import pytest

from edgeserve.banks import Bank, Pin
from edgeserve.board import load_board
from edgeserve.bundle import InputAdapter
from edgeserve.errors import ConfigError
from edgeserve.firmware.codegen import c_literal, escape_comment, generate_sources, used_kernels
from edgeserve.firmware.writing import bench_config
from edgeserve.graph import DType
from edgeserve.kernels.record import KernelId
from edgeserve.plan.streaming import Method, plan_stream
from edgeserve.program import Program
from edgeserve.resources import firmware_root
from edgeserve.table import write_table
from tests.tiny_program import tiny_memory, tiny_program
from tests.tools import need_programs

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny"
HOSTILE = (
    "*/ int pwned; /*",
    '"; int pwned; //',
    "??/\n*??/",
    "line\nbreak\r\n#define int pwned",
    "back\\slash\\",
    "Käse/日本語/\N{RIGHT-TO-LEFT OVERRIDE}",
    "%s%n$(reboot)`reboot`${HOME}",
    "]\r\nm-ready\r\ne-[",
    "/",
    "*",
    "x" * 5000,
    "",
)


def generate(program: Program, symbol: str) -> dict[str, str]:
    table = write_table(program, tiny_memory(program))
    return {s.name: s.text for s in generate_sources(table, program, symbol=symbol)}


def test_golden() -> None:
    """To accept a wanted change: EDGESERVE_UPDATE_GOLDEN=1 pytest, and look at the difference."""
    program = tiny_program()
    sources = generate(program, "tiny")
    config = bench_config(program, load_board("mps2-an500"), InputAdapter.NONE)
    sources[config.name] = config.text
    if os.environ.get("EDGESERVE_UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        for name, text in sources.items():
            (GOLDEN / name).write_text(text)
    assert sources == {path.name: path.read_text() for path in GOLDEN.iterdir()}
    assert generate(tiny_program(), "tiny").items() <= sources.items()


def test_every_byte_of_the_table_is_there_once() -> None:
    program = tiny_program()
    table = write_table(program, tiny_memory(program))
    text = generate(program, "tiny")["es_model_tiny_table.c"]
    words = re.findall(r"0x([0-9A-F]{8})", text.partition("] = {")[2])
    assert b"".join(int(word, 16).to_bytes(4, "little") for word in words) == table.data


def test_kernels_are_in_rising_order_of_id_and_named_once() -> None:
    program = tiny_program()
    assert [kind.KERNEL for kind in used_kernels(program)] == [KernelId.FULLY_CONNECTED]
    text = generate(program, "tiny")["es_model_tiny_kernels.c"]
    assert text.count("&es_kernel_fully_connected") == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_in_their_comments_and_literals(name: str, tmp_path: Path) -> None:
    need_programs("gcc")
    program = tiny_program(name, tensor=name)
    sources = generate(program, "hostile")
    board = dataclasses.replace(load_board("host"), name=name)
    config = bench_config(program, board, InputAdapter.NONE)
    sources[config.name] = config.text
    for file, text in sources.items():
        assert text.isascii()
        assert "pwned" not in re.sub(r"/\*.*?\*/|\"(\\.|[^\"\\])*\"", "", text, flags=re.S)
        assert max(map(len, text.splitlines())) < 6000
        (tmp_path / file).write_text(text)
    (tmp_path / "use.c").write_text(
        '#include "bench_config.h"\n'
        "#include <stdio.h>\n"
        "int main(void) { fputs(BENCH_BOARD_NAME, stdout); return 0; }\n"
    )
    flags = ("-std=c11", "-Wall", "-Wextra", "-Wcomment", "-Wtrigraphs", "-Werror")
    includes = (f"-I{firmware_root() / 'include'}",)
    for file in sources:
        if file.endswith(".c"):
            subprocess.run(
                ["gcc", *flags, *includes, "-c", file, "-o", f"{file}.o"],
                cwd=tmp_path,
                check=True,
            )
    subprocess.run(["gcc", *flags, *includes, "use.c", "-o", "use"], cwd=tmp_path, check=True)
    done = subprocess.run([str(tmp_path / "use")], capture_output=True, check=True)
    assert done.stdout == name.encode()


@pytest.mark.parametrize("symbol", ["", "1x", "a-b", "a b", "a;b", "*/", "ä", "x" * 64, "x\n"])
def test_a_symbol_must_be_an_identifier(symbol: str) -> None:
    with pytest.raises(ValueError, match="C identifier"):
        generate(tiny_program(), symbol)


def test_escapes() -> None:
    assert escape_comment("a*/b??/c\\\n") == "a{2a}/b{3f}{3f}/c{5c}{a}"
    assert escape_comment("x" * 97) == "x" * 96 + "..."
    assert c_literal('a"b\\c?\né') == '"a\\042b\\134c\\077\\012\\303\\251"'


def test_an_adapter_needs_int8_inputs() -> None:
    board = load_board("host")
    program = tiny_program(input_dtype=DType.FLOAT32)
    with pytest.raises(ConfigError, match="takes int8 inputs"):
        bench_config(program, board, InputAdapter.UINT8_TO_INT8)
    text = bench_config(tiny_program(), board, InputAdapter.FLOAT32_QUANTIZE).text
    assert "#define BENCH_LOAD_BYTES   16\n" in text


def test_a_model_in_two_banks_has_an_array_for_each() -> None:
    """And no ARENA_BYTES: firmware that was written for one array does not compile with it."""
    program = tiny_program()
    pins = (Pin(program.values[program.inputs[0].value].name, "slow"),)
    banks = (Bank("fast", 1 << 10), Bank("slow", 1 << 10, 2, 64))
    table = write_table(program, plan_stream(program, Method(banks=banks, pins=pins)))
    fast, slow = (bank.size_bytes for bank in table.banks)
    text = {s.name: s.text for s in generate_sources(table, program, symbol="tiny")}
    header = text["es_model_tiny.h"]
    assert f"#define ES_MODEL_TINY_BANK_0_BYTES {fast} /* fast */\n" in header
    assert f"#define ES_MODEL_TINY_BANK_1_BYTES {slow} /* slow */\n" in header
    each = f'BANK(0, "fast", {fast}, 16) BANK(1, "slow", {slow}, 64)'
    assert f"#define ES_MODEL_TINY_BANKS(BANK) {each} /*" in header
    assert "ES_MODEL_TINY_ARENA_BYTES" not in header
    assert slow == 64

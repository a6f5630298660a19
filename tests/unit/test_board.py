"""Board files: those that travel with edgeserve, and what is refused in a user's."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from edgeserve.board import (
    Board,
    Holds,
    Kind,
    Method,
    PlatformIO,
    Power,
    Sourced,
    board_ids,
    load_board,
)
from edgeserve.board_sources import board_header, memory_script
from edgeserve.cost.table import costs_of
from edgeserve.errors import ConfigError
from edgeserve.firmware.sizes import code_size
from edgeserve.kernels.record import KernelId
from edgeserve.resources import boards_root, firmware_root

GOOD = """\
name = "A board"
kind = "physical"

[cpu]
core = "cortex-m7"
isa = ["ref"]

[[region]]
name = "flash"
address = 0x08000000
size_bytes = 0x10000
holds = ["code", "model"]
source = "the data sheet"

[[region]]
name = "ram"
address = 0x20000000
size_bytes = 0x8000
reserved_bytes = 0x100
reserved_for = "the loader"
holds = ["arena", "data", "stack"]
source = "the data sheet"
"""

EMULATOR = """
[emulator]
program = "qemu-system-arm"
machine = "m"
icount_shift = 7
ticks_hz = 1
instructions_per_tick = "{}"
"""


def read(folder: Path, text: str, name: str = "mine.toml") -> Board:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load_board(str(path))


def refused(folder: Path, text: str, name: str = "mine.toml") -> str:
    with pytest.raises(ConfigError) as raised:
        read(folder, text, name)
    assert raised.value.hint
    assert "\n" not in raised.value.what
    assert name in raised.value.what
    return raised.value.what


@pytest.mark.parametrize("name", board_ids())
def test_every_board_loads(name: str) -> None:
    board = load_board(name)
    assert board.id == name
    assert board.name
    for what in Holds:
        assert board.holding(what)
    for region in board.regions:
        assert len(region.source) > 10, f"{name}: where is {region.name} from?"
        assert 0 < region.free_bytes <= region.size_bytes
        assert bool(region.reserved_bytes) == bool(region.reserved_for)
    assert (board.emulator is not None) == (board.kind is Kind.EMULATED)
    assert board.cpu.isa[-1] == "ref"
    if board.port is not None:
        assert (firmware_root() / "ports" / board.port).is_dir()


def test_boards_of_the_first_release() -> None:
    assert set(board_ids()) >= {
        *("mps2-an500", "host", "nucleo_h743zi2", "stm32f746g_disco"),
        *("teensy41", "esp32dev", "esp32s3", "nano33ble"),
    }


def test_there_are_boards_of_every_family() -> None:
    boards = [load_board(name) for name in board_ids()]
    real = [board for board in boards if board.kind is not Kind.HOST]
    assert len(real) >= 24
    cores = {board.cpu.core for board in real if board.kind is Kind.PHYSICAL}
    assert cores >= {
        *("cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m85"),
        *("esp32-lx6", "esp32-lx7", "rv32imc", "rv32imac", "rv32imafc"),
    }
    for board in real:
        assert (board.upload is not None) == (board.kind is Kind.PHYSICAL), board.id
        assert code_size(board.cpu.core, [KernelId.CONV_2D]).code_bytes > 0
        assert costs_of(board.cpu.core)


MORE = """
[platformio]
platform = "ststm32"
version = "19.6.0"
board = "nucleo_h743zi"
framework = "stm32cube"
source = "its registry"

[upload]
methods = ["openocd", "dfu"]
openocd_target = "stm32h7x"
openocd_interface = "stlink"
dfu_id = "0483:df11"
address = 0x08000000
source = "the loader's manual"

[usb]
ids = ["0483:374e", "0483:374b"]
source = "the data sheet"

[power]
active_ua = { value = 1500, source = "the data sheet" }
"""


def test_what_flashing_needs(tmp_path: Path) -> None:
    board = read(tmp_path, GOOD.replace("0x8000\n", "0x8000\ndma = false\n") + MORE)
    assert board.platformio == PlatformIO(
        "ststm32", "19.6.0", "nucleo_h743zi", "stm32cube", "its registry"
    )
    assert board.upload is not None
    assert board.upload.methods == (Method.OPENOCD, Method.DFU)
    assert (board.upload.openocd_target, board.upload.dfu_id) == ("stm32h7x", "0483:df11")
    assert (board.upload.address, board.upload.jlink_device) == (0x08000000, None)
    assert board.upload.source == "the loader's manual"
    assert board.usb is not None
    assert board.usb.ids == ("0483:374e", "0483:374b")
    assert board.power == Power(None, Sourced(1500, "the data sheet"), None)
    assert [(r.dma, r.cached) for r in board.regions] == [(None, None), (False, None)]
    plain = read(tmp_path, GOOD)
    assert (plain.platformio, plain.upload, plain.usb, plain.power) == (None, None, None, None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"19.6.0"', '"^19"', "platformio.version is '^19', not a version such as"),
        ('"ststm32"', '"../x"', "platformio.platform is '../x', not a word"),
        ('"openocd", "dfu"', "", "upload.methods must name one method or more, each once"),
        ('"openocd", "dfu"', '"dfu", "dfu"', "upload.methods must name one method or more"),
        ('"dfu"]', '"magic"]', "upload.methods is 'magic', not one of platformio, openocd"),
        ('"dfu"]', '"jlink"]', "upload.jlink_device is missing: jlink needs it"),
        ("address = 0x08000000\nsource", "source", "upload.address is missing: dfu needs it"),
        ('"stm32h7x"', '"-c exit"', "upload.openocd_target is '-c exit', not a word"),
        ('"0483:df11"', '"0483df11"', "upload.dfu_id is '0483df11', not an id such as"),
        ('"0483:374b"', '"0483:374B"', "usb.ids is '0483:374B', not an id such as"),
        ('["0483:374e", "0483:374b"]', "[]", "usb.ids must name one id or more"),
        ('source = "the data sheet"\n\n[power]', "\n[power]", "usb.source is missing"),
        (', source = "the data sheet" }', " }", "power.active_ua.source is missing"),
        ("active_ua = ", "current_ua = ", "power.current_ua is not a known key"),
    ],
)
def test_flashing_that_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in MORE
    assert said in refused(tmp_path, GOOD + MORE.replace(old, new))


def test_a_framework_needs_platformio(tmp_path: Path) -> None:
    port = GOOD.replace('"physical"', '"physical"\nport = "arduino"')
    assert "needs [platformio] with that framework" in refused(tmp_path, port)
    assert "needs [platformio] with that framework" in refused(tmp_path, port + MORE)
    board = read(tmp_path, port + MORE.replace('"stm32cube"', '"arduino"'))
    assert (board.framework, board.toolchain) == ("arduino", None)
    assert read(tmp_path, GOOD + MORE).framework is None


def test_every_figure_has_its_source_beside_it() -> None:
    tables = ("[cpu]", "[[region]]", "[constants]", "[platformio]", "[upload]", "[usb]")
    for path in boards_root().glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        assert sum(map(text.count, tables)) == text.count("\nsource = "), path


def test_a_file_of_the_user(tmp_path: Path) -> None:
    board = read(tmp_path, GOOD)
    assert board.id == "mine"
    assert [region.free_bytes for region in board.regions] == [0x10000, 0x8000 - 0x100]
    assert [region.name for region in board.holding(Holds.ARENA)] == ["ram"]
    assert (board.port, board.toolchain, board.emulator) == (None, None, None)


def test_preferred_region_is_the_first() -> None:
    regions = load_board("nucleo_h743zi2").holding(Holds.ARENA)
    assert [region.name for region in regions] == ["axi_sram", "dtcm"]


def test_what_memory_costs(tmp_path: Path) -> None:
    more = "0x8000\naccess_cost = 5\nalignment_bytes = 32\n"
    flash, ram = read(tmp_path, GOOD.replace("0x8000\n", more)).regions
    assert (flash.access_cost, flash.alignment_bytes) == (1, 16)
    assert (ram.access_cost, ram.alignment_bytes) == (5, 32)


def test_ratio_of_the_emulator_is_exact(tmp_path: Path) -> None:
    emulator = read(tmp_path, GOOD + EMULATOR.format("5/16")).emulator
    assert emulator is not None
    assert emulator.instructions_per_tick == Fraction(5, 16)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "A board"\n', "", "name is missing"),
        ('name = "A board"', "name = 3", "name must be a string"),
        ('name = "A board"', 'name = "A\\u0000board"', "name must be a string on one line"),
        ('"physical"', '"virtual"', "kind is 'virtual', not one of physical, emulated, host"),
        ('isa = ["ref"]', 'isa = "ref"', "cpu.isa must be a list of strings"),
        ('isa = ["ref"]', 'isa = ["ref"]\nspeed = 9', "cpu.speed is not a known key"),
        ("[cpu]", "[cpus]", "cpu is missing"),
        ("0x8000\n", "-1\n", "region[1].size_bytes must be a whole number, not negative"),
        ("0x8000\n", "true\n", "region[1].size_bytes must be a whole number"),
        ("0x8000\n", "0x80\n", "region[1].reserved_bytes is more than size_bytes"),
        ('"stack"', '"heap"', "region[1].holds is 'heap', not one of"),
        (', "stack"', "", "no region holds 'stack'"),
        ('name = "ram"', 'name = "flash"', "two regions have one name"),
        ('source = "the data sheet"\n\n', "", "region[0].source is missing"),
        ("[[region]]", "[[regions]]", "region is missing"),
        ('kind = "physical"', 'kind = "physical"\nport = "p"', "a port needs a [toolchain]"),
        ("[cpu]", "[cpu", "line 4"),
        ("0x8000\n", "0x8000\naccess_cost = 0\n", "region[1].access_cost must be at least 1"),
        ("0x8000\n", '0x8000\naccess_cost = "2"\n', "region[1].access_cost must be a whole number"),
        ("0x8000\n", "0x8000\nalignment_bytes = 8\n", "alignment_bytes must be a power of two"),
        ("0x8000\n", "0x8000\nalignment_bytes = 48\n", "alignment_bytes must be a power of two"),
        ('name = "ram"', 'name = "R-AM"', "region[1].name must be lower-case letters"),
    ],
)
def test_what_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    assert said in refused(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize("ratio", ["5/0", "x", "0", "-1/2", "nan"])
def test_ratios_that_are_refused(tmp_path: Path, ratio: str) -> None:
    assert "emulator.instructions_per_tick" in refused(tmp_path, GOOD + EMULATOR.format(ratio))


@pytest.mark.parametrize("name", ["My Board.toml", "..toml", "a..b.toml", "Ä.toml", "-x.toml"])
def test_names_that_cannot_be_ids(tmp_path: Path, name: str) -> None:
    assert "is not the id of a board" in refused(tmp_path, GOOD, name)


@pytest.mark.parametrize("name", ["nosuch", "../boards/x", "", "zz"])
def test_unknown_board(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown board") as raised:
        load_board(name)
    assert "nucleo_h743zi2" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("nucleo", "nucleo_f446re"),
        ("NUCLEO-H743ZI2", "nucleo_h743zi2"),
        ("nucleo_h743zi", "nucleo_h743zi2"),
        ("esp32-s3", "esp32s3"),
        ("mps2_an500", "mps2-an500"),
        ("teensy4", "teensy41"),
        ("HOST", "host"),
        ("host\n", "host"),
    ],
)
def test_a_board_that_is_spelled_otherwise_is_named(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match="unknown board") as raised:
        load_board(name)
    assert raised.value.hint.startswith("like it: ")
    assert meant in raised.value.hint
    assert "microbit" not in raised.value.hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000, encoding="utf-8")
    for name in ("absent.toml", "folder.toml", "latin.toml", "deep.toml"):
        with pytest.raises(ConfigError, match=name):
            load_board(str(tmp_path / name))


CONSTANTS = """
[constants]
source = "the reference manual"
uart = 0x40004000
irq = 33
"""


def test_constants_and_memory_reach_the_port(tmp_path: Path) -> None:
    board = read(tmp_path, GOOD + CONSTANTS + EMULATOR.format("5/16"))
    assert board.constants == (("uart", 0x40004000), ("irq", 33))
    assert board.constants_source == "the reference manual"
    header = board_header(board)
    for line in ("BOARD_UART 0x40004000u", "BOARD_IRQ 0x21u", "BOARD_TICKS_HZ 0x1u"):
        assert f"#define {line}\n" in header
    script = memory_script(board)
    assert "flash : ORIGIN = 0x08000000, LENGTH = 0x10000\n" in script
    assert "ram : ORIGIN = 0x20000100, LENGTH = 0x7f00\n" in script, "after what is reserved"
    assert 'REGION_ALIAS("CODE", flash)\nREGION_ALIAS("DATA", ram)\n' in script


@pytest.mark.parametrize("constant", ["UART = 1", '"a b" = 1', "uart = -1", 'uart = "1"'])
def test_constants_that_are_refused(tmp_path: Path, constant: str) -> None:
    assert "constants." in refused(tmp_path, GOOD + f"\n[constants]\n{constant}\n")

"""Ports over a vendor's framework: compiled against stubs of the calls that they make, not run."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from edgeserve.board import board_ids, load_board
from edgeserve.errors import ConfigError
from edgeserve.firmware.build import build
from edgeserve.firmware.project import Part, part_flags, read_project
from edgeserve.resources import firmware_root
from tests.e2e.firmware_fixtures import write_tiny
from tests.tiny_program import tiny_program

STUBS = Path(__file__).parents[1] / "stubs"
STRICT = ("-Wall", "-Wextra", "-Werror", "-c", "-o", "port.o")
OPTIONAL = {
    *("es_port_mark", "es_port_last_crash"),
    *("es_port_console_baud", "es_port_pulse_start", "es_port_pulse"),
}
"""What firmware/loop and firmware/bench supply where a port keeps no crash record or has no pin."""

ARDUINO = [name for name in board_ids() if load_board(name).framework == "arduino"]


def required() -> set[str]:
    """The functions that es_port.h asks of a port."""
    text = (firmware_root() / "include" / "es_port.h").read_text()
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return set(re.findall(r"\b(es_port_\w+)\(", code)) - OPTIONAL


@pytest.mark.parametrize(
    ("compiler", "flags", "source", "entry"),
    [
        ("arm-none-eabi-g++", "-mcpu=cortex-m7 -mthumb -std=gnu++14", "arduino/port.cpp", "setup"),
        ("arm-none-eabi-g++", "-mcpu=cortex-m0plus -mthumb -std=gnu++17", "arduino/port.cpp", ""),
        ("g++", "-DESP32 -std=gnu++11", "arduino/port.cpp", "loop"),
        ("riscv64-unknown-elf-gcc", "-march=rv32imc -mabi=ilp32", "espidf/port.c", "app_main"),
    ],
)
def test_ports_compile(compiler: str, flags: str, source: str, entry: str, tmp_path: Path) -> None:
    root = firmware_root()
    specs = ("--specs=picolibc.specs",) if compiler.startswith("riscv") else ()
    folders = (f"-I{root / 'include'}", f"-I{STUBS / Path(source).parent}")
    argv = [compiler, *specs, *flags.split(), *STRICT, *folders, str(root / "ports" / source)]
    subprocess.run(argv, cwd=tmp_path, check=True)
    nm = re.sub(r"g(\+\+|cc)$", "nm", compiler)
    argv = [nm, "--defined-only", "port.o"]
    told = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    defined = {line.split()[-1] for line in told.splitlines()}
    assert required() <= defined
    assert len(required()) >= 15
    assert entry in told


@pytest.mark.parametrize("name", ARDUINO)
def test_projects_of_arduino_boards(name: str, tmp_path: Path) -> None:
    """PlatformIO's alone: there is no Makefile that could not build it."""
    folder = write_tiny(tmp_path, name, tiny_program())
    told = load_board(name).platformio
    assert told is not None
    ini = (folder / "platformio.ini").read_text()
    assert f"platform = {told.platform}@{told.version}\nboard = {told.board}\n" in ini
    assert "framework = arduino\n" in ini
    assert "ldscript" not in ini
    library = json.loads((folder / "lib/edgeserve/library.json").read_text())
    assert "+<port/port.cpp>" in library["build"]["srcFilter"]
    assert not (folder / "Makefile").exists()
    assert not (folder / "platformio_link.py").exists()
    assert re.findall(r"\+<(.*)>", ini) == [*["model/", "../bench/"] * 2, "*"]
    for rule in library["build"]["srcFilter"][1:]:
        assert (folder / "lib" / "edgeserve" / rule.removeprefix("+<").removesuffix(">")).is_file()
    with pytest.raises(ConfigError, match="is built by PlatformIO"):
        build(folder)


def test_c_sources_of_an_arduino_project_compile(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path, "teensy41", tiny_program())
    project = read_project(folder)
    for source in project.sources:
        if source.path.endswith(".c"):
            argv = ["arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-Werror"]
            argv += [*part_flags(project, source.part), "-c", source.path, "-o", "out.o"]
            subprocess.run(argv, cwd=folder, check=True)
    assert {s.path for s in project.sources if s.part is Part.PORT} == {
        f"lib/edgeserve/port/{name}"
        for name in ("port.cpp", "i2c.cpp", "adc.cpp", "microphone.cpp", *SHARED_BY_ESP)
    }


PINS = ("-DBOARD_I2C_SDA=1", "-DBOARD_I2C_SCL=2", "-DBOARD_PDM_CLOCK=3", "-DBOARD_PDM_DATA=4")
I2S_PINS = ("-DBOARD_I2S_CLOCK=5", "-DBOARD_I2S_WORD=6", "-DBOARD_I2S_DATA=7")
SHARED_BY_ESP = ("esp_camera_rows.c", "esp_microphone.c")
BUSES = [
    ("arduino/i2c.cpp", "arduino", (), "es_port_i2c"),
    ("arduino/i2c.cpp", "arduino", ("-DARDUINO_ARDUINO_NANO33BLE",), "es_port_i2c"),
    ("arduino/adc.cpp", "arduino", (), "es_port_adc"),
    ("arduino/microphone.cpp", "arduino", (), "es_port_microphone"),
    ("espidf/i2c.c", "espidf", PINS, "es_port_i2c"),
    ("espidf/adc.c", "espidf", (), "es_port_adc"),
    ("espidf/adc.c", "espidf", ("-DCONFIG_IDF_TARGET_ESP32=1",), "es_port_adc"),
    ("esp/esp_microphone.c", "espidf", PINS, "es_port_microphone"),
    ("esp/esp_microphone.c", "espidf", I2S_PINS, "es_port_microphone"),
    ("esp/esp_camera_rows.c", "espidf", (), "es_port_camera"),
]


def defined(source: str, stubs: str, flags: tuple[str, ...], folder: Path) -> set[str]:
    """What a bus's source defines for a driver, compiled against the stubs."""
    root = firmware_root()
    compiler = ["arm-none-eabi-g++", "-std=gnu++14"]
    if source.endswith(".c"):
        compiler = ["riscv64-unknown-elf-gcc", "--specs=picolibc.specs"]
        flags = ("-march=rv32imac", "-mabi=ilp32", *flags)
    folders = (f"-I{root / 'include'}", f"-I{STUBS / stubs}")
    argv = [*compiler, *flags, *STRICT, *folders, str(root / "ports" / source)]
    subprocess.run(argv, cwd=folder, check=True)
    nm = re.sub(r"g(\+\+|cc)$", "nm", compiler[0])
    argv = [nm, "--defined-only", "port.o"]
    told = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in told.splitlines() if " T " in line}


@pytest.mark.parametrize(("source", "stubs", "flags", "function"), BUSES)
def test_buses_compile_where_they_are_asked_for(
    source: str, stubs: str, flags: tuple[str, ...], function: str, tmp_path: Path
) -> None:
    """A vendor's bus brings constructors and interrupts with it: it is not there unasked."""
    assert defined(source, stubs, ("-DES_SENSORS=1", *flags), tmp_path) == {function}
    assert defined(source, stubs, flags, tmp_path) == set()


@pytest.mark.parametrize("source", ["arduino/i2c.cpp", "arduino/microphone.cpp"])
def test_a_core_without_the_library_has_no_bus(source: str, tmp_path: Path) -> None:
    (tmp_path / "Arduino.h").write_bytes((STUBS / "arduino" / "Arduino.h").read_bytes())
    root = firmware_root()
    argv = ["arm-none-eabi-g++", "-std=gnu++14", "-DES_SENSORS=1", *STRICT, f"-I{tmp_path}"]
    argv += [f"-I{root / 'include'}", str(root / "ports" / source)]
    subprocess.run(argv, cwd=tmp_path, check=True)
    argv = ["arm-none-eabi-nm", "port.o"]
    told = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert told == ""


def test_pins_that_nobody_gave_are_no_bus(tmp_path: Path) -> None:
    for source in ("espidf/i2c.c", "esp/esp_microphone.c"):
        assert defined(source, "espidf", ("-DES_SENSORS=1",), tmp_path) == set()


def test_counts_are_nanoseconds(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path, "nano33ble", tiny_program())
    config = (folder / "src" / "model" / "bench_config.h").read_text()
    assert '#define BENCH_UNIT              "ns"\n' in config
    assert "#define BENCH_UNITS_NUMERATOR   1000u\n" in config
    assert "#define BENCH_UNITS_DENOMINATOR 1u\n" in config

"""Flashing: exact command lines, ports by their USB ids, and one clear line for what goes wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from edgeserve import flash as flashing
from edgeserve.board import Method, board_ids, load_board
from edgeserve.cli import main
from edgeserve.device.flash import (
    TOOLS,
    copy_uf2,
    diagnosis,
    endings,
    find_program,
    flash_argv,
    jlink_script,
)
from edgeserve.device.ports import port_of
from edgeserve.errors import ConfigError, DeviceError, FlashFailed, MissingTool, NotFound, Timeout
from edgeserve.flash import choose_method, reopen, resolve
from tests.simulated_link import SimulatedLink

ACM = "/dev/ttyACM0"


@pytest.mark.parametrize(
    ("board", "method", "image", "port", "expected"),
    [
        (
            "nucleo_h743zi2",
            Method.OPENOCD,
            "/a b/bench.elf",
            ACM,
            "openocd|-f|interface/stlink.cfg|-f|target/stm32h7x.cfg|-c|"
            "program {/a b/bench.elf} verify reset exit",
        ),
        (
            "nucleo_f446re",
            Method.PYOCD,
            "/x/bench.hex",
            ACM,
            "pyocd|flash|--target|stm32f446retx|/x/bench.hex",
        ),
        (
            "nrf5340dk",
            Method.JLINK,
            "/x/bench.hex",
            ACM,
            "JLinkExe|-device|nRF5340_xxAA_APP|-if|SWD|-speed|4000|-autoconnect|1|-NoGui|1|"
            "-ExitOnError|1",
        ),
        (
            "esp32c3",
            Method.ESPTOOL,
            "/x/app.bin",
            "/dev/ttyUSB0",
            "esptool|--chip|esp32c3|--port|/dev/ttyUSB0|write-flash|0x10000|/x/app.bin",
        ),
        (
            "esp32s3",
            Method.ESPTOOL,
            "/x/app.bin",
            "rfc2217://far:4000",
            "esptool|--chip|esp32s3|--port|rfc2217://far:4000|write-flash|0x10000|/x/app.bin",
        ),
        (
            "esp32p4",
            Method.ESPTOOL,
            "/x/app.bin",
            "socket://far:4000",
            "esptool|--chip|esp32p4|--port|socket://far:4000|--before|no-reset|--after|no-reset|"
            "--no-stub|write-flash|0x10000|/x/app.bin",
        ),
        (
            "portenta_h7_m7",
            Method.DFU,
            "/x/app.bin",
            None,
            "dfu-util|--device|2341:035b|--alt|0|--dfuse-address|0x08040000:leave|--download|"
            "/x/app.bin",
        ),
        (
            "pico2",
            Method.PICOTOOL,
            "/x/app.uf2",
            None,
            "picotool|load|--verify|--execute|--force|/x/app.uf2",
        ),
        (
            "teensy41",
            Method.TEENSY,
            "/x/app.hex",
            None,
            "teensy_loader_cli|--mcu=TEENSY41|-w|-s|/x/app.hex",
        ),
        (
            "nano33ble",
            Method.PLATFORMIO,
            "/x/firmware",
            ACM,
            "pio|run|--project-dir|/x/firmware|--environment|nano33ble|--target|upload|"
            "--upload-port|/dev/ttyACM0",
        ),
        (
            "nucleo_g0b1re",
            Method.PLATFORMIO,
            "/x/firmware",
            None,
            "pio|run|--project-dir|/x/firmware|--environment|nucleo_g0b1re|--target|upload",
        ),
    ],
)
def test_command_lines(
    board: str, method: Method, image: str, port: str | None, expected: str
) -> None:
    assert flash_argv(load_board(board), method, Path(image), port) == tuple(expected.split("|"))


def test_every_method_of_every_board_has_a_command_line() -> None:
    for board in map(load_board, board_ids()):
        for method in board.upload.methods if board.upload else ():
            if method is not Method.UF2:
                argv = flash_argv(board, method, Path("/x/i"), ACM)
                assert "None" not in " ".join(argv), (board.id, method)


@pytest.mark.parametrize("path", ["/x/a}b.elf", "/x/a{b.elf", "/x/a\\b.elf"])
def test_paths_that_tcl_would_read_otherwise(path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be told of"):
        flash_argv(load_board("nucleo_h743zi2"), Method.OPENOCD, Path(path), None)


def test_what_jlink_is_told() -> None:
    assert jlink_script(Path("/a b/x.hex")) == 'loadfile "/a b/x.hex"\nr\ng\nexit\n'
    with pytest.raises(ConfigError, match="cannot be told of"):
        jlink_script(Path('/x/"\nexec.hex'))


@pytest.mark.parametrize(
    ("board", "wanted", "image", "method"),
    [
        ("nucleo_h743zi2", None, "a.elf", Method.OPENOCD),
        ("nucleo_h743zi2", None, "a.hex", Method.PYOCD),
        ("nucleo_h743zi2", Method.JLINK, "a.hex", Method.JLINK),
        ("nucleo_h743zi2", None, None, Method.PLATFORMIO),
        ("esp32c3", None, "a.bin", Method.ESPTOOL),
        ("pico", None, "a.uf2", Method.PICOTOOL),
        ("pico", Method.UF2, "a.uf2", Method.UF2),
    ],
)
def test_the_first_method_that_takes_the_image(
    board: str, wanted: Method | None, image: str | None, method: Method
) -> None:
    path = None if image is None else Path(image)
    assert choose_method(load_board(board), wanted, path) is method


@pytest.mark.parametrize(
    ("board", "wanted", "image", "said"),
    [
        ("mps2-an500", None, None, "mps2-an500 has no way to be flashed"),
        ("host", None, "a.elf", "host has no way to be flashed"),
        ("esp32c3", Method.OPENOCD, "a.elf", "esp32c3 is not flashed by openocd"),
        ("esp32c3", None, "a.elf", "esp32c3 cannot be flashed from a.elf by esptool or platformio"),
        ("pico2", None, None, "pico2 cannot be flashed without an image by picotool or"),
    ],
)
def test_what_cannot_be_flashed(
    board: str, wanted: Method | None, image: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        choose_method(load_board(board), wanted, None if image is None else Path(image))
    assert raised.value.hint


def port(name: str, usb: str, serial: str | None = None) -> ListPortInfo:
    info = ListPortInfo(name)
    info.vid, info.pid = (int(half, 16) for half in usb.split(":"))
    info.serial_number = serial
    return info


def plug(monkeypatch: pytest.MonkeyPatch, *ports: ListPortInfo) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))


def test_a_port_is_found_by_its_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, port("/dev/ttyACM1", "16c0:0483"), port(ACM, "0483:374e", "1"))
    assert port_of(load_board("nucleo_h743zi2")) == ACM
    assert port_of(load_board("teensy40")) == "/dev/ttyACM1"


def test_two_interfaces_of_one_board(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, port("/dev/ttyACM1", "1366:1051", "7"), port(ACM, "1366:1051", "7"))
    assert port_of(load_board("nrf5340dk")) == ACM


def test_ports_that_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    board = load_board("nucleo_h743zi2")
    plug(monkeypatch)
    with pytest.raises(NotFound, match=r"no nucleo_h743zi2 is connected \(USB 0483:374e\)"):
        port_of(board)
    plug(monkeypatch, port(ACM, "0483:374e", "1"), port("/dev/ttyACM1", "0483:374e", "2"))
    with pytest.raises(DeviceError, match="2 boards could be a nucleo_h743zi2: /dev/ttyACM0"):
        port_of(board)
    with pytest.raises(ConfigError, match="does not say by which USB ids"):
        port_of(replace(board, usb=None))


def test_a_loader_needs_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch)
    assert resolve(load_board("pico"), "auto", Method.PICOTOOL) is None
    assert resolve(load_board("pico"), "socket://far:1", Method.PICOTOOL) == "socket://far:1"
    with pytest.raises(NotFound):
        resolve(load_board("esp32c3"), "auto", Method.ESPTOOL)


@pytest.mark.parametrize(
    ("output", "error", "said"),
    [
        (
            "A fatal error occurred: This chip is ESP32-C3, not ESP32-S3. Wrong chip argument?",
            FlashFailed,
            "this is not a esp32s3: the chip is ESP32-C3, not ESP32-S3",
        ),
        ("Error: expected 1 of 1: 0x6ba02477\nmore", FlashFailed, "this is not a esp32s3: Error:"),
        ("Error: libusb_open() failed with LIBUSB_ERROR_ACCESS", DeviceError, "no permission to"),
        ("[Errno 13] could not open port: Permission denied", DeviceError, "no permission to"),
        ("[Errno 16] could not open port: Device or resource busy", DeviceError, "is in use by"),
        ("Could not exclusively lock port /dev/x", DeviceError, "is in use by another program"),
        ("Failed to connect to ESP32-S3: No serial data received.", NotFound, "no esp32s3 answers"),
        ("dfu-util: No DFU capable USB device available", NotFound, "no esp32s3 answers tool"),
        ("first\n\x1b[31mStrange things\x07\n\n", FlashFailed, r"tool could not .*\(exit 3\)"),
        ("", FlashFailed, r"tool could not write the image \(exit 3\)$"),
    ],
)
def test_what_tools_say(output: str, error: type[DeviceError], said: str) -> None:
    answer = diagnosis("tool", 3, output, load_board("esp32s3"))
    assert type(answer) is error
    with pytest.raises(error, match=said):
        raise answer
    assert answer.what.isprintable()
    assert answer.hint


def test_a_missing_tool_is_named_with_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for method in (Method.OPENOCD, Method.DFU, Method.TEENSY):
        with pytest.raises(MissingTool, match=TOOLS[method].program) as raised:
            find_program(TOOLS[method])
        assert TOOLS[method].install in raised.value.hint


def test_uf2(tmp_path: Path) -> None:
    image = tmp_path / "bench.uf2"
    image.write_bytes(b"UF2")
    roots = (tmp_path / "a", tmp_path / "b")
    with pytest.raises(NotFound, match="no drive RPI-RP2 is mounted"):
        copy_uf2(image, "RPI-RP2", roots)
    for root in roots:
        (root / "RPI-RP2").mkdir(parents=True)
    (roots[1] / "RPI-RP2" / "INFO_UF2.TXT").touch()
    copy_uf2(image, "RPI-RP2", roots)
    assert (roots[1] / "RPI-RP2" / "bench.uf2").read_bytes() == b"UF2"
    (roots[0] / "RPI-RP2" / "INFO_UF2.TXT").touch()
    with pytest.raises(DeviceError, match="2 drives"):
        copy_uf2(image, "RPI-RP2", roots)


def test_a_board_that_comes_back_late(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[SimulatedLink | DeviceError]
    tries = [NotFound("nothing"), DeviceError("no permission"), SimulatedLink([])]

    def opened(name: str) -> SimulatedLink:
        one = tries.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr(flashing, "open_serial", opened)
    assert reopen(load_board("pico"), ACM).name == "simulated"


def test_a_board_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch)
    with pytest.raises(NotFound):
        reopen(load_board("pico"), "auto", wait_s=0)


def test_a_silent_board() -> None:
    with pytest.raises(Timeout, match="simulated does not answer"):
        flashing.confirm(SimulatedLink([("%name", None)] * 40), "00")


def test_every_method_says_what_it_takes() -> None:
    for method in Method:
        assert (method is Method.PLATFORMIO) == (not endings(method))


def test_unknown_boards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flash", str(tmp_path / "absent.tflite"), "--board", "nosuch"]) == 2
    assert "unknown board" in capsys.readouterr().err

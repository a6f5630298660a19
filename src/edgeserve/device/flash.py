"""Flashing tools: the command line of each, and what the words that it fails with mean."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeserve.board import Board, Method, Upload
from edgeserve.errors import (
    ConfigError,
    DeviceError,
    EdgeserveError,
    FlashFailed,
    MissingTool,
    NotFound,
)

TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, the line that installs it, and the endings of the images that it takes."""

    program: str
    install: str
    endings: tuple[str, ...]


TOOLS = {
    Method.OPENOCD: Tool("openocd", "sudo apt-get install openocd", (".elf",)),
    Method.PYOCD: Tool("pyocd", "pip install pyocd", (".elf", ".hex")),
    Method.JLINK: Tool("JLinkExe", "the J-Link Software pack of segger.com", (".hex",)),
    Method.ESPTOOL: Tool("esptool", "pip install 'edgeserve[esp]'", (".bin",)),
    Method.DFU: Tool("dfu-util", "sudo apt-get install dfu-util", (".bin",)),
    Method.PICOTOOL: Tool("picotool", "sudo apt-get install picotool", (".elf", ".uf2")),
    Method.TEENSY: Tool("teensy_loader_cli", "sudo apt-get install teensy-loader-cli", (".hex",)),
    Method.PLATFORMIO: Tool("pio", "pip install platformio", ()),
}
"""PlatformIO builds its image itself; UF2 is a copy onto a drive, and has no tool."""

UF2_ENDINGS = (".uf2",)


def endings(method: Method) -> tuple[str, ...]:
    """How images that a method takes are called; none where it takes a project."""
    return UF2_ENDINGS if method is Method.UF2 else TOOLS[method].endings


def flash_argv(board: Board, method: Method, image: Path, port: str | None) -> tuple[str, ...]:
    """The command line that puts ``image`` onto the board; for PlatformIO the project's folder.

    ``port`` is where the board's serial line is, for the methods that go that way. JLinkExe reads
    ``jlink_script`` on its standard input. Raises ConfigError for what the method cannot take.
    """
    upload = upload_of(board)
    program = TOOLS[method].program
    match method:
        case Method.OPENOCD:
            return (
                *(program, "-f", f"interface/{upload.openocd_interface}.cfg"),
                *("-f", f"target/{upload.openocd_target}.cfg"),
                *("-c", f"program {{{_tcl_word(image)}}} verify reset exit"),
            )
        case Method.PYOCD:
            return (program, "flash", "--target", str(upload.pyocd_target), str(image))
        case Method.JLINK:
            device = str(upload.jlink_device)
            return (
                *(program, "-device", device, "-if", "SWD", "-speed", "4000"),
                *("-autoconnect", "1", "-NoGui", "1", "-ExitOnError", "1"),
            )
        case Method.ESPTOOL:
            return _esptool_argv(program, upload, image, _require_port(board, port))
        case Method.DFU:
            return (
                *(program, "--device", str(upload.dfu_id), "--alt", "0"),
                *("--dfuse-address", f"{upload.address:#010x}:leave", "--download", str(image)),
            )
        case Method.PICOTOOL:
            return (program, "load", "--verify", "--execute", "--force", str(image))
        case Method.TEENSY:
            return (program, f"--mcu={upload.teensy_mcu}", "-w", "-s", str(image))
        case Method.PLATFORMIO:
            there = ("--upload-port", port) if port else ()
            return (
                *(program, "run", "--project-dir", str(image), "--environment", board.id),
                *("--target", "upload", *there),
            )
        case Method.UF2:
            raise ConfigError("UF2 images are copied, and by no tool")


def upload_of(board: Board) -> Upload:
    """How the board is flashed; ConfigError where its file does not say."""
    if board.upload is None:
        raise ConfigError(
            f"{board.id} has no way to be flashed",
            hint="emulated boards and the host are started by bench; "
            "a board's file says how in [upload] (docs/PORTING.md)",
        )
    return board.upload


def jlink_script(image: Path) -> str:
    """What JLinkExe is told: write, reset, go."""
    if '"' in str(image) or "\n" in str(image):
        raise _odd_path(image)
    return f'loadfile "{image}"\nr\ng\nexit\n'


def _esptool_argv(program: str, upload: Upload, image: Path, port: str) -> tuple[str, ...]:
    """Behind a bare socket there are no control lines: nothing resets the chip, so the loader that
    waits in its ROM is used as it is, and the program that it would load is not.
    """
    bare = port.startswith("socket://")
    return (
        *(program, "--chip", str(upload.esptool_chip), "--port", port),
        *(("--before", "no-reset", "--after", "no-reset", "--no-stub") if bare else ()),
        *("write-flash", f"{upload.address:#x}", str(image)),
    )


_ESP_MAGIC = 0xE9
_ESP_CHIPS = {
    "esp32": 0,
    "esp32s2": 2,
    "esp32c3": 5,
    "esp32s3": 9,
    "esp32c6": 13,
    "esp32h2": 16,
    "esp32p4": 18,
}
"""What an image's header calls the chip that it is for (esptool, image header, byte 12)."""


def require_esp_image(image: Path, board: Board) -> None:
    """FlashFailed unless the image is for the board's chip: esptool looks at boot loaders alone."""
    chip = str(upload_of(board).esptool_chip)
    with image.open("rb") as file:
        header = file.read(14)
    if len(header) < 14 or header[0] != _ESP_MAGIC:
        raise FlashFailed(
            f"{image.name} is not an image for {chip}",
            hint="make one of an ELF file: esptool --chip CHIP elf2image",
        )
    wanted, found = _ESP_CHIPS.get(chip), int.from_bytes(header[12:14], "little")
    if wanted is not None and found != wanted:
        names = {number: name for name, number in _ESP_CHIPS.items()}
        raise FlashFailed(
            f"{image.name} is an image for {names.get(found, f'chip {found}')}, "
            f"and {board.id} has an {chip}",
            hint="build the firmware for this board",
        )


def _require_port(board: Board, port: str | None) -> str:
    if port is None:
        raise ConfigError(f"{board.id} is flashed over its port", hint="name it: --port")
    return port


def _tcl_word(image: Path) -> str:
    """A path between braces of Tcl, where all but these stands for itself."""
    if any(sign in str(image) for sign in "{}\\\n"):
        raise _odd_path(image)
    return str(image)


def _odd_path(image: Path) -> ConfigError:
    return ConfigError(
        f"the flashing tool cannot be told of {str(image)!r}",
        hint="move the bundle to a folder with a plainer name",
    )


def run_flash_tool(argv: Sequence[str], method: Method, board: Board, text: str = "") -> None:
    """Runs a tool to its end; ``text`` is its standard input.

    Raises MissingTool, or what ``diagnosis`` makes of its words.
    """
    tool = TOOLS[method]
    program = find_program(tool)
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FlashFailed(
            f"{tool.program} did not end within {TIMEOUT_S:.0f} s",
            hint="reset the board, then run the command again",
        ) from None
    if done.returncode != 0:
        raise diagnosis(tool.program, done.returncode, done.stdout, board)


def find_program(tool: Tool) -> str:
    """Where a tool is: on the PATH, or beside this Python. Raises MissingTool."""
    beside = Path(sys.executable).parent / tool.program
    found = shutil.which(tool.program) or (str(beside) if beside.is_file() else None)
    if found is None:
        raise MissingTool(tool.program, install=tool.install)
    return found


_ESPTOOL_CHIP = re.compile(r"This chip is ([\w-]+),? not ([\w-]+)")
_WRONG_CHIP = re.compile(
    r"is not an? [\w-]+ image|Unexpected chip|UNEXPECTED idcode|"
    r"expected 1 of \d+: 0x|wrong chip|not compatible with|Incompatible device",
    re.IGNORECASE,
)
_NOT_PERMITTED = re.compile(
    r"LIBUSB_ERROR_ACCESS|permission denied|insufficient permissions|no permission|"
    r"Cannot open DFU device|unable to connect",
    re.IGNORECASE,
)
_BUSY = re.compile(
    r"LIBUSB_ERROR_BUSY|resource busy|resource temporarily unavailable|"
    r"exclusively lock|port is busy|already in use",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"No DFU capable USB device|No accessible RP|No available debug probes|"
    r"unable to find a matching|Error: open failed|Failed to connect to ESP|"
    r"No serial data received|No such file or directory|Connection refused|"
    r"Connecting to J-Link via USB.*FAILED|Unable to find .*device|could not open port",
    re.IGNORECASE,
)


def diagnosis(program: str, status: int, output: str, board: Board) -> EdgeserveError:
    """The one line to say when a tool has failed with these words."""
    if found := _ESPTOOL_CHIP.search(output):
        return _wrong_chip(board, f"the chip is {found[1]}, not {found[2]}")
    if found := _WRONG_CHIP.search(output):
        return _wrong_chip(board, _line_of(output, found.start()))
    if _BUSY.search(output):
        return DeviceError(
            f"{board.id} is in use by another program",
            hint="close the other program, then try again",
        )
    if _NOT_PERMITTED.search(output):
        return DeviceError(
            f"no permission to reach {board.id}",
            hint="sudo usermod -aG dialout $USER, then log in again; a debug probe needs its udev "
            "rules as well (OpenOCD brings 60-openocd.rules)",
        )
    if _ABSENT.search(output):
        return NotFound(
            f"no {board.id} answers {program}",
            hint="check cable and power; some boards want a button held while they are plugged in",
        )
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "")
    said = f": {_plain(last)}" if last else ""
    return FlashFailed(
        f"{program} could not write the image (exit {status}){said}",
        hint="reset the board, then run the command again",
    )


def _wrong_chip(board: Board, why: str) -> FlashFailed:
    return FlashFailed(
        f"this is not a {board.id}: {why}", hint="name the board that is there: --board"
    )


def _line_of(output: str, position: int) -> str:
    start = output.rfind("\n", 0, position) + 1
    return _plain(output[start:].splitlines()[0])


def _plain(line: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in line).split())[:160]


def copy_uf2(image: Path, volume: str, roots: Sequence[Path]) -> None:
    """Copies an image onto the drive of a loader: the folder ``volume`` below one of ``roots``.

    Raises NotFound when it is not mounted, DeviceError for two, FlashFailed when it vanishes.
    """
    drives = [root / volume for root in roots if (root / volume / "INFO_UF2.TXT").is_file()]
    if not drives:
        raise NotFound(
            f"no drive {volume} is mounted",
            hint="hold BOOTSEL while the board is plugged in, and mount the drive",
        )
    if len(drives) > 1:
        raise DeviceError(
            f"{len(drives)} drives are called {volume}", hint="leave one board plugged in"
        )
    try:
        shutil.copyfile(image, drives[0] / image.name)
    except OSError as error:
        raise FlashFailed(
            f"cannot copy {image.name} to {drives[0]}: {error.strerror}",
            hint="hold BOOTSEL while the board is plugged in, then run the command again",
        ) from error

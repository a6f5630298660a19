"""An emulated board: QEMU started on a firmware image, its UART on a socket."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

from edgeserve.board import Board, Emulator
from edgeserve.device.process import Child, ChildLink, missing_program
from edgeserve.device.serial import open_serial
from edgeserve.errors import ConfigError, DeviceError, MissingTool, NotFound, ToolFailed
from edgeserve.image import Partition

APT_PACKAGES = {
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-riscv32": "qemu-system-misc",
    "qemu-system-xtensa": "qemu-system-misc",
}


def qemu_argv(
    emulator: Emulator, kernel: Path, listening_fd: int, partition: Partition | None = None
) -> tuple[str, ...]:
    """The command line that runs ``kernel``; the machine starts when the UART has a client.

    ``listening_fd`` is a bound and listening TCP socket that QEMU inherits: a port number given
    instead could be taken by somebody else before QEMU binds it. Virtual time advances by the
    instruction (icount), so that the timer counts instructions exactly and sleeping costs nothing.
    ``partition`` puts a model table where the image looks for it.
    """
    table = () if partition is None else ("-device", _loader(partition))
    return (
        emulator.program,
        *("-machine", emulator.machine, *emulator.arguments),
        *("-nographic", "-monitor", "none", "-nodefaults"),
        *("-icount", f"shift={emulator.icount_shift},sleep=off"),
        *("-chardev", f"socket,id=uart,fd={listening_fd},server=on,wait=on,nodelay=on"),
        *("-serial", "chardev:uart"),
        *("-kernel", str(kernel)),
        *table,
    )


def open_qemu(board: Board, kernel: Path, partition: Partition | None = None) -> ChildLink:
    """Starts the board's emulator on the image ``kernel`` (an ELF file) and connects to its UART.

    No byte that the firmware prints is lost: the machine waits for the connection. Closing the
    link ends QEMU. Raises ConfigError when the board is not emulated, MissingTool, NotFound when
    there is no image, DeviceError when QEMU does not start.
    """
    emulator = board.emulator
    if emulator is None:
        raise ConfigError(
            f"{board.id} is not an emulated board", hint="give the port that the board is on"
        )
    if not kernel.is_file():
        raise NotFound(f"there is no firmware image {kernel}", hint="build it: edgeserve build")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        argv = qemu_argv(emulator, kernel.resolve(), listener.fileno(), partition)
        child = _start(argv, f"{board.id} (QEMU)", listener.fileno())
    try:
        return ChildLink(open_serial(f"socket://127.0.0.1:{port}"), child)
    except DeviceError:
        child.wait_ended(1.0)
        error = DeviceError(f"{board.id} (QEMU) did not start ({child.obituary()})")
        child.stop()
        raise error from None
    except BaseException:
        child.stop()
        raise


def qemu_version(program: str) -> str:
    """The version that QEMU states, such as ``7.2.22``. Raises MissingTool, ToolFailed."""
    try:
        done = subprocess.run(
            (program, "--version"), capture_output=True, text=True, timeout=30, check=True
        )
    except FileNotFoundError:
        raise _missing(program) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolFailed(program, status=type(error).__name__) from None
    match = re.search(r"version (\S+)", done.stdout)
    if match is None:
        raise ToolFailed(program, status="no version in what --version prints")
    return match[1]


def _loader(partition: Partition) -> str:
    """The device that loads raw bytes; a comma in a QEMU option is spelled twice."""
    path = str(partition.table.resolve()).replace(",", ",,")
    return f"loader,file={path},addr=0x{partition.address:x},force-raw=on"


def _missing(program: str) -> MissingTool:
    return missing_program(program, APT_PACKAGES.get(program, "qemu-system-misc"))


def _start(argv: tuple[str, ...], name: str, listening_fd: int) -> Child:
    try:
        return Child(argv, name=name, pass_fds=(listening_fd,))
    except FileNotFoundError:
        raise _missing(argv[0]) from None
    except OSError as error:
        raise DeviceError(f"{argv[0]} cannot be executed: {error.strerror}") from None

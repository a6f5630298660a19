"""A link over a serial port, a socket or a serial server, by pyserial."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import serial
from filelock import FileLock
from filelock import Timeout as LockTimeout

from edgeserve.cache import cache_root
from edgeserve.device.link import LineAssembler, seconds_left, silence
from edgeserve.errors import ConfigError, DeviceError, NotFound, Timeout, ToolError

DEFAULT_BAUD = 115200
POLL_S = 0.1
WRITE_TIMEOUT_S = 10.0
_SCHEMES = ("socket://", "rfc2217://")


class SerialLink:
    """An open port that no other edgeserve process uses at the same time."""

    def __init__(self, port: serial.Serial, name: str, lock: FileLock) -> None:
        self._port = port
        self._name = name
        self._lock = lock
        self._lines = LineAssembler(name)

    @property
    def name(self) -> str:
        return self._name

    def send(self, text: str) -> None:
        with self._present():
            self._port.write(text.encode("ascii"))
            self._port.flush()

    def read_line(self, deadline: float) -> str:
        while (line := self._lines.take()) is None:
            if seconds_left(deadline) == 0:
                raise silence(self._name, self._lines)
            with self._present():
                self._lines.feed(self._read())
        return line

    def close(self) -> None:
        # A device that went away first leaves nothing to close.
        with contextlib.suppress(OSError, serial.SerialException):
            self._port.close()
        self._lock.release()

    def _read(self) -> bytes:
        """What has come; waits POLL_S for the first byte and not at all for more."""
        first: bytes = self._port.read(1)
        if not first:
            return b""
        if not self._name.startswith("socket://"):
            return first + bytes(self._port.read(self._port.in_waiting))
        # pyserial does not know how much waits in a socket, and byte by byte is slow.
        self._port.timeout = 0
        try:
            return first + bytes(self._port.read(65536))
        finally:
            self._port.timeout = POLL_S

    @contextmanager
    def _present(self) -> Iterator[None]:
        try:
            yield
        except serial.SerialTimeoutException:
            raise Timeout(
                f"{self._name} takes no more bytes", hint="reset the device, then try again"
            ) from None
        except (serial.SerialException, OSError, TypeError):
            # TypeError: pyserial's way to say that the port was closed under it.
            raise gone(self._name) from None


def open_serial(port: str, *, baud: int = DEFAULT_BAUD) -> SerialLink:
    """Opens ``/dev/tty...``, ``COM3``, ``socket://HOST:PORT`` or ``rfc2217://HOST:PORT``.

    Raises ConfigError for a name that is none of these, NotFound when nothing is there, DeviceError
    when it is busy or not permitted.
    """
    _require_name(port)
    lock = _lock_port(port)
    try:
        opened = serial.serial_for_url(port, baudrate=baud, timeout=POLL_S, do_not_open=True)
        if not port.startswith("rfc2217://"):  # it has one of its own, and refuses another
            opened.write_timeout = WRITE_TIMEOUT_S
        if not port.startswith(_SCHEMES):
            opened.exclusive = True
        opened.open()
    except (serial.SerialException, OSError) as error:
        lock.release()
        raise _opening_error(port, error) from None
    except ValueError as error:
        lock.release()
        raise ConfigError(f"{port!r} cannot be opened: {error}", hint=_NAMES_HINT) from None
    except BaseException:
        lock.release()
        raise
    return SerialLink(opened, port, lock)


_NAMES_HINT = "give a port such as /dev/ttyACM0, socket://HOST:PORT or rfc2217://HOST:PORT"


def gone(name: str) -> DeviceError:
    """The error for a device that vanished while it was in use."""
    return DeviceError(
        f"{name} went away while it was in use",
        hint="check the cable and the power, then run the command again",
    )


def _require_name(port: str) -> None:
    if "://" in port:
        if not port.startswith(_SCHEMES) or not _has_host_and_port(port):
            raise ConfigError(f"{port!r} is not the name of a port", hint=_NAMES_HINT)
    elif not port or "\0" in port:
        raise ConfigError(f"{port!r} is not the name of a port", hint=_NAMES_HINT)
    elif os.name == "posix":
        _require_terminal(Path(port))


def _has_host_and_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port is not None
    except ValueError:  # a port above 65535, or brackets that do not match
        return False


def _require_terminal(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise _not_found(str(path)) from None
    except OSError as error:
        raise _opening_error(str(path), error) from None
    if not stat.S_ISCHR(mode):
        raise ConfigError(f"{path} is not a serial port", hint=_NAMES_HINT)


def _lock_port(port: str) -> FileLock:
    """One lock a port, whatever name it is called by."""
    real = port if "://" in port else str(Path(port).resolve())
    key = hashlib.sha256(real.encode()).hexdigest()[:32]
    path = cache_root() / "locks" / f"port-{key}.lock"
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except LockTimeout:
        raise _busy(port) from None
    except OSError as error:
        raise ToolError(
            f"cannot lock {port}: {path}: {error.strerror}",
            hint="set EDGESERVE_CACHE to a folder that can be written",
        ) from None
    return lock


def _opening_error(port: str, error: Exception) -> DeviceError:
    code = getattr(error, "errno", None)
    text = str(error)
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "refused" in text:
        return _not_found(port)
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return _busy(port)
    if code in (errno.EACCES, errno.EPERM):
        return DeviceError(
            f"no permission to open {port}",
            hint="join the port's group: sudo usermod -aG dialout $USER, then log in again; where "
            'no group has it, give it a udev rule with TAG+="uaccess"',
        )
    return DeviceError(f"{port} cannot be opened: {_one_line(text)}", hint=_NAMES_HINT)


def _not_found(port: str) -> NotFound:
    hint = (
        "start the emulator or the serial server first"
        if "://" in port
        else "plug the board in; `edgeserve devices` lists what is there"
    )
    return NotFound(f"nothing is at {port}", hint=hint)


def _busy(port: str) -> DeviceError:
    return DeviceError(
        f"{port} is in use by another program", hint="close the other program, then try again"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:160]

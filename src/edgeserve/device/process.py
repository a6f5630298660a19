"""A device that is a process of this machine: started here, listened to, and always ended."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import tty
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from edgeserve.device.link import LineAssembler, Link, seconds_left, silence
from edgeserve.device.serial import gone
from edgeserve.errors import DeviceError, MissingTool, NotFound, Timeout

STOP_S = 2.0
TAIL_LINES = 5
WRITE_TIMEOUT_S = 10.0
_PR_SET_PDEATHSIG = 1


class Child:
    """A started process. It does not outlive ``stop``, this process's end, or (Linux) its death."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        name: str,
        terminal_fd: int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Starts ``argv`` in a session of its own, so that a Ctrl-C reaches this process alone.

        ``terminal_fd`` becomes its stdin and stdout; without it both are /dev/null. Raises
        FileNotFoundError or PermissionError as ``subprocess`` does.
        """
        self.name = name
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        stream = subprocess.DEVNULL if terminal_fd is None else terminal_fd
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=stream,
                stdout=stream,
                stderr=self._stderr,
                pass_fds=tuple(pass_fds),
                start_new_session=True,
                preexec_fn=_die_with_parent(),
            )
        except BaseException:
            self._stderr.close()
            raise
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ended(self, wait_s: float) -> bool:
        """Whether the process has ended, after waiting for that no longer than ``wait_s``."""
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def obituary(self) -> str:
        """How an ended process ended, with the last lines that it wrote to stderr."""
        lines = [line for line in self.stderr_tail() if line.strip()]
        told = f": {' | '.join(lines)}" if lines else ""
        return f"{_status(self._process.returncode)}{told}"

    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines of stderr, printable; those that only say that QEMU waits are left out."""
        if self._stderr.closed:
            return ()
        size = os.fstat(self._stderr.fileno()).st_size
        text = os.pread(self._stderr.fileno(), 4096, max(0, size - 4096)).decode(errors="replace")
        lines = [
            "".join(c if c.isprintable() else "?" for c in line)
            for line in text.splitlines()
            if "info: QEMU waiting for connection" not in line
        ]
        return tuple(lines[-TAIL_LINES:])

    def stop(self) -> None:
        """Ends the process: politely, then surely. May be called twice."""
        atexit.unregister(self.stop)
        if self._process.poll() is None:
            self._process.terminate()
            if not self.wait_ended(STOP_S):
                self._process.kill()
                self._process.wait()
        self._stderr.close()


class ChildLink:
    """A link to a child; a child that has ended is told apart from one that is silent."""

    def __init__(self, inner: Link, child: Child) -> None:
        self._inner = inner
        self._child = child

    @property
    def name(self) -> str:
        return self._child.name

    @property
    def child(self) -> Child:
        return self._child

    def send(self, text: str) -> None:
        try:
            self._inner.send(text)
        except DeviceError as error:
            raise self._explained(error) from None

    def read_line(self, deadline: float) -> str:
        try:
            return self._inner.read_line(deadline)
        except DeviceError as error:
            raise self._explained(error) from None

    def close(self) -> None:
        """Closes the line and ends the child."""
        self._child.stop()
        self._inner.close()

    def _explained(self, error: DeviceError) -> DeviceError:
        if not self._child.wait_ended(0.0 if isinstance(error, Timeout) else 1.0):
            return error
        return DeviceError(
            f"{self.name} ended while it was in use ({self._child.obituary()})",
            hint="run the command again; if it ends again, the firmware crashes",
        )


class PtyLink:
    """The near end of a pseudo terminal."""

    def __init__(self, fd: int, name: str) -> None:
        self._fd: int | None = fd
        self._name = name
        self._lines = LineAssembler(name)
        os.set_blocking(fd, False)

    @property
    def name(self) -> str:
        return self._name

    def send(self, text: str) -> None:
        data = text.encode("ascii")
        while data:
            try:
                _, writable, _ = select.select([], [self._open_fd()], [], WRITE_TIMEOUT_S)
                if not writable:
                    raise Timeout(f"{self._name} takes no more bytes", hint="start it again")
                data = data[os.write(self._open_fd(), data) :]
            except OSError:
                raise gone(self._name) from None

    def read_line(self, deadline: float) -> str:
        while (line := self._lines.take()) is None:
            left = seconds_left(deadline)
            try:
                readable, _, _ = select.select([self._open_fd()], [], [], left)
                data = os.read(self._open_fd(), 65536) if readable else b""
            except OSError:  # EIO: nobody holds the far end any more
                raise gone(self._name) from None
            if readable and not data:
                raise gone(self._name)
            self._lines.feed(data)
            if left == 0:
                raise silence(self._name, self._lines)
        return line

    def close(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = None

    def _open_fd(self) -> int:
        if self._fd is None:
            raise gone(self._name)
        return self._fd


def open_process(
    executable: Path, *, name: str = "host", arguments: Sequence[str] = ()
) -> ChildLink:
    """Starts the host port's executable on a raw pseudo terminal.

    Raises NotFound when it is not there, DeviceError when it cannot be executed.
    """
    near, far = pty.openpty()
    try:
        tty.setraw(far)
        child = Child((str(executable), *arguments), name=name, terminal_fd=far)
    except FileNotFoundError:
        os.close(near)
        raise NotFound(f"there is no {executable}", hint="build it: edgeserve build") from None
    except OSError as error:
        os.close(near)
        raise DeviceError(f"{executable} cannot be executed: {error.strerror}") from None
    finally:
        os.close(far)
    return ChildLink(PtyLink(near, name), child)


def missing_program(program: str, package: str) -> MissingTool:
    """The error for a program of a Debian package that is not installed."""
    return MissingTool(program, install=f"sudo apt-get install --no-install-recommends {package}")


def _status(code: int | None) -> str:
    if code is None:
        return "still running"
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _die_with_parent() -> Callable[[], None] | None:
    """What a child runs before its program, so that the kernel ends it when this process dies."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return ask

"""Android devices: found, asked, given files and listened to, by the real ``adb``."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from edgeserve.device.process import ChildLink, open_process
from edgeserve.errors import DeviceError, MissingTool, NotFound, Timeout

FOLDER = PurePosixPath("/data/local/tmp/edgeserve")
"""Where files go: the one place that a shell may write to and execute from."""

_Done: TypeAlias = subprocess.CompletedProcess[bytes]

ANSWER_S = 20.0
PUSH_S = 300.0
_DEVICE = re.compile(r"^(\S+)\s+(device|offline|unauthorized|recovery|sideload)\b(.*)$")
_EXIT = re.compile(r"(?s)(.*?)\r?\n?edgeserve-exit=(\d+)\s*\Z")


@dataclass(frozen=True, slots=True)
class AdbDevice:
    """A line of ``adb devices -l``; ``state`` is ``device`` when it can be used."""

    serial: str
    state: str
    model: str
    product: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command on the device wrote to its standard output, and its exit code."""

    code: int
    text: str


def adb_devices() -> tuple[AdbDevice, ...]:
    """All devices that ``adb`` sees. Raises MissingTool without adb."""
    lines = _run(["devices", "-l"], ANSWER_S).stdout.decode(errors="replace").splitlines()
    found = [match for line in lines for match in [_DEVICE.match(line)] if match]
    return tuple(AdbDevice(m[1], m[2], _fact(m[3], "model"), _fact(m[3], "device")) for m in found)


def the_device(serial: str | None) -> Adb:
    """The device of a serial number, or the only one that is connected.

    Raises NotFound when there is none, when it cannot be used yet, or when several are connected
    and none was named.
    """
    devices = adb_devices()
    chosen = [d for d in devices if serial in (None, d.serial)]
    if not chosen:
        known = f"connected: {', '.join(d.serial for d in devices)}" if devices else ""
        raise NotFound(
            f"no phone {serial} is connected" if serial else "no phone is connected",
            hint=known or "plug it in, allow USB debugging on it, then: adb devices",
        )
    if len(chosen) > 1:
        raise NotFound(
            f"{len(chosen)} phones are connected: {', '.join(d.serial for d in chosen)}",
            hint=f"name one: --device adb:{chosen[0].serial}",
        )
    (device,) = chosen
    if device.state != "device":
        told = {"unauthorized": "confirm the question on the phone's screen"}
        raise NotFound(
            f"phone {device.serial} is {device.state}",
            hint=told.get(device.state, "unplug it and plug it in again"),
        )
    return Adb(device.serial)


class Adb:
    """One device. Methods raise DeviceError (also as Timeout or NotFound) and MissingTool."""

    def __init__(self, serial: str) -> None:
        self.serial = serial

    def shell(self, command: str, timeout_s: float = ANSWER_S) -> Answer:
        """Runs a shell command line on the device.

        The exit code comes as text, because devices without the shell_v2 protocol give none.
        """
        done = self._adb(["shell", f'{command}\necho "edgeserve-exit=$?"'], timeout_s)
        match = _EXIT.fullmatch(done.stdout.decode(errors="replace"))
        if match is None:
            raise self._lost(done)
        return Answer(int(match[2]), match[1])

    def ask(self, command: str) -> str:
        """What a command answers; empty where it fails, as for what the device does not have."""
        answer = self.shell(command)
        return answer.text if answer.code == 0 else ""

    def push(self, local: Path, *, executable: bool = False) -> PurePosixPath:
        """Puts a file into ``FOLDER`` unless it is there already; its name tells its content."""
        digest = hashlib.sha256(local.read_bytes()).hexdigest()[:16]
        remote = FOLDER / digest / local.name
        if self.shell(f"[ -f {shlex.quote(str(remote))} ]").code == 0:
            return remote
        part = f"{remote}.part"
        self._must(f"mkdir -p {shlex.quote(str(remote.parent))}", "make a folder")
        done = self._adb(["push", str(local), part], PUSH_S)
        if done.returncode != 0:
            self.shell(f"rm -f {shlex.quote(part)}")
            raise DeviceError(
                f"{self.serial} does not take {local.name}: {_last_line(done)}",
                hint=f"make room on the phone: adb -s {self.serial} shell rm -r {FOLDER}",
            )
        mode = "755" if executable else "644"
        self._must(
            f"chmod {mode} {shlex.quote(part)} && "
            f"mv {shlex.quote(part)} {shlex.quote(str(remote))}",
            "keep the file",
        )
        return remote

    def open(self, argv: Sequence[str], *, log: PurePosixPath) -> ChildLink:
        """Starts a program on the device and talks with it; its standard error goes to ``log``.

        It gets the time just before as ``--since NS``, for what its start takes.
        """
        command = " ".join(shlex.quote(part) for part in argv)
        line = f'exec {command} --since "$(date +%s%N)" 2>{shlex.quote(str(log))}'
        if "shell_v2" in self.features():
            raw = ["-T", line]
        else:  # the device's end is a terminal, which would echo and translate
            raw = [f"stty raw -echo 2>/dev/null; {line}"]
        try:
            return open_process(
                Path("adb"), name=self.serial, arguments=("-s", self.serial, "shell", *raw)
            )
        except NotFound:
            raise _missing() from None

    def features(self) -> frozenset[str]:
        """What the device's daemon can do, by adb's words."""
        done = self._adb(["features"], ANSWER_S)
        return frozenset(done.stdout.decode(errors="replace").split())

    def _must(self, command: str, what: str) -> None:
        answer = self.shell(command)
        if answer.code != 0:
            raise DeviceError(
                f"{self.serial} cannot {what} in {FOLDER} (exit code {answer.code})",
                hint="make room on the phone, then run the command again",
            )

    def _adb(self, arguments: Sequence[str], timeout_s: float) -> _Done:
        try:
            done = _run(["-s", self.serial, *arguments], timeout_s)
        except subprocess.TimeoutExpired:
            raise Timeout(
                f"{self.serial} does not answer within {timeout_s:.0f} s",
                hint="unplug the phone, plug it in again, then run the command again",
            ) from None
        if done.returncode != 0 and re.search(rb"^(adb: |error: )?(error: )?device ", done.stderr):
            raise self._lost(done)
        return done

    def _lost(self, done: _Done) -> DeviceError:
        return DeviceError(
            f"the connection to {self.serial} is lost: {_last_line(done)}",
            hint="check the cable, then run the command again",
        )


def _run(arguments: Sequence[str], timeout_s: float) -> _Done:
    try:
        return subprocess.run(
            ["adb", *arguments],
            capture_output=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise _missing() from None


def _missing() -> MissingTool:
    return MissingTool("adb", install="sudo apt-get install adb")


def _fact(text: str, key: str) -> str:
    match = re.search(rf"\b{key}:(\S+)", text)
    return match[1] if match else ""


def _last_line(done: _Done) -> str:
    """What adb says of a failure; among other lines it begins with ``adb: error:``."""
    lines = [
        line.strip()
        for line in (done.stdout + b"\n" + done.stderr).decode(errors="replace").splitlines()
        if line.strip()
    ]
    errors = [line.partition("error: ")[2] for line in lines if "error: " in line]
    return [f"adb ended with exit code {done.returncode}", *lines, *errors][-1]

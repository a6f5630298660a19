"""A simulated phone: an ADB daemon on 127.0.0.1 that the real adb client talks to.

It runs what it is told in a shell of this machine, in a folder that stands for the phone's storage:
so the harness and LiteRT that it runs are real. What a phone would say of itself (``getprop``,
``dumpsys``, ``/sys``) are files of that folder. The transport is that of AOSP's
packages/modules/adb/protocol.txt; file transfer that of SYNC.TXT there.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

VERSION, MAX_DATA = 0x01000001, 256 * 1024
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
STORAGE, SYSFS = "/data/local/tmp", "/sys/"


@dataclass
class Phone:
    """The phone's storage and manners. ``answers`` maps a command's beginning to its answer."""

    root: Path
    features: str = "shell_v2,cmd"
    properties: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    full: bool = False
    """No file can be written any more."""
    cut_at: Callable[[str], bool] | None = None
    """The connection is cut when a command for which this is true begins."""
    cut_after_bytes: int | None = None
    """... or when so many bytes came from the harness."""
    busy: bool = False
    """An inference runs: what a rail counts then is more than what it counts at rest."""
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.storage.mkdir(parents=True, exist_ok=True)
        tools = self.root / "bin"
        tools.mkdir(exist_ok=True)
        for name in ("getprop", "dumpsys", "settings", "cmd", "input", "svc", "lshal"):
            tool = tools / name
            tool.write_text(
                "#!/bin/sh\n"
                f'echo "{name} $*" >> "{self.root}/calls"\n'
                f"file=$(echo '{name}' \"$*\" | tr / %)\n"
                f'cat "{self.root}/answers/$file" 2>/dev/null || exit 1\n'
            )
            tool.chmod(0o755)
        (self.root / "answers").mkdir(exist_ok=True)
        for key, value in self.properties.items():
            self.answer(f"getprop {key}", value)
        for command, text in self.answers.items():
            self.answer(command, text)

    @property
    def storage(self) -> Path:
        return self.root / "data/local/tmp"

    def answer(self, command: str, text: str) -> None:
        self._write("answers/" + command.replace("/", "%"), text)

    def write_sysfs(self, path: str, text: str) -> None:
        self._write(path.lstrip("/"), text)

    def _write(self, path: str, text: str) -> None:
        """At once: who reads it never sees a half of it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.part")
        part.write_text(text)
        part.replace(file)

    def calls(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.root / "calls").read_text().splitlines()
        return []

    def place(self, text: str) -> str:
        """A command or path of the phone in this machine's terms."""
        return text.replace(STORAGE, str(self.storage)).replace(SYSFS, f"{self.root}/sys/")


class Daemon:
    """Serves one phone until ``close``; ``address`` is for ``adb connect``."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(
                    target=Transport(self.phone, connection).serve, daemon=True
                ).start()


class Transport:
    """One connection of an adb server: messages in, streams out."""

    def __init__(self, phone: Phone, connection: socket.socket) -> None:
        self.phone = phone
        self._connection = connection
        self._sending = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._last = 0

    def serve(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                command, first, second, data = self._receive()
                if command == b"CNXN":
                    self._greet()
                elif command == b"OPEN":
                    self._open(first, data.rstrip(b"\0").decode())
                elif (stream := self._streams.get(second)) is not None:
                    stream.hear(command, data)
                if command == b"WRTE":
                    self.send(b"OKAY", second, first)
        for stream in list(self._streams.values()):
            stream.hear(b"CLSE", b"")

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        word = int.from_bytes(command, "little")
        head = struct.pack(
            "<6I", word, first, second, len(data), sum(data) & 0xFFFFFFFF, word ^ 0xFFFFFFFF
        )
        with self._sending:
            self._connection.sendall(head + data)

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def forget(self, local: int) -> None:
        self._streams.pop(local, None)

    def _greet(self) -> None:
        facts = {
            "ro.product.name": self.phone.properties.get("ro.product.device", "phone"),
            "ro.product.model": self.phone.properties.get("ro.product.model", "phone"),
            "ro.product.device": self.phone.properties.get("ro.product.device", "phone"),
            "features": self.phone.features,
        }
        banner = "device::" + ";".join(f"{key}={value}" for key, value in facts.items())
        self.send(b"CNXN", VERSION, MAX_DATA, banner.encode())

    def _open(self, remote: int, service: str) -> None:
        # Never used again: the host's last word to a stream may come when the next is open.
        self._last += 1
        local = self._last
        self.phone.log.append(service)
        if self.phone.cut_at is not None and self.phone.cut_at(service):
            self.cut()
            return
        kind, _, argument = service.partition(":")
        stream: Shell | Sync
        if kind.startswith("shell") or kind == "exec":
            stream = Shell(self, local, remote, v2=",v2" in kind)
        elif kind == "sync":
            stream = Sync(self, local, remote)
        else:
            self.send(b"CLSE", 0, remote)
            return
        self._streams[local] = stream
        self.send(b"OKAY", local, remote)
        threading.Thread(target=stream.run, args=(argument,), daemon=True).start()

    def _receive(self) -> tuple[bytes, int, int, bytes]:
        head = self._exactly(24)
        word, first, second, size, _sum, _magic = struct.unpack("<6I", head)
        return word.to_bytes(4, "little"), first, second, self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._connection.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


class Stream:
    """One service that was opened; one message may be on its way at a time."""

    def __init__(self, transport: Transport, local: int, remote: int) -> None:
        self.transport, self.local, self.remote = transport, local, remote
        self._heard = threading.Condition()
        self._buffer = b""
        self._credit, self._closed = True, False

    def hear(self, command: bytes, data: bytes) -> None:
        with self._heard:
            self._buffer += data if command == b"WRTE" else b""
            self._credit = self._credit or command == b"OKAY"
            self._closed = self._closed or command == b"CLSE"
            self._heard.notify_all()

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_DATA // 2):
            with self._heard:
                self._heard.wait_for(lambda: self._credit or self._closed)
                if self._closed:
                    return
                self._credit = False
            piece = data[start : start + MAX_DATA // 2]
            self.transport.send(b"WRTE", self.local, self.remote, piece)

    def read(self, count: int) -> bytes:
        """So many bytes; fewer when the stream was closed."""
        with self._heard:
            self._heard.wait_for(lambda: len(self._buffer) >= count or self._closed)
            data, self._buffer = self._buffer[:count], self._buffer[count:]
            return data

    def read_some(self) -> bytes:
        with self._heard:
            self._heard.wait_for(lambda: bool(self._buffer) or self._closed)
            data, self._buffer = self._buffer, b""
            return data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.transport.send(b"CLSE", self.local, self.remote)
        self.transport.forget(self.local)


class Shell(Stream):
    """A command in this machine's shell, with the shell protocol's packets or without."""

    def __init__(self, transport: Transport, local: int, remote: int, *, v2: bool) -> None:
        super().__init__(transport, local, remote)
        self._v2 = v2

    def run(self, argument: str) -> None:
        phone = self.transport.phone
        process = subprocess.Popen(
            ["/bin/sh", "-c", phone.place(argument)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self._v2 else subprocess.STDOUT,
            env={**os.environ, "PATH": f"{phone.root}/bin:{os.environ['PATH']}"},
            cwd=phone.root,
        )
        threading.Thread(target=self._feed, args=(process,), daemon=True).start()
        pumps = [threading.Thread(target=self._pump, args=(process.stdout, STDOUT), daemon=True)]
        if process.stderr is not None:
            pumps.append(
                threading.Thread(target=self._pump, args=(process.stderr, STDERR), daemon=True)
            )
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        code = process.wait()
        with contextlib.suppress(OSError):
            if self._v2:
                self.write(self._packet(EXIT, bytes([code & 255])))
            self.close()

    def _packet(self, kind: int, data: bytes) -> bytes:
        return struct.pack("<BI", kind, len(data)) + data if self._v2 else data

    def _pump(self, source: object, kind: int) -> None:
        phone, sent = self.transport.phone, 0
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(source.fileno(), 32768):  # type: ignore[attr-defined]
                sent += len(data)
                phone.busy = phone.busy and b"m-es-sustain-done" not in data
                if phone.cut_after_bytes is not None and sent > phone.cut_after_bytes:
                    self.transport.cut()
                    return
                self.write(self._packet(kind, data))

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            while True:
                if self._v2:
                    head = self.read(5)
                    if len(head) < 5:
                        break
                    kind, size = struct.unpack("<BI", head)
                    data = self.read(size)
                    if kind == CLOSE_STDIN:
                        break
                else:
                    data, kind = self.read_some(), STDIN
                    if not data:
                        break
                self.transport.phone.busy |= b"es sustain" in data
                if kind == STDIN:
                    process.stdin.write(data)
                    process.stdin.flush()
        with contextlib.suppress(OSError):
            process.stdin.close()
        if self._closed:
            process.terminate()


class Sync(Stream):
    """File transfer."""

    def run(self, argument: str) -> None:
        assert argument == ""
        while len(head := self.read(8)) == 8:
            word, size = head[:4], int.from_bytes(head[4:], "little")
            if word == b"QUIT":
                break
            path = self.read(size).decode()
            if word == b"STAT":
                self._stat(path)
            elif word == b"SEND":
                self._take(path.rpartition(",")[0])
            elif word == b"RECV":
                self._give(path)
            else:
                self._refuse(f"unknown request {word!r}")
        self.close()

    def _local(self, path: str) -> Path:
        return Path(self.transport.phone.place(path))

    def _stat(self, path: str) -> None:
        try:
            facts = self._local(path).stat()
            answer = (facts.st_mode, facts.st_size, int(facts.st_mtime))
        except OSError:
            answer = (0, 0, 0)
        self.write(b"STAT" + struct.pack("<3I", *answer))

    def _take(self, path: str) -> None:
        content = bytearray()
        while len(head := self.read(8)) == 8 and head[:4] == b"DATA":
            content += self.read(int.from_bytes(head[4:], "little"))
        if self.transport.phone.full:
            self._refuse("No space left on device")
            return
        local = self._local(path)
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(content)
        self.write(b"OKAY" + bytes(4))

    def _give(self, path: str) -> None:
        try:
            content = self._local(path).read_bytes()
        except OSError as error:
            self._refuse(error.strerror or "cannot read")
            return
        for start in range(0, len(content), 65536):
            piece = content[start : start + 65536]
            self.write(b"DATA" + struct.pack("<I", len(piece)) + piece)
        self.write(b"DONE" + bytes(4))

    def _refuse(self, why: str) -> None:
        text = why.encode()
        self.write(b"FAIL" + struct.pack("<I", len(text)) + text)


class Rails:
    """Counters that grow by so many watts at rest and under load, in the driver's file."""

    def __init__(self, phone: Phone, rails: dict[str, tuple[float, float]]) -> None:
        self._phone, self._rails = phone, rails
        self._energy_uj = dict.fromkeys(rails, 1e6)
        self._over = threading.Event()
        self._write()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()

    def close(self) -> None:
        self._over.set()
        self._ticker.join()

    def _tick(self) -> None:
        last = time.monotonic()
        while not self._over.wait(0.02):
            now = time.monotonic()
            for name, watts in self._rails.items():
                self._energy_uj[name] += (now - last) * 1e6 * watts[self._phone.busy]
            last = now
            self._write()

    def _write(self) -> None:
        at = round(time.monotonic() * 1000)
        rows = [
            f"CH{i}(T={at})[{name}], {round(energy)}"
            for i, (name, energy) in enumerate(self._energy_uj.items())
        ]
        self._phone.write_sysfs(
            "/sys/bus/iio/devices/iio:device0/energy_value", "\n".join([f"t={at}", *rows, ""])
        )


class Pac1934(Rails):
    """The same as an older Pixel has it: monitors of Microchip's, here of one rail each."""

    def _write(self) -> None:
        for number, (name, energy) in enumerate(self._energy_uj.items()):
            device = f"/sys/bus/iio/devices/iio:device{number}"
            at = round(time.monotonic() * 1000)
            self._phone.write_sysfs(f"{device}/energy_value", f"{at}\n{name},{round(energy)}\n")
            self._phone.write_sysfs(f"{device}/enabled_rails", f"{name}:{number}\n")


class PowerHal1(Rails):
    """The same as power HAL 1.0 prints it, on a phone that keeps a shell from the monitors."""

    def _write(self) -> None:
        title = "PowerStats HAL 1.0 rail energy data"
        rows = [
            f"  {'Any':>14}   {name:>18}   {energy / 1000:14.2f} mWs"
            for name, energy in self._energy_uj.items()
        ]
        head = f"  {'Subsys':>14}   {'Rail':>18}   {'Cumulative Energy':>18}"
        lines = ["", f"{'=' * 13} {title} {'=' * 14}", head, *rows]
        self._phone.answer(
            "lshal debug android.hardware.power.stats@1.0::IPowerStats/default",
            "\n".join([*lines, f"{'=' * 10} End of {title} {'=' * 10}", ""]),
        )


class HwmonEnergy(Rails):
    """The same as a board's hwmon device has it: a file for each counter, and one for its label."""

    def _write(self) -> None:
        for number, (name, energy) in enumerate(self._energy_uj.items(), 1):
            place = f"/sys/class/hwmon/hwmon0/energy{number}"
            self._phone.write_sysfs(f"{place}_label", f"{name}\n")
            self._phone.write_sysfs(f"{place}_input", f"{round(energy)}\n")


class HwmonPower(Rails):
    """Power now, without a counter: microwatts of all rails but the last, which an INA3221 has."""

    VOLTS = 5

    def _write(self) -> None:
        watts = {name: watts[self._phone.busy] for name, watts in self._rails.items()}
        *others, last = watts
        for number, name in enumerate(others, 1):
            place = f"/sys/class/hwmon/hwmon0/power{number}"
            self._phone.write_sysfs(f"{place}_label", f"{name}\n")
            self._phone.write_sysfs(f"{place}_input", f"{round(watts[name] * 1e6)}\n")
        chip = "/sys/class/hwmon/hwmon1"
        self._phone.write_sysfs(f"{chip}/name", "ina3221\n")
        self._phone.write_sysfs(f"{chip}/in2_label", f"{last}\n")
        self._phone.write_sysfs(f"{chip}/in2_input", f"{self.VOLTS * 1000}\n")
        self._phone.write_sysfs(
            f"{chip}/curr2_input", f"{round(watts[last] / self.VOLTS * 1000)}\n"
        )

"""Devices that are processes, over real pseudo terminals: well-behaved, broken and killed."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path
from typing import Any, cast

import pytest
import serial
from serial.rfc2217 import PortManager

from edgeserve.device.process import ChildLink, open_process
from edgeserve.device.protocol import Dut
from edgeserve.device.runs import Limits
from edgeserve.device.serial import open_serial
from edgeserve.errors import ConfigError, DeviceError, NotFound, ProtocolError, Timeout
from edgeserve.stimulus import xorshift_stimulus
from tests.e2e.bench_images import BenchImage

QUICK = Limits(answer_s=1.0, inference_s=1.0, results_s=1.0)


def script(folder: Path, text: str) -> Path:
    path = folder / "device"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_every_command_of_a_real_image(host_image: BenchImage) -> None:
    dut = host_image.start()
    stimulus = xorshift_stimulus(host_image.program)
    info = dut.require_table(host_image.table.sha256)
    assert (info.board, info.steps, info.input_bytes, info.unit) == ("host", 2, 48, "ns")
    assert info.arena_bytes == host_image.image.arena_bytes
    dut.fill(0x12345678, stimulus.data)
    by_fill = dut.run(), dut.crcs(), dut.out(10)
    dut.load(stimulus.data)
    assert (dut.run(), dut.crcs(), dut.out(10)) == by_fill
    assert dut.dump(1, 0, 1, 10) == by_fill[2]
    assert [step.kernel for step in dut.profile()] == ["fully_connected"] * 2
    laps = dut.laps(5, 2)
    assert len(laps.counts) == 5
    assert laps.output_crc == by_fill[0]
    assert len(dut.results()) == 10
    inferred = dut.infer(5, 0)
    assert inferred.end_us >= inferred.begin_us
    assert inferred.results == dut.results()
    marks = dut.memory()
    assert marks.guards_intact
    assert 0 < marks.arena_bytes <= info.arena_bytes
    dut.close()
    dut.close()


def test_input_longer_than_the_command_buffer(host_image: BenchImage) -> None:
    """Commands are cut to what the device takes, and what it refuses is told."""
    dut = host_image.start()
    with pytest.raises(DeviceError, match="refuses 'es load 49'"):
        dut.load(bytes(49))
    dut.close()


def test_a_device_killed_in_the_middle_of_laps(host_image: BenchImage) -> None:
    dut = host_image.start()
    link = dut._link
    assert isinstance(link, ChildLink)
    dut.info()
    subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {link.child.pid}"])
    began = time.monotonic()
    with pytest.raises(DeviceError, match=r"ended while it was in use \(killed by SIGKILL\)"):
        dut.laps(1_000_000_000, 0)
    assert time.monotonic() - began < 5
    dut.close()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("exec true", DeviceError, "exit status 0"),
        ("echo it broke >&2; exit 3", DeviceError, "exit status 3: it broke"),
        ("exec cat", Timeout, "the last it sent was '%name%"),
        ("exec sleep 60", Timeout, "does not answer"),
        ("exec yes nonsense", ProtocolError, "nonsense"),
        ("exec cat /dev/zero", DeviceError, "without an end|does not answer"),
        ("exec cat /dev/urandom", ProtocolError, "does not speak|without an end"),
        ("while :; do echo m-ready; done", ProtocolError, "it sends 'm-ready'"),
    ],
)
def test_processes_that_are_no_devices(
    tmp_path: Path, text: str, error: type[DeviceError], words: str
) -> None:
    dut = Dut(open_process(script(tmp_path, text)), QUICK)
    began = time.monotonic()
    with pytest.raises(error, match=words) as caught:
        dut.wait_ready(1.0)
    assert time.monotonic() - began < 8
    assert "\n" not in caught.value.what
    dut.close()


def test_nothing_to_start(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no"):
        open_process(tmp_path / "absent")
    (tmp_path / "data").write_text("no program")
    with pytest.raises(DeviceError, match="cannot be executed"):
        open_process(tmp_path / "data")


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    """Even when the parent is killed and can do nothing about it."""
    device = script(tmp_path, "exec sleep 600")
    code = (
        "import sys, time; from pathlib import Path\n"
        "from edgeserve.device.process import open_process\n"
        f"link = open_process(Path({str(device)!r}))\n"
        "print(link.child.pid, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(pid, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        if state == "Z":
            break
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{pid}").exists(), "the child outlives its parent"
    parent.stdout.close()


class Port:
    """A pseudo terminal whose far end a test serves by hand, or by the host image itself."""

    def __init__(self) -> None:
        self.near, self.far = pty.openpty()
        tty.setraw(self.far)
        self.name = os.ttyname(self.far)

    def close(self) -> None:
        os.close(self.near)
        os.close(self.far)


def test_a_real_image_by_the_name_of_its_port(host_image: BenchImage) -> None:
    process = subprocess.Popen(
        [host_image.image.elf, "--pty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    port = process.stdout.readline().strip()
    for _ in range(2):  # a client may come and go
        dut = Dut(open_serial(port), QUICK)
        dut.wait_ready()
        assert dut.info().steps == 2
        with pytest.raises(DeviceError, match="in use by another program"):
            open_serial(port)
        dut.close()
    dut = Dut(open_serial(port), QUICK)
    dut.wait_ready()
    dut.info()
    subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {process.pid}"])
    with pytest.raises(DeviceError, match=r"went away|does not answer"):
        dut.laps(1_000_000_000, 0)
    dut.close()
    process.wait()
    process.stdin.close()
    process.stdout.close()


class PseudoSerial(serial.Serial):
    """A pseudo terminal has no modem lines: they read as off."""

    cts = dsr = ri = cd = False

    def _update_rts_state(self) -> None:
        pass

    def _update_dtr_state(self) -> None:
        pass


@pytest.mark.filterwarnings("ignore:set(Daemon|Name)\\(\\) is deprecated:DeprecationWarning")
def test_a_real_image_behind_a_serial_server(host_image: BenchImage) -> None:
    process = subprocess.Popen(
        [host_image.image.elf, "--pty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    far = PseudoSerial(process.stdout.readline().strip(), timeout=0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve_rfc2217, args=(listener, far))
        server.start()
        dut = Dut(open_serial(f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"), QUICK)
        dut.wait_ready()
        stimulus = xorshift_stimulus(host_image.program)
        dut.load(stimulus.data)
        by_load = dut.run(), dut.crcs()
        dut.fill(0x12345678, stimulus.data)
        assert (dut.run(), dut.crcs()) == by_load
        dut.close()
        server.join(10)
        assert not server.is_alive()
    far.close()
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def serve_rfc2217(listener: socket.socket, port: serial.Serial) -> None:
    """A serial server for one client, by pyserial's own far side of the protocol."""
    connection, _ = listener.accept()

    class Writer:
        def write(self, data: bytes) -> None:
            connection.sendall(data)

    # The stubs ask for the near side's class; any serial port and any writer will do.
    manager: Any = PortManager(cast(Any, port), cast(Any, Writer()))
    stopped = threading.Event()

    def forward() -> None:
        while not stopped.is_set():
            data = port.read(max(1, port.in_waiting))
            if data:
                connection.sendall(b"".join(manager.escape(data)))

    reader = threading.Thread(target=forward)
    reader.start()
    while data := connection.recv(4096):
        port.write(b"".join(manager.filter(data)))
    stopped.set()
    reader.join()
    connection.close()


def test_a_port_that_another_program_holds() -> None:
    """One that knows nothing of our locks: pyserial's own way of exclusive use."""
    port = Port()
    with Path(port.name).open("rb", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DeviceError, match="in use"):
            open_serial(port.name)
    open_serial(port.name).close()
    port.close()


@pytest.mark.parametrize(
    ("port", "error"),
    [
        ("/dev/ttyNOTHERE7", NotFound),
        ("socket://127.0.0.1:1", NotFound),
        ("socket://127.0.0.1", ConfigError),
        ("socket://127.0.0.1:99999999", ConfigError),
        ("spy:///dev/ttyS0", ConfigError),
        ("", ConfigError),
        ("/dev/null/x", DeviceError),
        (".", ConfigError),
    ],
)
def test_names_of_ports_that_are_none(port: str, error: type[DeviceError | ConfigError]) -> None:
    with pytest.raises(error) as caught:
        open_serial(port)
    assert "\n" not in caught.value.what
    assert caught.value.hint


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise serial.SerialException(13, "could not open port: Permission denied")

    port = Port()
    monkeypatch.setattr("serial.Serial.open", refuse)
    with pytest.raises(DeviceError, match="no permission") as caught:
        open_serial(port.name)
    assert "dialout" in caught.value.hint
    port.close()

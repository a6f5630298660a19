"""An emulated board: QEMU started, killed and ended, and its exact counts."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgeserve.board import Board, load_board
from edgeserve.device.process import ChildLink
from edgeserve.device.protocol import Dut
from edgeserve.device.qemu import open_qemu, qemu_argv, qemu_version
from edgeserve.device.start import start_image
from edgeserve.errors import ConfigError, DeviceError, MissingTool, NotFound, ToolFailed
from edgeserve.image import Partition
from edgeserve.stimulus import xorshift_stimulus
from tests.e2e.bench_images import BenchImage, build_image, two_layers
from tests.tools import take_interrupts

AN500 = load_board("mps2-an500")


def start_and_wait(board: Board, kernel: Path) -> None:
    """QEMU may end before it is connected, or after."""
    link = open_qemu(board, kernel)
    try:
        Dut(link).wait_ready(3)
    finally:
        link.close()


def test_command_line() -> None:
    assert AN500.emulator is not None
    assert qemu_argv(AN500.emulator, Path("/f/x.elf"), 7) == (
        "qemu-system-arm",
        *("-machine", "mps2-an500"),
        *("-nographic", "-monitor", "none", "-nodefaults"),
        *("-icount", "shift=7,sleep=off"),
        *("-chardev", "socket,id=uart,fd=7,server=on,wait=on,nodelay=on"),
        *("-serial", "chardev:uart"),
        *("-kernel", "/f/x.elf"),
    )


def test_command_line_with_a_partition_at_a_hostile_path() -> None:
    assert AN500.emulator is not None
    partition = Partition(Path("/f/a,b;c/model.bin"), 0x300000, 65536)
    argv = qemu_argv(AN500.emulator, Path("/f/x.elf"), 7, partition)
    device = "loader,file=/f/a,,b;c/model.bin,addr=0x300000,force-raw=on"
    assert argv[-2:] == ("-device", device)


def test_counts_are_exact_and_the_same_in_every_run(an500_image: BenchImage) -> None:
    stimulus = xorshift_stimulus(an500_image.program)
    seen = []
    for _ in range(2):
        dut = an500_image.start()
        assert dut.info().unit == "instructions"
        dut.fill(0x12345678, stimulus.data)
        output_crc = dut.run()
        laps = dut.laps(4, 1)
        assert len(set(laps.counts)) == 1
        assert laps.output_crc == output_crc
        seen.append((output_crc, dut.crcs(), dut.profile(), laps, dut.memory(), dut.info()))
        dut.close()
    assert seen[0] == seen[1]
    profile, laps, marks = seen[0][2:5]
    assert 0 < sum(step.count for step in profile) <= laps.counts[0]
    assert marks.guards_intact
    assert marks.stack_bytes is not None


def test_qemu_killed_in_the_middle_of_a_benchmark(an500_image: BenchImage) -> None:
    dut = an500_image.start()
    link = dut._link
    assert isinstance(link, ChildLink)
    dut.info()
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {link.child.pid}"])
    began = time.monotonic()
    with pytest.raises(DeviceError, match=r"mps2-an500 \(QEMU\) ended while .*SIGKILL") as caught:
        dut.laps(1_000_000_000, 0)
    assert time.monotonic() - began < 10
    assert "\n" not in caught.value.what
    dut.close()
    killer.wait()


def test_closing_ends_qemu_though_it_is_at_work(an500_image: BenchImage) -> None:
    dut = an500_image.start()
    link = dut._link
    assert isinstance(link, ChildLink)
    link.send("es lap 1000000000 0%")
    time.sleep(0.2)
    began = time.monotonic()
    dut.close()
    assert time.monotonic() - began < 4
    assert not Path(f"/proc/{link.child.pid}").exists()


def test_interrupting_the_program_ends_qemu(an500_image: BenchImage) -> None:
    """Ctrl-C in the middle of a benchmark: by the time that Python has ended, QEMU has."""
    code = (
        "import sys, os, signal, threading\n"
        "from pathlib import Path\n"
        "from edgeserve.board import load_board\n"
        "from edgeserve.device.qemu import open_qemu\n"
        "from edgeserve.device.protocol import Dut\n"
        f"link = open_qemu(load_board('mps2-an500'), Path({str(an500_image.image.elf)!r}))\n"
        "dut = Dut(link)\n"
        "dut.wait_ready(); dut.info()\n"
        "print(link.child.pid, flush=True)\n"
        "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "dut.laps(1000000000, 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        preexec_fn=take_interrupts,
    )
    assert "KeyboardInterrupt" in done.stderr
    assert not Path(f"/proc/{int(done.stdout)}").exists()


def test_many_at_once(an500_image: BenchImage) -> None:
    """Each gets a port of its own."""
    duts = [an500_image.start() for _ in range(4)]
    assert {dut.info().board for dut in duts} == {"mps2-an500"}
    for dut in duts:
        dut.close()


def test_another_bundle_on_the_board(an500_image: BenchImage) -> None:
    dut = an500_image.start()
    with pytest.raises(DeviceError, match="holds another model: test"):
        dut.require_table("00" * 32)
    dut.close()


def test_a_model_in_the_flash_partition_gives_the_same_bytes(
    an500_image: BenchImage, tmp_path: Path
) -> None:
    other = build_image(two_layers(), "mps2-an500", tmp_path, partition=True)
    assert other.image.partition is not None
    stimulus = xorshift_stimulus(other.program)
    seen = []
    for image in (an500_image, other):
        dut = image.start()
        dut.require_table(an500_image.table.sha256)
        dut.load(stimulus.data)
        seen.append((dut.run(), dut.crcs(), dut.profile()))
        dut.close()
    assert seen[0] == seen[1]


def test_an_empty_partition_is_refused_by_the_device(tmp_path: Path) -> None:
    other = build_image(two_layers(), "mps2-an500", tmp_path, partition=True)
    dut = Dut(start_image(AN500, replace(other.image, partition=None)))
    dut.wait_ready()
    with pytest.raises(DeviceError, match="no model that can run: not a model table"):
        dut.info()
    dut.close()


def test_things_that_are_no_image(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no firmware image"):
        open_qemu(AN500, tmp_path / "absent.elf")
    with pytest.raises(ConfigError, match="not an emulated board"):
        open_qemu(load_board("host"), tmp_path / "absent.elf")
    empty = tmp_path / "empty.elf"
    empty.write_bytes(b"")
    with pytest.raises(DeviceError, match=r"\(QEMU\)") as caught:
        start_and_wait(AN500, empty)
    assert "\n" not in caught.value.what


def test_qemu_that_is_missing_or_refuses(tmp_path: Path) -> None:
    assert AN500.emulator is not None
    image = tmp_path / "x.elf"
    image.write_bytes(b"\x7fELF")
    absent = replace(AN500, emulator=replace(AN500.emulator, program="qemu-system-absent"))
    with pytest.raises(MissingTool) as caught:
        open_qemu(absent, image)
    assert "apt-get install" in caught.value.hint
    with pytest.raises(MissingTool):
        qemu_version("qemu-system-absent")
    with pytest.raises(ToolFailed):
        qemu_version("false")
    unknown = replace(AN500, emulator=replace(AN500.emulator, machine="no-such-machine"))
    with pytest.raises(DeviceError, match=r"exit status 1.*unsupported machine type"):
        start_and_wait(unknown, image)

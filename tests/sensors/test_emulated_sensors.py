"""Drivers on buses that QEMU emulates: a magnetometer on Arm's SBCon, ADC1 of an STM32F405."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edgeserve.board import Board, load_board
from edgeserve.device.link import Link
from edgeserve.device.qemu import open_qemu
from edgeserve.firmware.build import build
from edgeserve.firmware.project import ImageKind
from tests.e2e.firmware_fixtures import WERROR, write_tiny
from tests.sensors.magnetometer import Monitor, line, steps, with_magnetometer
from tests.tiny_program import tiny_program
from tests.tools import need_board_tools

TRIALS = Path(__file__).with_name("sensor_trials.c")


def opened(board: Board, folder: Path) -> Link:
    need_board_tools(board)
    project = write_tiny(folder, board.id, tiny_program())
    shutil.copyfile(TRIALS, project / "src" / "app.c")
    link = open_qemu(board, build(project, kind=ImageKind.APP, extra_flags=WERROR).elf)
    assert line(link) == "ready"
    return link


def asked(link: Link, letter: str) -> str:
    link.send(letter)
    return line(link)


@pytest.fixture(scope="module", params=["mps2-an500", "mps2-an385", "mps2-an505", "mps3-an547"])
def magnetometer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Link, Monitor]]:
    board = load_board(str(request.param))
    folder = tmp_path_factory.mktemp("i2c")
    control = folder / "qmp"
    link = opened(with_magnetometer(board, control), folder)
    try:
        yield link, Monitor(control)
    finally:
        link.close()


def test_a_magnetometer_is_found_set_up_and_read(magnetometer: tuple[Link, Monitor]) -> None:
    link, monitor = magnetometer
    told = asked(link, "m")
    assert told == "imu: running, samples 0, lost 0, faults 0, recoveries 0, last fault: none"
    read = []
    for field in ((0, 0, 0), (10_000, 50_000, 100_000), (98_765, 1_000, 43_210)):
        monitor.feel(field)
        wanted = steps(field)
        assert asked(link, "r") == f"axes 1 {wanted[0]} {wanted[1]} {wanted[2]}"
        read.append(wanted)
    assert len({tuple(axes) for axes in read}) == 3


def test_what_is_not_there_is_told(magnetometer: tuple[Link, Monitor]) -> None:
    link, _ = magnetometer
    assert asked(link, "n").startswith("imu: down, ")
    assert asked(link, "n").endswith("last fault: not acknowledged")
    assert asked(link, "w").endswith("last fault: another device answers")


def test_a_stopped_sensor_sleeps_and_starts_again(magnetometer: tuple[Link, Monitor]) -> None:
    link, monitor = magnetometer
    assert asked(link, "m").startswith("imu: running")
    assert asked(link, "e").startswith("imu: stopped")
    assert asked(link, "r") == "axes 0 0 0 0"
    assert asked(link, "m").startswith("imu: running")
    monitor.feel((1_000, 2_000, 3_000))
    assert asked(link, "r") == f"axes 1 {11 * 16} {22 * 16} {29 * 16}"


def test_a_board_without_an_adc_says_so(magnetometer: tuple[Link, Monitor]) -> None:
    link, _ = magnetometer
    told = asked(link, "f")
    assert told.startswith("adc: dead, ")
    assert told.endswith("last fault: this build has no such bus")


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    link = opened(load_board("netduinoplus2"), tmp_path_factory.mktemp("adc"))
    try:
        yield link
    finally:
        link.close()


STEP = 7
"""QEMU's ADC counts up by it in each conversion."""


def test_an_adc_samples_at_its_rate_without_a_gap(converter: Link) -> None:
    for _ in range(2):  # a stopped one starts again, where the model has counted to
        told = re.fullmatch(
            r"samples((?: \d+){96}), ticks a sample (\d+), rate (\d+)", asked(converter, "a")
        )
        assert told is not None
        samples = [int(word) for word in told[1].split()]
        assert [(b - a) % 4096 for a, b in pairwise(samples)] == [STEP] * 95
        assert int(told[3]) == 10_000_000, "10 kHz in 1/1000 Hz"
        assert int(told[2]) == pytest.approx(100_000, rel=0.01), "of the clock of 1 GHz"


def test_samples_that_nobody_takes_are_counted(converter: Link) -> None:
    """Of three halves of 64 the last is there; half a half is on its way."""
    before = [int(word) for word in re.findall(r"\d+", asked(converter, "a"))][95]
    told = asked(converter, "l").split()
    assert told[:4] == ["late", "64", "128", "1"]
    assert told[4] != str(before)


def test_a_rate_that_cannot_be_is_refused(converter: Link) -> None:
    told = asked(converter, "f")
    assert told.startswith("adc: dead, ")
    assert told.endswith("last fault: cannot be set up like this")


def test_a_physical_board_of_the_same_chips_compiles(tmp_path: Path) -> None:
    board = load_board("nucleo_f446re")
    need_board_tools(board)
    project = write_tiny(tmp_path, board.id, tiny_program())
    shutil.copyfile(TRIALS, project / "src" / "app.c")
    elf = build(project, kind=ImageKind.APP, extra_flags=WERROR).elf
    argv = ["arm-none-eabi-nm", "--defined-only", str(elf)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    kinds = {row.split()[-1]: row.split()[-2] for row in told.splitlines()}
    assert kinds["es_port_adc"] == "T", "the port's own"
    assert kinds["es_port_i2c"] == "W", "what stands in"


def test_a_board_without_i2c_says_so(converter: Link) -> None:
    assert asked(converter, "m").endswith("last fault: this build has no such bus")

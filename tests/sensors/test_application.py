"""The application that a project begins with, when a driver delivers what it works on."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edgeserve.board import load_board
from edgeserve.device.link import Link
from edgeserve.device.qemu import open_qemu
from edgeserve.errors import ToolFailed
from edgeserve.firmware.build import build
from edgeserve.firmware.project import ImageKind
from edgeserve.firmware.writing import user_application
from edgeserve.preprocess.declaration import Front, PixelFormat, SensorInput
from tests.e2e.firmware_fixtures import WERROR, write_tiny
from tests.preprocess.harness import Case, write_project
from tests.preprocess.signals import CAMERA, MFCC, MOTION
from tests.sensors.magnetometer import Monitor, line, steps, with_magnetometer
from tests.tiny_program import tiny_program, tiny_steps
from tests.tools import need_board_tools

DRIVEN = (*WERROR, "-DES_SENSORS=1")
GRAY = replace(CAMERA, format=PixelFormat.GRAY8)
FIELD = SensorInput(
    samples=2, hop=1, channels=3, axes=(0, 1), mean=(0.0, 0.0), scale=(0.001, 0.001)
)
"""Two rows of two axes are the four elements of the tiny model's input."""


def project(folder: Path, front: Front, board: str) -> Path:
    made = write_project(folder, Case("driven", front, 0.5, -1), load_board(board))
    for path in (made / "src").glob("*.c"):
        path.unlink()
    for name, data in user_application().items():
        (made / name).write_bytes(data)
    return made


def symbols(elf: Path) -> set[str]:
    argv = ["arm-none-eabi-nm", "--defined-only", str(elf)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return {row.split()[-1] for row in told.splitlines()}


@pytest.mark.parametrize(
    ("front", "driver", "board"),
    [
        (MOTION, "es_imu_driver", "mps2-an500"),
        (MOTION, "es_imu_driver", "nucleo_f446re"),
        (MFCC, "es_microphone_driver", "mps2-an500"),
        (GRAY, "es_camera_driver", "mps2-an500"),
    ],
    ids=["motion", "motion_on_stm32", "sound", "pictures"],
)
def test_a_driver_is_linked_where_it_is_asked_for(
    front: Front, driver: str, board: str, tmp_path: Path
) -> None:
    need_board_tools(load_board(board))
    made = project(tmp_path, front, board)
    drivers = {"es_imu_driver", "es_microphone_driver", "es_adc_driver", "es_camera_driver"}
    asked = symbols(build(made, kind=ImageKind.APP, extra_flags=DRIVEN).elf)
    assert drivers & asked == {driver}
    silent = symbols(build(made, kind=ImageKind.APP, extra_flags=WERROR).elf)
    ours = {name for name in silent if name.startswith(("es_sensor", "es_window", "es_halves"))}
    assert (drivers | {"es_port_i2c", "es_port_adc"}) & silent == ours == set()
    bench = symbols(build(made, kind=ImageKind.BENCH, extra_flags=WERROR).elf)
    assert not any(name.startswith(("es_sensor", "es_port_i2c", "es_imu")) for name in bench)


@pytest.mark.parametrize("front", [MFCC, GRAY], ids=["sound", "pictures"])
def test_a_board_without_the_bus_says_so_when_it_starts(front: Front, tmp_path: Path) -> None:
    board = load_board("mps2-an500")
    need_board_tools(board)
    made = project(tmp_path, front, board.id)
    link = open_qemu(board, build(made, kind=ImageKind.APP, extra_flags=DRIVEN).elf)
    try:
        assert line(link) == "e-[this build has no such bus]"
    finally:
        link.close()


def test_a_sensor_needs_a_declaration(tmp_path: Path) -> None:
    need_board_tools(load_board("mps2-an500"))
    made = write_tiny(tmp_path, "mps2-an500", tiny_program())
    with pytest.raises(ToolFailed) as failed:
        build(made, kind=ImageKind.APP, extra_flags=DRIVEN)
    assert any("convert with --preprocess" in row for row in failed.value.tail)


def answer(field: tuple[int, int, int]) -> list[int]:
    """The outputs of the tiny model in a field, by the host."""
    window = np.tile(np.array(steps(field), np.int16), (2, 1))
    taken = Case("driven", FIELD, 0.5, -1).wanted(window)
    return tiny_steps(np.frombuffer(taken, np.int8).tolist())[-1]


def decided(link: Link) -> str:
    while not (said := line(link)).startswith("decided: "):
        pass
    return said


def test_a_model_decides_on_what_the_sensor_feels(tmp_path: Path) -> None:
    """From the bus to the decision, with the chip changed as a user would."""
    board = load_board("mps2-an500")
    need_board_tools(board)
    made = project(tmp_path, FIELD, board.id)
    text = (made / "src" / "app.c").read_text()
    for old, new in (("&es_lsm6dsox", "&es_lsm303dlhc_mag"), (".fifo = true", ".fifo = false")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (made / "src" / "app.c").write_text(text)
    fields = ((0, 0, 0), (0, 60_000, 0), (100_000, 0, 0))
    control = tmp_path / "qmp"
    image = build(made, kind=ImageKind.APP, extra_flags=DRIVEN)
    link = open_qemu(with_magnetometer(board, control), image.elf)
    try:
        monitor = Monitor(control)
        for field in fields:
            best = int(np.argmax(answer(field)))
            assert answer(field)[best] >= 0, "seen: half of the whole"
            monitor.feel(field)
            assert decided(link) == f"decided: {best}"
        assert len({int(np.argmax(answer(field))) for field in fields}) == 2
    finally:
        link.close()


def test_a_sensor_that_is_not_there_is_said_and_does_not_start_the_board_again(
    tmp_path: Path,
) -> None:
    """Heartbeats come each 5 s, and the watchdog would bark after 10."""
    board = load_board("mps2-an500")
    need_board_tools(board)
    made = project(
        tmp_path,
        replace(MOTION, samples=2, hop=1, axes=(0, 1), mean=(0.0,) * 2, scale=(1.0,) * 2),
        board.id,
    )
    link = open_qemu(board, build(made, kind=ImageKind.APP, extra_flags=DRIVEN).elf)
    try:
        beats = [line(link) for _ in range(8)][1::2]
    finally:
        link.close()
    faults = []
    for beat in beats:
        told = re.fullmatch(
            r"imu: down, samples 0, lost 0, faults (\d+), recoveries 0, "
            r"last fault: not acknowledged",
            beat,
        )
        assert told is not None, beat
        faults.append(int(told[1]))
    assert [b - a for a, b in pairwise(faults)] == [5] * 3, "an attempt a second"

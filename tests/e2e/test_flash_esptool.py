"""The real esptool writes to a simulated ROM loader on a socket."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeserve.board import Method, load_board
from edgeserve.errors import FlashFailed
from edgeserve.flash import put
from edgeserve.pipeline.build import build
from edgeserve.pipeline.opening import open_model
from tests.e2e.bench_images import two_layers
from tests.e2e.process_board import PROCESS_BOARD
from tests.simulated_rom import SimulatedRom, esp_image

C3, S3 = 5, 9
ADDRESS = 0x10000
PAYLOAD = bytes(range(256)) * 40 + b"\xc0\xdb\xc0"

Start = Callable[..., SimulatedRom]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[SimulatedRom] = []

    def one(chip_id: int = C3, damages: bool = False, program: Path | None = None) -> SimulatedRom:
        started.append(SimulatedRom(chip_id, damages, program))
        return started[-1]

    yield one
    for rom in started:
        rom.close()


def image_for(folder: Path, chip_id: int) -> Path:
    path = folder / "my firmware.bin"
    path.write_bytes(esp_image(chip_id, PAYLOAD))
    return path


def test_every_byte_arrives_where_it_belongs(tmp_path: Path, start: Start) -> None:
    rom = start()
    image = image_for(tmp_path, C3)
    put(load_board("esp32c3"), Method.ESPTOOL, image, rom.url)
    written = image.read_bytes()
    assert bytes(rom.flash[ADDRESS : ADDRESS + len(written)]) == written
    assert set(rom.flash[:ADDRESS]) == {0xFF}
    assert set(rom.flash[ADDRESS + 0x10000 :]) == {0xFF}


def test_another_chip_is_refused(tmp_path: Path, start: Start) -> None:
    rom = start()
    with pytest.raises(FlashFailed, match=r"this is not a esp32s3: the chip is ESP32-C3") as raised:
        put(load_board("esp32s3"), Method.ESPTOOL, image_for(tmp_path, S3), rom.url)
    assert "--board" in raised.value.hint
    assert set(rom.flash) == {0xFF}


def test_an_image_for_another_chip_is_refused(tmp_path: Path, start: Start) -> None:
    rom = start()
    with pytest.raises(FlashFailed, match="is an image for esp32s3, and esp32c3"):
        put(load_board("esp32c3"), Method.ESPTOOL, image_for(tmp_path, S3), rom.url)
    assert set(rom.flash) == {0xFF}


def test_what_is_no_image_is_refused(tmp_path: Path, start: Start) -> None:
    rom = start()
    image = tmp_path / "bench.bin"
    image.write_bytes(PAYLOAD)
    with pytest.raises(FlashFailed, match=r"bench.bin is not an image for esp32c3"):
        put(load_board("esp32c3"), Method.ESPTOOL, image, rom.url)
    assert set(rom.flash) == {0xFF}


def test_a_flash_that_keeps_something_else_is_noticed(tmp_path: Path, start: Start) -> None:
    rom = start(damages=True)
    with pytest.raises(FlashFailed, match="esptool could not write the image"):
        put(load_board("esp32c3"), Method.ESPTOOL, image_for(tmp_path, C3), rom.url)


BOARD = f"""
name = "an ESP32-C3 whose firmware is a process of this machine"
{PROCESS_BOARD}
[upload]
methods = ["esptool"]
esptool_chip = "esp32c3"
address = 0x10000
"""


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line itself, as a shell starts it."""
    return subprocess.run(
        [sys.executable, "-m", "edgeserve", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )


def test_one_command_flashes_over_a_socket_and_asks_what_runs(tmp_path: Path, start: Start) -> None:
    model, board = tmp_path / "two.tflite", tmp_path / "my_c3.toml"
    model.write_bytes(two_layers())
    board.write_text(BOARD, encoding="utf-8")
    _, built = build(open_model(model), load_board(str(board)))
    rom = start(program=built.elf)
    image = image_for(tmp_path, C3)
    here = ("--board", board, "--port", rom.url, "--image", image)
    done = command("flash", model, *here)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"my_c3 on {rom.url} runs two (table ")
    assert done.stdout.endswith("written by esptool\n")
    written = image.read_bytes()
    assert bytes(rom.flash[ADDRESS : ADDRESS + len(written)]) == written


@pytest.mark.parametrize(
    ("chip", "image_chip", "said"),
    [
        (S3, C3, "this is not a esp32c3: the chip is ESP32-S3"),
        (C3, S3, "is an image for esp32s3, and esp32c3 has an esp32c3"),
    ],
)
def test_the_command_says_what_is_wrong_in_a_line(
    chip: int, image_chip: int, said: str, tmp_path: Path, start: Start
) -> None:
    model = tmp_path / "two.tflite"
    model.write_bytes(two_layers())
    rom = start(chip)
    here = ("--board", "esp32c3", "--port", rom.url, "--image", image_for(tmp_path, image_chip))
    done = command("flash", model, *here)
    assert done.returncode == 4
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert set(rom.flash) == {0xFF}

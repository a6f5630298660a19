"""The real esptool writes to a simulated ROM loader on a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeserve.board import Method, load_board
from edgeserve.errors import FlashFailed
from edgeserve.flash import put
from tests.simulated_rom import SimulatedRom, esp_image

C3, S3 = 5, 9
ADDRESS = 0x10000
PAYLOAD = bytes(range(256)) * 40 + b"\xc0\xdb\xc0"

Start = Callable[..., SimulatedRom]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[SimulatedRom] = []

    def one(chip_id: int = C3, damages: bool = False) -> SimulatedRom:
        started.append(SimulatedRom(chip_id, damages))
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

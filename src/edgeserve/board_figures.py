"""The figures of a board with where each is from, as a list to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeserve.board import Board, Holds, Kind, Power, Region, Upload

NONE_FOUND = "none found"
"""What a source says where none was found for a figure, or for a part of it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` as a person reads it; ``source`` is None where the file gives none."""

    what: str
    value: str
    source: str | None

    @property
    def is_verified(self) -> bool:
        """Whether all of it has a source."""
        return self.source is not None and NONE_FOUND not in self.source


def figures_of(board: Board) -> tuple[Figure, ...]:
    """Core, memory, upload, USB ids and power of a board, in the order of its file.

    What the file of a physical board leaves out of these is told too, with no source.
    """
    return tuple(_figures(board))


def unverified(board: Board) -> tuple[str, ...]:
    """The names of the figures of which a part has no source."""
    return tuple(figure.what for figure in figures_of(board) if not figure.is_verified)


def _figures(board: Board) -> Iterator[Figure]:
    clock = "" if board.cpu.clock_hz is None else f", {board.cpu.clock_hz / 1e6:g} MHz"
    yield Figure("core", board.cpu.core + clock, board.cpu.source)
    for region in board.regions:
        yield Figure(region.name, _memory(region), region.source)
        if (access := _access(board, region)) is not None:
            yield Figure(f"{region.name} access", access, region.access_source)
    if board.constants:
        numbers = ", ".join(f"{name} {value:#x}" for name, value in board.constants)
        yield Figure("constants", numbers, board.constants_source)
    if (pio := board.platformio) is not None:
        value = f"{pio.platform}@{pio.version}, board {pio.board}, framework {pio.framework}"
        yield Figure("platformio", value, pio.source)
    elif board.kind is Kind.PHYSICAL:
        yield _missing("platformio")
    if board.upload is not None:
        yield Figure("upload", _ways(board.upload), board.upload.source)
    elif board.kind is Kind.PHYSICAL:
        yield _missing("upload")
    if board.usb is not None:
        yield Figure("usb", ", ".join(board.usb.ids), board.usb.source)
    elif board.kind is Kind.PHYSICAL:
        yield _missing("usb")
    if board.power is not None or board.kind is Kind.PHYSICAL:
        yield from _power(board.power or Power(None, None, None))


def _missing(what: str) -> Figure:
    return Figure(what, "not known", NONE_FOUND)


def _memory(region: Region) -> str:
    taken = f", {region.reserved_bytes:,} of them reserved" if region.reserved_bytes else ""
    return f"{region.size_bytes:,} bytes at {region.address:#010x}{taken}"


def _access(board: Board, region: Region) -> str | None:
    """Who reaches a region and how, where its file says so, or where it is a physical RAM."""
    is_ram = board.kind is Kind.PHYSICAL and Holds.ARENA in region.holds
    told = (region.dma, region.cached) != (None, None) or region.access_cost != 1
    if not (is_ram or told):
        return None
    words = [_flag(region.dma, "reached by DMA"), _flag(region.cached, "behind a data cache")]
    if len(board.holding(Holds.ARENA)) > 1 and Holds.ARENA in region.holds:
        words.append(f"cost {region.access_cost}")
    return ", ".join(word for word in words if word) or "not known"


def _flag(flag: bool | None, what: str) -> str:
    if flag is None:
        return ""
    return what if flag else f"not {what}"


def _ways(upload: Upload) -> str:
    told = {
        "openocd_target": upload.openocd_target,
        "openocd_interface": upload.openocd_interface,
        "pyocd_target": upload.pyocd_target,
        "jlink_device": upload.jlink_device,
        "esptool_chip": upload.esptool_chip,
        "dfu_id": upload.dfu_id,
        "uf2_volume": upload.uf2_volume,
        "teensy_mcu": upload.teensy_mcu,
        "address": None if upload.address is None else f"{upload.address:#x}",
    }
    known = [f"{name} {value}" for name, value in told.items() if value is not None]
    return "; ".join([", ".join(method.value for method in upload.methods), *known])


def _power(power: Power) -> Iterator[Figure]:
    figures = (
        ("supply", power.supply_mv, "mV"),
        ("current, active", power.active_ua, "uA"),
        ("current, asleep", power.sleep_ua, "uA"),
    )
    for what, figure, unit in figures:
        if figure is None:
            yield _missing(what)
        else:
            yield Figure(what, f"{figure.value:,} {unit}", figure.source)

"""Boards: what a kind of board is, read strictly from its TOML file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from edgeserve.arena import ALIGNMENT_BYTES
from edgeserve.errors import ConfigError
from edgeserve.resources import boards_root
from edgeserve.strict_toml import TomlTable, read_toml

_FRAMEWORKS = ("arduino", "espidf")
_CONSTANT = re.compile(r"[a-z][a-z0-9_]*")
_REGION = re.compile(r"[a-z][a-z0-9_]{0,31}")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Kind(StrEnum):
    """What stands behind a board's name."""

    PHYSICAL = "physical"
    EMULATED = "emulated"
    HOST = "host"


class Holds(StrEnum):
    """What a memory region may hold."""

    CODE = "code"
    MODEL = "model"
    ARENA = "arena"
    DATA = "data"
    STACK = "stack"


class Method(StrEnum):
    """The ways to put an image onto a board."""

    PLATFORMIO = "platformio"
    OPENOCD = "openocd"
    PYOCD = "pyocd"
    JLINK = "jlink"
    ESPTOOL = "esptool"
    DFU = "dfu"
    PICOTOOL = "picotool"
    UF2 = "uf2"
    TEENSY = "teensy"


@dataclass(frozen=True, slots=True)
class Region:
    """A range of addresses; ``reserved_bytes`` of it are taken by what ``reserved_for`` names.

    ``access_cost`` is what a byte read or written costs, compared with the board's other regions;
    what lies in an arena there is aligned to ``alignment_bytes``. ``dma``: peripherals reach it;
    ``cached``: the core sees it through a data cache. None where the file does not say.
    ``access_source`` says where these three are from.
    """

    name: str
    address: int
    size_bytes: int
    holds: tuple[Holds, ...]
    reserved_bytes: int
    reserved_for: str
    source: str
    access_cost: int = 1
    alignment_bytes: int = ALIGNMENT_BYTES
    dma: bool | None = None
    cached: bool | None = None
    access_source: str | None = None

    @property
    def free_bytes(self) -> int:
        return self.size_bytes - self.reserved_bytes


@dataclass(frozen=True, slots=True)
class Cpu:
    """The core, the kernel folders that suit it (best first), and its clock where it has one."""

    core: str
    isa: tuple[str, ...]
    clock_hz: int | None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The C compiler's command prefix (``arm-none-eabi-``), the flags that choose the core, and the
    libraries that an image is linked with, beside those that the compiler adds.
    """

    prefix: str
    flags: tuple[str, ...]
    libraries: tuple[str, ...] = ("-lm",)


@dataclass(frozen=True, slots=True)
class Emulator:
    """How QEMU emulates the board and what its timer counts.

    ``arguments`` follow the machine's name. ``instructions_per_tick`` is exact at ``icount_shift``;
    counts convert by it, never to time.
    """

    program: str
    machine: str
    arguments: tuple[str, ...]
    icount_shift: int
    ticks_hz: int
    instructions_per_tick: Fraction


@dataclass(frozen=True, slots=True)
class PlatformIO:
    """What PlatformIO calls the board: ``version`` pins the platform, ``framework`` is whose calls
    the port makes.
    """

    platform: str
    version: str
    board: str
    framework: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """How an image gets onto the board: ``methods``, the preferred one first, and what they ask.

    ``address`` is where an image goes that does not say so itself, ``uf2_volume`` the label of the
    drive that the loader shows.
    """

    methods: tuple[Method, ...]
    openocd_target: str | None = None
    openocd_interface: str | None = None
    pyocd_target: str | None = None
    jlink_device: str | None = None
    esptool_chip: str | None = None
    dfu_id: str | None = None
    uf2_volume: str | None = None
    teensy_mcu: str | None = None
    address: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Usb:
    """``vendor:product`` ids, in hexadecimal, under which the board or the probe on it appears."""

    ids: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Sourced:
    """A figure with where it is from."""

    value: int
    source: str


@dataclass(frozen=True, slots=True)
class Power:
    """Supply in millivolts, and the current drawn while computing and asleep in microamperes."""

    supply_mv: Sourced | None
    active_ua: Sourced | None
    sleep_ua: Sourced | None


@dataclass(frozen=True, slots=True)
class Board:
    """A kind of board. ``port`` and ``toolchain`` are None where firmware cannot be built yet.

    ``constants`` are what the port's C is told of this board: addresses and numbers of its devices.
    A ``source`` says where the figures beside it are from; ``board_figures`` lists them.
    """

    id: str
    name: str
    kind: Kind
    cpu: Cpu
    regions: tuple[Region, ...]
    port: str | None
    toolchain: Toolchain | None
    emulator: Emulator | None
    constants: tuple[tuple[str, int], ...] = ()
    constants_source: str | None = None
    platformio: PlatformIO | None = None
    upload: Upload | None = None
    usb: Usb | None = None
    power: Power | None = None

    @property
    def framework(self) -> str | None:
        """The vendor's framework below the port, with which PlatformIO alone builds; or None."""
        first = (self.port or "").split("/")[0]
        return first if first in _FRAMEWORKS else None

    def holding(self, what: Holds) -> tuple[Region, ...]:
        """The regions that may hold something, in the file's order: the preferred one first."""
        return tuple(region for region in self.regions if what in region.holds)


def board_ids() -> tuple[str, ...]:
    """The boards that travel with edgeserve, sorted."""
    return tuple(sorted(path.stem for path in boards_root().glob("*.toml")))


def load_board(name: str) -> Board:
    """A board by its id, or by the path of a board file (anything that ends in ``.toml``).

    Raises ConfigError for an unknown board or a file that is not right.
    """
    if name.endswith(".toml"):
        return read_board(Path(name))
    path = boards_root() / f"{name}.toml"
    if name not in board_ids():
        alike = _alike(name)
        known = f"like it: {', '.join(alike)}" if alike else f"known: {', '.join(board_ids())}"
        raise ConfigError(
            f"unknown board {name!r}",
            hint=f"{known}; or give the path of a board file (edgeserve boards lists all)",
        )
    return read_board(path)


def _alike(name: str) -> list[str]:
    """Boards of whose id a name is a part or a misspelling, whatever its case and dashes."""
    plain = name.lower().replace("-", "_")
    spelled = {board.replace("-", "_"): board for board in board_ids()}
    parts = [known for known in spelled if len(plain) > 2 and (plain in known or known in plain)]
    near = get_close_matches(plain, spelled, n=3, cutoff=0.75)
    return [spelled[known] for known in dict.fromkeys((*near, *parts))]


def read_board(path: Path) -> Board:
    """Reads a board file; unknown keys are errors. Raises ConfigError naming file and key."""
    table = read_toml(path, hint="docs/PORTING.md describes board files")
    constants, constants_source = _constants(table.optional_table("constants"))
    board = Board(
        id=path.stem,
        name=table.text("name"),
        kind=table.choice("kind", Kind),
        cpu=_cpu(table.table("cpu")),
        regions=tuple(_region(region) for region in table.tables("region")),
        port=table.optional_text("port"),
        toolchain=_toolchain(table.optional_table("toolchain")),
        emulator=_emulator(table.optional_table("emulator")),
        constants=constants,
        constants_source=constants_source,
        platformio=_platformio(table.optional_table("platformio")),
        upload=_upload(table.optional_table("upload")),
        usb=_usb(table.optional_table("usb")),
        power=_power(table.optional_table("power")),
    )
    table.finish()
    _check(board, path)
    return board


def _check(board: Board, path: Path) -> None:
    if not _ID.fullmatch(board.id):
        raise ConfigError(
            f"{path}: {board.id!r} is not the id of a board",
            hint="name the file with lower-case letters, digits, _ and - alone",
        )
    names = [region.name for region in board.regions]
    if len(set(names)) != len(names):
        raise ConfigError(f"{path}: two regions have one name", hint="name each region differently")
    for what in Holds:
        if not board.holding(what):
            raise ConfigError(f"{path}: no region holds {what.value!r}", hint="add it to a `holds`")
    if board.framework is not None:
        if board.platformio is None or board.platformio.framework != board.framework:
            raise ConfigError(
                f"{path}: the port {board.port} needs [platformio] with that framework",
                hint="say what PlatformIO calls the board",
            )
    elif board.port is not None and board.toolchain is None:
        raise ConfigError(f"{path}: a port needs a [toolchain]", hint="add the compiler's flags")


def _cpu(table: TomlTable) -> Cpu:
    cpu = Cpu(
        core=table.text("core"),
        isa=table.texts("isa"),
        clock_hz=table.optional_number("clock_hz"),
        source=table.optional_text("source"),
    )
    table.finish()
    return cpu


def _region(table: TomlTable) -> Region:
    region = Region(
        name=table.text("name"),
        address=table.number("address"),
        size_bytes=table.number("size_bytes"),
        holds=tuple(table.parse_choice("holds", Holds, text) for text in table.texts("holds")),
        reserved_bytes=table.optional_number("reserved_bytes") or 0,
        reserved_for=table.optional_text("reserved_for") or "",
        source=table.text("source"),
        access_cost=_or(table.optional_number("access_cost"), 1),
        alignment_bytes=_or(table.optional_number("alignment_bytes"), ALIGNMENT_BYTES),
        dma=table.optional_flag("dma"),
        cached=table.optional_flag("cached"),
        access_source=table.optional_text("access_source"),
    )
    table.finish()
    if not _REGION.fullmatch(region.name):
        raise table.error("name", "must be lower-case letters, digits and _, at most 32")
    if region.access_cost == 0:
        raise table.error("access_cost", "must be at least 1")
    if region.alignment_bytes % ALIGNMENT_BYTES or region.alignment_bytes.bit_count() != 1:
        raise table.error("alignment_bytes", f"must be a power of two from {ALIGNMENT_BYTES} on")
    if region.reserved_bytes > region.size_bytes:
        raise table.error("reserved_bytes", "is more than size_bytes")
    return region


def _or(number: int | None, default: int) -> int:
    return default if number is None else number


def _toolchain(table: TomlTable | None) -> Toolchain | None:
    if table is None:
        return None
    toolchain = Toolchain(
        prefix=table.optional_text("prefix") or "",
        flags=table.texts("flags"),
        libraries=table.optional_texts("libraries") or ("-lm",),
    )
    table.finish()
    return toolchain


def _constants(table: TomlTable | None) -> tuple[tuple[tuple[str, int], ...], str | None]:
    if table is None:
        return (), None
    source = table.optional_text("source")
    for key in table.names():
        if not _CONSTANT.fullmatch(key):
            raise table.error(key, "is not a name in lower-case letters, digits and _")
    return tuple((key, table.number(key)) for key in table.names()), source


def _platformio(table: TomlTable | None) -> PlatformIO | None:
    if table is None:
        return None
    platformio = PlatformIO(
        platform=_matched(table, "platform", _WORD, "a word"),
        version=_matched(table, "version", _VERSION, 'a version such as "1.2.3"'),
        board=_matched(table, "board", _WORD, "a word"),
        framework=_matched(table, "framework", _WORD, "a word"),
        source=table.optional_text("source"),
    )
    table.finish()
    return platformio


_METHOD_KEYS = {
    Method.OPENOCD: ("openocd_target", "openocd_interface"),
    Method.PYOCD: ("pyocd_target",),
    Method.JLINK: ("jlink_device",),
    Method.ESPTOOL: ("esptool_chip", "address"),
    Method.DFU: ("dfu_id", "address"),
    Method.UF2: ("uf2_volume",),
    Method.TEENSY: ("teensy_mcu",),
}
"""What a method must be told of the board."""


def _upload(table: TomlTable | None) -> Upload | None:
    if table is None:
        return None
    names = table.texts("methods")
    methods = tuple(table.parse_choice("methods", Method, name) for name in names)
    if not methods or len(set(methods)) != len(methods):
        raise table.error("methods", "must name one method or more, each once")
    for method in methods:
        for key in _METHOD_KEYS.get(method, ()):
            if key not in table.names():
                raise table.error(key, f"is missing: {method} needs it")
    upload = Upload(
        methods=methods,
        openocd_target=_optional_word(table, "openocd_target"),
        openocd_interface=_optional_word(table, "openocd_interface"),
        pyocd_target=_optional_word(table, "pyocd_target"),
        jlink_device=_optional_word(table, "jlink_device"),
        esptool_chip=_optional_word(table, "esptool_chip"),
        dfu_id=_usb_id(table, "dfu_id", table.optional_text("dfu_id")),
        uf2_volume=_optional_word(table, "uf2_volume"),
        teensy_mcu=_optional_word(table, "teensy_mcu"),
        address=table.optional_number("address"),
        source=table.optional_text("source"),
    )
    table.finish()
    return upload


def _usb(table: TomlTable | None) -> Usb | None:
    if table is None:
        return None
    ids = table.texts("ids")
    if not ids:
        raise table.error("ids", "must name one id or more")
    for one in ids:
        _usb_id(table, "ids", one)
    usb = Usb(ids, table.text("source"))
    table.finish()
    return usb


def _power(table: TomlTable | None) -> Power | None:
    if table is None:
        return None
    power = Power(
        supply_mv=_sourced(table.optional_table("supply_mv")),
        active_ua=_sourced(table.optional_table("active_ua")),
        sleep_ua=_sourced(table.optional_table("sleep_ua")),
    )
    table.finish()
    return power


def _sourced(table: TomlTable | None) -> Sourced | None:
    if table is None:
        return None
    figure = Sourced(table.number("value"), table.text("source"))
    table.finish()
    return figure


def _usb_id(table: TomlTable, key: str, text: str | None) -> str | None:
    if text is not None and not _USB_ID.fullmatch(text):
        raise table.error(key, f'is {text!r}, not an id such as "0483:374b"')
    return text


def _optional_word(table: TomlTable, key: str) -> str | None:
    """A word goes into command lines: it must not look like an option or a path."""
    return _matched(table, key, _WORD, "a word") if key in table.names() else None


def _matched(table: TomlTable, key: str, pattern: re.Pattern[str], what: str) -> str:
    text = table.text(key)
    if not pattern.fullmatch(text):
        raise table.error(key, f"is {text!r}, not {what}")
    return text


def _emulator(table: TomlTable | None) -> Emulator | None:
    if table is None:
        return None
    try:
        ratio = Fraction(table.text("instructions_per_tick"))
    except (ValueError, ZeroDivisionError):
        raise table.error("instructions_per_tick", 'is not a fraction such as "5/16"') from None
    if ratio <= 0:
        raise table.error("instructions_per_tick", "must be above zero")
    emulator = Emulator(
        program=table.text("program"),
        machine=table.text("machine"),
        arguments=table.optional_texts("arguments"),
        icount_shift=table.number("icount_shift"),
        ticks_hz=table.number("ticks_hz"),
        instructions_per_tick=ratio,
    )
    table.finish()
    return emulator

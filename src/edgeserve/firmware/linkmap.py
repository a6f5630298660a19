"""The linker's map: which file put how many bytes where in an image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_START = "Linker script and memory map"
_OUTPUT = re.compile(r"(\.[A-Za-z_][\w.]*)(?:\s+0x[0-9a-f]+\s+0x[0-9a-f]+.*)?$")
_INPUT = re.compile(r" (\S+)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)(?: (\S.*))?$")
_NAME_ALONE = re.compile(r" ([^\s*]+)$")
_FILL = "*fill*"
_MEMBER = re.compile(r".*\(([^()]+)\)$")
_FLASH = (
    *(".text", ".rodata", ".srodata", ".literal", ".vectors", ".reset"),
    *(".ARM.ex", ".init", ".fini", ".eh_frame"),
)
_LOADED_RAM = (".data", ".sdata", ".tdata")
_RAM = (".bss", ".sbss", ".tbss", "COMMON", ".noinit")


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece of an image. ``origin`` is the object file, or ``archive(member)``, or empty for the
    padding between pieces.
    """

    section: str
    size_bytes: int
    origin: str

    @property
    def member(self) -> str | None:
        """The archive's member that the piece is from, or None for an object file."""
        match = _MEMBER.match(self.origin)
        return match.group(1) if match else None

    @property
    def flash_bytes(self) -> int:
        """Bytes in read-only memory: code, constants, and the initial values of variables."""
        return self.size_bytes if self._is(*_FLASH, *_LOADED_RAM) else 0

    @property
    def ram_bytes(self) -> int:
        """Bytes in writable memory."""
        return self.size_bytes if self._is(*_LOADED_RAM, *_RAM) else 0

    def _is(self, *prefixes: str) -> bool:
        # Constant tables that hold addresses are .data.rel.ro only where code can be relocated.
        return self.section.startswith(prefixes)


def parse_map(text: str) -> tuple[Placed, ...]:
    """The pieces of an image that take memory, in the order of the map (GNU ld's format)."""
    pieces: list[Placed] = []
    for section, size_bytes, origin in _inputs(text):
        if section == _FILL and pieces:
            pieces.append(Placed(pieces[-1].section, size_bytes, ""))
        elif section != _FILL and origin:
            pieces.append(Placed(section, size_bytes, origin))
    return tuple(pieces)


def _inputs(text: str) -> Iterator[tuple[str, int, str]]:
    _, _, body = text.partition(_START)
    pending = ""
    inside = False
    for line in map(str.rstrip, body.splitlines()):
        if line[:1] not in (" ", ""):
            match = _OUTPUT.match(line)
            inside = match is not None and match.group(1) != ".comment"
            pending = ""
        elif inside and (match := _NAME_ALONE.match(line)):
            pending = f" {match.group(1)}"
        elif inside and (match := _INPUT.match(pending + line)):
            pending = ""
            yield match.group(1), int(match.group(3), 16), match.group(4) or ""
        else:
            pending = ""

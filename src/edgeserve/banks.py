"""Banks: memories of a board among which an arena may be split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeserve.arena import ALIGNMENT_BYTES
from edgeserve.errors import ConfigError
from edgeserve.program import Program, Role, Value


@dataclass(frozen=True, slots=True)
class Bank:
    """``capacity_bytes`` of memory for a part of the arena.

    ``access_cost`` is what a byte read or written costs, in any unit that all banks share; whatever
    lies here begins at a multiple of ``alignment_bytes``, which is one of ``ALIGNMENT_BYTES``.
    """

    name: str
    capacity_bytes: int
    access_cost: int = 1
    alignment_bytes: int = ALIGNMENT_BYTES


@dataclass(frozen=True, slots=True)
class Pin:
    """A tensor that the user puts into a bank, both by name.

    Converters join the names of tensors that they merge by ``;``: the first one will do.
    """

    tensor: str
    bank: str

    def means(self, value: Value) -> bool:
        return self.tensor in (value.name, value.name.partition(";")[0])

    def __str__(self) -> str:
        return f"{self.tensor}={self.bank}"


def preferred(banks: Sequence[Bank]) -> tuple[Bank, ...]:
    """The cheapest first; among equals in the order given."""
    return tuple(sorted(banks, key=lambda bank: bank.access_cost))


def parse_pins(texts: Sequence[str]) -> tuple[Pin, ...]:
    """Pins written as ``TENSOR=BANK``, split at the last ``=``. Raises ConfigError."""
    pins = []
    for text in texts:
        tensor, equals, bank = text.rpartition("=")
        if not (tensor and equals and bank):
            raise ConfigError(f"{text!r} is no TENSOR=BANK", hint="for example --pin image=psram")
        pins.append(Pin(tensor, bank))
    return tuple(pins)


def pinned_values(program: Program, banks: Sequence[Bank], pins: Sequence[Pin]) -> dict[int, int]:
    """The bank (index) of each pinned value (index). All tensors of a pinned name are meant.

    Raises ConfigError for a tensor or a bank that does not exist, and for one that is pinned twice.
    """
    names = [bank.name for bank in banks]
    found: dict[int, int] = {}
    for pin in pins:
        if pin.bank not in names:
            raise ConfigError(
                f"cannot pin {pin.tensor!r}: there is no bank {pin.bank!r}",
                hint=f"banks: {', '.join(names) or 'none'}",
            )
        bank = names.index(pin.bank)
        writable = (value for value in program.values if value.role is not Role.CONSTANT)
        values = [value for value in writable if pin.means(value)]
        if not values:
            raise ConfigError(
                f"cannot pin {pin.tensor!r}: the arena has no tensor of that name",
                hint="edgeserve plan lists the tensors; constants lie in flash",
            )
        if any(found.setdefault(value.index, bank) != bank for value in values):
            raise ConfigError(f"{pin.tensor!r} is pinned to two banks", hint="pin each tensor once")
    return found

"""Banks: memories of a board among which an arena may be split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edgeserve.arena import ALIGNMENT_BYTES
from edgeserve.errors import ConfigError
from edgeserve.program import Program, Role

Pins: TypeAlias = tuple[tuple[str, str], ...]
"""Tensors that the user puts into a bank: (tensor, bank), by name."""


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


def preferred(banks: Sequence[Bank]) -> tuple[Bank, ...]:
    """The cheapest first; among equals in the order given."""
    return tuple(sorted(banks, key=lambda bank: bank.access_cost))


def parse_pins(texts: Sequence[str]) -> Pins:
    """Pins written as ``TENSOR=BANK``, split at the last ``=``. Raises ConfigError."""
    pins = []
    for text in texts:
        tensor, equals, bank = text.rpartition("=")
        if not (tensor and equals and bank):
            raise ConfigError(f"{text!r} is no TENSOR=BANK", hint="for example --pin image=psram")
        pins.append((tensor, bank))
    return tuple(pins)


def pinned_values(program: Program, banks: Sequence[Bank], pins: Pins) -> dict[int, int]:
    """The bank (index) of each pinned value (index). All tensors of a pinned name are meant.

    Raises ConfigError for a tensor or a bank that does not exist, and for one that is pinned twice.
    """
    names = [bank.name for bank in banks]
    found: dict[int, int] = {}
    for tensor, bank in pins:
        if bank not in names:
            raise ConfigError(
                f"cannot pin {tensor!r}: there is no bank {bank!r}",
                hint=f"banks: {', '.join(names) or 'none'}",
            )
        values = [v for v in program.values if v.name == tensor and v.role is not Role.CONSTANT]
        if not values:
            raise ConfigError(
                f"cannot pin {tensor!r}: the arena has no tensor of that name",
                hint="edgeserve inspect lists the tensors; constants lie in flash",
            )
        for value in values:
            if found.setdefault(value.index, names.index(bank)) != names.index(bank):
                raise ConfigError(f"{tensor!r} is pinned to two banks", hint="pin each tensor once")
    return found

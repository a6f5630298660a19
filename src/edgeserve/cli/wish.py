"""Options of what a plan is to be: its objective, rows, extra flash and pins.

A command gets them as one ``wish``, None where none was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import click

if TYPE_CHECKING:
    from edgeserve.planfile import Wish

Command: TypeAlias = Callable[..., int]

_objective = click.option(
    "--objective",
    type=click.Choice(["size", "balanced", "speed"]),
    help="size: the least arena; balanced: the least at little cost; speed: the fewest "
    "instructions that the board has room for. [default: as the bundle was planned, or balanced]",
)
_by_rows = click.option(
    "--by-rows", is_flag=True, help="The caller hands in the inputs row by row, as a camera does."
)


class ByteSize(click.ParamType[int]):
    """``65536``, ``64K`` or ``1M``; K and M are 1,024 and its square."""

    name = "bytes"
    _TEXT = re.compile(r"(\d{1,9})([KM]?)", re.ASCII | re.IGNORECASE)
    _UNITS: ClassVar = {"": 1, "K": 1 << 10, "M": 1 << 20}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = self._TEXT.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no size: write bytes, or as 64K or 1M", param, ctx)
        return int(found[1]) * self._UNITS[found[2].upper()]


_flash_for_speed = click.option(
    "--flash-for-speed",
    type=ByteSize(),
    help="Flash that the model may take beyond its normal size where that saves most instructions: "
    "bytes, 64K, 1M.",
)

_pin = click.option(
    "--pin",
    multiple=True,
    metavar="TENSOR=BANK",
    help="Put a tensor into one of the board's memory regions; may be repeated.",
)


def wish_options(command: Command) -> Command:
    """All of them."""
    return wish_options_without_pins(_pin(command))


def wish_options_without_pins(command: Command) -> Command:
    """For a command that has no board's memories to pin tensors to."""

    @wraps(command)
    def with_wish(
        *arguments: Any,
        objective: str | None,
        by_rows: bool,
        flash_for_speed: int | None,
        pin: Sequence[str] = (),
        **others: Any,
    ) -> int:
        wish = _wish(objective, by_rows, flash_for_speed, pin)
        return command(*arguments, wish=wish, **others)

    return _objective(_by_rows(_flash_for_speed(with_wish)))


def _wish(
    objective: str | None, by_rows: bool, flash_for_speed: int | None, pins: Sequence[str]
) -> Wish | None:
    from edgeserve.banks import parse_pins
    from edgeserve.plan.streaming import Objective
    from edgeserve.planfile import Wish

    if objective is None and not by_rows and flash_for_speed is None and not pins:
        return None
    return Wish(Objective(objective or "balanced"), by_rows, parse_pins(pins), flash_for_speed or 0)

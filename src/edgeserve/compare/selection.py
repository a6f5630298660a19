"""Which measurements are compared: the last of each device that both sides have, or chosen ones.

``BUNDLE`` means the last measurement of each device in it; ``BUNDLE#3`` the third line of its
``measurements.jsonl``, ``BUNDLE#-1`` the last one; ``BUNDLE#phone:2`` a line of its
``phone_measurements.jsonl``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgeserve.errors import ConfigError
from edgeserve.measurement import Measurement, device_of, latest_of_devices
from edgeserve.phone.record import PhoneMeasurement
from edgeserve.phone.record_file import latest_of_setups, setup_of, told_setup

_SELECTED = re.compile(r"(.+)#(phone:)?(-?[1-9]\d{0,8})", re.DOTALL)
_Record = TypeVar("_Record")
_ONLY_ALIKE = "only measurements of one kind of device, in one unit, can be compared"


@dataclass(frozen=True, slots=True)
class Side:
    """A side as the user wrote it: a bundle, and which line of it (counted from 1, or from -1
    backwards), or None for all.
    """

    text: str
    path: Path
    line: int | None
    is_phone: bool


@dataclass(frozen=True, slots=True)
class Records:
    """What a side has to compare, after its choice."""

    name: str
    boards: tuple[Measurement, ...]
    phones: tuple[PhoneMeasurement, ...]


@dataclass(frozen=True, slots=True)
class BoardPair:
    """Two measurements on one kind of board, in one unit."""

    before: Measurement
    after: Measurement


@dataclass(frozen=True, slots=True)
class PhonePair:
    """Two measurements of one setup of phones."""

    before: PhoneMeasurement
    after: PhoneMeasurement


Pair = BoardPair | PhonePair


def parse_side(text: str) -> Side:
    """A side by its text. A path that exists is never taken apart."""
    found = None if Path(text).exists() else _SELECTED.fullmatch(text)
    if found is None:
        return Side(text, Path(text), None, is_phone=False)
    return Side(text, Path(found[1]), int(found[3]), is_phone=found[2] is not None)


def chosen(
    side: Side, boards: Sequence[Measurement], phones: Sequence[PhoneMeasurement]
) -> Records:
    """What of a bundle's measurements a side means. ConfigError for a line that is not there."""
    if side.line is None:
        latest = latest_of_devices(boards).values()
        return Records(side.text, tuple(latest), tuple(latest_of_setups(phones).values()))
    if side.is_phone:
        return Records(side.text, (), (_line(side, phones),))
    return Records(side.text, (_line(side, boards),), ())


def pairs(before: Records, after: Records) -> tuple[Pair, ...]:
    """What both sides have. Raises ConfigError where that is nothing, and says what they have."""
    boards = {device_of(one): one for one in after.boards}
    phones = {setup_of(one): one for one in after.phones}
    found: list[Pair] = [
        BoardPair(one, boards[device_of(one)]) for one in before.boards if device_of(one) in boards
    ]
    found += [
        PhonePair(one, phones[setup_of(one)]) for one in before.phones if setup_of(one) in phones
    ]
    if found:
        return tuple(found)
    for side in (before, after):
        if not side.boards and not side.phones:
            raise ConfigError(
                f"{side.name} has no measurement", hint="edgeserve bench MODEL --device D makes one"
            )
    raise ConfigError(
        f"{before.name} was measured on {_told(before)}, and {after.name} on {_told(after)}",
        hint=_ONLY_ALIKE,
    )


def _line(side: Side, records: Sequence[_Record]) -> _Record:
    assert side.line is not None
    index = side.line - 1 if side.line > 0 else side.line
    try:
        return records[index]
    except IndexError:
        kind = "phone measurements" if side.is_phone else "measurements"
        raise ConfigError(
            f"{side.text}: {side.path} has {len(records)} {kind}",
            hint="#1 is the first line, #-1 the last; #phone:1 one of phone_measurements.jsonl",
        ) from None


def _told(side: Records) -> str:
    devices = [
        f"{one.place.board}{' (emulated)' if one.place.emulated else ''} in {one.unit.value}"
        for one in side.boards
    ]
    return "; ".join([*devices, *map(told_setup, side.phones)])

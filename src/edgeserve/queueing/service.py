"""How long an inference takes, in ticks: from the bundle's measurements, or as the user says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from edgeserve.board import Board
from edgeserve.errors import ConfigError
from edgeserve.measurement import Measurement, Unit

STATED_HZ = 1_000_000_000
"""Durations that a user states count in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Service:
    """``samples`` in ticks of ``ticks_hz``. ``virtual``: a tick is an instruction at a clock that
    was chosen, not time. ``source`` says whose they are.
    """

    samples: tuple[int, ...]
    ticks_hz: int
    virtual: bool
    source: str


def stated_service(seconds: Fraction) -> Service:
    """An inference takes as long as the user says."""
    return Service((round(seconds * STATED_HZ),), STATED_HZ, False, "stated, not measured")


def measured_service(
    measurements: Sequence[Measurement], board: Board, clock_hz: int | None
) -> Service:
    """The laps of the last measurement on ``board``.

    Raises ConfigError where there is none, or where its counts are no time and no clock is given.
    """
    taken = [one for one in measurements if one.place.board == board.id]
    if not taken:
        raise ConfigError(
            f"the model was never measured on {board.id}",
            hint=f"run edgeserve bench --device {board.id}, or say how long with --service 4ms",
        )
    last = taken[-1]
    hertz = ticks_hz(last.unit, board, clock_hz)
    source = f"measured {last.recorded_at}, {len(last.samples)} laps"
    return Service(last.samples, hertz, last.unit is Unit.INSTRUCTIONS, source)


def ticks_hz(unit: Unit, board: Board, clock_hz: int | None) -> int:
    """The rate of a unit's counts: of instructions, what the user chose. Raises ConfigError."""
    if unit is Unit.INSTRUCTIONS:
        if clock_hz is None:
            raise ConfigError(
                f"{board.id} is emulated: it counts instructions, which are no time",
                hint="choose a virtual clock, one instruction a tick: --clock 100MHz",
            )
        return clock_hz
    if unit is Unit.CYCLES:
        hertz = clock_hz or board.cpu.clock_hz
        if hertz is None:
            raise ConfigError(f"the clock of {board.id} is not known", hint="say it: --clock 64MHz")
        return hertz
    if clock_hz is not None:
        raise ConfigError(f"{board.id} measures time itself", hint="leave out --clock")
    return 1_000_000_000 if unit is Unit.NANOSECONDS else 1_000_000

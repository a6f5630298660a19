"""Sounds of a rotating machine, sound or with a fault, made from formulas.

A machine turns at a rate of its own. It hums at multiples of that rate and of its gear's mesh, and
hisses through the resonances of its case. A damaged bearing adds a strike each time a ball passes
the spot (Randall and Antoni, "Rolling element bearing diagnostics", 2011), which rings at the
housing's resonance; a loose part rattles at half the rate; a leak hisses past the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8000
SAMPLES = 1536
BALL_PASSES = 3.57
"""Of the outer ring of a bearing with nine balls, a turn."""
HOUSING_HZ = (2650.0,)

Sound = NDArray[np.float64]
Clip = NDArray[np.int16]


class Fault(IntEnum):
    """What is wrong."""

    NONE = 0
    BEARING = 1
    LOOSE = 2
    LEAK = 3


@dataclass(frozen=True, slots=True)
class Machine:
    """One specimen: rates in Hz, the strength of each harmonic, the hiss beside the hum."""

    rate_hz: float
    teeth: int
    hum: tuple[float, ...]
    mesh: tuple[float, ...]
    hiss: float
    resonances_hz: tuple[float, ...]
    level: float


def specimen(rng: np.random.Generator) -> Machine:
    """A machine as the factory makes them: alike, and no two the same."""
    return Machine(
        rate_hz=rng.uniform(23.0, 27.0),
        teeth=int(rng.integers(19, 24)),
        hum=tuple(rng.uniform(0.6, 1.4) / n for n in range(1, 9)),
        mesh=tuple(0.5 * rng.uniform(0.6, 1.4) / n for n in range(1, 4)),
        hiss=rng.uniform(0.15, 0.3),
        resonances_hz=tuple(f * rng.uniform(0.95, 1.05) for f in (900.0, 2100.0, 3100.0)),
        level=rng.uniform(0.7, 1.4),
    )


def clip(machine: Machine, fault: Fault, rng: np.random.Generator) -> Clip:
    """int16 ``[1536]``: a fifth of a second, under a load of its own."""
    rate_hz = machine.rate_hz * rng.uniform(0.98, 1.02)
    sound = _hum(machine, rate_hz, rng)
    sound += machine.hiss * rng.uniform(0.8, 1.25) * _ringing(machine.resonances_hz, _white(rng))
    match fault:
        case Fault.NONE:
            pass
        case Fault.BEARING:
            strikes = _strikes(BALL_PASSES * rate_hz, rng)
            sound += rng.uniform(3.0, 9.0) * _ringing(HOUSING_HZ, strikes)
        case Fault.LOOSE:
            sound += rng.uniform(0.7, 2.0) * _rattle(rate_hz / 2, rng)
        case Fault.LEAK:
            sound += rng.uniform(0.4, 1.2) * _white(rng)
    scaled = 0.08 * machine.level * rng.uniform(0.9, 1.1) * sound
    return np.asarray(np.rint(np.clip(scaled, -1.0, 1.0) * 32767), np.int16)


def _seconds() -> Sound:
    return np.arange(SAMPLES) / RATE_HZ


def _white(rng: np.random.Generator) -> Sound:
    return rng.standard_normal(SAMPLES)


def _hum(machine: Machine, rate_hz: float, rng: np.random.Generator) -> Sound:
    mesh_hz = machine.teeth * rate_hz
    parts = [(n * rate_hz, a) for n, a in enumerate(machine.hum, 1)]
    parts += [(n * mesh_hz, a) for n, a in enumerate(machine.mesh, 1)]
    turns = [a * np.sin(2 * np.pi * f * _seconds() + rng.uniform(0, 6.28)) for f, a in parts]
    return np.asarray(np.sum(turns, axis=0))


def _ringing(resonances_hz: tuple[float, ...], source: Sound) -> Sound:
    """``source`` through a body whose resonances halve in a millisecond."""
    answer = np.zeros(SAMPLES)
    for hz in resonances_hz:
        answer += np.exp(-_seconds() * 700.0) * np.sin(2 * np.pi * hz * _seconds())
    size = 2 * SAMPLES
    return np.fft.irfft(np.fft.rfft(source, size) * np.fft.rfft(answer, size), size)[:SAMPLES]


def _strikes(hz: float, rng: np.random.Generator) -> Sound:
    """Impulses ``hz`` times a second; the balls slip by a hundredth."""
    gaps = RATE_HZ / hz * (1 + 0.01 * rng.standard_normal(SAMPLES))
    at = (rng.uniform(0, RATE_HZ / hz) + np.cumsum(gaps)).astype(np.int64)
    train = np.zeros(SAMPLES)
    train[at[at < SAMPLES]] = 1.0
    return train


def _rattle(hz: float, rng: np.random.Generator) -> Sound:
    """Bursts of noise ``hz`` times a second, and the odd harmonics that go with them."""
    turn = 2 * np.pi * hz * _seconds() + rng.uniform(0, 6.28)
    bursts = np.maximum(np.sin(turn), 0.0) ** 8 * _white(rng)
    return np.asarray(bursts + np.sum([np.sin(n * turn) / n for n in (1, 3, 5, 7)], axis=0))

"""What a wrist's accelerometer feels, made from formulas: int16 windows of three axes at 50 Hz.

A person holds the device at an angle, and is quick or slow, weak or strong, left- or right-handed.
A window holds gravity, the movement's acceleration turned into the device's axes, tremor and the
part's noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 50
SAMPLES = 64
COUNTS_A_G = 4096
GESTURES = ("still", "walk", "circle", "flick", "shake", "lift")

Window = NDArray[np.int16]
Path3 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Person:
    """``strength`` and ``tempo`` are 1 for most; ``hold`` are three angles in radians."""

    strength: float
    tempo: float
    is_left_handed: bool
    hold: tuple[float, float, float]
    tremor_g: float


def person(rng: np.random.Generator) -> Person:
    """Somebody."""
    return Person(
        strength=float(np.exp(0.3 * rng.standard_normal())),
        tempo=float(np.exp(0.15 * rng.standard_normal())),
        is_left_handed=bool(rng.random() < 0.2),
        hold=(rng.normal(0, 0.3), rng.normal(0, 0.3), rng.normal(0, 0.3)),
        tremor_g=rng.uniform(0.005, 0.03),
    )


def window(who: Person, gesture: str, rng: np.random.Generator) -> Window:
    """``[64, 3]``: the gesture as this person makes it this time."""
    strength = who.strength * float(np.exp(0.15 * rng.standard_normal()))
    tempo = who.tempo * float(np.exp(0.1 * rng.standard_normal()))
    moved = strength * _movement(gesture, tempo, rng)
    if who.is_left_handed:
        moved[:, 0] = -moved[:, 0]
    felt = (moved + np.array([0.0, 0.0, 1.0])) @ _turned(np.array(who.hold) + _slip(rng))
    felt += who.tremor_g * _tremor(rng) + 0.004 * rng.standard_normal((SAMPLES, 3))
    return np.asarray(np.clip(np.rint(felt * COUNTS_A_G), -32768, 32767), np.int16)


def _slip(rng: np.random.Generator) -> Path3:
    return 0.1 * rng.standard_normal(3)


def _movement(gesture: str, tempo: float, rng: np.random.Generator) -> Path3:
    """Acceleration in g, ``[64, 3]``: x to the side, y forwards, z up."""
    seconds = np.arange(SAMPLES) / RATE_HZ * tempo
    begin = rng.uniform(0.1, 0.5)
    still = np.zeros((SAMPLES, 3))
    match gesture:
        case "still":
            return still
        case "walk":
            phase = 2 * np.pi * rng.uniform(1.6, 2.1) * seconds + rng.uniform(0, 6.28)
            side = 0.15 * np.sin(phase / 2)
            return np.stack([side, 0.2 * np.sin(phase), 0.3 * np.sin(phase + 0.6)], axis=1)
        case "circle":
            phase = 2 * np.pi * rng.uniform(0.9, 1.4) * seconds + rng.uniform(0, 6.28)
            return np.stack([0.6 * np.cos(phase), 0 * phase, 0.6 * np.sin(phase)], axis=1)
        case "flick":
            still[:, 0] = 2.2 * _pulse(seconds - begin, 0.05) - 1.4 * _pulse(
                seconds - begin - 0.12, 0.06
            )
            still[:, 2] = 0.4 * _pulse(seconds - begin, 0.05)
            return still
        case "shake":
            phase = 2 * np.pi * rng.uniform(4.0, 6.0) * seconds + rng.uniform(0, 6.28)
            still[:, 0] = 1.3 * np.sin(phase)
            still[:, 1] = 0.3 * np.sin(phase + 0.5)
            return still
        case "lift":
            up = 0.7 * _pulse(seconds - begin, 0.12) - 0.7 * _pulse(seconds - begin - 0.4, 0.12)
            still[:, 2] = up
            still[:, 1] = 0.3 * up
            return still
        case _:
            raise ValueError(f"no gesture is called {gesture!r}")


def _pulse(seconds: NDArray[np.float64], width_s: float) -> NDArray[np.float64]:
    return np.asarray(np.exp(-((seconds / width_s) ** 2)))


def _tremor(rng: np.random.Generator) -> Path3:
    """Slow and unequal: noise summed over four samples."""
    noise = rng.standard_normal((SAMPLES + 3, 3))
    return np.asarray(sum(noise[i : i + SAMPLES] for i in range(4)) / 2)


def _turned(angles: NDArray[np.float64]) -> Path3:
    """The rotation by three angles about x, y and z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_x @ about_y @ about_z)

"""Spoken words: int16 clips of a second at 8 kHz, by eSpeak NG, with noise, shifts and levels.

Everything comes from seeds, so one version of eSpeak NG says the same each time.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import MissingTool, ToolFailed
from models.keywords import voices

RATE_HZ = 8000
SAMPLES = 8000
_INSTALL = "sudo apt-get install --no-install-recommends espeak-ng"
_QUIETEST = 0.02
"""Of a word's largest sample: what is below it at both ends is cut off."""

Clip = NDArray[np.int16]
Sound = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One word as one speaker says it; ``pitch`` is 0..99, ``speed`` words a minute."""

    word: str
    speaker: str
    accent: str
    pitch: int
    speed: int

    @property
    def label(self) -> int:
        """The number of its class."""
        known = self.word in voices.KEYWORDS
        return voices.KEYWORDS.index(self.word) if known else voices.UNKNOWN


def utterances(
    speakers: Sequence[str], others: Sequence[str], takes: int, rng: np.random.Generator
) -> Iterator[Utterance]:
    """Each keyword ``takes`` times by each speaker, and a third as many other words as keywords."""
    for speaker in speakers:
        unknown = rng.choice(list(others), max(1, takes * len(voices.KEYWORDS) // 3))
        for word in (*voices.KEYWORDS * takes, *map(str, unknown)):
            yield Utterance(
                word,
                speaker,
                str(rng.choice(voices.ACCENTS)),
                int(rng.integers(30, 71)),
                int(rng.integers(120, 211)),
            )


def spoken(utterance: Utterance) -> Sound:
    """The word alone, ``[samples]`` at 8 kHz, its largest sample 1.

    Raises MissingTool without eSpeak NG, ToolFailed when it fails.
    """
    sound = _resampled(*_synthesised(utterance))
    sound = sound / np.abs(sound).max()
    (loud,) = np.nonzero(np.abs(sound) > _QUIETEST)
    return np.asarray(sound[loud[0] : loud[-1] + 1][:SAMPLES])


def in_a_second(
    sound: Sound, babble: Sequence[Sound], rng: np.random.Generator, *, quiet: bool = False
) -> Clip:
    """The word somewhere in a second of noise; ``quiet`` leaves the noise alone.

    The word's largest sample is a tenth to nine tenths of full scale; the noise is 6 to 40 dB below
    it: hiss, rumble, hum, or other voices.
    """
    level = 10 ** rng.uniform(-1.0, np.log10(0.9))
    clip = np.zeros(SAMPLES)
    at = int(rng.integers(0, SAMPLES - len(sound) + 1))
    clip[at : at + len(sound)] = sound * level
    noise = _noise(babble, rng)
    clip = (0.0 if quiet else clip) + noise * level * 10 ** -(rng.uniform(6.0, 40.0) / 20)
    return np.asarray(np.rint(np.clip(clip, -1.0, 1.0) * 32767), np.int16)


def _noise(babble: Sequence[Sound], rng: np.random.Generator) -> Sound:
    """A second of noise, its largest sample 1."""
    match int(rng.integers(4)):
        case 0:
            noise = rng.standard_normal(SAMPLES)
        case 1:
            noise = _coloured(rng.uniform(0.5, 2.0), rng)
        case 2:
            noise = _hum(rng) + 0.1 * rng.standard_normal(SAMPLES)
        case _:
            noise = _voices(babble, rng) + 0.02 * rng.standard_normal(SAMPLES)
    return np.asarray(noise / np.abs(noise).max())


def _coloured(exponent: float, rng: np.random.Generator) -> Sound:
    """Noise whose power falls with the frequency to ``exponent``."""
    bins = np.fft.rfft(rng.standard_normal(SAMPLES))
    bins[1:] /= np.arange(1, len(bins)) ** (exponent / 2)
    bins[0] = 0
    return np.asarray(np.fft.irfft(bins, SAMPLES))


def _hum(rng: np.random.Generator) -> Sound:
    """Mains, or a fan: harmonics of 45 to 130 Hz."""
    turns = 2 * np.pi * rng.uniform(45.0, 130.0) * np.arange(SAMPLES) / RATE_HZ
    parts = [rng.random() / n * np.sin(n * turns + rng.uniform(0, 6.28)) for n in range(1, 9)]
    return np.asarray(np.sum(parts, axis=0))


def _voices(babble: Sequence[Sound], rng: np.random.Generator) -> Sound:
    """Five words over each other."""
    mixed = np.zeros(SAMPLES)
    for index in rng.integers(0, len(babble), 5):
        sound = babble[int(index)]
        at = int(rng.integers(0, SAMPLES - len(sound) + 1))
        mixed[at : at + len(sound)] += sound * rng.uniform(0.3, 1.0)
    return mixed


def _synthesised(utterance: Utterance) -> tuple[Sound, int]:
    """The samples that eSpeak NG makes, and their rate in Hz."""
    argv = [
        *(_program(), "--stdout", "-v", f"{utterance.accent}+{utterance.speaker}"),
        *("-p", str(utterance.pitch), "-s", str(utterance.speed), utterance.word),
    ]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    if done.returncode or not done.stdout:
        tail = tuple(done.stderr.decode(errors="replace").splitlines()[-5:])
        raise ToolFailed("espeak-ng", status=f"exit status {done.returncode}", tail=tail)
    with wave.open(io.BytesIO(done.stdout)) as sound:
        rate_hz = sound.getframerate()
    # The header that it writes to a pipe does not say how long the sound is.
    return np.frombuffer(done.stdout[44:], "<i2").astype(np.float64), rate_hz


def _resampled(sound: Sound, rate_hz: int) -> Sound:
    from scipy.signal import resample_poly

    shared = gcd(RATE_HZ, rate_hz)
    return np.asarray(resample_poly(sound, RATE_HZ // shared, rate_hz // shared))


@cache
def _program() -> str:
    found = shutil.which("espeak-ng")
    if found is None:
        raise MissingTool("espeak-ng", install=_INSTALL)
    return found


def espeak_version() -> str:
    """As ``espeak-ng 1.51``."""
    done = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True)
    return f"espeak-ng {done.stdout.split(':', 1)[1].split()[0]}"

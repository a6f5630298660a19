"""Recordings of a sensor: frames with the time at which each came."""

from __future__ import annotations

import csv
import wave
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import ConfigError

MICROSECONDS = 1_000_000
ENDINGS = (".npz", ".csv", ".wav")
_HINT = "docs/LOOP.md says what a recording has: .npz, .csv or .wav"


@dataclass(frozen=True, slots=True)
class Recording:
    """``frames`` is ``[n, ...]`` as the sensor delivered it, ``times_us`` the n times from its
    start, never falling.
    """

    path: Path
    frames: NDArray[Any]
    times_us: tuple[int, ...]

    def intervals_us(self) -> tuple[int, ...]:
        """From each frame to the next; before the first stands their mean, at least 1, or a second
        where there is but one.
        """
        steps = [
            late - early for early, late in zip(self.times_us, self.times_us[1:], strict=False)
        ]
        mean = round(sum(steps) / len(steps)) if steps else MICROSECONDS
        return (max(1, mean), *steps)


def read_recording(path: Path, window: int) -> Recording:
    """A recording by its ending. ``window`` is how many samples of a ``.wav`` are a frame.

    ``.npz``: an array ``frames``, and ``times_us`` or a number ``rate_hz``. ``.csv``: a frame a
    line, its time in microseconds first. ``.wav``: one channel of 16 bits, cut into windows.
    Raises ConfigError for anything else.
    """
    readers: dict[str, Callable[[Path], tuple[NDArray[Any], list[int]]]] = {
        ".npz": _npz,
        ".csv": _csv,
        ".wav": lambda file: _wav(file, window),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path} is no recording: {', '.join(ENDINGS)}", hint=_HINT)
    try:
        frames, times = reader(path)
    except (OSError, ValueError, EOFError, TypeError, wave.Error) as error:
        raise _unreadable(path, error) from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from error
    if not len(frames) or len(frames) != len(times):
        raise ConfigError(f"{path} has {len(frames)} frames and {len(times)} times", hint=_HINT)
    if any(late < early for early, late in pairwise(times)):
        raise ConfigError(f"{path}: a frame comes before the one before it", hint=_HINT)
    return Recording(path, frames, tuple(time - times[0] for time in times))


def _unreadable(path: Path, error: Exception) -> ConfigError:
    said = error.strerror if isinstance(error, OSError) else None
    why = said or " ".join(str(error).split())
    return ConfigError(f"{path} cannot be read: {why}", hint=_HINT)


def _at_rate(count: int, rate_hz: float) -> list[int]:
    if not 0 < rate_hz <= MICROSECONDS:
        raise ValueError(f"{rate_hz} Hz is no rate of frames")
    return [round(i * MICROSECONDS / rate_hz) for i in range(count)]


def _npz(path: Path) -> tuple[NDArray[Any], list[int]]:
    with np.load(path, allow_pickle=False) as archive:
        if "frames" not in archive or archive["frames"].ndim < 2:
            raise ValueError("there is no array 'frames' with a frame a row")
        frames = archive["frames"]
        if "times_us" in archive:
            return frames, [int(time) for time in archive["times_us"].ravel()]
        if "rate_hz" in archive and archive["rate_hz"].size == 1:
            return frames, _at_rate(len(frames), float(archive["rate_hz"].ravel()[0]))
    raise ValueError("there is neither 'times_us' nor 'rate_hz'")


def _csv(path: Path) -> tuple[NDArray[Any], list[int]]:
    times: list[int] = []
    frames: list[list[float]] = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if number == 1 and row and not row[0].strip().lstrip("-").isdigit():
                continue  # the names of the columns
            if len(row) < 2 or (frames and len(row) != len(frames[0]) + 1):
                raise ValueError(f"line {number} has {len(row)} columns")
            times.append(int(row[0]))
            frames.append([float(text) for text in row[1:]])
    values = np.array(frames)
    whole = values.astype(np.int64)
    return (whole if (whole == values).all() else values), times


def _wav(path: Path, window: int) -> tuple[NDArray[Any], list[int]]:
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise ValueError("only one channel of 16 bits is read")
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    count = len(samples) // window
    if not count:
        raise ValueError(f"{len(samples)} samples are less than the {window} of a frame")
    # A window is there when its last sample is.
    times = [round((i + 1) * window * MICROSECONDS / rate_hz) for i in range(count)]
    return samples[: count * window].reshape(count, window), times

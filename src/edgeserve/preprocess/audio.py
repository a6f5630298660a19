"""A clip to the levels of log-mel features or MFCCs, in the integers of ``es_audio.c``."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeserve.preprocess.audio_tables import (
    POWER_DROPPED_BITS,
    Band,
    audio_tables,
    is_floor_added,
    log2_table,
)
from edgeserve.preprocess.declaration import AudioInput, Spectrum
from edgeserve.preprocess.fixed import Ints, shifted

_STEP_BITS = 24
_Number = TypeVar("_Number", bound=np.generic)
_LOG2_TABLE = log2_table()


def audio_levels(front: AudioInput, clip: NDArray[np.int16]) -> Ints:
    """``[frames, features]`` in units of ``log_unit``, of int16 ``[samples]``."""
    tables = audio_tables(front)
    windows = cut(front, np.asarray(clip, np.int64).reshape(-1))
    re, im = spectrum(front, shifted(windows * tables.window, 16))
    power = (re * re + im * im).astype(np.uint64)
    if front.spectrum is Spectrum.MAGNITUDE:
        levels = _square_root(power)
    else:
        levels = power + np.uint64(1 << POWER_DROPPED_BITS - 1) >> np.uint64(POWER_DROPPED_BITS)
    logs = np.stack([_band_log(front, levels, band) for band in tables.bands], axis=1)
    return logs if tables.dct is None else shifted(logs @ tables.dct.T, 15)


def cut(front: AudioInput, clip: NDArray[_Number]) -> NDArray[_Number]:
    """``[frames, window_samples]`` of ``[samples]``."""
    index = np.arange(front.frames)[:, None] * front.hop + np.arange(front.window_samples)
    return np.asarray(clip[index])


def spectrum(front: AudioInput, windows: Ints) -> tuple[Ints, Ints]:
    """Real and imaginary part of bins 0..fft/2, divided by fft/2: ``[frames, fft / 2 + 1]``."""
    padded = np.pad(windows, ((0, 0), (0, front.fft - front.window_samples)))
    re, im = _fft(front, padded[:, 0::2], padded[:, 1::2])
    count = front.fft // 2
    here = np.arange(count + 1) % count
    mirrored = -np.arange(count + 1) % count
    even_re, even_im = re[:, here] + re[:, mirrored], im[:, here] - im[:, mirrored]
    odd_re, odd_im = re[:, here] - re[:, mirrored], im[:, here] + im[:, mirrored]
    turned_re, turned_im = _rotated(odd_re, odd_im, audio_tables(front).twiddles)
    return shifted(even_re + turned_im, 1), shifted(even_im - turned_re, 1)


def _fft(front: AudioInput, re: Ints, im: Ints) -> tuple[Ints, Ints]:
    """Radix 2, decimation in time, halved at each stage, of ``[frames, fft / 2]``."""
    count = front.fft // 2
    order = _reversed_bits(count)
    re, im = re[:, order], im[:, order]
    half = 1
    while half < count:
        twiddles = audio_tables(front).twiddles[: count : count // half]
        re, im = (part.reshape(len(part), -1, 2, half) for part in (re, im))
        turned_re, turned_im = _rotated(re[:, :, 1], im[:, :, 1], twiddles)
        re, im = (
            np.stack([shifted(top + turned, 1), shifted(top - turned, 1)], axis=2).reshape(
                len(top), count
            )
            for top, turned in ((re[:, :, 0], turned_re), (im[:, :, 0], turned_im))
        )
        half *= 2
    return re, im


def _rotated(re: Ints, im: Ints, twiddles: Ints) -> tuple[Ints, Ints]:
    cosine, sine = twiddles[:, 0], twiddles[:, 1]
    return shifted(re * cosine - im * sine, 30), shifted(re * sine + im * cosine, 30)


def _reversed_bits(count: int) -> list[int]:
    bits = count.bit_length() - 1
    return [int(f"{i:0{bits}b}"[::-1], 2) for i in range(count)]


def _square_root(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The whole part of the root: the float's, which is off by one at most, set right."""
    root = np.sqrt(values.astype(np.float64)).astype(np.uint64)
    root -= (root * root > values).astype(np.uint64)
    root += ((root + np.uint64(1)) ** 2 <= values).astype(np.uint64)
    return root


def _band_log(front: AudioInput, levels: NDArray[np.uint64], band: Band) -> Ints:
    """log2 of a band's energy in Q16, ``[frames]``."""
    weights = np.array(band.weights, np.uint64)
    sums = (levels[:, band.first : band.first + len(weights)] * weights).sum(axis=1)
    floor = np.uint64(band.floor)
    sums = sums + floor if is_floor_added(front) else np.maximum(sums, floor)
    return log2_q16(sums.astype(np.uint64)) + band.offset


def log2_q16(values: NDArray[np.uint64]) -> Ints:
    """``es_log2``: an octave, a step of 1/128 of it, and a straight line within the step."""
    octave = np.array([int(value).bit_length() - 1 for value in values.ravel()], np.int64)
    octave = octave.reshape(values.shape)
    left = values << (63 - octave).astype(np.uint64)
    fraction = (left >> np.uint64(32)).astype(np.int64) & 0x7FFFFFFF
    step, within = fraction >> _STEP_BITS, fraction & (1 << _STEP_BITS) - 1
    low, high = _LOG2_TABLE[step], _LOG2_TABLE[step + 1]
    return np.asarray((octave << 16) + low + shifted((high - low) * within, _STEP_BITS))

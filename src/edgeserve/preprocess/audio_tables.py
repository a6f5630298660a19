"""The tables of an audio front: first as real numbers, as their libraries define them, then as the
integers that the device reads.

Formulas: ``tf.signal`` (periodic windows, ``linear_to_mel_weight_matrix``,
``mfccs_from_log_mel_spectrograms``), librosa (``filters.mel`` with Slaney's scale and area
normalisation), Oppenheim and Schafer for the FFT's and DCT's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import cos, e, log, log2, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from edgeserve.preprocess.declaration import (
    AudioInput,
    Dct,
    Log,
    LogFloor,
    MelScale,
    Spectrum,
    Window,
)
from edgeserve.preprocess.fixed import Ints

Reals = NDArray[np.float64]

Q15 = 1 << 15
Q16 = 1 << 16
Q30 = 1 << 30
WINDOWED_BITS = 29
"""A sample of full scale is 2^29 behind the window."""
POWER_DROPPED_BITS = 13
LOG2_STEPS = 128
_HAMMING = 0.54
_HANN = 0.5


@dataclass(frozen=True, slots=True)
class Band:
    """A mel band in integers: ``weights`` (Q15, the largest is 1) of the bins from ``first`` on.

    ``floor`` is in the units of the weighted sum; ``offset`` (Q16) makes its log2 that of the real
    energy.
    """

    first: int
    weights: tuple[int, ...]
    floor: int
    offset: int


@dataclass(frozen=True, slots=True)
class AudioTables:
    """All integers of an audio front but the last step's.

    ``window`` and ``twiddles`` (``[fft / 2 + 1, 2]``) are in Q30, ``dct`` is ``[features, bands]``
    in Q15 or None.
    """

    window: Ints
    twiddles: Ints
    bands: tuple[Band, ...]
    dct: Ints | None


@cache
def audio_tables(front: AudioInput) -> AudioTables:
    """The device's tables."""
    turns = 2 * pi * np.arange(front.fft // 2 + 1) / front.fft
    dct = None if front.dct is Dct.NONE else np.rint(dct_matrix(front) * Q15).astype(np.int64)
    return AudioTables(
        window=np.rint(window_weights(front) * Q30).astype(np.int64),
        twiddles=np.rint(np.stack([np.cos(turns), -np.sin(turns)], axis=1) * Q30).astype(np.int64),
        bands=tuple(_band(front, column) for column in mel_matrix(front).T),
        dct=dct,
    )


def log_unit(front: AudioInput) -> float:
    """What 1 / 65536 of a log2 is in the declared logarithm."""
    return {Log.LN: log(2), Log.LOG10: log(2, 10), Log.DB: 10 * log(2, 10)}[front.log] / Q16


def window_weights(front: AudioInput) -> Reals:
    """``[window_samples]``, periodic."""
    constant = {Window.NONE: 1.0, Window.HANN: _HANN, Window.HAMMING: _HAMMING}[front.window]
    turns = 2 * pi * np.arange(front.window_samples) / front.window_samples
    weights: Reals = constant - (1.0 - constant) * np.cos(turns)
    return weights


def mel_matrix(front: AudioInput) -> Reals:
    """``[fft / 2 + 1, bands]``."""
    hertz = np.arange(front.fft // 2 + 1) * front.rate_hz / front.fft
    low, high = (_to_mel(front.mel, f) for f in (front.low_hz, front.high_hz))
    edges = np.linspace(low, high, front.bands + 2)
    if front.mel is MelScale.HTK:
        at = np.array([_to_mel(front.mel, f) for f in hertz])
        weights = _triangles(at, edges)
        # tf.signal leaves out the mean of the samples.
        weights[0] = 0.0
        return weights
    edges_hz = np.array([_to_hertz(mel) for mel in edges])
    areas = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return np.asarray(_triangles(hertz, edges_hz) * areas)


def _triangles(at: Reals, edges: Reals) -> Reals:
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (at[:, None] - lower) / (centre - lower)
    falling = (upper - at[:, None]) / (upper - centre)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


_SLANEY_HZ_A_MEL = 200.0 / 3
_SLANEY_BEND_HZ = 1000.0
_SLANEY_BEND_MEL = _SLANEY_BEND_HZ / _SLANEY_HZ_A_MEL
_SLANEY_LOG_STEP = log(6.4) / 27.0


def _to_mel(scale: MelScale, hertz: float) -> float:
    if scale is MelScale.HTK:
        return 1127.0 * log(1.0 + hertz / 700.0)
    if hertz < _SLANEY_BEND_HZ:
        return hertz / _SLANEY_HZ_A_MEL
    return _SLANEY_BEND_MEL + log(hertz / _SLANEY_BEND_HZ) / _SLANEY_LOG_STEP


def _to_hertz(mel: float) -> float:
    """The inverse of Slaney's scale."""
    if mel < _SLANEY_BEND_MEL:
        return mel * _SLANEY_HZ_A_MEL
    return float(_SLANEY_BEND_HZ * e ** ((mel - _SLANEY_BEND_MEL) * _SLANEY_LOG_STEP))


def dct_matrix(front: AudioInput) -> Reals:
    """The DCT-II, ``[coefficients, bands]``. ``tf`` scales the first row like the others, ``ortho``
    makes it orthonormal.
    """
    n = front.bands
    rows = [
        [sqrt(2.0 / n) * cos(pi * k * (2 * i + 1) / (2 * n)) for i in range(n)]
        for k in range(front.coefficients)
    ]
    matrix: Reals = np.array(rows)
    if front.dct is Dct.ORTHO:
        matrix[0] /= sqrt(2.0)
    return matrix


def _band(front: AudioInput, weights: Reals) -> Band:
    used = np.flatnonzero(weights > 0.0)
    first, count = (int(used[0]), int(used[-1] - used[0]) + 1) if len(used) else (0, 0)
    largest = float(weights.max()) or 1.0
    integers = np.rint(weights[first : first + count] / largest * Q15).astype(int)
    unit = _energy_unit(front) * largest / Q15
    return Band(
        first=first,
        weights=tuple(integers.tolist()),
        floor=max(1, min(round(front.floor / unit), 1 << 62)),
        offset=round(log2(unit) * Q16),
    )


def _energy_unit(front: AudioInput) -> float:
    """What a level of one FFT bin is, in the real spectrum's energy."""
    magnitude = front.full_scale * (front.fft / 2) / (1 << WINDOWED_BITS)
    if front.spectrum is Spectrum.MAGNITUDE:
        return magnitude
    return magnitude * magnitude * (1 << POWER_DROPPED_BITS)


def log2_table() -> Ints:
    """``es_log2_table``."""
    steps = np.arange(LOG2_STEPS + 1) / LOG2_STEPS
    return np.asarray(np.rint(Q16 * np.log2(1.0 + steps)), np.int64)


def is_floor_added(front: AudioInput) -> bool:
    """Whether the floor is added rather than the least that a band may have."""
    return front.floor_by is LogFloor.ADD

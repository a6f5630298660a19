"""Samples handed to a worker as files that it maps, so that neither side holds them twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from edgeserve.convert.calibration import CalibrationSet

Sample = list[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """One ``.npy`` file an input, float32 ``[n, ...]``; labels int64 ``[n]`` or None."""

    inputs: tuple[str, ...]
    labels: str | None
    rows: tuple[int, ...]


class MappedSamples(Sequence[Sample]):
    """The samples of such files, each as the inputs of one inference with a batch of 1."""

    def __init__(self, files: SampleFiles, most: int | None = None) -> None:
        """``most`` of the rows, evenly spaced; all of them for None."""
        self._arrays = [np.load(name, mmap_mode="r", allow_pickle=False) for name in files.inputs]
        self._rows = files.rows if most is None else tuple(spread(files.rows, most))
        self.labels: NDArray[np.int64] | None = (
            None
            if files.labels is None
            else np.load(files.labels, allow_pickle=False)[list(self._rows)]
        )

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[one] for one in range(len(self))[index]]
        row = self._rows[index]
        return [np.array(array[row : row + 1]) for array in self._arrays]


def write_samples(
    folder: Path, name: str, samples: CalibrationSet, most: int | None = None
) -> SampleFiles:
    """Writes samples into ``folder``; ``most`` of them are to be read, evenly spaced."""
    inputs = []
    for index, array in enumerate(samples.inputs):
        path = folder / f"{name}-{index}.npy"
        np.save(path, array, allow_pickle=False)
        inputs.append(str(path))
    labels = None
    if samples.labels is not None:
        labels = str(folder / f"{name}-labels.npy")
        np.save(labels, samples.labels, allow_pickle=False)
    rows = range(samples.samples)
    return SampleFiles(tuple(inputs), labels, tuple(rows if most is None else spread(rows, most)))


def spread(rows: Sequence[int], most: int) -> list[int]:
    """``most`` of ``rows``, evenly spaced; all where there are no more."""
    kept = min(len(rows), most)
    return [rows[i * len(rows) // kept] for i in range(kept)]

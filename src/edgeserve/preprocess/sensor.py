"""Windows of a sensor's axes: the levels are the raw numbers themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeserve.preprocess.declaration import SensorInput
from edgeserve.preprocess.fixed import Ints


def sensor_levels(front: SensorInput, window: NDArray[np.int16]) -> Ints:
    """``[samples, axes]`` of int16 in any shape with ``samples * channels`` elements."""
    rows = np.asarray(window, np.int64).reshape(front.samples, front.channels)
    return rows[:, list(front.axes)]

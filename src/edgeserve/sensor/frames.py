"""Frames as a sensor delivers them, made into the bytes of a model's input."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.errors import ConfigError
from edgeserve.graph import DType
from edgeserve.preprocess.declaration import Front
from edgeserve.preprocess.host import affines, quantized, raw_dtype, require_raw
from edgeserve.program import Port, Program
from edgeserve.sensor.recording import Recording

NUMPY_TYPES: dict[DType, np.dtype[Any]] = {
    DType.INT8: np.dtype(np.int8),
    DType.UINT8: np.dtype(np.uint8),
    DType.INT16: np.dtype(np.int16),
    DType.INT32: np.dtype(np.int32),
    DType.FLOAT32: np.dtype(np.float32),
}


def window_of(program: Program, front: Front | None) -> int:
    """How many samples of a recording of sound are one frame."""
    if front is not None:
        return front.raw_bytes // raw_dtype(front).itemsize
    return prod(only_input(program).shape)


def only_input(program: Program) -> Port:
    """The input that frames go to. Raises ConfigError where there are several."""
    if len(program.inputs) != 1:
        raise ConfigError(
            f"{program.name} has {len(program.inputs)} inputs, and a recording frames for one",
            hint="leave out --sensor file",
        )
    return program.inputs[0]


def input_bytes(program: Program, front: Front | None, recording: Recording) -> Iterator[bytes]:
    """The model's input, frame by frame: through the declared ``front`` bit for bit as the device
    computes it; without one as it stands in the input's own type, or real numbers quantized.

    Raises ConfigError for frames that do not suit.
    """
    port = only_input(program)
    for index, frame in enumerate(recording.frames):
        where = f"{recording.path}: frame {index}"
        if front is not None:
            yield _through(front, port, frame, where)
        else:
            yield _as_it_stands(port, frame, where)


def _through(front: Front, port: Port, frame: NDArray[Any], where: str) -> bytes:
    assert port.quant is not None, "convert refuses a declaration for an input without a scale"
    kind = raw_dtype(front)
    if frame.dtype.kind in "iu":
        limits = np.iinfo(kind)
        if frame.min() >= limits.min and frame.max() <= limits.max:
            frame = frame.astype(kind)
    require_raw(front, frame, where)
    last = affines(front, step=port.quant.scale, zero_point=port.quant.zero_point)
    return quantized(front, frame, last).tobytes()


def _as_it_stands(port: Port, frame: NDArray[Any], where: str) -> bytes:
    wanted = NUMPY_TYPES.get(port.dtype)
    if frame.size != prod(port.shape) or wanted is None:
        raise ConfigError(
            f"{where} has {frame.size} values, and the input takes {prod(port.shape)} {port.dtype}",
            hint="record what the model takes, or declare how raw data become it (--preprocess)",
        )
    if frame.dtype.kind == "f" and port.quant is not None and port.dtype is not DType.FLOAT32:
        scaled = frame / port.quant.scale
        frame = np.sign(scaled) * np.floor(np.abs(scaled) + 0.5) + port.quant.zero_point
        limits = np.iinfo(wanted)
        frame = np.clip(frame, limits.min, limits.max)
    made: NDArray[Any] = frame.astype(wanted)
    if not (made == frame).all():
        raise ConfigError(
            f"{where}: values do not fit {port.dtype}",
            hint="record what the model takes, or declare how raw data become it (--preprocess)",
        )
    return made.tobytes()

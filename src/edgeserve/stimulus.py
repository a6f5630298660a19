"""What a device is given before an inference, by a name that a record can repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan
from edgeserve.xorshift import FIRST_SEED, seeds, xorshift_input


@dataclass(frozen=True, slots=True)
class Stimulus:
    """The bytes of all inputs, one after the other; with a ``seed`` the device makes them."""

    label: str
    data: bytes
    seed: int | None = None


class Rows:
    """A stimulus cut into what a device is given whole and what it asks for row by row."""

    def __init__(self, program: Program, plan: StreamPlan, data: bytes) -> None:
        fed = {port for group in plan.groups for port in group.feeds}
        self.whole = b""
        """The bytes of the inputs that are given whole, one after the other."""
        self._fed: dict[int, tuple[bytes, int]] = {}
        start = 0
        for index, port in enumerate(program.inputs):
            place = plan.places[port.value]
            end = start + program.values[port.value].size_bytes
            if index in fed and place is not None:
                self._fed[index] = (data[start:end], place.row_bytes)
            else:
                self.whole += data[start:end]
            start = end

    def row(self, port: int, row: int) -> bytes | None:
        """The bytes of a row of an input; None where there is no such row to ask for."""
        data, row_bytes = self._fed.get(port, (b"", 1))
        return data[row * row_bytes : (row + 1) * row_bytes] or None


def xorshift_stimulus(program: Program, seed: int = FIRST_SEED) -> Stimulus:
    """The input that the generator makes of a seed."""
    return Stimulus(f"xorshift 0x{seed:08x}", xorshift_input(program.inputs, seed), seed)


def random_stimuli(program: Program, count: int) -> tuple[Stimulus, ...]:
    """``count`` inputs by xorshift32, the first from the seed 0x12345678."""
    return tuple(xorshift_stimulus(program, seed) for seed in seeds(count))


def sample_stimuli(samples: Sequence[NDArray[Any]], count: int) -> tuple[Stimulus, ...]:
    """The first ``count`` calibration samples.

    ``samples`` holds one array an input, of shape ``(n, *shape)``, in the input's own type.
    """
    kept = min([count, *(len(array) for array in samples)])
    return tuple(
        Stimulus(f"calibration {i}", b"".join(array[i].tobytes() for array in samples))
        for i in range(kept)
    )

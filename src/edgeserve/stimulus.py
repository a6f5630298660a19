"""What a device is given before an inference, by a name that a record can repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgeserve.program import Program
from edgeserve.xorshift import FIRST_SEED, seeds, xorshift_input


@dataclass(frozen=True, slots=True)
class Stimulus:
    """The bytes of all inputs, one after the other; with a ``seed`` the device makes them."""

    label: str
    data: bytes
    seed: int | None = None


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

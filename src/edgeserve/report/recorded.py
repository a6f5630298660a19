"""All that a report is about, read before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

from edgeserve.accuracy_record import AccuracyRecord
from edgeserve.arena_map import ArenaMap
from edgeserve.bundle import BundleFacts
from edgeserve.claims_file import Claim
from edgeserve.fit import Fit
from edgeserve.measurement import Measurement
from edgeserve.phone.record import PhoneMeasurement
from edgeserve.tensor_ranges import RangeRecord


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """What a step is estimated to take in instructions; ``worst_error`` is a share, None for a
    kernel that was never measured.
    """

    step: int
    label: str
    kernel: str
    macs: int
    instructions: int
    worst_error: float | None


@dataclass(frozen=True, slots=True)
class BoardView:
    """A model as it is planned for a board. ``optimal``: its offsets are proven to be the best."""

    board: str
    fit: Fit
    picture: ArenaMap
    optimal: bool
    lower_bound_bytes: int
    steps: tuple[StepEstimate, ...]


@dataclass(frozen=True, slots=True)
class Battery:
    """What a full charge holds."""

    energy_mj: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """A bundle: its facts, its boards, what was measured, what is claimed.

    ``faults`` say which board could not be looked at, and why. ``claims`` is None without a file.
    ``accuracy`` is what the last ``accuracy`` found, ``accuracy_fault`` why it cannot be read;
    ``ranges`` are those of the calibration. ``command_name`` is how the bundle is called in
    commands that the report names.
    """

    command_name: str
    facts: BundleFacts
    boards: tuple[BoardView, ...]
    faults: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    phones: tuple[PhoneMeasurement, ...]
    claims: tuple[Claim, ...] | None
    battery: Battery | None
    accuracy: AccuracyRecord | None = None
    accuracy_fault: str = ""
    ranges: RangeRecord | None = None

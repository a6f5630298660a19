"""A reading that a device does not give, with the reason: never a zero, never an estimate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Absent:
    """Why there is no reading, in words for the record and the report."""

    reason: str

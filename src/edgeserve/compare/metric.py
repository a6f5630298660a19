"""The names of what can be compared."""

from __future__ import annotations

from enum import StrEnum


class Metric(StrEnum):
    """What can be compared. Of all of them less is better."""

    P50 = "p50"
    P90 = "p90"
    P99 = "p99"
    INIT = "init"
    ARENA = "arena"
    TOUCHED = "arena-touched"
    STACK = "stack"
    MODEL = "model"
    CODE = "code"
    FLASH = "flash"
    COLD_START = "cold-start"
    PEAK_MEMORY = "peak-memory"
    GROSS_ENERGY = "energy"
    NET_ENERGY = "net-energy"

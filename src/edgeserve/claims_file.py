"""``claims.toml``: what others say of a model, to be held against what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edgeserve.strict_toml import TomlTable, read_toml


class Figure(StrEnum):
    """What a claim is about. Of ``rate`` and ``accuracy`` more is better, of all others less."""

    P50 = "p50"
    P90 = "p90"
    P99 = "p99"
    RATE = "rate"
    COLD_START = "cold-start"
    DECODE = "decode"
    RESIZE = "resize"
    NORMALIZE = "normalize"
    INFER = "infer"
    POSTPROCESS = "postprocess"
    GROSS_ENERGY = "energy"
    NET_ENERGY = "net-energy"
    PEAK_MEMORY = "peak-memory"
    ARENA = "arena"
    STACK = "stack"
    MODEL = "model"
    CODE = "code"
    ACCURACY = "accuracy"


class Dimension(StrEnum):
    """What may be compared with what. Counts of instructions or cycles are no time."""

    TIME = "time"
    INSTRUCTIONS = "instructions"
    CYCLES = "cycles"
    RATE = "rate"
    ENERGY = "energy"
    SIZE = "size"
    SHARE = "share"


UNITS: dict[str, tuple[Dimension, float]] = {
    "ns": (Dimension.TIME, 1.0),
    "us": (Dimension.TIME, 1e3),
    "ms": (Dimension.TIME, 1e6),
    "s": (Dimension.TIME, 1e9),
    "instructions": (Dimension.INSTRUCTIONS, 1.0),
    "cycles": (Dimension.CYCLES, 1.0),
    "FPS": (Dimension.RATE, 1.0),
    "uJ": (Dimension.ENERGY, 1e-3),
    "mJ": (Dimension.ENERGY, 1.0),
    "J": (Dimension.ENERGY, 1e3),
    "bytes": (Dimension.SIZE, 1.0),
    "KB": (Dimension.SIZE, 1e3),
    "KiB": (Dimension.SIZE, 1024.0),
    "MB": (Dimension.SIZE, 1e6),
    "MiB": (Dimension.SIZE, 1024.0**2),
    "%": (Dimension.SHARE, 0.01),
}
"""Each unit in nanoseconds, instructions, cycles, inferences a second, mJ, bytes, or as a share."""

_LATENCY = frozenset({Dimension.TIME, Dimension.INSTRUCTIONS, Dimension.CYCLES})
_DIMENSIONS: dict[Figure, frozenset[Dimension]] = {
    **dict.fromkeys((Figure.P50, Figure.P90, Figure.P99), _LATENCY),
    Figure.RATE: frozenset({Dimension.RATE}),
    **dict.fromkeys((Figure.GROSS_ENERGY, Figure.NET_ENERGY), frozenset({Dimension.ENERGY})),
    **dict.fromkeys(
        (Figure.PEAK_MEMORY, Figure.ARENA, Figure.STACK, Figure.MODEL, Figure.CODE),
        frozenset({Dimension.SIZE}),
    ),
    Figure.ACCURACY: frozenset({Dimension.SHARE}),
}
_TIME = frozenset({Dimension.TIME})


@dataclass(frozen=True, slots=True)
class Claim:
    """``value`` in ``unit``. ``device`` and ``accelerator`` narrow what it is held against: a part
    of the device's name, and an accelerator of phones; None for all.
    """

    name: str
    figure: Figure
    value: float
    unit: str
    source: str
    device: str | None
    accelerator: str | None

    @property
    def dimension(self) -> Dimension:
        return UNITS[self.unit][0]

    @property
    def base_value(self) -> float:
        """In the unit of ``UNITS`` that has the factor 1."""
        return self.value * UNITS[self.unit][1]


def read_claims(path: Path) -> tuple[Claim, ...]:
    """Reads the file strictly. Raises ConfigError naming file and key."""
    root = read_toml(path, hint="docs/REPORT.md describes claims.toml")
    claims = tuple(_claim(table) for table in root.tables("claim"))
    root.finish()
    return claims


def _claim(table: TomlTable) -> Claim:
    figure, unit = table.choice("figure", Figure), table.text("unit")
    dimensions = _DIMENSIONS.get(figure, _TIME)
    fitting = [name for name, (dimension, _) in UNITS.items() if dimension in dimensions]
    if unit not in fitting:
        raise table.error("unit", f"of {figure} is one of {', '.join(fitting)}, not {unit!r}")
    value = table.real("value")
    if value < 0:
        raise table.error("value", "must not be negative")
    claim = Claim(
        name=table.text("name"),
        figure=figure,
        value=value,
        unit=unit,
        source=table.text("source"),
        device=table.optional_text("device"),
        accelerator=table.optional_text("accelerator"),
    )
    table.finish()
    return claim

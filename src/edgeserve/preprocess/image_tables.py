"""What ``es_image_front_t`` holds of a camera's declaration, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from edgeserve.preprocess.axis import AxisTable, axis_table, precision
from edgeserve.preprocess.declaration import ImageInput, Layout

Taps: TypeAlias = tuple[tuple[int, int, int], ...]
"""``es_taps_t`` of each output row or column: first source pixel, how many, first weight."""


@dataclass(frozen=True, slots=True)
class ImageTables:
    """The record's fields of these names; ``rows`` and ``columns`` count from the frame's edge."""

    weight_bits: int
    level_bits: int
    row_step: int
    column_step: int
    channel_step: int
    rows: Taps
    columns: Taps
    weights: tuple[int, ...]


class NumberPool:
    """Lists of numbers one after the other, equal ones once."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._at: dict[tuple[int, ...], int] = {}

    def place(self, numbers: tuple[int, ...]) -> int:
        """Where the first of them lies."""
        if numbers not in self._at:
            self._at[numbers] = len(self.numbers)
            self.numbers += numbers
        return self._at[numbers]


def image_tables(front: ImageInput) -> ImageTables:
    """The tables of a declaration; they do not depend on the model's scale."""
    pool, crop = NumberPool(), front.crop
    rows = _taps(axis_table(front.resize, crop.height, front.out_height), crop.top, pool)
    columns = _taps(axis_table(front.resize, crop.width, front.out_width), crop.left, pool)
    bits = precision(front.resize)
    area, channels = front.out_height * front.out_width, front.colour.channels
    is_last = front.layout is Layout.NHWC
    steps = (front.out_width * channels, channels, 1) if is_last else (front.out_width, 1, area)
    return ImageTables(
        bits.weight_bits, bits.level_bits, *steps, rows, columns, tuple(pool.numbers)
    )


def _taps(table: AxisTable, start: int, pool: NumberPool) -> Taps:
    pairs = zip(table.first, table.weights, strict=True)
    return tuple((start + first, len(w), pool.place(w)) for first, w in pairs)

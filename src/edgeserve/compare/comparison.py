"""A pair of measurements with its differences, and what else a reader must know of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from edgeserve.bundle import ToolVersion
from edgeserve.compare.differences import (
    Difference,
    Verdict,
    board_differences,
    phone_differences,
)
from edgeserve.compare.metric import Metric
from edgeserve.compare.selection import BoardPair, Pair, PhonePair
from edgeserve.measurement import Measurement
from edgeserve.phone.record import PhoneMeasurement, why_absent
from edgeserve.phone.record_file import told_setup


@dataclass(frozen=True, slots=True)
class Comparison:
    """``device`` in words; when either side was recorded; notes are a line each."""

    device: str
    before_at: str
    after_at: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def has_regressed(self) -> bool:
        return any(one.verdict is Verdict.REGRESSION for one in self.differences)


def compare_pair(pair: Pair, budget: float, metrics: Collection[Metric]) -> Comparison:
    """Everything about one pair. ``budget`` is a share."""
    match pair:
        case BoardPair(before, after):
            place = after.place
            return Comparison(
                f"{place.board} (emulated)" if place.emulated else place.board,
                before.recorded_at,
                after.recorded_at,
                board_differences(before, after, budget, metrics),
                tuple(_board_notes(before, after)),
            )
        case PhonePair(first, second):
            return Comparison(
                told_setup(second),
                first.recorded_at,
                second.recorded_at,
                phone_differences(first, second, budget, metrics),
                tuple(_phone_notes(first, second)),
            )


def _board_notes(before: Measurement, after: Measurement) -> Iterator[str]:
    if before.subject.model_sha256 == after.subject.model_sha256:
        if before.input == after.input and before.output_crc32 != after.output_crc32:
            yield "the same model gave another output for the same input"
    else:
        yield "the models differ"
    if before.input != after.input:
        yield f"the inputs differ: {before.input} before, {after.input} after"
    if before.place.device != after.place.device:
        yield f"reached by {before.place.device} before, {after.place.device} after"
    if (before.place.compiler, before.place.flags) != (after.place.compiler, after.place.flags):
        yield "the compilers or their flags differ"
    yield from _tools(before.tools, after.tools)


def _phone_notes(before: PhoneMeasurement, after: PhoneMeasurement) -> Iterator[str]:
    if before.model_sha256 != after.model_sha256:
        yield "the models differ"
    if before.phone.serial != after.phone.serial:
        yield f"two phones of one kind: {before.phone.serial} before, {after.phone.serial} after"
    if before.phone.build != after.phone.build:
        yield "the phone's system was updated in between"
    if before.runtime != after.runtime:
        yield f"runtime {before.runtime} before, {after.runtime} after"
    if before.energy is not None and after.energy is not None:
        if before.energy.meter != after.energy.meter:
            yield "energy was counted by different meters, and is not compared"
    elif (before.energy is None) != (after.energy is None):
        side, one = ("before", before) if before.energy is None else ("after", after)
        yield f"no energy {side}: {why_absent(one, 'energy')}"
    for side, one in (("before", before), ("after", after)):
        for flag in one.flags:
            yield f"flag {side}: {flag.value}"


def _tools(before: tuple[ToolVersion, ...], after: tuple[ToolVersion, ...]) -> Iterator[str]:
    versions = {tool.name: tool.version for tool in before}
    for tool in after:
        earlier = versions.get(tool.name)
        if earlier is not None and earlier != tool.version:
            yield f"{tool.name} {earlier} before, {tool.version} after"

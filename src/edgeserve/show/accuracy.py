"""Accuracy and calibration, as tables for people, in Markdown, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeserve.identifier import short_name
from edgeserve.show.console import columns, draw, plain, say

if TYPE_CHECKING:
    from edgeserve.accuracy_record import (
        AccuracyRecord,
        Against,
        Cost,
        DeviceAnswers,
        Help,
        LayerRecord,
        Proportion,
        Rates,
        TrafficRecord,
    )
    from edgeserve.bundle_store import Bundle
    from edgeserve.tensor_ranges import RangeRecord

SHOWN_LAYERS = 10
SHOWN_TENSORS = 8
OUTLIERS = 20.0
"""A channel whose range is this many times the median channel's leaves little to the others."""


@dataclass(frozen=True, slots=True)
class Block:
    """A table between lines of text; without ``titles`` there are lines alone."""

    lines: tuple[str, ...]
    titles: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    after: tuple[str, ...] = ()


def accuracy_json(bundle: Bundle, record: AccuracyRecord) -> dict[str, Any]:
    """``accuracy --format json``: the record, the drop, and the calibration's own report."""
    from edgeserve.strict_json import to_json

    ranges = bundle.ranges
    return {
        "bundle": str(bundle.path),
        **to_json(record),
        "drop": record.drop,
        "calibration": None
        if ranges is None
        else {
            "samples": ranges.samples,
            "settled_after": ranges.settled_after,
            "half_shortfall": ranges.half_shortfall,
            "enough": ranges.enough,
            "clipping": [one.name for one in ranges.clipping],
        },
    }


def print_accuracy(
    bundle: Bundle, record: AccuracyRecord, max_drop: float | None, *, markdown: bool
) -> None:
    """All that was measured, and what may help."""
    blocks = [_rates(bundle, record, max_drop)]
    if record.against is not None:
        blocks += [_errors(record.against), *_moves(record, record.against)]
    if record.device is not None:
        blocks.append(_device(record.device))
    if record.layers is not None:
        blocks.append(_layers(record.layers))
    if bundle.ranges is not None:
        blocks.append(calibration_block(bundle.ranges))
    if record.traffic is not None:
        blocks.append(_traffic(record.traffic))
    if record.helps:
        blocks.append(_helps(record.helps))
    blocks.append(Block(tuple(f"note: {note}" for note in record.notes)))
    for block in blocks:
        (_print_markdown if markdown else print_block)(block)


def print_calibration(bundle: Bundle) -> None:
    """How the calibration filled the tensors' ranges, where the bundle says it."""
    if bundle.ranges is not None:
        print_block(calibration_block(bundle.ranges))


def print_block(block: Block) -> None:
    """On a terminal."""
    for line in block.lines:
        say(line)
    if block.titles:
        table = columns(*block.titles)
        for row in block.rows:
            table.add_row(*row)
        draw(table)
    for line in block.after:
        say(line)


def _print_markdown(block: Block) -> None:
    for line in block.lines:
        say(_escaped(line.strip()))
        say("")
    if block.titles:
        for cells in (block.titles, tuple("---" for _ in block.titles), *block.rows):
            say(f"| {' | '.join(_escaped(plain(cell)) for cell in cells)} |")
        say("")
    for line in block.after:
        say(_escaped(line.strip()))
        say("")


def _escaped(text: str) -> str:
    """``text`` without what Markdown or HTML would take for its own."""
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, f"\\{mark}")
    return text


def _rates(bundle: Bundle, record: AccuracyRecord, max_drop: float | None) -> Block:
    whole = record.samples == record.available
    of = "" if whole else f" of {record.available:,}"
    labels = "labelled" if record.labelled else "without labels"
    title = f"{bundle.name} on {record.samples:,}{of} samples, {labels}"
    rows = [
        _rate_row(name, rates, record.k)
        for name, rates in (("float", record.exact), ("quantized", record.quantized))
        if rates is not None
    ]
    k = () if record.k is None else (f"top {record.k}", "95 % interval")
    after = tuple(f"  {line}" for line in _paired(record, max_drop))
    if not rows:
        return Block((title,), after=after)
    return Block(
        (title,), ("model", "right", "of", "top 1", "95 % interval", *k), tuple(rows), after
    )


def _rate_row(name: str, rates: Rates, k: int | None) -> tuple[str, ...]:
    first = rates.top_1
    more = (
        () if rates.top_k is None or k is None else (_percent(rates.top_k), _interval(rates.top_k))
    )
    return (name, f"{first.right:,}", f"{first.total:,}", _percent(first), _interval(first), *more)


def _paired(record: AccuracyRecord, max_drop: float | None) -> Iterator[str]:
    pairs = None if record.against is None else record.against.paired
    drop = record.drop
    if pairs is not None and drop is not None:
        allowed = ""
        if max_drop is not None:
            allowed = (
                f" (at most {max_drop:.2%} allowed: {'TOO MUCH' if drop > max_drop else 'good'})"
            )
        yield (
            f"drop {drop:.2%}{allowed}: {pairs.lost} samples lost, {pairs.gained} gained "
            f"(McNemar's exact test: p = {pairs.p_value:.2g})"
        )
    if record.against is not None and record.against.top1_equal is not None:
        share = record.against.top1_equal / record.samples
        yield f"the same class by both in {record.against.top1_equal:,} of them ({share:.2%})"


def _percent(proportion: Proportion) -> str:
    return f"{proportion.share:.2%}"


def _interval(proportion: Proportion) -> str:
    return f"{proportion.low:.2%} to {proportion.high:.2%}"


def _errors(against: Against) -> Block:
    rows = tuple(
        (
            short_name(one.name),
            f"{one.mean_abs_error:.4g}",
            f"{one.max_abs_error:.4g}",
            _db(one.sqnr_db),
            "" if one.step is None else f"{one.step:.4g}",
        )
        for one in against.errors
    )
    titles = ("output, quantized against float", "mean error", "largest", "SQNR dB", "step")
    return Block((), titles, rows)


def _moves(record: AccuracyRecord, against: Against) -> Iterator[Block]:
    if not against.moves:
        return

    def named(number: int) -> str:
        return f"{number} {record.classes[number]}" if record.classes else str(number)

    rows = tuple(
        (
            named(move.exact),
            named(move.quantized),
            str(move.samples),
            "" if move.labelled is None else str(move.labelled),
        )
        for move in against.moves
    )
    yield Block((), ("float says", "quantized says", "samples", "float right"), rows)


def _device(device: DeviceAnswers) -> Block:
    from edgeserve.closeness import TOLERANCE

    where = (
        f"{device.board} (emulated)" if device.emulated else f"{device.board} on {device.device}"
    )
    lines = [
        f"{where}: {device.same_bytes} of {device.samples} samples give the reference's bytes"
        + ("" if device.near is None else f", {device.near} are within {TOLERANCE:g} of them")
        + ("" if device.same_class is None else f", {device.same_class} its class")
        + ("" if device.right is None else f", {device.right} are right")
    ]
    if device.first_different is not None:
        lines.append(
            f"  the first that differs is sample {device.first_different}: edgeserve verify finds "
            "the step"
        )
    return Block(tuple(lines))


def _layers(record: LayerRecord) -> Block:
    compared = ", ".join(short_name(name) for name in record.compared)
    shown = record.layers[:SHOWN_LAYERS]
    rows = tuple(
        (
            short_name(layer.name),
            layer.operator,
            f"{layer.noise_share:.1%}",
            _db(layer.model_sqnr_db),
            _db(layer.own_sqnr_db),
            _db(layer.accumulated_sqnr_db),
        )
        for layer in shown
    )
    titles = ("layer", "operator", "of the noise", "alone: model", "own", "accumulated")
    after = [
        f"  one channel of {short_name(layer.name)} ranges {layer.channel_ratio:,.0f} times as far "
        "as the median channel, and one scale serves them all"
        for layer in shown
        if layer.channel_ratio is not None and layer.channel_ratio >= OUTLIERS
    ]
    if len(record.layers) > len(shown):
        after.append(f"  and {len(record.layers) - len(shown)} layers that add less")
    if record.exact:
        after.append(f"  exact, as they only move values: {_names(record.exact)}")
    if record.unmatched:
        after.append(f"  not compared, as they have no counterpart: {_names(record.unmatched)}")
    apart = [
        layer.name for layer in record.layers if not layer.weights and layer.operator in _WEIGHTED
    ]
    if apart:
        after.append(f"  without their weights' rounding: {_names(apart)}")
    lines = (
        f"layers by the noise that each alone adds to {compared} "
        f"(signal to noise in dB, {record.samples} samples):",
    )
    return Block(lines, titles, rows, tuple(after))


_WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})


def calibration_block(ranges: RangeRecord) -> Block:
    """What the calibration samples filled, in a few lines."""
    last = ranges.last_settled
    lines = [f"calibration: {ranges.samples:,} samples, {len(ranges.tensors)} tensors"]
    if last is not None:
        lines.append(
            f"  all ranges are within 1 % of the final ones after {ranges.settled_after:,} samples "
            f"(the last: {short_name(last.name)})"
        )
        lines.append(
            f"  half as many would have missed up to {ranges.half_shortfall:.1%} of a range: "
            + ("there are enough" if ranges.enough else "more samples may widen it further")
        )
    clipping = ranges.clipping
    if not clipping:
        lines.append("  no value lies outside its tensor's quantized range")
    for one in clipping[:SHOWN_TENSORS]:
        lines.append(
            f"  clipped: {one.clipped_share:.3%} of {short_name(one.name)} "
            f"({one.minimum:.4g} to {one.maximum:.4g}, held: {one.low:.4g} to {one.high:.4g})"
        )
    if ranges.unmatched:
        lines.append(f"  not compared: {_names([one.name for one in ranges.unmatched])}")
    return Block(tuple(lines))


def _traffic(record: TrafficRecord) -> Block:
    differing = record.differing
    what = f"traffic: {record.samples:,} samples against the calibration, "
    if not differing:
        return Block((f"{what}all {len(record.tensors)} tensors agree",))
    rows = tuple(
        (
            short_name(one.name),
            f"{one.distance:.3f}",
            f"{one.chance:.3f}",
            f"{one.shift:.1%}",
            f"{one.beyond_share:.1%}",
            f"{one.clipped_share:.3%}",
        )
        for one in differing[:SHOWN_TENSORS]
    )
    titles = ("tensor", "distance (KS)", "by chance", "shift", "samples beyond", "values clipped")
    lines = (f"{what}{len(differing)} of {len(record.tensors)} tensors DIFFER, in their order:",)
    more = len(differing) - len(rows)
    after = (
        *((f"  and {more} more",) if more else ()),
        "  calibrate with samples like these, or look for what prepares them differently",
    )
    return Block(lines, titles, rows, after)


def _helps(helps: Sequence[Help]) -> Block:
    lines = ["what helps:"]
    for one in helps:
        if not one.measured:
            lines.append(f"  {one.what}")
            continue
        right = "" if one.top_1 is None else f", {_percent(one.top_1)} right"
        lines.append(
            f"  {one.what}: takes away {one.recovered_share:.2%} of the noise at the output{right} "
            "(measured on these samples)"
        )
        if one.before is not None and one.after is not None:
            lines.append(f"    on {one.after.board}: {_cost(one.before, one.after)}")
        lines.append(f"    edgeserve convert ... {one.option}")
    return Block(tuple(lines))


def _cost(before: Cost, after: Cost) -> str:
    return (
        f"arena {before.arena_bytes:,} -> {after.arena_bytes:,} bytes, "
        f"model {before.model_bytes:,} -> {after.model_bytes:,} bytes, "
        f"instructions {after.instructions / before.instructions - 1:+.1%} (estimate)"
    )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(short_name(name) for name in names[:SHOWN_TENSORS])
    return (
        shown if len(names) <= SHOWN_TENSORS else f"{shown} and {len(names) - SHOWN_TENSORS} more"
    )


def _db(ratio: float | None) -> str:
    return "no noise" if ratio is None else f"{ratio:.1f}"

"""What quantization costs, in which layers, what helps, and what calibration has seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeserve.accuracy_record import (
    AccuracyRecord,
    Cost,
    DeviceAnswers,
    Help,
    LayerRecord,
    Move,
    Proportion,
    Rates,
    proportion,
)
from edgeserve.closeness import TOLERANCE
from edgeserve.identifier import short_name
from edgeserve.report.content import Block, Cell, Folded, Line, Mark, Section, Table, Tone, columns
from edgeserve.report.recorded import Recorded
from edgeserve.tensor_ranges import RangeRecord

SHOWN_LAYERS = 10
SHOWN_CLIPPING = 8


def accuracy_section(seen: Recorded) -> Section:
    """What ``accuracy.json`` has; below it, what calibration found."""
    blocks: list[Block] = []
    if seen.accuracy_fault:
        blocks.append(Line(f"Not shown: {seen.accuracy_fault}.", Tone.BAD))
    elif seen.accuracy is None:
        blocks.append(
            Line(
                f"Not measured: edgeserve accuracy {seen.command_name} --data DATA --improve "
                "compares the float and the quantized model on samples, and finds the layers.",
                Tone.QUIET,
            )
        )
    else:
        blocks += _measured(seen.accuracy)
    if seen.ranges is not None:
        blocks += _calibration(seen.ranges)
    return Section("accuracy", "Accuracy", tuple(blocks))


def _measured(record: AccuracyRecord) -> Iterator[Block]:
    yield from _answers(record)
    against = record.against
    if against is not None:
        if against.top1_equal is not None:
            yield Line(
                f"The same class by both models in {against.top1_equal:,} of "
                f"{record.samples:,} samples ({against.top1_equal / record.samples:.2%})."
            )
        yield Table(
            columns("@output", "#mean error", "#largest error", "#SQNR dB", "#step"),
            tuple(
                (
                    short_name(one.name),
                    f"{one.mean_abs_error:.4g}",
                    f"{one.max_abs_error:.4g}",
                    _db(one.sqnr_db),
                    "" if one.step is None else f"{one.step:.4g}",
                )
                for one in against.errors
            ),
            caption="Outputs, quantized against float",
        )
        if against.moves:
            yield _moves(record, against.moves)
    if record.layers is not None:
        yield from _layers(record.layers)
    yield from _helps(record.helps)
    if record.traffic is not None:
        differing = len(record.traffic.differing)
        yield Line(
            f"Traffic: {record.traffic.samples:,} samples against the calibration, "
            f"{differing} of {len(record.traffic.tensors)} tensors differ.",
            Tone.BAD if differing else Tone.PLAIN,
        )
    yield from (Line(f"Note: {note}", Tone.QUIET) for note in record.notes)


def _answers(record: AccuracyRecord) -> Iterator[Block]:
    """Who is right how often, with intervals, and what the two models do not agree on."""
    of = "" if record.samples == record.available else f" of {record.available:,}"
    where = f"{record.samples:,}{of} samples, data SHA-256 {record.data_sha256[:16]}"
    rows = [
        (name, *_rate(rates, record.k))
        for name, rates in (("float", record.exact), ("quantized", record.quantized))
        if rates is not None
    ]
    device = record.device
    if device is not None and device.right is not None:
        answers = Rates(proportion(device.right, device.samples), None)
        rows.append((_place(device), *_rate(answers, record.k)))
    if rows:
        interval = "!95 % interval"
        titles = ["@by", "#right", "#of", "#top 1", interval, f"#top {record.k}", interval]
        shown = columns(*titles[: 5 if record.k is None else 7])
        cells = tuple(row[: len(shown)] for row in rows)
        yield Table(shown, cells, caption=f"Right answers on {where}")
    else:
        yield Line(f"On {where}: without labels or classes, so that no answer is right or wrong.")
    pairs = None if record.against is None else record.against.paired
    if pairs is not None and record.drop is not None:
        yield Line(
            f"Drop {record.drop:.2%}: {pairs.lost} samples lost, {pairs.gained} gained (McNemar's "
            f"exact test: p = {pairs.p_value:.2g})."
        )
    if device is not None:
        near = "" if device.near is None else f", {device.near} are within {TOLERANCE:g} of them"
        first = (
            ""
            if device.first_different is None
            else f"; the first that differs is sample {device.first_different}"
        )
        yield Line(
            f"{_place(device)}: {device.same_bytes} of {device.samples} samples give the "
            f"reference's bytes{near}{first}.",
            Tone.PLAIN if device.all_right else Tone.BAD,
        )


def _place(device: DeviceAnswers) -> str:
    if device.emulated:
        return f"{device.board} (emulated)"
    return device.board if device.board == device.device else f"{device.board}, {device.device}"


def _rate(rates: Rates, k: int | None) -> tuple[str, ...]:
    first, more = rates.top_1, rates.top_k
    last = ("", "") if more is None or k is None else (f"{more.share:.2%}", _interval(more))
    return (
        f"{first.right:,}",
        f"{first.total:,}",
        f"{first.share:.2%}",
        _interval(first),
        *last,
    )


def _interval(one: Proportion) -> str:
    return f"{one.low:.2%} to {one.high:.2%}"


def _moves(record: AccuracyRecord, moves: Sequence[Move]) -> Block:
    def named(number: int) -> str:
        return f"{number} {record.classes[number]}" if record.classes else str(number)

    return Table(
        columns("@float says", "@quantized says", "#samples", "#float right"),
        tuple(
            (
                named(one.exact),
                named(one.quantized),
                f"{one.samples:,}",
                "" if one.labelled is None else f"{one.labelled:,}",
            )
            for one in moves
        ),
        caption="Samples that change their class",
    )


def _layers(record: LayerRecord) -> Iterator[Block]:
    rows = tuple(
        (
            short_name(one.name),
            one.operator,
            f"{one.noise_share:.1%}",
            _db(one.model_sqnr_db),
            _db(one.own_sqnr_db),
            _db(one.accumulated_sqnr_db),
            "" if one.channel_ratio is None else f"{one.channel_ratio:,.1f}",
        )
        for one in record.layers
    )
    compared = ", ".join(short_name(name) for name in record.compared)
    titles = ("@layer", "@operator", "#of the noise", "#model dB", "#own dB", "#accumulated dB")
    heads = columns(*titles, "#channels")
    caption = (
        f"Noisiest layers: the noise that each alone adds to {compared} "
        f"({record.samples} samples; channels: the widest by the median one)"
    )
    yield Table(heads, rows[:SHOWN_LAYERS], caption=caption)
    if len(rows) > SHOWN_LAYERS:
        rest = Table(heads, rows[SHOWN_LAYERS:])
        yield Folded(f"{len(rows) - SHOWN_LAYERS} layers that add less", (rest,))
    if record.unmatched:
        names = ", ".join(short_name(name) for name in record.unmatched)
        yield Line(f"Not compared, as they have no counterpart: {names}.", Tone.QUIET)


def _helps(helps: Sequence[Help]) -> Iterator[Block]:
    measured = tuple(_help(one) for one in helps if one.measured)
    if measured:
        titles = ("@what", "#of the noise recovered", "#right", "~what it takes", "@option")
        yield Table(columns(*titles), measured, caption="What helps, measured on these samples")
    yield from (Line(f"{one.what}.", Tone.QUIET) for one in helps if not one.measured)


def _help(one: Help) -> tuple[Cell, ...]:
    recovered = "" if one.recovered_share is None else f"{one.recovered_share:.2%}"
    return (
        one.what,
        Mark(recovered, Tone.GOOD),
        "" if one.top_1 is None else f"{one.top_1.share:.2%}",
        "" if one.before is None or one.after is None else _cost(one.before, one.after),
        one.option,
    )


def _cost(before: Cost, after: Cost) -> str:
    return (
        f"on {after.board}: arena {before.arena_bytes:,} to {after.arena_bytes:,} bytes, model "
        f"{before.model_bytes:,} to {after.model_bytes:,} bytes, instructions "
        f"{after.instructions / max(before.instructions, 1) - 1:+.1%} (estimate)"
    )


def _calibration(ranges: RangeRecord) -> Iterator[Block]:
    last = ranges.last_settled
    if last is not None:
        yield Line(
            f"Calibration: {ranges.samples:,} samples, {len(ranges.tensors)} tensors. All ranges "
            f"are within 1 % of the final ones after {ranges.settled_after:,} samples (the last: "
            f"{short_name(last.name)}); half as many samples would have missed up to "
            f"{ranges.half_shortfall:.1%} of a range: "
            + ("there are enough." if ranges.enough else "more may widen it further.")
        )
    clipping = ranges.clipping
    if not clipping:
        yield Line("No value of the calibration lies outside its tensor's quantized range.")
        return
    yield Table(
        columns("@tensor", "#clipped", "!values", "!held"),
        tuple(
            (
                short_name(one.name),
                f"{one.clipped_share:.3%}",
                f"{one.minimum:.4g} to {one.maximum:.4g}",
                f"{one.low:.4g} to {one.high:.4g}",
            )
            for one in clipping[:SHOWN_CLIPPING]
        ),
        caption=f"Values that quantization clips, in {len(clipping)} tensors",
    )


def _db(ratio: float | None) -> str:
    return "no noise" if ratio is None else f"{ratio:.1f}"

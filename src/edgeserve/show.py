"""Results as text for people and as JSON documents for programs (schemas in docs/FORMAT.md)."""

from __future__ import annotations

import json
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeserve.graph import DType
from edgeserve.identifier import short_name
from edgeserve.postprocess.declaration import told as told_back
from edgeserve.preprocess.declaration import told as told_front

if TYPE_CHECKING:
    from pathlib import Path

    from edgeserve.arena_map import ArenaMap
    from edgeserve.board import Cpu
    from edgeserve.bundle import BundleFacts
    from edgeserve.compilation import Compiled
    from edgeserve.cost.table import Estimate
    from edgeserve.device.ports import Present
    from edgeserve.fit import Fit
    from edgeserve.measurement import Measurement
    from edgeserve.metering.meter import Energy
    from edgeserve.pipeline import OpenDevice, Shared, Survey
    from edgeserve.plan.streaming import Objective
    from edgeserve.planfile import PlanRecord
    from edgeserve.preprocess.skew import Diagnosis
    from edgeserve.program import Folded, Program
    from edgeserve.stream_plan import StreamPlan
    from edgeserve.tflm import OfflinePlan
    from edgeserve.verify import Coverage, FoldedTensor, Verification


def print_project_changes(changes: Sequence[str]) -> None:
    """What became of the files of a firmware project, a line each; of a new one their number."""
    if changes and all(change.startswith("new ") for change in changes):
        click.echo(f"  {len(changes)} files written; src/app.c is yours")
        return
    for change in changes:
        click.echo(f"    {plain(change)}")


def print_bundle(compiled: Compiled) -> None:
    """What `convert` made, and how far integers are from floats."""
    facts = compiled.bundle.facts
    form = "int8"
    if facts.quantization is not None and facts.quantization.activations is DType.INT16:
        form = "int16x8"
    say(
        f"{shown_path(compiled.bundle.path)}: {len(compiled.program.steps)} steps, "
        f"{compiled.program.macs:,} MACs, {len(compiled.table.data):,} bytes of model"
    )
    agreement = facts.agreement
    if agreement is not None:
        for output in agreement.outputs:
            say(
                f"  {form} against float on {agreement.samples} calibration samples, "
                f"{output.name}: "
                f"largest difference {output.max_abs_error:.4g}, mean {output.mean_abs_error:.4g}"
            )
        if agreement.top1_agreement is not None:
            say(f"  same class in {agreement.top1_agreement:.1%} of them")
        if agreement.float_accuracy is not None and agreement.int8_accuracy is not None:
            say(
                f"  accuracy on them: float {agreement.float_accuracy:.1%}, "
                f"{form} {agreement.int8_accuracy:.1%}"
            )
    _print_declared(facts, indent="  ")
    for note in _notes(compiled):
        say(f"  note: {note}")


def print_fits(fits: Sequence[Fit], *, plans: bool = True) -> None:
    """A row a model and board, how each was planned, what is missing and what would help."""
    table = columns(
        "model", "board", "", "arena", "flash", "stack", "other RAM", "left", "sizes by"
    )
    for fit in fits:
        footprint = fit.footprint
        table.add_row(
            fit.model,
            fit.board,
            "fits" if fit.fits else "NO",
            f"{footprint.arena_bytes:,}",
            f"{footprint.flash_bytes:,}",
            f"{footprint.stack_bytes:,}",
            f"{footprint.ram_other_bytes:,}",
            ", ".join(f"{use.region} {use.left_bytes:,}" for use in fit.regions),
            footprint.source,
        )
    draw(table)
    if plans:
        alike: dict[tuple[str, str], list[str]] = {}
        for fit in fits:
            alike.setdefault((fit.model, fit.plan), []).append(fit.board)
        for (model, plan), boards in alike.items():
            say(f"{model} on {', '.join(boards)}: {plan}")
    for fit in fits:
        if not fit.fits:
            say(f"{fit.model} does not fit {fit.board}:")
            for shortage in fit.shortages:
                say(f"  {shortage}")
            for tensor in fit.peak_tensors[:4]:
                where = f"  at the peak ({short_name(fit.peak_step)})"
                say(f"{where}: {short_name(tensor.name)}, {tensor.size_bytes:,}")
            for line in fit.advice:
                say(f"  help: {line}")


def measurement_json(target: OpenDevice, measurement: Measurement) -> dict[str, Any]:
    """``bench --format json``."""
    from edgeserve.measurement import p50, p90, p99, per_inference
    from edgeserve.strict_json import to_json

    memory = measurement.memory
    return {
        "model": measurement.subject.bundle,
        "bundle": str(target.compiled.bundle.path),
        "device": measurement.place.device,
        "board": measurement.place.board,
        "emulated": measurement.place.emulated,
        "unit": measurement.unit.value,
        "per_inference": per_inference(measurement),
        "p50": to_json(p50(measurement)),
        "p90": to_json(p90(measurement)),
        "p99": to_json(p99(measurement)),
        "laps": len(measurement.samples),
        "init": measurement.init_count,
        "steps": to_json(measurement.steps),
        "arena_bytes": memory.arena_bytes,
        "arena_high_water_bytes": memory.arena_high_water_bytes,
        "banks": to_json(memory.banks),
        "bench_ram_bytes": memory.bench_ram_bytes,
        "stack_high_water_bytes": memory.stack_high_water_bytes,
        "model_bytes": measurement.subject.model_bytes,
        "code_bytes": measurement.subject.code_bytes,
        "ram_other_bytes": target.image.ram_other_bytes if target.image else None,
        "stack_bytes": target.image.stack_bytes if target.image else None,
        "output_crc32": measurement.output_crc32,
        "energy": to_json(measurement.energy),
        "energy_absent": measurement.energy_absent,
        "notes": list(measurement.notes),
    }


def print_measurement(target: OpenDevice, measurement: Measurement) -> None:
    """Percentiles, steps and memory of a measurement, with their unit."""
    from edgeserve.measurement import p50, p90, p99

    unit = measurement.unit.value
    place = measurement.place
    say(
        f"{measurement.subject.bundle} on {place.board}"
        + (" (emulated: executed instructions, not time)" if place.emulated else "")
    )
    for name, value in (
        ("p50", p50(measurement)),
        ("p90", p90(measurement)),
        ("p99", p99(measurement)),
    ):
        bounds = (
            f"   95 % interval {value.low:,} to {value.high:,}"
            if value.low is not None and value.high is not None
            else f"   too few laps ({len(measurement.samples)}) for an interval"
        )
        say(f"  {name} {value.value:>14,} {unit} an inference{bounds}")
    table = columns("step", "kernel", unit, "MACs", f"{unit} a MAC", "tensor")
    for step in measurement.steps:
        share = f"{step.count / step.macs:.2f}" if step.macs else ""
        table.add_row(
            str(step.step),
            step.kernel,
            f"{step.count:,}",
            f"{step.macs:,}",
            share,
            short_name(step.label),
        )
    draw(table)
    memory = measurement.memory
    code = measurement.subject.code_bytes
    for what, text in (
        ("init", f"{measurement.init_count:,} {unit}"),
        ("arena", f"{memory.arena_bytes:,} planned, {memory.arena_high_water_bytes:,} touched"),
        *(
            (f"  {bank.name}", f"{bank.size_bytes:,} planned, {bank.high_water_bytes:,} touched")
            for bank in memory.banks
        ),
        (
            "stack high-water",
            "not seen"
            if memory.stack_high_water_bytes is None
            else f"{memory.stack_high_water_bytes:,}",
        ),
        ("model", f"{measurement.subject.model_bytes:,}"),
        ("code", "not built here" if code is None else f"{code:,}"),
        ("bench RAM", f"{memory.bench_ram_bytes:,}"),
        ("output CRC-32", f"{measurement.output_crc32}, {_told_output(target)}"),
    ):
        say(f"  {what:<18}{text}")
    if measurement.energy is not None:
        print_energy(measurement.energy)
    for note in measurement.notes:
        say(f"  note: {note}")
    say(f"  recorded in {shown_path(target.compiled.bundle.measurements_path)}")


def _told_output(target: OpenDevice) -> str:
    """How the output was found to be right."""
    from edgeserve.closeness import TOLERANCE, near_values

    program = target.compiled.program
    near = near_values(program)
    if any(port.value in near for port in program.outputs):
        return f"within {TOLERANCE:g} of the oracle's"
    return "as the oracle's"


def print_energy(energy: Energy) -> None:
    """Energy an inference, of each group that was counted."""
    coarse = ", coarse" if energy.coarse else ""
    say(f"  energy an inference, by {energy.meter}{coarse}:")
    for group in energy.groups:
        say(
            f"    {group.group:<8}{group.gross_mj:>10.3f} mJ, net {group.net_mj:.3f} "
            f"+- {group.plus_minus_mj:.3f}"
        )


def verification_json(target: OpenDevice, verification: Verification) -> dict[str, Any]:
    """``verify --format json``."""
    from edgeserve.strict_json import to_json

    first = verification.first_difference
    difference = None
    if first is not None:
        difference = {**to_json(first), "want": first.want.hex(), "got": first.got.hex()}
    return {
        "model": target.compiled.bundle.name,
        "bundle": str(target.compiled.bundle.path),
        "device": verification.device,
        "board": target.board.id,
        "equal": verification.equal,
        "steps": verification.steps,
        "inputs": list(verification.inputs),
        "coverage": to_json(verification.coverage),
        "differing_inputs": verification.differing_inputs,
        "differing_bytes": verification.differing_bytes,
        "first_difference": difference,
        "near": to_json(verification.near),
        "notes": list(verification.notes),
    }


def print_verification(target: OpenDevice, verification: Verification) -> None:
    """Coverage, and the first difference where there is one."""
    seen = verification.coverage
    say(
        f"{target.compiled.bundle.name} on {target.board.id}: {verification.steps} steps, "
        f"{len(verification.inputs)} inputs, {verification.differing_bytes:,} differing bytes"
    )
    say(
        f"  coverage {seen.covered}/{seen.total} tensors compared with the oracle, "
        f"{len(seen.folded)} folded into steps"
        + (f", not covered: {', '.join(seen.uncovered)}" if seen.uncovered else "")
    )
    if seen.narrowed:
        say(f"  {_told_narrowed(seen)}")
    for folded in seen.folded:
        say(f"  {_told_folded(folded)}")
    for note in verification.notes:
        say(f"  note: {note}")
    first = verification.first_difference
    if first is None:
        say(f"  {_told_equal(verification)}")
        return
    where = "the model's output" if first.step is None else f"step {first.step} ({first.kernel})"
    say(
        f"  FIRST DIFFERENCE: {where}, {first.tensor}, on {first.input}: "
        f"{first.differing_bytes:,} of {first.total_bytes:,} bytes"
    )
    say(f"    row {first.row}, byte {first.offset}: want {first.want.hex(' ')}")
    say(f"    {'':>{len(str(first.row)) + len(str(first.offset)) + 11}} got  {first.got.hex(' ')}")


def _told_equal(verification: Verification) -> str:
    """How the steps were right: bit for bit, or nearly."""
    from edgeserve.closeness import TOLERANCE

    near = verification.near
    if not near:
        return "equal bit for bit"
    furthest = max(near, key=lambda one: one.distance)
    return (
        f"within {TOLERANCE:g}: {len(near)} steps of float32 arithmetic, the furthest "
        f"{furthest.distance:.2g} (step {furthest.step}, {short_name(furthest.label)}); all "
        "others equal bit for bit"
    )


def _told_narrowed(seen: Coverage) -> str:
    """How much of the tensors is on the device, and what is known of the rest."""
    total = sum(one.channels for one in seen.narrowed)
    kept = sum(one.kept for one in seen.narrowed)
    constant = sum(one.constant for one in seen.narrowed)
    return (
        f"of {len(seen.narrowed)} of them {kept:,} of {total:,} channels: {constant:,} were "
        f"constant in the oracle, as proven, and nothing reads {total - kept - constant:,}"
    )


def print_plan(name: str, record: PlanRecord, picture: ArenaMap) -> None:
    """The arena map: who lies where and when, who takes turns, who is there at the peak."""
    from edgeserve.picture.text import draw_map, keys_of
    from edgeserve.picture.words import ring_rows, told_group, told_peak

    verdict = "optimal" if record.optimal else f"proven bound {record.lower_bound_bytes:,}"
    say(
        f"{name}: arena {record.arena_bytes:,} bytes ({record.wish.objective.value}); "
        f"whole tensors alive at once {record.live_bound_bytes:,}; offsets {verdict}, "
        f"{record.nodes:,} nodes"
    )
    if record.banks:
        parts = [f"{bank.size_bytes:,} in {bank.name}" for bank in record.banks]
        say(
            f"  {' and '.join(parts)}; traffic costs {record.traffic_cost:,}, "
            f"and cannot cost less than {record.least_traffic_cost:,} there"
        )
    for line in draw_map(picture):
        say(line)
    for stretch in picture.stretches:
        if stretch.group.rows_per_turn is not None:
            say(f"  {told_group(stretch)}")
    keys = keys_of(picture)
    peak = picture.peak
    say(f"{told_peak(picture)}, of {short_name(peak.step)}:")
    for resident in peak.residents:
        say(f"  {keys[resident]}  {resident.size_bytes:>10,}  {short_name(resident.name)}")
    table = columns("", "offset", "bytes", "turns", "", "rows", "tensor")
    for resident, key in keys.items():
        table.add_row(
            key,
            _offset(record, resident.offset_bytes),
            f"{resident.size_bytes:,}",
            f"{resident.first}..{resident.end - 1}",
            resident.kind.value,
            ring_rows(resident),
            short_name(resident.name),
        )
    draw(table)


def _offset(record: PlanRecord, offset_bytes: int) -> str:
    """An offset, in the bank that it lies in where there are several."""
    if len(record.banks) < 2:
        return f"{offset_bytes:,}"
    starts = [0, *accumulate(bank.size_bytes for bank in record.banks)][:-1]
    bank = bisect_right(starts, offset_bytes) - 1
    return f"{record.banks[bank].name} {offset_bytes - starts[bank]:,}"


def print_savings(seen: Survey) -> None:
    """What each idea takes off the arena, and which of them the plan has."""
    table = columns("arena, step by step", "bytes", "saves", "of the first", "extra instructions")
    before = first = seen.savings[0].arena_bytes
    for saving in seen.savings:
        chosen = "  = this plan" if saving.plan == seen.compiled.plan else ""
        table.add_row(
            saving.method,
            f"{saving.arena_bytes:,}",
            f"{before - saving.arena_bytes:,}",
            f"{saving.arena_bytes / max(1, first):.0%}",
            f"{saving.extra_share:.1%}{chosen}",
        )
        before = saving.arena_bytes
    draw(table)


def tflm_json(path: Path, planned: OfflinePlan) -> dict[str, Any]:
    """The ``tflm`` of ``plan --tflm --format json``."""
    return {
        "path": str(path),
        "arena_head_bytes": planned.arena_bytes,
        "greedy_arena_head_bytes": planned.greedy_bytes,
        "optimal": planned.plan.optimal,
    }


def print_tflm(path: Path, planned: OfflinePlan) -> None:
    """What TFLM gains by the plan in a file."""
    say(
        f"{path}: TFLM's arena head {planned.greedy_bytes:,} -> {planned.arena_bytes:,} bytes "
        f"({'optimal for' if planned.plan.optimal else 'with'} whole tensors; "
        "its kernels' scratch and its persistent data come on top)"
    )


def shared_json(shared: Shared) -> dict[str, Any]:
    """``plan --share --format json``: the key ``shared``."""
    return {
        "arena_bytes": shared.arena_bytes,
        "lower_bound_bytes": shared.lower_bound_bytes,
        "alone": [{"model": name, "arena_bytes": size} for name, size in shared.alone],
        "sources": [str(path) for path in shared.sources],
    }


def print_shared(shared: Shared) -> None:
    """One arena for several models, beside an arena each."""
    apart = sum(size for _, size in shared.alone)
    say(f"one arena for all: {shared.arena_bytes:,} bytes, where an arena each takes {apart:,}")
    for name, size in shared.alone:
        say(f"  {size:>10,}  {name}")
    if shared.sources:
        say(f"  sources in {shown_path(shared.sources[0].resolve().parent)}")


def print_devices(present: Sequence[Present]) -> None:
    """A row a device, with what keeps it from being used."""
    table = columns("--device", "what", "", "")
    for one in present:
        table.add_row(one.device, plain(one.what), "ready" if one.ready else "NO", one.note)
    draw(table)
    say("a port takes --board with it; remote ports are socket://HOST:PORT, rfc2217://HOST:PORT")


def print_objectives(plans: Sequence[tuple[Objective, StreamPlan]]) -> None:
    """The arena by each objective, and what it costs."""
    table = columns("--objective", "arena", "steps by rows", "extra instructions (estimate)")
    for objective, plan in plans:
        steps = f"{plan.streamed_steps} of {len(plan.order)}"
        extra = f"{plan.extra_instructions:,} ({plan.extra_share:.1%})"
        table.add_row(objective.value, f"{plan.arena_bytes:,}", steps, extra)
    draw(table)


def print_bought(compiled: Compiled) -> None:
    """The steps on which extra flash was spent, and what it buys; nothing where there are none."""
    if not compiled.bought:
        return
    table = columns("step", "kernel", "extra flash", "saved instructions (estimate)", "tensor")
    for offer in compiled.bought:
        step = compiled.program.steps[offer.step]
        table.add_row(
            str(offer.step),
            step.kernel.name,
            f"{offer.extra_bytes:,}",
            f"{offer.saved_instructions:,}",
            short_name(step.label),
        )
    draw(table)


def program_json(compiled: Compiled) -> dict[str, Any]:
    """``inspect --format json``."""
    from edgeserve.strict_json import to_json

    program, facts = compiled.program, compiled.bundle.facts
    return {
        "model": program.name,
        "sha256": compiled.bundle.facts.model_sha256,
        "table_sha256": compiled.table.sha256,
        "table_bytes": len(compiled.table.data),
        "arena_bytes": compiled.plan.arena_bytes,
        "macs": program.macs,
        "steps": [
            {
                "step": step.index,
                "kernel": step.kernel.name,
                "tensor": step.label,
                "rows": step.output.h,
                "columns": step.output.w,
                "channels": step.output.c,
                "macs": step.macs,
                **_estimate_json(estimate),
            }
            for step, estimate in zip(program.steps, compiled.estimates(), strict=True)
        ],
        "folded": [{"tensor": f.name, "step": f.step, "why": f.why} for f in program.folded],
        "narrowed": [
            {
                "tensor": one.tensor,
                "kernel": one.kernel.name,
                **{
                    key: {"before": before, "after": after}
                    for key, (before, after) in (
                        ("channels", one.channels),
                        ("weight_bytes", one.weight_bytes),
                        ("macs", one.macs),
                    )
                },
            }
            for one in program.narrowings
        ],
        "bought": [to_json(offer) for offer in compiled.bought],
        "preprocess": None if facts.preprocess is None else told_front(facts.preprocess.front),
        "postprocess": None if facts.postprocess is None else told_back(facts.postprocess),
        "notes": list(_notes(compiled)),
    }


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    """``estimated_words`` and the errors are None for a kernel that was never measured."""
    fit = estimate.fit
    errors = (None, None) if fit is None else fit.instructions.errors
    return {
        "estimated_instructions": estimate.instructions,
        "estimated_words": None if fit is None else estimate.words,
        "estimate_median_error": errors[0],
        "estimate_worst_error": errors[1],
    }


def _notes(compiled: Compiled) -> tuple[str, ...]:
    """Of the bundle and of the program, each once."""
    return tuple(dict.fromkeys((*compiled.bundle.facts.notes, *compiled.program.notes)))


def print_program(compiled: Compiled, time: Sequence[str] = ()) -> None:
    """Steps, kernels, shapes, MACs, and what was folded away; ``time``: what is told of it."""
    program = compiled.program
    table = columns(
        *("step", "kernel", "rows x columns x channels", "MACs"),
        *("instructions (estimate)", "error", "words (estimate)", "tensor"),
    )
    estimates = compiled.estimates()
    for step, estimate in zip(program.steps, estimates, strict=True):
        view = step.output
        table.add_row(
            str(step.index),
            step.kernel.name,
            f"{view.h} x {view.w} x {view.c}",
            f"{step.macs:,}",
            f"{estimate.instructions:,}",
            _told_error(estimate),
            f"{estimate.words:,}" if estimate.fit else "unknown",
            short_name(step.label),
        )
    draw(table)
    for line in told_costs(compiled.board.cpu, estimates, time):
        say(line)
    if program.narrowings:
        _print_narrowings(program)
    for folded in program.folded:
        say(_told_folded(folded))
    print_bought(compiled)
    _print_declared(compiled.bundle.facts)
    for note in _notes(compiled):
        say(f"note: {note}")
    say(
        f"{len(program.steps)} steps, {program.macs:,} MACs, "
        f"table {len(compiled.table.data):,} bytes (SHA-256 {compiled.table.sha256[:16]}), "
        f"arena {compiled.plan.arena_bytes:,} bytes"
    )


def _print_declared(facts: BundleFacts, indent: str = "") -> None:
    """What happens before and after the model."""
    if facts.preprocess is not None:
        say(f"{indent}input: {told_front(facts.preprocess.front)}")
    if facts.postprocess is not None:
        say(f"{indent}output: {told_back(facts.postprocess)}")


def diagnosis_json(name: str, diagnosis: Diagnosis) -> dict[str, Any]:
    """``verify --reference --format json``."""
    found = diagnosis.found
    return {
        "model": name,
        "samples": diagnosis.samples,
        "agrees": diagnosis.agrees,
        "largest_steps": diagnosis.declared_steps,
        "changes": list(found.changes) if found else [],
        "left_steps": found.largest_steps if found else diagnosis.declared_steps,
    }


def print_diagnosis(name: str, diagnosis: Diagnosis) -> None:
    """Whether training did what is declared, and what it did instead."""
    say(
        f"{name}: training's inputs are {diagnosis.declared_steps:.2f} steps of the input from the "
        f"declared ones at most, over {diagnosis.samples} samples"
    )
    found = diagnosis.found
    if found is None:
        say("the declaration is what training did")
    elif found.is_exact:
        say(f"training used {' and '.join(found.changes)}: then the difference is none")
    else:
        say(
            f"nothing that was tried explains it; nearest is {' and '.join(found.changes)}, "
            f"{found.largest_steps:.2f} steps"
        )


def _told_error(estimate: Estimate) -> str:
    """How far estimates of the kernel were off on shapes held out: in the median, at worst."""
    if estimate.fit is None:
        return "never measured: a guess"
    fit = estimate.fit.instructions
    return f"{fit.median_error / 10:.1f} %, worst {fit.worst_error / 10:.0f} %"


def told_costs(cpu: Cpu, estimates: Sequence[Estimate], time: Sequence[str] = ()) -> Iterator[str]:
    """The sums, what they come from, and the ``time`` by measurements, or why there is none."""
    from edgeserve.cost.table import costs_of

    costs = costs_of(cpu.core)
    yield (
        f"estimate of an inference: {sum(e.instructions for e in estimates):,} instructions, "
        f"{sum(e.words for e in estimates):,} words loaded and stored "
        f"(counts of {costs.core} under QEMU, {costs.compiler})"
    )
    if costs.core != costs.stands_for:
        yield f"note: {costs.core} stands for {costs.stands_for}, which no emulator here has"
    guessed = sum(estimate.fit is None for estimate in estimates)
    if guessed:
        yield f"note: {guessed} steps have a kernel that was never measured on {costs.core}"
    if not time:
        yield (
            "no estimate of time: instructions are not cycles, and nothing measured calibrates them"
        )
    yield from time


def _print_narrowings(program: Program) -> None:
    """What was left out because it is the same for every input, or because nothing reads it."""
    table = columns("narrowed", "channels", "weight bytes", "MACs", "tensor")
    for one in program.narrowings:
        total, kept = one.channels
        weights, macs = (f"{a:,} -> {b:,}" for a, b in (one.weight_bytes, one.macs))
        table.add_row(one.kernel.name, f"{kept}/{total}", weights, macs, short_name(one.tensor))
    draw(table)
    before, after = (sum(one.weight_bytes[i] for one in program.narrowings) for i in (0, 1))
    most, least = (sum(one.macs[i] for one in program.narrowings) for i in (0, 1))
    say(
        f"narrowed {len(program.narrowings)} layers: weights {before:,} -> {after:,} bytes, "
        f"MACs {most:,} -> {least:,}"
    )


def shown_path(path: Path) -> str:
    """A path as a person standing here would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _told_folded(folded: Folded | FoldedTensor) -> str:
    if folded.step is None:
        return f"no step writes {short_name(folded.name)}: {folded.why}"
    return f"folded into step {folded.step}: {short_name(folded.name)}"


def say(text: str) -> None:
    """A line on standard output."""
    click.echo(plain(text))


def plain(text: str) -> str:
    """``text`` on one line, with everything escaped that could spoil a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def columns(*titles: str) -> Any:
    """An empty rich table whose cells are shown as :func:`plain` text."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    class PlainTable(Table):
        def add_row(self, *cells: Any, **style: Any) -> None:
            super().add_row(*(plain(str(cell)) for cell in cells), **style)

    table = PlainTable(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def draw(renderable: Any) -> None:
    """Draws a rich table; markup in names stays as it is, and pipes get no colours."""
    from rich.console import Console

    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(
        renderable
    )


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False, default=str))

"""What `inspect` knows of a program: its steps and what they are estimated to take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from edgeserve.identifier import short_name
from edgeserve.postprocess.declaration import told as told_back
from edgeserve.preprocess.declaration import told as told_front
from edgeserve.show.bundle import notes_of, print_declared
from edgeserve.show.console import columns, draw, say
from edgeserve.show.plan import print_bought
from edgeserve.show.verification import told_folded

if TYPE_CHECKING:
    from edgeserve.board import Cpu
    from edgeserve.compilation import Compiled
    from edgeserve.cost.table import Estimate
    from edgeserve.program import Program


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
        "notes": list(notes_of(compiled)),
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
        say(told_folded(folded))
    print_bought(compiled)
    print_declared(compiled.bundle.facts)
    for note in notes_of(compiled):
        say(f"note: {note}")
    say(
        f"{len(program.steps)} steps, {program.macs:,} MACs, "
        f"table {len(compiled.table.data):,} bytes (SHA-256 {compiled.table.sha256[:16]}), "
        f"arena {compiled.plan.arena_bytes:,} bytes"
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

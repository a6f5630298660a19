"""What `plan` made: the arena drawn, what each idea saved, plans for others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeserve.identifier import short_name
from edgeserve.show.console import columns, draw, say, shown_path

if TYPE_CHECKING:
    from edgeserve.arena_map import ArenaMap
    from edgeserve.compilation import Compiled
    from edgeserve.pipeline.plan import Shared, Survey
    from edgeserve.plan.streaming import Objective
    from edgeserve.planfile import PlanRecord
    from edgeserve.stream_plan import StreamPlan
    from edgeserve.tflm import OfflinePlan


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

"""What `bench` measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeserve.identifier import short_name
from edgeserve.show.console import columns, draw, say, shown_path

if TYPE_CHECKING:
    from edgeserve.measurement import Measurement
    from edgeserve.metering.meter import Energy
    from edgeserve.pipeline.device import OpenDevice


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

"""What an inference costs in energy, by what was able to count it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeserve.measurement import latest_of_devices
from edgeserve.metering.meter import Energy, GroupEnergy
from edgeserve.phone.record import why_absent
from edgeserve.phone.record_file import latest_of_setups, told_setup
from edgeserve.report.content import Block, Line, Section, Table, Tone, columns
from edgeserve.report.recorded import Battery, Recorded
from edgeserve.report.wording import told_when


def energy_section(seen: Recorded) -> Section:
    """A row a group of each setup's last measurement; the reason where there is none."""
    blocks: list[Block] = []
    rows: list[tuple[str, ...]] = []
    for setup, energy, why in _readings(seen):
        if energy is None:
            blocks.append(Line(f"{setup}: not measured: {why}.", Tone.QUIET))
            continue
        if len(energy.groups) > 1:
            rows += [_row(setup, energy, group, None) for group in energy.groups]
        rows.append(_row(setup, energy, _all(energy.groups), seen.battery))
    if rows:
        blocks.insert(0, _table(rows))
        if seen.battery is None:
            blocks.append(
                Line(
                    "Inferences a charge need the battery's size: edgeserve report "
                    f"{seen.command_name} --battery MAH --volts V.",
                    Tone.QUIET,
                )
            )
    elif not blocks:
        blocks.append(
            Line(
                f"Not measured: edgeserve bench {seen.command_name} --device PHONE measures it on "
                "a phone, and with --meter on a board.",
                Tone.QUIET,
            )
        )
    return Section("energy", "Energy", tuple(blocks))


def _readings(seen: Recorded) -> Iterator[tuple[str, Energy | None, str]]:
    """Who was measured, what an inference took, and why that is not known. Emulated boards are
    left out: none of their figures is energy.
    """
    for board in latest_of_devices(seen.measurements).values():
        if not board.place.emulated:
            when = told_when(board.recorded_at)
            yield f"{board.place.board}, {when}", board.energy, board.energy_absent
    for phone in latest_of_setups(seen.phones).values():
        setup = f"{told_setup(phone)}, {told_when(phone.recorded_at)}"
        yield setup, phone.energy, why_absent(phone, "energy")


def _row(
    setup: str, energy: Energy, group: GroupEnergy, battery: Battery | None
) -> tuple[str, ...]:
    meter = f"{energy.meter} (coarse)" if energy.coarse else energy.meter
    charge = "" if battery is None else _a_charge(battery, group)
    return (
        setup,
        group.group,
        f"{group.gross_mj:.4g}",
        f"{group.net_mj:.4g}",
        f"{group.plus_minus_mj:.2g}",
        f"{energy.inferences:,} in {energy.load_s:.0f} s",
        charge,
        meter,
    )


def _a_charge(battery: Battery, group: GroupEnergy) -> str:
    """What a charge would give if nothing else took any of it; by the gross energy's interval."""
    least, most = group.gross_mj - group.plus_minus_mj, group.gross_mj + group.plus_minus_mj
    fewest = _rounded(battery.energy_mj / most)
    return (
        f"{fewest} or more" if least <= 0 else f"{fewest} to {_rounded(battery.energy_mj / least)}"
    )


def _rounded(count: float) -> str:
    """To three digits: no battery is known better."""
    return f"{float(f'{count:.3g}'):,.0f}"


def _all(groups: Sequence[GroupEnergy]) -> GroupEnergy:
    """The sum; what the counters' ages may hide adds up."""
    return GroupEnergy(
        " + ".join(group.group for group in groups),
        sum(group.gross_mj for group in groups),
        sum(group.net_mj for group in groups),
        sum(group.plus_minus_mj for group in groups),
    )


def _table(rows: list[tuple[str, ...]]) -> Table:
    titles = (
        "@device",
        "group",
        "#gross mJ",
        "#net mJ",
        "#+- mJ",
        "!counted over",
        "!inferences a charge",
    )
    return Table(columns(*titles, "@meter"), tuple(rows), "energy an inference")

"""What is in an arena, in words: for terminals, pictures and pages alike."""

from __future__ import annotations

from edgeserve.arena_map import ArenaMap, Kind, Resident, Shared, Stretch

_KINDS = {
    Kind.TENSOR: "a whole tensor",
    Kind.RING: "a ring of rows",
    Kind.STATE: "state, kept between inferences",
    Kind.SCRATCH: "scratch of kernels",
    Kind.SUMS: "sums over rows",
    Kind.COUNTERS: "row counters",
}


def told_kind(kind: Kind) -> str:
    """What a kind of resident is."""
    return _KINDS[kind]


def ring_rows(resident: Resident) -> str:
    """How many of its rows a ring holds; nothing for whatever else."""
    if resident.rows is None or resident.kind is not Kind.RING:
        return ""
    return f"{resident.rows[0]} of {resident.rows[1]}"


def told_resident(resident: Resident) -> str:
    """Name, bytes, place and life of a resident, in a line."""
    rows = ring_rows(resident)
    room = f" for {rows} rows" if rows else ""
    return (
        f"{resident.name}: {resident.kind}, {resident.size_bytes:,} bytes{room} "
        f"at {resident.offset_bytes:,}, turns {resident.first} to {resident.end - 1}"
    )


def group_names(stretch: Stretch) -> tuple[str, ...]:
    """What a group is called, from long to short."""
    steps, rows = stretch.group.steps, stretch.group.rows_per_turn
    if not steps:
        return ("input",)
    if len(steps) == 1:
        long, short = f"step {steps[0]}", f"{steps[0]}"
    elif steps == tuple(range(steps[0], steps[-1] + 1)):
        long, short = f"steps {steps[0]} to {steps[-1]}", f"{steps[0]}-{steps[-1]}"
    else:
        long, short = f"steps {', '.join(map(str, steps))}", f"{len(steps)} steps"
    if rows is None:
        return long, short
    return f"{long}, {rows} row{'' if rows == 1 else 's'} a turn", long, short


def told_group(stretch: Stretch) -> str:
    """A group with its turns and the inputs that it is fed."""
    group = stretch.group
    fed = "".join(f", input {port} comes row by row" for port in group.feeds)
    return f"{group_names(stretch)[0]}, turns {stretch.first} to {stretch.end - 1}{fed}"


def told_shared(shared: Shared) -> str:
    """Who writes over whom."""
    return (
        f"{shared.new.name} follows the dead rows of {shared.old.name}: "
        f"{shared.end_bytes - shared.begin_bytes:,} bytes of both"
    )


def told_peak(picture: ArenaMap) -> str:
    """Which turn is the fullest, and how full it is."""
    peak = picture.peak
    return f"fullest: turn {peak.turn}, {peak.used_bytes:,} of {picture.arena_bytes:,} bytes"

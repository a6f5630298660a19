"""Whether a model fits a board: what it needs, where that lies, what is missing, what helps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from edgeserve.banks import Bank
from edgeserve.board import Board, Holds, Region
from edgeserve.identifier import short_name

GUARD_BYTES = 128
"""Around each bank of the arena in a bench image."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Every byte that a model asks of a board. ``source`` says how code and stack were known.

    ``arena_banks`` are the regions, and the bytes of each, of an arena that is planned for them.
    """

    arena_bytes: int
    live_bound_bytes: int
    model_bytes: int
    code_bytes: int
    ram_other_bytes: int
    stack_bytes: int
    source: str
    arena_banks: tuple[tuple[str, int], ...] = ()

    @property
    def flash_bytes(self) -> int:
        return self.code_bytes + self.model_bytes


@dataclass(frozen=True, slots=True)
class Reserve:
    """Memory that the rest of the user's firmware keeps for itself."""

    ram_bytes: int = 0
    flash_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of the user's own, below what the board has."""

    arena_bytes: int | None = None
    flash_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RegionUse:
    """What lies in a region: (what, bytes) in order of size. ``have_bytes`` is what may be used."""

    region: str
    parts: tuple[tuple[str, int], ...]
    have_bytes: int

    @property
    def need_bytes(self) -> int:
        return sum(size_bytes for _, size_bytes in self.parts)

    @property
    def left_bytes(self) -> int:
        """Negative when the region is too small."""
        return self.have_bytes - self.need_bytes


@dataclass(frozen=True, slots=True)
class PeakTensor:
    """A tensor that is alive where the arena is fullest."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """Something that is too big: ``where`` is a region or the name of a budget."""

    where: str
    need_bytes: int
    have_bytes: int

    @property
    def missing_bytes(self) -> int:
        return self.need_bytes - self.have_bytes

    def __str__(self) -> str:
        return (
            f"{self.where}: needs {self.need_bytes:,} bytes, has {self.have_bytes:,}, "
            f"{self.missing_bytes:,} missing"
        )


@dataclass(frozen=True, slots=True)
class OtherPlan:
    """A plan that would make the arena smaller: how to ask for it, what it is, what it needs."""

    options: str
    told: str
    footprint: Footprint


@dataclass(frozen=True, slots=True)
class Fit:
    """The answer for one model and one board. ``plan`` says how the arena came to its size."""

    model: str
    board: str
    footprint: Footprint
    regions: tuple[RegionUse, ...]
    shortages: tuple[Shortage, ...]
    peak_step: str
    peak_tensors: tuple[PeakTensor, ...]
    advice: tuple[str, ...]
    plan: str = ""

    @property
    def fits(self) -> bool:
        return not self.shortages


def place(footprint: Footprint, board: Board, reserve: Reserve) -> tuple[RegionUse, ...]:
    """Puts each part in one region; the least total shortage wins, then the boards' own order.

    Every assignment is tried: there are at most a few hundred.
    """
    claims = tuple(_claims(footprint, board, reserve))
    labels = [claim.label for claim in claims]
    sizes = [claim.size_bytes for claim in claims]
    choices = (claim.regions for claim in claims)
    best = min(product(*choices), key=lambda regions: _overflow(regions, sizes))
    return tuple(
        RegionUse(
            region=region.name,
            parts=tuple(
                sorted(
                    (
                        (label, size)
                        for label, size, where in zip(labels, sizes, best, strict=True)
                        if where is region and size
                    ),
                    key=lambda part: -part[1],
                )
            ),
            have_bytes=region.free_bytes,
        )
        for region in board.regions
    )


@dataclass(frozen=True, slots=True)
class _Claim:
    """A part that must be placed, and the regions that it may go to."""

    label: str
    size_bytes: int
    regions: tuple[Region, ...]


def _claims(footprint: Footprint, board: Board, reserve: Reserve) -> Iterator[_Claim]:
    """In the order of their claims to the preferred regions; banks of the arena have theirs."""
    planned = dict(footprint.arena_banks)
    for region in board.holding(Holds.ARENA):
        if region.name in planned:
            yield _Claim("arena", planned[region.name], (region,))
    rest = () if planned else (("arena", Holds.ARENA, footprint.arena_bytes),)
    for label, what, size_bytes in (
        *rest,
        ("stack", Holds.STACK, footprint.stack_bytes),
        ("data", Holds.DATA, footprint.ram_other_bytes),
        ("code", Holds.CODE, footprint.code_bytes),
        ("model", Holds.MODEL, footprint.model_bytes),
        ("RAM reserve", Holds.DATA, reserve.ram_bytes),
        ("flash reserve", Holds.CODE, reserve.flash_bytes),
    ):
        yield _Claim(label, size_bytes, board.holding(what))


def arena_banks(beside: Footprint, board: Board, reserve: Reserve) -> tuple[Bank, ...]:
    """What each region has left for an arena, in the board's order.

    ``beside`` is a footprint without arena. The guards that a bench image puts around each bank
    are taken off.
    """
    left = {use.region: use.left_bytes for use in place(beside, board, reserve)}
    return tuple(
        Bank(
            name=region.name,
            capacity_bytes=max(0, left[region.name] - GUARD_BYTES),
            access_cost=region.access_cost,
            alignment_bytes=region.alignment_bytes,
        )
        for region in board.holding(Holds.ARENA)
    )


def _overflow(regions: Sequence[Region], sizes: Sequence[int]) -> int:
    used: dict[str, int] = {}
    for region, size_bytes in zip(regions, sizes, strict=True):
        used[region.name] = used.get(region.name, 0) + size_bytes
    free = {region.name: region.free_bytes for region in regions}
    return sum(max(0, size_bytes - free[name]) for name, size_bytes in used.items())


def check_fit(
    *,
    model: str,
    footprint: Footprint,
    board: Board,
    peak_step: str,
    peak_tensors: tuple[PeakTensor, ...],
    reserve: Reserve = Reserve(),
    budget: Budget = Budget(),
    other_boards: Sequence[Board] = (),
    other_plans: Callable[[], Iterable[OtherPlan]] = tuple,
    banks: Sequence[Bank] = (),
    plan: str = "",
) -> Fit:
    """Holds a footprint against a board and a budget.

    As advice, where it does not fit: ``other_boards`` that would do, and ``other_plans``, which are
    asked for where the arena is too large. ``banks`` are those that no split of it has fitted.
    """
    regions = place(footprint, board, reserve)
    shortages = [
        Shortage(f"region {use.region}", use.need_bytes, use.have_bytes)
        for use in regions
        if use.left_bytes < 0
    ]
    for where, need_bytes, limit_bytes in (
        ("arena budget", footprint.arena_bytes, budget.arena_bytes),
        ("flash budget", footprint.flash_bytes, budget.flash_bytes),
    ):
        if limit_bytes is not None and need_bytes > limit_bytes:
            shortages.append(Shortage(where, need_bytes, limit_bytes))
    return Fit(
        model=model,
        board=board.id,
        footprint=footprint,
        regions=regions,
        shortages=tuple(shortages),
        peak_step=peak_step,
        peak_tensors=peak_tensors,
        advice=(
            *_split_advice(footprint, regions, shortages, peak_tensors, banks),
            *_plan_advice(regions, shortages, board, reserve, budget, other_plans),
            *_advice(footprint, regions, shortages, peak_step, peak_tensors, reserve, other_boards),
        ),
        plan=plan,
    )


def _arena_is_short(regions: Sequence[RegionUse], shortages: Sequence[Shortage]) -> bool:
    short = {part for use in regions if use.left_bytes < 0 for part, _ in use.parts}
    return "arena" in short or any(s.where == "arena budget" for s in shortages)


def _split_advice(
    footprint: Footprint,
    regions: Sequence[RegionUse],
    shortages: Sequence[Shortage],
    peak_tensors: Sequence[PeakTensor],
    banks: Sequence[Bank],
) -> Iterator[str]:
    """Why an arena that fits no region is not split among several."""
    if len(banks) < 2 or footprint.arena_banks or not _arena_is_short(regions, shortages):
        return
    rooms = " and ".join(f"{bank.name} ({bank.capacity_bytes:,} free)" for bank in banks)
    largest = max(peak_tensors, key=lambda tensor: tensor.size_bytes, default=None)
    most = max(bank.capacity_bytes for bank in banks)
    if largest is not None and largest.size_bytes > most:
        why = f"{largest.name!r} alone takes {largest.size_bytes:,}, and no tensor lies in two"
    elif footprint.arena_bytes > sum(bank.capacity_bytes for bank in banks):
        why = f"it needs {footprint.arena_bytes:,}"
    else:
        why = "no way to split it was found"
    yield f"nor does the arena fit {rooms} together: {why}"


def _plan_advice(
    regions: Sequence[RegionUse],
    shortages: Sequence[Shortage],
    board: Board,
    reserve: Reserve,
    budget: Budget,
    other_plans: Callable[[], Iterable[OtherPlan]],
) -> Iterator[str]:
    """The other plans up to the first with which the arena fits."""
    if not _arena_is_short(regions, shortages):
        return
    for other in other_plans():
        need_bytes = other.footprint.arena_bytes
        limit_bytes = budget.arena_bytes if budget.arena_bytes is not None else need_bytes
        fits = need_bytes <= limit_bytes and not _arena_is_short(
            place(other.footprint, board, reserve), ()
        )
        verdict = "which fits" if fits else "which does not fit either"
        yield f"{other.options} needs an arena of {need_bytes:,}, {verdict} ({other.told})"
        if fits:
            return


def _advice(
    footprint: Footprint,
    regions: Sequence[RegionUse],
    shortages: Sequence[Shortage],
    peak_step: str,
    peak_tensors: Sequence[PeakTensor],
    reserve: Reserve,
    other_boards: Sequence[Board],
) -> tuple[str, ...]:
    if not shortages:
        return ()
    advice = []
    short = {part for use in regions if use.left_bytes < 0 for part, _ in use.parts}
    if _arena_is_short(regions, shortages):
        names = " and ".join(f"{short_name(t.name)!r} ({t.size_bytes:,})" for t in peak_tensors[:3])
        advice.append(
            f"the arena is fullest in {short_name(peak_step)!r}, where {names} are alive "
            "together: a smaller input, or fewer channels there, shrinks it in proportion"
        )
    if "model" in short or any(s.where == "flash budget" for s in shortages):
        advice.append(
            f"{footprint.model_bytes:,} bytes of flash are weights and tables: a narrower model, "
            "or fewer layers, shrinks them"
        )
    if reserve.ram_bytes or reserve.flash_bytes:
        advice.append(
            f"a reserve of {reserve.ram_bytes:,} bytes of RAM and {reserve.flash_bytes:,} of "
            "flash is counted in"
        )
    if any(use.left_bytes < 0 for use in regions):
        advice.append(_board_advice(footprint, reserve, other_boards))
    return tuple(advice)


def _board_advice(footprint: Footprint, reserve: Reserve, boards: Sequence[Board]) -> str:
    """Boards with room for the arena in one piece: what its banks are here says nothing there."""
    whole = replace(footprint, arena_banks=())
    fitting = [
        board.id
        for board in boards
        if all(use.left_bytes >= 0 for use in place(whole, board, reserve))
    ]
    if not fitting:
        return "no board that edgeserve knows has room"
    return f"it would fit {', '.join(fitting)}"

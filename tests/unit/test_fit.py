"""Whether a model fits: placement against brute force, shortages, and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeserve.banks import Bank
from edgeserve.board import Board, Cpu, Holds, Kind, Region, load_board
from edgeserve.fit import (
    GUARD_BYTES,
    Budget,
    Fit,
    Footprint,
    PeakTensor,
    RegionUse,
    Reserve,
    Shortage,
    arena_banks,
    check_fit,
    place,
)
from tests.unit.fits import footprint, made_fit

PARTS = ("arena", "stack", "data", "code", "model")


def board_of(regions: Sequence[Region]) -> Board:
    cpu = Cpu("cortex-m7", ("ref",), None)
    return Board("b", "b", Kind.PHYSICAL, cpu, tuple(regions), None, None, None)


def region(name: str, size_bytes: int, *holds: Holds, reserved_bytes: int = 0) -> Region:
    return Region(name, 0, size_bytes, holds, reserved_bytes, "", "a test")


@st.composite
def boards(draw: st.DrawFn) -> Board:
    """Up to four regions that together hold everything."""
    count = draw(st.integers(1, 4))
    holds: list[set[Holds]] = [
        draw(st.sets(st.sampled_from(list(Holds)), max_size=5)) for _ in range(count)
    ]
    for what in Holds:
        if not any(what in held for held in holds):
            holds[draw(st.integers(0, count - 1))].add(what)
    return board_of(
        [region(f"r{i}", draw(st.integers(0, 60)), *sorted(held)) for i, held in enumerate(holds)]
    )


def every_shortage(parts: dict[Holds, list[int]], board: Board) -> Iterator[int]:
    """The missing bytes of every assignment, told the long way."""
    pieces = [(what, size) for what, sizes in parts.items() for size in sizes]
    for choice in product(range(len(board.regions)), repeat=len(pieces)):
        chosen = list(zip(pieces, choice, strict=True))
        if any(what not in board.regions[i].holds for (what, _), i in chosen):
            continue
        missing = 0
        for i, place_ in enumerate(board.regions):
            used = sum(size for (_, size), at in chosen if at == i)
            missing += max(0, used - (place_.size_bytes - place_.reserved_bytes))
        yield missing


@given(boards(), st.lists(st.integers(0, 50), min_size=7, max_size=7))
def test_placement_is_the_best_there_is(board: Board, sizes: list[int]) -> None:
    arena, stack, data, code, model, ram, flash = sizes
    needs = Footprint(arena, arena, model, code, data, stack, "")
    uses = place(needs, board, Reserve(ram, flash))
    parts = {
        Holds.ARENA: [arena],
        Holds.STACK: [stack],
        Holds.DATA: [data, ram],
        Holds.CODE: [code, flash],
        Holds.MODEL: [model],
    }
    missing = sum(max(0, -use.left_bytes) for use in uses)
    assert missing == min(every_shortage(parts, board))
    placed = sorted(size for use in uses for _, size in use.parts)
    assert placed == sorted(size for size in sizes if size)
    for use, place_ in zip(uses, board.regions, strict=True):
        assert use.region == place_.name
        assert [size for _, size in use.parts] == sorted((s for _, s in use.parts), reverse=True)
        for what, _ in use.parts:
            held = {"RAM reserve": "data", "flash reserve": "code"}.get(what, what)
            assert held in place_.holds


def test_first_region_is_preferred_and_others_help() -> None:
    board = board_of(
        [
            region("flash", 1000, Holds.CODE, Holds.MODEL),
            region("big", 100, Holds.ARENA),
            region("small", 60, Holds.ARENA, Holds.DATA, Holds.STACK),
        ]
    )
    fits = Footprint(50, 50, 1, 1, 1, 1, "")
    assert [use.left_bytes for use in place(fits, board, Reserve())] == [998, 50, 58]
    tight = board_of([board.regions[0], region("big", 40, Holds.ARENA), board.regions[2]])
    assert [use.left_bytes for use in place(fits, tight, Reserve())] == [998, 40, 8]


def test_reserved_bytes_are_not_free() -> None:
    holds = tuple(Holds)
    board = board_of([region("all", 100, *holds, reserved_bytes=30)])
    (use,) = place(Footprint(50, 50, 10, 5, 4, 2, ""), board, Reserve())
    assert use == RegionUse(
        "all", (("arena", 50), ("model", 10), ("code", 5), ("data", 4), ("stack", 2)), 70
    )
    assert use.left_bytes == -1


BANKS = (Bank("one", 12_000), Bank("two", 9_000))


def two_regions(one: int, two: int) -> Board:
    """Flash for everything, and two regions of which the second holds data and stack too."""
    return board_of(
        [
            region("flash", 1 << 20, Holds.CODE, Holds.MODEL),
            region("one", one, Holds.ARENA),
            region("two", two, Holds.ARENA, Holds.DATA, Holds.STACK),
        ]
    )


def split_fit(footprint: Footprint, board: Board, *tensors: PeakTensor) -> Fit:
    return check_fit(
        model="m",
        footprint=footprint,
        board=board,
        peak_step="conv1",
        peak_tensors=tensors or (PeakTensor("a", 8_000),),
        banks=BANKS,
    )


def test_an_arena_that_is_split_fits_and_is_shown_in_both_regions() -> None:
    board = two_regions(12_128, 10_000)
    split = replace(footprint(), arena_banks=(("one", 12_000), ("two", 8_000)))
    fit = split_fit(split, board)
    assert fit.fits
    assert [(use.region, use.parts) for use in fit.regions[1:]] == [
        ("one", (("arena", 12_000),)),
        ("two", (("arena", 8_000), ("stack", 800), ("data", 24))),
    ]
    assert sum(use.need_bytes for use in fit.regions) == 78_824


@pytest.mark.parametrize(
    ("arena_bytes", "largest", "why"),
    [
        (20_000, 12_001, "'t' alone takes 12,001, and no tensor lies in two"),
        (30_000, 9_000, "it needs 30,000"),
        (20_000, 9_000, "no way to split it was found"),
    ],
)
def test_why_an_arena_is_not_split(arena_bytes: int, largest: int, why: str) -> None:
    fit = split_fit(
        footprint(arena_bytes=arena_bytes), two_regions(12_128, 10_000), PeakTensor("t", largest)
    )
    assert not fit.fits
    assert fit.advice[0] == (
        f"nor does the arena fit one (12,000 free) and two (9,000 free) together: {why}"
    )


def test_banks_are_what_is_left_beside_the_rest() -> None:
    """Stack, data and the reserve lie in the only region that holds data; guards come off both."""
    beside = replace(footprint(), arena_bytes=0)
    banks = arena_banks(beside, two_regions(12_128, 10_000), Reserve(ram_bytes=48))
    assert banks == (Bank("one", 12_000), Bank("two", 10_000 - 800 - 24 - 48 - GUARD_BYTES))


def test_the_banks_of_one_board_say_nothing_about_another() -> None:
    split = replace(footprint(), arena_banks=(("one", 12_000), ("two", 8_000)))
    full = replace(split, model_bytes=1 << 20)
    fit = check_fit(
        model="m",
        footprint=full,
        board=two_regions(12_128, 10_000),
        peak_step="s",
        peak_tensors=(),
        other_boards=[two_regions(19_000, 19_000), load_board("mps2-an500")],
    )
    assert fit.advice[-1] == "it would fit mps2-an500"


def test_exactly_full_fits_and_one_byte_more_does_not() -> None:
    board = load_board("nano33ble")
    (flash,) = board.holding(Holds.CODE)
    full = flash.free_bytes - footprint().code_bytes
    assert made_fit(board="nano33ble", model_bytes=full).fits
    fit = made_fit(board="nano33ble", model_bytes=full + 1)
    assert fit.shortages == (Shortage("region flash", flash.free_bytes + 1, flash.free_bytes),)
    assert fit.shortages[0].missing_bytes == 1
    assert str(fit.shortages[0]) == "region flash: needs 983,041 bytes, has 983,040, 1 missing"


def check(
    budget: Budget | None = None, reserve: Reserve | None = None, others: Sequence[str] = ()
) -> Fit:
    return check_fit(
        model="m",
        footprint=footprint(),
        board=load_board("nano33ble"),
        peak_step="conv1",
        peak_tensors=(PeakTensor("a", 12_000), PeakTensor("b", 7_984)),
        budget=budget or Budget(),
        reserve=reserve or Reserve(),
        other_boards=[load_board(name) for name in others],
    )


@pytest.mark.parametrize("below", [0, 1])
def test_budgets(below: int) -> None:
    fit = check(Budget(20_000 - below, 58_000 - below))
    assert fit.fits == (not below)
    if below:
        assert [s.where for s in fit.shortages] == ["arena budget", "flash budget"]
        assert [s.missing_bytes for s in fit.shortages] == [1, 1]


def test_reserve_counts() -> None:
    free = load_board("nano33ble").holding(Holds.DATA)[0].free_bytes
    left = free - 20_000 - 800 - 24
    assert check(reserve=Reserve(ram_bytes=left)).fits
    fit = check(reserve=Reserve(ram_bytes=left + 1))
    assert not fit.fits
    assert any("reserve" in line for line in fit.advice)


def test_advice_names_the_peak_and_boards_that_fit() -> None:
    assert check(others=["mps2-an500"]).advice == ()
    fit = check(Budget(arena_bytes=1), others=["mps2-an500", "teensy41"])
    told = " ".join(fit.advice)
    assert "'conv1'" in told
    assert "'a' (12,000) and 'b' (7,984)" in told
    assert "would fit" not in told, "another board does not help against a budget"


def test_advice_when_nothing_is_big_enough() -> None:
    fit = made_fit(model_bytes=30_000_000)
    assert not fit.fits
    assert "no board that edgeserve knows has room" in fit.advice
    fit = made_fit(model_bytes=3_000_000)
    assert "it would fit mps2-an500" in fit.advice
    assert any("3,000,000 bytes of flash" in line for line in fit.advice)


def test_every_board_holds_a_small_model() -> None:
    for name in ("host", "mps2-an500", "esp32dev", "esp32s3", "teensy41", "stm32f746g_disco"):
        fit = made_fit(board=name)
        assert fit.fits, fit.shortages
        assert sum(use.need_bytes for use in fit.regions) == 78_824

"""Models whose arena lies in two memories, on the host and on the emulated board that has two."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeserve.banks import Bank, Pin
from edgeserve.board import Holds, load_board
from edgeserve.checkfile import Growth, ModelEntry
from edgeserve.device.answers import DeviceBank
from edgeserve.device.start import start_image
from edgeserve.errors import ConfigError, DoesNotFit, ToolFailed
from edgeserve.firmware.build import build, run_tool
from edgeserve.firmware.project import ImageKind
from edgeserve.fit import Budget, Fit, Reserve
from edgeserve.measurement import read_measurements
from edgeserve.pipeline.bench import bench
from edgeserve.pipeline.check import check
from edgeserve.pipeline.fit import fit as fit_of
from edgeserve.pipeline.plan import plan as plan_model
from edgeserve.pipeline.verify import verify as verify_model
from edgeserve.plan.streaming import Method, feedable, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.planfile import Wish, read_record
from edgeserve.program import Program
from edgeserve.stimulus import random_stimuli
from edgeserve.stream_plan import StreamPlan
from edgeserve.verify import verify
from tests.e2e.bench_images import BenchImage, build_image, with_memory
from tests.kernels.random_models import random_model
from tests.tflite_builder import ModelBuilder
from tests.tools import need_board_tools, need_programs

BOARD = "mps2-an500-banks"
FAST, SLOW = range(0x20380000, 0x203A0000), range(0x60000000, 0x60080000)
NO_RESERVE = Reserve()
SEED = 18
"""Of a random model that streams eight values, has two fed inputs and takes sums."""


def turned(h: int, w: int, c: int) -> bytes:
    """An image turned on its side, and averaged: two of it must be there at once."""
    b = ModelBuilder()

    def tensor(name: str, *shape: int) -> int:
        return b.tensor(name, shape, "int8", scale=0.05, zero_point=-3)

    order = b.tensor("order", (4,), "int32", data=np.array([0, 2, 1, 3]))
    axes = b.tensor("axes", (2,), "int32", data=np.array([1, 2]))
    x, y = tensor("image", 1, h, w, c), tensor("y", 1, c)
    side = tensor("side;merged", 1, w, h, c)
    b.op("TRANSPOSE", [x, order], [side])
    b.op("MEAN", [side, axes], [y], {"keepDims": False})
    return b.finish([x], [side, y])


LARGE = turned(160, 40, 16)
"""Two tensors of 102,400 bytes: more than the fast bank, less than both."""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.tflite"
    path.write_bytes(LARGE)
    return path


def in_banks(first_share: float) -> Callable[[Program], StreamPlan]:
    """Fed by rows in the board's regions, of which the fast one is short of the whole arena."""

    def plan(program: Program) -> StreamPlan:
        method = Method(feeds=feedable(program), node_budget=2_000)
        whole = plan_stream(program, method)
        share = int(whole.arena_bytes * first_share) // 16 * 16
        banks = (Bank("slow", 1 << 19, 4), Bank("fast", share, 1))
        found = plan_stream(program, replace(method, banks=banks))
        assert [bank.name for bank in found.banks] == ["fast", "slow"]
        check_stream_plan(program, found)
        return found

    return plan


def verify_image(built: BenchImage) -> None:
    """Every step equals the oracle, and no more of each bank is written than planned."""
    dut = built.start()
    try:
        stimuli = random_stimuli(built.program, 4)
        found = verify(built.program, built.table, built.model, dut, stimuli)
        assert found.first_difference is None
        info, marks = dut.info(), dut.memory()
        planned = tuple(DeviceBank(bank.name, bank.size_bytes) for bank in built.table.banks)
        assert info.banks == planned
        assert marks.guards_intact
        assert len(marks.bank_bytes) == 2
        for bank, touched in zip(info.banks, marks.bank_bytes, strict=True):
            assert bank.size_bytes - 16 < touched <= bank.size_bytes
        assert marks.arena_bytes == sum(marks.bank_bytes)
        assert info.arena_bytes == sum(bank.size_bytes for bank in info.banks)
    finally:
        dut.close()


def symbols(built: BenchImage) -> dict[str, int]:
    lines = run_tool(("arm-none-eabi-nm", str(built.image.elf)), cwd=Path("/")).splitlines()
    return {line.split()[2]: int(line.split()[0], 16) for line in lines if len(line.split()) == 3}


@pytest.mark.parametrize("board", ["host", BOARD])
def test_a_streamed_model_in_two_banks(board: str, tmp_path: Path) -> None:
    built = build_image(random_model(SEED), board, tmp_path, plan=in_banks(0.6))
    verify_image(built)
    assert built.image.arena_bytes == built.table.arena_bytes
    if board == BOARD:
        at = symbols(built)
        assert at["bank_0"] in FAST
        assert at["bank_1"] in SLOW


@pytest.mark.parametrize("board", ["host", BOARD])
def test_state_in_a_bank_of_its_own(board: str, tmp_path: Path) -> None:
    """It is reset, kept between inferences, and read from there."""

    def plan(program: Program) -> StreamPlan:
        banks = (Bank("fast", 1 << 16), Bank("slow", 1 << 16, 4))
        state = next(value.name for value in program.values if value.role.value == "state")
        return plan_stream(program, Method(banks=banks, pins=(Pin(state, "slow"),)))

    verify_image(build_image(with_memory(), board, tmp_path, plan=plan))


@pytest.mark.parametrize("board", ["host", BOARD])
def test_the_users_application_in_two_banks(board: str, tmp_path: Path) -> None:
    """The template serves any number of banks, and edgeserve's own build and plain make agree."""
    built = build_image(random_model(SEED), board, tmp_path, plan=in_banks(0.6))
    app = build(tmp_path / board, kind=ImageKind.APP)
    assert app.arena_bytes == built.table.arena_bytes
    link = start_image(built.board, app)
    try:
        assert link.read_line(time.monotonic() + 30).startswith("largest output: ")
    finally:
        link.close()
    run_tool(("make", "-s", "-C", str(tmp_path / board)), cwd=tmp_path)


def test_a_bank_that_is_larger_than_its_region_does_not_link(tmp_path: Path) -> None:
    need_programs("arm-none-eabi-gcc", "qemu-system-arm")

    def plan(program: Program) -> StreamPlan:
        banks = (Bank("fast", 1 << 20), Bank("slow", 1 << 20, 4))
        return plan_stream(program, Method(banks=banks, pins=(Pin("image", "slow"),)))

    with pytest.raises(ToolFailed, match="will not fit in region `fast"):
        build_image(turned(128, 320, 16), BOARD, tmp_path, plan=plan)


def checked(model: Path, board: str = BOARD, reserve: Reserve = NO_RESERVE) -> Fit:
    (fit,) = check(
        [ModelEntry(model, "model", (board,), Budget())],
        reserve=reserve,
        baseline=None,
        growth=Growth(),
    )
    return fit


def test_what_fits_neither_memory_alone_is_split(large: Path) -> None:
    """`check` says so, and how."""
    fit = checked(large)
    assert fit.fits
    arena = {use.region: size for use in fit.regions for what, size in use.parts if what == "arena"}
    assert set(arena) == {"fast", "slow"}
    assert sum(arena.values()) == fit.footprint.arena_bytes > (1 << 17)
    assert "the arena is split: " in fit.plan


def test_a_reserve_is_kept_free_of_banks(large: Path) -> None:
    """A reserve that leaves DTCM too little for either tensor: both go to the other memory."""
    fits = [checked(large, "nucleo_h743zi2", Reserve(ram_bytes=ram)) for ram in (0, 40_000)]
    assert [fit.fits for fit in fits] == [True, True]
    dtcm = [dict(fit.footprint.arena_banks).get("dtcm", 0) for fit in fits]
    assert dtcm[0] >= 102_400 > dtcm[1]


def test_bench_and_verify_on_two_memories(large: Path) -> None:
    """The whole way: planned for the board, built, run, measured, recorded, planned again alike."""
    need_board_tools(load_board(BOARD))
    target, measurement = bench(large, BOARD, board=None, laps=2, warmup=1, seed=7)
    assert target.compiled.plan.arena_bytes > len(FAST)
    banks = measurement.memory.banks
    assert [bank.name for bank in banks] == ["fast", "slow"]
    assert [bank.size_bytes for bank in banks] == [
        bank.size_bytes for bank in target.compiled.plan.banks
    ]
    assert all(b.size_bytes - 16 < b.high_water_bytes <= b.size_bytes for b in banks)
    bundle = target.compiled.bundle
    assert read_measurements(bundle.measurements_path)[-1] == measurement
    record = read_record(bundle.board_dir(BOARD) / "plan.json")
    assert record is not None
    assert record.banks == target.compiled.plan.banks
    again, verification = verify_model(large, BOARD, board=None, inputs=2)
    assert verification.equal
    assert again.compiled.plan == target.compiled.plan


def test_a_pinned_tensor_lies_where_it_is_pinned(large: Path) -> None:
    """The first of its merged names will do."""
    need_board_tools(load_board(BOARD))
    wish = Wish(pins=(Pin("side", "slow"),))
    target, verification = verify_model(large, BOARD, board=None, inputs=2, wish=wish)
    assert verification.equal
    plan, program = target.compiled.plan, target.compiled.program
    (side,) = (
        place
        for value, place in zip(program.values, plan.places, strict=True)
        if value.name.startswith("side")
    )
    assert side is not None
    assert plan.banks[plan.bank_at(side.offset_bytes)].name == "slow"


@pytest.mark.parametrize(
    ("pin", "said"),
    [
        (Pin("nothing", "slow"), "the arena has no tensor of that name"),
        (Pin("order", "slow"), "the arena has no tensor of that name"),
        (Pin("image", "dtcm"), "there is no bank 'dtcm'"),
    ],
)
def test_pins_that_mean_nothing(large: Path, pin: Pin, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        plan_model(large, load_board(BOARD), Wish(pins=(pin,)))
    assert "\n" not in caught.value.what
    assert caught.value.hint


def test_pins_that_do_not_fit(large: Path) -> None:
    wish = Wish(pins=(Pin("image", "fast"), Pin("side", "fast")))
    with pytest.raises(DoesNotFit, match="what is pinned does not fit bank 'fast': needs 204,"):
        plan_model(large, load_board(BOARD), wish)


def shrunk(side: int) -> bytes:
    """A square image of which every fourth pixel of every fourth row is kept."""
    b = ModelBuilder()
    x = b.tensor("image", (1, side, side, 3), "int8", scale=0.05, zero_point=0)
    y = b.tensor("y", (1, side // 4, side // 4, 3), "int8", scale=0.05, zero_point=0)
    window = {"strideH": 4, "strideW": 4, "filterHeight": 1, "filterWidth": 1}
    b.op("MAX_POOL_2D", [x], [y], {**window, "padding": "VALID"})
    return b.finish([x], [y])


def test_nothing_fits_and_what_would(tmp_path: Path) -> None:
    """The image alone takes 786,432 bytes, which no memory of the board has."""
    path = tmp_path / "huge.tflite"
    path.write_bytes(shrunk(512))
    fit = checked(path)
    assert not fit.fits
    (shortage,) = fit.shortages
    assert shortage.where == "region slow"
    assert shortage.need_bytes == fit.footprint.arena_bytes >= 786_432
    assert fit.peak_tensors[0].name == "image"
    why, trade = fit.advice[:2]
    assert why.startswith("nor does the arena fit fast (")
    assert why.endswith(": 'image' alone takes 786,432, and no tensor lies in two")
    assert trade.startswith("--objective balanced --by-rows needs an arena of ")
    assert ", which fits (" in trade
    assert fit.advice[-1] == "it would fit ek_ra8d1, esp32wrover, nucleo_h7a3zi_q"


@pytest.mark.parametrize("board", ["esp32dev", "esp32wrover", "nucleo_h743zi2", "teensy41"])
def test_boards_with_several_memories_split(board: str, tmp_path: Path) -> None:
    """A model that is a little too large for the board's cheapest memory."""
    kind = load_board(board)
    regions = sorted(kind.holding(Holds.ARENA), key=lambda region: region.access_cost)
    assert len(regions) > 1
    rows = int(regions[0].free_bytes * 0.7) // (40 * 16)
    path = tmp_path / "model.tflite"
    path.write_bytes(turned(rows, 40, 16))
    compiled = plan_model(path, kind)
    assert fit_of(compiled).fits
    check_stream_plan(compiled.program, compiled.plan)
    assert len(compiled.plan.banks) == 2
    assert compiled.plan.banks[0].name == regions[0].name

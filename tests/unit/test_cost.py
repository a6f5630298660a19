"""Estimates by the table of costs: its arithmetic, its errors, and that no kernel is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.sizes import BOARDS
from edgeserve.board import board_ids, load_board
from edgeserve.cost.features import FEATURES
from edgeserve.cost.pairs import _tiles
from edgeserve.cost.table import THOUSAND, Costs, Fit, KernelCost, costs_of
from edgeserve.cost.work import Turn
from edgeserve.errors import ConfigError
from edgeserve.kernels.record import KernelId
from edgeserve.kernels.table import KERNELS
from edgeserve.lower import lower
from edgeserve.program import Step
from edgeserve.tflite.reader import read_model
from edgeserve.tune import forms, tuned
from tests.kernels.float_models import float_models
from tests.kernels.small_models import many_sums, small_models
from tests.kernels.test_convolution import Case, conv2d
from tests.kernels.wide_models import wide_models

MEDIAN_LIMIT = 100
"""In thousandths, on shapes that the fit has not seen."""

LAYER = Case(16, 16, 16, 16, least_weight=-127)


def _layer() -> Step:
    (step,) = lower(read_model(conv2d(LAYER), name="layer")).steps
    return step


def _chosen_on(core: str) -> Iterator[KernelId]:
    """Every kernel that a model may have there, by the small model of each operator."""
    isa = load_board(BOARDS[core]).cpu.isa
    models = {**small_models(), **wide_models(), **float_models(), "sums": many_sums()}
    for name, model in models.items():
        program = lower(read_model(model, name=name))
        for step in program.steps:
            yield from (form.kernel for form in (step, *forms(program, step, isa)))


@pytest.mark.parametrize("core", BOARDS)
def test_every_kernel_that_may_be_chosen_has_its_costs(core: str) -> None:
    measured = costs_of(core).kernels
    source = {kind.KERNEL: kind.SOURCE for kind in KERNELS}
    chosen = set(_chosen_on(core))
    assert len(chosen) > 20
    missing = {kernel for kernel in chosen if source[kernel] not in measured}
    assert not missing, f"measure them: make bench-kernels ({missing})"


def test_every_kernel_has_features() -> None:
    assert {kind.KERNEL for kind in FEATURES} == {kind.KERNEL for kind in KERNELS}


@pytest.mark.parametrize("core", BOARDS)
def test_estimates_hold_on_shapes_that_were_held_out(core: str) -> None:
    for name, cost in costs_of(core).kernels.items():
        assert cost.held_out > 0, name
        for fit in (cost.instructions, cost.words):
            assert 0 <= fit.median_error <= fit.worst_error, name
            assert fit.median_error <= MEDIAN_LIMIT, f"{name}: {fit.median_error / 10} %"


def test_an_estimate_is_the_sum_of_its_work() -> None:
    fit = Fit({"turn": 2_500, "tap": 333}, 0, 0)
    assert fit.of({"turn": 2, "tap": 10, "never measured": 99}) == (5_000 + 3_330) // THOUSAND


def test_coefficients_are_of_known_features() -> None:
    """A feature that was renamed would cost nothing, and nobody would see it."""
    costs = costs_of("cortex-m7")
    for case in (LAYER, replace(LAYER, kernel=(1, 1)), replace(LAYER, out_c=3, groups=1)):
        program = lower(read_model(conv2d(case), name="layer"))
        (step,) = program.steps
        for form in (step, *forms(program, step, ("dsp", "ref"))):
            work = FEATURES[type(form.params)](Turn(form, step.output.h, step.output.h))
            known = costs.kernels[type(form.params).SOURCE].instructions.coefficients
            assert set(known) & set(work) > {"turn"}


def test_turns_cost_more_than_a_whole_layer_and_add_up() -> None:
    costs, step = costs_of("cortex-m3"), _layer()
    whole = costs.turns(step, (16,))
    single = costs.turns(step, (1,) * 16)
    assert whole == costs.whole(step)
    assert single.instructions == 16 * costs.turn(step, 1, 16)
    assert whole.instructions < single.instructions < 1.1 * whole.instructions


def test_a_kernel_that_was_never_measured_is_a_rough_guess_and_says_so() -> None:
    known, step = costs_of("cortex-m7"), _layer()
    costs = Costs("cortex-m7", "cortex-m7", known.compiler, {})
    assert costs.whole(step).fit is None
    assert costs.whole(step).instructions > step.macs
    assert not costs.knows(step)
    assert known.knows(step)


def test_every_board_has_a_core_of_known_costs() -> None:
    for board in board_ids():
        costs = costs_of(load_board(board).cpu.core)
        assert costs.stands_for == load_board(board).cpu.core
        assert costs.core in BOARDS


def test_an_unknown_core_is_refused() -> None:
    with pytest.raises(ConfigError, match="no costs of kernels are known for core 'z80'"):
        costs_of("z80")


def test_the_faster_kernel_is_taken() -> None:
    program = lower(read_model(conv2d(LAYER), name="layer"))
    costs, isa = costs_of("cortex-m7"), ("dsp", "ref")
    (pairs,) = tuned(program, isa, costs=costs).steps
    assert pairs.kernel is KernelId.CONV_PAIRS
    slow = _with(costs, "conv_pairs", 1_000 * THOUSAND)
    assert tuned(program, isa, costs=slow) == program
    unknown = replace(costs, kernels={"conv2d": costs.kernels["conv2d"]})
    assert tuned(program, isa, costs=unknown).steps == (pairs,)


def _with(costs: Costs, name: str, tap_cost: int) -> Costs:
    """A table in which the work of a kernel is dear."""
    old = costs.kernels[name]
    dear = Fit({**old.instructions.coefficients, "quad of 3": tap_cost}, 0, 0)
    changed = KernelCost(old.samples, old.held_out, dear, old.words)
    return replace(costs, kernels={**costs.kernels, name: changed})


@pytest.mark.parametrize(
    ("walk", "plain", "mixed"),
    [
        ((9, 0, 9, 1, 3), 3, (0, 0, 0)),
        ((10, 0, 10, 2, 3), 5, (0, 1, 1)),
        ((8, 1, 7, 2, 3), 3, (1, 0, 2)),
        ((5, 0, 0, 2, 3), 0, (1, 0, 3)),
        ((5, 0, 5, 1, 2), 0, (1, 2, 0)),
    ],
)
def test_pixels_fall_into_tiles_as_the_kernel_walks(
    walk: tuple[int, int, int, int, int], plain: int, mixed: tuple[int, int, int]
) -> None:
    tiles = _tiles(*walk)
    width, _, _, rows, _ = walk
    assert (tiles.plain, tiles.mixed) == (plain, mixed)
    assert 3 * tiles.plain + sum((i + 1) * n for i, n in enumerate(tiles.mixed)) == width * rows

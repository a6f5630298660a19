"""The factor from instructions to time: what it is, how it is judged, and what cannot give one."""

from __future__ import annotations

import dataclasses

import pytest

from edgeserve.board import load_board
from edgeserve.calibration import Judged, Run, estimate_time, run_of
from edgeserve.errors import ConfigError
from edgeserve.measurement import Measurement, Place, Subject, Unit
from edgeserve.show.time import told_time
from tests.unit.test_measurement import RECORD

TABLE = "cd" * 32
PHYSICAL = Place("nucleo_h743zi2", "simulated", False, "simulated clock", "", ())
SIMULATED = dataclasses.replace(RECORD, place=PHYSICAL, unit=Unit.NANOSECONDS)


def a_run(name: str, ns: float, instructions: int) -> Run:
    return Run(name, name * 32, "2026-01-02T03:04:05Z", ns, instructions, None)


def run(*measurements: Measurement, board: str = "nucleo_h743zi2", table: str = TABLE) -> Run:
    return run_of("digits", table, [40, 60], measurements, load_board(board))


def test_one_run_gives_a_factor_and_no_error() -> None:
    time = estimate_time(3000, [a_run("aa", 500.0, 1000)])
    assert (time.ns, time.ns_an_instruction) == (1500.0, 0.5)
    assert (time.error, time.judged) == (None, Judged.UNKNOWN)


def test_two_runs_are_judged_by_their_own_factor() -> None:
    """Ratios 2 and 1: k = 3/5, off by 1/5 of the first and 2/5 of the second."""
    time = estimate_time(1000, [a_run("aa", 500.0, 1000), a_run("bb", 1000.0, 1000)])
    assert time.ns_an_instruction == pytest.approx(0.6)
    assert time.error == pytest.approx(0.4)
    assert time.judged is Judged.RESIDUAL


def test_three_runs_are_left_out_one_by_one() -> None:
    """The third is left to a factor of 1 by the others, and takes twice that."""
    runs = [a_run("aa", 10.0, 10), a_run("bb", 1e6, 1_000_000), a_run("cc", 400.0, 200)]
    time = estimate_time(1000, runs)
    assert time.judged is Judged.LEAVE_ONE_OUT
    assert time.ns_an_instruction == pytest.approx((1 + 1 + 0.5) / (1 + 1 + 0.25))
    left_out = (1 + 0.5) / (1 + 0.25)
    assert time.error == pytest.approx(max(left_out - 1, 0.5))


def test_exact_runs_have_no_error() -> None:
    runs = [a_run(name, 2.5 * n, n) for name, n in (("aa", 100), ("bb", 7000), ("cc", 31))]
    time = estimate_time(40, runs)
    assert time.ns == pytest.approx(100)
    assert time.error == pytest.approx(0, abs=1e-12)


def test_a_table_measured_twice_counts_once() -> None:
    runs = [a_run("aa", 900.0, 1000), a_run("bb", 500.0, 1000), a_run("aa", 500.0, 1000)]
    time = estimate_time(1000, runs)
    assert len(time.runs) == 2
    assert time.ns == pytest.approx(500)


def test_the_last_run_on_the_board_counts() -> None:
    earlier = dataclasses.replace(SIMULATED, samples=(1, 1, 1))
    other = dataclasses.replace(SIMULATED, place=dataclasses.replace(PHYSICAL, board="pico"))
    found = run(earlier, SIMULATED, other, RECORD)
    assert (found.measured_ns, found.estimated_instructions) == (100, 100)
    assert found.step_ns == (90 / 40, 90 / 40)


def test_microseconds_and_cycles_of_a_known_clock() -> None:
    assert run(dataclasses.replace(SIMULATED, unit=Unit.MICROSECONDS)).measured_ns == 100_000
    # The port leaves this board's clock at 64 MHz.
    cycles = run(dataclasses.replace(SIMULATED, unit=Unit.CYCLES))
    assert cycles.measured_ns == pytest.approx(100 * 1e9 / 64e6)


def test_what_cannot_calibrate() -> None:
    def refused(*measurements: Measurement, board: str = "nucleo_h743zi2") -> str:
        with pytest.raises(ConfigError) as raised:
            run(*measurements, board=board)
        assert raised.value.hint
        return raised.value.what

    assert "mps2-an500 is emulated" in refused(RECORD, board="mps2-an500")
    assert "host is host" in refused(board="host")
    assert "never measured on nucleo_h743zi2" in refused(RECORD)
    emulated = dataclasses.replace(SIMULATED, place=dataclasses.replace(PHYSICAL, emulated=True))
    assert "never measured" in refused(emulated)
    subject = Subject("digits", "ab" * 32, "ef" * 32, 1, None, None)
    assert "another table" in refused(dataclasses.replace(SIMULATED, subject=subject))
    assert "no time" in refused(dataclasses.replace(SIMULATED, samples=(0, 0, 0)))
    on_pico = dataclasses.replace(
        SIMULATED, place=dataclasses.replace(PHYSICAL, board="pico"), unit=Unit.CYCLES
    )
    assert "cycles, which are no time" in refused(on_pico, board="pico")


def test_it_is_always_called_an_estimate() -> None:
    board = load_board("nucleo_h743zi2")
    runs = [a_run("aa", 5e6, 10_000_000), a_run("bb", 1e6, 2_000_000), a_run("cc", 1e6, 1_900_000)]
    for count, said in (
        (1, "one measured model cannot say it"),
        (2, "on the 2 models that it is fitted to"),
        (3, "on 3 models, each left out of the fit"),
    ):
        first, *rest = told_time(board, estimate_time(4_000_000, runs[:count]))
        assert first.startswith("estimate of time on nucleo_h743zi2: 2.")
        assert said in first
        assert len(rest) == count

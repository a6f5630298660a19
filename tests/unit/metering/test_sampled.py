"""Power that is asked for while work is done, and what it comes to."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest

from edgeserve.absent import Absent
from edgeserve.errors import DeviceError
from edgeserve.metering.meter import Window, energy_of
from edgeserve.metering.sampled import Sample, SampledMeter, Watts, window_between

STEADY: Watts = (("cpu", 2.0), ("board", 5.0))


def samples(seconds: float = 10.0, every_s: float = 0.25) -> list[Sample | Absent]:
    """From before 0 to after ``seconds``: the cpu swings around 2 W, the board takes 5 W."""
    count = round(seconds / every_s) + 3
    times = [(index - 1) * every_s for index in range(count)]
    return [Sample(at, (("cpu", 2 + math.sin(3 * at)), ("board", 5.0))) for at in times]


def test_power_is_integrated_by_group() -> None:
    window = window_between(samples(), 0.0, 10.0)
    assert isinstance(window, Window)
    assert window.seconds == 10.0
    cpu, board = window.groups
    assert (cpu.group, board.group) == ("cpu", "board")
    swing_j = (1 - math.cos(30)) / 3
    assert cpu.energy_uj == pytest.approx((20 + swing_j) * 1e6, rel=1e-2)
    assert board.energy_uj == pytest.approx(50e6)
    # What swings is known less well than what is steady.
    assert cpu.plus_minus_uj > 1e5
    assert board.plus_minus_uj == pytest.approx(0, abs=1)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ([Absent("gone")], "gone"),
        ([Sample(5.0, (("cpu", 2.0),))], "not measured all the time"),
        ([Sample(5.0, (("board", 5.0), ("cpu", 2.0)))], "not measured all the time"),
        ([Sample(5.0, (("cpu", math.nan), ("board", 5.0)))], "no number"),
        ([Sample(0.0, STEADY)], "goes back"),
    ],
)
def test_a_sample_that_is_none_leaves_no_energy(
    broken: Sequence[Sample | Absent], reason: str
) -> None:
    listed = samples()
    listed[22:22] = broken
    window = window_between(listed, 0.0, 10.0)
    assert isinstance(window, Absent)
    assert reason in window.reason


def test_samples_that_are_far_apart_leave_no_energy() -> None:
    window = window_between([*samples()[:10], *samples()[20:]], 0.0, 10.0)
    assert isinstance(window, Absent)
    assert "gap of 2.75 s" in window.reason


def test_a_meter_samples_before_during_and_after_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgeserve.metering.sampled.EVERY_S", 0.01)
    monkeypatch.setattr("edgeserve.metering.meter.LEAST_WINDOW_S", 0.1)
    busy = False

    def ask() -> Watts:
        return (("cpu", 2.5 if busy else 0.5),)

    def work() -> None:
        nonlocal busy
        busy = True
        time.sleep(0.5)

    meter = SampledMeter("test", ask)
    idle = meter.during(lambda: time.sleep(0.5))
    energy = energy_of(idle(), meter.during(work)(), 100, meter)
    assert not isinstance(energy, Absent), energy.reason
    (cpu,) = energy.groups
    assert cpu.gross_mj == pytest.approx(12.5, rel=0.2)
    assert cpu.net_mj == pytest.approx(10, rel=0.2)


def test_a_device_that_is_lost_is_the_reason_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeserve.metering.sampled.EVERY_S", 0.01)
    lost = False

    def ask() -> Watts:
        if lost:
            raise DeviceError("the phone is gone", hint="plug it in")
        return STEADY

    def work() -> None:
        nonlocal lost
        lost = True
        time.sleep(0.1)

    meter = SampledMeter("test", ask)
    assert isinstance(meter.read(), Sample)
    told = meter.during(work)()
    assert isinstance(told, Absent)
    assert told.reason == "the phone is gone"
    with pytest.raises(DeviceError):
        meter.read()


def test_work_that_fails_ends_the_sampling() -> None:
    asked = 0

    def ask() -> Watts:
        nonlocal asked
        asked += 1
        return STEADY

    def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        SampledMeter("test", ask).during(work)
    before = asked
    time.sleep(0.4)
    assert asked == before

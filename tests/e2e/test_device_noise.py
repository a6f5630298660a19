"""A simulated wire that drops, doubles and corrupts bytes, before a real image.

Never a wrong number, never a hang.
"""

from __future__ import annotations

import time
from random import Random

import pytest

from edgeserve.device.protocol import Dut
from edgeserve.device.runs import Limits
from edgeserve.device.start import start_image
from edgeserve.errors import DeviceError, Timeout
from edgeserve.stimulus import xorshift_stimulus
from tests.e2e.bench_images import BenchImage
from tests.simulated_link import SimulatedNoise

IMPATIENT = Limits(answer_s=0.3, inference_s=0.05, results_s=0.05)


def converse(dut: Dut, image: BenchImage) -> tuple[object, ...]:
    """Everything that bench and verify ask, but for counts, which differ from run to run."""
    stimulus = xorshift_stimulus(image.program)
    info = dut.require_table(image.table.sha256)
    dut.reset()
    dut.load(stimulus.data)
    loaded = dut.run(), dut.crcs(), dut.out(10), dut.dump(1, 0, 1, 10)
    dut.fill(0x12345678, stimulus.data)
    kernels = tuple(step.kernel for step in dut.profile())
    laps = dut.laps(3, 1)
    assert all(0 <= count < 10**9 for count in laps.counts)
    marks = dut.memory()
    return info.steps, info.arena_bytes, loaded, kernels, laps.output_crc, marks.arena_bytes


def outcome_of(dut: Dut, image: BenchImage) -> tuple[object, ...] | DeviceError:
    try:
        return converse(dut, image)
    except DeviceError as error:
        return error


@pytest.fixture(scope="module")
def undisturbed(host_image: BenchImage) -> tuple[object, ...]:
    dut = host_image.start()
    try:
        return converse(dut, host_image)
    finally:
        dut.close()


@pytest.mark.parametrize("rate", [0.0001, 0.0005, 0.005, 0.05])
def test_noise_is_an_error_or_does_no_harm(
    host_image: BenchImage, undisturbed: tuple[object, ...], rate: float
) -> None:
    outcomes = {"right": 0, "refused": 0}
    for seed in range(20):
        link = SimulatedNoise(start_image(host_image.board, host_image.image), Random(seed), rate)
        dut = Dut(link, IMPATIENT)
        dut.wait_ready()
        link.active = True
        began = time.monotonic()
        outcome = outcome_of(dut, host_image)
        assert time.monotonic() - began < 5
        dut.close()
        if isinstance(outcome, DeviceError):
            # On a busy machine an answer may come too late for our impatience.
            assert link.damaged > 0 or isinstance(outcome, Timeout), outcome.what
            assert "\n" not in outcome.what
            outcomes["refused"] += 1
        else:
            assert outcome == undisturbed
            outcomes["right"] += 1
    assert outcomes["refused"] > 0, "the noise never struck: the test shows nothing"
    assert outcomes["right"] > 0 or rate > 0.0002

"""verify and bench where channels are left out: what is compared, and what is held to be true."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from edgeserve.bench import bench
from edgeserve.device.protocol import Dut
from edgeserve.errors import BrokenProof, WrongOutput
from edgeserve.narrow import narrowed
from edgeserve.program import Channels, Program, Step
from edgeserve.stimulus import random_stimuli, xorshift_stimulus
from edgeserve.verify import NarrowedTensor, verify
from tests.e2e.bench_images import BenchImage, build_image
from tests.narrow_layers import ZERO_POINT, Layers

FATE = ".z.m."


def layers(fate: str = FATE) -> bytes:
    """A layer with dead channels, a branch that is constant, and their readers."""
    b = Layers()
    x = b.image(4, 5, 3)
    hidden = b.conv(x, fate)
    y = b.concatenate(b.conv(hidden, ".."), b.conv(b.conv(x, "zzz"), "..."))
    return b.done(x, [b.conv(y, "....")])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> BenchImage:
    return build_image(layers(), "host", tmp_path_factory.mktemp("narrowed"), passes=narrowed)


@pytest.fixture
def dut(image: BenchImage) -> Iterator[Dut]:
    started = image.start()
    yield started
    started.close()


def claiming(program: Program, constants: tuple[tuple[int, int], ...]) -> Program:
    """The program with another claim about its first layer."""
    first = program.steps[0]
    assert first.oracle is not None
    assert first.oracle.channels is not None
    channels = replace(first.oracle.channels, constants=constants)
    changed = replace(first, oracle=replace(first.oracle, channels=channels))
    return replace(program, steps=(changed, *program.steps[1:]))


def test_kept_channels_are_compared_and_the_others_counted(image: BenchImage, dut: Dut) -> None:
    found = verify(image.program, image.table, image.model, dut, random_stimuli(image.program, 5))
    assert found.equal
    assert found.coverage.uncovered == ()
    assert found.coverage.covered + len(found.coverage.folded) == found.coverage.total
    told = {(one.channels, one.kept, one.constant) for one in found.coverage.narrowed}
    assert (5, 3, 2) in told
    assert (3, 0, 3) in told, "the branch that is constant"
    assert NarrowedTensor("t2", 5, 3, 2) in found.coverage.narrowed
    measured = bench(image.candidate, dut, xorshift_stimulus(image.program), laps=2)
    assert [step.macs for step in measured.steps] == [step.macs for step in image.program.steps]


def test_bytes_that_differ_are_those_of_kept_channels(image: BenchImage, dut: Dut) -> None:
    """The oracle gets a model in which the last channel of the first layer is dead as well."""
    other = layers(".z.mm")
    program = image.program
    found = verify(program, image.table, other, dut, random_stimuli(program, 2))
    first = found.first_difference
    assert first is not None
    assert first.step == 0
    assert first.total_bytes == 4 * 5 * 3
    assert 0 < first.differing_bytes <= 4 * 5
    assert first.offset % 3 == 2, "the third of three that are kept"
    assert (first.want[0], first.want[3]) == (127, 127)
    assert first.got[0] != 127
    assert first.got[1:3] == first.want[1:3]
    with pytest.raises(WrongOutput, match="step 0"):
        bench(
            replace(image.candidate, model_tflite=other),
            dut,
            xorshift_stimulus(program),
        )


@pytest.mark.parametrize(
    "constants", [((1, ZERO_POINT + 1),), ((1, ZERO_POINT), (2, 0))], ids=["element", "channel"]
)
def test_a_proof_that_does_not_hold_is_no_result(
    image: BenchImage, dut: Dut, constants: tuple[tuple[int, int], ...]
) -> None:
    program = claiming(image.program, constants)
    with pytest.raises(BrokenProof, match=f"channel {constants[-1][0]} of tensor 't2'") as broken:
        verify(program, image.table, image.model, dut, random_stimuli(program, 1))
    assert "report it" in broken.value.hint
    candidate = replace(image.candidate, program=program)
    with pytest.raises(BrokenProof):
        bench(candidate, dut, xorshift_stimulus(program))


def test_claims_about_folded_tensors_are_held_too(image: BenchImage, dut: Dut) -> None:
    wrong = tuple(
        replace(one, channels=Channels(one.channels.total, (), ((0, 1),)))
        if one.channels is not None
        else one
        for one in image.program.folded
    )
    assert wrong != image.program.folded
    program = replace(image.program, folded=wrong)
    with pytest.raises(BrokenProof, match="channel 0"):
        verify(program, image.table, image.model, dut, random_stimuli(program, 1))


def test_the_channels_of_a_tensor() -> None:
    data = bytes([1, 250, 3, 4, 250, 6])
    left = Channels(3, (0, 2), ((1, -6),))
    assert left.of(data) == bytes([1, 3, 4, 6])
    assert left.broken(data) == ()
    assert left.broken(bytes([1, 250, 3, 4, 251, 6])) == (1,)
    assert Channels(3, (), ()).of(data) == b""


def dumped(step: Step, dut: Dut) -> bytes:
    return dut.dump(step.index, 0, step.output.h, step.output.w * step.output.c)


def test_a_dump_has_the_bytes_of_the_checksum(image: BenchImage, dut: Dut) -> None:
    dut.fill(0x12345678, xorshift_stimulus(image.program).data)
    dut.run()
    crcs = dut.crcs()
    assert [zlib.crc32(dumped(step, dut)) for step in image.program.steps] == list(crcs)

"""verify and bench on real images: right ones, wrong ones, and ones that change their mind."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from edgeserve.bench import bench
from edgeserve.device.answers import DeviceInfo
from edgeserve.device.link import Link
from edgeserve.device.protocol import Dut
from edgeserve.errors import (
    ConfigError,
    DeviceError,
    MissingTool,
    ModelError,
    ProtocolError,
    ToolFailed,
    WrongOutput,
)
from edgeserve.lower import lower
from edgeserve.measurement import Unit, append_measurement, per_inference, read_measurements
from edgeserve.metering.meter import Counted, CounterMeter
from edgeserve.oracle import OracleProcess, OracleTensor, open_oracle
from edgeserve.program import Folded, Oracle, Port
from edgeserve.stimulus import random_stimuli, sample_stimuli, xorshift_stimulus
from edgeserve.tflite.reader import read_model
from edgeserve.verify import coverage, verify
from edgeserve.xorshift import FIRST_SEED, xorshift_input
from tests.e2e.bench_images import BenchImage, build_image, two_layers, with_memory


@pytest.fixture
def host(host_image: BenchImage) -> Iterator[Dut]:
    dut = host_image.start()
    yield dut
    dut.close()


@pytest.fixture(scope="module")
def stateful_image(tmp_path_factory: pytest.TempPathFactory) -> BenchImage:
    return build_image(with_memory(), "host", tmp_path_factory.mktemp("stateful"))


class Forgetful(Dut):
    """A device (simulated) that leaves the reset out."""

    def reset(self) -> None:
        pass


class Undecided(Dut):
    """A device (simulated) whose second step differs from run to run."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self._runs = 0

    def crcs(self) -> tuple[int, ...]:
        self._runs += 1
        first, *_ = super().crcs()
        return first, self._runs


class SimulatedMeter(CounterMeter):
    """Counts a watt, whatever happens."""

    name, coarse, refresh_s = "simulated meter", False, 0.0

    def read(self) -> Counted:
        now_s = time.monotonic()
        return Counted(now_s, (("device", now_s * 1e6),))


def test_an_external_meter_counts_a_board_s_energy(
    host_image: BenchImage, host: Dut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeserve.bench.ENERGY_S", 0.4)
    monkeypatch.setattr("edgeserve.metering.meter.LEAST_WINDOW_S", 0.3)
    stimulus = xorshift_stimulus(host_image.program, FIRST_SEED)
    record = bench(host_image.candidate, host, stimulus, laps=2, meter=SimulatedMeter())
    assert record.energy is not None
    assert record.energy_absent == ""
    assert record.energy.inferences >= 10
    (group,) = record.energy.groups
    each_s = record.energy.load_s / record.energy.inferences
    assert group.gross_mj == pytest.approx(1000 * each_s)
    assert group.net_mj == pytest.approx(0, abs=1e-6)
    without = bench(host_image.candidate, host, stimulus, laps=2)
    assert (without.energy, without.energy_absent) == (None, "not asked for")


def test_equal_on_every_step_of_every_input(host_image: BenchImage, host: Dut) -> None:
    samples = np.arange(96, dtype=np.int8).reshape(2, 48)
    inputs = (
        *random_stimuli(host_image.program, 3),
        *sample_stimuli([samples], 5),
    )
    told: list[tuple[int, int]] = []
    found = verify(
        host_image.program,
        host_image.table,
        host_image.model,
        host,
        inputs,
        lambda done, total: told.append((done, total)),
    )
    assert found.equal
    assert (found.steps, found.differing_inputs, found.differing_bytes) == (2, 0, 0)
    assert found.inputs == (
        "xorshift 0x12345678",
        "xorshift 0xb06bd031",
        "xorshift 0x4ea349ea",
        "calibration 0",
        "calibration 1",
    )
    assert (found.coverage.covered, found.coverage.total) == (2, 2)
    assert told == [(i, 5) for i in range(1, 6)]


def test_the_first_differing_step_is_named_with_its_bytes(
    host_image: BenchImage, host: Dut
) -> None:
    """The oracle gets a model whose last layer has another bias: one byte of ten differs."""
    other = two_layers(second_bias=30000)
    inputs = random_stimuli(host_image.program, 3)
    found = verify(host_image.program, host_image.table, other, host, inputs)
    assert not found.equal
    assert found.differing_inputs == 3
    assert found.differing_bytes == 3
    first = found.first_difference
    assert first is not None
    assert (first.step, first.tensor, first.kernel) == (1, "y", "FULLY_CONNECTED")
    assert (first.input, first.row, first.offset) == ("xorshift 0x12345678", 0, 7)
    assert (first.differing_bytes, first.total_bytes) == (1, 10)
    assert len(first.want) == len(first.got) == 3
    assert first.want[0] != first.got[0]
    assert first.want[1:] == first.got[1:]


def test_an_output_that_something_wrote_over(host_image: BenchImage, host: Dut) -> None:
    class Overwritten(Dut):
        def out(self, size_bytes: int) -> bytes:
            return bytes([super().out(size_bytes)[0] ^ 1]) + super().out(size_bytes)[1:]

    dut = Overwritten(host._link)
    found = verify(
        host_image.program,
        host_image.table,
        host_image.model,
        dut,
        random_stimuli(host_image.program, 1),
    )
    assert found.first_difference is not None
    assert found.first_difference.step is None
    assert found.first_difference.differing_bytes == 1


def test_a_device_that_does_not_repeat_itself(host_image: BenchImage, host: Dut) -> None:
    inputs = random_stimuli(host_image.program, 1)
    dut = Undecided(host._link)
    with pytest.raises(DeviceError, match="gave different results"):
        verify(host_image.program, host_image.table, host_image.model, dut, inputs)


def test_another_model_is_not_verified(host_image: BenchImage, host: Dut, tmp_path: Path) -> None:
    other = build_image(two_layers(width=24), "host", tmp_path)
    inputs = random_stimuli(other.program, 1)
    with pytest.raises(DeviceError, match="holds another model"):
        verify(other.program, other.table, other.model, host, inputs)
    with pytest.raises(DeviceError, match="holds another model"):
        bench(other.candidate, host, inputs[0])


def test_state_from_reset_and_in_sequence(stateful_image: BenchImage) -> None:
    dut = stateful_image.start()
    inputs = random_stimuli(stateful_image.program, 7)
    args = (stateful_image.program, stateful_image.table, stateful_image.model)
    found = verify(*args, dut, inputs)
    assert found.equal
    assert len(found.inputs) == 7 + 5
    assert found.inputs[-1] == "run 5 of a sequence without reset"
    with pytest.raises(DeviceError, match=r"\(xorshift 0x12345678\) gave different results"):
        verify(*args, Forgetful(dut._link), inputs)
    dut.close()


def test_bench_on_the_emulated_board(an500_image: BenchImage, tmp_path: Path) -> None:
    dut = an500_image.start()
    stimulus = xorshift_stimulus(an500_image.program)
    said: list[str] = []
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    measured = bench(
        an500_image.candidate, dut, stimulus, laps=3, warmup=2, now=now, progress=said.append
    )
    dut.close()
    assert measured.unit is Unit.INSTRUCTIONS
    assert measured.place.emulated
    assert measured.recorded_at == "2026-01-02T03:04:05Z"
    assert len(set(measured.samples)) == 1
    steps = sum(step.count for step in measured.steps)
    assert steps <= per_inference(measured) <= steps + 100 * len(measured.steps)
    assert [step.macs for step in measured.steps] == [48 * 40, 40 * 10]
    memory = measured.memory
    assert 0 < memory.arena_high_water_bytes <= memory.arena_bytes
    assert measured.subject.code_bytes == an500_image.image.code_bytes
    with open_oracle(an500_image.model, an500_image.program) as oracle:
        assert measured.output_crc32 == f"{oracle.run(stimulus.data).output_crc:08x}"
    assert "qemu-system-arm" in [tool.name for tool in measured.tools]
    assert len(said) == 3
    path = tmp_path / "measurements.jsonl"
    append_measurement(path, measured)
    assert read_measurements(path) == (measured,)


def test_bench_of_a_model_with_state_follows_the_oracle_through_all_laps(
    stateful_image: BenchImage,
) -> None:
    dut = stateful_image.start()
    stimulus = xorshift_stimulus(stateful_image.program)
    measured = bench(stateful_image.candidate, dut, stimulus, laps=3, warmup=1)
    dut.close()
    with open_oracle(stateful_image.model, stateful_image.program) as oracle:
        crcs = [oracle.run(stimulus.data, reset=i == 0).output_crc for i in range(4)]
    assert measured.output_crc32 == f"{crcs[3]:08x}"
    assert crcs[3] != crcs[0], "the state does not show in the output: the test shows nothing"


def test_a_fast_wrong_answer_is_not_recorded(host_image: BenchImage, host: Dut) -> None:
    wrong = replace(host_image.candidate, model_tflite=two_layers(second_bias=30000))
    with pytest.raises(WrongOutput, match=r"step 1 \(FULLY_CONNECTED, y\)"):
        bench(wrong, host, xorshift_stimulus(host_image.program))


def test_an_emulator_that_claims_to_know_time(an500_image: BenchImage) -> None:
    class Boastful(Dut):
        def info(self) -> DeviceInfo:
            return replace(super().info(), unit="us")

    dut = an500_image.start()
    with pytest.raises(ProtocolError, match="cannot know"):
        bench(an500_image.candidate, Boastful(dut._link), xorshift_stimulus(an500_image.program))
    dut.close()


def test_another_board_and_no_laps(
    an500_image: BenchImage, host_image: BenchImage, host: Dut
) -> None:
    stimulus = xorshift_stimulus(host_image.program)
    with pytest.raises(DeviceError, match="is a host, not a mps2-an500"):
        bench(an500_image.candidate, host, stimulus)
    with pytest.raises(ConfigError, match="lap"):
        bench(host_image.candidate, host, stimulus, laps=0)


def test_coverage_counts_what_the_oracle_writes() -> None:
    program = lower(read_model(two_layers(), name="m"))
    program = replace(program, folded=(Folded(11, "flat", 0, "reshape"),))
    written = [OracleTensor(i, n) for i, n in ((1, "hidden"), (2, "y"), (11, "flat"), (12, "lost"))]
    found = coverage(program, written)
    assert (found.covered, found.total) == (2, 4)
    assert [(f.name, f.step) for f in found.folded] == [("flat", 0)]
    assert found.uncovered == ("lost",)


def test_the_oracle_refuses_crashes_or_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    program = lower(read_model(two_layers(), name="m"))
    with pytest.raises(ModelError, match="refuses the model") as refused:
        open_oracle(b"nonsense" * 100, program)
    assert "\n" not in refused.value.what
    with open_oracle(two_layers(), program) as oracle:
        with pytest.raises(ValueError, match="input bytes"):
            oracle.run(b"")
        oracle._worker.send_signal(signal.SIGSEGV)
        with pytest.raises(ToolFailed, match="signal 11"):
            oracle.run(bytes(48))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingTool) as missing:
        open_oracle(two_layers(), program)
    assert "ai-edge-litert==2.3.0" in missing.value.hint


def test_another_version_of_the_oracle_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    program = lower(read_model(two_layers(), name="m"))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.4.0")
    with open_oracle(two_layers(), program) as oracle:
        assert any("not the pinned 2.3.0" in note for note in oracle.notes)


@pytest.mark.parametrize(
    ("file", "crc"),
    [
        ("hello_world_int8", "71beeff9"),
        ("ad01_int8", "924f5a32"),
        ("kws_ref_model", "f7cb3257"),
        ("pretrainedResnet_quant", "942bd32c"),
        ("vww_96_int8", "90d2a596"),
        ("person_detect", "01a5a599"),
        ("micro_speech_quantized", "c002d0b0"),
    ],
)
def test_the_oracle_gives_the_published_checksums(shared_data: Path, file: str, crc: str) -> None:
    """The same generator and the same reference as everybody else's: known output CRCs."""
    model = (shared_data / "models" / f"{file}.tflite").read_bytes()
    graph = read_model(model, name=file)

    def port(index: int) -> Port:
        tensor = graph.tensors[index]
        return Port(tensor.name, 0, tensor.shape, tensor.dtype, None, index)

    inputs = [port(index) for index in graph.inputs]
    outputs = [port(index) for index in graph.outputs]
    wanted = [Oracle(index) for index in graph.outputs]
    with OracleProcess(model, inputs=inputs, outputs=outputs, wanted=wanted) as oracle:
        answer = oracle.run(xorshift_input(inputs, FIRST_SEED))
        assert f"{answer.output_crc:08x}" == crc
        assert len(oracle.written) == len(graph.ops)
        assert bool(oracle.notes) == (file == "person_detect")
